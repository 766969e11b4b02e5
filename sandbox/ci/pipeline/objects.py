"""The objects a pipeline talks to: `env`, `params`, `currentBuild`, `scm`, and what steps return."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from sandbox.ci.groovy.values import Closure, Opaque, Remote, ResultValue
from sandbox.ci.groovy.worker import Failure
from sandbox.ci.model import Result

if TYPE_CHECKING:
    from sandbox.ci.pipeline.line import Line

_numbers = itertools.count(1)
NO_SCM = (
    "\u2018checkout scm\u2019 is only available when using \u201cMultibranch Pipeline\u201d or "
    "\u201cPipeline script from SCM\u201d"
)


def text(value: Any) -> str:
    """A value as Groovy would put it in a string."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, Opaque):
        return value.text
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(text, value))}]"
    if isinstance(value, Mapping):
        return "[" + ", ".join(f"{key}:{text(item)}" for key, item in value.items()) + "]" if value else "[:]"
    return str(value)


def record(line: Line, fields: Mapping[str, Any], methods: Mapping[str, Callable[..., Any]] | None = None) -> Remote:
    """An object with properties, getters and perhaps methods, which called as `method(line, *arguments)`."""
    remote = Remote(f"record-{next(_numbers)}")
    line.run.objects[remote.id] = (dict(fields), dict(methods or {}))
    return remote


def property(line: Line, name: str) -> list[Any] | None:
    """A name that the script does not know: [its value], or None if we do not know it either."""
    if name == "params":
        return [line.run.parameters()]
    if name == "scm":
        return [_scm(line)]
    value = line.variable(name)
    return None if value is None else [value]


def get(line: Line, id: str, name: str) -> Any:
    """A property of one of our objects."""
    if id == "env":
        return line.variable(name)
    if id == "currentBuild":
        return _current(line, name)
    if id == "docker":
        return None
    fields, _ = line.run.objects.get(id, ({}, {}))
    if name not in fields:
        raise Failure(f"No such property: {name}", "groovy.lang.MissingPropertyException")
    value = fields[name]
    return value() if callable(value) else value


def set(line: Line, id: str, name: str, value: Any) -> None:
    """Assigns a property."""
    run = line.run
    if id == "env":
        run.variables[name] = text(value)
        return
    if id != "currentBuild":
        raise Failure(f"Cannot set readonly property: {name}", "groovy.lang.ReadOnlyPropertyException")
    match name:
        case "result":
            if value is not None:
                run.worsen(_result(value))
        case "displayName":
            run.display_name = text(value)
            run.place.described(name, run.display_name)
        case "description":
            run.description = text(value)
            run.place.described(name, run.description)
        case "keepLog":
            run.place.described(name, bool(value))
        case _:
            raise Failure(f"Cannot set readonly property: {name}", "groovy.lang.ReadOnlyPropertyException")


def _result(value: Any) -> Result:
    name = text(value).upper()
    if name not in Result.__members__:
        return Result.FAILURE
    return Result[name]


def call(line: Line, id: str, name: str, args: list[Any]) -> Any:
    """A method of one of our objects; `getX()` is property x."""
    if id == "docker":
        from sandbox.ci.pipeline.steps import containers

        return containers.call(line, name, args)
    if id == "env" and name == "getEnvironment":
        return line.environment()
    if id == "currentBuild":
        found = _current_method(line, name, args)
        if found is not None:
            return found[0]
    fields, methods = line.run.objects.get(id, ({}, {}))
    if name in methods:
        return methods[name](line, *args)
    if name == "toString":
        return id
    if name.startswith("is") and len(name) > 2 and name[2:3].isupper():
        return get(line, id, name[2].lower() + name[3:])
    if name.startswith("get") and len(name) > 3:
        return get(line, id, name[3].lower() + name[4:])
    if name.startswith("set") and len(name) > 3 and len(args) == 1:
        set(line, id, name[3].lower() + name[4:], args[0])
        return None
    if name in fields and args and isinstance(args[0], Closure):
        return line.call(args[0], fields[name])
    raise Failure(f"No signature of method: {id}.{name}()", "groovy.lang.MissingMethodException")


def _current(line: Line, name: str) -> Any:
    run, place = line.run, line.run.place
    from sandbox.ci.pipeline.run import now

    result = line.result
    match name:
        case "result":
            return result.name if result is not None else None
        case "currentResult":
            return (result or Result.SUCCESS).name
        case "resultAsObject":
            return ResultValue((result or Result.SUCCESS).name)
        case "number":
            return place.number
        case "id":
            return str(place.number)
        case "displayName":
            return run.display_name
        case "fullDisplayName":
            return " \u00bb ".join(place.job.split("/")) + f" {run.display_name}"
        case "projectName":
            return place.job.rsplit("/", 1)[-1]
        case "fullProjectName":
            return place.job
        case "description":
            return run.description or None
        case "duration":
            return now() - run.started
        case "durationString":
            return f"{duration((now() - run.started) / 1000)} and counting"
        case "timeInMillis" | "startTimeInMillis":
            return run.started
        case "absoluteUrl":
            return place.url
        case "keepLog":
            return False
        case "buildVariables":
            return dict(run.variables)
        case "buildCauses":
            return [dict(cause) for cause in place.causes]
        case "upstreamBuilds":
            return []
        case "changeSets":
            return [_change_set(line)] if run.changes else []
        case "previousBuild" | "previousCompletedBuild" | "previousBuildInProgress":
            return None if name.endswith("InProgress") else _previous(line)
        case "previousSuccessfulBuild" | "previousNotFailedBuild" | "previousFailedBuild":
            return _previous(line, name)
        case "nextBuild":
            return None
        case "rawBuild":
            raise Failure(
                "Scripts not permitted to use method "
                "org.jenkinsci.plugins.workflow.support.steps.build.RunWrapper getRawBuild",
                "org.jenkinsci.plugins.scriptsecurity.sandbox.RejectedAccessException",
            )
    raise Failure(
        f"No such property: {name} for class: org.jenkinsci.plugins.workflow.support.steps.build.RunWrapper",
        "groovy.lang.MissingPropertyException",
    )


def _current_method(line: Line, name: str, args: list[Any]) -> list[Any] | None:
    current = line.result or Result.SUCCESS
    if name == "resultIsBetterOrEqualTo":
        return [current <= _result(args[0])]
    if name == "resultIsWorseOrEqualTo":
        return [current >= _result(args[0])]
    if name == "getBuildCauses" and args:
        wanted = text(args[0])
        return [[dict(c) for c in line.run.place.causes if wanted in (c.get("_class"), "hudson.model.Cause")]]
    return None


def _previous(line: Line, which: str = "") -> Remote | None:
    previous = line.run.place.previous()
    if previous is None:
        return None
    good = previous["result"] == "SUCCESS"
    failed = previous["result"] == "FAILURE"
    if (which == "previousSuccessfulBuild" and not good) or (which == "previousFailedBuild" and not failed):
        return None
    if which == "previousNotFailedBuild" and failed:
        return None
    fields = {
        **previous,
        "currentResult": previous["result"],
        "timeInMillis": previous.get("timestamp", 0),
        "id": str(previous["number"]),
        "previousBuild": None,
        "changeSets": [],
        "buildVariables": {},
    }
    return record(line, fields)


def _change_set(line: Line) -> Any:
    items = []
    for change in line.run.changes:
        files = [record(line, {"path": path, "editType": record(line, {"name": "edit"})}) for path in change["paths"]]
        items.append(
            record(
                line,
                {
                    "commitId": change["id"],
                    "author": record(line, {"fullName": change["author"], "displayName": change["author"]}),
                    "msg": change["message"].split("\n")[0],
                    "comment": change["message"],
                    "timestamp": change["timestamp"],
                    "affectedFiles": files,
                    "affectedPaths": change["paths"],
                },
            )
        )
    return record(line, {"items": items, "kind": "git", "emptySet": not items})


def _scm(line: Line) -> Remote:
    source = line.run.place.source
    if not source.url:
        raise Failure(NO_SCM)
    if "scm" not in line.run.objects:
        config = record(line, {"url": source.url, "name": "origin", "credentialsId": source.credentials or None})
        branch = record(line, {"name": f"*/{source.branch}" if source.branch else "*/master"})
        line.run.objects["scm"] = (
            {"userRemoteConfigs": [config], "branches": [branch], "extensions": [], "key": "git"},
            {},
        )
    return Remote("scm")


def duration(seconds: float) -> str:
    """As Jenkins tells a span: "5 min 0 sec", "1.2 sec"."""
    whole = int(seconds)
    units = (("day", whole // 86400), ("hr", whole // 3600 % 24), ("min", whole // 60 % 60), ("sec", whole % 60))
    for index, (name, count) in enumerate(units[:-1]):
        if count:
            next_name, next_count = units[index + 1]
            return f"{count} {name} {next_count} {next_name}"
    if whole >= 10:
        return f"{whole} sec"
    if seconds >= 0.1:
        cut = int(seconds * 10) / 10 if seconds >= 1 else int(seconds * 100 + 1e-6) / 100
        return f"{cut:g} sec"
    return f"{int(seconds * 1000)} ms"
