"""`when` conditions before a stage and `post` conditions after it."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sandbox.ci.groovy.values import Closure
from sandbox.ci.groovy.worker import Failure
from sandbox.ci.model import Result
from sandbox.ci.pipeline.declarative import Condition
from sandbox.ci.pipeline.line import Line, result_of
from sandbox.ci.pipeline.objects import text
from sandbox.ci.pipeline.patterns import glob

if TYPE_CHECKING:
    from sandbox.ci.pipeline.interpreter import Interpreter


def holds(interpreter: Interpreter, line: Line, condition: Condition) -> bool:
    """Whether a `when` condition is true now. Raises Failure if its expression does."""
    name = str(condition.name)
    children = condition.children or ()
    if name == "expression":
        return truth(line.call(Closure(interpreter.pieces, condition.key)))
    if name == "not":
        return not holds(interpreter, line, children[0])
    if name == "allOf":
        return all(holds(interpreter, line, child) for child in children)
    if name == "anyOf":
        return any(holds(interpreter, line, child) for child in children)
    args = interpreter.condition_arguments(line, name, condition.args)
    env = line.environment()
    match name:
        case "branch":
            branch = line.variable("BRANCH_NAME") or line.variable("GIT_LOCAL_BRANCH") or line.variable("GIT_BRANCH")
            return branch is not None and compare(args, branch)
        case "tag":
            tag = env.get("TAG_NAME")
            return tag is not None and ("pattern" not in args or compare(args, tag))
        case "buildingTag":
            return "TAG_NAME" in env
        case "changeRequest":
            return _change_request(args, env)
        case "environment":
            actual, wanted = line.variable(text(args["name"])) or "", text(args["value"])
            return actual.lower() == wanted.lower() if args.get("ignoreCase") else actual == wanted
        case "equals":
            return _equal(args["expected"], args["actual"])
        case "changelog":
            pattern = re.compile(text(args["pattern"]), re.MULTILINE | re.DOTALL)
            return any(pattern.fullmatch(c["message"].strip()) or pattern.fullmatch(c["message"].split("\n")[0])
                       for c in line.run.changes)  # fmt: skip
        case "changeset":
            return _change_set(args, line.run.changes)
        case "triggeredBy":
            return any(_caused(args, cause) for cause in line.run.place.causes)
    return False  # isRestartedRun: we do not restart from a stage


def truth(value: Any) -> bool:
    """Groovy's truth of a value."""
    return bool(value)


def compare(args: Mapping[str, Any], value: str) -> bool:
    """A pattern against a value: GLOB (as Ant), REGEXP or EQUALS."""
    pattern = text(args["pattern"])
    match text(args.get("comparator") or "GLOB"):
        case "REGEXP":
            return re.fullmatch(pattern, value) is not None
        case "EQUALS":
            return pattern == value
    return glob(pattern).match(value) is not None


def _equal(expected: Any, actual: Any) -> bool:
    if isinstance(expected, bool) or isinstance(actual, bool):
        return expected is actual
    return bool(expected == actual)


REQUEST = {
    "id": "CHANGE_ID",
    "target": "CHANGE_TARGET",
    "branch": "CHANGE_BRANCH",
    "fork": "CHANGE_FORK",
    "url": "CHANGE_URL",
    "title": "CHANGE_TITLE",
    "author": "CHANGE_AUTHOR",
    "authorDisplayName": "CHANGE_AUTHOR_DISPLAY_NAME",
    "authorEmail": "CHANGE_AUTHOR_EMAIL",
}


def _change_request(args: Mapping[str, Any], env: Mapping[str, str]) -> bool:
    if "CHANGE_ID" not in env:
        return False
    wanted = {name: value for name, value in args.items() if name != "comparator"}
    comparator = args.get("comparator") or "EQUALS"
    return all(
        compare({"pattern": value, "comparator": comparator}, env.get(REQUEST[name], ""))
        for name, value in wanted.items()
    )


def _change_set(args: Mapping[str, Any], changes: list[dict[str, Any]]) -> bool:
    pattern = text(args["pattern"])
    paths = [path for change in changes for path in change["paths"]]
    if text(args.get("comparator") or "GLOB") != "GLOB":
        return any(compare(args, path) for path in paths)
    compiled = glob(pattern, bool(args.get("caseSensitive")))
    return any(compiled.match(path) for path in paths)


def _caused(args: Mapping[str, Any], cause: Mapping[str, Any]) -> bool:
    name = str(cause.get("_class", "")).rsplit(".", 1)[-1].rsplit("$", 1)[-1]
    wanted = text(args["cause"])
    if name == "UserIdCause" and wanted == "UserIdCause":
        return args.get("detail") in (None, cause.get("userId"))
    return wanted.lower() in name.lower() or fnmatch.fnmatch(name.lower(), wanted.lower())


def outcome(line: Line, failure: Failure | None, in_stage: bool) -> Result:
    """What `post` goes by: the build's result so far, and what became of the stage or pipeline it comes after."""
    stage = line.scope.stage_node
    if failure is not None:
        own = result_of(failure)
    else:
        own = line.run.stage_results.get(stage.id, Result.SUCCESS) if in_stage and stage else Result.SUCCESS
    return max(line.run.result or Result.SUCCESS, own)


def met(name: str, line: Line, failure: Failure | None, in_stage: bool) -> bool:
    """Whether a `post` condition applies."""
    result = outcome(line, failure, in_stage)
    previous = line.run.place.previous() if name in ("changed", "fixed", "regression") else None
    before = Result[previous["result"]] if previous and previous.get("result") in Result.__members__ else None
    match name:
        case "always" | "cleanup":
            return True
        case "changed":
            return result != before
        case "fixed":
            return result is Result.SUCCESS and before in (Result.FAILURE, Result.UNSTABLE)
        case "regression":
            return before is not None and result > before
        case "unsuccessful":
            return result is not Result.SUCCESS
        case "notBuilt":
            return result is Result.NOT_BUILT
    return result.name == name.upper()
