"""What the console does rather than shows, and for whom."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from .conftest import Upstream

ACTIONS = [
    ("POST", "restart"),
    ("POST", "reset"),
    ("GET", "faults"),
    ("PUT", "faults/errors"),
    ("DELETE", "faults/errors"),
    ("DELETE", "faults"),
]


@pytest.mark.parametrize(("method", "action"), ACTIONS)
def test_actions_are_for_those_who_signed_in(client: FlaskClient, upstream: Upstream, method: str, action: str) -> None:
    answer = client.open(f"/api/services/localhost/{action}", method=method, json={"amount": 1})
    assert (answer.status_code, answer.json) == (401, {"error": "sign in first"})
    assert upstream.asked == []


@pytest.mark.parametrize(("method", "action"), [action for action in ACTIONS if action[0] != "GET"])
def test_actions_of_other_pages_are_refused(
    signed_in: FlaskClient, upstream: Upstream, method: str, action: str
) -> None:
    origin = {"Origin": "http://localhost:9999"}
    answer = signed_in.open(f"/api/services/localhost/{action}", method=method, json={"amount": 1}, headers=origin)
    assert answer.status_code == 403
    assert upstream.asked == []


def test_reset_is_the_services_own(signed_in: FlaskClient, upstream: Upstream) -> None:
    upstream.says("/forget", {})
    assert signed_in.post("/api/services/localhost/reset").status_code == 200
    assert [asked[:2] for asked in upstream.asked] == [("POST", "/forget?all=1")]
    assert signed_in.get("/api/services").json["changes"][0]["text"] == "was reset from the console"


def test_reset_that_fails_is_told(signed_in: FlaskClient, upstream: Upstream) -> None:
    upstream.says("/forget", {}, 500)
    answer = signed_in.post("/api/services/localhost/reset")
    assert (answer.status_code, answer.json) == (502, {"error": "Shop answers with status 500"})
    answer = signed_in.post("/api/services/console/reset")
    assert answer.status_code == 409
    assert "sandbox reset console" in answer.json["error"]


@pytest.mark.parametrize(("method", "action"), [action for action in ACTIONS if action[1] != "reset"])
def test_guard_that_is_away_is_told(signed_in: FlaskClient, method: str, action: str) -> None:
    answer = signed_in.open(f"/api/services/localhost/{action}", method=method, json={"amount": 1})
    assert answer.status_code == 502
    assert "console-socket" in answer.json["error"]


@pytest.mark.parametrize("body", [None, [], {}, {"amount": "1"}, {"amount": True}, {"amount": 0}, {"amount": -1}])
def test_amount_is_a_number(signed_in: FlaskClient, body: Any) -> None:
    answer = signed_in.put("/api/services/localhost/faults/errors", json=body)
    assert answer.status_code == 400
    assert '{"amount": NUMBER}' in answer.json["error"]


@pytest.mark.parametrize(("method", "action"), ACTIONS)
def test_unknown_service_is_told(signed_in: FlaskClient, method: str, action: str) -> None:
    answer = signed_in.open(f"/api/services/none/{action}", method=method, json={"amount": 1})
    assert (answer.status_code, answer.json) == (404, {"error": "none is not part of this sandbox"})
