"""Orders on their way to the queue. What cannot be sent now is kept in files and sent later: no order is lost."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge
from shop.aws import AwsError

from storefront import SERVICE

FOLDER = Path(os.environ.get("OUTBOX_FOLDER", "/var/lib/shop/outbox"))
CAPACITY = 5000
PERIOD = 1.0  # seconds between two attempts while AWS is away

log = logging.getLogger(__name__)


class OutboxFull(Exception):
    """Nothing more can be kept until AWS is back."""


class Outbox:
    """`publish` sends one order's text, or raises an AwsError. Replicas may share the folder: an order that two of
    them send is one order to the worker, which knows its id.
    """

    def __init__(self, publish: Callable[[str], None], registry: CollectorRegistry, folder: Path = FOLDER) -> None:
        self._publish, self._folder = publish, folder
        folder.mkdir(parents=True, exist_ok=True)
        waiting = Gauge("outbox_orders", "Orders waiting for the queue.", ["service"], registry=registry)
        waiting.labels(SERVICE).set_function(lambda: len(self._files()))
        # While AWS is away, visitors do not wait to learn it again: the thread finds out when it is back.
        self._reachable = True
        threading.Thread(target=self._work, daemon=True).start()

    def send(self, order_id: str, text: str) -> bool:
        """True if the queue has the order, False if it is kept for later. Raises OutboxFull."""
        if self._reachable:
            try:
                self._publish(text)
                return True
            except AwsError as error:
                self._reachable = False
                log.warning("the queue cannot be reached, orders are kept: %s", error)
        if len(self._files()) >= CAPACITY:
            raise OutboxFull
        self._keep(order_id, text)
        return False

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob("*.json"))

    def _keep(self, order_id: str, text: str) -> None:
        target = self._folder / f"{time.time_ns()}-{order_id}.json"
        new = target.with_suffix(".new")
        with new.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        new.replace(target)

    def _work(self) -> None:
        while True:
            time.sleep(PERIOD)
            self.flush()

    def flush(self) -> None:
        """Sends what is kept, the oldest first, until all is sent or AWS fails again."""
        files = self._files()
        if not files:
            self._reachable = True
            return
        for path in files:
            try:
                self._publish(path.read_text(encoding="utf-8"))
                path.unlink()
            except FileNotFoundError:  # another replica was quicker
                continue
            except AwsError:
                self._reachable = False
                return
        self._reachable = True
        log.info("the queue is back: %d kept orders were sent", len(files))
