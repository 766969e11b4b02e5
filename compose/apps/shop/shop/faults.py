"""Faults on demand, to see what metrics, logs and alerts make of them. One file holds those that are on.

`python3 -m shop.faults list | inject NAME AMOUNT | clear [NAME]` is the switch; every process of the container
follows within half a second, and one that crashed finds its faults again.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge

FILE = Path(os.environ.get("FAULTS_FILE", "/tmp/faults.json"))
PERIOD = 0.25  # seconds between two looks at the file
MEGABYTE = 1024**2
# The leak stops short of the container's memory limit: a container that is killed would forget its faults.
LEAK_LIMIT = 0.8
# Name -> the largest amount. A request that just began to wait can still be finished when the container is stopped.
KINDS: Mapping[str, float] = {
    "latency": 3000,  # milliseconds that each request waits
    "errors": 1,  # share of the requests that fail, from 0 to 1
    "slow-dependency": 10000,  # milliseconds that each call to AWS takes longer
    "leak": 50,  # megabytes lost each second
    "crash": 600,  # seconds a process lives
    "poison": 1000,  # messages that are no orders, of which only the worker knows
}

log = logging.getLogger(__name__)


class FaultError(Exception):
    """A fault that does not exist, or a senseless amount."""


def active(file: Path = FILE) -> dict[str, float]:
    """The faults that are on, name -> amount."""
    try:
        return dict(json.loads(file.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError):
        return {}


def inject(name: str, amount: float, file: Path = FILE) -> None:
    """Switches a fault on, or changes its amount."""
    if name not in KINDS:
        raise FaultError(f"there is no fault {name}; there are {', '.join(KINDS)}")
    if not 0 < amount <= KINDS[name]:  # also refuses "not a number"
        raise FaultError(f"{name} takes more than 0 and at most {KINDS[name]:g}")
    _write({**active(file), name: amount}, file)


def clear(name: str = "", file: Path = FILE) -> None:
    """Switches one fault off, or all."""
    _write({key: amount for key, amount in active(file).items() if name not in ("", key)}, file)


def _write(faults: Mapping[str, float], file: Path) -> None:
    new = file.with_suffix(".new")
    new.write_text(json.dumps(faults), encoding="utf-8")
    new.replace(file)


class Faults:
    """The faults of this process, kept equal to the file by a thread. A change ends the waiting of the former ones."""

    def __init__(self, service: str, registry: CollectorRegistry, file: Path = FILE) -> None:
        self._file, self._began, self._lost = file, time.monotonic(), list[bytes]()
        self._current: dict[str, float] = {}
        self._changed = threading.Event()
        self._amounts = Gauge("fault_amount", "Faults switched on.", ["service", "kind"], registry=registry)
        self._injected = Counter("faults_injected", "Faults served.", ["service", "kind"], registry=registry)
        self._service = service
        for kind in KINDS:
            self._amounts.labels(service, kind)
            self._injected.labels(service, kind)
        threading.Thread(target=self._follow, daemon=True).start()

    def _follow(self) -> None:
        while True:
            self.look()
            time.sleep(PERIOD)

    def look(self) -> None:
        """Reads the file, and lets time do what it does to a leaking or dying process."""
        if (now := active(self._file)) != self._current:
            self._current, before, self._changed = now, self._changed, threading.Event()
            before.set()
            for kind in KINDS:
                self._amounts.labels(self._service, kind).set(now.get(kind, 0))
            words = ", ".join(f"{name} {amount:g}" for name, amount in now.items())
            log.warning("faults: %s", words or "off")
        self._leak(now.get("leak", 0))
        if 0 < now.get("crash", 0) <= time.monotonic() - self._began:
            log.critical("crashing, as the fault asks")
            os._exit(70)

    def _leak(self, megabytes_a_second: float) -> None:
        if not megabytes_a_second:
            self._lost.clear()
        elif sum(map(len, self._lost)) < LEAK_LIMIT * _memory_left():
            self._note("leak")
            self._lost.append(os.urandom(int(megabytes_a_second * PERIOD * MEGABYTE)))

    def delay(self, kind: str) -> bool:
        """Waits if `kind` (`latency` or `slow-dependency`) is on; whether it did."""
        if not (amount := self._current.get(kind, 0)):
            return False
        self._note(kind)
        self._changed.wait(amount / 1000)
        return True

    def is_on(self, kind: str) -> bool:
        """Asks the file: what was switched on this very moment counts."""
        return kind in active(self._file)

    def fails(self) -> bool:
        """Whether the work at hand is to fail."""
        if random.random() >= self._current.get("errors", 0):
            return False
        self._note("errors")
        return True

    def _note(self, kind: str) -> None:
        self._injected.labels(self._service, kind).inc()


def _memory_left() -> float:
    """Bytes from a resting process to the container's limit; 100 MB where there is none."""
    try:
        limit = int(Path("/sys/fs/cgroup/memory.max").read_text())
        return max(0.0, limit - 100 * MEGABYTE)
    except (OSError, ValueError):
        return 100.0 * MEGABYTE


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="shop.faults", description="Show or switch this container's faults.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("list", help="the faults that are on, as JSON")
    injecting = verbs.add_parser("inject", help="switch one on")
    injecting.add_argument("name")
    injecting.add_argument("amount", type=float)
    verbs.add_parser("clear", help="switch one off, or all").add_argument("name", nargs="?", default="")
    options = parser.parse_args(arguments)
    try:
        if options.verb == "inject":
            inject(options.name, options.amount)
        elif options.verb == "clear":
            clear(options.name)
    except FaultError as error:
        print(error, file=sys.stderr)
        return 2
    print(json.dumps(active()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
