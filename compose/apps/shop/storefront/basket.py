"""What a visitor is about to buy. The visitor's own cookie keeps it: any storefront can read it, none stores it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from storefront.errors import ApiError
from storefront.shop import CURRENCY, MAX_QUANTITY, PRODUCTS

COOKIE = "basket"
DAYS = 7


def read(text: str) -> dict[str, int]:
    """Product -> quantity, of a cookie such as `kite.2-flag.1`. What makes no sense in it is left out."""
    pairs = (pair.rpartition(".") for pair in text.split("-"))
    return {
        product: int(quantity)
        for product, _, quantity in pairs
        if product in PRODUCTS and quantity.isascii() and quantity.isdecimal() and 1 <= int(quantity) <= MAX_QUANTITY
    }


def write(basket: Mapping[str, int]) -> str:
    return "-".join(f"{product}.{quantity}" for product, quantity in basket.items())


def put(basket: Mapping[str, int], product: str, quantity: object) -> dict[str, int]:
    """The basket with this much of a product; 0 takes it out. Raises an ApiError."""
    if type(quantity) is not int or not 0 <= quantity <= MAX_QUANTITY:
        raise ApiError(422, "invalid_quantity", f"A basket holds a whole number from 0 to {MAX_QUANTITY} of a product.")
    return {name: count for name, count in {**basket, product: quantity}.items() if count}


def as_json(basket: Mapping[str, int]) -> dict[str, Any]:
    items = [
        {
            "product": product,
            "name": PRODUCTS[product].name,
            "quantity": quantity,
            "total_cents": quantity * PRODUCTS[product].price_cents,
        }
        for product, quantity in basket.items()
    ]
    total = sum(item["total_cents"] for item in items)
    return {"items": items, "quantity": sum(basket.values()), "total_cents": total, "currency": CURRENCY}
