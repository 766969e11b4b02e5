"""The one home of programs we run, except Docker's own (see `engine`). `-v` shows each command."""

from __future__ import annotations

import logging
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from sandbox.errors import SandboxError

commands = logging.getLogger("sandbox.commands")
CHUNK = 1024**2


def have(program: str) -> bool:
    """Whether a program is on PATH."""
    return shutil.which(program) is not None


def output(command: Sequence[str], seconds: float = 60) -> str:
    """Standard output of a command; empty if it is missing, fails or takes longer."""
    commands.debug("%s", shlex.join(command))
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=seconds, check=False)
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


def foreground(command: Sequence[str]) -> int:
    """Runs a command on our own standard streams; its exit code."""
    commands.debug("%s", shlex.join(command))
    try:
        return subprocess.run(command, check=False).returncode
    except FileNotFoundError:
        raise SandboxError(f"{command[0]} is not installed") from None


def start(command: Sequence[str], log: Path) -> None:
    """Starts a program that outlives us, its output going to `log`."""
    commands.debug("%s &", shlex.join(command))
    with log.open("ab") as file:
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True)


def read(command: Sequence[str], what: str) -> Iterator[bytes]:
    """Standard output of a command, as it comes. Raises SandboxError with what it said if it fails."""
    commands.debug("%s", shlex.join(command))
    with tempfile.TemporaryFile() as said:
        process = _begin(command, what, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said)
        assert process.stdout
        try:
            while data := process.stdout.read(CHUNK):
                yield data
            _end(process, said, what)
        finally:  # a reader that has enough, or ^C, ends the command
            _stop(process)


def feed(command: Sequence[str], chunks: Iterable[bytes], what: str) -> str:
    """Runs a command with the chunks as its standard input; what it printed.

    Raises SandboxError if it fails; an error of the chunks ends the command.
    """
    commands.debug("… | %s", shlex.join(command))
    with tempfile.TemporaryFile() as said:
        process = _begin(command, what, stdin=subprocess.PIPE, stdout=said, stderr=said)
        assert process.stdin
        try:
            with suppress(BrokenPipeError):  # the command gave up: it says why
                for chunk in chunks:
                    process.stdin.write(chunk)
                process.stdin.close()
            return _end(process, said, what)
        finally:
            _stop(process)


def _begin(command: Sequence[str], what: str, **streams: Any) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(command, **streams)
    except FileNotFoundError:
        raise SandboxError(f"{what} failed: {command[0]} is not installed") from None


def _end(process: subprocess.Popen[bytes], said: IO[bytes], what: str) -> str:
    code = process.wait()
    said.seek(0)
    text = said.read().decode(errors="replace").strip()
    if code:
        raise SandboxError(f"{what} failed: {text or f'the command ended with {code}'}")
    return text


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.kill()
        process.wait()
    for stream in (process.stdin, process.stdout):
        if stream:
            with suppress(OSError):
                stream.close()
