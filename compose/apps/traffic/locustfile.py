"""Shoppers of the storefront. They start by themselves; `rate.py` says how many requests a second they make."""

from __future__ import annotations

import json
import math
import os
import random
import secrets
import time
from threading import Thread
from typing import Any
from urllib.request import ProxyHandler, build_opener

import gevent
from flask import request
from locust import FastHttpUser, constant_pacing, events, task
from locust.env import Environment

# Every task is one request, but two of fourteen are two: who does one each PACE makes half a request a second.
PACE = 2 * 16 / 14
PER_SHOPPER = 0.5
DAY = 600.0  # seconds from one night to the next
NIGHT = 0.1  # of the rate at noon
HIGHEST = 500  # requests a second that one Locust can make

# One for all: each has a TLS context of nearly a megabyte, though the shop is asked without.
OPENER = build_opener(ProxyHandler({}))

# Locust keeps a count for every second; to forget them now and then keeps its memory level.
FORGET_AFTER = 4 * 3600


class Shopper(FastHttpUser):
    """Looks far more often than buys, and makes half a request a second."""

    host = os.environ.get("TARGET_URL", "http://gateway:8080")
    wait_time = constant_pacing(PACE)
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
        if placed.status_code in (201, 202):
            # Another storefront may be asked than the one that took it, before the order is stored: 404 is no failure.
            options = {"name": "/api/orders/<id>", "catch_response": True}
            with self.ask("GET", f"/api/orders/{placed.json()['id']}", **options) as answer:
                if answer.status_code == 404:
                    answer.success()

    @task(1)
    def fill_basket(self) -> None:
        self.ask("POST", "/api/basket", json={"product": random.choice(self.products), "quantity": 1})
        self.ask("POST", "/api/basket/checkout")

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
    while True:
        try:
            with OPENER.open(f"{shop}/api/products", timeout=5) as answer:
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


class Rate:
    """How many requests a second there shall be. It is kept by changing the number of shoppers."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._rate, self._shape, self._began = float(os.environ.get("TRAFFIC_RATE", "5")), "steady", time.monotonic()

    def set(self, rate: float, shape: str) -> None:
        """Raises ValueError for what cannot be."""
        if not 0 < rate <= HIGHEST:
            raise ValueError(f"the rate must be more than 0 and at most {HIGHEST} requests a second")
        if shape not in ("steady", "day"):
            raise ValueError("the shape must be steady or day")
        self._rate, self._shape, self._began = rate, shape, time.monotonic()
        self.keep()

    def now(self) -> float:
        """A day begins at midnight and has its peak at noon."""
        if self._shape == "steady":
            return self._rate
        daylight = (1 - math.cos(2 * math.pi * (time.monotonic() - self._began) / DAY)) / 2
        return self._rate * (NIGHT + (1 - NIGHT) * daylight)

    def keep(self) -> None:
        runner = self._environment.runner
        shoppers = max(1, round(self.now() / PER_SHOPPER))
        if runner and runner.target_user_count != shoppers:
            runner.start(shoppers, spawn_rate=100)

    def as_json(self) -> dict[str, Any]:
        return {"rate": self._rate, "shape": self._shape, "now": round(self.now(), 2)}


@events.init.add_listener  # type: ignore[untyped-decorator]
def offer_rate(environment: Environment, **_: Any) -> None:
    rate = Rate(environment)

    def keep() -> None:
        while True:
            gevent.sleep(2)
            rate.keep()

    gevent.spawn(keep)

    @environment.web_ui.app.route("/rate", methods=["GET", "PUT"])
    def set_rate() -> Any:
        try:
            if request.method == "PUT":
                wanted = request.get_json()
                rate.set(float(wanted["rate"]), str(wanted.get("shape", "steady")))
        except (ValueError, TypeError, KeyError) as error:
            return {"error": str(error)}, 400
        return rate.as_json()
