"""Runs the shipper. Settings come from the environment: SHIPPER_PROJECT, SHIPPER_URL, SHIPPER_USER, SHIPPER_PASSWORD.

One thread follows each container; one sends. The queue between them is bounded: while the store is away, lines wait
in Docker's own files. After a restart each container is read on from the newest line that the store has. What comes
from outside goes its own ways (inputs.py).
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from shipper.delivery import TROUBLE, Counts, Delivery, say
from shipper.docker import Container, Docker, Line, seconds
from shipper.documents import document
from shipper.inputs import Inputs
from shipper.store import Store
from shipper.traces import Traces, is_rest

SOCKET = "/run/docker/docker.sock"
ALIVE = Path(os.environ.get("SHIPPER_ALIVE", "/tmp/alive"))
BATCH, BATCH_BYTES, LINGER = 2000, 4 * 1024**2, 0.5
# Seconds that are read again; what is there already is not stored twice. After a restart more, as the store may have
# taken the later lines of the last request only.
OVERLAP, OVERLAP_AT_START = 1.0, 30.0
GRACE = 5.0  # seconds for what came from outside, at the end
AGAIN_RUNNING, AGAIN_STOPPED = 1.0, 10.0  # seconds until a container whose stream ended is looked at again


class Shipper:
    def __init__(self, docker: Docker, url: str, user: str, password: str, project: str) -> None:
        self.docker, self.project = docker, project
        self.login = (url, user, password)
        self.counts = Counts()
        self.lines: queue.Queue[Line] = queue.Queue(5000)
        self.reading: set[str] = set()
        self.ended: dict[str, float] = {}
        self.since: dict[str, float] = {}
        self.known: dict[
            str, float
        ] = {}  # when a container's newest line that was read, or is in the store, was printed

    def delivery(self) -> Delivery:
        """A way to the store, for one thread."""
        return Delivery(*self.login, self.counts)

    def watch(self) -> None:
        """Finds containers for ever, and follows each."""
        positions = Store(*self.login)
        while True:
            try:
                self._follow_new(self.docker.containers(), positions)
                ALIVE.touch()
            except TROUBLE as error:
                say("warning", f"cannot look for containers: {error}")
                time.sleep(2)
            time.sleep(1)

    def _follow_new(self, containers: Sequence[Container], positions: Store) -> None:
        now = time.monotonic()
        for container in containers:
            wait = AGAIN_RUNNING if container.running else AGAIN_STOPPED
            if container.id in self.reading or now - self.ended.get(container.id, -wait) < wait:
                continue
            if container.id not in self.since:
                positions.refresh()
                newest = min(positions.newest(container.id), time.time())
                self.known[container.id] = newest
                self.since[container.id] = max(0.0, newest - OVERLAP_AT_START)
            self.reading.add(container.id)
            threading.Thread(target=self._follow, args=(container,), daemon=True).start()
        there = {container.id for container in containers}
        for gone in self.ended.keys() - there - self.reading:
            del self.ended[gone], self.since[gone], self.known[gone]

    def _follow(self, container: Container) -> None:
        known, begun = self.known.get(container.id, 0.0), False
        try:
            for line in self.docker.lines(container, f"{self.since[container.id]:.6f}"):
                # The rest of a trace that was read before, or of one that the store has, is not a line of its own.
                begun = begun or not (is_rest(line.text) and seconds(line.time) <= known)
                if not begun:
                    continue
                self.lines.put(line)
                self.known[container.id] = max(self.known.get(container.id, 0.0), seconds(line.time))
                self.since[container.id] = max(self.since[container.id], seconds(line.time) - OVERLAP)
        except TROUBLE as error:
            say("warning", f"{container.name}: reading stopped: {error}")
        finally:
            self.ended[container.id] = time.monotonic()
            self.reading.discard(container.id)

    def send(self) -> None:
        """Sends what comes, in order, for ever."""
        delivery, traces = self.delivery(), Traces()
        while True:
            whole = traces.joined(self._batch(traces.waiting))
            delivery.deliver("containers", [document(line, self.project) for line in whole])

    def _batch(self, hurry: bool) -> list[Line]:
        """What came; without hurry, one line at least."""
        batch = [] if hurry else [self.lines.get()]
        size, deadline = sum(len(line.text) for line in batch), time.monotonic() + LINGER
        while len(batch) < BATCH and size < BATCH_BYTES:
            try:
                line = self.lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                break
            batch.append(line)
            size += len(line.text)
        return batch


def main() -> None:
    environ = os.environ
    missing = [name for name in ("SHIPPER_URL", "SHIPPER_PASSWORD", "SHIPPER_PROJECT") if not environ.get(name)]
    if missing:
        sys.exit(f"{', '.join(missing)} must be set")
    docker = Docker(environ.get("SHIPPER_SOCKET", SOCKET))
    user = environ.get("SHIPPER_USER", "elastic")
    shipper = Shipper(docker, environ["SHIPPER_URL"], user, environ["SHIPPER_PASSWORD"], environ["SHIPPER_PROJECT"])
    inputs = Inputs(shipper.project, shipper.delivery, shipper.counts)

    def end(*_: object) -> None:
        inputs.stop(GRACE)
        os._exit(0)  # of containers there is nothing to save: the store knows how far we are

    signal.signal(signal.SIGTERM, end)
    inputs.start([int(port) for port in environ.get("SHIPPER_PORTS", "8080,5170,5514,12201").split(",")])
    threading.Thread(target=shipper.watch, daemon=True).start()
    say("info", f"shipping the logs of {shipper.project} to {environ['SHIPPER_URL']}")
    shipper.send()


if __name__ == "__main__":
    main()
