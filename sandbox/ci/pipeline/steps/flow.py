"""Steps that say what runs, when, how often, and what becomes of failures."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Mapping
from typing import Any

from sandbox.ci.groovy.values import Closure, Described
from sandbox.ci.groovy.worker import Failure, WorkerLost
from sandbox.ci.model import Result
from sandbox.ci.pipeline import words
from sandbox.ci.pipeline.line import Body, Line, braces, interruption, result_of
from sandbox.ci.pipeline.objects import duration, text
from sandbox.ci.pipeline.steps.registry import step

UNITS = {
    "NANOSECONDS": 1e-9,
    "MICROSECONDS": 1e-6,
    "MILLISECONDS": 1e-3,
    "SECONDS": 1,
    "MINUTES": 60,
    "HOURS": 3600,
    "DAYS": 86400,
}
RETRY_CONDITIONS = ("agent", "kubernetesAgent", "nonresumable")


@step()
def echo(line: Line, message: str) -> None:
    """Writes a message to the log."""
    line.log(text(message))


@step()
def error(line: Line, message: str) -> None:
    """Fails, with a message and without a stack trace."""
    raise Failure(message)


@step()
def unstable(line: Line, message: str) -> None:
    """Makes the build and the stage unstable; goes on."""
    line.log(f"WARNING: {message}")
    line.worsen(Result.UNSTABLE)
    line.warn(Result.UNSTABLE, message)


@step()
def script(line: Line, body: Body) -> Any:
    """Free Groovy inside a declarative pipeline."""
    return body()


@step()
def stage(line: Line, name: str, body: Body | None = None, concurrency: int | None = None) -> Any:
    """A named part of the pipeline. Without a block, as in old scripts, it only says the name."""
    if body is None:
        line.log(f"Entering stage {name}")
        return None
    block = body
    return in_stage(line, name, lambda: block.on(line))


def in_stage(line: Line, name: str, body: Callable[[], Any]) -> Any:
    """Runs something as a stage."""
    with line.run.node(line, "stage", name), line.within(stage=name), braces(line, name):
        return body()


@step(loose=True)
def parallel(line: Line, more: Mapping[str, Any]) -> dict[str, Any]:
    """Runs named blocks beside each other; with failFast the first failure stops the others."""
    closures = {name: value for name, value in more.items() if isinstance(value, Closure)}
    strangers = [name for name in more if name not in closures and name != "failFast"]
    if strangers:
        raise Failure(f"Expected closures for parallel but got {strangers[0]}", "java.lang.IllegalArgumentException")

    def runner(closure: Closure) -> Callable[[Line], Any]:
        return lambda own: own.call(closure)

    try:
        branches = {name: runner(closure) for name, closure in closures.items()}
        return beside_each_other(line, branches, more.get("failFast") in (True, "true"))
    finally:
        line.log("[Pipeline] // parallel")


def beside_each_other(line: Line, branches: Mapping[str, Callable[[Line], Any]], fail_fast: bool) -> dict[str, Any]:
    """Runs functions on lines of their own; their values by name. Raises the failure that counts."""
    run = line.run
    values: dict[str, Any] = {}
    failures: list[Failure] = []
    trouble: list[BaseException] = []
    lock = threading.Lock()
    with run.node(line, "parallel", "parallel"):
        lines = {name: Line(run, line.scope) for name in branches}

        def work(name: str, function: Callable[[Line], Any]) -> None:
            own = lines[name]
            try:
                with run.node(own, "branch", name):
                    try:
                        values[name] = function(own)
                    finally:
                        own.log("[Pipeline] }")
            except Failure as failure:
                with lock:
                    failures.append(failure)
                    first = len(failures) == 1
                own.log(f"Failed in branch {name}")
                if fail_fast and first:
                    for other, sibling in lines.items():
                        if other != name and other not in values:
                            sibling.interrupt(interruption(f"Failed in branch {name}"))
            except BaseException as error:
                trouble.append(error)

        threads = [threading.Thread(target=work, args=item, name=item[0], daemon=True) for item in branches.items()]
        for name in branches:
            line.log(f"[Pipeline] {{ (Branch: {name})")
        with line.branched(list(lines.values())):
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        if trouble:
            raise trouble[0]
        if run.worker.lost is not None:
            raise WorkerLost(run.worker.lost)
        if failures:
            raise next((failure for failure in failures if not failure.interrupted), failures[0])
    return {name: values[name] for name in branches}


@step()
def timeout(line: Line, time: int, body: Body, unit: str = "MINUTES", activity: bool = False) -> Any:
    """Interrupts the block when it takes too long; with `activity`, when its log is silent that long."""
    seconds = time * UNITS[unit]
    span = duration(seconds)
    line.log(f"Timeout set to expire after {span} without activity" if activity else f"Timeout set to expire in {span}")
    finished = threading.Event()

    def watch() -> None:
        seen = line.run.log.offset
        while not finished.wait(seconds):
            if activity and line.run.log.offset != seen:
                seen = line.run.log.offset
                continue
            line.log("Cancelling nested steps due to timeout")
            line.interrupt(interruption("Timeout has been exceeded"))
            return

    threading.Thread(target=watch, name="timeout", daemon=True).start()
    try:
        return body()
    finally:
        finished.set()


@step()
def retry(line: Line, count: int, body: Body, conditions: Any = None) -> Any:
    """Runs the block again when it fails, up to `count` times in all.

    `conditions` mean an agent that went away, or a step that a restart ended: other failures are not tried again.
    """
    for condition in conditions or ():
        if not isinstance(condition, Described) or condition.symbol not in RETRY_CONDITIONS:
            raise Failure(
                f"retry conditions are {', '.join(RETRY_CONDITIONS)}, not {text(condition)}",
                "java.lang.IllegalArgumentException",
            )
    for attempt in range(1, max(1, count) + 1):
        try:
            return body()
        except Failure as failure:
            if failure.interrupted or attempt >= count or conditions:
                raise
            line.run.tell(failure, line.log)
            line.log("Retrying")
    return None


@step()
def sleep(line: Line, time: int, unit: str = "SECONDS") -> None:
    """Waits."""
    seconds = time * UNITS[unit]
    line.log(f"Sleeping for {duration(seconds)}")
    line.strand.wait(seconds)


@step()
def waitUntil(line: Line, body: Body, initialRecurrencePeriod: int = 250, quiet: bool = False) -> None:
    """Runs the block until it returns true, at growing intervals up to 15 s."""
    period = initialRecurrencePeriod / 1000
    while True:
        answer = body()
        if not isinstance(answer, bool):
            raise Failure(f"body return value {text(answer)} is not boolean", "java.lang.ClassCastException")
        if answer:
            return
        if not quiet:
            line.log(f"Will try again after {duration(period)}")
        line.strand.wait(period)
        period = min(period * (1.2 + random.random() / 10), 15)


@step()
def catchError(
    line: Line,
    body: Body,
    message: str | None = None,
    buildResult: str = "FAILURE",
    stageResult: str = "SUCCESS",
    catchInterruptions: bool = True,
) -> None:
    """Goes on after a failure of the block, which sets the results of build and stage."""
    _caught(line, body, message, buildResult, stageResult, catchInterruptions)


@step()
def warnError(line: Line, message: str | None, body: Body, catchInterruptions: bool = True) -> None:
    """Goes on after a failure of the block, which makes build and stage unstable."""
    if not message:
        raise Failure("A non-empty message is required", "java.lang.IllegalArgumentException")
    _caught(line, body, message, "UNSTABLE", "UNSTABLE", catchInterruptions)


def _caught(
    line: Line, body: Body, message: str | None, build_result: str, stage_result: str, interruptions: bool
) -> None:
    for key, name in (("buildResult", build_result), ("stageResult", stage_result)):
        if name is not None and name.upper() not in Result.__members__:
            raise Failure(words.INVALID_RESULT.format(key, name), "java.lang.IllegalArgumentException")
    try:
        body()
    except Failure as failure:
        if failure.interrupted and not interruptions:
            raise
        if message:
            line.log(f"ERROR: {message}")
        line.run.tell(failure, line.log)
        build, marked = Result[(build_result or "SUCCESS").upper()], Result[(stage_result or "SUCCESS").upper()]
        if failure.interrupted:
            build = max(build, result_of(failure)) if build is not Result.SUCCESS else build
        if build is not Result.SUCCESS:
            line.worsen(build)
        if marked is not Result.SUCCESS:
            line.warn(marked, message or failure.message or "")


@step(first="ordinal")
def milestone(line: Line, ordinal: int | None = None, label: str | None = None, unsafe: bool = False) -> None:
    """Passed in order of builds: a later build that passed ends this one, and earlier ones that did not are ended."""
    run = line.run
    number = ordinal if ordinal is not None else run.__dict__.setdefault("milestones", 0)
    run.__dict__["milestones"] = number + 1
    line.log(f"Trying to pass milestone {number}")
    with line.waiting():
        run.place.milestone(number)


@step(first="resource")
def lock(
    line: Line,
    body: Body,
    resource: str | None = None,
    label: str | None = None,
    quantity: int = 0,
    variable: str | None = None,
    inversePrecedence: bool = False,
    skipIfLocked: bool = False,
    extra: Any = None,
    resourceSelectStrategy: str | None = None,
    priority: int = 0,
) -> Any:
    """Runs the block while no one else holds the resource."""
    name = resource or label
    if not name:
        raise Failure("Either resource label or resource name must be specified.", "java.lang.IllegalArgumentException")
    shown = f"Resource: {name}" if resource else f"Label: {name}"
    line.log(f"Trying to acquire lock on [{shown}]")
    with line.waiting():
        held = line.run.place.lock(name, line.stopped)
        held.__enter__()
    try:
        line.log(f"Lock acquired on [{shown}]")
        with line.with_env({variable: name} if variable else {}):
            return body()
    finally:
        held.__exit__(None, None, None)
        line.log(f"Lock released on resource [{shown}]")


@step()
def timestamps(line: Line, body: Body) -> Any:
    """Puts the time in front of each line of the block's log."""
    with line.within(timestamps=True):
        return body()


@step()
def ansiColor(line: Line, colorMapName: str = "xterm", body: Body = None) -> Any:  # type: ignore[assignment]
    """Colours of the block's output are shown; ours are always kept."""
    with line.with_env({"TERM": colorMapName}):
        return body()


@step()
def withEnv(line: Line, overrides: Any, body: Body) -> Any:
    """More environment variables in the block, as ["NAME=value", ...]."""
    variables = {}
    for entry in overrides:
        name, found, value = text(entry).partition("=")
        if not found:
            raise Failure(f"Invalid environment variable assignment: {name}", "java.lang.IllegalArgumentException")
        variables[name] = value
    with line.with_env(variables):
        return body()


@step()
def wrap(line: Line, delegate: Any, body: Body) -> Any:
    """Older build wrappers: `[$class: 'TimestamperBuildWrapper']` and the like; those we do not know do nothing."""
    name = text(delegate.get("$class", "")) if isinstance(delegate, Mapping) else ""
    with line.within(timestamps=line.scope.timestamps or name.startswith("Timestamper")):
        return body()
