"""What a computer needs for the sandbox, what it has, and the way out: `doctor` and `preflight` share these checks."""

from __future__ import annotations

import platform
import queue
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sandbox import __version__, host
from sandbox.catalogue import Catalogue
from sandbox.engine import Engine
from sandbox.errors import SandboxError
from sandbox.model import EngineInfo
from sandbox.planning import DISK_RESERVE

SEVERITY = {"ok": 0, "warn": 0, "fail": 1, "ask": 2}
PATIENCE = 15.0  # seconds, so that `preflight` ends within 20
CLOCK_DRIFT = 300  # seconds between this computer's clock and the engine's: certificates and metrics break beyond
RELEASED = 1_790_000_000  # seconds since the epoch; no honest clock shows an earlier time
GIGABYTE = 1024**3


@dataclass(frozen=True)
class Finding:
    """One check's outcome. status: ok, warn, fail (the user can mend it) or ask (someone with more rights can)."""

    name: str
    status: str
    found: str
    fix: str = ""


def severity(findings: Sequence[Finding]) -> int:
    """0 ready, 1 the user can mend it, 2 someone with more rights can."""
    return max(SEVERITY[finding.status] for finding in findings)


def examine(catalogue: Catalogue, engine: Engine, home: Path, patience: float = PATIENCE) -> list[Finding]:
    """Every check, in at most `patience` seconds: an engine that hangs is a finding, too. `home` holds sandboxes."""
    found: queue.Queue[Finding | BaseException | None] = queue.Queue()

    def look() -> None:
        try:
            for finding in _checks(catalogue, engine, home):
                found.put(finding)
            found.put(None)
        except BaseException as error:  # raised by the waiting thread
            found.put(error)

    threading.Thread(target=look, daemon=True).start()
    deadline, findings = time.monotonic() + patience, list[Finding]()
    while True:
        try:
            finding = found.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            text = f"no answer within {patience:.0f} s"
            return [*findings, Finding("engine", "fail", text, "restart Docker, then try again")]
        if isinstance(finding, BaseException):
            raise finding
        if finding is None:
            return findings
        findings.append(finding)


def _checks(catalogue: Catalogue, engine: Engine, home: Path) -> Iterator[Finding]:
    yield Finding(
        "sandbox", "ok", f"{__version__}, Python {platform.python_version()}, {platform.platform(terse=True)}"
    )
    yield _writable(home)
    yield _ports(catalogue)
    yield Finding("proxy", "ok", ", ".join(sorted({name.upper() for name in host.proxies()})) or "none")
    try:
        info = engine.info()
    except SandboxError as error:
        fixable = host.is_root() or "group" in error.hint
        yield Finding(
            "engine",
            "fail" if fixable else "ask",
            error.message,
            error.hint if "group" in error.hint else "sandbox doctor --fix (as root), or start Docker Desktop",
        )
        return
    yield _version("engine", info.version, (25, 0))
    yield _version("compose", engine.plugin_version("compose"), (2, 20))
    yield _version("buildx", engine.plugin_version("buildx"), (0, 12))
    yield _memory(info)
    yield _disk(info)
    yield _clock(info)


def _writable(home: Path) -> Finding:
    if reason := host.why_not_writable(home):
        return Finding("folder", "fail", f"{home}: {reason}", "set SANDBOX_HOME to a folder you can write to")
    return Finding("folder", "ok", str(home))


def _version(name: str, found: str, least: tuple[int, int]) -> Finding:
    numbers = tuple(int(part) for part in found.split("+")[0].split(".")[:2] if part.isdecimal())
    if numbers >= least:
        return Finding(name, "ok", found)
    return Finding(name, "fail", found or "not there", f"install {name} {'.'.join(map(str, least))} or newer")


def _memory(info: EngineInfo) -> Finding:
    enough = info.memory >= 2 * GIGABYTE
    text = f"{info.memory / GIGABYTE:.1f} GB for Docker, {info.cpus} CPUs"
    return Finding("memory", "ok" if enough else "warn", text, "" if enough else "give Docker at least 2 GB")


def _disk(info: EngineInfo) -> Finding:
    free = host.free_disk(info.root)
    status = "fail" if free < DISK_RESERVE else "ok" if free > 4 * GIGABYTE else "warn"
    fix = "" if status == "ok" else "free some space; `docker system df`"
    return Finding("disk", status, f"{free / GIGABYTE:.1f} GB free", fix)


def _ports(catalogue: Catalogue) -> Finding:
    published = {port.default for s in catalogue.services.values() for c in s.containers for port in c.ports}
    taken = [port for port in sorted(published) if not host.port_is_free(port)]
    if not taken:
        return Finding("ports", "ok", "free")
    return Finding("ports", "ok", f"in use: {', '.join(map(str, taken))}", "`sandbox up` moves to free ports")


def _clock(info: EngineInfo) -> Finding:
    """A virtual machine that slept keeps an old time; a laptop with a flat battery starts in the past."""
    now = time.time()
    if now < RELEASED:
        return Finding("clock", "fail", f"{datetime.fromtimestamp(now):%Y-%m-%d} is in the past", "set the clock")
    drift = abs(now - info.time) if info.time else 0.0
    if drift > CLOCK_DRIFT:
        return Finding("clock", "fail", f"Docker's clock is {drift:.0f} s off this computer's", "restart Docker")
    return Finding("clock", "ok", f"{datetime.fromtimestamp(now).astimezone():%Y-%m-%d %H:%M %Z}")
