"""The one line an attendee sends before a workshop, and the trainer's table of them.

A line is `sandbox-preflight/1 code=… verdict=… … sum=…`: it survives a chat window, which may quote, indent or wrap
it in backticks; `sum` tells when words were lost on the way. It names no user, no folder and no address.
"""

from __future__ import annotations

import hashlib
import platform
import re
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sandbox import __version__
from sandbox.diagnosis import Finding, severity

MARK = "sandbox-preflight/1"
VERDICTS = ("ready", "you-can-fix-it", "ask-your-it")
FIELDS = ("code", "verdict", "version", "system", "python", "engine", "compose", "memory", "disk", "problems")
LINE = re.compile(rf"{re.escape(MARK)}\s+(?P<body>.*?)\s+sum=(?P<sum>[0-9a-f]{{8}})(?![0-9a-f])")
UNSAFE = re.compile(r"[^A-Za-z0-9._+,:-]+")


@dataclass(frozen=True)
class Attendee:
    """What one line tells. `severity` is 0 ready, 1 can be mended by the attendee, 2 needs their IT."""

    code: str
    severity: int
    version: str
    computer: str
    memory: str
    disk: str
    engine: str
    problems: str

    @property
    def words(self) -> str:
        return VERDICTS[self.severity].replace("-", " ")


@dataclass(frozen=True)
class Corrupted:
    """A line that cannot be trusted, and why."""

    number: int
    reason: str
    text: str


def line(findings: Sequence[Finding]) -> str:
    """The line to paste."""
    found = {finding.name: finding.found for finding in findings if finding.status in ("ok", "warn")}
    system, machine = platform.platform(terse=True), platform.machine()
    values = {
        "code": _code(),
        "verdict": VERDICTS[severity(findings)],
        "version": __version__,
        "system": system if machine in system else f"{system}-{machine}",
        "python": platform.python_version(),
        "engine": found.get("engine", ""),
        "compose": found.get("compose", ""),
        "memory": found.get("memory", "").split(" for ")[0],
        "disk": found.get("disk", "").removesuffix(" free"),
        "problems": ",".join(f.name for f in findings if f.status in ("fail", "ask", "warn")),
    }
    body = " ".join(f"{name}={UNSAFE.sub('-', values[name]) or '-'}" for name in FIELDS)
    return f"{MARK} {body} sum={_sum(body)}"


def advice(findings: Sequence[Finding]) -> str:
    """The verdict in a sentence, with what to do."""
    bad = [f for f in findings if f.status in ("fail", "ask")]
    verdict = VERDICTS[severity(findings)].replace("-", " ")
    return "\n".join([f"verdict: {verdict}", *(f"  {f.name}: {f.found}: {f.fix}" for f in bad)])


def collect(lines: Iterable[str]) -> tuple[list[Attendee], list[Corrupted]]:
    """The attendees, the last line of each code, worst first; and the lines that were damaged.

    Text around and between the lines is passed over.
    """
    attendees: dict[str, Attendee] = {}
    corrupted = []
    for number, text in enumerate(lines, 1):
        if MARK.partition("/")[0] not in text:
            continue
        shown = text.strip()[:120]
        match = LINE.search(text)
        if not match:
            corrupted.append(Corrupted(number, "it is not whole", shown))
            continue
        body = " ".join(match["body"].split())
        if match["sum"] != _sum(body):
            corrupted.append(Corrupted(number, "its checksum is wrong", shown))
            continue
        values = dict(word.partition("=")[::2] for word in body.split(" "))
        if set(values) != set(FIELDS) or values["verdict"] not in VERDICTS:
            corrupted.append(Corrupted(number, "it is of another version", shown))
            continue
        attendees.pop(values["code"], None)
        attendees[values["code"]] = _attendee(values)
    return sorted(attendees.values(), key=lambda attendee: -attendee.severity), corrupted


def summary(attendees: Sequence[Attendee], corrupted: Sequence[Corrupted]) -> str:
    """`12 attendees: 9 ready, 2 you can fix it, 1 ask your it; 1 corrupted line`."""
    counts = [
        f"{count} {verdict.replace('-', ' ')}"
        for level, verdict in enumerate(VERDICTS)
        if (count := sum(attendee.severity == level for attendee in attendees))
    ]
    bad = f"; {len(corrupted)} corrupted line{'s' * (len(corrupted) != 1)}" if corrupted else ""
    people = f"{len(attendees)} attendee{'s' * (len(attendees) != 1)}"
    return f"{people}{': ' if counts else ''}{', '.join(counts)}{bad}"


def _attendee(values: dict[str, str]) -> Attendee:
    shown = {name: "" if value == "-" else value for name, value in values.items()}
    return Attendee(
        code=values["code"],
        severity=VERDICTS.index(values["verdict"]),
        version=shown["version"],
        computer=f"{shown['system']}, Python {shown['python']}",
        memory=shown["memory"],
        disk=shown["disk"],
        engine=shown["engine"],
        problems=shown["problems"],
    )


def _code() -> str:
    """The same on each run for one person on one computer, and tells nothing of either."""
    return hashlib.sha256(f"{uuid.getnode()} {platform.node()} {Path.home()}".encode()).hexdigest()[:6]


def _sum(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()[:8]
