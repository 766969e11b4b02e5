"""Dates as Elasticsearch reads them. Inside they are whole milliseconds since 1970, UTC."""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from logstore.errors import bad_query, bad_request

DATE = re.compile(
    r"(?P<year>\d{4})(?:-(?P<month>\d{1,2})(?:-(?P<day>\d{1,2}))?)?"
    r"(?:[T ](?P<hour>\d{2})(?::?(?P<minute>\d{2})(?::?(?P<second>\d{2})(?:[.,](?P<fraction>\d{1,9}))?)?)?)?"
    r"(?P<zone>Z|[+-]\d{2}:?\d{2}|[+-]\d{2})?"
)
STEP = re.compile(r"([+-]\d*|/)([yMwdhHms])")
NUMBER = re.compile(r"-?\d+(\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII)
FIXED = re.compile(r"(\d+)(ms|s|m|h|d|nanos|micros)")
EPOCHS = {"epoch_second": 1000, "epoch_millis": 1}
DAYS = {"date", "strict_date", "yyyy-MM-dd"}
MOMENTS = {
    "date_optional_time", "strict_date_optional_time", "strict_date_optional_time_nanos", "date_time",
    "strict_date_time", "date_time_no_millis", "strict_date_time_no_millis", "iso8601",
}  # fmt: skip
UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "H": 3_600_000, "d": 86_400_000, "w": 604_800_000}
FIRST, LAST = -(2**53), 2**53  # beyond these a JSON number is no longer exact
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def zone(name: str | None) -> tzinfo:
    """The time zone called `Europe/Berlin`, `+02:00`, `UTC` or `Z`."""
    if not name or name in ("Z", "UTC"):
        return UTC
    if re.fullmatch(r"[+-]\d{1,2}:?\d{2}", name):
        return _offset(name)
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise bad_query(f"unknown time zone [{name}]") from None


def _offset(text: str) -> timezone:
    digits = text[1:].replace(":", "").ljust(4, "0")
    minutes = int(digits[:-2]) * 60 + int(digits[-2:])
    return timezone(timedelta(minutes=minutes if text[0] == "+" else -minutes))


def to_millis(moment: datetime) -> int:
    return (moment - EPOCH) // timedelta(milliseconds=1)


def from_millis(value: int | float, tz: tzinfo = UTC) -> datetime:
    """The moment, kept inside what a calendar can show (years 1 to 9999)."""
    try:
        return (EPOCH + timedelta(milliseconds=value)).astimezone(tz)
    except OverflowError:
        edge = datetime.max if value > 0 else datetime.min
        return edge.replace(tzinfo=UTC)


def text(value: int | float, tz: tzinfo = UTC) -> str:
    """`2026-11-24T10:15:30.000Z`, or with the zone's offset."""
    written = from_millis(value, tz).isoformat(timespec="milliseconds")
    return written.removesuffix("+00:00") + "Z" if tz is UTC else written


def parse(value: Any, tz: tzinfo = UTC, round_up: bool = False) -> int:
    """Milliseconds of a date text (`strict_date_optional_time`) or of a number (`epoch_millis`).

    With `round_up` missing parts count as their last moment. Raises ValueError.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"failed to parse date field [{value}]")
    if not isinstance(value, str) or (len(value) > 4 and value.lstrip("-").isdecimal() and value.isascii()):
        millis = int(value)
        if not FIRST <= millis <= LAST:
            raise ValueError(f"failed to parse date field [{value}]: out of range")
        return millis
    match = DATE.fullmatch(value.strip())
    if not match:
        raise ValueError(f"failed to parse date field [{value}] with format [strict_date_optional_time||epoch_millis]")
    try:
        return _from_parts(match, tz, round_up)
    except (ValueError, OverflowError):
        raise ValueError(f"failed to parse date field [{value}]: no such date") from None


def formats(given: str) -> list[str]:
    """The formats in `epoch_second||strict_date_optional_time`. Raises ApiError for one that we do not have."""
    named = str(given).split("||")
    for name in named:
        if name not in EPOCHS.keys() | DAYS | MOMENTS:
            have = ", ".join(sorted(EPOCHS.keys() | DAYS | MOMENTS))
            raise bad_request(f"Invalid format: [{name[:100]}]: logstore has {have}")
    return named


def _parse_as(value: Any, format: str, tz: tzinfo, round_up: bool) -> int:
    """As `parse`, with the date in one of the formats named."""
    for name in formats(format):
        text = str(value).strip()
        try:
            if name not in EPOCHS:
                if not DATE.fullmatch(text) or (name in DAYS and len(text) > 10):
                    continue
                return _from_parts(DATE.fullmatch(text), tz, round_up)  # type: ignore[arg-type]
            if not isinstance(value, bool) and NUMBER.fullmatch(text):
                whole = "." not in text and "e" not in text.lower()
                last = EPOCHS[name] - 1 if round_up and whole else 0
                return parse(math.floor(float(text) * EPOCHS[name]) + last)
        except (ValueError, OverflowError):
            continue
    raise ValueError(f"failed to parse date field [{value}] with format [{format}]")


def written(millis: int | float, format: str, tz: tzinfo = UTC) -> str:
    """The date in the first of the formats named; without one as `text` writes it."""
    name = formats(format)[0] if format else ""
    if name in EPOCHS:
        return str(int(millis) // EPOCHS[name])
    return text(millis, tz)[:10] if name in DAYS else text(millis, tz)


def _from_parts(match: re.Match[str], tz: tzinfo, round_up: bool) -> int:
    given = {unit: int(match[unit]) for unit in ("year", "month", "day", "hour", "minute", "second") if match[unit]}
    if match["zone"]:
        tz = UTC if match["zone"] == "Z" else _offset(match["zone"])
    moment = datetime(**{"month": 1, "day": 1, **given}, tzinfo=tz)
    if match["fraction"]:
        return to_millis(moment) + int(match["fraction"].ljust(3, "0")[:3])
    if round_up:
        smallest = list(given)[-1]
        return to_millis(_next(moment, smallest[0] if smallest != "month" else "M")) - 1
    return to_millis(moment)


def parse_math(value: Any, now: int, tz: tzinfo = UTC, round_up: bool = False, format: str = "") -> int:
    """A date, or date math on one: `now-15m`, `now/d`, `2026-11-24||+1M/d`. Raises ApiError."""
    if not isinstance(value, str):
        return _parsed(value, tz, round_up, format)
    if value.startswith("now"):
        moment, steps = now, value[3:]
    else:
        anchor, bars, steps = value.partition("||")
        moment = _parsed(anchor, tz, round_up and not bars, format)
    at = 0
    while at < len(steps):
        step = STEP.match(steps, at)
        if not step:
            raise bad_query(f"failed to parse date math [{value}]")
        try:
            moment = _apply(moment, step[1], step[2], tz, round_up)
        except (ValueError, OverflowError):
            raise bad_query(f"date math [{value}] leaves the calendar") from None
        at = step.end()
    return moment


def _parsed(value: Any, tz: tzinfo, round_up: bool, format: str) -> int:
    try:
        return _parse_as(value, format, tz, round_up) if format else parse(value, tz, round_up)
    except ValueError as error:
        raise bad_query(str(error)) from None


def _apply(millis: int, step: str, unit: str, tz: tzinfo, round_up: bool) -> int:
    if step != "/":
        amount = int(step + "1" if step in "+-" else step)
        if unit in UNITS:
            return millis + amount * UNITS[unit]
        return to_millis(_add_months(from_millis(millis, tz), amount * (12 if unit == "y" else 1)))
    start = floor(from_millis(millis, tz), unit)
    return to_millis(_next(start, unit)) - 1 if round_up else to_millis(start)


def floor(moment: datetime, unit: str) -> datetime:
    """The start of the moment's year, quarter (`q`), month (`M`), week, day, hour, minute (`m`) or second."""
    parts = {"microsecond": 0}
    for name, letters in (("second", "mhHdwMqy"), ("minute", "hHdwMqy"), ("hour", "dwMqy")):
        if unit in letters:
            parts[name] = 0
    moment = moment.replace(**parts)  # type: ignore[arg-type]
    if unit == "w":
        return moment - timedelta(days=moment.weekday())
    if unit in "Mqy":
        month = {"M": moment.month, "q": (moment.month - 1) // 3 * 3 + 1, "y": 1}[unit]
        return moment.replace(day=1, month=month)
    return moment


def _next(moment: datetime, unit: str) -> datetime:
    if unit in ("y", "M", "q"):
        return _add_months(moment, {"y": 12, "M": 1, "q": 3}[unit])
    return moment + timedelta(milliseconds=UNITS[unit])


def _add_months(moment: datetime, months: int) -> datetime:
    index = moment.year * 12 + moment.month - 1 + months
    year, month = divmod(index, 12)
    following = datetime(year + (month == 11), (month + 1) % 12 + 1, 1)
    last = (following - timedelta(days=1)).day
    return moment.replace(year=year, month=month + 1, day=min(moment.day, last))


def calendar_starts(first: int, last: int, unit: str, tz: tzinfo, limit: int) -> list[int]:
    """The starts of every year, quarter, month … from the one holding `first` to the one after `last`."""
    moment = floor(from_millis(first, tz), unit)
    starts = [to_millis(moment)]
    while starts[-1] <= last:
        if len(starts) > limit:
            raise bad_query(f"Trying to create too many buckets. Must be less than or equal to: [{limit}]")
        try:
            moment = _next(moment, unit)
        except (ValueError, OverflowError):
            starts.append(last + 1)
            break
        starts.append(to_millis(moment))
    return starts


def fixed_interval(value: Any) -> int:
    """`30s` in milliseconds. Raises ApiError."""
    match = FIXED.fullmatch(str(value))
    millis = int(match[1]) * UNITS.get(match[2], 0) if match else 0
    if millis <= 0:
        raise bad_query(f"failed to parse fixed_interval [{value}]: use ms, s, m, h or d")
    return millis
