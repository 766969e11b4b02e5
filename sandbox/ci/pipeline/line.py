"""A line of execution of a running pipeline, and what surrounds the step it is at."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.ci.groovy.values import Closure
from sandbox.ci.groovy.worker import INTERRUPTED, Failure, Strand
from sandbox.ci.model import Aborted, Node, Result

if TYPE_CHECKING:
    from sandbox.ci.pipeline.run import Run

MISSING_CONTEXT = "org.jenkinsci.plugins.workflow.steps.MissingContextVariableException"
NEEDS_NODE = (
    "Required context class hudson.FilePath is missing\n"
    "Perhaps you forgot to surround the step with a step that provides this, such as: node"
)
REFERENCE = re.compile(r"\$(?:([A-Za-z0-9_]+)|\{([A-Za-z0-9_.]+)\}|(\$))")


@dataclass(frozen=True)
class Scope:
    """What the blocks around a step say.

    `lazy` are variables that are evaluated when asked for; `outcome` is what post actions come after; `secrets` are
    the variables that hold one.
    """

    env: Mapping[str, str] = field(default_factory=dict)
    lazy: Sequence[Callable[[str], str | None]] = ()
    workspace: Path | None = None
    folder: Path | None = None
    agent: str = ""
    label: str = ""
    cookie: str = ""
    stage: str = ""
    node: str = ""
    stage_node: Node | None = None
    timestamps: bool = False
    container: str = ""
    outcome: Result | None = None
    secrets: Sequence[str] = ()


class Line:
    """Runs on one thread; `strand` is its other half in Groovy."""

    def __init__(self, run: Run, scope: Scope) -> None:
        self.run = run
        self.scope = scope
        self.strand: Strand = run.groovy.strand(self.serve)
        self.children: list[Line] = []
        self._lock = threading.Lock()

    def serve(self, name: str, args: list[Any]) -> Any:
        return self.run.serve(self, name, args)

    # What steps use:

    def log(self, text: str) -> None:
        """A line in the build's log."""
        self.run.log.line(text, self.scope.timestamps)

    @contextmanager
    def within(self, **changes: Any) -> Iterator[None]:
        """Another scope for a while."""
        before = self.scope
        self.scope = replace(before, **changes)
        try:
            yield
        finally:
            self.scope = before

    @contextmanager
    def with_env(self, variables: Mapping[str, str]) -> Iterator[None]:
        """More environment variables; values may refer to others, `PATH+ANY` puts in front."""
        with self.within(env=self.overlaid(variables)):
            yield

    def overlaid(self, variables: Mapping[str, str]) -> dict[str, str]:
        """The scope's variables with others laid over them."""
        overrides = dict(self.scope.env)
        known = self.environment()
        for name, value in variables.items():
            value = expand(value, known)
            if "+" in name:
                name = name.split("+")[0]
                value = f"{value}:{known[name]}" if known.get(name) else value
            overrides[name] = known[name] = value
        return overrides

    def environment(self) -> dict[str, str]:
        """All environment variables a process started here gets."""
        env = self.run.base_environment()
        scope = self.scope
        if scope.workspace is not None:
            env |= {"WORKSPACE": str(scope.workspace), "WORKSPACE_TMP": f"{scope.workspace}@tmp"}
            env |= {"NODE_NAME": scope.agent, "NODE_LABELS": scope.label or scope.agent, "EXECUTOR_NUMBER": "0"}
        if scope.stage:
            env["STAGE_NAME"] = scope.stage
        env |= self.run.variables
        env |= scope.env
        # An empty value takes a variable away, as Jenkins' EnvVars do.
        return {
            name: value if value.isascii() else value.encode(errors="replace").decode()
            for name, value in env.items()
            if (value or name not in scope.env) and _can_be_exported(name, value)
        }

    def variable(self, name: str) -> str | None:
        """One environment variable as the pipeline sees it."""
        for lazy in reversed(self.scope.lazy):
            value = lazy(name)
            if value is not None:
                return value
        return self.environment().get(name)

    @property
    def folder(self) -> Path:
        """The current folder. Raises Failure outside a node."""
        if self.scope.folder is None:
            raise Failure(NEEDS_NODE, MISSING_CONTEXT)
        return self.scope.folder

    @property
    def workspace(self) -> Path:
        if self.scope.workspace is None:
            raise Failure(NEEDS_NODE, MISSING_CONTEXT)
        return self.scope.workspace

    def path(self, name: str) -> Path:
        """A path relative to the current folder."""
        return self.folder / name

    def call(self, body: Closure, *arguments: Any) -> Any:
        return self.strand.call(body, arguments)

    def block(self, step: str, arguments: Mapping[str, Any], body: Callable[[], Any]) -> Any:
        """Runs a block step around something of ours, as if the Jenkinsfile had said so."""
        return self.run.block(self, step, arguments, body)

    def stopped(self) -> bool:
        """Whether what runs here should end."""
        return self.strand.stopped

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Around a call to the place that waits: its Aborted becomes what interrupted us."""
        try:
            yield
        except Aborted as aborted:
            self.strand.check()
            raise interruption(aborted.reason) from None
        self.strand.check()

    def interrupt(self, failure: Failure) -> None:
        """Interrupts what runs on this line: its branches if it has any, else itself."""
        with self._lock:
            children = list(self.children)
        if children:
            for child in children:
                child.interrupt(failure)
        else:
            self.strand.interrupt(failure)

    @contextmanager
    def branched(self, lines: Sequence[Line]) -> Iterator[None]:
        """While `lines` run beside each other and this one waits for them."""
        with self._lock:
            self.children = list(lines)
        try:
            yield
        finally:
            with self._lock:
                self.children = []

    @property
    def result(self) -> Result | None:
        """The build's result as the pipeline sees it here; None while nothing was said of it."""
        return max((found for found in (self.run.result, self.scope.outcome) if found is not None), default=None)

    def worsen(self, result: Result) -> None:
        """Makes the build's result worse, never better."""
        self.run.worsen(result)

    def warn(self, result: Result, message: str) -> None:
        """Marks the stage around us."""
        stage = self.scope.stage_node
        if stage is not None:
            current = Result[stage.status] if stage.status in Result.__members__ else Result.SUCCESS
            if result > current or stage.status not in Result.__members__:
                self.run.stage_results[stage.id] = max(result, self.run.stage_results.get(stage.id, Result.SUCCESS))
                stage.detail = stage.detail or message


class Body:
    """The block that a step was given."""

    def __init__(self, line: Line, block: Closure | Callable[..., Any]) -> None:
        self.line = line
        self.block = block

    def __call__(self, *arguments: Any, label: str = "") -> Any:
        """Runs the block, with the usual marks in the log."""
        with braces(self.line, label):
            return self.on(self.line, *arguments)

    def on(self, line: Line, *arguments: Any) -> Any:
        """Runs the block on some line, without marks."""
        return self.block(*arguments) if callable(self.block) else line.call(self.block, *arguments)


@contextmanager
def braces(line: Line, label: str = "") -> Iterator[None]:
    """`[Pipeline] {` and `[Pipeline] }` around a block."""
    line.log(f"[Pipeline] {{{f' ({label})' if label else ''}")
    try:
        yield
    finally:
        line.log("[Pipeline] }")


def expand(value: str, known: Mapping[str, str]) -> str:
    """$NAME and ${NAME} of known variables replaced; unknown ones stay."""

    def replaced(match: re.Match[str]) -> str:
        if match[3]:
            return "$"
        return known.get(match[1] or match[2], match[0])

    return REFERENCE.sub(replaced, value) if "$" in value else value


def interruption(reason: str, result: Result = Result.ABORTED) -> Failure:
    """The exception of something that was stopped."""
    return Failure(reason, INTERRUPTED, result=result.name, causes=[reason])


def result_of(failure: Failure) -> Result:
    """What a failure does to the build."""
    return Result[failure.result] if failure.interrupted else Result.FAILURE


def _can_be_exported(name: str, value: str) -> bool:
    """Parameters may have names and values that no program can be given."""
    return bool(name) and "=" not in name and "\0" not in name and "\0" not in value
