"""Orders and queues, and the AWS emulator as its users see it: both need the worker, which asks it all the time."""

from __future__ import annotations

from dashboards.panels import ANSWERS, NONE_IS_GOOD, ONE_IS_GOOD, RATE, chart, dashboard, prom, stat, timeline, variable

EMULATOR = 'service=~"localstack|ministack"'
LIVE, DEAD = 'queue!~".+-dead"', 'queue=~".+-dead"'
RESULTS = {"accepted": "green", "kept": "blue", "rejected": "yellow", "failed": "red"}


def p95(metric: str, by: str) -> str:
    return f'histogram_quantile(0.95, sum by (le, {by}) (rate({metric}_bucket{{job="orders"}}{RATE})))'


ORDERS = dashboard(
    "orders",
    "Orders and queues",
    "An order goes storefront → SQS → worker → DynamoDB → SQS → Lambda → S3. Does each step keep up with the one before?",
    ["apps", "queues"],
    [
        (4, [
            stat("Ordered", "Orders a minute that the storefront took. Good: moves with the visitors.",
                 prom(f'sum(rate(orders_total{{job="storefront", result=~"accepted|kept"}}{RATE})) * 60'), unit="opm"),
            stat("Stored", "Orders a minute that the worker wrote to the table. Good: the same as ordered.",
                 prom(f'sum(rate(messages_total{{job="orders", result="stored"}}{RATE})) * 60'), unit="opm"),
            stat("Waiting", "Messages in the queues. Good: near 0. The alert fires above 200 in one of them.",
                 prom(f"sum(max by (queue) (queue_messages{{{LIVE}}}))"), steps=(("green", None), ("orange", 50), ("red", 200))),
            stat("Dead letters", "Messages that failed three times and wait for a person. Good: 0.",
                 prom(f"sum(max by (queue) (queue_messages{{{DEAD}}}))"), steps=NONE_IS_GOOD),
            stat("Kept", "Orders that the storefront keeps on its disk while AWS is away. Good: 0. Nothing is lost.",
                 prom('sum(outbox_orders{job="storefront"})'), steps=NONE_IS_GOOD),
            stat("Workers", "Workers that Prometheus can scrape. Good: 1 or more.",
                 prom('sum(up{job="orders"})'), steps=ONE_IS_GOOD),
        ]),
        (8, [
            chart("Orders by result", "`rejected` orders were bad, `kept` ones wait for AWS, `failed` ones are our fault. Good: green; shoppers order nothing at times, so a few are rejected.",
                  prom(f'sum by (result) (rate(orders_total{{job="storefront"}}{RATE})) * 60', "{{result}}"), unit="opm", stack=True, colours=RESULTS),
            chart("Messages by result", "What the worker did with them. `repeated` were stored before: queues may deliver twice, and the worker must not mind. Good: `stored`, with no `failed`.",
                  prom(f'sum by (result) (rate(messages_total{{job="orders", queue=~"$queue"}}{RATE})) * 60', "{{result}}"), unit="opm", stack=True,
                  colours={"stored": "green", "repeated": "blue", "failed": "red"}),
        ]),
        (8, [
            chart("Queue length", "Messages that wait, by queue. Good: flat and low. A slope means that more come than are taken.",
                  prom('max by (queue) (queue_messages{queue=~"$queue"})', "{{queue}}"), unit="short"),
            chart("Age when handled, p95", "From sending to handling: what a customer waits for. Good: below a second. The dashed line is the alert's threshold.",
                  prom(p95("message_age_seconds", "queue"), "{{queue}}"), unit="s", limit=20),
            chart("Time to handle, p95", "The worker's own part: the table and the next queue. Good: below 0.2 s. The dashed line is the alert's threshold.",
                  prom(p95("message_duration_seconds", "queue"), "{{queue}}"), unit="s", limit=1),
        ]),
    ],
    [variable("queue", "Queue", "label_values(queue_messages, queue)")],
)  # fmt: skip

AWS = dashboard(
    "aws",
    "AWS emulator",
    "The AWS of this sandbox, LocalStack or MiniStack, as those who use it see it: it tells no metrics of its own.",
    ["aws"],
    [
        (4, [
            stat("Answers", "Whether its health page answers. Good: 1. Without it orders wait on the storefront's disk.",
                 prom(f"min(probe_success{{{EMULATOR}}})"), steps=ONE_IS_GOOD),
            stat("Answering over this time", "Share of the questions in the chosen time that were answered well. Good: above 99 %.",
                 prom(f"avg(avg_over_time(probe_success{{{EMULATOR}}}[$__range]))", instant=True), unit="percentunit", decimals=2,
                 steps=(("red", None), ("orange", 0.95), ("green", 0.99)), graph=False),
            stat("Time to answer", "How long its health page takes. Good: below 0.1 s. It answers one thing after the other, so this tells how busy it is.",
                 prom(f"max(probe_duration_seconds{{{EMULATOR}}})"), unit="s", steps=(("green", None), ("orange", 0.2), ("red", 1))),
            stat("Queues", "Queues of the shop that can be asked. Good: 4; 0 means that nobody reaches SQS.",
                 prom("count(max by (queue) (queue_messages) >= 0) or vector(0)"), steps=(("red", None), ("green", 1))),
        ]),
        (5, [
            timeline("Health", "Red is when the emulator did not answer. Good: green all along. It starts empty after a restart, unless it was told to keep its data.",
                     prom(f"probe_success{{{EMULATOR}}}", "{{service}}"), ANSWERS),
        ]),
        (8, [
            chart("Time to answer", "Its health page, as the blackbox exporter sees it. Good: flat. It rises when Lambdas and tables are busy.",
                  prom(f"probe_duration_seconds{{{EMULATOR}}}", "{{service}}"), unit="s"),
            chart("SQS send, p95", "Buying in the storefront is mostly one SQS send. Good: below 0.5 s. The dashed line is the alert's threshold.",
                  prom(f'histogram_quantile(0.95, sum by (le) (rate(http_request_duration_seconds_bucket{{job="storefront", method="POST", route="/api/orders"}}{RATE})))', "buy"), unit="s", limit=1),
            chart("DynamoDB write and SQS send, p95", "Handling an order is one write to the table and one message for its receipt. Good: below 0.2 s.",
                  prom(p95("message_duration_seconds", "queue"), "{{queue}}"), unit="s"),
        ]),
        (8, [
            chart("SQS: messages by queue", "What waits in each queue. Good: near 0, and `-dead` ones at 0.",
                  prom("max by (queue) (queue_messages)", "{{queue}}"), unit="short"),
            chart("SQS and DynamoDB: work done", "Messages a minute that were taken, written and passed on. Good: moves with the orders.",
                  prom(f'sum(rate(messages_total{{job="orders"}}{RATE})) * 60', "handled"),
                  prom(f'sum(rate(orders_total{{job="storefront", result="accepted"}}{RATE})) * 60', "sent"), unit="opm"),
            chart("Orders that wait for AWS", "On the storefront's disk, while SQS cannot be reached. Good: 0. They are sent when it is back.",
                  prom('sum(outbox_orders{job="storefront"})', "kept"), unit="short"),
        ]),
    ],
)  # fmt: skip
