"""Which questions reach a data source, and how its answers come back."""

from __future__ import annotations

import json

import pytest
from flask.testing import FlaskClient

from .conftest import Upstream


def test_query_is_passed_on_as_it_is(client: FlaskClient, upstream: Upstream) -> None:
    upstream.says("/api/v1/query_range", {"status": "success"})
    form = {"query": 'up{job="a&b"}', "step": "2"}
    answer = client.post("/api/sources/prometheus/api/v1/query_range", data=form)
    assert answer.json == {"status": "success"}
    [(method, path, _, body)] = upstream.asked
    assert (method, path) == ("POST", "/api/v1/query_range")
    assert body == b"query=up%7Bjob%3D%22a%26b%22%7D&step=2"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "prometheus/api/v1/admin/tsdb/delete_series"),
        ("POST", "prometheus/-/quit"),
        ("GET", "prometheus/api/v1/status/config"),
        ("GET", "prometheus/api/v1/../../-/quit"),
        ("POST", "alertmanager/api/v2/silences"),
        ("GET", "alertmanager/api/v2/status"),
        ("POST", "logs/logs-1/_delete_by_query"),
        ("POST", "logs/logs-1/_search/../_delete_by_query"),
        ("GET", "far/query"),
    ],
)
def test_whatever_else_there_is_is_refused(signed_in: FlaskClient, upstream: Upstream, method: str, path: str) -> None:
    assert signed_in.open(f"/api/sources/{path}", method=method).status_code in (403, 404)
    assert not upstream.asked


def test_source_with_a_login_needs_ours(client: FlaskClient, upstream: Upstream) -> None:
    upstream.says("/logs-*/_search", {"hits": {}})
    path = "/api/sources/logs/logs-*/_search"
    assert client.post(path, json={"size": 1}).status_code == 401
    assert not upstream.asked
    client.post("/login", data={"password": "s3cret"})
    assert client.post(path, json={"size": 1}).json == {"hits": {}}
    [(_, _, headers, body)] = upstream.asked
    assert headers["Authorization"] == "Basic ZWxhc3RpYzpsMGdz"
    assert "Cookie" not in headers
    assert json.loads(body) == {"size": 1}


def test_error_of_a_source_keeps_its_words(client: FlaskClient, upstream: Upstream) -> None:
    upstream.says("/api/v1/query", {"status": "error", "error": "parse error"}, 400)
    answer = client.get("/api/sources/prometheus/api/v1/query?query=(")
    assert (answer.status_code, answer.json) == (400, {"status": "error", "error": "parse error"})


def test_page_of_a_source_is_never_a_page_of_ours(client: FlaskClient, upstream: Upstream) -> None:
    upstream.says("/api/v1/query", b"<script>alert(1)</script>")
    answer = client.get("/api/sources/prometheus/api/v1/query?query=up")
    assert answer.content_type == "application/json"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_source_that_is_down(client: FlaskClient, upstream: Upstream) -> None:
    upstream.close()
    answer = client.get("/api/sources/prometheus/api/v1/query?query=up")
    assert (answer.status_code, answer.json) == (502, {"error": "Prometheus does not answer"})


def test_sources_are_told_without_addresses(client: FlaskClient) -> None:
    [first, *_] = client.get("/api/sources").json["sources"]
    assert first == {
        "uid": "prometheus",
        "type": "prometheus",
        "name": "Prometheus",
        "interval": "2s",
        "index": "",
        "timeField": "",
    }
