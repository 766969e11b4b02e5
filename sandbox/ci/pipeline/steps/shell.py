"""Steps that run programs."""

from __future__ import annotations

import errno
import os
import uuid
from pathlib import Path
from typing import Any

from sandbox.ci.groovy.worker import Failure
from sandbox.ci.pipeline.line import Line
from sandbox.ci.pipeline.log import Stream
from sandbox.ci.pipeline.steps import containers
from sandbox.ci.pipeline.steps.registry import step
from sandbox.processes import Group

GRACE = 5.0


@step()
def sh(
    line: Line,
    script: str,
    returnStdout: bool = False,
    returnStatus: bool = False,
    label: str | None = None,
    encoding: str | None = None,
) -> Any:
    """Runs a shell script with `sh -xe`, or as its `#!` line says, in the current folder."""
    if returnStdout and returnStatus:
        raise Failure("You may not set both returnStdout and returnStatus.", "java.lang.IllegalArgumentException")
    folder = line.folder
    folder.mkdir(parents=True, exist_ok=True)
    control = Path(f"{line.workspace}@tmp") / f"durable-{uuid.uuid4().hex[:8]}"
    control.mkdir(parents=True)
    file = control / "script.sh"
    try:
        command = _prepared(file, script, line)
        code, output = run(line, command, folder, returnStdout)
    finally:
        _removed(control, file)
    if returnStatus:
        return code
    if code:
        raise Failure(f"script returned exit code {code}")
    return output.decode(encoding or "utf-8", "replace") if returnStdout else None


def _prepared(file: Path, script: str, line: Line) -> list[str]:
    """Writes the script; the command that runs it."""
    own = script.startswith("#!")
    file.write_text(script, encoding="utf-8")
    if own:
        file.chmod(0o700)
    command = [str(file)] if own else ["sh", "-xe", str(file)]
    return containers.wrapped(line, command)


def _removed(control: Path, file: Path) -> None:
    file.unlink(missing_ok=True)
    try:
        control.rmdir()
        control.parent.rmdir()
    except OSError:
        pass  # another branch's script is still there


def run(line: Line, command: list[str], folder: Path, capture: bool = False) -> tuple[int, bytes]:
    """Runs a program, its output in the log or captured: exit code and what was captured."""
    strand = line.strand
    strand.check()
    env = line.environment()
    env["JENKINS_NODE_COOKIE"] = line.scope.cookie
    try:
        group = Group(command, folder, env, split=capture)
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        if error.errno == errno.E2BIG:
            largest = max(env, key=lambda name: len(env[name]))
            reason += f": the largest variable is {largest}, {len(env[largest])} characters; put it in a file"
        raise Failure(f"cannot run {command[0]}: {reason}", "java.io.IOException") from None

    told = False

    def stop() -> None:
        nonlocal told
        if not told:
            line.log("Sending interrupt signal to process")
        told = True
        group.end(GRACE)

    strand.on_interrupt = stop
    stream = Stream(line.run.log, line.scope.timestamps)
    captured = []
    try:
        if strand.stopped:
            stop()
        for name, chunk in group.output():
            if capture and name == "out":
                captured.append(chunk)
            else:
                stream.write(chunk)
        stream.close()
        code = group.code()
    finally:
        strand.on_interrupt = None
    if strand.stopped:
        line.log("Terminated")
        line.log(f"script returned exit code {code}")
        strand.check()
    return code, b"".join(captured)


def _refuse(name: str) -> None:
    def refused(
        line: Line,
        script: str,
        returnStdout: bool = False,
        returnStatus: bool = False,
        label: str | None = None,
        encoding: str | None = None,
    ) -> None:
        raise Failure(f"{name} needs a Windows agent; this agent is Linux. Use sh instead.")

    refused.__doc__ = "Refused: the agent is Linux."
    refused.__name__ = name
    step(name)(refused)


for _name in ("bat", "powershell", "pwsh"):
    _refuse(_name)


@step()
def isUnix(line: Line) -> bool:
    """Whether the agent is a Unix; ours always are."""
    return True
