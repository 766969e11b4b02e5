from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable

import pytest
from flask import Flask
from flask.testing import FlaskClient
from shop import COMMIT
from shop.logs import EcsFormatter

Metric = Callable[[str], "float | None"]
TRACE = "0af7651916cd43dd8448eb211c80319c"


def test_requests_are_counted_by_route_template(client: FlaskClient, metric: Metric) -> None:
    client.get("/api/products/1")
    client.get("/api/products/2")
    labels = 'method="GET",route="/api/products/<product_id>",service="storefront"'
    assert metric(f'http_requests_total{{{labels},status="404"}}') == 2
    assert metric(f"http_request_duration_seconds_count{{{labels}}}") == 2
    assert metric('http_requests_in_flight{service="storefront"}') == 0


def test_strange_requests_share_one_series(client: FlaskClient, metric: Metric) -> None:
    client.get("/wp-admin")
    client.get("/.env")
    client.open("/", method="BREW")
    labels = 'route="unmatched",service="storefront"'
    assert metric(f'http_requests_total{{method="GET",{labels},status="404"}}') == 2
    assert metric(f'http_requests_total{{method="other",{labels},status="405"}}') == 1


def test_health_checks_leave_no_trace(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert client.get("/healthz").status_code == client.get("/readyz").status_code == 200
    assert "healthz" not in client.get("/metrics").text
    assert not [record for record in caplog.records if "healthz" in record.getMessage()]


def test_orders_are_counted_by_result(client: FlaskClient, metric: Metric) -> None:
    client.post("/api/orders", json={"product": "flag", "quantity": 1})
    client.post("/api/orders", json={"product": "flag", "quantity": -1})
    for result, expected in {"accepted": 0, "kept": 1, "rejected": 1, "failed": 0}.items():
        assert metric(f'orders_total{{result="{result}",service="storefront"}}') == expected


def test_the_version_is_told(metric: Metric) -> None:
    assert metric('app_info{commit="unknown",service="storefront",version="1.0.0"}') == 1


@pytest.mark.parametrize(
    ("traceparent", "trace"),
    [(f"00-{TRACE}-b7ad6b7169203331-01", TRACE), (f"00-{'0' * 32}-b7ad6b7169203331-01", "r:1"), ("", "r:1")],
)
def test_the_callers_ids_go_on(
    client: FlaskClient, caplog: pytest.LogCaptureFixture, traceparent: str, trace: str
) -> None:
    caplog.set_level(logging.INFO)
    with client:
        answer = client.get("/", headers={"traceparent": traceparent, "X-Request-Id": "r:1"})
        assert json.loads(EcsFormatter("storefront").format(caplog.records[0]))["trace.id"] == trace
    assert answer.headers["X-Request-Id"] == vars(caplog.records[0])["ecs"]["http.request.id"] == "r:1"


@pytest.mark.parametrize("request_id", ["", "two words", 'say "hi"', "x" * 129])
def test_a_bad_request_id_is_replaced(client: FlaskClient, request_id: str) -> None:
    answer = client.get("/", headers={"X-Request-Id": request_id})
    assert len(answer.headers["X-Request-Id"]) == 32


def test_a_request_is_one_line_of_ecs(client: FlaskClient, capsys: pytest.CaptureFixture[str]) -> None:
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(EcsFormatter("storefront"))
    logger = logging.getLogger("storefront")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        client.get("/api/products?page=1", headers={"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"})
    finally:
        logger.removeHandler(handler)
    line = json.loads(capsys.readouterr().out)
    assert line.pop("event.duration") > 0
    assert len(line.pop("http.request.id")) == 32
    assert line.pop("@timestamp").endswith("+00:00")
    assert line == {
        "log.level": "info",
        "log.logger": "storefront.telemetry",
        "message": "GET /api/products 200",
        "service.name": "storefront",
        "service.version": "1.0.0",
        "labels.commit": COMMIT,
        "trace.id": TRACE,
        "http.request.method": "GET",
        "url.path": "/api/products",
        "http.response.status_code": 200,
    }


def test_an_unforeseen_error_is_logged_with_its_stack(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> str:
        raise RuntimeError("out of sand")

    app.add_url_rule("/broken", view_func=broken)
    answer = app.test_client().get("/broken")
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (500, "internal_error")
    line = json.loads(EcsFormatter("storefront").format(caplog.records[0]))
    assert (line["error.type"], line["error.message"]) == ("RuntimeError", "out of sand")
    assert "in broken" in line["error.stack_trace"]
