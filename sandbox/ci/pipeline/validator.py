"""Checks a declarative model as a whole before anything runs, with the rules and words of Jenkins."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from sandbox.ci.cron import Schedule
from sandbox.ci.model import Result
from sandbox.ci.pipeline import symbols, words
from sandbox.ci.pipeline.declarative import (
    Agent,
    Arguments,
    Axes,
    Axis,
    Branch,
    Call,
    Calls,
    Common,
    Condition,
    Environment,
    Matrix,
    Named,
    Pair,
    Pipeline,
    Positional,
    Post,
    Problem,
    Single,
    Stage,
    Stages,
    Step,
    Tools,
    Value,
    When,
)
from sandbox.ci.pipeline.signatures import ANY, Signature, accepts
from sandbox.ci.pipeline.tree import Place

IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def validate(pipeline: Pipeline) -> list[Problem]:
    """All problems of a parsed pipeline, in the order Jenkins finds them."""
    validator = Validator()
    validator.pipeline(pipeline)
    return validator.problems


def repeated(names: Iterable[str | None]) -> list[str]:
    """Names that occur more than once."""
    return [name for name, count in Counter(names).items() if count > 1 and name is not None]


class Validator:
    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def _error(self, place: Place, message: str, *values: object) -> bool:
        self.problems.append(Problem(place, message.format(*values) if values else message))
        return False

    def pipeline(self, pipeline: Pipeline) -> None:
        if pipeline.stages is None:
            self._error(pipeline.place, words.REQUIRED_SECTION, "stages")
        if pipeline.agent is None:
            self._error(pipeline.place, words.REQUIRED_SECTION, "agent")
        if pipeline.stages:
            self.stages(pipeline.stages, False)
        if pipeline.post:
            self.post(pipeline.post)
        if pipeline.environment:
            self.environment(pipeline.environment)
        if pipeline.agent:
            self.agent(pipeline.agent)
        if pipeline.tools:
            self.tools(pipeline.tools)
        if pipeline.options:
            self.options(pipeline.options)
        if pipeline.parameters:
            self.parameters(pipeline.parameters)
        if pipeline.triggers:
            self.triggers(pipeline.triggers)
        if pipeline.libraries and not pipeline.libraries.names:
            self._error(pipeline.libraries.place, words.EMPTY_SECTION, "libraries")

    def stages(self, stages: Stages, within_parallel: bool) -> None:
        if not stages.stages:
            self._error(stages.place, words.NO_STAGES)
        for name in repeated(stage.name for stage in stages.stages if stage.readable):
            self._error(stages.place, words.DUPLICATE_STAGE, name)
        for stage in stages.stages:
            self.stage(stage, within_parallel)

    def stage(self, stage: Stage, within_parallel: bool) -> None:
        if stage.readable:
            self._contents(stage, within_parallel)
        self._common(stage)
        if stage.stages:
            self.stages(stage.stages, within_parallel)
        for branch in stage.branches:
            self.branch(branch)
        if stage.parallel:
            self.stages(stage.parallel, True)
        if stage.matrix:
            self.matrix(stage.matrix)

    def _contents(self, stage: Stage, within_parallel: bool) -> None:
        contents = [
            bool(stage.branches),
            stage.parallel is not None,
            stage.matrix is not None,
            stage.stages is not None,
        ]
        nested = stage.matrix or stage.parallel
        if within_parallel and (nested or len(stage.branches) > 1):
            self._error((nested or stage.branches[0]).place, words.NO_NESTING)
        elif sum(contents) > 1:
            self._error(stage.place, words.ONLY_ONE_OF, stage.name)
        elif not any(contents):
            self._error(stage.place, words.NOTHING_FOR_STAGE, stage.name)
        elif nested:
            if stage.agent:
                self._error(stage.agent.place, words.AGENT_IN_NESTED, stage.name)
            if stage.tools:
                self._error(stage.tools.place, words.TOOLS_IN_NESTED, stage.name)
        else:
            for name in repeated(branch.name for branch in stage.branches):
                self._error(stage.place, words.DUPLICATE_BRANCH, name)

    def _common(self, owner: Common) -> None:
        if owner.agent:
            self.agent(owner.agent)
        if owner.when:
            self.when(owner.when)
        if owner.post:
            self.post(owner.post)
        if owner.tools:
            self.tools(owner.tools)
        if owner.environment:
            self.environment(owner.environment)
        if owner.options:
            self.options(owner.options)
        if owner.input:
            if "message" not in owner.input.fields:
                self._error(owner.input.place, words.NO_INPUT_MESSAGE)
            for parameter in owner.input.parameters:
                self.parameter(parameter)

    def matrix(self, matrix: Matrix) -> None:
        if matrix.axes is None:
            self._error(matrix.place, words.REQUIRED_SECTION, "axes")
        if matrix.stages is None:
            self._error(matrix.place, words.REQUIRED_SECTION, "stages")
        self._common(matrix)
        if matrix.axes:
            self.axes(matrix.axes)
        if matrix.excludes:
            if not matrix.excludes.excludes:
                self._error(matrix.excludes.place, words.NO_EXCLUDES)
            for exclude in matrix.excludes.excludes:
                self.axes(exclude)
        if matrix.stages:
            self.stages(matrix.stages, True)

    def axes(self, axes: Axes) -> None:
        if not axes.axes:
            self._error(axes.place, words.NO_AXES)
        for name in repeated(axis.name for axis in axes.axes):
            if name:
                place = next(axis.name_place for axis in axes.axes if axis.name == name)
                self._error(place or axes.place, words.DUPLICATE_AXIS, name)
        for axis in axes.axes:
            self.axis(axis)

    def axis(self, axis: Axis) -> None:
        if axis.name is None:
            self._error(axis.place, words.REQUIRED_SECTION, "name")
        elif not IDENTIFIER.match(axis.name):
            self._error(axis.name_place or axis.place, words.INVALID_IDENTIFIER, axis.name)
        if not axis.values:
            self._error(axis.place, words.REQUIRED_SECTION, "values")
        values = [value for value in axis.values if isinstance(value, Value)]
        for text in repeated(str(value.value) for value in values):
            place = next(value.place for value in values if str(value.value) == text)
            self._error(place, words.DUPLICATE_AXIS_VALUE, text)
        for item in axis.values:
            if not isinstance(item, Value):
                text = item.node.text if isinstance(item, Call) and item.node else item.place.key
                self._error(item.place, words.EXPECTED_STRING_BUT, text)
            elif not item.literal:
                self._error(item.place, words.EXPECTED_STRING_BUT, item.value)

    def environment(self, environment: Environment) -> None:
        if not environment.variables:
            self._error(environment.place, words.NO_VARIABLES)
        for name, (place, _) in environment.variables.items():
            if not IDENTIFIER.match(name):
                self._error(place, words.INVALID_IDENTIFIER, name)

    def tools(self, tools: Tools) -> None:
        if not tools.tools:
            self._error(tools.place, words.NO_TOOLS)
        for place, name, _ in tools.tools:
            if name not in symbols.TOOLS:
                self._error(place, words.INVALID_TYPE, "tool", name, words.listed(symbols.TOOLS))

    def agent(self, agent: Agent) -> None:
        if agent.type is None:
            self._error(agent.place, words.NO_AGENT_TYPE, words.listed(symbols.AGENTS))
            return
        if agent.type in symbols.AGENTS_WITHOUT_ARGUMENTS:
            return
        place = agent.type_place or agent.place
        model = symbols.AGENTS.get("label" if agent.type == "node" else agent.type)
        if model is None:
            self._error(place, words.INVALID_AGENT_TYPE, agent.type, words.listed(symbols.AGENTS))
        elif agent.options is not None:
            for parameter in model.required:
                if parameter.name not in agent.options:
                    self._error(place, words.MISSING_AGENT_PARAMETER, agent.type, parameter.name)
            names = [parameter.name for parameter in model.parameters]
            for key, (key_place, _) in agent.options.items():
                if key not in names:
                    self._error(key_place, words.INVALID_AGENT_PARAMETER, key, agent.type, words.listed(names))
            filename = agent.options.get("filename")
            if agent.type == "dockerfile" and filename and isinstance(filename[1], Value):
                value = filename[1]
                if value.literal and re.search(r"[/\\]", str(value.value)):
                    self._error(agent.place, words.DIRECTORY_IN_DOCKERFILE)

    def post(self, post: Post) -> None:
        if not post.conditions:
            self._error(post.place, words.EMPTY_SECTION, "post")
        for name in repeated(name for _, name, _ in post.conditions):
            self._error(post.place, words.DUPLICATE_CONDITION, name)
        for place, name, branch in post.conditions:
            if name not in symbols.CONDITIONS_AFTER:
                self._error(place, words.INVALID_CONDITION, name, words.listed(symbols.CONDITIONS_AFTER))
            self.branch(branch)

    def when(self, when: When) -> None:
        if not when.conditions:
            self._error(when.place, words.EMPTY_WHEN)
        for condition in when.conditions:
            self.condition(condition)

    def condition(self, condition: Condition) -> None:
        name = condition.name
        if name is None or condition.code is not None:
            return
        if name not in symbols.CONDITIONS:
            self._error(condition.place, words.UNKNOWN_WHEN, name, ", ".join(symbols.CONDITIONS))
            return
        count = symbols.CHILDREN.get(name, 0)
        children = condition.children or ()
        if count == 0:
            if children:
                self._error(condition.place, words.NO_NESTED_WHEN, name)
            else:
                self.described(condition.place, name, condition.args or Named({}), symbols.CONDITIONS[name])
                if name == "changelog":
                    self._changelog(condition)
        elif condition.args is not None:
            self._error(condition.place, words.NESTED_WHEN_NO_ARGUMENTS, name)
        elif count < 0 and not children:
            self._error(condition.place, words.NESTED_WHEN_WITHOUT_CHILDREN, name)
        elif count > 0 and len(children) != count:
            self._error(condition.place, words.NESTED_WHEN_COUNT, name, count)
        for child in children if count else ():
            self.condition(child)

    def _changelog(self, condition: Condition) -> None:
        pattern: Value | None = None
        if isinstance(condition.args, Single):
            pattern = condition.args.value
        elif isinstance(condition.args, Named) and "pattern" in condition.args.values:
            pattern = condition.args.values["pattern"][1]
        if pattern is None:
            self._error(condition.place, words.CHANGELOG_WITHOUT_PATTERN)
        elif pattern.literal:
            try:
                re.compile(str(pattern.value))
            except re.error as error:
                self._error(condition.place, words.CHANGELOG_PATTERN, pattern.value, error)

    def branch(self, branch: Branch) -> None:
        if not branch.steps:
            self._error(branch.place, words.NO_STEPS)
        for step in branch.steps:
            self.step(step)

    def step(self, step: Step) -> None:
        if step.name is None:
            return
        if step.code is None and step.name != "parallel":
            model = symbols.of_step(step.name)
            if model is not None and step.args is not None:
                self.described(step.place, step.name, step.args, model)
        if step.name in words.BLOCKED:
            self._error(step.place, words.BLOCKED_STEP, step.name, words.BLOCKED[step.name])
        for child in step.children or ():
            self.step(child)

    def described(self, place: Place, name: str, args: Arguments, model: Signature) -> bool:
        """Checks arguments against what a step or condition takes."""
        if isinstance(args, Positional):
            return self._error(place, words.UNNAMED_PARAMETERS, name)
        if isinstance(args, Single):
            if model.sole is None:
                return model.takes_body or self._error(place, words.NOT_SINGLE_PARAMETER)
            return self._typed(args.value, model.sole.type, None)
        valid = True
        for key, (key_place, value) in args.values.items():
            parameter = model.get(key)
            if parameter is None and model.sole is not None and model.sole.type == ANY and not model.takes_body:
                return True  # a map that is the sole argument itself
            if parameter is None:
                valid = self._unknown(key_place, key, model)
                continue
            alone = len(args.values) == 1 and model.sole is parameter and not model.takes_body
            valid = self._typed(value, parameter.type, None if alone else key) and valid
        if valid:
            for parameter in model.required:
                if parameter.name not in args.values:
                    valid = self._error(place, words.MISSING_PARAMETER, parameter.name)
        return valid

    def _unknown(self, place: Place, key: str, model: Signature) -> bool:
        nearest = symbols.nearest(key, (parameter.name for parameter in model.parameters))
        return self._error(place, words.INVALID_PARAMETER, key, nearest)

    def _typed(self, value: Value, type: str, key: str | None) -> bool:
        if key in ("buildResult", "stageResult") and value.literal and isinstance(value.value, str):
            known = value.value.upper() in Result.__members__
            return known or self._error(value.place, words.INVALID_RESULT, key, value.value)
        if not value.literal or accepts(type, value.value):
            return True
        shown = str(value.value).lower() if isinstance(value.value, bool) else value.value
        if key is not None:
            return self._error(value.place, words.PARAMETER_TYPE, type, key, shown, f"class {value.type}")
        return self._error(value.place, words.UNNAMED_PARAMETER_TYPE, type, shown, f"class {value.type}")

    def options(self, options: Calls) -> None:
        allowed = symbols.STAGE_OPTIONS if options.in_stage else symbols.OPTIONS
        if not options.calls:
            self._error(options.place, words.EMPTY_SECTION, "options")
        for name in repeated(call.name for call in options.calls):
            self._error(options.place, words.DUPLICATE_OPTION, name)
        for call in options.calls:
            if call.name in ("parameters", "pipelineTriggers") and not options.in_stage:
                triggers = call.name == "pipelineTriggers"
                self._error(call.place, words.NO_TRIGGERS_IN_OPTIONS if triggers else words.NO_PARAMETERS_IN_OPTIONS)
            elif call.name is not None and call.name not in allowed:
                self._error(call.place, words.INVALID_TYPE, "option", call.name, words.listed(allowed))
        for call in options.calls:
            if call.name is not None:
                self.call(call, symbols.JOB_OPTIONS)

    def parameters(self, parameters: Calls) -> None:
        if not parameters.calls:
            self._error(parameters.place, words.EMPTY_SECTION, "parameters")
        for parameter in parameters.calls:
            self.parameter(parameter)

    def parameter(self, call: Call) -> None:
        valid = self._kind(call, "parameter", symbols.PARAMETERS)
        named = [argument.key for argument in call.args if isinstance(argument, Pair)]
        if valid and named and "name" not in named:
            self._error(call.place, words.MISSING_PARAMETER, "name")

    def triggers(self, triggers: Calls) -> None:
        if not triggers.calls:
            self._error(triggers.place, words.EMPTY_SECTION, "triggers")
        for name in repeated(call.name for call in triggers.calls):
            self._error(triggers.place, words.DUPLICATE_TRIGGER, name)
        for call in triggers.calls:
            self._kind(call, "trigger", symbols.TRIGGERS)
            if call.name in ("cron", "pollSCM"):
                self._schedule(call)

    def _schedule(self, call: Call) -> None:
        """A schedule that cannot be read is told here; Jenkins tells it when the build sets the trigger."""
        specs = [a.value if isinstance(a, Pair) else a for a in call.args if not isinstance(a, Pair) or "spec" in a.key]
        for spec in specs:
            if isinstance(spec, Value) and spec.literal and isinstance(spec.value, str):
                try:
                    Schedule(spec.value, "")
                except ValueError as error:
                    self._error(spec.place, str(error))

    def _kind(self, call: Call, kind: str, known: Mapping[str, Signature]) -> bool:
        if call.name is None:
            return False
        if call.name not in known:
            return self._error(call.place, words.INVALID_TYPE, kind, call.name, words.listed(known))
        return self.call(call, known)

    def call(self, call: Call, kind: Mapping[str, Signature] | None = None) -> bool:
        """A method call in options, parameters, triggers, or as an argument there."""
        name = call.name or ""
        valid = self._call_arguments(call, symbols.of_call(name, kind))
        if name in words.BLOCKED_IN_CALLS:
            return self._error(call.place, words.BLOCKED_STEP, name, words.BLOCKED_IN_CALLS[name])
        return valid

    def _call_arguments(self, call: Call, model: Signature | None) -> bool:
        pairs = [argument for argument in call.args if isinstance(argument, Pair)]
        if model is None:
            return all([self.call(a) for a in self._calls_in(call.args)])
        if pairs and len(pairs) != len(call.args):
            return self._error(call.place, words.MIXED_PARAMETERS)
        if pairs:
            return all([self._pair(pair, model) for pair in pairs])
        if len(call.args) > 1:
            return self._error(call.place, words.UNNAMED_PARAMETERS, call.name)
        if len(model.required) != len(call.args):
            boolean = len(model.required) == 1 and model.required[0].type == "class java.lang.Boolean"
            optional = not model.required and bool(model.parameters) and len(call.args) == 1
            if (boolean and not call.args) or (optional and call.args):
                return True
            return self._error(call.place, words.WRONG_COUNT, call.name, len(model.required), len(call.args))
        for argument, parameter in zip(call.args, model.required, strict=True):
            if isinstance(argument, Call):
                return self.call(argument)
            if isinstance(argument, Value):
                return self._typed(argument, parameter.type, None)
        return True

    @staticmethod
    def _calls_in(args: Sequence[Value | Call | Pair]) -> list[Call]:
        values = [argument.value if isinstance(argument, Pair) else argument for argument in args]
        return [value for value in values if isinstance(value, Call)]

    def _pair(self, pair: Pair, model: Signature) -> bool:
        if model.name == "password" and pair.key == "defaultValue":
            return True
        parameter = model.get(pair.key)
        if parameter is None:
            return self._unknown(pair.place, pair.key, model)
        if isinstance(pair.value, Call):
            return self.call(pair.value)
        return pair.value is None or self._typed(pair.value, parameter.type, pair.key)
