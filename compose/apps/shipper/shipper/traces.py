"""Traces: what a program prints over many lines when it fails is one document."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace

from shipper.docker import Line, seconds

# What begins with a space, or goes on with a Java or Python error, belongs to the line before; so in Filebeat.
CONTINUED = re.compile(
    r"\s|$|Caused by:|\.\.\. \d+ more|[A-Za-z_.]+(?:Error|Exception): |During handling of|The above exception was"
)
MOST_LINES, MOST_CHARACTERS = 500, 1024**2
APART = 2.0  # seconds between lines that still belong together
PATIENCE = 0.5  # seconds until a line goes off though the next is not known


@dataclass
class _Open:
    """A line that may go on: its texts, when its last was printed, and when that came to us."""

    first: Line
    texts: list[str]
    characters: int
    printed: float
    came: float

    def takes(self, line: Line) -> bool:
        return (
            bool(CONTINUED.match(line.text))
            and seconds(line.time) - self.printed <= APART
            and len(self.texts) < MOST_LINES
            and self.characters + len(line.text) <= MOST_CHARACTERS
        )


class Traces:
    """Joins lines of each container. A line of JSON is whole; any other may wait a moment for what follows."""

    def __init__(self) -> None:
        self._open: dict[str, _Open] = {}

    def joined(self, lines: Iterable[Line]) -> list[Line]:
        """The lines that are whole now, those that waited long enough too."""
        done = []
        for line in lines:
            before = self._open.get(line.container.id)
            if before and before.takes(line):
                before.texts.append(line.text)
                before.characters += len(line.text)
                before.printed, before.came = seconds(line.time), time.monotonic()
                continue
            if before:
                done.append(_closed(self._open.pop(line.container.id)))
            if line.text.startswith("{"):
                done.append(line)
            else:
                new = _Open(line, [line.text], len(line.text), seconds(line.time), time.monotonic())
                self._open[line.container.id] = new
        now = time.monotonic()
        for id in [id for id, one in self._open.items() if now - one.came >= PATIENCE]:
            done.append(_closed(self._open.pop(id)))
        return done

    @property
    def waiting(self) -> bool:
        return bool(self._open)


def _closed(one: _Open) -> Line:
    return replace(one.first, text="\n".join(one.texts).rstrip()) if len(one.texts) > 1 else one.first


def is_rest(text: str) -> bool:
    """Whether a line, at the beginning of what is read, belongs to one that is not."""
    return bool(CONTINUED.match(text))
