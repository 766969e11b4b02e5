from __future__ import annotations

import logging
import time
from collections.abc import Callable
from threading import Timer

import pytest
from flask.testing import FlaskClient

Metric = Callable[[str], "float | None"]
OFF = {"latency_ms": 0, "error_rate": 0}


def test_errors_are_injected_seen_and_cleared(client: FlaskClient, metric: Metric) -> None:
    assert client.put("/-/faults", json={"error_rate": 1}).get_json() == {"latency_ms": 0, "error_rate": 1}
    failed = client.post("/api/orders", json={"product": "flag", "quantity": 1})
    assert (failed.status_code, failed.get_json()["error"]["code"]) == (500, "injected_fault")
    assert metric('faults_injected_total{kind="error",service="storefront"}') == 1
    assert metric('fault_error_ratio{service="storefront"}') == 1
    assert metric('orders_total{result="failed",service="storefront"}') == 1
    assert client.delete("/-/faults").get_json() == OFF
    assert client.get("/-/faults").get_json() == OFF
    assert client.get("/").status_code == 200
    assert metric('fault_error_ratio{service="storefront"}') == 0


def test_latency_is_injected_and_clearing_wakes_those_who_wait(client: FlaskClient, metric: Metric) -> None:
    client.put("/-/faults", json={"latency_ms": 3000})
    Timer(0.1, lambda: client.application.test_client().delete("/-/faults")).start()
    began = time.monotonic()
    assert client.get("/").status_code == 200
    assert 0.1 <= time.monotonic() - began < 2
    assert metric('faults_injected_total{kind="latency",service="storefront"}') == 1


def test_operations_are_spared(client: FlaskClient) -> None:
    client.put("/-/faults", json={"error_rate": 1})
    for path in ("/healthz", "/readyz", "/metrics", "/-/faults"):
        assert client.get(path).status_code == 200


def test_faults_are_logged(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    client.put("/-/faults", json={"error_rate": 1})
    client.get("/")
    switched, failed = caplog.records
    assert "error rate 1" in switched.getMessage()
    assert failed.levelname == "ERROR"
    assert vars(failed)["ecs"]["labels.fault"] == "error"


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ("[]", "latency_ms"),
        ('{"latency": 5}', "latency_ms"),
        ('{"latency_ms": -1}', "latency_ms"),
        ('{"latency_ms": 3001}', "latency_ms"),
        ('{"latency_ms": "5"}', "latency_ms"),
        ('{"error_rate": 1.1}', "error_rate"),
        ('{"error_rate": NaN}', "error_rate"),
        ('{"error_rate": true}', "error_rate"),
    ],
)
def test_bad_faults_change_nothing(client: FlaskClient, body: str, named: str) -> None:
    answer = client.put("/-/faults", data=body, content_type="application/json")
    assert answer.status_code == 400
    assert answer.get_json()["error"]["code"] == "invalid_faults"
    assert named in answer.get_json()["error"]["message"]
    assert client.get("/-/faults").get_json() == OFF
