"""Formats of lines (JSON, HAProxy's access log, syslog, GELF) as fields with the names of the Elastic Common Schema."""

from __future__ import annotations

import json
import re
import zlib
from datetime import datetime
from typing import Any

Fields = dict[str, Any]
# Whatever writes `service` or `host` as a text means its name.
OTHER_NAMES = {
    "level": "log.level", "severity": "log.level", "msg": "message", "logger": "log.logger",
    "service": "service.name", "host": "host.hostname",
}  # fmt: skip
TIMES = ("@timestamp", "timestamp", "time", "ts")
DEEPEST = 100
SEVERITIES = ("critical", "critical", "critical", "error", "warning", "info", "info", "debug")

# `option httplog`: client [time] frontend backend/server times status bytes … "request". What is bounded here and
# below is so that a line of a megabyte takes no longer than its length.
ACCESS = re.compile(
    r"(?:^|\s)(?P<client>\S{1,200}):(?P<port>\d{1,5}) \[[^\]]{1,40}\] "
    r"(?P<frontend>\S+) (?P<backend>[^\s/]+)/(?P<server>\S+) "
    r"(?:-?\d+/){4}\+?(?P<took>\d+) (?P<status>\d{3}) \+?(?P<bytes>\d+) \S+ \S+ \S{4} \S+ \S+ (?:\{[^}]*\} ){0,2}"
    r"\"(?P<method>[A-Z]+) (?P<url>(?P<path>[^\s?\"]+)[^\s\"]*)"
)
# RFC 5424, and the many shapes of RFC 3164: Python's handler sends neither time nor host.
SYSLOG = re.compile(
    r"<(?P<priority>\d{1,3})>1 (?P<time>\S+) (?P<host>\S+) (?P<program>\S+) (?P<process>\S+) (?P<code>\S+) "
    r"(?:-|(?:\[(?:[^\]\\]|\\.)*\])+)(?: \ufeff?(?P<text>.*))?",
    re.DOTALL,
)
OLD_SYSLOG = re.compile(
    r"<(?P<priority>\d{1,3})>"
    r"(?:(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d|(?P<time>\d{4}-\d\d-\d\dT\S+)) (?:(?P<host>[^\s:\[\]]+) )?)?"
    r"(?:(?P<program>[^\s:\[\]{]+)(?:\[(?P<process>\d+)\])?: ?)?(?P<text>.*)",
    re.DOTALL,
)


def from_json(text: str) -> Fields | None:
    """The fields of a JSON object, flat; None for anything else."""
    try:
        data = json.loads(text, parse_constant=str)
    except (ValueError, RecursionError):
        return None
    return from_object(data) if isinstance(data, dict) and not _deeper(data, DEEPEST) else None


def from_object(data: dict[str, Any]) -> Fields:
    flat = {OTHER_NAMES.get(name, name): value for name, value in _flat(data, "")}
    for name in TIMES:
        value = flat.pop(name, None)
        if "@timestamp" not in flat and (time := _time(value)):
            flat["@timestamp"] = time
    if not isinstance(flat.get("message", ""), str):
        flat["message"] = json.dumps(flat["message"])
    return {name: value for name, value in flat.items() if not name.startswith("message.")}


def from_access_log(text: str) -> Fields:
    """The fields of a line of HAProxy's access log; none for any other line."""
    found = ACCESS.search(text)
    if not found:
        return {}
    return {
        "source.address": found["client"],
        "source.port": int(found["port"]),
        "haproxy.frontend_name": found["frontend"],
        "haproxy.backend_name": found["backend"],
        "haproxy.server_name": found["server"],
        "haproxy.total_time_ms": int(found["took"]),
        "http.response.status_code": int(found["status"]),
        "http.response.bytes": int(found["bytes"]),
        "http.request.method": found["method"],
        "url.original": found["url"],
        "url.path": found["path"],
    }


def from_syslog(text: str) -> Fields | None:
    """The fields of a message by RFC 5424 or 3164; None for anything else.

    The time of RFC 3164 has neither year nor zone: when it arrived is nearer to the truth.
    """
    found = SYSLOG.fullmatch(text) or OLD_SYSLOG.fullmatch(text)
    if not found or (priority := int(found["priority"])) > 191:
        return None
    known = {
        "host.hostname": found["host"],
        "process.name": found["program"],
        "service.name": found["program"],
        "process.pid": found["process"],
        "event.code": found.groupdict().get("code"),
        "@timestamp": _time(found["time"]),
    }
    if not (known["process.pid"] or "").isdecimal():
        del known["process.pid"]
    return {
        "message": found["text"] or "",
        "log.level": SEVERITIES[priority % 8],
        "log.syslog.priority": priority,
        **{name: value for name, value in known.items() if value and value != "-"},
    }


def from_gelf(message: bytes) -> Fields | None:
    """The fields of a GELF message, compressed or not; None for anything else."""
    if message[:1] in (b"\x78", b"\x1f"):
        try:
            message = zlib.decompressobj(wbits=47).decompress(message, 1024**2)
        except zlib.error:
            return None
    try:
        data = json.loads(message.decode("utf-8", "replace"), parse_constant=str)
    except (ValueError, RecursionError):
        return None
    if not isinstance(data, dict) or not isinstance(data.get("short_message"), str) or _deeper(data, DEEPEST):
        return None
    data = {name.removeprefix("_"): value for name, value in data.items() if name not in ("version", "_id")}
    short = data.pop("short_message")
    level = data.get("level")
    if isinstance(level, int) and 0 <= level <= 7:
        data["level"] = SEVERITIES[level]
    return from_object({**data, "message": data.pop("full_message", None) or short})


def _deeper(data: Any, depth: int) -> bool:
    """Whether lists and objects are nested deeper than that: they could be read, but not written again."""
    if not isinstance(data, dict | list):
        return False
    inner = data.values() if isinstance(data, dict) else data
    return depth == 0 or any(_deeper(one, depth - 1) for one in inner)


def _flat(data: dict[str, Any], prefix: str) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in data.items():
        path = f"{prefix}{name}".strip(".")
        if isinstance(value, dict) and path.count(".") < 15:
            found += _flat(value, f"{path}.")
        elif path:
            found.append((path, value))
    return found


def _time(value: Any) -> str:
    """An ISO date as it is, seconds or milliseconds since 1970 as one; empty for anything else."""
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return ""
        return value.replace(" ", "T") if moment.tzinfo else ""
    if isinstance(value, int | float) and not isinstance(value, bool) and 1e9 < value < 1e11:
        return datetime.fromtimestamp(value).astimezone().isoformat()
    if isinstance(value, int | float) and not isinstance(value, bool) and 1e12 < value < 1e14:
        return datetime.fromtimestamp(value / 1000).astimezone().isoformat()
    return ""
