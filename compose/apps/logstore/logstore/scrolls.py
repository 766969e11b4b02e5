"""Scrolls: a long answer page by page, as it was when it was asked for."""

from __future__ import annotations

import re
import secrets
import threading
import time
from dataclasses import dataclass
from typing import Any

from logstore.errors import ApiError, bad_request
from logstore.indices import Index

Json = dict[str, Any]
MOST, LONGEST = 500, 24 * 3600.0
SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass
class Scroll:
    """What was asked, how far it was told, and until when somebody may ask for more."""

    indices: list[Index]
    body: Json
    until: int
    added: bool  # the last key to sort by is ours
    expires: float = 0.0


class Scrolls:
    """All that are open, by their ids."""

    def __init__(self) -> None:
        self._open: dict[str, Scroll] = {}
        self._lock = threading.Lock()

    def begin(self, scroll: Scroll, keep: str) -> str:
        """The id for the pages that follow. Raises ApiError."""
        scroll.expires = time.monotonic() + _seconds(keep)
        with self._lock:
            self._forget_expired()
            if len(self._open) >= MOST:
                reason = f"Trying to create too many scroll contexts. Must be less than or equal to: [{MOST}]."
                raise ApiError(429, "too_many_scroll_contexts_exception", reason)
            id = secrets.token_urlsafe(24)
            self._open[id] = scroll
        return id

    def get(self, id: str, keep: str) -> Scroll:
        """Raises ApiError when nothing of that id is open."""
        seconds = _seconds(keep) if keep else 0.0
        with self._lock:
            self._forget_expired()
            if id not in self._open:
                raise ApiError(404, "search_context_missing_exception", f"No search context found for id [{id[:100]}]")
            scroll = self._open[id]
            scroll.expires = max(scroll.expires, time.monotonic() + seconds)
        return scroll

    def end(self, ids: list[str]) -> int:
        """Forgets scrolls, all with `_all`; how many."""
        with self._lock:
            known = list(self._open) if "_all" in ids else [id for id in ids if id in self._open]
            for id in known:
                del self._open[id]
        return len(known)

    def _forget_expired(self) -> None:
        now = time.monotonic()
        for id in [id for id, scroll in self._open.items() if scroll.expires < now]:
            del self._open[id]


def _seconds(keep: str) -> float:
    found = re.fullmatch(r"(\d{1,6})(ms|s|m|h|d)", keep)
    if not found:
        raise bad_request(f"failed to parse setting [scroll] with value [{keep[:100]}] as a time value")
    seconds = int(found[1]) * SECONDS[found[2]]
    if seconds > LONGEST:
        raise bad_request(f"Keep alive for request ({keep}) is too large. It must be less than (1d).")
    return seconds
