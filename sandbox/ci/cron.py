"""Jenkins' schedule syntax: five fields, H for a hash of the job's name, and names such as @daily."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

NAMES = {
    "@yearly": "H H H H *",
    "@annually": "H H H H *",
    "@monthly": "H H H * *",
    "@weekly": "H H * * H",
    "@daily": "H H * * *",
    "@midnight": "H H(0-2) * * *",
    "@hourly": "H * * * *",
}
FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day of month", 1, 31), ("month", 1, 12), ("day of week", 0, 7))
TERM = re.compile(r"(?:(\*)|(H)(?:\((\d+)-(\d+)\))?|(\d+)(?:-(\d+))?)(?:/(\d+))?")
HASHED_LAST = (59, 23, 28, 12, 6)  # H never picks a day that some months lack, nor Sunday twice


@dataclass(frozen=True)
class Line:
    """One line of a schedule: the values that each field allows."""

    fields: tuple[frozenset[int], ...]
    zone: ZoneInfo | None


class Schedule:
    """When a job is due. Raises ValueError, with Jenkins' kind of sentence, for a spec that cannot be read."""

    def __init__(self, spec: str, name: str) -> None:
        # Jenkins seeds with the job's full name too: the same job keeps its minute, and jobs spread.
        self._seed = int.from_bytes(hashlib.md5(name.encode(), usedforsecurity=False).digest(), "big")
        self.lines = tuple(self._lines(spec))

    def due(self, moment: datetime) -> bool:
        """Whether this minute is one of the schedule's. `moment` knows its zone."""
        return any(_matches(line, moment.astimezone(line.zone)) for line in self.lines)

    def _lines(self, spec: str) -> Iterator[Line]:
        zone: ZoneInfo | None = None
        for number, line in enumerate(spec.splitlines(), 1):
            text = line.strip()
            if text.startswith("TZ="):
                try:
                    zone = ZoneInfo(text[3:].strip())
                except (OSError, ValueError, KeyError):
                    raise ValueError(f"Invalid or unsupported timezone '{text[3:]}'") from None
            elif text and not text.startswith("#"):
                try:
                    yield Line(self._fields(NAMES.get(text, text)), zone)
                except ValueError as error:
                    raise ValueError(f'Invalid input: "{text}": line {number}: {error}') from None

    def _fields(self, spec: str) -> tuple[frozenset[int], ...]:
        parts = spec.split()
        if len(parts) != len(FIELDS):
            raise ValueError(f"5 fields are expected, not {len(parts)}")
        return tuple(frozenset(self._field(part, index)) for index, part in enumerate(parts))

    def _field(self, text: str, index: int) -> Iterator[int]:
        name, first, last = FIELDS[index]
        for term in text.split(","):
            match = TERM.fullmatch(term)
            if not match:
                raise ValueError(f"“{term}” is no {name}")
            star, hashed, low, high, one, end, step_text = match.groups()
            step = int(step_text or 1)
            if step < 1:
                raise ValueError(f"step must be positive, but found {step}")
            for value in (low, high, one, end):
                if value is not None and not first <= int(value) <= last:
                    raise ValueError(f"{value} is an invalid value. Must be within {first} and {last}")
            if star:
                values = range(first, last + 1, step)
            elif hashed:
                values = self._hashed(
                    int(low or first), int(high or HASHED_LAST[index]), step if step_text else 0, index
                )
            else:
                values = range(int(one), int(end or (last if step_text else one)) + 1, step)
            yield from (0 if index == 4 and value == 7 else value for value in values)

    def _hashed(self, low: int, high: int, step: int, index: int) -> range:
        seed = self._seed // 997**index
        if not step:
            start = low + seed % (high - low + 1)
            return range(start, start + 1)
        return range(low + seed % min(step, high - low + 1), high + 1, step)


def _matches(line: Line, moment: datetime) -> bool:
    minute, hour, day, month, weekday = line.fields
    return (
        moment.minute in minute
        and moment.hour in hour
        and moment.day in day
        and moment.month in month
        and moment.isoweekday() % 7 in weekday
    )
