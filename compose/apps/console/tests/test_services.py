"""What the console knows of services, and how."""

from __future__ import annotations

from typing import Any

import pytest
from console.watch import Watch
from flask import Flask
from flask.testing import FlaskClient

from .conftest import Upstream


@pytest.fixture
def watch(app: Flask) -> Watch:
    found = app.extensions["watch"]
    assert isinstance(found, Watch)
    return found


def shop(client: FlaskClient) -> dict[str, Any]:
    [service] = [s for s in client.get("/api/services").json["services"] if s["name"] == "localhost"]
    assert isinstance(service, dict)
    return service


def vector(**values: str) -> dict[str, Any]:
    result = [
        {"metric": {"instance": f"{name}:1", "version": "9"}, "value": [0, value]} for name, value in values.items()
    ]
    return {"status": "success", "data": {"resultType": "vector", "result": result}}


def test_before_the_first_look(client: FlaskClient, upstream: Upstream) -> None:
    assert client.get("/api/services").json["looked"] is None
    service = shop(client)
    assert service["state"] == "unknown"
    assert service["image"] == "shop:1"
    assert service["memory_limit"] == 64 * 1024**2  # a helper that ends holds no memory
    assert service["advice"] == "Buy `this`."
    assert service["endpoints"] == [{"name": "http", "url": "http://localhost:8123/front", "user": "boss"}]


def test_ready_means_the_content_is_right(client: FlaskClient, upstream: Upstream, watch: Watch) -> None:
    upstream.says("/ready", {"state": "empty"})
    watch.look()
    assert (shop(client)["state"], shop(client)["waiting"]) == ("waiting", "its shelves")
    upstream.says("/ready", {"state": "fine"})
    watch.look()
    assert shop(client)["state"] == "ready"
    assert client.get("/api/services").json["changes"][0]["text"] == "is ready"
    assert client.get("/api/services").json["looked"] > 0
    # Only questions without side effects, and with the login.
    assert {method for method, path, _, _ in upstream.asked if path == "/made"} == set()
    [headers, *_] = [headers for _, path, headers, _ in upstream.asked if path == "/ready"]
    assert headers["Authorization"] == "Basic Ym9zczpiMHNz"


@pytest.mark.parametrize("status", [401, 503])
def test_refusal_is_told(client: FlaskClient, upstream: Upstream, watch: Watch, status: int) -> None:
    upstream.says("/ready", {}, status)
    watch.look()
    assert shop(client)["waiting"] == f"its shelves (status {status})"


def test_service_without_an_address_has_stopped(client: FlaskClient, watch: Watch) -> None:
    watch.resolve = lambda name: 0
    watch.look()
    assert shop(client)["state"] == "stopped"


def test_facts_come_from_prometheus(client: FlaskClient, upstream: Upstream, watch: Watch) -> None:
    upstream.says("/ready", {"state": "fine"})
    upstream.says("/api/v1/query", vector(localhost="1"))
    watch.look()
    service = shop(client)
    assert (service["state"], service["memory"], service["version"]) == ("ready", None, "9")
    upstream.says("/api/v1/query", vector(localhost="0"))
    watch.look()
    assert (shop(client)["state"], shop(client)["waiting"]) == ("waiting", "its metrics")


@pytest.mark.parametrize("answer", [b"", b"[]", b'{"data": null}'])
def test_prometheus_that_talks_nonsense_harms_nothing(
    client: FlaskClient, upstream: Upstream, watch: Watch, answer: bytes
) -> None:
    upstream.says("/ready", {"state": "fine"})
    upstream.says("/api/v1/query", answer)
    watch.look()
    assert shop(client)["state"] == "ready"


def test_dashboards_are_the_files_themselves(client: FlaskClient) -> None:
    assert [item["uid"] for item in client.get("/api/dashboards").json["dashboards"]] == ["shop"]
    assert client.get("/api/dashboards/shop").data.endswith(b'"panels": []}\n')
