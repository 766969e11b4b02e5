"""Who a test run's sandbox belongs to: a process, known by what no later process can repeat."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path

from sandbox import processes

BOOT = Path("/proc/sys/kernel/random/boot_id")
NAMESPACE = Path("/proc/self/ns/pid")
LABEL = re.compile(r"(?P<place>[^ ]+) (?P<boot>[^ ]*) (?P<pid>\d+) (?P<began>.+)")


def label(pid: int | None = None) -> str:
    """`<computer>/<process namespace> <boot> <pid> <start of the process>` of a process, ours unless given."""
    pid = pid or os.getpid()
    return f"{_place()} {_boot()} {pid} {_began(pid)}"


def is_gone(label: str) -> bool:
    """Whether the owner has surely ended. What runs elsewhere (another computer or container) cannot be known."""
    match = LABEL.fullmatch(label)
    if not match or match["place"].partition("/")[0] != _place().partition("/")[0]:
        return False
    if match["boot"] != _boot():
        return True
    return match["place"] == _place() and _began(int(match["pid"])) != match["began"]


def _place() -> str:
    namespace = os.readlink(NAMESPACE) if NAMESPACE.is_symlink() else ""
    return f"{socket.gethostname()}/{''.join(filter(str.isdigit, namespace))}"


def _boot() -> str:
    return BOOT.read_text().strip() if BOOT.exists() else ""


def _began(pid: int) -> str:
    """When a process began, in whatever words the system has; empty if there is none."""
    if not NAMESPACE.is_symlink():
        return processes.output(["ps", "-o", "lstart=", "-p", str(pid)], 10).strip()
    try:
        # The name, in brackets, may hold anything; the fields after it are numbers and one letter.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]
