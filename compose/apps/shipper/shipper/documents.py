"""A line as a document with the field names of the Elastic Common Schema."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import datetime
from typing import Any

from shipper.docker import Line

LEVELS = {
    "trace": "trace", "debug": "debug", "info": "info", "information": "info", "notice": "info", "warn": "warning",
    "warning": "warning", "error": "error", "err": "error", "critical": "critical", "crit": "critical",
    "fatal": "critical", "panic": "critical", "alert": "critical", "emerg": "critical",
}  # fmt: skip
NAMED_LEVEL = re.compile(r"\b(?:level|lvl|severity)=\"?([a-z]+)", re.IGNORECASE)
BARE_LEVEL = re.compile(
    r"(?:^|[\s\[(<|/])(TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|CRITICAL|FATAL|PANIC)(?=[\s\])>|:/]|$)"
)
OTHER_NAMES = {"level": "log.level", "severity": "log.level", "msg": "message", "logger": "log.logger"}
TIMES = ("@timestamp", "timestamp", "time", "ts")
# What must not lie about in logs: the value after such a word, a bearer's token, an AWS key.
SECRETS = [
    (re.compile(r"(?i)\b(password|passwd|secret|token|api[_-]?key)(\"?\s*[=:]\s*\"?)[^\s\"&,;]+"), r"\1\2[redacted]"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[a-z0-9._~+/=-]{8,}"), r"\1 [redacted]"),
    (re.compile(r"\b(AKIA|ASIA)[A-Z0-9]{16}\b"), "[redacted]"),
]


def document(line: Line, project: str) -> tuple[str, str, dict[str, Any]]:
    """(data stream, id, document). The same line gives the same id, however often it is read."""
    container = line.container
    text = redacted(line.text)
    fields = _parsed(text)
    found: dict[str, Any] = {"@timestamp": line.time, "message": text, **fields}
    found.setdefault("service.name", container.compose_service or container.service or container.name)
    if level := _level(found.get("log.level"), "" if fields else text):
        found["log.level"] = level
    dataset = (container.service or "container").replace("-", "_")
    found |= {
        # When Docker saw it; the shipper goes on from here after a restart.
        "event.created": line.time,
        "container.id": container.id,
        "container.name": container.name,
        "container.image.name": container.image,
        "labels.sandbox_project": project,
        "data_stream.type": "logs",
        "data_stream.dataset": dataset,
        "data_stream.namespace": "sandbox",
    }
    digest = hashlib.sha256(f"{container.id}\0{line.time}\0{line.text}".encode(errors="replace"))
    return f"logs-{dataset}-sandbox", digest.hexdigest()[:32], found


def plain(found: dict[str, Any], reason: str) -> dict[str, Any]:
    """What is kept of a document that the store refused: where it comes from, its text, and why."""
    kept = {name: value for name, value in found.items() if name.startswith(("container.", "data_stream.", "labels."))}
    rest = {name: value for name, value in found.items() if name not in kept}
    return {
        **kept,
        "@timestamp": found["event.created"],
        "event.created": found["event.created"],
        "message": json.dumps(rest, ensure_ascii=False).encode("utf-8", "replace").decode()[:100_000],
        "tags": ["refused"],
        "error.message": reason[:1000],
    }


def redacted(text: str) -> str:
    """The text less passwords and tokens that it names."""
    for pattern, replacement in SECRETS:
        text = pattern.sub(replacement, text)
    return text


def _parsed(text: str) -> dict[str, Any]:
    """The fields of a line that is a JSON object, flat; empty for any other line."""
    if not text.startswith("{"):
        return {}
    try:
        data = json.loads(text, parse_constant=str)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(data, dict):
        return {}
    flat = {OTHER_NAMES.get(name, name): value for name, value in _flat(data, "")}
    times = [name for name in TIMES if name in flat]
    for name in times:
        value = flat.pop(name)
        if "@timestamp" not in flat and (time := _time(value)):
            flat["@timestamp"] = time
    if not isinstance(flat.get("message", ""), str):
        flat["message"] = json.dumps(flat["message"])
    return {name: value for name, value in flat.items() if not name.startswith("message.")}


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


def _level(given: Any, text: str) -> str:
    if given is not None:
        return LEVELS.get(str(given).lower(), str(given).lower())
    if named := NAMED_LEVEL.search(text[:300]):
        return LEVELS.get(named[1].lower(), "")
    bare = BARE_LEVEL.search(text[:200])
    return LEVELS[bare[1].lower()] if bare else ""
