"""Lines sent into a log pipeline: the shipper's, or Logstash's, which take the same by HTTP."""

from __future__ import annotations

import json
import queue
import re
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any

import requests

from sandbox.errors import SandboxError

Event = dict[str, Any]
# What belongs to the line before: the rest of a trace. The shipper and Filebeat join containers' lines by the same.
CONTINUED = re.compile(
    r"\s|$|Caused by:|\.\.\. \d+ more|[A-Za-z_.]+(?:Error|Exception): |During handling of|The above exception was"
)
BATCH, BATCH_CHARACTERS, LONGEST = 500, 500_000, 250_000
LINGER = 0.3  # seconds that a line waits for others
SECONDS, PATIENCE = 30.0, 60.0  # for one request; while the pipeline says that it cannot take more


class LogInput:
    """A pipeline's way in at `url`."""

    def __init__(self, url: str) -> None:
        self.url = url

    def send(self, batches: Iterable[list[Event]]) -> int:
        """Sends all; how many events. Raises SandboxError, and tells how many had arrived."""
        sent = 0
        with requests.Session() as session:
            session.trust_env = False  # loopback never goes through a proxy
            for batch in batches:
                if reason := self._refused(session, batch):
                    raise SandboxError(f"{reason} ({sent:,} lines had been taken)", "`sandbox status`")
                sent += len(batch)
        return sent

    def _refused(self, session: requests.Session, batch: list[Event]) -> str:
        """Why the pipeline does not take a batch; empty when it did."""
        deadline, pause = time.monotonic() + PATIENCE, 0.5
        while True:
            try:
                answer = session.post(self.url, json=batch, timeout=SECONDS)
            except requests.RequestException as error:
                return f"the log pipeline does not answer: {error}"
            if answer.ok:
                return ""
            if answer.status_code not in (429, 503) or time.monotonic() + pause > deadline:
                return f"the log pipeline answers HTTP {answer.status_code}: {answer.text[:200].strip()}"
            time.sleep(pause)
            pause = min(5.0, pause * 2)


def events(lines: Iterable[str], app: str = "", level: str = "") -> Iterator[list[Event]]:
    """Batches of events, as lines come. The lines of a trace are one event."""
    for batch in _batches(lines):
        yield [_event(text, app, level) for text in batch]


def _event(text: str, app: str, level: str) -> Event:
    given = {name: value for name, value in (("service.name", app), ("log.level", level)) if value}
    event: Event = {"message": _with(text, given)}
    if app:
        event |= {"service": {"name": app}, "data_stream": {"dataset": app}}
    if level:
        event["log"] = {"level": level}
    return event


def _with(text: str, given: dict[str, str]) -> str:
    """What was said on the command line counts more than what a line of JSON says itself."""
    if not given or not text.startswith("{"):
        return text
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return json.dumps({**data, **given}) if isinstance(data, dict) else text


def _batches(lines: Iterable[str]) -> Iterator[list[str]]:
    """Texts of one or more lines, in batches; one that is not full goes off when nothing more comes for a moment."""
    arrived: queue.Queue[str | BaseException | None] = queue.Queue(BATCH)

    def read() -> None:
        try:
            for line in lines:
                arrived.put(line.rstrip("\r\n"))
            arrived.put(None)
        except BaseException as error:
            arrived.put(error)

    threading.Thread(target=read, daemon=True).start()
    batch: list[str] = []
    size = 0
    while True:
        try:
            line = arrived.get(timeout=LINGER if batch else None)
        except queue.Empty:
            line = ""
            full = True
        else:
            full = len(batch) >= BATCH or size >= BATCH_CHARACTERS
        if isinstance(line, BaseException):
            raise line
        if line and batch and _goes_on(batch[-1], line):
            batch[-1] += "\n" + line
        elif batch and (full or line is None):
            yield batch
            batch, size = [line] if line else [], 0
        elif line:
            batch.append(line)
        if line is None:
            return
        size += len(line)


def _goes_on(text: str, line: str) -> bool:
    return bool(CONTINUED.match(line)) and not text.startswith("{") and len(text) + len(line) < LONGEST
