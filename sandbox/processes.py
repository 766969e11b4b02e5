"""The one home of programs we run, except Docker's own (see `engine`). `-v` shows each command."""

from __future__ import annotations

import logging
import os
import shlex
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from sandbox.errors import SandboxError

commands = logging.getLogger("sandbox.commands")


def have(program: str) -> bool:
    """Whether a program is on PATH."""
    return shutil.which(program) is not None


def output(command: Sequence[str], seconds: float = 60, env: Mapping[str, str] | None = None) -> str:
    """Standard output of a command; empty if it is missing, fails or takes longer."""
    commands.debug("%s", shlex.join(command))
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
            env={**os.environ, **(env or {})},
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def run(command: Sequence[str], what: str, seconds: float = 900, env: Mapping[str, str] | None = None) -> None:
    """Runs a command to its end. Raises SandboxError with its last lines if it fails."""
    commands.debug("%s", shlex.join(command))
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
            env={**os.environ, **(env or {})},
        )
    except FileNotFoundError:
        raise SandboxError(f"{what} failed: {command[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise SandboxError(f"{what} failed: {command[0]} took longer than {seconds:.0f} s") from None
    if done.returncode:
        last = "\n".join(done.stdout.splitlines()[-15:])
        raise SandboxError(f"{what} failed: {shlex.join(command)} ended with {done.returncode}\n{last}")


def foreground(command: Sequence[str], env: Mapping[str, str] | None = None) -> int:
    """Runs a command on our own standard streams; its exit code."""
    commands.debug("%s", shlex.join(command))
    try:
        return subprocess.run(command, check=False, env={**os.environ, **(env or {})}).returncode
    except FileNotFoundError:
        raise SandboxError(f"{command[0]} is not installed") from None


def start(command: Sequence[str], log: Path) -> Callable[[], bool]:
    """Starts a program that outlives us, its output going to `log`. The answer tells whether it still runs."""
    commands.debug("%s &", shlex.join(command))
    with log.open("ab") as file:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True)
    return lambda: process.poll() is None
