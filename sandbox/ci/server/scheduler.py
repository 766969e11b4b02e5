"""The queue, and builds from their start to their end."""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sandbox.ci.model import Aborted, Credential, Declared, Outcome, Parameter
from sandbox.ci.server import configuration, credentials, home, log
from sandbox.ci.server.addresses import job_path
from sandbox.ci.server.agents import Agents
from sandbox.ci.server.build import TICK, RunningBuild
from sandbox.ci.server.causes import CAUSE_NAMES, upstream_cause
from sandbox.ci.server.configuration import Definition
from sandbox.ci.server.execution import Executor
from sandbox.ci.server.home import Home
from sandbox.ci.server.libraries import Libraries
from sandbox.ci.server.locks import Locks, Milestones
from sandbox.ci.server.repositories import Repositories
from sandbox.ci.server.topics import Topics
from sandbox.ci.store import FREESTYLE, Build, Item, Queued, Store, now

LEFT = 500  # queue items that are remembered after they left the queue
KILLED = "The server stopped while this build ran (it was killed, or it crashed). The build was aborted."
logger = logging.getLogger("sandbox.ci")


@dataclass(frozen=True)
class Waiting:
    """How a queued build stands. state: waiting (quiet period), blocked or buildable."""

    queued: Queued
    item: Item
    state: str
    why: str


class Scheduler:
    """Owns the queue and the running builds; one thread of its own starts what is due."""

    def __init__(
        self,
        home: Home,
        store: Store,
        repositories: Repositories,
        libraries: Libraries,
        agents: Agents,
        executor: Executor,
        topics: Topics,
        url: str,
    ) -> None:
        self.home, self.store, self.repositories, self.libraries = home, store, repositories, libraries
        self.agents, self.executor, self.topics, self.url = agents, executor, topics, url
        self.clock = time.time
        self.locks, self.milestones = Locks(), Milestones()
        self.ended: list[Callable[[Item, Build], None]] = []  # called after each build
        self.quieting = False
        self.cancelled: dict[int, Queued] = {}
        self._changed = threading.Condition(threading.RLock())
        self._queue: list[Queued] = []
        self._running: dict[int, RunningBuild] = {}
        self._closing = False
        self._threads: set[threading.Thread] = set()
        self._loop = threading.Thread(target=self._start_what_is_due, name="scheduler", daemon=True)

    def start(self) -> None:
        """Ends what a killed server left open, takes up the queue, and begins."""
        for build in self.store.unfinished_builds():
            self._end_of_killed(build)
        self._queue = self.store.queue()
        self._loop.start()

    def stop(self, seconds: float) -> None:
        """Ends running builds, waits for them at most so long, and starts no more. The queue is kept."""
        with self._changed:
            self._closing = True
            running = list(self._running.values())
            self._changed.notify_all()
        for build in running:
            build.stop("The server is shutting down", force=True)
        deadline = time.monotonic() + seconds
        for thread in list(self._threads):
            thread.join(max(0.0, deadline - time.monotonic()))

    def wake(self, *topics: str) -> None:
        with self._changed:
            self._changed.notify_all()
        if topics:
            self.topics.touch(*topics)

    # Names and addresses

    def job_url(self, path: str) -> str:
        return self.url + job_path(path)

    def build_url(self, path: str, number: int) -> str:
        return f"{self.job_url(path)}{number}/"

    def repository_url(self, name: str) -> str:
        return f"{self.url}git/{name}.git"

    # The queue

    def submit(
        self,
        item: Item,
        causes: Sequence[Mapping[str, Any]],
        parameters: Mapping[str, Any] | None = None,
        delay: float | None = None,
        uploads: Path | None = None,
    ) -> int:
        """Queues a build; the queue item's id. What already waits for the same is joined, as in Jenkins.

        `uploads` is a folder of files that came with it.
        """
        values = {**self.defaults(item), **(parameters or {})}
        quiet = self.definition(item).quiet_period if delay is None else delay
        ready = now() + int(quiet * 1000)
        with self._changed:
            for index, queued in enumerate(self._queue):
                same_values = queued.item == item.id and queued.parameters == values
                if same_values and not uploads and self._joinable(queued, item):
                    same = [cause for cause in causes if cause not in queued.causes]
                    joined = replace(queued, ready=min(queued.ready, ready), causes=[*queued.causes, *same])
                    self._queue[index] = joined
                    self.store.change_queued(joined)
                    return queued.id
            queued = self.store.enqueue(item.id, now(), ready, causes, values)
            if uploads:
                uploads.rename(self.home.uploads / str(queued.id))
            self._queue.append(queued)
            self._changed.notify_all()
        self.topics.touch("queue")
        return queued.id

    def cancel(self, id: int) -> bool:
        """Whether there was one."""
        with self._changed:
            found = [queued for queued in self._queue if queued.id == id]
            self._queue = [queued for queued in self._queue if queued.id != id]
            for queued in found:
                self.store.dequeue(id)
                home.remove(self.home.uploads / str(id))
                self._remember_cancelled(queued)
        self.topics.touch("queue")
        return bool(found)

    def forget(self, items: Sequence[int]) -> None:
        """Jobs were deleted: their builds end, their folders go."""
        with self._changed:
            self._queue = [queued for queued in self._queue if queued.item not in items]
            running = [build for build in self._running.values() if build.item.id in items]
        for build in running:
            build.stop("The job was deleted", force=True)
        for item in items:
            if not any(build.item.id == item for build in running):
                home.remove(self.home.job(item))
        self.topics.touch("jobs", "queue")

    def waiting(self) -> list[Waiting]:
        """The queue, oldest first."""
        with self._changed:
            queue = list(self._queue)
        items = {id: self.store.item_by_id(id) for id in {queued.item for queued in queue}}
        due: dict[int, tuple[str, str]] = {}  # how those of a job stand whose quiet period is over: all alike
        found = []
        for queued in queue:
            item = items[queued.item]
            if item is None:
                continue
            if queued.ready > now():
                state = self._state(queued, item)
            else:
                state = due[item.id] = due.get(item.id) or self._state(queued, item)
            found.append(Waiting(queued, item, *state))
        return found

    def queued(self, id: int) -> Waiting | None:
        with self._changed:
            queued = next((queued for queued in self._queue if queued.id == id), None)
        item = self.store.item_by_id(queued.item) if queued else None
        if queued is None or item is None:
            return None
        return Waiting(queued, item, *self._state(queued, item))

    def is_queued(self, item: int) -> bool:
        with self._changed:
            return any(queued.item == item for queued in self._queue)

    @property
    def queue_length(self) -> int:
        return len(self._queue)

    def quiet_down(self, quiet: bool) -> None:
        self.quieting = quiet
        self.wake("queue")

    # Running builds

    def running(self) -> list[RunningBuild]:
        with self._changed:
            return list(self._running.values())

    def running_build(self, id: int) -> RunningBuild | None:
        with self._changed:
            return self._running.get(id)

    def wait_for(self, queue_id: int, check: Callable[[], None]) -> Build | None:
        """The finished build of a queue item; None if it was cancelled. `check` may raise."""
        while True:
            check()
            build = self.store.build_of_queue(queue_id)
            if build and not build.building:
                return build
            with self._changed:
                if build is None and not any(queued.id == queue_id for queued in self._queue):
                    build = self.store.build_of_queue(queue_id)
                    if build is None:
                        return None
                self._changed.wait(TICK)

    # What a build asks for

    def free_workspaces(self, item: int) -> Path:
        """Where a build has its workspaces: builds of one job that run at the same time must not share them."""
        with self._changed:
            taken = {build.workspaces for build in self._running.values() if build.item.id == item}
        return next(folder for folder in self.home.workspace_roots() if folder not in taken)

    def definition(self, item: Item) -> Definition:
        """What its configuration means, with what the last run of its Jenkinsfile declared instead of the XML's."""
        try:
            definition = configuration.read(item.config)
        except configuration.BadConfiguration:
            return Definition(item.kind)
        if not item.declared:
            return definition
        given = json.loads(item.declared)
        declared = Declared(
            tuple(Parameter(**{**each, "choices": tuple(each["choices"])}) for each in given["parameters"]),
            tuple((kind, spec) for kind, spec in given["triggers"]),
            given["keep_builds"],
            given["concurrent"],
        )
        xml = definition.declared
        return replace(
            definition,
            declared=Declared(
                declared.parameters or xml.parameters,
                declared.triggers or xml.triggers,
                declared.keep_builds or xml.keep_builds,
                declared.concurrent and xml.concurrent,
            ),
        )

    def defaults(self, item: Item) -> dict[str, Any]:
        """The values of its parameters when nobody gives others."""
        return {each.name: each.default for each in self.definition(item).declared.parameters if each.kind != "file"}

    def environment(self, item: Item, record: Build) -> dict[str, str]:
        names = {str(cause.get("_class", "")).rpartition("$")[2].rpartition(".")[2] for cause in record.causes}
        environ = {
            "JENKINS_URL": self.url,
            "HUDSON_URL": self.url,
            "JENKINS_HOME": str(self.home.root),
            "CI": "true",
            "BUILD_CAUSE": ",".join(sorted(CAUSE_NAMES.get(name, name.upper()) for name in names)),
        }
        if branch := item.state.get("branch"):
            environ["BRANCH_NAME"] = str(branch)
            if item.state.get("primary"):
                environ["BRANCH_IS_PRIMARY"] = "true"
        return environ

    def credential(self, job: str, id: str) -> Credential | None:
        """The nearest of this id: from the job's folder outwards, then the system's."""
        owners = [job]
        while owners[-1]:
            owners.append(owners[-1].rpartition("/")[0])
        xml = self.store.find_credential(owners, id)
        return credentials.read(xml) if xml else None

    def library(self, name: str, version: str) -> Path | None:
        return self.libraries.folder(name, version)

    def build_from(
        self,
        parent: RunningBuild,
        job: str,
        parameters: Mapping[str, Any],
        wait: bool,
        check: Callable[[], None],
    ) -> Outcome:
        """The `build` step; a relative name starts at the parent's folder. Raises LookupError."""
        item = self.find_job(job, parent.item.parent)
        if item is None:
            raise LookupError(f"No item named {job} found")
        if item.holds_items:
            raise LookupError(f"The item named {job} is a folder, which is not something that can be built")
        if item.disabled:
            raise LookupError(f"Failed to trigger build of {item.path}: it is disabled")
        parent.say(f"Scheduling project: {item.path.replace('/', ' » ')}")
        id = self.submit(item, [upstream_cause(parent.item.path, parent.number, self.url)], parameters, delay=0)
        if not wait:
            return Outcome(item.path, 0, self.job_url(item.path), "")
        try:
            build = self.wait_for(id, check)
        except Aborted:
            if not self.cancel(id) and (running := self.store.build_of_queue(id)):
                self.stop_build(running.id, f"The calling build {parent.job} #{parent.number} was aborted")
            raise
        if build is None:
            raise Aborted(f"The build of {item.path} was cancelled in the queue")
        return Outcome(item.path, build.number, self.build_url(item.path, build.number), build.result, build.duration)

    def stop_build(self, id: int, reason: str, force: bool = False) -> bool:
        """Whether it ran."""
        running = self.running_build(id)
        if running:
            running.stop(reason, force)
        return running is not None

    def find_job(self, name: str, folder: str) -> Item | None:
        """By full name ("/a/b"), or relative to a folder ("../b")."""
        if name.startswith("/"):
            return self.store.item(name.strip("/"))
        path = os.path.normpath(f"/{folder}/{name}").strip("/")
        return self.store.item(path) or self.store.item(name)

    def why_waiting(self, label: str) -> str:
        fitting = [agent for agent in self.agents.all() if agent.suits(label)]
        if all(agent.offline for agent in fitting):
            return "; ".join(f"'{agent.name}' is offline" for agent in fitting)
        return f"Waiting for next available executor on '{label}'" if label else "Waiting for next available executor"

    # Inside

    def _start_what_is_due(self) -> None:
        while True:
            with self._changed:
                if self._closing:
                    return
                try:
                    pause = self._pass()
                except (OSError, sqlite3.Error) as error:
                    # Most likely a full disk. Nothing is lost: the queue is tried again.
                    logger.error("the queue cannot go on: %s", error)
                    self.home.drop_ballast()
                    pause = 5.0
                self._changed.wait(pause)

    def _pass(self) -> float | None:
        """Starts what can start; seconds until the next quiet period ends."""
        if self.quieting:
            return None
        soonest: float | None = None
        blocked: set[int] = set()  # a queue may hold a thousand builds of one job: it is looked at once
        for queued in list(self._queue):
            if not self._has_room():
                break
            if queued.item in blocked:
                continue
            if queued.ready > now():
                left = max(0.01, (queued.ready - now()) / 1000)
                soonest = left if soonest is None else min(soonest, left)
                continue
            item = self.store.item_by_id(queued.item)
            if item is None:
                self._queue.remove(queued)
                self.store.dequeue(queued.id)
            elif self._state(queued, item)[0] == "blocked":
                blocked.add(item.id)
            else:
                self._begin(queued, item)
        return soonest

    def _begin(self, queued: Queued, item: Item) -> None:
        record = self.store.begin_build(queued, now())
        self._queue.remove(queued)
        build = RunningBuild(self, item, record, self.definition(item))
        upload = self.home.uploads / str(queued.id)
        if upload.is_dir():
            upload.rename(build.folder / "uploads")
        self._running[record.id] = build
        thread = threading.Thread(target=self._run, args=(build,), name=f"build {record.id}", daemon=True)
        self._threads.add(thread)
        thread.start()
        self.topics.touch("jobs", "queue", "executors")

    def _run(self, build: RunningBuild) -> None:
        try:
            result = build.run()
            self._note_end(build.record, result)
        finally:
            with self._changed:
                self._running.pop(build.record.id, None)
                self._threads.discard(threading.current_thread())
                self._changed.notify_all()
            self.milestones.done(build)
            self.topics.touch("jobs", "queue", "executors", f"build/{build.record.id}", f"log/{build.record.id}")
        item, record = self.store.item_by_id(build.item.id), self.store.build_by_id(build.record.id)
        if item is None or record is None:
            home.remove(self.home.job(build.item.id))
            return
        self._discard_old(item)
        for told in self.ended:
            try:
                told(item, record)
            except Exception:
                logger.exception("after the end of %s #%s", item.path, record.number)

    def _note_end(self, record: Build, result: str) -> None:
        """A build's end must be noted, even if the disk is full for a while."""
        while True:
            try:
                self.store.end_build(record.id, result, max(1, now() - record.started))
                return
            except sqlite3.Error as error:
                logger.error("the end of build %s cannot be noted: %s", record.id, error)
                self.home.drop_ballast()
                if self._closing:
                    return
                time.sleep(1)

    def _has_room(self) -> bool:
        builds = self._running.values()
        busy = sum(1 for build in builds if not build.parked and not build.waiting)
        waiting = sum(1 for build in builds if build.waiting)
        capacity = self.agents.capacity
        return busy < capacity and waiting < 2 * capacity

    def _state(self, queued: Queued, item: Item) -> tuple[str, str]:
        if queued.ready > now():
            return "waiting", f"In the quiet period. Expires in {(queued.ready - now()) / 1000:.1f} sec"
        if item.disabled:
            return "blocked", f"{item.path} is disabled"
        if not self._concurrent(item):
            others = [build for build in self._running.values() if build.item.id == item.id]
            if others:
                return "blocked", f"Build #{others[0].number} is already in progress (ETA: N/A)"
        if self.quieting:
            return "buildable", "Jenkins is about to shut down"
        return "buildable", self.why_waiting("")

    def _joinable(self, queued: Queued, item: Item) -> bool:
        # A pipeline leaves Jenkins' queue at once, and then waits for its executor as a build: it is joined only
        # while its quiet period lasts or another build of the job must end first. A freestyle job always is.
        return item.kind == FREESTYLE or self._state(queued, item)[0] != "buildable"

    def _concurrent(self, item: Item) -> bool:
        return self.definition(item).declared.concurrent

    def _remember_cancelled(self, queued: Queued) -> None:
        self.cancelled[queued.id] = queued
        while len(self.cancelled) > LEFT:
            self.cancelled.pop(next(iter(self.cancelled)))

    def _discard_old(self, item: Item) -> None:
        keep = self.definition(item).declared.keep_builds
        if not keep:
            return
        saved = {found.id for found in self.saved_builds(item)}
        for build in self.store.builds(item.id)[keep:]:
            if not build.building and not build.keep and build.id not in saved:
                self.delete_build(item, build)

    def saved_builds(self, item: Item) -> list[Build]:
        """The last stable and the last successful build are never discarded."""
        conditions = ("result = 'SUCCESS' AND building = 0", "result IN ('SUCCESS', 'UNSTABLE') AND building = 0")
        return [build for build in (self.store.find_build(item.id, each) for each in conditions) if build]

    def delete_build(self, item: Item, build: Build) -> None:
        self.store.delete_build(build.id)
        home.remove(self.home.build(item.id, build.number))
        self.topics.touch("jobs")

    def _end_of_killed(self, build: Build) -> None:
        folder = self.home.build(build.item, build.number)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            writer = log.LogWriter(folder)
            tail = log.read(folder, max(0, writer.size - 1), 1)
            writer.write((b"" if tail in (b"", b"\n") else b"\n") + f"{KILLED}\nFinished: ABORTED\n".encode())
            writer.close()
            nodes = home.read_json(folder / "flow.json", [])
            for node in nodes:
                if node["status"] in ("IN_PROGRESS", "PAUSED_PENDING_INPUT"):
                    node.update(status="ABORTED", ended=now())
            home.write_json(folder / "flow.json", nodes)
        except OSError as error:
            logger.error("the log of build %s cannot be completed: %s", build.id, error)
        self.store.end_build(build.id, "ABORTED", max(1, now() - build.started))
