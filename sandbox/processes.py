"""The one home of programs we run, except Docker's own (see `engine`). `-v` shows each command."""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import shlex
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from sandbox.errors import SandboxError

commands = logging.getLogger("sandbox.commands")
CHUNK = 1024**2


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


CHUNK = 1 << 18


class Conversation:
    """A long-lived program that we talk to by lines: write to `stdin`, read `lines()`."""

    def __init__(self, command: Sequence[str]) -> None:
        """Raises OSError if the program cannot be started."""
        commands.debug("%s &", shlex.join(command))
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=CHUNK, start_new_session=True
        )
        assert self._process.stdin is not None and self._process.stdout is not None
        self.stdin: IO[bytes] = self._process.stdin
        self._stdout: IO[bytes] = self._process.stdout
        self.pid = self._process.pid

    def end(self, seconds: float = 0.0) -> int:
        """Its exit code; it is killed if it does not end by itself in time."""
        with contextlib.suppress(OSError):
            self.stdin.close()
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def lines(self) -> Iterator[bytes]:
        """What it writes, line by line, until it ends."""
        with self._stdout as stdout:
            yield from stdout


class Group:
    """A program in a process group of its own, whose output comes as bytes and which can be ended as a whole."""

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        env: Mapping[str, str],
        stdin: bytes = b"",
        split: bool = False,
    ) -> None:
        """With `split`, standard output is kept apart from standard error. Raises OSError."""
        commands.debug("%s", shlex.join(command))
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            env=env,
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if split else subprocess.STDOUT,
            start_new_session=True,
            bufsize=0,
        )
        self._done, done = os.pipe()
        if stdin:
            threading.Thread(target=self._feed, args=(stdin,), daemon=True).start()
        threading.Thread(target=self._watch, args=(done,), daemon=True).start()

    def _feed(self, data: bytes) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError), self._process.stdin as stdin:
            stdin.write(data)

    def _watch(self, done: int) -> None:
        self._process.wait()
        os.close(done)

    def output(self) -> Iterator[tuple[str, bytes]]:
        """("out" or "err", bytes) until the program ends; what it left running in the background may go on."""
        streams = {"out": self._process.stdout, "err": self._process.stderr}
        with selectors.DefaultSelector() as selector:
            for name, stream in streams.items():
                if stream is not None:
                    os.set_blocking(stream.fileno(), False)
                    selector.register(stream, selectors.EVENT_READ, name)
            selector.register(self._done, selectors.EVENT_READ, "")
            ended = False
            while len(selector.get_map()) > 1:
                ready = selector.select(0 if ended else None)
                for key, _ in ready:
                    if key.data:
                        chunk = os.read(key.fd, CHUNK)
                        if chunk:
                            yield key.data, chunk
                        else:
                            selector.unregister(key.fileobj)
                    else:
                        ended = True
                if ended and not any(key.data for key, _ in ready):
                    break
        for stream in streams.values():
            if stream is not None:
                stream.close()

    def code(self) -> int:
        """Waits for the end; the exit code as a shell tells it (143 for SIGTERM)."""
        code = self._process.wait()
        with contextlib.suppress(OSError):
            os.close(self._done)
            self._done = -1
        return code if code >= 0 else 128 - code

    def end(self, grace: float) -> None:
        """Asks the whole group to end; what is still there after `grace` seconds is killed. Returns at once."""
        self._signal(signal.SIGTERM)
        timer = threading.Timer(grace, self._signal, (signal.SIGKILL,))
        timer.daemon = True
        timer.start()

    def _signal(self, number: int) -> None:
        with contextlib.suppress(OSError):
            os.killpg(self._process.pid, number)


def end_marked(mark: str, grace: float = 2.0) -> int:
    """Ends every process of ours whose environment holds `mark` ("NAME=value"); how many there were."""
    found = _marked(mark)
    for pid in found:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + grace
    pause = threading.Event()
    while found and time.monotonic() < deadline and _marked(mark):
        pause.wait(0.02)
    for pid in _marked(mark) if found else ():
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
    return len(found)


def _marked(mark: str) -> list[int]:
    found = []
    wanted = mark.encode() + b"\0"
    for entry in Path("/proc").glob("[0-9]*/environ"):
        try:
            if wanted in entry.read_bytes() + b"\0":
                found.append(int(entry.parent.name))
        except OSError:
            continue
    return found


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
            with contextlib.suppress(BrokenPipeError):  # the command gave up: it says why
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
            with contextlib.suppress(OSError):
                stream.close()
