"""Is the canary as good as the stable version? Numbers from Prometheus, a verdict, and the reason in words."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, build_opener

from release import decisions

PROMETHEUS = os.environ.get("PROMETHEUS_URL", "http://prometheus:9090").rstrip("/")
JOB = '{job="storefront"}'
EVERY = 2.0  # seconds between two looks
SILENCE = 10.0  # seconds without numbers after which there is no verdict
MEGABYTE = 1024**2


@dataclass(frozen=True)
class Limits:
    """When a canary is bad, and when enough is known to say so."""

    errors: float = 0.05  # share of errors that is too much, and …
    errors_above: float = 0.02  # … how much more than the stable version's it must be
    slower: float = 2.0  # times the stable version's p95 that is too slow, and …
    slower_above: float = 0.25  # … seconds above it
    memory_above: int = 96 * MEGABYTE  # more memory than the stable version
    requests: int = 30  # the canary's, before it can be called good
    clear_errors: int = 5  # errors after which a bad share is bad luck no more, however few requests there were
    route_errors: int = 3  # errors of one route, if more than half of its requests fail
    seconds: float = 8.0  # to look at least
    budget: float = 120.0  # seconds after which no verdict is a verdict


@dataclass(frozen=True)
class Counts:
    """What one track has served so far: counters, so only differences mean something."""

    requests: float = 0
    errors: float = 0
    memory: float = 0
    buckets: Mapping[float, float] = field(default_factory=dict)  # upper bound in seconds -> requests at most as slow
    routes: Mapping[str, tuple[float, float]] = field(default_factory=dict)  # route -> requests and errors

    def since(self, before: Counts) -> Counts:
        buckets = {bound: count - before.buckets.get(bound, 0) for bound, count in self.buckets.items()}
        routes = {}
        for route, (requests, errors) in self.routes.items():
            had = before.routes.get(route, (0, 0))
            routes[route] = (requests - had[0], errors - had[1])
        return Counts(self.requests - before.requests, self.errors - before.errors, self.memory, buckets, routes)

    def broken_route(self, errors: int) -> str:
        """A route that mostly fails, with at least so many errors; it may be too rare to show in the whole."""
        broken = (route for route, (asked, failed) in self.routes.items() if failed >= errors and failed > asked / 2)
        return next(broken, "")

    @property
    def error_share(self) -> float:
        return self.errors / self.requests if self.requests else 0.0

    @property
    def p95(self) -> float:
        """Seconds within which 95 of 100 requests were answered, as the buckets tell (their upper bound)."""
        total = max(self.buckets.values(), default=0)
        return next((bound for bound, count in sorted(self.buckets.items()) if total and count >= 0.95 * total), 0.0)


@dataclass(frozen=True)
class Verdict:
    """word: `wait`, `good`, `harm` or `unknown`; why: in words; reason: the same as one of `decisions.REASONS`."""

    word: str
    why: str
    reason: str = ""


class NoNumbers(Exception):
    """Prometheus did not answer, or not with numbers."""


def decide(canary: Counts, stable: Counts, seconds: float, limits: Limits) -> Verdict:
    """The verdict on what both served in the same `seconds`."""
    if canary.requests < 0:
        return Verdict("harm", "the canary's counters began anew: it crashed", decisions.CRASH)
    told = f"canary {_words(canary)}; stable {_words(stable)}"
    too_many = canary.error_share > max(limits.errors, stable.error_share + limits.errors_above)
    too_many = too_many and (canary.errors >= limits.clear_errors or canary.requests >= limits.requests)
    route = canary.broken_route(1 if too_many else limits.route_errors)
    broken = ""
    if route and route != stable.broken_route(1):
        asked, failed = canary.routes[route]
        broken = f"{route} is broken ({failed:.0f} of {asked:.0f} requests failed)"
    if too_many:
        return Verdict("harm", f"too many errors: {broken}{'; ' if broken else ''}{told}", decisions.ERRORS)
    if broken:
        return Verdict("harm", f"{broken}; {told}", decisions.ROUTE)
    if canary.memory > stable.memory + limits.memory_above:
        return Verdict("harm", f"too much memory: {told}", decisions.MEMORY)
    if canary.requests < limits.requests or seconds < limits.seconds:
        if seconds > limits.budget:
            why = f"only {canary.requests:.0f} of {limits.requests} requests in {seconds:.0f} s"
            return Verdict("unknown", why, decisions.NO_VERDICT)
        return Verdict("wait", told)
    if canary.p95 > max(limits.slower * stable.p95, stable.p95 + limits.slower_above):
        return Verdict("harm", f"too slow: {told}", decisions.SLOW)
    return Verdict("good", told, decisions.GOOD)


def _words(counts: Counts) -> str:
    memory = f"{counts.memory / MEGABYTE:.0f} MB"
    return f"{counts.requests:.0f} requests, {counts.error_share:.1%} errors, p95 {counts.p95 * 1000:.0f} ms, {memory}"


def watch(limits: Limits, read: Callable[[], Mapping[str, Counts]], stable: Counts | None = None) -> Iterator[Verdict]:
    """Looks again and again; the last verdict is not `wait`. Without numbers for a while it is `unknown`.

    `stable` is what the stable version had served when the release began: when the canary has most of the requests,
    the few that are left to the other are no measure.
    """
    began, before, silent = time.monotonic(), None, 0.0
    while True:
        try:
            now = read()
            silent = 0.0
        except NoNumbers as error:
            silent = silent or time.monotonic()
            if time.monotonic() - silent > min(SILENCE, limits.budget):
                yield Verdict("unknown", str(error), decisions.NO_VERDICT)
                return
            yield Verdict("wait", str(error))
            time.sleep(EVERY)
            continue
        if before is None:
            before = {**now, "stable": stable or now["stable"]}
        else:
            parts = [now[track].since(before[track]) for track in ("canary", "stable")]
            verdict = decide(parts[0], parts[1], time.monotonic() - began, limits)
            yield verdict
            if verdict.word != "wait":
                return
        time.sleep(EVERY)


def numbers(version: str) -> dict[str, Counts]:
    """Both tracks' counts now, from Prometheus. Raises NoNumbers, also while the canary's are another version's."""
    if not _query(f'app_info{{job="storefront", track="canary", version="{version}"}}'):
        raise NoNumbers(f"Prometheus has not yet seen the canary run {version}")
    return _counts()


def stable_so_far() -> Counts | None:
    """What the stable version has served until now; None if that cannot be known."""
    try:
        return _counts()["stable"]
    except NoNumbers:
        return None


def _counts() -> dict[str, Counts]:
    routes: dict[str, dict[str, tuple[float, float]]] = {"stable": {}, "canary": {}}
    for labels, value in _query(f"sum by (track, route, status) (http_requests_total{JOB})"):
        known = routes.setdefault(labels["track"], {})
        asked, failed = known.get(labels["route"], (0.0, 0.0))
        known[labels["route"]] = (asked + value, failed + value * labels["status"].startswith("5"))
    memory = _sums(f"max by (track) (process_resident_memory_bytes{JOB})")
    buckets: dict[str, dict[float, float]] = {}
    for labels, value in _query(f"sum by (track, le) (http_request_duration_seconds_bucket{JOB})"):
        buckets.setdefault(labels["track"], {})[float(labels["le"])] = value
    missing = [track for track in ("stable", "canary") if track not in memory]
    if missing:
        raise NoNumbers(f"Prometheus knows nothing of {', '.join(missing)}")
    return {
        track: Counts(
            sum(asked for asked, _ in routes[track].values()),
            sum(failed for _, failed in routes[track].values()),
            memory[track],
            buckets.get(track, {}),
            routes[track],
        )
        for track in ("stable", "canary")
    }


def _sums(query: str) -> dict[str, float]:
    return {labels["track"]: value for labels, value in _query(query)}


def _query(query: str) -> list[tuple[dict[str, str], float]]:
    url = f"{PROMETHEUS}/api/v1/query?{urlencode({'query': query})}"
    try:
        with build_opener(ProxyHandler({})).open(url, timeout=3) as answer:
            found = json.load(answer)["data"]["result"]
        return [(entry["metric"], float(entry["value"][1])) for entry in found if entry["metric"].get("track")]
    except (URLError, OSError, ValueError, KeyError) as error:
        raise NoNumbers(f"Prometheus does not answer: {error}") from None
