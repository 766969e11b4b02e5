"""Server-sent events: that something changed, and a log as it grows."""

from __future__ import annotations

import codecs
import json
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from werkzeug.exceptions import ServiceUnavailable
from werkzeug.wrappers import Response

from sandbox.ci.server import log
from sandbox.ci.server.ansi import Painter
from sandbox.ci.store import Item

if TYPE_CHECKING:
    from sandbox.ci.server.server import Server

MOST = 32  # at once: each holds a thread, and requests need some too
BREATH = 15.0  # seconds: a comment goes out at least so often, and finds out who has left
PIECE = 128 * 1024
GAP = 0.1  # seconds between two pieces: a build that prints fast does not make a page stutter
_open = threading.Semaphore(MOST)


def changes(server: Server, shown: Mapping[str, int]) -> Response:
    """An event `changed` whenever one of the topics is newer than what a page shows of it."""

    def events() -> Iterator[str]:
        seen = dict(shown)
        yield "retry: 1000\n\n: here\n\n"
        while not server.topics.closed:
            fresh = server.topics.wait(seen, BREATH)
            yield "event: changed\ndata: {}\n\n" if fresh != seen else ": still here\n\n"
            seen = fresh
            time.sleep(GAP)

    return _stream(events())


def console(server: Server, item: Item, build: int, number: int, start: int) -> Response:
    """Events `log` with HTML of what came, until the build has ended: then `end`."""
    folder = server.home.build(item.id, number)

    def events() -> Iterator[str]:
        at, painter, decoder = start, Painter(), codecs.getincrementaldecoder("utf-8")("replace")
        topic = f"log/{build}"
        times = log.Times(folder)
        yield "retry: 1000\n\n"
        while not server.topics.closed:
            seen = server.topics.versions([topic])
            running = server.scheduler.running_build(build) is not None
            data = log.read(folder, at, PIECE)
            if data:
                times = log.Times(folder)
                html = _html(decoder.decode(data), at, times, painter)
                at += len(data)
                yield _event(at, html, data)
                time.sleep(GAP)
            elif not running:
                yield "event: end\ndata: {}\n\n"
                return
            elif server.topics.wait(seen, BREATH) == seen:
                yield ": still here\n\n"

    return _stream(events())


def lines(folder: Path, start: int, limit: int) -> tuple[str, int]:
    """A part of a log as HTML lines with their times, and where it ends."""
    data = log.read(folder, start, limit)
    if start and b"\n" in data:  # begin with a whole line
        cut = data.index(b"\n") + 1
        start, data = start + cut, data[cut:]
    return _html(data.decode("utf-8", "replace"), start, log.Times(folder), Painter()), start + len(data)


def _event(at: int, html: str, data: bytes) -> str:
    piece = json.dumps({"html": html, "open": not data.endswith(b"\n")})
    return f"id: {at}\nevent: log\ndata: {piece}\n\n"


def _html(text: str, at: int, times: log.Times, painter: Painter) -> str:
    parts = []
    for line in text.splitlines(keepends=True):
        moment = times.at(at)
        at += len(line.encode("utf-8", "replace"))
        cls = ' class="pipeline"' if line.startswith("[Pipeline]") else ""
        clock = f'<time data-t="{moment}"></time>' if moment else ""
        parts.append(f"<span{cls}>{clock}{painter.html(line)}</span>")
    return "".join(parts)


def _stream(events: Iterator[str]) -> Response:
    if not _open.acquire(blocking=False):
        raise ServiceUnavailable("Too many pages are open; this one is not told of changes")
    response = Response(_closing(events), mimetype="text/event-stream")
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    return response


class _closing:
    """Gives the place back however the stream ends, also if it never began."""

    def __init__(self, events: Iterator[str]) -> None:
        self._events, self._held = events, True

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        return next(self._events)

    def close(self) -> None:
        if self._held:
            self._held = False
            _open.release()
