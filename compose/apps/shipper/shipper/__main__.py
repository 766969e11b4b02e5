"""Runs the shipper. Settings come from the environment: SHIPPER_PROJECT, SHIPPER_URL, SHIPPER_USER, SHIPPER_PASSWORD.

One thread follows each container; one sends. The queue between them is bounded: while the store is away, lines wait
in Docker's own files. After a restart each container is read on from the newest line that the store has.
"""

from __future__ import annotations

import http.client
import json
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from shipper.docker import Container, Docker, Line
from shipper.documents import document, plain
from shipper.store import Document, Refused, Store

SOCKET = "/run/docker/docker.sock"
ALIVE = Path(os.environ.get("SHIPPER_ALIVE", "/tmp/alive"))
BATCH, BATCH_BYTES, LINGER = 2000, 4 * 1024**2, 0.5
# Seconds that are read again; what is there already is not stored twice. After a restart more, as the store may have
# taken the later lines of the last request only.
OVERLAP, OVERLAP_AT_START = 1.0, 30.0
AGAIN_RUNNING, AGAIN_STOPPED = 1.0, 10.0  # seconds until a container whose stream ended is looked at again
TROUBLE = (OSError, http.client.HTTPException, Refused, ValueError)


class Shipper:
    def __init__(self, docker: Docker, url: str, user: str, password: str, project: str) -> None:
        self.docker, self.project = docker, project
        self.login = (url, user, password)
        self.lines: queue.Queue[Line] = queue.Queue(5000)
        self.reading: set[str] = set()
        self.ended: dict[str, float] = {}
        self.since: dict[str, float] = {}

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
                self.since[container.id] = max(0.0, newest - OVERLAP_AT_START)
            self.reading.add(container.id)
            threading.Thread(target=self._follow, args=(container,), daemon=True).start()
        there = {container.id for container in containers}
        for gone in self.ended.keys() - there - self.reading:
            del self.ended[gone], self.since[gone]

    def _follow(self, container: Container) -> None:
        try:
            for line in self.docker.lines(container, f"{self.since[container.id]:.6f}"):
                self.lines.put(line)
                self.since[container.id] = max(self.since[container.id], seconds(line.time) - OVERLAP)
        except TROUBLE as error:
            say("warning", f"{container.name}: reading stopped: {error}")
        finally:
            self.ended[container.id] = time.monotonic()
            self.reading.discard(container.id)

    def send(self) -> None:
        """Sends what comes, in order, for ever."""
        store = Store(*self.login)
        while True:
            batch = self._batch()
            self._deliver(store, [document(line, self.project) for line in batch])

    def _batch(self) -> list[Line]:
        batch = [self.lines.get()]
        size, deadline = len(batch[0].text), time.monotonic() + LINGER
        while len(batch) < BATCH and size < BATCH_BYTES:
            try:
                line = self.lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                break
            batch.append(line)
            size += len(line.text)
        return batch

    def _deliver(self, store: Store, documents: Sequence[Document]) -> None:
        pause = 0.5
        while documents:
            try:
                refused = store.send(documents)
            except TROUBLE as error:
                say("warning", f"the store does not take lines, trying again in {pause:.0f} s: {error}")
                time.sleep(pause)
                pause = min(30.0, pause * 2)
                continue
            # A refused line is kept as plain text; should that be refused too, it is told here.
            lost = [one for one in refused if "refused" in one[0][2].get("tags", ())]
            for (stream, id, _), reason in lost:
                say("error", f"a line of {stream} is lost ({id}): {reason}")
            documents = [(one[0][0], one[0][1], plain(one[0][2], one[1])) for one in refused if one not in lost]


def seconds(time: str) -> float:
    """RFC 3339 with nanoseconds as seconds since 1970, to the microsecond below. Raises ValueError."""
    whole, _, fraction = time.removesuffix("Z").partition(".")
    moment = datetime.fromisoformat(whole).replace(tzinfo=UTC)
    return moment.timestamp() + int((fraction[:6] or "0").ljust(6, "0")) / 1e6


def say(level: str, message: str) -> None:
    moment = datetime.now(UTC).isoformat(timespec="milliseconds")
    fields = {"@timestamp": moment, "log.level": level, "message": message, "service.name": "shipper"}
    print(json.dumps(fields), flush=True)


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))  # nothing to save: the store knows how far we are
    environ = os.environ
    missing = [name for name in ("SHIPPER_URL", "SHIPPER_PASSWORD", "SHIPPER_PROJECT") if not environ.get(name)]
    if missing:
        sys.exit(f"{', '.join(missing)} must be set")
    docker = Docker(environ.get("SHIPPER_SOCKET", SOCKET))
    user = environ.get("SHIPPER_USER", "elastic")
    shipper = Shipper(docker, environ["SHIPPER_URL"], user, environ["SHIPPER_PASSWORD"], environ["SHIPPER_PROJECT"])
    threading.Thread(target=shipper.watch, daemon=True).start()
    say("info", f"shipping the logs of {shipper.project} to {environ['SHIPPER_URL']}")
    shipper.send()


if __name__ == "__main__":
    main()
