"""Takes messages from the orders queue: SQS -> DynamoDB -> receipts queue.

SQS delivers at least once, so everything here may happen twice and must come to the same. A message that fails is
left in the queue, which moves it to the dead letters after its third try.
"""

from __future__ import annotations

import json
import logging
import time
from contextlib import suppress
from functools import partial
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from shop import COMMIT, VERSION, aws
from shop.faults import Faults
from shop.logs import about

from orders import POISON, SERVICE

TEXTS = ("id", "product", "currency", "created_at")
NUMBERS = ("quantity", "total_cents")
BUCKETS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
AGES = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800)
QUEUES = tuple(name for queue in (aws.ORDERS_QUEUE, aws.RECEIPTS_QUEUE) for name in (queue, f"{queue}-dead"))
RETRY_AFTER = 1  # seconds until a failed message is tried again
WAIT = 2  # seconds a receive waits for messages: also how long a stop takes at most

log = logging.getLogger(__name__)


class PoisonError(Exception):
    """A message that is no order, and never will be one."""


class Worker:
    """`step` handles one batch; call it for ever."""

    def __init__(self, registry: CollectorRegistry, faults: Faults) -> None:
        self._faults = faults
        self.trouble = "AWS was not reached yet"
        ProcessCollector(registry=registry)
        counter, gauge = partial(Counter, registry=registry), partial(Gauge, registry=registry)
        histogram = partial(Histogram, registry=registry)
        counted = counter("messages", "Messages handled, by how it went.", ["service", "queue", "result"])
        self._results = {
            result: counted.labels(SERVICE, aws.ORDERS_QUEUE, result) for result in ("stored", "repeated", "failed")
        }
        own = ["service", "queue"]
        duration = histogram("message_duration_seconds", "Time to handle a message.", own, buckets=BUCKETS)
        age = histogram("message_age_seconds", "From sending to the end of handling.", own, buckets=AGES)
        in_progress = gauge("messages_in_progress", "Being handled.", own)
        self._duration, self._age, self._in_progress = (
            metric.labels(SERVICE, aws.ORDERS_QUEUE) for metric in (duration, age, in_progress)
        )
        self._waiting = gauge("queue_messages", "Messages that wait in a queue.", own)
        info = gauge("app_info", "Always 1; the labels tell.", ["service", "version", "commit"])
        info.labels(SERVICE, VERSION, COMMIT).set(1)

    def step(self) -> None:
        """Waits for messages, and handles those that come. Trouble is kept in `trouble` and logged once."""
        try:
            url = aws.queue_url(aws.ORDERS_QUEUE)
            if self.trouble:
                log.info("reading the queue %s", aws.ORDERS_QUEUE)
                self.trouble = ""
            messages = self._receive(url)
        except aws.AwsError as error:
            aws.queue_url.cache_clear()
            if str(error) != self.trouble:
                self.trouble = str(error)
                log.warning("the queue cannot be read: %s", error)
            time.sleep(1)
            return
        for message in messages:
            self.handle(message)

    def _receive(self, url: str) -> list[dict[str, Any]]:
        answer = aws.ask(
            "sqs",
            "receive_message",
            QueueUrl=url,
            WaitTimeSeconds=WAIT,
            MaxNumberOfMessages=10,
            MessageSystemAttributeNames=["SentTimestamp", "ApproximateReceiveCount"],
        )
        return list(answer.get("Messages", ()))

    def handle(self, message: dict[str, Any]) -> None:
        """One message from its begin to its end, whatever happens."""
        attributes, began = message["Attributes"], time.perf_counter_ns()
        tries = int(attributes["ApproximateReceiveCount"])
        self._in_progress.inc()
        try:
            order = parse(message["Body"])
            about.set({"trace.id": order["trace_id"], "labels.order_id": order["id"]})
            result = "stored" if self._store(order) else "repeated"
            self._send_on(message["Body"])
            self._delete(message)
        except (PoisonError, *aws.AwsError) as error:
            result = "failed"
            log.error("try %d of message %s failed: %s", tries, message["MessageId"], error)
            if message["Body"] == POISON and not self._faults.is_on("poison"):
                self._drop(message)
            else:
                self._retry_soon(message)
        finally:
            self._in_progress.dec()
        nanoseconds = time.perf_counter_ns() - began
        self._results[result].inc()
        self._duration.observe(nanoseconds / 1e9)
        if result != "failed":
            self._age.observe(max(0.0, time.time() - int(attributes["SentTimestamp"]) / 1000))
            log.info("order %s", result, extra={"ecs": {"event.duration": nanoseconds}})
        about.set({})

    def _store(self, order: dict[str, Any]) -> bool:
        """Stores the order, unless it is there already; whether it was new."""
        item = {name: {"S": order[name]} for name in (*TEXTS, "trace_id")}
        item |= {name: {"N": str(order[name])} for name in NUMBERS} | {"status": {"S": "confirmed"}}
        try:
            aws.ask(
                "dynamodb",
                "put_item",
                TableName=aws.ORDERS_TABLE,
                Item=item,
                ConditionExpression="attribute_not_exists(id)",
            )
        except aws.ClientError as error:
            if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
                return False
            raise
        return True

    def _send_on(self, text: str) -> None:
        """Also when the order is known already: the last time may have ended right between the two."""
        aws.ask("sqs", "send_message", QueueUrl=aws.queue_url(aws.RECEIPTS_QUEUE), MessageBody=text)

    def _delete(self, message: dict[str, Any]) -> None:
        url = aws.queue_url(aws.ORDERS_QUEUE)
        aws.ask("sqs", "delete_message", QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    def _drop(self, message: dict[str, Any]) -> None:
        """The fault was cleared meanwhile: what it left must not become a dead letter."""
        with suppress(aws.AwsError):
            self._delete(message)

    def _retry_soon(self, message: dict[str, Any]) -> None:
        with suppress(aws.AwsError):  # then it comes back when its visibility timeout ends
            aws.ask(
                "sqs",
                "change_message_visibility",
                QueueUrl=aws.queue_url(aws.ORDERS_QUEUE),
                ReceiptHandle=message["ReceiptHandle"],
                VisibilityTimeout=RETRY_AFTER,
            )

    def measure_queues(self) -> None:
        """Asks how many messages wait in each queue. What cannot be known is not a number."""
        for name in QUEUES:
            try:
                answer = aws.ask(
                    "sqs",
                    "get_queue_attributes",
                    QueueUrl=aws.queue_url(name),
                    AttributeNames=["ApproximateNumberOfMessages"],
                )
                count = float(answer["Attributes"]["ApproximateNumberOfMessages"])
            except aws.AwsError:
                count = float("nan")
            self._waiting.labels(SERVICE, name).set(count)


def parse(text: str) -> dict[str, Any]:
    """The order in a message. Raises PoisonError for what is none."""
    try:
        order = json.loads(text)
        whole = all(isinstance(order[name], str) and order[name] for name in TEXTS) and all(
            type(order[name]) is int for name in NUMBERS
        )
    except (ValueError, TypeError, KeyError):
        whole = False
    if not whole:
        raise PoisonError(f"not an order: {text[:80]!r}")
    return {**order, "trace_id": str(order.get("trace_id") or order["id"])}
