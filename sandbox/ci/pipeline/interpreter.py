"""Executes a declarative pipeline: Python walks the model, Groovy evaluates its pieces when their turn comes."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sandbox.ci.groovy.values import Closure, Described, Opaque
from sandbox.ci.groovy.worker import Failure
from sandbox.ci.model import Result
from sandbox.ci.pipeline import conditions, properties, symbols, words
from sandbox.ci.pipeline.binding import bind
from sandbox.ci.pipeline.declarative import (
    Agent,
    Axes,
    Axis,
    Call,
    Calls,
    Common,
    Environment,
    InputOf,
    Libraries,
    Matrix,
    Named,
    Pair,
    Pipeline,
    Post,
    Single,
    Stage,
    Stages,
    Tools,
    Value,
)
from sandbox.ci.pipeline.line import MISSING_CONTEXT, Line, braces
from sandbox.ci.pipeline.objects import text
from sandbox.ci.pipeline.steps import agents, containers, flow, scm
from sandbox.ci.pipeline.steps.registry import steps


@dataclass(frozen=True)
class Skip:
    """Why a stage and what is in it do not run: one of words.SKIPPED_*."""

    sentence: str


class Interpreter:
    """Runs one `pipeline { }` on a line. `pieces` is what Groovy holds its closures under."""

    def __init__(self, line: Line, pipeline: Pipeline, pieces: int) -> None:
        self.line = line
        self.pipeline = pipeline
        self.pieces = pieces
        self.options: dict[str, Call] = {call.name: call for call in _calls(pipeline.options) if call.name}

    def run(self) -> None:
        """Raises Failure, after post actions had their turn. What fails counts in the build's result at the end."""
        pipeline, line = self.pipeline, self.line
        posted = False
        first: Failure | None = None

        def stages() -> None:
            nonlocal first, posted
            assert pipeline.stages is not None
            first = self.stages(line, pipeline.stages, None)
            posted = True
            first = self.post_build(line, first)
            if first:
                raise first

        def inside() -> None:
            with self.environment(line, pipeline.environment):
                self.wrapped(line, pipeline.options, lambda: self.tools(line, pipeline.tools, stages))

        try:
            self.libraries(pipeline.libraries)
            properties.declare(line, self)
            self.on_agent(line, pipeline.agent, pipeline, inside)
        except Failure as failure:
            first = first or failure
        if not posted:
            first = self.post_build(line, first)
        if first:
            raise first

    # Values

    def value(self, line: Line, value: Value | Call | None) -> Any:
        """What an expression is worth now."""
        if value is None:
            return None
        if isinstance(value, Value) and value.literal:
            return value.value
        place = value.place if isinstance(value, Value) else value.node.place if value.node else value.place
        return line.call(Closure(self.pieces, place.key))

    def arguments(self, line: Line, call: Call) -> list[Any]:
        """A call's arguments as a step gets them: positional, or one map of named ones."""
        named = {a.key: self.value(line, a.value) for a in call.args if isinstance(a, Pair)}
        values = [self.value(line, a) for a in call.args if not isinstance(a, Pair)]
        return [named, *values] if named else values

    def condition_arguments(self, line: Line, name: str, args: Any) -> dict[str, Any]:
        """A `when` condition's arguments by name."""
        if isinstance(args, Single):
            sole = symbols.CONDITIONS[name].sole or symbols.CONDITIONS[name].parameters[0]
            return {sole.name: self.value(line, args.value)}
        return {k: self.value(line, v) for k, (_, v) in args.values.items()} if isinstance(args, Named) else {}

    # Blocks

    def libraries(self, libraries: Libraries | None) -> None:
        for name in libraries.names if libraries else ():
            self.line.log("[Pipeline] library")
            self.line.run.load_library(text(self.value(self.line, name)))

    def on_agent(self, line: Line, agent: Agent | None, owner: Common, body: Callable[[], Any]) -> None:
        """Runs on an agent of the owner's own, if it has one."""
        if agent is None and "newContainerPerStage" in self.options and _is_docker(self.pipeline.agent):
            agent = self.pipeline.agent
        if agent is None or agent.type == "none":
            body()
            return
        given = {key: self._agent_value(line, value) for key, (_, value) in (agent.options or {}).items()}
        if agent.argument is not None and agent.type != "any":
            sole = symbols.AGENTS["label" if agent.type == "node" else str(agent.type)].sole
            given[sole.name if sole else "filename"] = self.value(line, agent.argument)
        docker = _is_docker(agent)
        if docker and given.get("reuseNode") and line.scope.workspace is not None:
            containers.agent(line, str(agent.type), given, body)
            return
        label = text(given.get("label") or "")

        def on_node() -> None:
            with self.checked_out(line, owner):
                if docker:
                    containers.agent(line, str(agent.type), given, body)
                else:
                    body()

        line.log("[Pipeline] node")
        try:
            agents.run_on_node(line, label, given.get("customWorkspace"), lambda: _braced(line, on_node))
        finally:
            line.log("[Pipeline] // node")

    def _agent_value(self, line: Line, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._agent_value(line, item) for key, (_, item) in value.items()}
        return self.value(line, value)

    @contextmanager
    def checked_out(self, line: Line, owner: Common) -> Iterator[None]:
        """The default checkout of a new workspace."""
        calls = {c.name: c for c in _calls(owner.options)}
        skip = calls.get("skipDefaultCheckout") or self.options.get("skipDefaultCheckout")
        skipped = skip is not None and (not skip.args or bool(self.arguments(line, skip)[0]))
        if skipped or not line.run.place.source.url:
            yield
            return
        subdirectory = self.options.get("checkoutToSubdirectory")
        folder = text(self.arguments(line, subdirectory)[0]) if subdirectory else ""

        def checkout() -> dict[str, str]:
            line.log("[Pipeline] checkout")
            return scm.checkout_default(line, folder)

        title = "Declarative: Checkout SCM"
        variables = checkout() if line.scope.stage else self.in_stage(line, title, checkout)
        line.run.checked_out |= variables
        with self._env_block(line, variables):
            yield

    @contextmanager
    def _env_block(self, line: Line, variables: Mapping[str, str]) -> Iterator[None]:
        line.log("[Pipeline] withEnv")
        try:
            with line.with_env(variables), braces(line):
                yield
        finally:
            line.log("[Pipeline] // withEnv")

    @contextmanager
    def environment(self, line: Line, environment: Environment | None) -> Iterator[None]:
        """Credentials are bound first, so that other variables may refer to them; those may refer to each other."""
        if environment is None:
            yield
            return
        variables = environment.variables
        bindings = []
        for name, (_, value) in variables.items():
            if isinstance(value, Call) and value.name == "credentials":
                id = value.args[0] if value.args else None
                bindings.append((name, text(self.value(line, id if isinstance(id, Value) else None))))
        plain = {n: v for n, (_, v) in variables.items() if not (isinstance(v, Call) and v.name == "credentials")}
        from sandbox.ci.pipeline.steps import credentials

        with credentials.environment(line, bindings) if bindings else _nothing():
            if not plain:
                yield
                return
            with self._env_block(line, self._evaluated(line, plain)):
                yield

    def _evaluated(self, line: Line, variables: Mapping[str, Value | Call | None]) -> dict[str, str]:
        known: dict[str, str] = {}
        evaluating: list[str] = []

        def lookup(name: str) -> str | None:
            if name not in variables or name in evaluating:
                return None
            if name not in known:
                evaluating.append(name)
                known[name] = text(self.value(line, variables[name]))
                evaluating.pop()
            return known[name]

        with line.within(lazy=(*line.scope.lazy, lookup)):
            return {name: text(lookup(name)) for name in variables}

    def wrapped(self, line: Line, options: Calls | None, body: Callable[[], Any]) -> None:
        """Inside the options that are block steps, such as timeout and retry."""
        remaining = [call for call in _calls(options) if call.name in symbols.WRAPPERS]

        def nest(index: int) -> Any:
            if index == len(remaining):
                return body()
            call = remaining[index]
            name = str(call.name)
            args = self.arguments(line, call)
            arguments, _ = bind(steps()[name], [*args, Closure(0)], line)
            return line.block(name, arguments, lambda: nest(index + 1))

        nest(0)

    def tools(self, line: Line, tools: Tools | None, body: Callable[[], Any]) -> None:
        """Tools are expected on the agent's PATH; they are named in the log. Without an agent there are none."""
        if tools is None or line.scope.workspace is None:
            body()
            return

        def install() -> None:
            for _, name, value in tools.tools:
                version = text(self.value(line, value))
                line.log("[Pipeline] tool")
                line.log(f"{name} {version}: what the agent has on its PATH is used")
                line.log("[Pipeline] envVarsForTool")

        if line.scope.stage:
            install()
        else:
            self.in_stage(line, "Declarative: Tool Install", install)
        with self._env_block(line, {}):
            body()

    def in_stage(self, line: Line, name: str, body: Callable[[], Any]) -> Any:
        line.log("[Pipeline] stage")
        try:
            return flow.in_stage(line, name, body)
        finally:
            line.log("[Pipeline] // stage")

    # Stages

    def stages(self, line: Line, stages: Stages, skip: Skip | None) -> Failure | None:
        """One after the other; the first failure, which makes the later ones be skipped."""
        first: Failure | None = None
        for stage in stages.stages:
            try:
                self.stage(line, stage, first, skip)
            except Failure as failure:
                first = first or failure
        return first

    def stage(self, line: Line, stage: Stage, failed: Failure | None, skip: Skip | None) -> None:
        """One stage, skipped or run. Raises Failure."""
        if skip is None and failed is not None:
            skip = Skip(words.SKIPPED_FAILURE)
        if skip is None and line.run.result is Result.UNSTABLE and "skipStagesAfterUnstable" in self.options:
            skip = Skip(words.SKIPPED_UNSTABLE)
        chosen = skip

        def content() -> None:
            if chosen is not None:
                self.skip(line, stage, chosen)
            elif stage.matrix is not None and stage.matrix.stages is not None:
                self.branching(line, stage, lambda: self.matrix(line, stage, stage.matrix))
            elif stage.parallel is not None:
                self.branching(line, stage, lambda: self.parallel(line, stage, None))
            else:
                self.staged(line, stage, lambda: self.content(line, stage))

        self.in_stage(line, stage.name, content)

    def skip(self, line: Line, stage: Common, skip: Skip, name: str = "") -> None:
        """Tells that a stage, and every stage in it, is skipped."""
        line.log(skip.sentence.format(stage.name if isinstance(stage, Stage) else name))
        if line.scope.stage_node is not None:
            line.scope.stage_node.status = "NOT_EXECUTED"
        if isinstance(stage, Stage) and stage.parallel is not None:
            self.parallel(line, stage, skip)
        elif isinstance(stage, Stage) and stage.matrix is not None:
            self.matrix(line, stage, stage.matrix, skip)
        elif stage.stages is not None:
            self.stages(line, stage.stages, skip)

    def branching(self, line: Line, stage: Stage, body: Callable[[], None]) -> None:
        """A stage of branches: its post actions come when everything around the branches is left."""
        failure: Failure | None = None
        skipped = False
        try:
            skipped = self.around(line, stage, body)
        except Failure as error:
            failure = error
        if not skipped:
            failure = self.post(line, stage, failure)
        if failure:
            raise failure

    def staged(self, line: Line, stage: Common, body: Callable[[], Failure | None], name: str = "") -> None:
        """A stage of steps or stages: its post actions run inside its agent and environment, each time it is tried."""

        def tried() -> None:
            try:
                failure = body()
            except Failure as error:
                failure = error
            failure = self.post(line, stage, failure)
            if failure:
                raise failure

        self.around(line, stage, tried, name)

    def around(self, line: Line, stage: Common, body: Callable[[], None], name: str = "") -> bool:
        """What surrounds a stage's content: options, input, agent, when, environment, tools. Whether it was skipped."""
        skipped = False
        when = stage.when
        before = when.before if when else {}

        def passes(moment: str | None) -> bool:
            """Evaluates `when` at its moment: once, before options, input or agent, or inside the agent."""
            nonlocal skipped
            due = next((key for key in ("beforeOptions", "beforeInput", "beforeAgent") if before.get(key)), None)
            if when is None or due != moment:
                return True
            skipped = not all([conditions.holds(self, line, c) for c in when.conditions])
            return not skipped

        def in_environment() -> None:
            if passes(None):
                with self.environment(line, stage.environment):
                    self.tools(line, stage.tools, body)

        def in_options() -> None:
            if not passes("beforeInput"):
                return
            with self.asked(line, stage.input):
                if passes("beforeAgent"):
                    self.on_agent(line, stage.agent, stage, in_environment)

        if passes("beforeOptions"):
            self.wrapped(line, stage.options, in_options)
        if skipped:
            self.skip(line, stage, Skip(words.SKIPPED_WHEN), name)
        return skipped

    def content(self, line: Line, stage: Stage) -> Failure | None:
        """A stage's steps, or its stages."""
        if stage.stages is not None:
            return self.stages(line, stage.stages, None)
        self.steps(line, stage.steps_key, stage.agent or self.pipeline.agent)
        return None

    def steps(self, line: Line, key: str, agent: Agent | None) -> None:
        try:
            line.call(Closure(self.pieces, key))
        except Failure as failure:
            if failure.type == MISSING_CONTEXT and (agent is None or agent.type == "none"):
                raise Failure(words.NO_NODE.format()) from failure
            raise

    def parallel(self, line: Line, stage: Stage, skip: Skip | None) -> None:
        assert stage.parallel is not None
        fail_fast = bool(stage.fail_fast) or "parallelsAlwaysFailFast" in self.options

        def runner(branch: Stage) -> Callable[[Line], None]:
            return lambda own: self.stage(own, branch, None, skip)

        branches = {branch.name: runner(branch) for branch in stage.parallel.stages}
        self.beside(line, branches, fail_fast)

    def beside(self, line: Line, branches: Mapping[str, Callable[[Line], Any]], fail_fast: bool) -> None:
        line.log("[Pipeline] parallel")
        try:
            flow.beside_each_other(line, branches, fail_fast)
        finally:
            line.log("[Pipeline] // parallel")

    def matrix(self, line: Line, stage: Stage, matrix: Matrix | None, skip: Skip | None = None) -> None:
        """One branch for each cell that is not excluded."""
        assert matrix is not None and matrix.stages is not None
        fail_fast = bool(stage.fail_fast) or "parallelsAlwaysFailFast" in self.options

        def runner(name: str, cell: Mapping[str, str]) -> Callable[[Line], None]:
            def run(own: Line) -> None:
                def body() -> None:
                    assert matrix is not None and matrix.stages is not None
                    stages = matrix.stages
                    with self._env_block(own, cell):
                        if skip is not None:
                            self.skip(own, matrix, skip, name)
                        else:
                            self.staged(own, matrix, lambda: self.stages(own, stages, None), name)

                self.in_stage(own, name, body)

            return run

        branches = {}
        for cell in cells(matrix):
            name = "Matrix - " + ", ".join(f"{axis} = '{value}'" for axis, value in cell.items())
            branches[name] = runner(name, cell)
        if branches:
            self.beside(line, branches, fail_fast)

    @contextmanager
    def asked(self, line: Line, asked: InputOf | None) -> Iterator[None]:
        """The `input` directive; its answers are environment variables inside."""
        if asked is None:
            yield
            return
        from sandbox.ci.pipeline.steps import others

        fields = {name: self.value(line, value) for name, value in asked.fields.items()}
        parameters = [Described(str(c.name), _named(self, line, c)) for c in asked.parameters]
        line.log("[Pipeline] input")
        answer = others.input(line, **fields, parameters=parameters)
        if not isinstance(answer, dict):
            names = [p.arguments.get("name") for p in parameters] or [fields.get("submitterParameter")]
            answer = {text(names[0]): answer} if names[0] and answer is not None else {}
        if not answer:
            yield
            return
        with self._env_block(line, {name: text(value) for name, value in answer.items()}):
            yield

    # Post

    def post(self, line: Line, stage: Common, failure: Failure | None) -> Failure | None:
        """A stage's post actions; the first failure."""
        post = stage.post
        if post is None or not any(conditions.met(name, line, failure, True) for name, _ in _ordered(post)):
            return failure
        line.log("Post stage")
        trouble = self.actions(line, post, stage.agent, failure, in_stage=True)
        return failure or trouble

    def post_build(self, line: Line, failure: Failure | None) -> Failure | None:
        """The pipeline's post actions, in a stage of their own; the first failure."""
        post = self.pipeline.post
        if post is None or not any(conditions.met(name, line, failure, False) for name, _ in _ordered(post)):
            return failure

        def actions() -> None:
            trouble = self.actions(line, post, None, failure, in_stage=False)
            if trouble:
                raise trouble

        try:
            self.in_stage(line, "Declarative: Post Actions", actions)
        except Failure as trouble:
            return failure or trouble
        return failure

    def actions(
        self, line: Line, post: Post, agent: Agent | None, failure: Failure | None, in_stage: bool
    ) -> Failure | None:
        """Runs the post actions that are due, in Jenkins' order; the first failure among them."""
        trouble: Failure | None = None
        for name, key in _ordered(post):
            if not conditions.met(name, line, failure or trouble, in_stage):
                continue
            try:
                with line.within(outcome=conditions.outcome(line, failure or trouble, in_stage)):
                    self.steps(line, key, agent or self.pipeline.agent)
            except Failure as error:
                line.log(f"Error when executing {name} post condition:")
                line.run.tell(error, line.log)
                trouble = trouble or error
        return trouble


def _ordered(post: Post) -> list[tuple[str, str]]:
    found = {name: branch.key for _, name, branch in post.conditions}
    return [(name, found[name]) for name in symbols.CONDITIONS_AFTER if name in found]


def _named(interpreter: Interpreter, line: Line, call: Call) -> dict[str, Any]:
    args = interpreter.arguments(line, call)
    return args[0] if args and isinstance(args[0], dict) else {"name": args[0]} if args else {}


def _calls(calls: Calls | None) -> Sequence[Call]:
    return calls.calls if calls else ()


def _is_docker(agent: Agent | None) -> bool:
    return agent is not None and agent.type in ("docker", "dockerfile")


def _braced(line: Line, body: Callable[[], Any]) -> None:
    with braces(line):
        body()


@contextmanager
def _nothing() -> Iterator[None]:
    yield


def cells(matrix: Matrix) -> list[dict[str, str]]:
    """All combinations of the axes, the last axis slowest, without the excluded ones."""
    assert matrix.axes is not None
    axes = [(str(axis.name), _values(axis)) for axis in matrix.axes.axes]
    found = []
    for combination in itertools.product(*(values for _, values in reversed(axes))):
        found.append(dict(zip((name for name, _ in axes), reversed(combination), strict=True)))
    excludes = matrix.excludes.excludes if matrix.excludes else []
    return [cell for cell in found if not any(_excluded(cell, exclude) for exclude in excludes)]


def _values(axis: Axis) -> list[str]:
    return [text(value.value) for value in axis.values if isinstance(value, Value)]


def _excluded(cell: Mapping[str, str], exclude: Axes) -> bool:
    return all((cell.get(str(axis.name)) in _values(axis)) != axis.inverse for axis in exclude.axes)


__all__ = ["Interpreter", "Opaque"]
