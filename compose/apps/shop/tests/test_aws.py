"""Orders and pictures with AWS there, away, and back again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from prometheus_client import CollectorRegistry
from shop import aws
from storefront import outbox
from storefront.outbox import Outbox, OutboxFull

from tests.conftest import NOWHERE, eventually, forget_aws

Metric = Callable[[str], "float | None"]
ORDER = {"product": "flag", "quantity": 1}


@pytest.mark.usefixtures("aws_is_there")
def test_an_order_is_in_the_queue(client: FlaskClient, metric: Metric) -> None:
    placed = client.post("/api/orders", json=ORDER, headers={"X-Request-Id": "r:1"})
    assert placed.status_code == 201
    url = aws.queue_url(aws.ORDERS_QUEUE)
    (message,) = aws.ask("sqs", "receive_message", QueueUrl=url, WaitTimeSeconds=2)["Messages"]
    sent = json.loads(message["Body"])
    assert (sent["id"], sent["trace_id"]) == (placed.get_json()["id"], "r:1")
    assert metric('orders_total{result="accepted",service="storefront"}') == 1


def test_no_order_is_lost_while_aws_is_away(
    client: FlaskClient, metric: Metric, emulator: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answers_at(address: str) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        forget_aws()

    answers_at(emulator)
    aws.ask("sqs", "purge_queue", QueueUrl=aws.queue_url(aws.ORDERS_QUEUE))
    answers_at(NOWHERE)
    placed = [client.post("/api/orders", json=ORDER) for _ in range(3)]
    assert [answer.status_code for answer in placed] == [202, 202, 202]
    assert placed[0].get_json()["status"] == "kept"
    assert client.get(placed[0].headers["Location"]).status_code == 200
    assert metric('outbox_orders{service="storefront"}') == 3
    assert metric('orders_total{result="kept",service="storefront"}') == 3
    answers_at(emulator)
    eventually(lambda: metric('outbox_orders{service="storefront"}') == 0)
    url = aws.queue_url(aws.ORDERS_QUEUE)
    messages = aws.ask("sqs", "receive_message", QueueUrl=url, WaitTimeSeconds=2, MaxNumberOfMessages=10)["Messages"]
    assert {json.loads(m["Body"])["id"] for m in messages} == {answer.get_json()["id"] for answer in placed}
    eventually(lambda: client.post("/api/orders", json=ORDER).status_code == 201)


def test_a_full_outbox_is_a_clear_503(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "CAPACITY", 1)
    assert client.post("/api/orders", json=ORDER).status_code == 202
    refused = client.post("/api/orders", json=ORDER)
    assert (refused.status_code, refused.get_json()["error"]["code"]) == (503, "not_now")


def test_kept_orders_survive_the_process(tmp_path: Path) -> None:
    def away(text: str) -> None:
        raise aws.Away(service="sqs")

    first = Outbox(away, CollectorRegistry(), tmp_path)
    assert not first.send("a", "one")
    assert not first.send("b", "two")
    sent: list[str] = []
    Outbox(sent.append, CollectorRegistry(), tmp_path).flush()
    assert sent == ["one", "two"]
    assert not list(tmp_path.iterdir())


def test_outbox_full_is_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "CAPACITY", 0)

    def away(text: str) -> None:
        raise aws.Away(service="sqs")

    with pytest.raises(OutboxFull):
        Outbox(away, CollectorRegistry(), tmp_path).send("a", "one")


def test_others_orders_cannot_be_looked_up_while_aws_is_away(client: FlaskClient) -> None:
    answer = client.get("/api/orders/0")
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (503, "not_now")
    assert client.get("/api/orders/0/receipt").status_code == 503


@pytest.mark.usefixtures("aws_is_there")
def test_pictures_come_from_s3(client: FlaskClient) -> None:
    eventually(lambda: client.get("/pictures/kite.svg").headers["X-Picture-Source"] == "s3")
    own = b'<svg xmlns="http://www.w3.org/2000/svg"><!-- ours --></svg>'
    aws.ask("s3", "put_object", Bucket=aws.PICTURES_BUCKET, Key="boat.svg", Body=own)
    assert client.get("/pictures/boat.svg").data == own
    assert client.get("/pictures/anvil.svg").status_code == 404


def test_pictures_do_without_s3(client: FlaskClient) -> None:
    answer = client.get("/pictures/kite.svg")
    assert (answer.status_code, answer.headers["X-Picture-Source"]) == (200, "built-in")
    assert answer.data.startswith(b"<svg")
