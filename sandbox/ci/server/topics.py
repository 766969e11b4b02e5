"""What changed: pages and waiting requests sleep here until something they show is different."""

from __future__ import annotations

import threading
from collections.abc import Collection


class Topics:
    """Counters by name; `jobs`, `queue`, `executors` and `build/<id>` are the names in use."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._versions: dict[str, int] = {}
        self.closed = False

    def touch(self, *names: str) -> None:
        with self._changed:
            for name in names:
                self._versions[name] = self._versions.get(name, 0) + 1
            self._changed.notify_all()

    def forget(self, name: str) -> None:
        with self._changed:
            self._versions.pop(name, None)

    def all(self) -> dict[str, int]:
        with self._changed:
            return dict(self._versions)

    def versions(self, names: Collection[str]) -> dict[str, int]:
        with self._changed:
            return {name: self._versions.get(name, 0) for name in names}

    def wait(self, seen: dict[str, int], seconds: float) -> dict[str, int]:
        """The versions as they are once one differs from `seen`, or the time is over, or the server closes."""

        def differs() -> bool:
            return self.closed or any(self._versions.get(name, 0) != version for name, version in seen.items())

        with self._changed:
            self._changed.wait_for(differs, seconds)
            return {name: self._versions.get(name, 0) for name in seen}

    def close(self) -> None:
        with self._changed:
            self.closed = True
            self._changed.notify_all()
