"""Runs the worker until it is told to stop; what it has begun, it ends."""

from __future__ import annotations

import logging.config
import signal
import threading

from prometheus_client import CollectorRegistry
from shop import aws, logs, operations
from shop.faults import Faults

from orders import SERVICE
from orders.worker import Worker

PORT = 8000
MEASURE_EVERY = 3.0  # seconds


def main() -> None:
    logging.config.dictConfig(logs.config(SERVICE))
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    registry = CollectorRegistry()
    faults = Faults(SERVICE, registry)
    aws.before_each[:] = [lambda: faults.delay("slow-dependency")]
    worker = Worker(registry, faults)
    operations.serve(registry, lambda: worker.trouble, PORT)

    def measure() -> None:
        while not stop.wait(MEASURE_EVERY):
            worker.measure_queues()

    threading.Thread(target=measure, daemon=True).start()
    while not stop.is_set():
        worker.step()
    logging.getLogger(SERVICE).info("stopped")


main()
