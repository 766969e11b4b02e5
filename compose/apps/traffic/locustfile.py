"""Shoppers of the storefront. They start by themselves; Locust's web UI changes how many there are."""

from __future__ import annotations

import json
import os
import random
import secrets
import time
from threading import Thread
from typing import Any
from urllib.request import ProxyHandler, build_opener

from locust import FastHttpUser, between, events, task
from locust.env import Environment

# Locust keeps a count for every second; to forget them now and then keeps its memory level.
FORGET_AFTER = 4 * 3600


class Shopper(FastHttpUser):
    """Looks far more often than buys, and pauses two seconds: ten of them make five requests a second."""

    host = os.environ.get("TARGET_URL", "http://gateway:8080")
    wait_time = between(1, 3)
    connection_timeout = network_timeout = 10.0

    def on_start(self) -> None:
        self.products = wait_for_products(self.host)

    @task(4)
    def browse(self) -> None:
        self.ask("GET", "/")

    @task(3)
    def list_products(self) -> None:
        self.ask("GET", "/api/products")

    @task(4)
    def look_closer(self) -> None:
        self.ask("GET", f"/api/products/{random.choice(self.products)}", name="/api/products/<id>")

    @task(1)
    def buy(self) -> None:
        order = {"product": random.choice(self.products), "quantity": random.randint(1, 3)}
        placed = self.ask("POST", "/api/orders", json=order)
        if placed.status_code == 201:
            self.ask("GET", f"/api/orders/{placed.json()['id']}", name="/api/orders/<id>")

    @task(1)
    def hesitate(self) -> None:
        """An order of nothing: the shop is right to refuse it, so that counts as a success here."""
        order = {"product": random.choice(self.products), "quantity": 0}
        options = {"json": order, "name": "/api/orders of nothing", "catch_response": True}
        with self.ask("POST", "/api/orders", **options) as answer:
            if answer.status_code == 422:
                answer.success()

    def ask(self, method: str, path: str, **options: Any) -> Any:
        """Every request starts a trace, whose id is then in the logs of all it passes."""
        traceparent = f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"
        return self.client.request(method, path, headers={"traceparent": traceparent}, **options)


def wait_for_products(shop: str) -> list[str]:
    """The shop's products, once it is open. Not asked through Locust: a shop that starts has not failed."""
    opener = build_opener(ProxyHandler({}))
    while True:
        try:
            with opener.open(f"{shop}/api/products", timeout=5) as answer:
                return [product["id"] for product in json.load(answer)["products"]]
        except (OSError, ValueError):
            time.sleep(1)


@events.init.add_listener  # type: ignore[untyped-decorator]
def forget_now_and_then(environment: Environment, **_: Any) -> None:
    def forget() -> None:
        while True:
            time.sleep(FORGET_AFTER)
            environment.stats.reset_all()

    Thread(target=forget, daemon=True).start()
