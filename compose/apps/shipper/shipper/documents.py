"""Lines of containers, and events from outside, as documents with the field names of the Elastic Common Schema."""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from datetime import UTC, datetime
from typing import Any

from shipper.docker import Line
from shipper.formats import Fields, from_access_log, from_json
from shipper.store import Document

LEVELS = {
    "trace": "trace", "debug": "debug", "info": "info", "information": "info", "notice": "info", "warn": "warning",
    "warning": "warning", "error": "error", "err": "error", "critical": "critical", "crit": "critical",
    "fatal": "critical", "panic": "critical", "alert": "critical", "emerg": "critical",
}  # fmt: skip
NAMED_LEVEL = re.compile(r"\b(?:level|lvl|severity)=\"?([a-z]+)", re.IGNORECASE)
BARE_LEVEL = re.compile(
    r"(?:^|[\s\[(<|/])(TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|CRITICAL|FATAL|PANIC)(?=[\s\])>|:/]|$)"
)
# What must not lie about in logs: the value after such a word, a bearer's token, an AWS key, a password in an address.
NAMES = r"(?:password|passwd|secret|token|api[_-]?key|access[_-]?key)"
SECRET_FIELD = re.compile(f"(?i){NAMES}$")
SECRETS = [
    (re.compile(rf"(?i)({NAMES})(\"?\s*[=:]\s*\"?)[^\s\"&,;]+"), r"\1\2[redacted]"),
    (re.compile(r"(?i)\b(bearer|basic)\s+[a-z0-9._~+/=-]{8,}"), r"\1 [redacted]"),
    (re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"), "[redacted]"),
    (re.compile(r"(://[^/\s:@]+:)[^@/\s]+@"), r"\1[redacted]@"),
]
TRACE = re.compile(r"Traceback \(most recent call last\)|\n[ \t]{1,40}at |\nCaused by:")
OUTSIDE = "outside"


def document(line: Line, project: str) -> Document:
    """(data stream, id, document). The same line gives the same id, however often it is read."""
    container = line.container
    found = {"@timestamp": line.time, **understood(line.text)}
    found.setdefault("service.name", container.compose_service or container.service or container.name)
    found |= {
        # When Docker saw it; the shipper goes on from here after a restart.
        "event.created": line.time,
        "container.id": container.id,
        "container.name": container.name,
        "container.image.name": container.image,
    }
    # A trace has the id of its first line: read again, it may be told to its end at once, or not yet.
    first = line.text.partition("\n")[0]
    digest = hashlib.sha256(f"{container.id}\0{line.time}\0{first}".encode(errors="replace"))
    return _placed(found, container.service or "container", digest.hexdigest()[:32], project)


def from_outside(event: Fields | str, project: str, *marks: str) -> Document:
    """A document of what came from no container: fields, or a line. `marks` say what is wrong with it."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    found = {"@timestamp": now, **understood(event)}
    # The way on after a restart is told by these: nobody else may say what a container's newest line is.
    found.pop("container.id", None)
    found["event.created"] = now
    app = str(found.get("data_stream.dataset") or found.get("service.name") or OUTSIDE)
    found.setdefault("service.name", app)
    if marks:
        found["tags"] = sorted({*marks, *_texts(found.get("tags"))})
    return _placed(found, app, uuid.uuid4().hex, project)


def understood(event: Fields | str) -> Fields:
    """The fields of a line, whatever its format, or of fields whose message is one. Secrets are left out."""
    fields: Fields = {"message": event} if isinstance(event, str) else {"message": "", **event}
    for _ in range(3):  # an object's message may be an object again
        message = fields["message"]
        if not message.startswith("{"):
            break
        parsed = from_json(message)
        if parsed is None:
            fields["tags"] = sorted({"not_json", *_texts(fields.get("tags"))})
            break
        fields |= parsed
        if "message" not in parsed:
            break
    fields = from_access_log(fields["message"]) | fields
    level = str(fields.get("log.level") or _level_of(fields["message"])).lower()
    if level:
        fields["log.level"] = LEVELS.get(level, level)
    return {name: _secured(name, value) for name, value in fields.items()}


def plain(found: Fields, reason: str) -> Fields:
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


def _secured(name: str, value: Any) -> Any:
    if isinstance(value, list):
        return [_secured(name, one) for one in value]
    if SECRET_FIELD.search(name) and value is not None:
        return "[redacted]"
    return redacted(value) if isinstance(value, str) else value


def _placed(found: Fields, app: str, id: str, project: str) -> Document:
    dataset = re.sub(r"[^a-z0-9_.]+", "_", app.lower())[:80]
    found |= {
        "labels.sandbox_project": project,
        "data_stream.type": "logs",
        "data_stream.dataset": dataset,
        "data_stream.namespace": "sandbox",
    }
    return f"logs-{dataset}-sandbox", id, found


def _level_of(text: str) -> str:
    if named := NAMED_LEVEL.search(text[:300]):
        return LEVELS.get(named[1].lower(), "")
    if bare := BARE_LEVEL.search(text[:200]):
        return LEVELS[bare[1].lower()]
    return "error" if TRACE.search(text) else ""


def _texts(value: Any) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else [str(value)] if value else []
