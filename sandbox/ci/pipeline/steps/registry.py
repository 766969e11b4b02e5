"""Where steps are registered. A step is a function; its signature says what it takes, its docstring what it does."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from sandbox.ci.pipeline import signatures
from sandbox.ci.pipeline.signatures import Signature

MODULES = ("flow", "shell", "files", "data", "results", "scm", "agents", "credentials", "others", "containers",
           "libraries", "codebuild")  # fmt: skip
BODY = "body"
_JAVA = {"str": "str", "str | None": "str", "bool": "bool", "int": "int", "int | None": "any", "float": "any"}
UNIT = "class java.util.concurrent.TimeUnit"


@dataclass(frozen=True)
class RegisteredStep:
    """A step: what it takes, and the function that is called with the line of execution and the arguments."""

    signature: Signature
    function: Callable[..., Any]
    loose: bool
    quiet: bool
    needs_body: bool

    @property
    def name(self) -> str:
        return self.signature.name

    def keywords(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments under the function's own names: `body` of mail is `body_`, so as not to be a block."""
        own = inspect.signature(self.function).parameters
        return {name if name in own else f"{name}_": value for name, value in arguments.items()}


_steps: dict[str, RegisteredStep] = {}


def step(
    name: str = "", *, loose: bool = False, quiet: bool = False, first: str | None = None
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Registers a function as a step named like it.

    Its first parameter is the Line it runs on; the others are the step's parameters, of which those without a
    default are required; one called `body` makes it a block step. `loose`: unknown parameters are passed in `more`.
    `quiet`: no "[Pipeline] name" in the log. `first`: which parameter a lone unnamed argument is, if none is required.
    """

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        known = name or function.__name__.rstrip("_")
        parameters = list(inspect.signature(function).parameters.values())[1:]
        spec = tuple(_parameter(p) for p in parameters if p.name not in (BODY, "more"))
        bodies = [p for p in parameters if p.name == BODY]
        needs_body = any(p.default is inspect.Parameter.empty for p in bodies)
        _steps[known] = RegisteredStep(Signature(known, spec, bool(bodies), first), function, loose, quiet, needs_body)
        return function

    return register


def _parameter(parameter: inspect.Parameter) -> signatures.Parameter:
    annotation = str(parameter.annotation)
    type = UNIT if parameter.name == "unit" else signatures.TYPES.get(_JAVA.get(annotation, "any"), signatures.ANY)
    required = parameter.default is inspect.Parameter.empty
    return signatures.Parameter(parameter.name.rstrip("_"), type, required, nullable=annotation.endswith("| None"))


def steps() -> dict[str, RegisteredStep]:
    """All steps by name."""
    if not _loaded:
        _loaded.append(True)
        for module in MODULES:
            import_module(f"sandbox.ci.pipeline.steps.{module}")
    return _steps


_loaded: list[bool] = []


def signature(name: str) -> Signature | None:
    """What a step takes, or None if there is no such step."""
    found = steps().get(name)
    return found.signature if found and not found.loose else None
