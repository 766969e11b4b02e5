"""Asks a running sandbox whether a step is done, and says what it saw. Nothing is changed."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox import expression, readiness
from sandbox.ci.client import Client
from sandbox.errors import SandboxError
from sandbox.labs.lessons import Check, Step
from sandbox.sandbox import Sandbox

NAMED = re.compile(r"\{([a-z_]+)\}")
SHOWN = 160
WIDE = 200_000  # lines of a log that are read
FOUND = 1000  # lines of a search that are looked at
CI = ("ci", "jenkins")


@dataclass(frozen=True)
class Seen:
    """A check's outcome: what was wanted, whether it is so, and what was seen, in words."""

    wanted: str
    passed: bool
    saw: str


@dataclass
class Asking:
    """What checks are asked with. `found` collects the named groups of `file` checks: `{name}` in later checks."""

    sandbox: Sandbox
    folder: Path
    since: float
    found: dict[str, str]


def ask(step: Step, sandbox: Sandbox, folder: Path, since: float) -> list[Seen]:
    """The outcome of each check of a step. `folder` holds the attendee's files, `since` is the lesson's start.

    A clock that was put back since then would have the lesson start in the future: then it has just begun.
    """
    since = min(since, time.time() - 1)
    elapsed = int(time.time() - since)
    asking = Asking(sandbox, folder, since, {"elapsed": str(elapsed)})
    return [_ask(check, asking) for check in step.checks]


def _ask(check: Check, asking: Asking) -> Seen:
    asked = _filled(check.asked, asking.found)
    if missing := sorted({name for text in _texts(asked) for name in NAMED.findall(text)}):
        return Seen(check.wanted, False, f"{', '.join(missing)} is not known yet: see above")
    try:
        passed, saw = ASKERS[check.kind](asked, asking)
    except SandboxError as error:
        passed, saw = False, error.message
    return Seen(check.wanted, passed, saw)


def _filled(value: Any, found: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(item, found) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, found) for item in value]
    return NAMED.sub(lambda match: found.get(match[1], match[0]), value) if isinstance(value, str) else value


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict | list):
        return [text for item in (value.values() if isinstance(value, dict) else value) for text in _texts(item)]
    return [value] if isinstance(value, str) else []


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = " ".join(text.split())
    return text if len(text) <= SHOWN else text[:SHOWN] + "…"


def _http(asked: Mapping[str, Any], asking: Asking) -> tuple[bool, str]:
    base = re.sub(r"(https?://[^/]+).*", r"\1", asking.sandbox.url(asked["service"], asked.get("endpoint", "")))
    path = str(asked.get("path", "/"))
    answer = readiness.get(base + path)
    if answer.problem:
        return False, f"GET {path}: {answer.problem}"
    if asked.get("contains") and asked["contains"] not in answer.text:
        return False, f"GET {path} does not contain {asked['contains']!r}"
    if not asked.get("expect"):
        return True, f"GET {path}: HTTP {answer.status}"
    shown = expression.evaluate(asked["show"], answer.json) if asked.get("show") else answer.text
    return bool(expression.evaluate(asked["expect"], answer.json)), f"GET {path}: {_short(shown)}"


def _promql(asked: Mapping[str, Any], asking: Asking) -> tuple[bool, str]:
    base = asking.sandbox.url("prometheus").rstrip("/")
    answer = readiness.get(f"{base}/api/v1/query", {"query": str(asked["query"])})
    if answer.status == 400 and isinstance(answer.json, dict):
        return False, f"Prometheus says: {_short(str(answer.json.get('error')))}"
    if answer.problem:
        return False, f"Prometheus: {answer.problem}"
    result = answer.json["data"]["result"]
    if not result:
        return False, f"{_short(asked['query'])} has no value"
    value = float(result[1] if isinstance(result[0], float | int) else result[0]["value"][1])
    bounds: list[tuple[str, Callable[[float], bool]]] = [
        ("above", lambda limit: value > limit),
        ("below", lambda limit: value < limit),
        ("equals", lambda limit: value == limit),
    ]
    wanted = [(word, float(asked[word]), holds) for word, holds in bounds if word in asked]
    words = " and ".join(f"{word} {limit:g}" for word, limit, _ in wanted)
    return all(holds(limit) for _, limit, holds in wanted), f"the value is {value:g}, wanted: {words or 'any'}"


def _logs(asked: Mapping[str, Any], asking: Asking) -> tuple[bool, str]:
    count = 0
    for line in asking.sandbox.logs([asked["service"]], False, None, WIDE):
        count += 1
        if asked.get("contains", "") not in line.text:
            continue
        if not asked.get("where") or expression.evaluate(asked["where"], _json(line.text)):
            return True, f"found: {_short(line.text)}"
    return False, f"none of {count} lines of {asked['service']} is such"


def _search(asked: Mapping[str, Any], asking: Asking) -> tuple[bool, str]:
    services = [str(asked["service"])] if "service" in asked else []
    lines = list(asking.sandbox.search_logs(str(asked["query"]), services, False, asking.since, FOUND))
    least = int(asked.get("least", 1))
    found = f"{len(lines)} lines since the lesson's start match {_short(asked['query'])}"
    if len(lines) < least:
        return False, f"{found}, wanted: at least {least}"
    return True, f"{found}, the last: {_short(lines[-1].message)}"


def _build(asked: Mapping[str, Any], asking: Asking) -> tuple[bool, str]:
    client, job, number = _ci(asking.sandbox), str(asked["job"]), str(asked.get("number", "lastBuild"))
    if not client.has_job(job):
        return False, f"there is no job {job}"
    build = client.find_build(job, number)
    if build is None or build["timestamp"] < 1000 * asking.since:
        return False, f"{job} has no {number} since the lesson's start"
    name = f"{job} #{build['number']}"
    if build["building"]:
        return False, f"{name} is still running"
    if build["result"] != asked.get("result", "SUCCESS"):
        return False, f"{name} is {build['result']}, wanted: {asked.get('result', 'SUCCESS')}"
    if asked.get("expect") and not expression.evaluate(asked["expect"], build):
        shown = expression.evaluate(asked["show"], build) if asked.get("show") else build
        return False, f"{name} is {build['result']}, but: {_short(shown)}"
    log = b"".join(client.log(job, str(build["number"]), False)) if asked.get("contains") else b""
    if str(asked.get("contains", "")).encode() not in log:
        return False, f"{name} is {build['result']}, but its log does not contain {asked['contains']!r}"
    return True, f"{name} is {build['result']}"


def _ci(sandbox: Sandbox) -> Client:
    service = next((name for name in CI if name in sandbox.catalogue().services), CI[0])
    return Client(sandbox.url(service), *(sandbox.login(service) or ("", "")))


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _aws(asked: Mapping[str, Any], asking: Asking) -> tuple[bool, str]:
    from sandbox.labs import aws

    endpoint = asking.sandbox.environment().get("AWS_ENDPOINT_URL", "")
    if not endpoint:
        return False, "no AWS emulator is part of this sandbox"
    answer = aws.call(endpoint, asked["service"], asked["operation"], asked.get("with") or {})
    passed = bool(expression.evaluate(asked["expect"], answer))
    return passed, f"{asked['service']} {asked['operation']}: {_short(answer)}"


def _file(asked: Mapping[str, Any], asking: Asking) -> tuple[bool, str]:
    path = asking.folder / str(asked["path"])
    try:
        text = path.read_text(encoding="utf-8-sig").replace("\r\n", "\n").strip()
    except FileNotFoundError:
        return False, f"there is no file {path}"
    except (OSError, UnicodeDecodeError) as error:
        return False, f"{path} cannot be read: {error}"
    match = re.search(str(asked.get("matches", "")), text)
    if not match:
        return False, f"{path} holds {_short(text)!r}"
    asking.found.update({name: value for name, value in match.groupdict().items() if value is not None})
    return True, f"{path.name} holds {_short(text)!r}"


def _command(asked: Mapping[str, Any], asking: Asking) -> tuple[bool, str]:
    code, text = asking.sandbox.output(asked["service"], [str(word) for word in asked["run"]])
    passed = code == 0 and str(asked.get("contains", "")) in text
    return passed, f"it ended with {code}: {_short(text)}"


ASKERS: Mapping[str, Callable[[Mapping[str, Any], Asking], tuple[bool, str]]] = {
    "http": _http,
    "promql": _promql,
    "logs": _logs,
    "search": _search,
    "aws": _aws,
    "build": _build,
    "file": _file,
    "command": _command,
}
