"""What was decided about a version, and why: told to the canary's agent, which logs and counts it, and to the inbox."""

from __future__ import annotations

import json
import os
from collections import deque
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

from prometheus_client import CollectorRegistry, Counter, Gauge

CANARY, PROMOTE, ROLLBACK = "canary", "promote", "rollback"
# In a few words, so that they can be a metric's labels; `Decision.why` has the numbers.
SHARE, GOOD, BY_HAND = "gets a share", "as good as stable", "by hand"
ERRORS, ROUTE, SLOW, MEMORY, CRASH = "errors", "a broken route", "slow", "memory", "crash"
NO_VERDICT, NOT_RUNNING, STOPPED = "no verdict", "does not run", "stopped"
REASONS = {
    CANARY: (SHARE,),
    PROMOTE: (GOOD, BY_HAND),
    ROLLBACK: (ERRORS, ROUTE, SLOW, MEMORY, CRASH, NO_VERDICT, NOT_RUNNING, STOPPED, BY_HAND),
}
KEPT = 10
AGENT = os.environ.get("RELEASE_AGENT_URL", "http://storefront-canary:8001").rstrip("/")
INBOX = os.environ.get("INBOX_URL", "http://inbox:8025").rstrip("/")


@dataclass(frozen=True)
class Decision:
    decision: str
    version: str
    commit: str
    reason: str
    why: str


class Record:
    """The agent's side: decisions as metrics. Each pair is there from the start, so that the first one is a change."""

    def __init__(self, registry: CollectorRegistry, service: str) -> None:
        self._service = service
        labels = ["service", "decision", "reason"]
        self._count = Counter("shop_release_decisions", "Decisions about releases.", labels, registry=registry)
        for decision, reasons in REASONS.items():
            for reason in reasons:
                self._count.labels(service, decision, reason)
        self._last = Gauge(
            "shop_release_last_decision_timestamp_seconds",
            f"When the last {KEPT} decisions were made.",
            ["service", "decision", "version", "reason"],
            registry=registry,
        )
        self._kept: deque[tuple[Decision, float]] = deque(maxlen=KEPT)

    def add(self, made: Decision) -> None:
        """Raises ValueError for what cannot be decided."""
        if made.reason not in REASONS.get(made.decision, ()):
            raise ValueError(f"{made.decision!r} for the reason {made.reason!r} is no decision")
        self._count.labels(self._service, made.decision, made.reason).inc()
        self._kept.append((made, datetime.now(UTC).timestamp()))
        self._last.clear()
        for kept, when in self._kept:
            self._last.labels(self._service, kept.decision, kept.version, kept.reason).set(when)


def tell(made: Decision) -> None:
    """Tells the canary's agent. Raises OSError if it cannot be told."""
    _post(f"{AGENT}/decisions", asdict(made))


def notify(name: str, severity: str, summary: str, description: str, key: str) -> None:
    """Puts a notice into the inbox, as Alertmanager would: something that happened and is over. Raises OSError."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    labels = {"alertname": name, "service": "storefront", "severity": severity}
    annotations = {"summary": summary, "description": description}
    times = {"startsAt": now, "endsAt": now}
    alert = {"status": "resolved", "fingerprint": key, "labels": labels, "annotations": annotations, **times}
    _post(INBOX, {"alerts": [alert]})


def _post(url: str, data: Any) -> None:
    request = Request(url, json.dumps(data).encode(), {"Content-Type": "application/json"})
    with build_opener(ProxyHandler({})).open(request, timeout=3):
        pass
