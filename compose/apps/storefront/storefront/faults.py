"""Faults on demand: slow answers and errors, to see what metrics, logs and alerts make of them."""

from __future__ import annotations

import logging
import random
from dataclasses import asdict, dataclass
from functools import partial
from threading import Event

from flask import g
from prometheus_client import CollectorRegistry, Counter, Gauge

from storefront.errors import ApiError
from storefront.telemetry import SERVICE

# A request that just began to wait can still be finished when the container is stopped.
MAX_LATENCY_MS = 3000

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Faults:
    """`latency_ms` delays every shop request; `error_rate`, from 0 to 1, is the share of them that fail."""

    latency_ms: int = 0
    error_rate: float = 0.0

    @classmethod
    def parse(cls, data: object) -> Faults:
        """Faults from JSON; what is left out is off."""
        if not isinstance(data, dict) or not data.keys() <= {"latency_ms", "error_rate"}:
            raise invalid('Faults look like {"latency_ms": 200, "error_rate": 0.1}.')
        faults = cls(**data)
        if type(faults.latency_ms) is not int or not 0 <= faults.latency_ms <= MAX_LATENCY_MS:
            raise invalid(f"latency_ms must be a whole number from 0 to {MAX_LATENCY_MS}.")
        if type(faults.error_rate) not in (int, float) or not 0 <= faults.error_rate <= 1:
            raise invalid("error_rate must be a number from 0 to 1.")
        return faults


def invalid(message: str) -> ApiError:
    return ApiError(400, "invalid_faults", message)


class FaultSwitch:
    """The faults of this process. A change also ends the waiting that the former ones caused."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._current, self._changed = Faults(), Event()
        gauge = partial(Gauge, labelnames=["service"], registry=registry)
        self._latency = gauge("fault_latency_seconds", "Delay switched on.").labels(SERVICE)
        self._error_ratio = gauge("fault_error_ratio", "Share of errors switched on.").labels(SERVICE)
        injected = Counter("faults_injected", "Faults served.", ["service", "kind"], registry=registry)
        self._delays = injected.labels(SERVICE, "latency")
        self._errors = injected.labels(SERVICE, "error")

    def set(self, faults: Faults) -> None:
        self._current, before, self._changed = faults, self._changed, Event()
        before.set()
        self._latency.set(faults.latency_ms / 1000)
        self._error_ratio.set(faults.error_rate)
        text = f"latency {faults.latency_ms} ms, error rate {faults.error_rate}"
        log.warning("faults: %s", text if faults != Faults() else "off")

    def inject(self) -> None:
        """Delay or fail the current request, and note in its log line that this was no accident."""
        faults, changed = self._current, self._changed
        if faults.latency_ms:
            g.fault = "latency"
            self._delays.inc()
            changed.wait(faults.latency_ms / 1000)
        if random.random() < self._current.error_rate:
            g.fault = "error"
            self._errors.inc()
            raise ApiError(500, "injected_fault", "This error was asked for at /-/faults.")

    def as_json(self) -> dict[str, float]:
        return asdict(self._current)
