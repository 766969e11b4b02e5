"""`sandbox ci`: check and run Jenkinsfiles."""

from __future__ import annotations

import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click

from sandbox.commands import ci_server, json_option


@click.group()
def ci() -> None:
    """Check and run Jenkinsfiles, here or on the ci service."""


for verb in ci_server.VERBS:
    ci.add_command(verb)


@ci.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@json_option
@click.pass_context
def lint(ctx: click.Context, files: tuple[Path, ...], as_json: bool) -> None:
    """Check Jenkinsfiles as Jenkins would.

    Exit code 1 if any is not valid, 2 if one cannot be read; needs no running sandbox.
    """
    from sandbox import output
    from sandbox.ci.pipeline import lint as linter
    from sandbox.errors import UsageError

    answers = linter.files(files)
    unreadable = {str(path): reason for path in files if (reason := linter.unreadable(path))}
    if as_json:
        output.data(answers)
    for answer in () if as_json else answers:
        if answer["valid"]:
            click.echo(f"{answer['file']}: valid")
        for error in answer["errors"] if answer["file"] not in unreadable else ():
            click.echo(f"{answer['file']}:{error['line']}:{error['column']}: {error['message']}")
    if unreadable:
        raise UsageError("\n".join(f"{file} {linter.UNREADABLE}: {reason}" for file, reason in unreadable.items()))
    ctx.exit(0 if all(answer["valid"] for answer in answers) else 1)


def _pairs(values: tuple[str, ...], what: str) -> dict[str, str]:
    pairs = {}
    for value in values:
        name, found, rest = value.partition("=")
        if not found or not name:
            raise click.BadParameter(f"{value!r} is not {what}")
        pairs[name] = rest
    return pairs


@ci.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("-p", "--parameter", "parameters", multiple=True, metavar="NAME=VALUE", help="A build parameter.")
@click.option(
    "--credentials",
    type=click.Path(path_type=Path, exists=True),
    metavar="FILE",
    help="YAML list of {id, kind, secret, ...}.",
)
@click.option("--library", "libraries", multiple=True, metavar="NAME=FOLDER", help="A shared library.")
@click.option(
    "--workspace",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Folder to run in [a temporary one].",
)
@click.option("--scm", metavar="URL", help="Git repository that `checkout scm` brings.")
@json_option
@click.pass_context
def run(
    ctx: click.Context,
    file: Path,
    parameters: tuple[str, ...],
    credentials: Path | None,
    libraries: tuple[str, ...],
    workspace: Path | None,
    scm: str | None,
    as_json: bool,
) -> None:
    """Run a Jenkinsfile here, once.

    Exit code 0 for SUCCESS, else 1; the log goes to standard output.

    With --json, the log is followed by one object: {result, duration, stages, log}.
    """
    import json

    from sandbox.ci import recipes
    from sandbox.ci.groovy.worker import GroovyWorker
    from sandbox.ci.model import Source
    from sandbox.ci.pipeline.local import LocalPlace, read_credentials
    from sandbox.ci.pipeline.run import Run
    from sandbox.errors import UsageError

    known = read_credentials(credentials) if credentials else {}
    folders = {name: Path(folder).resolve() for name, folder in _pairs(libraries, "NAME=FOLDER").items()}
    for name, folder in folders.items():
        if not folder.is_dir():
            raise UsageError(f"the library {name}: there is no folder {folder}")
    kept = bytearray()

    def out(data: bytes) -> None:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        if as_json:
            kept.extend(data)

    try:
        text = recipes.script(file.read_bytes().decode("utf-8-sig", "replace"), file.name)
    except recipes.BadRecipe as error:
        raise UsageError(str(error), f"sandbox ci lint {file}") from None
    if recipes.is_other(file.name) and not scm:  # the folder it lies in is what it builds
        text, workspace = text.replace(recipes.CHECKOUT, ""), workspace or file.resolve().parent
    if workspace is not None:
        try:
            workspace.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"the workspace {workspace} cannot be made: {error.strerror}") from None
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="sandbox-ci-", ignore_cleanup_errors=True) as temporary:
        place = LocalPlace(
            Path(temporary).resolve(),
            out,
            job=file.resolve().parent.name or "local",
            parameters=_pairs(parameters, "NAME=VALUE"),
            credentials=known,
            libraries=folders,
            source=Source(scm) if scm else None,
        )
        if workspace is not None:
            place.workspaces, place.job = workspace.resolve().parent, workspace.resolve().name
        worker = GroovyWorker(heap_mb=256, libraries=list(folders.values()))
        try:
            build = Run(worker, text, place)
            _stop_on_signal(build)
            result = build.execute()
        finally:
            worker.close()
    if as_json:
        answer: dict[str, Any] = {
            "result": result.name,
            "duration": round(time.monotonic() - began, 3),
            "stages": place.stages(),
            "log": kept.decode("utf-8", "replace"),
        }
        click.echo(json.dumps(answer, ensure_ascii=False))
    ctx.exit(0 if result.name == "SUCCESS" else 1)


def _stop_on_signal(build: Any) -> None:
    """^C stops the build as a person would; again, it ends it for good."""

    def stop(number: int, frame: object) -> None:
        import threading

        threading.Thread(target=build.stop, args=("Aborted by interrupt",)).start()

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
