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
BLIND = 5
WINDOW = "15s"
SLACK = 0.8  # a replica goes only if the rest would be this much of the target at most: no flapping
CALM = 0.5  # of the latency's target: below it a replica may go
RATE = 'sum(rate(http_requests_total{{job="{service}"}}[{window}]))'
LATENCY = (
    "1000 * histogram_quantile(0.95, sum by (le) "
    '(rate(http_request_duration_seconds_bucket{{job="{service}"}}[{window}])))'
)


@dataclass(frozen=True)
class Policy:
    """`rate`: requests a second that one replica shall serve; `latency`: milliseconds in which 95 of 100 requests
    shall be answered; 0 for what does not count. `cooldown`: seconds of rest after a change.
    """

    rate: float
    latency: float
    least: int
    most: int
    cooldown: float

    def __post_init__(self) -> None:
        targets = (self.rate, self.latency)
        if not (min(targets) >= 0 and any(targets) and 1 <= self.least <= self.most and self.cooldown >= 0):
            raise UsageError("a policy has a target above 0, 1 <= min <= max, and a cooldown of 0 or more")


@dataclass(frozen=True)
class Load:
    """Requests a second in all, and the milliseconds in which 95 of 100 are answered."""

    rate: float
    latency: float


@dataclass(frozen=True)
class Decision:
    """How many replicas there shall be, and why."""

    count: int
    why: str


def decide(policy: Policy, now: int, load: Load, rested: float) -> Decision:
    """From `now` replicas, their load, and `rested` seconds since the last change. The stricter target decides."""
    wanted = [ask(policy, now, load) for ask in (_by_rate, _by_latency)]
    count, why = max((found for found in wanted if found), key=lambda found: found[0])
    needed = max(policy.least, min(policy.most, count))
    if needed == now:
        return Decision(now, f"{why}: as it should be" if count == now else f"{why}: {count} would do, {now} may be")
    if rested < policy.cooldown:
        return Decision(now, f"{why}: {needed} would do, after a rest of {policy.cooldown - rested:.0f} s more")
    return Decision(needed, f"{why}: {needed} needed")


def _by_rate(policy: Policy, now: int, load: Load) -> tuple[int, str] | None:
    if not policy.rate:
        return None
    needed, why = math.ceil(load.rate / policy.rate), f"{load.rate:.1f} requests a second on {now}"
    if needed < now <= policy.most and load.rate > SLACK * policy.rate * needed:
        return now, f"{why}, of which {needed} would have little to spare"
    return needed, why


def _by_latency(policy: Policy, now: int, load: Load) -> tuple[int, str] | None:
    """One more or one fewer: how much a replica changes the latency, nobody knows before."""
    if not policy.latency:
        return None
    step = 1 if load.latency > policy.latency else -1 if load.latency < CALM * policy.latency else 0
    return now + step, f"95 of 100 requests take {load.latency:.0f} ms at most on {now}"


def keep(sandbox: Sandbox, service: str, policy: Policy, timeout: int) -> Iterator[Decision]:
    """Looks and scales for ever; yields every decision that differs from the one before.

    A look that fails is tried again; after BLIND of them in a row the SandboxError is raised.
    """
    changed, last, blind = -math.inf, "", 0
    while True:
        now = len([s for s in sandbox.engine.containers(sandbox.project) if s.container == service])
        try:
            load = Load(*(measured(sandbox.ask, service, query) for query in (RATE, LATENCY)))
            decision, blind = decide(policy, now, load, time.monotonic() - changed), 0
        except SandboxError as error:
            blind += 1
            if blind == BLIND or isinstance(error, UsageError):
                raise
            decision = Decision(now, f"no look at the load: {error.message}")
        if decision.why != last:
            last = decision.why
            yield decision
        if decision.count != now:
            sandbox.scale(service, decision.count, timeout)
            changed = time.monotonic()
        time.sleep(EVERY)


def measured(ask: Callable[[str, list[str]], list[str]], service: str, query: str) -> float:
    """What the service's Prometheus answers; 0 where there were no requests."""
    asked = quote(query.format(service=service, window=WINDOW))
    (answer, *_) = ask("prometheus", ["wget", "-q", "-O", "-", f"http://127.0.0.1:9090/api/v1/query?query={asked}"])
    try:
        found = json.loads(answer)["data"]["result"]
        value = float(found[0]["value"][1]) if found else 0.0
        return 0.0 if math.isnan(value) else value
    except (ValueError, LookupError, TypeError) as error:
        raise SandboxError(f"Prometheus does not tell the load of {service}: {error}") from error
