"""The worker against a real emulator: stored once, sent on, poison to the dead letters."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from orders import faults as orders_faults
from orders.worker import PoisonError, Worker, parse
from prometheus_client import CollectorRegistry
from shop import aws
from shop.faults import Faults

ORDER = {
    "id": "0123456789ab",
    "product": "kite",
    "quantity": 2,
    "total_cents": 7800,
    "currency": "EUR",
    "created_at": "2026-11-24T00:00:00.000+00:00",
    "trace_id": "0af7651916cd43dd8448eb211c80319c",
}
RESULT = "messages_total"


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def worker(registry: CollectorRegistry, faults_file: Path) -> Worker:
    return Worker(registry, Faults("orders", registry, faults_file))


def count(registry: CollectorRegistry, result: str) -> float | None:
    return registry.get_sample_value(RESULT, {"service": "orders", "queue": aws.ORDERS_QUEUE, "result": result})


def send(body: str) -> None:
    aws.ask("sqs", "send_message", QueueUrl=aws.queue_url(aws.ORDERS_QUEUE), MessageBody=body)


def waiting(queue: str) -> int:
    attribute = "ApproximateNumberOfMessages"
    answer = aws.ask("sqs", "get_queue_attributes", QueueUrl=aws.queue_url(queue), AttributeNames=[attribute])
    return int(answer["Attributes"][attribute])


@pytest.mark.usefixtures("aws_is_there")
def test_order_is_stored_once_however_often_it_comes(worker: Worker, registry: CollectorRegistry) -> None:
    order = {**ORDER, "id": "once"}
    for _ in range(2):
        send(json.dumps(order))
        worker.step()
    stored = aws.ask("dynamodb", "get_item", TableName=aws.ORDERS_TABLE, Key={"id": {"S": "once"}})["Item"]
    assert (stored["status"]["S"], stored["quantity"]["N"]) == ("confirmed", "2")
    assert (count(registry, "stored"), count(registry, "repeated")) == (1, 1)
    assert waiting(aws.ORDERS_QUEUE) == 0
    assert worker.trouble == ""


@pytest.mark.usefixtures("aws_is_there", "switch")
def test_poison_is_a_dead_letter_after_three_tries_and_others_go_on(
    worker: Worker, registry: CollectorRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    assert orders_faults.main(["inject", "poison", "1"]) == 0
    send(json.dumps({**ORDER, "id": "healthy"}))
    for _ in range(12):
        worker.step()
        if waiting(f"{aws.ORDERS_QUEUE}-dead"):
            break
    assert waiting(f"{aws.ORDERS_QUEUE}-dead") == 1
    assert (count(registry, "failed"), count(registry, "stored")) == (3, 1)
    assert "try 3 of message" in caplog.text
    worker.measure_queues()
    labels = {"service": "orders", "queue": f"{aws.ORDERS_QUEUE}-dead"}
    assert registry.get_sample_value("queue_messages", labels) == 1
    assert orders_faults.poison() == {"poison": 1}
    assert orders_faults.main(["clear", "poison"]) == 0
    assert orders_faults.poison() == {}


@pytest.mark.usefixtures("aws_is_there", "switch")
def test_poison_that_is_cleared_in_time_leaves_nothing(
    worker: Worker, registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert orders_faults.main(["inject", "poison", "2"]) == 0
    worker.step()
    monkeypatch.setattr("orders.faults.time.sleep", lambda seconds: worker.step())
    assert orders_faults.main(["clear"]) == 0
    worker.step()
    assert [waiting(queue) for queue in (aws.ORDERS_QUEUE, f"{aws.ORDERS_QUEUE}-dead")] == [0, 0]
    assert count(registry, "failed") == 4


@pytest.mark.usefixtures("switch")
def test_too_much_poison_is_refused() -> None:
    assert orders_faults.main(["inject", "poison", "1001"]) == 2


@pytest.mark.slow
def test_without_aws_the_worker_waits_and_says_why(worker: Worker) -> None:
    worker.step()
    assert "127.0.0.1:9" in worker.trouble
    worker.measure_queues()


@pytest.mark.parametrize(
    "change",
    [{"id": ""}, {"id": 5}, {"quantity": "2"}, {"quantity": True}, {"total_cents": 1.5}, {"product": None}],
)
def test_what_is_no_order_is_poison(change: dict[str, Any]) -> None:
    with pytest.raises(PoisonError, match="not an order"):
        parse(json.dumps({**ORDER, **change}))


@pytest.mark.parametrize("text", ["", "[]", "{", "null", '"text"'])
def test_what_is_not_even_json_is_poison(text: str) -> None:
    with pytest.raises(PoisonError):
        parse(text)
