from __future__ import annotations

import pytest
from flask.testing import FlaskClient
from storefront.shop import MAX_ORDERS, MAX_QUANTITY, PRODUCTS, RecentOrders, order

from tests.conftest import eventually


def test_the_page_shows_every_product_and_needs_no_other_site(client: FlaskClient) -> None:
    page = client.get("/")
    assert page.status_code == 200
    for product in PRODUCTS.values():
        assert product.name in page.text
        assert f'data-product="{product.id}"' in page.text
        assert f'src="/pictures/{product.id}.svg"' in page.text
        assert client.get(f"/pictures/{product.id}.svg").status_code == 200
    assert "://" not in page.text
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]


def test_products(client: FlaskClient) -> None:
    products = client.get("/api/products").get_json()["products"]
    assert [product["id"] for product in products] == list(PRODUCTS)
    assert client.get("/api/products/kite").get_json() == products[4]
    assert client.get("/api/products/anvil").status_code == 404


@pytest.mark.usefixtures("aws_is_there")
def test_an_order_can_be_read_back(client: FlaskClient) -> None:
    placed = client.post("/api/orders", json={"product": "flag", "quantity": 3})
    assert placed.status_code == 201
    assert placed.get_json()["total_cents"] == 3 * PRODUCTS["flag"].price_cents
    assert client.get(placed.headers["Location"]).get_json() == placed.get_json()


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ("{", 400, "bad_request"),
        ("[]", 422, "invalid_order"),
        ('{"product": "flag"}', 422, "invalid_order"),
        ('{"product": "anvil", "quantity": 1}', 404, "unknown_product"),
        ('{"product": ["flag"], "quantity": 1}', 404, "unknown_product"),
        ('{"product": "flag", "quantity": 0}', 422, "invalid_quantity"),
        ('{"product": "flag", "quantity": true}', 422, "invalid_quantity"),
        ('{"product": "flag", "quantity": "1"}', 422, "invalid_quantity"),
        (f'{{"product": "flag", "quantity": {MAX_QUANTITY + 1}}}', 422, "invalid_quantity"),
        ('{"product": "' + "x" * 20_000 + '", "quantity": 1}', 413, "request_entity_too_large"),
    ],
)
def test_a_bad_order_is_refused(client: FlaskClient, body: str, status: int, code: str) -> None:
    answer = client.post("/api/orders", data=body, content_type="application/json")
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (status, code)
    assert answer.get_json()["error"]["message"]


@pytest.mark.usefixtures("aws_is_there")
def test_an_unknown_order_is_told(client: FlaskClient) -> None:
    assert client.get("/api/orders/0").get_json()["error"]["code"] == "unknown_order"
    eventually(lambda: client.get("/api/orders/0/receipt").get_json()["error"]["code"] == "no_receipt")


def test_other_errors_have_the_same_shape(client: FlaskClient) -> None:
    form = client.post("/api/orders", data="product=flag")
    assert form.get_json()["error"]["code"] == "unsupported_media_type"
    assert client.get("/nowhere").get_json()["error"]["code"] == "not_found"
    wrong = client.put("/api/products")
    assert (wrong.status_code, wrong.get_json()["error"]["code"]) == (405, "method_not_allowed")
    assert "GET" in wrong.headers["Allow"]


def test_only_the_latest_orders_are_kept() -> None:
    orders = RecentOrders()
    placed = [order(PRODUCTS["flag"], 1) for _ in range(MAX_ORDERS + 1)]
    for one in placed:
        orders.add(one)
    assert orders.get(placed[-1].id) == placed[-1]
    assert orders.get(placed[0].id) is None
