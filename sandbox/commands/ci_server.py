"""Verbs of `sandbox ci` that talk to the running server: jobs, build, log, stop, artifacts, new, push."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sandbox.commands import Call, json_option
from sandbox.errors import SandboxError, UsageError

if TYPE_CHECKING:
    from sandbox.ci.client import Client

SERVICES = ("ci", "jenkins")
PATIENCE = 15  # seconds until a push must have become a build
PERMALINK = re.compile(r"\d+|last\w*Build")


def _job(ctx: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """A job's full name, such as `team/web`."""
    if value is not None and any(not part.strip() or part in (".", "..") for part in value.strip("/").split("/")):
        raise click.BadParameter(f"{value!r} is no name of a job")
    return value and value.strip("/")


def _number(ctx: click.Context, parameter: click.Parameter, value: str) -> str:
    if not PERMALINK.fullmatch(value):
        raise click.BadParameter(
            f"{value!r} is neither a build's number nor lastBuild, lastSuccessfulBuild or the like"
        )
    return value


JOB = click.argument("job", callback=_job)
NUMBER = click.argument("number", default="lastBuild", callback=_number)


def connect(call: Call) -> Client:
    """The server of JENKINS_URL with JENKINS_USER_ID and JENKINS_API_TOKEN, else the sandbox's own."""
    from sandbox.ci.client import Client

    address, token = os.environ.get("JENKINS_URL"), os.environ.get("JENKINS_API_TOKEN")
    if address and token:
        return Client(address, os.environ.get("JENKINS_USER_ID", "admin"), token)
    sandbox = call.sandbox()
    for service in sandbox.status(ready=True).services:
        if service.name in SERVICES and service.url and service.login:
            hosting = sandbox.url("jenkins", "git") if service.name == "jenkins" else ""
            return Client(service.url, *service.login, hosting)
    raise SandboxError("no CI server is running", "sandbox up ci")


@click.command()
@json_option
@click.pass_obj
def jobs(call: Call, as_json: bool) -> None:
    """List the server's jobs and how their last builds went."""
    from sandbox import output

    found = connect(call).jobs()
    if as_json:
        output.data([{"name": job["fullName"], "color": job["color"], "lastBuild": job["lastBuild"]} for job in found])
        return
    output.table(("JOB", "LAST BUILD", "RESULT", "TOOK", "URL"), [_row(job) for job in found])


@click.command()
@JOB
@click.option("-p", "--parameter", "parameters", multiple=True, metavar="NAME=VALUE", help="A build parameter.")
@click.option("--follow", is_flag=True, help="Print the log; the exit code is the result's.")
@click.pass_obj
@click.pass_context
def build(ctx: click.Context, call: Call, job: str, parameters: tuple[str, ...], follow: bool) -> None:
    """Build a job.

    With --follow the exit code is 0 for SUCCESS, else 1.
    """
    client = connect(call)
    number = client.number_of(client.start(job, _parameters(parameters)))
    _began(client, job, number, follow)
    if follow:
        ctx.exit(_follow(client, job, number))


@click.command()
@JOB
@NUMBER
@click.option("-f", "--follow", is_flag=True, help="Go on until the build ends.")
@click.pass_obj
def log(call: Call, job: str, number: str, follow: bool) -> None:
    """Print a build's log (the last build's, unless numbered)."""
    _print_log(connect(call), job, number, follow)


@click.command()
@JOB
@NUMBER
@click.pass_obj
def stop(call: Call, job: str, number: str) -> None:
    """Stop a running build."""
    client = connect(call)
    actual = int(client.build_info(job, number)["number"])
    client.stop(job, str(actual))
    click.echo(f"{job} #{actual}: {client.result(job, actual)}")


@click.command()
@JOB
@click.argument("number", default="lastSuccessfulBuild", callback=_number)
@click.option(
    "--to",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Save them in this folder.",
)
@json_option
@click.pass_obj
def artifacts(call: Call, job: str, number: str, folder: Path | None, as_json: bool) -> None:
    """List a build's artifacts, or save them with --to."""
    from sandbox import output

    client = connect(call)
    names = client.artifacts(job, number)
    saved = [str(client.download(job, number, name, folder)) for name in names] if folder else names
    if as_json:
        output.data(saved)
        return
    for name in saved:
        click.echo(name)


@click.command()
@click.argument("name", callback=_job)
@click.argument("source", default=".")
@click.option("--branch", metavar="NAME", help="Branch to build [the current one, or main].")
@click.option("--jenkinsfile", default="Jenkinsfile", metavar="PATH", help="Path of the Jenkinsfile [Jenkinsfile].")
@click.option("--multibranch", is_flag=True, help="A job for each branch that has a Jenkinsfile.")
@click.pass_obj
def new(call: Call, name: str, source: str, branch: str | None, jenkinsfile: str, multibranch: bool) -> None:
    """Create a job.

    SOURCE is the address of a repository, or a folder that the server shall host.
    """
    client = connect(call)
    if client.has_job(name):
        raise UsageError(f"there is a job {name} already", f"sandbox ci build {name}")
    url = source
    if Path(source).is_dir():
        url, pushed = _push_folder(client, Path(source), _repository_name(name), branch)
        branch = branch or pushed
    elif ":" not in source:  # else an address, which only the server can try
        if not client.hosts(source):
            raise UsageError(f"{source} is neither a folder nor the address of a repository")
        url = f"{client.url}git/{source}.git"
    _create(client, name, url, branch or "main", jenkinsfile, multibranch)
    click.echo(f"{client.url}{_path(name)}")
    if not multibranch:
        client.start(name, {})


@click.command()
@click.argument("job", required=False, callback=_job)
@click.option("--follow", is_flag=True, help="Print the log; the exit code is the result's.")
@click.pass_obj
@click.pass_context
def push(ctx: click.Context, call: Call, job: str | None, follow: bool) -> None:
    """Make the current folder's commits a build.

    JOB is the folder's name unless given; it is created the first time.
    """
    client = connect(call)
    name = job or Path.cwd().name
    url, branch = _push_folder(client, Path.cwd(), _repository_name(name), None)
    if not client.has_job(name):
        _create(client, name, url, branch, "Jenkinsfile", False)
        client.start(name, {})
    number = _build_of(client, name, _commit(client, url, branch))
    _began(client, name, number, follow)
    if follow:
        ctx.exit(_follow(client, name, number))


VERBS: Sequence[click.Command] = (jobs, build, log, stop, artifacts, new, push)


def _row(job: dict[str, Any]) -> tuple[str, ...]:
    last = job["lastBuild"]
    if not last:
        return (job["fullName"], "", job["color"], "", job["url"])
    result = "running" if last["building"] else str(last["result"])
    return (job["fullName"], f"#{last['number']}", result, f"{last['duration'] / 1000:.1f} s", job["url"])


def _parameters(given: Sequence[str]) -> dict[str, str]:
    found = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not name or not equals:
            raise click.BadParameter(f"{each!r} is not NAME=VALUE")
        found[name] = value
    return found


def _path(name: str) -> str:
    from sandbox.ci.client import job_path

    return job_path(name)


def _began(client: Client, job: str, number: int, follow: bool) -> None:
    """Tells the build's address; beside its log, not in it."""
    click.echo(f"{client.url}{_path(job)}{number}/", err=follow)


def _print_log(client: Client, job: str, number: str, follow: bool) -> None:
    for piece in client.log(job, number, follow):
        sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()


def _follow(client: Client, job: str, number: int) -> int:
    _print_log(client, job, str(number), True)
    return 0 if client.result(job, number) == "SUCCESS" else 1


def _repository_name(job: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", job).strip("-.") or "repository"


def _create(client: Client, name: str, url: str, branch: str, jenkinsfile: str, multibranch: bool) -> None:
    from sandbox.ci.model import Source
    from sandbox.ci.server.configuration import Definition, write
    from sandbox.ci.store import MULTIBRANCH, PIPELINE

    source = Source(url, "" if multibranch else branch, script_path=jenkinsfile)
    client.create_job(name, write(Definition(MULTIBRANCH if multibranch else PIPELINE, source=source)))


def _push_folder(client: Client, folder: Path, repository: str, branch: str | None) -> tuple[str, str]:
    """Pushes a working copy's commits to a hosted repository: its address and the branch."""
    from sandbox import processes

    inside = processes.output(["git", "-C", str(folder), "rev-parse", "--show-toplevel"]).strip()
    if not inside or not processes.output(["git", "-C", str(folder), "rev-parse", "HEAD"]).strip():
        raise UsageError(f"{folder} holds no commits", "git init && git add . && git commit")
    current = processes.output(["git", "-C", str(folder), "branch", "--show-current"]).strip()
    target = branch or current or "main"
    url = client.create_repository(repository)
    what = branch if branch and current != branch else "HEAD"
    command = ["git", "-C", str(folder), "push", "--quiet", url, f"{what}:refs/heads/{target}"]
    processes.run(command, f"pushing {folder}", env=client.git_environment())
    return url, target


def _commit(client: Client, url: str, branch: str) -> str:
    from sandbox import processes

    return processes.output(["git", "ls-remote", url, f"refs/heads/{branch}"]).split("\t")[0].strip()


def _build_of(client: Client, name: str, commit: str) -> int:
    """The number of the build of a commit; starts one if the push itself has not (it had been pushed before)."""
    tree = "builds[number,actions[lastBuiltRevision[SHA1]]]{0,10}"
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        for build in client.json(f"{_path(name)}api/json?tree={tree}")["builds"]:
            if any((a.get("lastBuiltRevision") or {}).get("SHA1") == commit for a in build["actions"]):
                return int(build["number"])
        info = client.json(f"{_path(name)}api/json?tree=inQueue,lastBuild[building]")
        if not info["inQueue"] and not (info["lastBuild"] or {}).get("building"):
            return client.number_of(client.start(name, {}))
        time.sleep(0.2)
    raise SandboxError(f"no build of {commit[:12]} has begun", f"sandbox ci log {name}")
