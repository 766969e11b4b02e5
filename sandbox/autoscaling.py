"""How many replicas a load needs. Runs on the host, so that no container is given the Docker socket."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import quote

from sandbox.errors import SandboxError, UsageError
from sandbox.sandbox import Sandbox

EVERY = 5.0  # seconds between two looks
WINDOW = "15s"
SLACK = 0.8  # a replica goes only if the rest would be this much of the target at most: no flapping


@dataclass(frozen=True)
class Policy:
    """`target`: requests a second that one replica shall serve; `cooldown`: seconds of rest after a change."""

    target: float
    least: int
    most: int
    cooldown: float

    def __post_init__(self) -> None:
        if not (self.target > 0 and 1 <= self.least <= self.most and self.cooldown >= 0):
            raise UsageError("a policy has a target above 0, and 1 <= min <= max")


@dataclass(frozen=True)
class Decision:
    """How many replicas there shall be, and why."""

    count: int
    why: str


def decide(policy: Policy, now: int, rate: float, rested: float) -> Decision:
    """From `now` replicas, `rate` requests a second in all, and `rested` seconds since the last change."""
    needed = max(policy.least, min(policy.most, math.ceil(rate / policy.target)))
    told = f"{rate:.1f} requests a second on {now}"
    if needed == now:
        return Decision(now, f"{told}: as it should be")
    if rested < policy.cooldown:
        return Decision(now, f"{told}: {needed} would do, after a rest of {policy.cooldown - rested:.0f} s more")
    if needed < now and now <= policy.most and rate > SLACK * policy.target * needed:
        return Decision(now, f"{told}: {needed} would have little to spare")
    return Decision(needed, f"{told}: {needed} needed")


def keep(sandbox: Sandbox, service: str, policy: Policy, timeout: int) -> Iterator[Decision]:
    """Looks and scales for ever; yields every decision that differs from the one before."""
    changed, last = -math.inf, ""
    while True:
        now = len([s for s in sandbox.engine.containers(sandbox.project) if s.container == service])
        decision = decide(policy, now, request_rate(sandbox.ask, service), time.monotonic() - changed)
        if decision.why != last:
            last = decision.why
            yield decision
        if decision.count != now:
            sandbox.scale(service, decision.count, timeout)
            changed = time.monotonic()
        time.sleep(EVERY)


def request_rate(ask: Callable[[str, list[str]], list[str]], service: str) -> float:
    """Requests a second that the service answers now, as its Prometheus knows."""
    query = quote(f'sum(rate(http_requests_total{{job="{service}"}}[{WINDOW}]))')
    (answer, *_) = ask("prometheus", ["wget", "-q", "-O", "-", f"http://127.0.0.1:9090/api/v1/query?query={query}"])
    try:
        found = json.loads(answer)["data"]["result"]
        return float(found[0]["value"][1]) if found else 0.0
    except (ValueError, LookupError, TypeError) as error:
        raise SandboxError(f"Prometheus does not tell the rate of {service}: {error}") from error
