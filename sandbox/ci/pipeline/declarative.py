"""A declarative pipeline as data. Values that are not literals are known by place, and evaluated by Groovy when due."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sandbox.ci.pipeline.tree import Node, Place


@dataclass(frozen=True)
class Value:
    """An expression. `literal` ones carry their `value` and Java `type`; the others their source text as `value`."""

    place: Place
    literal: bool
    value: Any
    type: str = "java.lang.String"
    node: Node | None = None


@dataclass(frozen=True)
class Pair:
    """A named argument of a method call."""

    place: Place
    key: str
    value: Value | Call | None


@dataclass(frozen=True)
class Call:
    """`name(arguments)` in options, parameters, triggers and the like. Name is None where it could not be read."""

    place: Place
    name: str | None
    args: Sequence[Value | Call | Pair] = ()
    node: Node | None = None


@dataclass(frozen=True)
class Named:
    """Arguments by name, as (place of the key, value); none at all is an empty one."""

    values: Mapping[str, tuple[Place, Value]]


@dataclass(frozen=True)
class Single:
    value: Value


@dataclass(frozen=True)
class Positional:
    values: Sequence[Value]


Arguments = Named | Single | Positional


@dataclass(frozen=True)
class Step:
    """A step, or a `script` or `expression` block (then `code` is its text)."""

    place: Place
    name: str | None
    args: Arguments | None = None
    children: Sequence[Step] | None = None
    code: str | None = None


@dataclass(frozen=True)
class Branch:
    """A block of steps. `key` names its closure in the rewritten script."""

    place: Place
    name: str
    steps: Sequence[Step]
    key: str


@dataclass
class Environment:
    """Variables in order: (place of the key, value). A Call is `credentials(...)`."""

    place: Place
    variables: dict[str, tuple[Place, Value | Call | None]] = field(default_factory=dict)


@dataclass
class Agent:
    """`type` is any, none, label, node, docker, dockerfile, or what the user wrote. `options` may hold further maps."""

    place: Place
    type: str | None = None
    type_place: Place | None = None
    argument: Value | None = None
    options: Mapping[str, tuple[Place, Any]] | None = None


@dataclass(frozen=True)
class Condition:
    """A `when` condition. `key` names the closure of `expression`."""

    place: Place
    name: str | None
    args: Arguments | None = None
    children: Sequence[Condition] | None = None
    code: str | None = None
    key: str = ""


@dataclass
class When:
    place: Place
    conditions: list[Condition] = field(default_factory=list)
    before: dict[str, bool] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)


@dataclass
class Post:
    place: Place
    conditions: list[tuple[Place, str, Branch]] = field(default_factory=list)


@dataclass
class Calls:
    """The content of options, parameters or triggers."""

    place: Place
    calls: list[Call] = field(default_factory=list)
    in_stage: bool = False


@dataclass
class Tools:
    place: Place
    tools: list[tuple[Place, str, Value]] = field(default_factory=list)


@dataclass
class Libraries:
    place: Place
    names: list[Value] = field(default_factory=list)


@dataclass
class InputOf:
    """The `input` directive of a stage."""

    place: Place
    fields: dict[str, Value] = field(default_factory=dict)
    parameters: list[Call] = field(default_factory=list)


@dataclass
class Axis:
    place: Place
    name: str | None = None
    name_place: Place | None = None
    values: list[Value | Call | Pair] = field(default_factory=list)
    inverse: bool = False


@dataclass
class Axes:
    """`axes`, or one `exclude`."""

    place: Place
    axes: list[Axis] = field(default_factory=list)


@dataclass
class Excludes:
    place: Place
    excludes: list[Axes] = field(default_factory=list)


@dataclass
class Stages:
    place: Place
    stages: list[Stage] = field(default_factory=list)


@dataclass
class Common:
    """What a pipeline, a stage and a matrix may all have."""

    place: Place
    agent: Agent | None = None
    environment: Environment | None = None
    options: Calls | None = None
    tools: Tools | None = None
    post: Post | None = None
    when: When | None = None
    input: InputOf | None = None
    stages: Stages | None = None


@dataclass
class Matrix(Common):
    axes: Axes | None = None
    excludes: Excludes | None = None


@dataclass
class Stage(Common):
    """One whose name or block could not be read is not `readable`: that was told, and nothing more is said of it."""

    name: str = ""
    readable: bool = True
    branches: list[Branch] = field(default_factory=list)
    parallel: Stages | None = None
    matrix: Matrix | None = None
    fail_fast: bool | None = None
    steps_key: str = ""


@dataclass
class Pipeline(Common):
    parameters: Calls | None = None
    triggers: Calls | None = None
    libraries: Libraries | None = None


@dataclass(frozen=True)
class Problem:
    """What is wrong with a Jenkinsfile, in Jenkins' words."""

    place: Place
    message: str
