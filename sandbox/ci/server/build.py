"""A running build: the Place in which its pipeline runs, and what others may ask of it meanwhile."""

from __future__ import annotations

import errno
import json
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.ci import recipes
from sandbox.ci.model import (
    Aborted,
    Credential,
    Declared,
    Input,
    Node,
    Outcome,
    Result,
    Source,
    TestCase,
)
from sandbox.ci.server import home
from sandbox.ci.server.configuration import Definition
from sandbox.ci.server.execution import Execution
from sandbox.ci.server.log import LogWriter
from sandbox.ci.server.repositories import GitError
from sandbox.ci.store import Build, Item, now

if TYPE_CHECKING:
    from sandbox.ci.server.scheduler import Scheduler

TICK = 0.25  # seconds between two looks at whether a waiting step was stopped
PATIENCE = 5  # seconds until the log says that a build waits for an executor
NODES = 20_000  # more are not kept: a build that loops for ever must not fill the memory
SAVE_EVERY = 500  # milliseconds


@dataclass
class Question:
    """An `input` that waits. `answer` is (who, values), or the reason for which it was refused."""

    input: Input
    asked: int
    answer: tuple[str, Mapping[str, Any]] | None = None
    refused: str = ""


@dataclass
class Flow:
    """What a build did, node by node, in order."""

    nodes: dict[str, Node] = field(default_factory=dict)

    def stages(self) -> list[Node]:
        return [node for node in self.nodes.values() if node.kind != "step"]


class RunningBuild:
    """Implements sandbox.ci.model.Place for the server."""

    def __init__(self, scheduler: Scheduler, item: Item, record: Build, definition: Definition) -> None:
        self._scheduler = scheduler
        self.item, self.record, self.definition = item, record, definition
        self.job, self.number = item.path, record.number
        self.url = scheduler.build_url(item.path, record.number)
        self.folder: Path = scheduler.home.build(item.id, record.number)
        self.workspaces: Path = scheduler.free_workspaces(item.id)
        self.parameters: Mapping[str, Any] = record.parameters
        self.causes: Sequence[Mapping[str, Any]] = record.causes
        self.source = definition.source
        self.environment: Mapping[str, str] = scheduler.environment(item, record)
        self.flow = Flow()
        self.questions: dict[str, Question] = {}
        self.result = ""  # as far as it is known
        self.parked = 0  # waits for a person or another build: it leaves its turn to others meanwhile
        self.waiting = 0  # wants an executor
        self.stop_reason = ""
        self.text = ""
        self._execution: Execution | None = None
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._saved = 0
        self._cases: list[dict[str, Any]] = []
        self._changes: list[dict[str, Any]] = []
        self._full = False
        for part in ("artifacts", "stashes", "reports"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        self._log = LogWriter(self.folder)

    # What the scheduler does with it

    def run(self) -> str:
        """Runs it to its end; the result's name."""
        try:
            for cause in self.causes:
                self.say(str(cause.get("shortDescription", "")))
            result = self._run()
        except OSError as error:
            result = self._out_of(error)
        except Exception:
            self.say(f"The server failed while it ran this build:\n{traceback.format_exc()}")
            result = Result.FAILURE
        self._end_open_nodes(result)
        self._finish_log(result)
        return result.name

    def stop(self, reason: str, force: bool = False) -> None:
        """Asks it to end; more than once is fine."""
        with self._changed:
            self.stop_reason = self.stop_reason or reason
            execution = self._execution
            self._changed.notify_all()
        if execution:
            execution.stop(reason, force)

    def say(self, text: str) -> None:
        """A line of the server's own in the log."""
        self._append(text.encode("utf-8", "replace") + b"\n")

    def answer(self, id: str, user: str, values: Mapping[str, Any]) -> None:
        """Answers an input. Raises LookupError when it does not wait (any more)."""
        with self._changed:
            question = self._question(id)
            question.answer = (user, values)
            self._changed.notify_all()

    def refuse(self, id: str, user: str) -> None:
        with self._changed:
            self._question(id).refused = f"Rejected by {user}"
            self._changed.notify_all()

    def save_flow(self) -> None:
        self._save("flow.json", [asdict(node) for node in list(self.flow.nodes.values())])

    # Place

    def write(self, data: bytes) -> int:
        # On a full disk, what little room there is now belongs to the end of the build.
        return self._log.size if self._full else self._append(data)

    def _append(self, data: bytes) -> int:
        try:
            size = self._log.write(data)
        except OSError as error:
            self._out_of(error)
            return self._log.size
        self._scheduler.topics.touch(f"log/{self.record.id}")
        return size

    def node(self, node: Node) -> None:
        with self._lock:
            if node.id not in self.flow.nodes and len(self.flow.nodes) >= NODES and node.kind == "step":
                return
            self.flow.nodes[node.id] = node
        if node.kind != "step":
            self._scheduler.topics.touch(f"build/{self.record.id}")
            if now() - self._saved >= SAVE_EVERY:
                self._saved = now()
                self.save_flow()

    def declared(self, declared: Declared) -> None:
        text = json.dumps(asdict(declared), default=str)
        self._scheduler.store.change_item(self.item.id, declared=text)
        self._scheduler.topics.touch("jobs")

    def described(self, name: str, value: Any) -> None:
        store, id = self._scheduler.store, self.record.id
        if name == "displayName":
            store.change_build(id, display_name=str(value or ""))
        elif name == "description":
            store.change_build(id, description=str(value or ""))
        elif name == "keepLog":
            store.change_build(id, keep=int(bool(value)))
        elif name == "result":
            self.result = value.name if isinstance(value, Result) else str(value)
            store.change_build(id, result=self.result)
        self._scheduler.topics.touch("jobs", f"build/{id}")

    @contextmanager
    def executor(self, label: str, stopped: Callable[[], bool]) -> Iterator[str]:
        told = False

        def waiting(seconds: float) -> None:
            nonlocal told
            self._check(stopped)
            if seconds > PATIENCE and not told:
                told = True
                self.say("Still waiting to schedule task\n" + self._scheduler.why_waiting(label))

        acquired = self._scheduler.agents.acquired(label, self.record.id, waiting, self._scheduler.clock)
        with self._counted("waiting"):
            name = acquired.__enter__()
        self._scheduler.topics.touch("executors")
        try:
            yield name
        finally:
            acquired.__exit__(None, None, None)
            self._scheduler.wake("executors")

    def credential(self, id: str) -> Credential | None:
        return self._scheduler.credential(self.item.path, id)

    def ask(self, question: Input, stopped: Callable[[], bool]) -> tuple[str, Mapping[str, Any]]:
        asked = Question(question, now())
        with self._counted("parked"), self._changed:
            self.questions[question.id] = asked
            self._scheduler.topics.touch(f"build/{self.record.id}", "jobs")
            try:
                while asked.answer is None and not asked.refused:
                    self._check(stopped)
                    self._changed.wait(TICK)
            finally:
                self.questions.pop(question.id, None)
                self._scheduler.topics.touch(f"build/{self.record.id}", "jobs")
        if asked.answer is None:
            raise Aborted(asked.refused)
        return asked.answer

    def build(self, job: str, parameters: Mapping[str, Any], wait: bool, stopped: Callable[[], bool]) -> Outcome:
        with self._counted("parked" if wait else None):
            return self._scheduler.build_from(self, job, parameters, wait, lambda: self._check(stopped))

    def lock(self, resource: str, stopped: Callable[[], bool]) -> AbstractContextManager[None]:
        return self._scheduler.locks.held(resource, lambda: self._check(stopped))

    def milestone(self, ordinal: int) -> None:
        self._scheduler.milestones.passed(self, ordinal)

    def tests(self, cases: Sequence[TestCase]) -> None:
        with self._lock:
            self._cases += [asdict(case) for case in cases]
            self._save("tests.json", self._cases)
            count = {status: sum(case["status"] == status for case in self._cases) for status in TEST_STATES}
        self._scheduler.store.change_build(
            self.record.id, passed=count["PASSED"], failed=count["FAILED"], skipped=count["SKIPPED"]
        )
        self._scheduler.topics.touch(f"build/{self.record.id}")

    def artifact(self, path: str) -> None:
        self._scheduler.topics.touch(f"build/{self.record.id}")

    def changes(self, commits: Sequence[Mapping[str, Any]], source: Source) -> None:
        with self._lock:
            self._changes += [dict(commit) for commit in commits]
            self._save("changes.json", self._changes)
        self._remember(source)

    def library(self, name: str, version: str) -> Path | None:
        return self._scheduler.library(name, version)

    def previous(self) -> Mapping[str, Any] | None:
        before = self._scheduler.store.find_build(self.item.id, f"number < {int(self.number)} AND building = 0")
        if before is None:
            return None
        return {
            "number": before.number,
            "result": before.result,
            "displayName": before.display_name or f"#{before.number}",
            "timestamp": before.started,
            "duration": before.duration,
        }

    # Inside

    def _run(self) -> Result:
        try:
            self.text = self._jenkinsfile()
        except GitError as error:
            self.say(f"ERROR: {error}")
            return Result.FAILURE
        (self.folder / "Jenkinsfile").write_text(self.text, encoding="utf-8", errors="surrogatepass")
        with self._lock:
            if self.stop_reason:
                self.say(self.stop_reason)
                return Result.ABORTED
        try:
            script = recipes.script(self.text, self.source.script_path)
        except recipes.BadRecipe as error:
            self.say(f"ERROR: {error}")
            return Result.FAILURE
        execution = self._scheduler.executor.begin(script, self)
        with self._lock:
            self._execution = execution
            stopped = self.stop_reason
        if stopped:
            execution.stop(stopped, False)
        return self._execution.run()

    def _jenkinsfile(self) -> str:
        replayed = self.folder / "replay"
        if replayed.exists():
            return replayed.read_text(encoding="utf-8")
        source = self.definition.source
        if not source.url or self.definition.script:
            return self.definition.script
        repositories = self._scheduler.repositories
        given = self.credential(source.credentials) if source.credentials else None
        head = repositories.resolve(source.url, source.branch, given)
        source = replace(source, script_path=repositories.recipe(source.url, head.commit, source.script_path))
        text = repositories.file(source.url, head.commit, source.script_path)
        if text is None:
            raise GitError(f"{source.script_path} not found in {source.url} at {head.branch} ({head.commit[:12]})")
        self.say(f"Obtained {source.script_path} from git {source.url}")
        # The pipeline clones from where the repository lies; the address of before is for people.
        reachable = repositories.reachable(source.url)
        self.source = Source(reachable, head.branch, head.commit, source.credentials, source.script_path)
        self._remember(self.source)
        return text

    def _remember(self, source: Source) -> None:
        name = self._scheduler.repositories.hosted_folder(source.url)
        url = self._scheduler.repository_url(name) if name else source.url
        known = dict(self._scheduler.store.build_by_id(self.record.id).source)  # type: ignore[union-attr]
        known.setdefault("url", url)
        known.setdefault("branch", source.branch)
        known.setdefault("commit", source.commit)
        self._scheduler.store.change_build(self.record.id, source=known)
        if self.definition.source.url:
            item = self._scheduler.store.item_by_id(self.item.id)
            if item and source.url == self.source.url:
                self._scheduler.store.change_item(item.id, state={**item.state, "built": source.commit})

    def _question(self, id: str) -> Question:
        for name, question in self.questions.items():
            if name.lower() == id.lower() and question.answer is None and not question.refused:
                return question
        raise LookupError(id)

    def _check(self, stopped: Callable[[], bool]) -> None:
        if self.stop_reason or stopped():
            raise Aborted(self.stop_reason or "The step was stopped")

    @contextmanager
    def _counted(self, what: str | None) -> Iterator[None]:
        if what is None:
            yield
            return
        self._count(what, 1)
        try:
            yield
        finally:
            self._count(what, -1)

    def _count(self, what: str, by: int) -> None:
        with self._lock:
            setattr(self, what, getattr(self, what) + by)
        self._scheduler.wake()

    def _save(self, name: str, value: Any) -> None:
        with self._lock:
            try:
                home.write_json(self.folder / name, value)
            except OSError as error:
                self._out_of(error)

    def _out_of(self, error: OSError) -> Result:
        """A full disk, or the like: the build ends, the server lives."""
        if not self._full:
            self._full = True
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                self._scheduler.home.drop_ballast()
                reason = "the disk is full"
            else:
                reason = str(error)
            self.stop_reason = f"The build was stopped: {reason}"
            self.say(f"\n{self.stop_reason}")
            if self._execution:
                threading.Thread(target=self._execution.stop, args=(self.stop_reason, False), daemon=True).start()
        return Result.FAILURE

    def _end_open_nodes(self, result: Result) -> None:
        for node in self.flow.nodes.values():
            if node.status in ("IN_PROGRESS", "PAUSED_PENDING_INPUT"):
                node.status, node.ended = result.name, now()
        self.save_flow()

    def _finish_log(self, result: Result) -> None:
        self.say(f"Finished: {result.name}")
        self._log.close()


TEST_STATES = ("PASSED", "FAILED", "SKIPPED")
