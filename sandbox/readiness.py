"""Ready means useful: asks services from the host, as a user would, whether their content is right."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import requests

from sandbox import expression
from sandbox.model import Check

SECONDS = 3.0
WORK_SECONDS = 60.0


def missing(checks: Iterable[Check], url: str, login: tuple[str, str] | None, read_only: bool = False) -> str:
    """What the first unmet check waits for, in words; empty when all are met.

    `url` has no path. With `read_only` only checks that change nothing are made.
    """
    with requests.Session() as session:
        session.trust_env = False  # loopback never goes through a proxy
        for check in checks:
            if read_only and check.method != "GET":
                continue
            if reason := _unmet(session, check, url, login):
                return reason
    return ""


def ask(check: Check, url: str, login: tuple[str, str] | None) -> str:
    """Makes one request that asks for work; what went wrong, in words, empty if nothing did."""
    with requests.Session() as session:
        session.trust_env = False
        return _unmet(session, check, url, login, WORK_SECONDS)


@dataclass(frozen=True)
class Answer:
    """What a GET brought: status (0 without one), body, body as JSON or None, and why it is no good, if so."""

    status: int
    text: str
    json: Any
    problem: str


def get(url: str, parameters: Mapping[str, str] | None = None) -> Answer:
    """One GET, never through a proxy. Never raises."""
    with requests.Session() as session:
        session.trust_env = False
        try:
            answer = session.get(url, params=parameters, timeout=SECONDS)
        except requests.RequestException:
            return Answer(0, "", None, "no answer")
    problem = f"HTTP {answer.status_code}" if answer.status_code >= 400 else ""
    return Answer(answer.status_code, answer.text, _json(answer), problem)


def _unmet(
    session: requests.Session, check: Check, url: str, login: tuple[str, str] | None, seconds: float = SECONDS
) -> str:
    waiting = check.waiting or f"{check.method} {check.path}"
    try:
        answer = session.request(check.method, url + check.path, auth=login, timeout=seconds)
    except requests.RequestException:
        return f"{waiting} (no answer yet)"
    if answer.status_code >= 400:
        return f"{waiting} (HTTP {answer.status_code})"
    if check.contains and check.contains not in answer.text:
        return waiting
    if check.expect:
        data = _json(answer)
        if not expression.evaluate(check.expect, data):
            shown = expression.evaluate(check.show, data) if check.show else None
            return f"{waiting}: {_words(shown)}" if shown else waiting
    return ""


def _json(answer: requests.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return None


def _words(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_words(item) for item in value[:5])
    if isinstance(value, dict):
        return " ".join(str(item) for item in value.values())
    return str(value)
