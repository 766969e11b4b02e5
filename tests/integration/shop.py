"""What the tests of the shop share: its visitors, its alerts and its numbers."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import requests

from .conftest import Run

ORDER = {"product": "kite", "quantity": 2}


def docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True).stdout.strip()


def eventually(true: Callable[[], object], seconds: float) -> None:
    """Waits until it is so, and fails if it never is."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.5)


@contextmanager
def visitors(shop: str, count: int = 4) -> Iterator[Counter[str]]:
    """Visitors who look and buy as quickly as they can; what they were answered: status or error -> how often."""
    answers: Counter[str] = Counter()
    stop = threading.Event()

    def visit() -> None:
        with requests.Session() as session:
            while not stop.is_set():
                for ask in (
                    lambda: session.get(shop + "api/products"),
                    lambda: session.post(shop + "api/orders", json=ORDER),
                ):
                    try:
                        answers[str(ask().status_code)] += 1
                    except requests.RequestException as error:
                        answers[type(error).__name__] += 1

    threads = [threading.Thread(target=visit) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def firing(stack: Run) -> set[str]:
    return {alert["name"] for alert in json.loads(stack("alerts", "--firing", "--json").stdout)}


def query(stack: Run, expression: str) -> list[dict[str, Any]]:
    url = stack("url", "prometheus").stdout.strip() + "api/v1/query"
    found: list[dict[str, Any]] = requests.get(url, params={"query": expression}, timeout=5).json()["data"]["result"]
    return found
