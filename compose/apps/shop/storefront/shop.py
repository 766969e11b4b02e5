"""What the shop sells and what was bought. No web, no metrics, no AWS."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock

from storefront.errors import ApiError

CURRENCY = "EUR"
MAX_QUANTITY = 20
MAX_ORDERS = 1000


@dataclass(frozen=True)
class Product:
    id: str
    name: str
    description: str
    price_cents: int
    currency: str = CURRENCY


@dataclass(frozen=True)
class Order:
    id: str
    product: str
    quantity: int
    total_cents: int
    currency: str
    created_at: str


PRODUCTS: Mapping[str, Product] = {
    product.id: product
    for product in (
        Product("bucket", "Tin bucket", "Holds five litres of wet sand, and grudges no dent.", 1890),
        Product("spade", "Ash spade", "A steel blade on an oiled handle. Digs moats.", 2450),
        Product("tower", "Tower mould", "Crenellations at the first try, or nearly so.", 1290),
        Product("sieve", "Brass sieve", "Fine enough to find last summer's ring.", 1650),
        Product("kite", "Box kite", "Flies itself from four Beaufort upwards.", 3900),
        Product("boat", "Pine sloop", "Floats upright in every moat we tested.", 2990),
        Product("flag", "Signal flag", "Raise it when all the checks are green.", 790),
        Product("parasol", "Parasol", "Two square metres of shade for long deployments.", 5400),
    )
}


def product(product_id: object) -> Product:
    found = PRODUCTS.get(product_id) if isinstance(product_id, str) else None
    if not found:
        raise ApiError(404, "unknown_product", "There is no such product; GET /api/products lists them.")
    return found


def wanted(data: object) -> tuple[Product, int]:
    """What `{"product": id, "quantity": number}` asks for, or what is wrong with it as an ApiError."""
    if not isinstance(data, dict) or set(data) != {"product", "quantity"}:
        raise ApiError(422, "invalid_order", 'An order looks like {"product": "bucket", "quantity": 1}.')
    chosen, quantity = product(data["product"]), data["quantity"]
    if type(quantity) is not int or not 1 <= quantity <= MAX_QUANTITY:
        raise ApiError(422, "invalid_quantity", f"quantity is a whole number from 1 to {MAX_QUANTITY}.")
    return chosen, quantity


def order(chosen: Product, quantity: int) -> Order:
    return Order(
        id=secrets.token_hex(6),
        product=chosen.id,
        quantity=quantity,
        total_cents=quantity * chosen.price_cents,
        currency=chosen.currency,
        created_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
    )


class RecentOrders:
    """The latest orders of this process: what it can tell of them before the worker has stored them."""

    def __init__(self) -> None:
        self._orders: OrderedDict[str, Order] = OrderedDict()
        self._lock = Lock()

    def add(self, order: Order) -> None:
        with self._lock:
            self._orders[order.id] = order
            if len(self._orders) > MAX_ORDERS:
                self._orders.popitem(last=False)

    def get(self, order_id: str) -> Order | None:
        return self._orders.get(order_id)
