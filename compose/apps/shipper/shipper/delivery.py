"""Documents brought to the store, however long that takes, and what is counted on the way."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

from shipper.documents import plain
from shipper.store import Document, Refused, Store

TROUBLE = (OSError, http.client.HTTPException, Refused, ValueError)
PAUSE, LONGEST_PAUSE = 0.5, 30.0


class Undelivered(Exception):
    """The store did not take documents in the time that there was."""


class Delivery:
    """One sender's way to the store."""

    def __init__(self, url: str, user: str, password: str, counts: Counts) -> None:
        self.store, self.counts = Store(url, user, password), counts

    def deliver(self, way: str, documents: Sequence[Document], patience: float | None = None) -> None:
        """Comes back when the store has all documents. After `patience` seconds it raises Undelivered."""
        began, pause, count = time.monotonic(), PAUSE, len(documents)
        while documents:
            try:
                refused = self.store.send(documents)
            except TROUBLE as error:
                self.counts.add("failures", way, 1)
                if patience is not None and time.monotonic() - began + pause > patience:
                    raise Undelivered(str(error)) from None
                say("warning", f"the store does not take lines, trying again in {pause:.0f} s: {error}")
                time.sleep(pause)
                pause = min(LONGEST_PAUSE, pause * 2)
                continue
            # A refused line is kept as plain text; should that be refused too, it is told here.
            lost = [one for one in refused if "refused" in one[0][2].get("tags", ())]
            for (stream, id, _), reason in lost:
                say("error", f"a line of {stream} is lost ({id}): {reason}")
            self.counts.add("lost", way, len(lost))
            documents = [(one[0][0], one[0][1], plain(one[0][2], one[1])) for one in refused if one not in lost]
            self.counts.add("refused", way, len(documents))
        self.counts.add("lines", way, count)

    def close(self) -> None:
        self.store.close()


HELP = {
    "lines": "Lines that the store has.",
    "refused": "Lines that the store took as plain text only.",
    "lost": "Lines that the store took in no form.",
    "failures": "Requests that the store did not answer well; they are made again.",
}


class Counts:
    """What happened since the start, for Prometheus: by name, and by the way in."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, str]] = Counter()

    def add(self, name: str, way: str, count: int) -> None:
        with self._lock:
            self._counts[name, way] += count

    def text(self) -> str:
        """In Prometheus' format."""
        with self._lock:
            counts = sorted(self._counts.items())
        lines = []
        for name, help in HELP.items():
            lines += [f"# HELP shipper_{name}_total {help}", f"# TYPE shipper_{name}_total counter"]
            lines += [f'shipper_{name}_total{{way="{way}"}} {count}' for (known, way), count in counts if known == name]
        return "\n".join(lines) + "\n"


def say(level: str, message: str) -> None:
    moment = datetime.now(UTC).isoformat(timespec="milliseconds")
    fields = {"@timestamp": moment, "log.level": level, "message": message, "service.name": "shipper"}
    print(json.dumps(fields), flush=True)
