"""From syntax tree to declarative model. What does not fit is told in the words of Jenkins' parser."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sandbox.ci.pipeline import words
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
    Excludes,
    InputOf,
    Libraries,
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
from sandbox.ci.pipeline.symbols import AGENTS_WITHOUT_ARGUMENTS, CONDITIONS_AFTER, sole_parameter
from sandbox.ci.pipeline.tree import Node, Place, Source

LARGEST = 2**63
BEFORE = ("beforeAgent", "beforeInput", "beforeOptions")


class Parser:
    """Reads one script. `problems` grows as it goes."""

    def __init__(self, tree: Mapping[str, Any], text: str) -> None:
        self.source = Source(text)
        self.problems: list[Problem] = []
        self.tree = tree

    def parse(self) -> list[Pipeline]:
        """The script's pipelines: one, or none for a scripted Jenkinsfile; a library's `call` may hold several."""
        for raw in self.tree.get("nested", ()):
            self._error(Place(raw["l"], raw["c"]), words.PIPELINE_NOT_AT_TOP)
        found = [self._pipeline(Node(raw, self.source)) for raw in self.tree.get("pipelines", ())]
        return [pipeline for pipeline in found if pipeline]

    def _error(self, place: Place, message: str, *values: object) -> None:
        self.problems.append(Problem(place, message.format(*values)))

    def _method_name(self, call: Node) -> str:
        name = call.name
        if name is None:
            on = call.on
            self._error(
                call.place, words.OBJECT_METHOD_CALL if on is not None and on.kind == "var" else words.EXPECTED_SYMBOL
            )
        return name if name is not None else "error"

    def _sections(self, body: Sequence[Node], owner: Place | None, not_valid: str, once: str) -> list[tuple[str, Node]]:
        """Each statement of a block as (section name, call). Errors go to `owner`, or to the statement itself."""
        found = []
        seen: set[str] = set()
        for statement in body:
            place = owner or statement.statement_place
            if statement.kind != "call":
                self._error(place, not_valid, statement.text)
                continue
            name = self._method_name(statement)
            if name in seen:
                self._error(place, once, name)
            seen.add(name)
            found.append((name, statement))
        return found

    def _pipeline(self, node: Node) -> Pipeline | None:
        pipeline = Pipeline(node.statement_place)
        block = node.block
        if block is None:
            self._error(pipeline.place, words.PIPELINE_WITHOUT_BLOCK)
            return None
        for name, call in self._sections(block.body, None, words.INVALID_SECTION, words.MULTIPLE_SECTIONS):
            if not self._common(pipeline, name, call, ("stages", "environment", "post", "agent", "tools", "options")):
                match name:
                    case "parameters":
                        pipeline.parameters = self._calls(call, "parameters")
                    case "triggers":
                        pipeline.triggers = self._calls(call, "triggers")
                    case "libraries":
                        pipeline.libraries = self._libraries(call)
                    case _:
                        self._error(
                            call.statement_place, words.RENAMED_SECTIONS.get(name, words.UNDEFINED_SECTION), name
                        )
        return pipeline

    def _common(self, owner: Common, name: str, call: Node, allowed: Sequence[str]) -> bool:
        """Reads a section that several owners may have; whether it was one."""
        if name not in allowed:
            return False
        readers: dict[str, Callable[[Node], Any]] = {
            "stages": self._stages,
            "environment": self._environment,
            "post": self._post,
            "agent": self._agent,
            "tools": self._tools,
            "options": lambda node: self._calls(node, "options"),
            "when": self._when,
            "input": self._input,
        }
        setattr(owner, name, readers[name](call))
        return True

    def _body(self, call: Node, what: str, place: Place | None = None) -> Sequence[Node]:
        block = call.block
        if block is None:
            self._error(place or call.statement_place, words.EXPECTED_BLOCK_FOR, what)
            return ()
        return block.body

    def _stages(self, call: Node, what: str = "stages") -> Stages:
        stages = Stages(call.statement_place)
        for statement in self._body(call, what):
            stage = self._stage(statement)
            if stage:
                stages.stages.append(stage)
        return stages

    def _stage(self, node: Node) -> Stage | None:
        place = node.statement_place
        if node.kind != "call" or node.name != "stage" or node.block is None:
            self._error(place, words.EXPECTED_STAGE)
            return None
        stage = Stage(place, name=self._string(node.args[0]), readable=self._maybe_string(node.args[0]) is not None)
        body = node.args[1] if len(node.args) > 1 else node.args[0]
        if len(node.args) == 1 or body.kind != "closure":
            self._error(place, words.STAGE_WITHOUT_BLOCK)
            stage.readable = False
            return stage
        for name, call in self._sections(body.body, place, words.INVALID_STAGE_SECTION, words.MULTIPLE_SECTIONS):
            if self._common(
                stage, name, call, ("agent", "when", "post", "options", "input", "tools", "environment", "stages")
            ):
                if name == "options" and stage.options:
                    stage.options.in_stage = True
                continue
            match name:
                case "steps":
                    self._steps(stage, call)
                case "parallel":
                    stage.parallel = self._stages(call, "parallel")
                case "matrix":
                    stage.matrix = self._matrix(call)
                case "failFast":
                    stage.fail_fast = self._boolean(call)
                case _:
                    self._error(place, words.UNKNOWN_STAGE_SECTION, name)
        return stage

    def _steps(self, stage: Stage, call: Node) -> None:
        block = call.block
        if block is None:
            self._error(call.statement_place, words.EXPECTED_BLOCK_FOR, "steps")
            return
        stage.steps_key = block.place.key
        body = block.body
        branches = self._parallel_step(stage, body[0]) if len(body) == 1 else None
        if branches is not None:
            stage.branches.extend(branches)
        elif not (stage.branches and len(body) == 1):
            stage.branches.append(self._branch("default", block))

    def _parallel_step(self, stage: Stage, node: Node) -> list[Branch] | None:
        """`parallel a: {...}, b: {...}` as the only step of a stage."""
        if node.kind != "call" or node.name != "parallel":
            return None
        branches = []
        entries = node.args[0].entries if len(node.args) == 1 and node.args[0].kind == "map" else iter(())
        for key, value, _ in entries:
            if self._maybe_string(key) == "failFast":
                if value.kind != "const" or not isinstance(value.value, bool):
                    self._error(key.place, words.EXPECTED_BOOLEAN, "failFast")
                else:
                    stage.fail_fast = value.value
            elif value.kind != "closure":
                self._error(key.place, words.EXPECTED_CLOSURE_OR_FAIL_FAST)
            else:
                branches.append(self._branch(self._string(key), value))
        return branches

    def _branch(self, name: str, closure: Node) -> Branch:
        place = closure.body_place
        return Branch(place, name, [self._step(statement) for statement in closure.body], closure.place.key)

    def _step(self, node: Node) -> Step:
        place = node.statement_place
        if node.kind != "call":
            self._error(place, words.EXPECTED_STEP)
            return Step(place, None)
        name = self._method_name(node)
        block = node.block
        if name in ("script", "expression"):
            if block is None:
                self._error(place, words.STEP_WITHOUT_BLOCK, "Script" if name == "script" else "When")
            return Step(place, name, code=block.body_text if block else "")
        if block is not None:
            children = [self._step(statement) for statement in block.body]
            return Step(place, name, self._arguments(node.args[:-1]), children)
        args = self._arguments(node.args)
        sole = sole_parameter(name) if isinstance(args, Single) else None
        if isinstance(args, Single) and sole:
            args = Named({sole: (place, args.value)})
        return Step(place, name, args)

    def _arguments(self, nodes: Sequence[Node]) -> Arguments:
        if not nodes:
            return Named({})
        first = nodes[0]
        if len(nodes) > 1:
            return Positional([self._value(node) for node in nodes])
        if first.kind == "map" and not any(self._maybe_string(key) == "$class" for key, _, _ in first.entries):
            return Named({self._string(key): (key.place, self._value(value)) for key, value, _ in first.entries})
        return Single(self._value(first))

    def _value(self, node: Node) -> Value:
        if node.kind == "const":
            if node.type == "java.math.BigInteger" and not -LARGEST <= int(node.value) < LARGEST:
                self._error(node.place, words.BIG_INTEGER)
                return Value(node.place, True, -1, "java.lang.Integer", node)
            type = {"java.math.BigDecimal": "java.lang.Double", "java.math.BigInteger": "java.lang.Long"}.get(node.type)
            return Value(node.place, True, node.value, type or node.type, node)
        if node.kind == "var" and node.name in AGENTS_WITHOUT_ARGUMENTS:
            return Value(node.place, True, node.name, node=node)
        text = node.text
        if node.kind not in ("gstring", "map") and text.startswith("${"):
            self._error(node.place, words.BARE_DOLLAR_CURLY, text)
        shown = text if node.kind in ("gstring", "map") else "${" + text + "}"
        return Value(node.place, False, shown, node=node)

    @staticmethod
    def _maybe_string(node: Node) -> str | None:
        if node.kind == "const" and node.type == "java.lang.String":
            return str(node.value)
        return node.name if node.kind == "var" else None

    def _string(self, node: Node) -> str:
        text = self._maybe_string(node)
        if text is None:
            self._error(node.place, words.EXPECTED_STRING)
        return "error" if text is None else text

    def _boolean(self, call: Node) -> bool | None:
        value = call.args[0] if call.args else None
        if value is None or value.kind != "const" or not isinstance(value.value, bool):
            self._error(call.name_place, words.EXPECTED_BOOLEAN, call.name)
            return None
        return value.value

    def _environment(self, call: Node) -> Environment:
        environment = Environment(call.statement_place)
        failed = False
        for statement in self._body(call, "environment"):
            if statement.kind == "binary" and statement.operation == "=":
                self._variable(environment, statement)
                continue
            failed = True
            if statement.kind == "statement":
                continue
            text = statement.text
            if "=" in text:
                self._error(statement.place, words.INVALID_IDENTIFIER, text.split("=")[0].strip())
            else:
                self._error(statement.place, words.INVALID_ENVIRONMENT_EXPRESSION, text)
        if failed:
            self._error(environment.place, words.EXPECTED_PAIRS)
        return environment

    def _variable(self, environment: Environment, node: Node) -> None:
        place, value = node.left.place, node.right
        key = self._string(node.left)
        if key in environment.variables:
            self._error(place, words.DUPLICATE_VARIABLE, key)
        elif value.kind in ("const", "gstring"):
            environment.variables[key] = (place, self._value(value))
        elif value.kind == "call":
            found = self._credentials(value) if value.name == "credentials" else self._value(value)
            environment.variables[key] = (place, found)
        elif value.kind == "binary":
            if value.operation != "+":
                self._error(value.place, words.ENVIRONMENT_OPERATION)
            elif self._concatenation(value):
                environment.variables[key] = (place, Value(value.place, False, value.text, node=value))
        else:
            self._error(value.place, words.ENVIRONMENT_VALUE)

    def _concatenation(self, node: Node) -> bool:
        """Checks `a + b + c`; false if nothing of it can be used."""
        left, right = node.left, node.right
        if left.kind == "binary":
            if left.operation != "+":
                self._error(left.place, words.ENVIRONMENT_OPERATION)
                return False
            if not self._concatenation(left):
                return False
        elif left.kind not in ("const", "gstring"):
            self._error(left.place, words.ENVIRONMENT_CONCATENATION)
        if right.kind not in ("const", "gstring"):
            self._error(right.place, words.ENVIRONMENT_CONCATENATION)
        return True

    def _credentials(self, call: Node) -> Call:
        args = []
        for node in call.args:
            if node.kind in ("const", "gstring"):
                args.append(self._value(node))
            else:
                self._error(call.place, words.INTERNAL_ARGUMENT)
        return Call(call.place, "credentials", args, call)

    def _libraries(self, call: Node) -> Libraries:
        libraries = Libraries(call.statement_place)
        for statement in self._body(call, "libraries"):
            if statement.kind != "call" or statement.any_name != "lib":
                self._error(libraries.place, words.EXPECTED_LIBRARY, statement.text)
            elif statement.block is not None:
                self._error(statement.statement_place, words.NO_BLOCKS, "Libraries")
            else:
                args = self._call(statement).args
                if len(args) == 1 and isinstance(args[0], Value):
                    libraries.names.append(args[0])
                else:
                    self._error(statement.place, words.EXPECTED_LIBRARY, statement.text)
        return libraries

    def _tools(self, call: Node) -> Tools:
        tools = Tools(call.statement_place)
        for statement in self._body(call, "tools"):
            if statement.kind != "call":
                self._error(tools.place, words.EXPECTED_TOOL)
                continue
            name, place = statement.any_name or "error", statement.name_place
            if len(statement.args) != 1:
                self._error(place, words.TOO_MANY_FOR_TOOL if statement.args else words.NONE_FOR_TOOL, name)
            else:
                tools.tools.append((place, name, self._value(statement.args[0])))
        return tools

    def _input(self, call: Node) -> InputOf:
        asked = InputOf(call.statement_place)
        body = self._body(call, "input")
        for name, field in self._sections(body, asked.place, words.INVALID_SECTION, words.MULTIPLE_SECTIONS):
            if len(field.args) != 1:
                self._error(field.name_place, words.TOO_MANY_FOR_FIELD if field.args else words.NONE_FOR_FIELD, name)
            elif name in ("message", "id", "ok", "submitter", "submitterParameter"):
                asked.fields[name] = self._value(field.args[0])
            elif name == "parameters":
                asked.parameters.extend(self._calls(field, "parameters").calls)
            else:
                self._error(field.name_place, words.INVALID_INPUT_FIELD, name)
        return asked

    def _when(self, call: Node) -> When:
        when = When(call.statement_place)
        for statement in self._body(call, "when"):
            if statement.kind != "call":
                self._error(when.place, words.EXPECTED_WHEN)
            elif statement.name in BEFORE:
                when.before[statement.name] = bool(self._boolean(statement))
            else:
                when.conditions.append(self._condition(statement))
        return when

    def _condition(self, node: Node) -> Condition:
        place = node.statement_place
        if node.kind != "call":
            self._error(place, words.EXPECTED_WHEN)
            return Condition(place, None)
        name = self._method_name(node)
        block = node.block
        if name == "expression":
            if block is None:
                self._error(place, words.STEP_WITHOUT_BLOCK, "When")
                return Condition(place, None)
            return Condition(place, name, code=block.body_text, key=block.place.key)
        if block is None:
            return Condition(place, name, self._arguments(node.args))
        args = self._arguments(node.args[:-1]) if len(node.args) > 1 else None
        return Condition(place, name, args, [self._condition(child) for child in block.body])

    def _calls(self, call: Node, section: str) -> Calls:
        """options, parameters or triggers."""
        title, expected = words.CALLS[section]
        calls = Calls(call.statement_place)
        for statement in self._body(call, section):
            place = statement.statement_place
            if statement.kind != "call":
                self._error(place, words.NO_MAPS.format(title) if statement.kind == "map" else expected)
                calls.calls.append(Call(place, None))
            elif statement.block is not None:
                self._error(place, words.NO_BLOCKS, title)
                calls.calls.append(Call(place, None))
            else:
                found = self._call(statement)
                calls.calls.append(Call(place, found.name, found.args, statement))
        return calls

    def _call(self, node: Node) -> Call:
        name = self._method_name(node)
        args: list[Value | Call | Pair] = []
        for argument in node.args:
            if argument.kind == "map":
                for key, value, place in argument.entries:
                    args.append(Pair(place, self._string(key), self._call_argument(value, place)))
            else:
                found = self._call_argument(argument, node.place)
                if found is not None:
                    args.append(found)
        return Call(node.place, name, args, node)

    def _call_argument(self, node: Node, owner: Place) -> Value | Call | None:
        if node.kind == "closure":
            self._error(owner, words.CLOSURE_ARGUMENT)
            return None
        return self._call(node) if node.kind == "call" else self._value(node)

    def _agent(self, call: Node) -> Agent:
        agent = Agent(call.statement_place)
        block = call.block
        if block is None:
            if len(call.args) != 1:
                self._error(agent.place, words.INVALID_AGENT if call.args else words.NO_AGENT_ARGUMENT)
                return agent
            type = self._string(call.args[0])
            if type not in AGENTS_WITHOUT_ARGUMENTS:
                self._error(agent.place, words.INVALID_AGENT)
            else:
                agent.type, agent.type_place = type, call.args[0].place
            return agent
        if len(block.body) != 1 or block.body[0].kind != "call":
            self._error(agent.place, words.ONE_AGENT if len(block.body) > 1 else words.EXPECTED_AGENT)
            return agent
        typed = block.body[0]
        agent.type, agent.type_place = typed.any_name or "error", typed.name_place
        found = self._map(block).get(agent.type)
        if found is not None:
            content = found[1]
            if isinstance(content, dict):
                agent.options = content
                agent.type = "node" if agent.type == "label" else agent.type
            else:
                agent.argument = content
        return agent

    def _map(self, closure: Node) -> dict[str, tuple[Place, Any]]:
        """`key value` lines of a block; a value that is a block becomes a map itself."""
        found: dict[str, tuple[Place, Any]] = {}
        for statement in closure.body:
            if statement.kind != "call":
                self._error(closure.place, words.EXPECTED_MAP)
                continue
            key, place = statement.any_name or "error", statement.name_place
            if len(statement.args) != 1:
                self._error(place, words.TOO_MANY_FOR_KEY if statement.args else words.NONE_FOR_KEY, key)
            else:
                value = statement.args[0]
                found[key] = (place, self._map(value) if value.kind == "closure" else self._value(value))
        return found

    def _post(self, call: Node) -> Post:
        post = Post(call.statement_place)
        block = call.block
        if block is None:
            self._error(post.place, words.EXPECTED_BLOCK)
            return post
        for statement in block.body:
            place = statement.statement_place
            body = statement.block if statement.kind == "call" else None
            if body is None or statement.name is None:
                self._error(place, words.INVALID_POST, words.listed(CONDITIONS_AFTER))
            else:
                post.conditions.append((place, statement.name, self._branch("default", body)))
        return post

    def _matrix(self, call: Node) -> Matrix:
        matrix = Matrix(call.statement_place)
        body = self._body(call, "matrix")
        allowed = ("agent", "when", "post", "options", "input", "tools", "environment", "stages")
        for name, section in self._sections(body, None, words.INVALID_SECTION, words.MULTIPLE_SECTIONS):
            if self._common(matrix, name, section, allowed):
                if name == "options" and matrix.options:
                    matrix.options.in_stage = True
                continue
            match name:
                case "axes":
                    matrix.axes = self._axes(section, "axes")
                case "excludes":
                    matrix.excludes = Excludes(section.statement_place)
                    for statement in self._body(section, "excludes"):
                        matrix.excludes.excludes.append(self._axes(statement, "exclude"))
                case _:
                    self._error(section.statement_place, words.UNDEFINED_SECTION, name)
        return matrix

    def _axes(self, call: Node, what: str) -> Axes:
        axes = Axes(call.statement_place)
        for statement in self._body(call, what) if call.kind == "call" else ():
            axes.axes.append(self._axis(statement, excluding=what == "exclude"))
        return axes

    def _axis(self, node: Node, excluding: bool) -> Axis:
        axis = Axis(node.statement_place)
        if node.kind != "call":
            self._error(axis.place, words.EXPECTED_BLOCK_FOR, "axis")
            return axis
        body = self._body(node, "axis")
        for name, section in self._sections(body, None, words.INVALID_SECTION, words.MULTIPLE_SECTIONS):
            if name == "name" and section.args:
                axis.name, axis.name_place = self._string(section.args[0]), section.args[0].place
            elif name == "values" or (name == "notValues" and excluding):
                if axis.values and axis.inverse != (name == "notValues"):
                    self._error(axis.place, words.EXCLUDE_VALUES_OR_NOT)
                axis.inverse = name == "notValues"
                axis.values.extend(self._call(section).args)
            else:
                self._error(section.statement_place, words.UNDEFINED_SECTION, name)
        return axis
