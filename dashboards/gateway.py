"""The gateway: rate, errors and duration as they are taken at the door."""

from __future__ import annotations

from dashboards.panels import ONE_IS_GOOD, RATE, Json, Steps, chart, dashboard, prom, stat, variable

PUBLIC = 'proxy="public"'
APPLICATIONS = '{proxy!="nothing", proxy=~"$application"}'
FAILING: Steps = (("green", None), ("orange", 0.01), ("red", 0.05))
REQUESTS = f"sum(rate(haproxy_frontend_http_requests_total{{{PUBLIC}}}{RATE}))"
ERRORS = (
    f'sum(rate(haproxy_frontend_http_responses_total{{{PUBLIC}, code="5xx"}}{RATE}))'
    f" / sum(rate(haproxy_frontend_http_responses_total{{{PUBLIC}}}{RATE}))"
)


def average(part: str) -> str:
    return f"max(haproxy_backend_{part}_time_average_seconds{APPLICATIONS})"


def trouble(metric: str) -> str:
    return f"sum(rate(haproxy_backend_{metric}_total{APPLICATIONS}{RATE}))"


def by_answer(note: str = "") -> Json:
    return chart(
        "Requests by answer",
        "What people got from the gateway. Good: nearly all green (2xx). Yellow (4xx) is the caller's mistake: a page that is not there, an empty order. Red (5xx) is ours."
        + note,  # noqa: E501
        prom(f"sum by (code) (rate(haproxy_frontend_http_responses_total{{{PUBLIC}}}{RATE}))", "{{code}}"),
        unit="reqps",
        stack=True,
        colours={"2xx": "green", "3xx": "blue", "4xx": "yellow", "5xx": "red", "1xx": "purple", "other": "text"},
    )


DASHBOARD = dashboard(
    "gateway",
    "Gateway",
    "HAProxy, the door to the applications: how much comes in, what goes out, which servers stand behind it. All figures are taken at the door, so they hold even when an application tells nothing.",
    ["edge", "red"],
    [
        (4, [
            stat("Requests", "**R**ate: requests a second at the door. Good: what the traffic service was told to make.", prom(REQUESTS), unit="reqps"),
            stat("Errors", "**E**rrors: share of answers that are 5xx, whether an application or the gateway made them. Good: below 1 %.",
                 prom(ERRORS), unit="percentunit", decimals=2, steps=FAILING),
            stat("Response time", "**D**uration: the slowest application's average over its last 1024 requests. Good: what it always was.",
                 prom(average("response")), unit="s"),
            stat("Healthy servers", "Application servers that pass the health check. Good: one or more of each application. With 0 people get a 503.",
                 prom(f"sum(haproxy_backend_active_servers{APPLICATIONS})"), steps=ONE_IS_GOOD),
            stat("Connections", "Connections open at this moment. Good: far below the limit of 2000; each one takes memory.",
                 prom("haproxy_process_current_connections"), steps=(("green", None), ("orange", 1600), ("red", 1900))),
            stat("Idle", "Share of the time in which HAProxy waits for work. Good: above 50 %.",
                 prom("haproxy_process_idle_time_percent / 100"), unit="percentunit", decimals=0,
                 steps=(("red", None), ("orange", 0.2), ("green", 0.5))),
        ]),
        (8, [
            by_answer(),
            chart("Error ratio", "Share of answers that are 5xx. Good: flat at 0. A step up right after a deployment names the culprit.",
                  prom(ERRORS, "5xx"), unit="percentunit", colours={"5xx": "red"}),
        ]),
        (8, [
            chart("Time by part", "Where the time goes, averaged over the last 1024 requests: waiting for a free server, connecting, the application's answer. Good: queue and connect near 0.",
                  prom(average("queue"), "queue"), prom(average("connect"), "connect"), prom(average("response"), "answer"),
                  unit="s", stack=True, colours={"queue": "red", "connect": "yellow", "answer": "green"}),
            chart("Requests by application", "Which application people ask for. Good: the split you expect, such as 90 to 10 for a canary.",
                  prom(f"sum by (proxy) (rate(haproxy_backend_http_requests_total{APPLICATIONS}{RATE}))", "{{proxy}}"), unit="reqps", stack=True),
            chart("Requests by server", "How an application's requests are shared among its servers. Good: alike. Servers without requests are not shown. Empty when nobody asks for anything.",
                  prom(f"sum by (proxy, server) (rate(haproxy_server_http_responses_total{APPLICATIONS}{RATE})) > 0", "{{proxy}}/{{server}}"), unit="reqps", stack=True),
        ]),
        (8, [
            chart("Servers in service", "Servers of each application that pass the health check. Good: flat. A dip is a restart, or a server that fell ill.",
                  prom(f"haproxy_backend_active_servers{APPLICATIONS}", "{{proxy}}"), unit="short"),
            chart("Trouble on the way", "What went wrong between gateway and application: connections refused, answers broken off, requests sent again. Good: 0. People may not notice, as a retry hides it.",
                  prom(trouble("connection_errors"), "refused"), prom(trouble("response_errors"), "broken off"), prom(trouble("retry_warnings"), "tried again"),
                  unit="cps", colours={"refused": "red", "broken off": "orange", "tried again": "yellow"}),
            chart("Bytes", "What comes in and goes out at the door. Good: moves with the requests. Many bytes and few requests: something large is being fetched.",
                  prom(f"sum(rate(haproxy_frontend_bytes_in_total{{{PUBLIC}}}{RATE}))", "in"),
                  prom(f"sum(rate(haproxy_frontend_bytes_out_total{{{PUBLIC}}}{RATE}))", "out"),
                  unit="Bps", colours={"in": "blue", "out": "green"}),
        ]),
    ],
    [variable("application", "Application", 'label_values(haproxy_backend_active_servers{proxy!="nothing"}, proxy)')],
)  # fmt: skip
