from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from storefront import basket
from storefront.app import Till
from storefront.errors import ApiError
from storefront.shop import MAX_QUANTITY, PRODUCTS

Metric = Callable[[str], "float | None"]


def content(client: FlaskClient) -> dict[str, int]:
    return {item["product"]: item["quantity"] for item in client.get("/api/basket").get_json()["items"]}


def test_a_basket_is_filled_changed_and_emptied(client: FlaskClient, metric: Metric) -> None:
    assert client.get("/api/basket").get_json() == {"items": [], "quantity": 0, "total_cents": 0, "currency": "EUR"}
    client.post("/api/basket", json={"product": "kite", "quantity": 2})
    client.post("/api/basket", json={"product": "kite", "quantity": 1})
    answer = client.post("/api/basket", json={"product": "flag", "quantity": 1})
    assert answer.get_json() == client.get("/api/basket").get_json()
    assert content(client) == {"kite": 3, "flag": 1}
    total = 3 * PRODUCTS["kite"].price_cents + PRODUCTS["flag"].price_cents
    assert (answer.get_json()["quantity"], answer.get_json()["total_cents"]) == (4, total)
    client.put("/api/basket/kite", json={"quantity": 1})
    client.delete("/api/basket/flag")
    assert content(client) == {"kite": 1}
    client.delete("/api/basket")
    assert content(client) == {}
    for action, times in {"added": 3, "changed": 2, "emptied": 1, "ordered": 0}.items():
        assert metric(f'basket_changes_total{{action="{action}",service="storefront"}}') == times


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "", [], 422, "invalid_order"),
        ("POST", "", {"product": "anvil", "quantity": 1}, 404, "unknown_product"),
        ("POST", "", {"product": "flag", "quantity": 0}, 422, "invalid_quantity"),
        ("POST", "", {"product": "flag", "quantity": MAX_QUANTITY}, 422, "invalid_quantity"),
        ("PUT", "/flag", {"quantity": -1}, 422, "invalid_quantity"),
        ("PUT", "/flag", {"quantity": True}, 422, "invalid_quantity"),
        ("PUT", "/flag", {"amount": 1}, 422, "invalid_basket"),
        ("PUT", "/anvil", {"quantity": 1}, 404, "unknown_product"),
        ("DELETE", "/anvil", None, 404, "unknown_product"),
    ],
)
def test_a_senseless_change_is_refused(
    client: FlaskClient, method: str, path: str, body: Any, status: int, code: str
) -> None:
    client.post("/api/basket", json={"product": "flag", "quantity": 1})
    answer = client.open(f"/api/basket{path}", method=method, json=body)
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (status, code)
    assert content(client) == {"flag": 1}


@pytest.mark.parametrize("text", ["", "x", "kite", "kite.", "kite.0", "kite.21", "kite.²", "anvil.1", "-.-", "kite.-1"])
def test_a_strange_cookie_is_an_empty_basket(text: str) -> None:
    assert basket.read(text) == {}
    assert basket.read(f"{text}-flag.2") == {"flag": 2}


@pytest.mark.usefixtures("aws_is_there")
def test_each_product_becomes_an_order(client: FlaskClient, metric: Metric, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    client.post("/api/basket", json={"product": "kite", "quantity": 2})
    client.post("/api/basket", json={"product": "flag", "quantity": 1})
    placed = client.post("/api/basket/checkout")
    answer = placed.get_json()
    assert (placed.status_code, answer["basket"]["items"]) == (201, [])
    assert [(one["product"], one["quantity"], one["status"]) for one in answer["orders"]] == [
        ("kite", 2, "accepted"),
        ("flag", 1, "accepted"),
    ]
    assert answer["total_cents"] == sum(one["total_cents"] for one in answer["orders"])
    for one in answer["orders"]:
        assert client.get(f"/api/orders/{one['id']}").status_code == 200
    assert metric('orders_total{result="accepted",service="storefront"}') == 2
    events = [getattr(record, "ecs", {}).get("event.action") for record in caplog.records]
    assert [event for event in events if event] == [*["basket-added"] * 2, *["order-placed"] * 2, "basket-ordered"]
    assert client.post("/api/basket/checkout").get_json()["error"]["code"] == "empty_basket"
    assert metric('orders_total{result="rejected",service="storefront"}') == 1


def test_what_cannot_be_ordered_stays_in_the_basket(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    take, room = Till.take, [1]

    def take_one(till: Till, placed: Any) -> dict[str, Any]:
        if not room:
            raise ApiError(503, "not_now", "full")
        room.pop()
        return take(till, placed)

    monkeypatch.setattr(Till, "take", take_one)
    client.set_cookie("basket", "kite.2-flag.1")
    placed = client.post("/api/basket/checkout")
    assert (placed.status_code, [one["status"] for one in placed.get_json()["orders"]]) == (202, ["kept"])
    assert content(client) == {"flag": 1}
    assert client.post("/api/basket/checkout").status_code == 503
    assert content(client) == {"flag": 1}
