"""How a step's call is matched with its parameters, as Jenkins would."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sandbox.ci.groovy.values import Closure, Described
from sandbox.ci.groovy.worker import Failure
from sandbox.ci.pipeline.line import Line
from sandbox.ci.pipeline.signatures import ANY, INT, STRING, accepts
from sandbox.ci.pipeline.steps.registry import BODY, RegisteredStep


def bind(step: RegisteredStep, args: list[Any], line: Line) -> tuple[dict[str, Any], Closure | None]:
    """A call's arguments by name, converted, and its block. Raises Failure as Jenkins would."""
    signature = step.signature
    closure: Closure | None = None
    if args and isinstance(args[-1], Closure) and signature.takes_body:
        closure, args = args[-1], args[:-1]
    given: dict[str, Any] = {}
    if len(args) == 1 and isinstance(args[0], dict):
        given = dict(args[0])
        sole = signature.sole
        if sole and sole.type == ANY and not any(signature.get(name) for name in given) and given:
            given = {sole.name: given}
        closure = given.pop(BODY, closure) if signature.takes_body else closure
    elif len(args) == 1 and not step.loose:
        only = signature.sole.name if signature.sole else None
        only = only or (signature.parameters[0].name if signature.parameters else None)
        if only is None:
            if args[0] is not None:
                raise Failure(f"step {step.name} takes no arguments", "java.lang.IllegalArgumentException")
        else:
            given = {only: args[0]}
    elif len(args) > 1:
        if isinstance(args[0], dict):
            given = {**args[0], **{_first(step): args[1]}}
        else:
            given = {p.name: value for p, value in zip(signature.parameters, args, strict=False)}
    if step.needs_body and closure is None:
        raise Failure(f"{step.name} step must be called with a body", "java.lang.IllegalStateException")
    return _converted(step, given, line), closure


def _first(step: RegisteredStep) -> str:
    sole = step.signature.sole
    return sole.name if sole else step.signature.parameters[0].name


def _converted(step: RegisteredStep, given: Mapping[str, Any], line: Line) -> dict[str, Any]:
    arguments: dict[str, Any] = {}
    more: dict[str, Any] = {}
    for name, value in given.items():
        parameter = step.signature.get(name)
        if parameter is None:
            more[name] = value
            continue
        if value is not None and not accepts(parameter.type, value) and parameter.type in (STRING, INT):
            wanted = "class java.lang.String" if parameter.type == STRING else "int"
            got = "class java.lang.Boolean" if isinstance(value, bool) else f"class java.lang.{_java(value)}"
            raise Failure(
                f"{_step_class(step.name)}.{name} expects {wanted} but received {got}", "java.lang.ClassCastException"
            )
        if parameter.type == STRING and isinstance(value, float):
            value = str(value)
        arguments[name] = value
    if step.loose:
        arguments["more"] = more
    elif more:
        unknown = ",".join(sorted(more))
        line.log(f"WARNING: Unknown parameter(s) found for class type '{_step_class(step.name)}': {unknown}")
    for parameter in step.signature.required:
        if parameter.name in arguments:
            continue
        if not parameter.nullable:
            raise Failure(
                f'Missing required parameter: "{parameter.name}" of step {step.name}',
                "java.lang.IllegalArgumentException",
            )
        arguments[parameter.name] = None
    return arguments


def warn_of_secrets(line: Line, step: str, args: Any) -> None:
    """Says, in Jenkins' words, which secrets are in texts that Groovy put together: others may see those."""
    known = line.environment()
    given = "\n".join(_texts(args))
    leaked = [name for name in dict.fromkeys(line.scope.secrets) if known.get(name) and known[name] in given]
    if leaked:
        line.log(f'Warning: A secret was passed to "{step}" using Groovy String interpolation, which is insecure.')
        line.log(f"\t\t Affected argument(s) used the following variable(s): [{', '.join(leaked)}]")
        line.log("\t\t See https://jenkins.io/redirect/groovy-string-interpolation for details.")


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Described):
        yield from _texts(value.arguments)
    elif isinstance(value, Mapping | list):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(item)


def _java(value: Any) -> str:
    return {int: "Integer", str: "String", float: "Double", list: "ArrayList", dict: "LinkedHashMap"}.get(
        type(value), type(value).__name__
    )


def _step_class(name: str) -> str:
    return f"org.jenkinsci.plugins.workflow.steps.{name[:1].upper()}{name[1:]}Step"
