"""Docker in pipelines: `agent { docker }`, `docker.image(...).inside`, build, push. Needs a Docker engine."""

from __future__ import annotations

import contextlib
import os
import shlex
import socket
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from sandbox.ci.groovy.values import Closure, Remote
from sandbox.ci.groovy.worker import Failure
from sandbox.ci.pipeline.line import Line, braces
from sandbox.ci.pipeline.objects import record, text
from sandbox.ci.pipeline.steps.registry import step
from sandbox.processes import Group, have

HOW = (
    "Docker agents are turned off: no Docker engine can be reached from this agent. "
    "Turn them on with `sandbox up ci docker-proxy`, or run the steps without a container (agent any)."
)


def available(line: Line) -> bool:
    """Whether there is a Docker client and an engine it may talk to. A socket may outlive who listened at it."""
    host = line.environment().get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    if not have("docker") or not host.startswith("unix://"):
        return have("docker")
    with socket.socket(socket.AF_UNIX) as asked:
        return asked.connect_ex(host.removeprefix("unix://")) == 0


def wrapped(line: Line, command: list[str]) -> list[str]:
    """A command as it runs in the container around us, if there is one."""
    container = line.scope.container
    if not container:
        return command
    passed = []
    own = {**line.run.base_environment(), **os.environ}
    for name, value in line.environment().items():
        if own.get(name) != value or name.startswith(("BUILD_", "JOB_", "GIT_", "WORKSPACE", "STAGE_")):
            passed += ["--env", f"{name}={value}"]
    return ["docker", "exec", *passed, "--workdir", str(line.folder), container, *command]


def agent(line: Line, kind: str, options: Mapping[str, Any], body: Callable[[], Any]) -> None:
    """Runs a declarative stage in a container: `docker { image }` or `dockerfile { }`."""
    _needed(line)
    built = kind == "dockerfile"
    if built:
        folder = text(options.get("dir") or ".")
        name = text(options.get("filename") or "Dockerfile")
        image = f"sandbox-ci-{uuid.uuid4().hex[:12]}"
        extra = shlex.split(text(options.get("additionalBuildArgs") or ""))
        _docker(line, "build", "-t", image, *extra, "-f", str(Path(folder) / name), folder)
    else:
        image = text(options["image"])
        if options.get("alwaysPull"):
            _docker(line, "pull", image)
    try:
        with _inside(line, image, text(options.get("args") or "")):
            body()
    finally:
        if built:
            _docker(line, "rmi", image)


def call(line: Line, name: str, args: list[Any]) -> Any:
    """`docker.image`, `docker.build`, `docker.withRegistry`, `docker.withServer`."""
    _needed(line)
    match name:
        case "image":
            return _image(line, text(args[0]))
        case "build":
            tag = text(args[0])
            arguments = shlex.split(text(args[1])) if len(args) > 1 else ["."]
            _docker(line, "build", "-t", tag, *arguments)
            return _image(line, tag)
        case "withRegistry" | "withServer":
            closure = args[-1]
            with braces(line):
                return line.call(closure)
    raise Failure(f"No signature of method: docker.{name}()", "groovy.lang.MissingMethodException")


def _needed(line: Line) -> None:
    if not available(line):
        raise Failure(HOW)


def _image(line: Line, name: str) -> Remote:
    def inside(line: Line, *args: Any) -> Any:
        arguments = text(args[0]) if len(args) > 1 else ""
        with _inside(line, name, arguments):
            return line.call(args[-1])

    def run(line: Line, *args: Any) -> Remote:
        options = shlex.split(text(args[0])) if args and not isinstance(args[0], Closure) else []
        command = shlex.split(text(args[1])) if len(args) > 1 and not isinstance(args[1], Closure) else []
        id = _docker(line, "run", "-d", *options, name, *command).strip()
        return record(line, {"id": id}, {"stop": lambda line: _docker(line, "rm", "-f", id)})

    def with_run(line: Line, *args: Any) -> Any:
        container = run(line, *args[:-1])
        try:
            return line.call(args[-1], container)
        finally:
            _docker(line, "rm", "-f", str(line.run.objects[container.id][0]["id"]))

    def push(line: Line, tag: Any = None, force: Any = True) -> None:
        _docker(line, "push", f"{name.split(':')[0]}:{text(tag)}" if tag else name)

    def tagged(line: Line, tag: Any = "latest", force: Any = True) -> None:
        _docker(line, "tag", name, f"{name.rsplit(':', 1)[0]}:{text(tag)}")

    methods: dict[str, Callable[..., Any]] = {
        "inside": inside,
        "run": run,
        "withRun": with_run,
        "push": push,
        "pull": lambda line: _docker(line, "pull", name) and None,
        "tag": tagged,
        "imageName": lambda line: name,
    }
    return record(line, {"id": name}, methods)


@contextlib.contextmanager
def _inside(line: Line, image: str, arguments: str) -> Iterator[None]:
    workspace = line.workspace
    user = f"{os.getuid()}:{os.getgid()}"
    scripts = Path(f"{workspace}@tmp")
    scripts.mkdir(exist_ok=True)
    held = scripts / f"container-{uuid.uuid4().hex[:8]}"
    held.touch()  # a folder that is mounted must stay: steps remove it when it is empty
    mounts = ["-w", str(workspace), "-v", f"{workspace}:{workspace}:rw", "-v", f"{scripts}:{scripts}:rw"]
    try:
        id = _docker(line, "run", "-t", "-d", "-u", user, *shlex.split(arguments), *mounts, image, "cat")
        id = id.strip().split("\n")[-1]
        line.log("[Pipeline] withDockerContainer")
        line.log(f"{line.scope.agent} runs the steps in a container of {image}")
        try:
            with line.within(container=id), braces(line):
                yield
        finally:
            _docker(line, "rm", "-f", id)
            line.log("[Pipeline] // withDockerContainer")
    finally:
        held.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            scripts.rmdir()


def _docker(line: Line, *arguments: str) -> str:
    line.log(f"$ docker {shlex.join(arguments)}")
    group = Group(["docker", *arguments], line.folder, line.environment(), split=True)
    kept = []
    if arguments[0] in ("build", "pull"):  # these may take long; a build that is stopped does not wait for them
        line.strand.on_interrupt = lambda: group.end(2)
    for stream, chunk in group.output():
        if stream == "out":
            kept.append(chunk)
        else:
            line.run.log.write(chunk)
    code = group.code()
    line.strand.on_interrupt = None
    if code:
        line.strand.check()
        raise Failure(f"docker {arguments[0]} failed with exit code {code}")
    return b"".join(kept).decode("utf-8", "replace")


@step()
def withDockerRegistry(
    line: Line, body: Any, url: str = "", credentialsId: str = "", toolName: str = "", registry: Any = None
) -> Any:
    """Runs the block; the client's own login is used."""
    return body()
