"""Owns the Groovy process: parses scripts in it, and runs builds whose steps are asked of us."""

from __future__ import annotations

import itertools
import json
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from sandbox.ci.groovy import java
from sandbox.ci.groovy.values import Closure, decode, encode
from sandbox.errors import SandboxError
from sandbox.processes import Conversation

log = logging.getLogger(__name__)
OUT_OF_MEMORY = 3
INTERRUPTED = "org.jenkinsci.plugins.workflow.steps.FlowInterruptedException"
ABORT = "hudson.AbortException"


class Failure(Exception):
    """An exception as the pipeline sees it, whichever side threw it.

    `type` is a Java class name; `error` the number of the exception object in Groovy, if it was there;
    `result` and `causes` are given for interruptions only.
    """

    def __init__(
        self,
        message: str | None,
        type: str = ABORT,
        *,
        error: int | None = None,
        trace: str = "",
        result: str = "FAILURE",
        causes: Sequence[str] = (),
        parents: Sequence[str] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.type = type
        self.error = error
        self.trace = trace
        self.result = result
        self.causes = tuple(causes)
        self.parents = tuple(parents) or (type,)
        self.told = False

    @property
    def interrupted(self) -> bool:
        return self.type == INTERRUPTED


class WorkerLost(Exception):
    """The Groovy process ended under us; the message says why."""


@dataclass(frozen=True)
class Parsed:
    """A script's syntax: `tree` as Tree.groovy describes it, `errors` as {line, column, message}."""

    tree: Mapping[str, Any]
    errors: Sequence[Mapping[str, Any]]


Serve = Callable[[str, list[Any]], Any]


class GroovyWorker:
    """One Java process. Safe to use from many threads. Ends with `close`, or when it is lost."""

    def __init__(self, heap_mb: int = 128, libraries: Sequence[Path] = ()) -> None:
        """`libraries` are folders it may be asked to read. Raises SandboxError when Java or Groovy is missing."""
        try:
            self._process = Conversation(java.command(heap_mb, libraries))
        except OSError as error:
            raise SandboxError(f"the Groovy worker does not start: {error}") from None
        self.pid = self._process.pid
        self.lost: str | None = None
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._answers: dict[int, SimpleQueue[Any]] = {}
        self._strands: dict[tuple[int, int], Strand] = {}
        self._mourned = threading.Event()
        threading.Thread(target=self._listen, name="groovy worker", daemon=True).start()

    def parse(self, text: str, name: str = "WorkflowScript") -> Parsed:
        """Raises WorkerLost."""
        number = next(self._numbers)
        answer: SimpleQueue[Any] = SimpleQueue()
        with self._lock:
            self._answers[number] = answer
        self.send({"op": "parse", "id": number, "text": text, "name": name})
        found = answer.get()
        if found is None:
            raise WorkerLost(self.lost)
        return Parsed(found.get("tree") or {}, found["errors"])

    def open(self) -> GroovyBuild:
        """A build of its own: classes, threads, objects."""
        build = GroovyBuild(self, next(self._numbers))
        self.send({"op": "open", "build": build.number})
        return build

    def close(self, seconds: float = 1) -> None:
        """Ends the process, by force if it takes longer; builds in it are lost."""
        self._process.end(seconds)
        self._mourned.wait()

    def wait(self) -> None:
        """Returns when the process has ended; `lost` then says why."""
        self._mourned.wait()

    def send(self, message: Mapping[str, Any]) -> None:
        """Raises WorkerLost."""
        line = json.dumps(message, separators=(",", ":")).encode() + b"\n"
        with self._lock:
            if self.lost is None:
                try:
                    self._process.stdin.write(line)
                    self._process.stdin.flush()
                    return
                except OSError:
                    pass  # the listener finds out why
        self._mourned.wait()
        raise WorkerLost(self.lost)

    def _listen(self) -> None:
        for line in self._process.lines():
            try:
                message = json.loads(line)
            except ValueError:  # cut off, or not ours: Java itself has something to say
                log.warning("the Groovy worker said: %s", line.decode(errors="replace").strip())
                continue
            if "re" in message:
                with self._lock:
                    answer = self._answers.pop(message["re"])
                answer.put(message)
            elif "build" in message:
                strand = self._strands.get((message["build"], message["strand"]))
                if strand is not None:
                    strand.inbox.put(message)
        self._mourn(self._process.end(seconds=1))

    def _mourn(self, code: int) -> None:
        reason = (
            "the Groovy worker ran out of memory"
            if code == OUT_OF_MEMORY
            else f"the Groovy worker was killed (signal {-code})"
            if code < 0
            else f"the Groovy worker ended with {code}"
        )
        with self._lock:
            self.lost = reason
            answers, strands = list(self._answers.values()), list(self._strands.values())
        self._mourned.set()
        for answer in answers:
            answer.put(None)
        for strand in strands:
            strand.inbox.put(None)
            strand.abandon(Failure(reason, INTERRUPTED, result="ABORTED", causes=[f"Aborted: {reason}"]))

    def register(self, strand: Strand) -> None:
        with self._lock:
            if self.lost is not None:
                raise WorkerLost(self.lost)
            self._strands[(strand.build.number, strand.number)] = strand

    def unregister(self, strand: Strand) -> None:
        with self._lock:
            self._strands.pop((strand.build.number, strand.number), None)


class WarmWorker:
    """Keeps one worker ready: the first call starts it, a call after it was lost starts another."""

    def __init__(self, heap_mb: int = 128) -> None:
        self._heap_mb = heap_mb
        self._lock = threading.Lock()
        self._worker: GroovyWorker | None = None

    def __call__(self) -> GroovyWorker:
        """A live worker. Raises SandboxError without Java or Groovy."""
        with self._lock:
            if self._worker is None or self._worker.lost is not None:
                self._worker = GroovyWorker(self._heap_mb)
            return self._worker

    def close(self) -> None:
        with self._lock:
            if self._worker is not None:
                self._worker.close()
                self._worker = None


class GroovyBuild:
    """One build inside the worker."""

    def __init__(self, worker: GroovyWorker, number: int) -> None:
        self.worker = worker
        self.number = number
        self._strands = itertools.count(1)

    def library(self, folder: str) -> None:
        """Adds a shared library's src/ and vars/."""
        self.worker.send({"op": "library", "build": self.number, "folder": folder})

    def strand(self, serve: Serve) -> Strand:
        """A line of execution whose questions `serve` answers, on the thread that runs it."""
        return Strand(self, next(self._strands), serve)

    def kill(self) -> None:
        """Ends every strand at its next loop, call or wait, whatever it catches."""
        self.worker.send({"op": "kill", "build": self.number})

    def close(self) -> None:
        if self.worker.lost is None:
            self.worker.send({"op": "close", "build": self.number})


class Strand:
    """Runs Groovy code and serves what it asks, on the calling thread. Exactly one side is active at a time."""

    def __init__(self, build: GroovyBuild, number: int, serve: Serve) -> None:
        self.build = build
        self.number = number
        self.inbox: SimpleQueue[Any] = SimpleQueue()
        self._serve = serve
        self._state = threading.Lock()
        self._in_groovy = False
        self._halting: Failure | None = None
        self._pending: Failure | None = None
        self._depth = 0
        self.wake = threading.Event()
        self.interpolated = False
        self.on_interrupt: Callable[[], None] | None = None

    def script(self, text: str, name: str = "WorkflowScript") -> Any:
        """Compiles and runs a script to its end. Raises Failure or WorkerLost."""
        return self._start({"op": "script", "text": text, "name": name})

    def call(self, closure: Closure, arguments: Sequence[Any] = ()) -> Any:
        """Runs a closure: inside the step that Groovy waits for, or in a thread of its own if there is none."""
        work = {"op": "call", **_closure(closure), "args": encode(list(arguments))}
        if not self._depth:
            return self._start(work)
        self._tell(work)
        return self._until_done()

    def load(self, text: str, name: str) -> Any:
        """Compiles and runs another script in the same build."""
        self._tell({"op": "load", "text": text, "name": name})
        return self._until_done()

    def interrupt(self, failure: Failure) -> None:
        """Makes what this strand does now fail, once. From any thread."""
        with self._state:
            if self._in_groovy:
                self._halting = failure
                self.build.worker.send({"op": "halt", **self._address(), **_raised(failure)})
                return
            self._pending = failure
            stop = self.on_interrupt
            self.wake.set()
        if stop is not None:
            stop()

    def abandon(self, failure: Failure) -> None:
        """Interrupts a step of ours whose other half is gone."""
        with self._state:
            self._in_groovy = False
        self.interrupt(failure)

    @property
    def stopped(self) -> bool:
        """Whether we were interrupted and have not said so yet."""
        return self._pending is not None

    def check(self) -> None:
        """Raises what interrupted us, once."""
        with self._state:
            pending, self._pending = self._pending, None
            self.wake.clear()
        if pending is not None:
            raise pending

    def wait(self, seconds: float | None = None) -> None:
        """Sleeps, unless interrupted: then raises."""
        self.wake.wait(seconds)
        self.check()

    def _address(self) -> dict[str, int]:
        return {"build": self.build.number, "strand": self.number}

    def _start(self, work: Mapping[str, Any]) -> Any:
        worker = self.build.worker
        worker.register(self)
        self._depth += 1
        try:
            self._tell(work, start=True)
            return self._until_done()
        finally:
            self._depth -= 1
            worker.unregister(self)
            if worker.lost is None:
                worker.send({"op": "ended", **self._address()})

    def _tell(self, message: Mapping[str, Any], start: bool = False) -> None:
        with self._state:
            if self._pending is not None and not start:
                pending, self._pending = self._pending, None
                self.wake.clear()
                if message["op"] not in ("value", "raise"):
                    raise pending
                message = {"op": "raise", **_raised(pending)}
            self._in_groovy = True
            if start:
                self.build.worker.send({"op": "start", **self._address(), "work": message})
            else:
                self.build.worker.send({**message, **self._address()})

    def _until_done(self) -> Any:
        while True:
            message = self.inbox.get()
            if message is None:
                raise WorkerLost(self.build.worker.lost)
            with self._state:
                self._in_groovy = False
                halting, self._halting = self._halting, None
                if halting is not None and not message.get("halted"):
                    self._pending = halting
                    self.wake.set()
            if "done" in message:
                return decode(message["done"])
            if "failed" in message:
                raise _failure(message["failed"])
            try:
                self.check()
                self.interpolated = bool(message.get("interpolated"))
                answer: dict[str, Any] = {
                    "op": "value",
                    "value": encode(self._serve(message["step"], decode(message["args"]))),
                }
            except Failure as failure:
                answer = {"op": "raise", **_raised(failure)}
            self._tell(answer)


def _closure(closure: Closure) -> dict[str, Any]:
    return {"closure": closure.number, "key": closure.key} if closure.key else {"closure": closure.number}


def _raised(failure: Failure) -> dict[str, Any]:
    if failure.error is not None:
        return {"error": failure.error, "class": failure.type, "message": failure.message}
    return {"class": failure.type, "message": failure.message, "result": failure.result, "causes": failure.causes}


def _failure(told: Mapping[str, Any]) -> Failure:
    return Failure(
        told["message"],
        told["class"],
        error=told.get("error"),
        trace=told.get("trace", ""),
        result=told.get("result", "FAILURE"),
        causes=told.get("causes", ()),
        parents=told.get("parents", ()),
    )
