"""What a pipeline says about its job: parameters, triggers, how many builds to keep."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from sandbox.ci.groovy.values import Described
from sandbox.ci.model import Parameter
from sandbox.ci.pipeline.declarative import Call, Calls
from sandbox.ci.pipeline.line import Line
from sandbox.ci.pipeline.objects import text

if TYPE_CHECKING:
    from sandbox.ci.pipeline.interpreter import Interpreter


def declare(line: Line, interpreter: Interpreter) -> None:
    """Tells the place what the directives of a declarative pipeline say."""
    pipeline = interpreter.pipeline

    def all(calls: Calls | None) -> list[Described]:
        return [_described(interpreter, line, call) for call in (calls.calls if calls else ())]

    changes: dict[str, Any] = {}
    if pipeline.parameters:
        changes["parameters"] = tuple(map(parameter, all(pipeline.parameters)))
    if pipeline.triggers:
        changes["triggers"] = tuple(map(trigger, all(pipeline.triggers)))
    for name in ("buildDiscarder", "disableConcurrentBuilds"):
        call = interpreter.options.get(name)
        if call is not None:
            changes |= option(_described(interpreter, line, call))
    if changes:
        line.run.declare(**changes)


def _described(interpreter: Interpreter, line: Line, call: Call) -> Described:
    args = interpreter.arguments(line, call)
    if args and isinstance(args[0], dict):
        return Described(str(call.name), args[0])
    return Described(str(call.name), {"": args[0]} if args else {})


def described(value: Any) -> Described:
    """A symbol, or the older `[$class: 'Name', ...]`."""
    if isinstance(value, Described):
        return value
    if isinstance(value, Mapping) and "$class" in value:
        return Described(CLASSES.get(str(value["$class"]), str(value["$class"])), value)
    return Described("", value if isinstance(value, Mapping) else {})


CLASSES = {
    "StringParameterDefinition": "string",
    "BooleanParameterDefinition": "booleanParam",
    "ChoiceParameterDefinition": "choice",
    "TextParameterDefinition": "text",
    "PasswordParameterDefinition": "password",
    "FileParameterDefinition": "file",
    "ParametersDefinitionProperty": "parameters",
    "BuildDiscarderProperty": "buildDiscarder",
    "DisableConcurrentBuildsJobProperty": "disableConcurrentBuilds",
    "PipelineTriggersJobProperty": "pipelineTriggers",
    "TimerTrigger": "cron",
    "SCMTrigger": "pollSCM",
    "LogRotator": "logRotator",
}


def parameter(value: Any) -> Parameter:
    """A build parameter from its description."""
    found = described(value)
    args = found.arguments
    name = text(args.get("name", args.get("", "")))
    choices = args.get("choices") or ()
    if isinstance(choices, str):
        choices = choices.split("\n")
    default: Any = args.get("defaultValue", args.get("defaultValueAsSecret"))
    if found.symbol == "booleanParam":
        default = default in (True, "true")
    elif found.symbol == "choice":
        default = text(next(iter(choices), ""))
    elif default is None:
        default = ""
    return Parameter(name, found.symbol, default, text(args.get("description") or ""), tuple(map(text, choices)))


def trigger(value: Any) -> tuple[str, str]:
    """("cron", spec), ("pollSCM", spec), ("upstream", jobs) or another's name with nothing."""
    found = described(value)
    args = found.arguments
    keys = ("", "spec", "scmpoll_spec", "upstreamProjects")
    return found.symbol, text(next((args[key] for key in keys if args.get(key) is not None), ""))


def option(value: Any) -> dict[str, Any]:
    """What a job property changes in Declared."""
    found = described(value)
    match found.symbol:
        case "disableConcurrentBuilds":
            return {"concurrent": False}
        case "buildDiscarder":
            rotator = described(found.arguments.get("strategy", found.arguments.get("")))
            return {"keep_builds": int(rotator.arguments.get("numToKeepStr") or 0)}
        case "parameters":
            return {"parameters": tuple(map(parameter, _items(found, "parameterDefinitions")))}
        case "pipelineTriggers":
            return {"triggers": tuple(map(trigger, _items(found, "triggers")))}
    return {}


def _items(found: Described, name: str) -> Iterable[Any]:
    items: Iterable[Any] = found.arguments.get(name, found.arguments.get("")) or ()
    return items
