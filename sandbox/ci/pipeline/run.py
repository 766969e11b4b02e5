"""Runs one Jenkinsfile to its end, in a place: the server's, or a folder."""

from __future__ import annotations

import itertools
import logging
import os
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sandbox.ci.groovy.values import Described, Opaque
from sandbox.ci.groovy.worker import Failure, GroovyWorker, Parsed, WorkerLost
from sandbox.ci.model import Aborted, Declared, Node, Place, Result
from sandbox.ci.pipeline import objects, symbols
from sandbox.ci.pipeline.binding import bind, warn_of_secrets
from sandbox.ci.pipeline.declarative import Pipeline, Problem
from sandbox.ci.pipeline.interpreter import Interpreter
from sandbox.ci.pipeline.line import Body, Line, Scope, interruption, result_of
from sandbox.ci.pipeline.lint import understand
from sandbox.ci.pipeline.log import Log
from sandbox.ci.pipeline.steps.registry import BODY, RegisteredStep, steps

log = logging.getLogger(__name__)
COMPILATION = "org.codehaus.groovy.control.MultipleCompilationErrorsException"
HIDDEN_VARIABLES = ("SANDBOX_", "JENKINS_NODE_COOKIE")


class Run:
    """A running build. `execute` blocks; `stop` may be called from any thread."""

    def __init__(self, worker: GroovyWorker, text: str, place: Place) -> None:
        self.worker = worker
        self.text = text
        self.place = place
        self.log = Log(place.write)
        self.groovy = worker.open()
        self.result: Result | None = None
        self.started = now()
        self.declared = Declared()
        self.variables: dict[str, str] = {}
        self.cookie = f"durable-{uuid.uuid4()}"
        self.stage_results: dict[str, Result] = {}
        self.display_name = f"#{place.number}"
        self.description = ""
        self.libraries: dict[str, Path] = {}
        self.objects: dict[str, Any] = {}
        self.script_globals: dict[str, Any] = {}
        self.changes: list[dict[str, Any]] = []
        self.checked_out: dict[str, str] = {}
        self._ids = itertools.count(2)
        self._models: dict[str, tuple[list[Pipeline], str]] = {}
        self._line: Line | None = None
        self._stops = 0
        self._stopped: Failure | None = None
        self._lock = threading.Lock()
        self._workspaces: set[Path] = set()

    def execute(self, framed: bool = True) -> Result:
        """Runs the script; everything that goes wrong in it ends in the log and the result, never here.

        `framed`: the log begins with the causes and ends with the result; a server writes these itself.
        Raises nothing but bugs of our own.
        """
        for cause in self.place.causes if framed else ():
            self.log.line(str(cause.get("shortDescription") or "Started"))
        try:
            failure = self._guarded()
        finally:
            self.groovy.close()
        if failure is not None:
            self.worsen(result_of(failure))
            self.tell(failure, self.log.line)
        result = self.result or Result.SUCCESS
        if framed:
            self.log.line(f"Finished: {result.name}")
        return result

    def _guarded(self) -> Failure | None:
        try:
            self._run()
        except Failure as failure:
            return failure
        except Aborted as aborted:
            return interruption(aborted.reason)
        except WorkerLost as lost:
            return interruption(f"Aborted: {lost}")
        except Exception:
            log.exception("a bug in the pipeline engine")
            return Failure("internal error", "java.lang.IllegalStateException", trace=traceback.format_exc())
        return None

    def _run(self) -> None:
        parsed = self.worker.parse(self.text)
        pipelines, problems = understand(parsed, self.text)
        if problems and (pipelines or not _only_resolution(parsed, problems)):
            raise compilation_failure(problems, self.text)
        self._models["WorkflowScript"] = (pipelines, self.text)
        with self._lock:
            if self._stopped is not None:
                raise self._stopped
            self._line = line = Line(self, Scope())
        for name in parsed.tree.get("libraries", ()):
            self.load_library(str(name))
        self.log.line("[Pipeline] Start of Pipeline")
        try:
            line.strand.script(self.text)
        finally:
            if self.worker.lost is None:
                self.log.line("[Pipeline] End of Pipeline")

    def stop(self, reason: str) -> None:
        """Interrupts what runs. Called again, it ends the build whatever it catches."""
        failure = interruption(reason)
        with self._lock:
            self._stops += 1
            stops, line = self._stops, self._line
            self._stopped = failure
        if line is None:
            return
        if stops > 1:
            self.groovy.kill()
        line.interrupt(failure)

    # What the lines of execution ask:

    def serve(self, line: Line, name: str, args: list[Any]) -> Any:
        """A step, or another question of Groovy's."""
        try:
            if name.startswith("$"):
                return self._answer(line, name, args)
            found = steps().get(name)
            if found is not None:
                return self._step(line, found, args)
            if name in symbols.SYMBOLS or name in symbols.SHARED_SYMBOLS:
                # `string(...)` and its like, for a step that takes them.
                return Described(name, self._symbol_arguments(name, args))
        except (Failure, WorkerLost):
            raise
        except Aborted as aborted:
            raise interruption(aborted.reason) from None
        except OSError as error:
            raise Failure(str(error), "java.io.IOException") from error
        except Exception as error:
            log.exception("a bug in step %s", name)
            raise Failure(f"{name}: {error}", "java.lang.IllegalStateException") from error
        known = ", ".join(sorted(steps()))
        others = ", ".join(sorted({*symbols.SYMBOLS, *symbols.SHARED_SYMBOLS}))
        raise Failure(
            f"No such DSL method '{name}' found among steps [{known}] or symbols [{others}] "
            f"or globals [currentBuild, docker, env, params, pipeline, scm]",
            "java.lang.NoSuchMethodError",
        )

    def _symbol_arguments(self, name: str, args: Sequence[Any]) -> dict[str, Any]:
        if len(args) == 1 and isinstance(args[0], dict):
            return args[0]
        signature = symbols.SYMBOLS.get(name)
        if args and signature is not None and signature.parameters:
            sole = signature.sole or signature.parameters[0]
            return {sole.name: args[0]}
        return {}

    def _answer(self, line: Line, name: str, args: list[Any]) -> Any:
        match name:
            case "$property":
                return objects.property(line, args[0])
            case "$get":
                return objects.get(line, args[0], args[1])
            case "$set":
                return objects.set(line, args[0], args[1], args[2])
            case "$call":
                return objects.call(line, args[0], args[1], args[2])
            case "$pipeline":
                return self._pipeline(line, args[0], args[1], args[2])
        raise Failure(f"unknown question {name}", "java.lang.IllegalStateException")

    def _pipeline(self, line: Line, source: str, key: str, pieces: Opaque) -> None:
        if source not in self._models:
            text = Path(source).read_text(encoding="utf-8")
            pipelines, problems = understand(self.worker.parse(text, source), text)
            if problems:
                raise compilation_failure(problems, text, source)
            self._models[source] = (pipelines, text)
        for pipeline in self._models[source][0]:
            if pipeline.place.key == key:
                Interpreter(line, pipeline, pieces.number).run()
                return
        raise Failure(
            "Only one pipeline { ... } block can be executed in a single run.", "java.lang.IllegalStateException"
        )

    def _step(self, line: Line, step: RegisteredStep, args: list[Any]) -> Any:
        if not step.quiet:
            line.log(f"[Pipeline] {step.name}")
        if line.strand.interpolated and line.scope.secrets:
            warn_of_secrets(line, step.name, args)
        arguments, closure = bind(step, args, line)
        is_block = step.signature.takes_body
        own = is_block or step.loose
        with self.node(line, "step", step.name, detail=_detail(arguments)) if not own else _nothing():
            try:
                if is_block:
                    arguments[BODY] = Body(line, closure) if closure else None
                return step.function(line, **step.keywords(arguments))
            finally:
                if closure and not step.quiet:
                    line.log(f"[Pipeline] // {step.name}")

    def block(self, line: Line, name: str, arguments: Mapping[str, Any], body: Callable[[], Any]) -> Any:
        """Runs a block step around a function of ours."""
        line.log(f"[Pipeline] {name}")
        try:
            return steps()[name].function(line, **arguments, body=Body(line, body))
        finally:
            line.log(f"[Pipeline] // {name}")

    @contextmanager
    def node(self, line: Line, kind: str, name: str, detail: str = "") -> Iterator[Node]:
        """Records a stage, branch or step from beginning to end; nodes made meanwhile are its children."""
        node = Node(str(next(self._ids)), line.scope.node, kind, clean(name), started=now(), detail=detail)
        start = self.log.offset
        if kind == "step":
            node.log = (start, start)
        self.place.node(node)
        status = Result.SUCCESS
        try:
            with line.within(node=node.id, **({"stage_node": node} if kind == "stage" else {})):
                yield node
        except Failure as failure:
            status = result_of(failure)
            node.error = self.log.masker.text(clean(failure.message or failure.type))
            raise
        finally:
            marked = self.stage_results.pop(node.id, Result.SUCCESS)
            if marked is not Result.SUCCESS and line.scope.stage_node is not None:
                line.warn(marked, node.detail)
            status = max(status, marked)
            node.ended = now()
            if node.status != "NOT_EXECUTED":
                node.status = status.name
            if kind == "step":
                node.log = (start, self.log.offset)
            self.place.node(node)

    def worsen(self, result: Result) -> None:
        """Makes the build's result worse, never better."""
        with self._lock:
            if self.result is not None and result <= self.result:
                return
            self.result = result
        self.place.described("result", result.name)

    def tell(self, failure: Failure, say: Any) -> None:
        """A failure as Jenkins logs it."""
        if failure.interrupted:
            for cause in failure.causes:
                say(cause)
        elif failure.type == COMPILATION:
            say(f"{failure.type}: {failure.message}")
        elif "hudson.AbortException" in failure.parents or failure.type == "hudson.AbortException":
            say(f"ERROR: {failure.message}")
        elif failure.trace:
            say(failure.trace.rstrip("\n"))
        else:
            say(f"{failure.type}: {failure.message}")

    def base_environment(self) -> dict[str, str]:
        """What every process of this build gets, before node, stage and `withEnv` add theirs."""
        place = self.place
        env = {name: value for name, value in os.environ.items() if not name.startswith(HIDDEN_VARIABLES)}
        env |= dict(place.environment)
        base = place.job.rsplit("/", 1)[-1]
        env |= {
            "CI": "true",
            "BUILD_NUMBER": str(place.number),
            "BUILD_ID": str(place.number),
            "BUILD_DISPLAY_NAME": self.display_name,
            "BUILD_TAG": f"jenkins-{place.job.replace('/', '-')}-{place.number}",
            "BUILD_URL": place.url,
            "RUN_DISPLAY_URL": f"{place.url}display/redirect",
            "JOB_NAME": place.job,
            "JOB_BASE_NAME": base,
            "JENKINS_SERVER_COOKIE": self.cookie,
        }
        if place.url:
            env["JOB_URL"] = place.url.rstrip("/").rsplit("/", 1)[0] + "/"
        if place.source.branch:
            env["BRANCH_NAME"] = place.source.branch
        env |= {name: objects.text(value) for name, value in self.parameters().items() if value is not None}
        return env | self.checked_out

    def parameters(self) -> dict[str, Any]:
        """The build's parameters: given, else what the pipeline declares as default."""
        given = dict(self.place.parameters)
        for parameter in self.declared.parameters:
            if parameter.name not in given:
                given[parameter.name] = parameter.default
            elif parameter.kind == "booleanParam":
                given[parameter.name] = objects.text(given[parameter.name]).lower() == "true"
        return given

    def declare(self, **changes: Any) -> None:
        """The pipeline said something about its job."""
        self.declared = Declared(**{**self.declared.__dict__, **changes})
        self.place.declared(self.declared)

    def load_library(self, identifier: str) -> None:
        """Makes a shared library's classes and variables available. Raises Failure if nobody knows it."""
        name, _, version = identifier.partition("@")
        if name in self.libraries:
            return
        self.log.line(f"Loading library {identifier}")
        folder = self.place.library(name, version)
        if folder is None:
            raise Failure(f"No library named {name} found")
        self.libraries[name] = folder
        self.groovy.library(str(folder))

    def take_workspace(self, base: Path) -> Path:
        """A workspace that no other line of this build uses now: `base`, or `base@2` and so on."""
        with self._lock:
            for suffix in itertools.chain([""], (f"@{number}" for number in itertools.count(2))):
                folder = base.with_name(base.name + suffix)
                if folder not in self._workspaces:
                    self._workspaces.add(folder)
                    return folder
        raise AssertionError

    def release_workspace(self, folder: Path) -> None:
        with self._lock:
            self._workspaces.discard(folder)


def execute(worker: GroovyWorker, text: str, place: Place) -> Result:
    """Runs a Jenkinsfile to its end; blocking. See `Run` to stop it meanwhile."""
    return Run(worker, text, place).execute()


def clean(text: str) -> str:
    """Without halves of characters, which Groovy may have and UTF-8 has not."""
    return text.encode(errors="replace").decode()


def _detail(arguments: Mapping[str, Any]) -> str:
    for name in ("label", "script", "message", "name", "path", "file"):
        if isinstance(arguments.get(name), str):
            return clean(arguments[name][:200])
    return ""


@contextmanager
def _nothing() -> Iterator[None]:
    yield


def _only_resolution(parsed: Parsed, problems: Sequence[Problem]) -> bool:
    """A scripted file whose only problems are names that the real compilation will find, or tell about."""
    return bool(parsed.tree) and all("unable to resolve class" in problem.message for problem in problems)


def compilation_failure(problems: Sequence[Problem], text: str, source: str = "WorkflowScript") -> Failure:
    """All problems in the form of Groovy's compiler."""
    lines = text.split("\n")
    told = ["startup failed:"]
    for problem in problems:
        line, column = problem.place.line, problem.place.column
        told.append(f"{source}: {line}: {problem.message} @ line {line}, column {column}.")
        if line <= len(lines):
            told += [f"   {lines[line - 1].rstrip()}", " " * (column + 2) + "^", ""]
    count = len(problems)
    told.append(f"{count} error{'s' if count > 1 else ''}\n")
    return Failure("\n".join(told), COMPILATION)


def now() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000
