"""Waiting until services are useful: events of the engine come in, content is asked for, what changes is told."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from sandbox.engine import Engine, EngineEvent
from sandbox.errors import EngineError, NotReadyError, SandboxError
from sandbox.model import ContainerState, Event, Say, Stack
from sandbox.observation import content_missing, word_of

CRASHES = 3
STEADY = 2.0  # seconds without a fall that stand in for a missing health check
TICK = 0.25

# What the engine did; what went wrong; or None: Compose is done.
Happened = EngineEvent | BaseException | None


@dataclass
class Watched:
    """What the wait knows of one service: its last word, why it is not ready, how often it died."""

    said: str = ""
    waiting: str = ""
    asked: str = ""  # what the content check last waited for
    ready: bool = False
    told: bool = False
    deaths: int = 0
    since: float = 0.0


def start_and_wait(
    stack: Stack, project: str, folder: Path, values: Mapping[str, str], engine: Engine, say: Say, timeout: int
) -> None:
    """Compose starts the containers on one thread, events arrive on another, this one asks and tells.

    `values` are the rendered ones, `timeout` is in seconds. Raises NotReadyError, or what Compose fell over.
    """
    happened: queue.Queue[Happened] = queue.Queue()
    listening = threading.Event()
    close: list[Callable[[], None]] = []

    def listen() -> None:
        try:
            for event in engine.events(project, listening.set, close.append):
                happened.put(event)
        except BaseException as error:  # told by the waiting thread
            happened.put(error)
        finally:
            listening.set()

    def start() -> None:
        try:
            engine.up(folder, stack.variables)
            happened.put(None)
        except BaseException as error:  # told by the waiting thread
            happened.put(error)

    threading.Thread(target=listen, daemon=True).start()
    listening.wait(10)
    threading.Thread(target=start, daemon=True).start()
    try:
        Wait(stack, project, values, engine, say).until_useful(happened, timeout)
    finally:
        for end in close:
            end()


def wait(
    stack: Stack, project: str, values: Mapping[str, str], engine: Engine, say: Say, timeout: int, content_tells: bool
) -> None:
    """For what was started already. With `content_tells`, right content outweighs a health check still to pass."""
    happened: queue.Queue[Happened] = queue.Queue()
    happened.put(None)
    Wait(stack, project, values, engine, say).until_useful(happened, timeout, content_tells)


class Wait:
    """One wait for the services of a stack."""

    def __init__(self, stack: Stack, project: str, values: Mapping[str, str], engine: Engine, say: Say) -> None:
        self.stack = stack
        self.project = project
        self.values = values
        self.engine = engine
        self.say = say
        self.watched = {service.name: Watched() for service in stack.services}

    def until_useful(self, happened: queue.Queue[Happened], timeout: int, content_tells: bool = False) -> None:
        began = time.monotonic()
        started = False
        failure: BaseException | None = None
        with ThreadPoolExecutor(max_workers=8) as pool:
            while True:
                try:
                    event = happened.get(timeout=TICK)
                except queue.Empty:
                    pass
                else:
                    if event is None:
                        started = True
                        for seen in self.watched.values():  # Compose may have replaced what we looked at
                            seen.ready = False
                    elif isinstance(event, BaseException):
                        failure = event
                    else:
                        self._count(event)
                states = self._containers_by_service()
                self._look(states, pool, time.monotonic() - began, content_tells)
                if started and all(seen.ready for seen in self.watched.values()):
                    return
                crashed = [name for name, seen in self.watched.items() if seen.deaths >= CRASHES]
                if failure is not None and not crashed:
                    crashed = [n for n, seen in self.watched.items() if seen.said in ("unhealthy", "exited")]
                    if not crashed or isinstance(failure, EngineError):
                        raise failure
                late = time.monotonic() - began > timeout
                if crashed or late:
                    raise self._not_ready(crashed or [n for n, s in self.watched.items() if not s.ready], timeout)

    def _count(self, event: EngineEvent) -> None:
        owner = next((s.name for s in self.stack.services for c in s.containers if c.name == event.container), None)
        if owner and event.action == "die" and event.exit_code not in (0, 143):
            self.watched[owner].deaths += 1

    def _containers_by_service(self) -> dict[str, list[ContainerState]]:
        found: dict[str, list[ContainerState]] = {}
        for state in self.engine.containers(self.project):
            found.setdefault(state.service, []).append(state)
        return found

    def _look(
        self,
        states: Mapping[str, Sequence[ContainerState]],
        pool: ThreadPoolExecutor,
        seconds: float,
        content_tells: bool,
    ) -> None:
        """Tells what changed, and asks the healthy services whether their content is right."""
        healthy = []
        for service in self.stack.services:
            seen, word = self.watched[service.name], word_of(service, states.get(service.name, ()))
            if seen.ready:
                continue
            if content_tells and word in ("starting", "unhealthy") and any(e.ready for e in service.endpoints):
                word = "healthy"
            if word != seen.said:
                seen.said, seen.since = word, seconds
                self.say(Event("service", service.name, word, seconds=seconds))
            seen.waiting = {"missing": "its container", "starting": "its health check"}.get(word, word)
            unchecked = any(not state.health for state in states.get(service.name, ()) if state.state == "running")
            if word == "healthy" and unchecked and seconds - seen.since < STEADY:
                seen.waiting = "to see whether it stays up"
            elif word == "healthy":
                healthy.append(service)
        all_states = [state for group in states.values() for state in group]
        asked = pool.map(lambda service: content_missing(service, all_states, self.values), healthy)
        for service, waiting in zip(healthy, asked, strict=True):
            seen = self.watched[service.name]
            if waiting and waiting != seen.asked:
                self.say(Event("service", service.name, "healthy", f"waiting for {waiting}", seconds=seconds))
            seen.waiting, seen.asked, seen.ready = waiting, waiting, not waiting
            if seen.ready and not seen.told:
                seen.told = True
                self.say(Event("service", service.name, "ready", seconds=seconds))

    def _not_ready(self, names: Sequence[str], timeout: int) -> SandboxError:
        parts = []
        for name in names:
            seen = self.watched[name]
            crashing = seen.deaths >= CRASHES
            parts.append(
                f"{name} keeps crashing" if crashing else f"{name} is not ready after {timeout} s: {seen.waiting}"
            )
            own = [state for state in self.engine.containers(self.project) if state.service == name]
            lines = [line for state in own for line in self.engine.logs(state.id, False, None, 20)]
            parts += [f"  {line.container} | {line.text}" for line in lines[-20:]]
        return NotReadyError(
            "\n".join(parts), f"the sandbox is left as it is: `sandbox logs {names[0]}`, `sandbox status`, `sandbox up`"
        )
