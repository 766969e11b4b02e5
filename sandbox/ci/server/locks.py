"""What builds wait for because of one another: locked resources, and milestones that a later build has passed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sandbox.ci.model import Aborted
from sandbox.ci.server.build import TICK, RunningBuild


class Locks:
    """The resources of the `lock` step: one holder each, first come first served."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._lines: dict[str, list[object]] = {}

    @contextmanager
    def held(self, resource: str, check: Callable[[], None]) -> Iterator[None]:
        ticket = object()
        with self._changed:
            self._lines.setdefault(resource, []).append(ticket)
        try:
            with self._changed:
                while self._lines[resource][0] is not ticket:
                    self._changed.wait(TICK)
                    check()
            yield
        finally:
            with self._changed:
                self._lines[resource].remove(ticket)
                if not self._lines[resource]:
                    del self._lines[resource]
                self._changed.notify_all()


class Milestones:
    """How far the builds of each job came."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._passed: dict[tuple[int, int], int] = {}  # job and ordinal -> the newest build that passed it
        self._running: dict[int, dict[int, tuple[RunningBuild, int]]] = {}  # job -> build number -> its last ordinal

    def passed(self, build: RunningBuild, ordinal: int) -> None:
        """Raises Aborted if a newer build was here before; older ones that are not so far are stopped."""
        with self._lock:
            key = (build.item.id, ordinal)
            newest = self._passed.get(key, 0)
            if newest > build.number:
                raise Aborted(f"Superseded by #{newest}")
            self._passed[key] = build.number
            running = self._running.setdefault(build.item.id, {})
            running[build.number] = (build, ordinal)
            older = [other for number, (other, at) in running.items() if number < build.number and at < ordinal]
        for other in older:
            other.stop(f"Superseded by #{build.number}")

    def done(self, build: RunningBuild) -> None:
        with self._lock:
            self._running.get(build.item.id, {}).pop(build.number, None)
