"""Steps about where things run: nodes and folders."""

from __future__ import annotations

import contextlib
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from sandbox.ci.groovy.worker import Failure
from sandbox.ci.model import workspace_name
from sandbox.ci.pipeline import patterns
from sandbox.ci.pipeline.line import Body, Line
from sandbox.ci.pipeline.objects import text
from sandbox.ci.pipeline.steps.registry import step
from sandbox.processes import end_marked


@step(first="label")
def node(line: Line, body: Body, label: str | None = None) -> Any:
    """Runs the block on an executor that has the label, in the job's workspace."""
    return run_on_node(line, label or "", None, body)


def run_on_node(line: Line, label: str, custom: Any, body: Callable[[], Any]) -> Any:
    """Waits for an executor, prepares the workspace, and ends what the block's programs left running."""
    run = line.run
    base = run.place.workspaces / (text(custom) if custom else workspace_name(run.place.job))
    try:
        with line.waiting():
            executor = run.place.executor(label, line.stopped)
            agent = executor.__enter__()
    except (LookupError, ValueError) as error:  # of no node, or no label expression
        raise Failure(
            str(error.args[0]) if error.args else f"There are no nodes with the label \u2018{label}\u2019"
        ) from None
    try:
        with _workspace(line, base) as workspace:
            line.log(f"Running on {agent} in {workspace}")
            _bring_uploads(line, workspace)
            cookie = str(uuid.uuid4())
            with line.within(workspace=workspace, folder=workspace, agent=agent, label=label, cookie=cookie):
                try:
                    return body()
                finally:
                    end_marked(f"JENKINS_NODE_COOKIE={cookie}")
    finally:
        executor.__exit__(None, None, None)


@contextlib.contextmanager
def _workspace(line: Line, base: Path) -> Iterator[Path]:
    folder = line.run.take_workspace(base)
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield folder
    finally:
        line.run.release_workspace(folder)


def _bring_uploads(line: Line, workspace: Path) -> None:
    """What came as file parameters, at their names; once, as the pipeline may change or remove it."""
    for upload in (line.run.place.folder / "uploads").glob("*"):
        target = workspace / unquote(upload.name)
        if workspace.resolve() in target.resolve().parents:
            line.log(f"Copying file to {unquote(upload.name)}")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(upload, target)


@step()
def ws(line: Line, dir: str | None, body: Body) -> Any:
    """Runs the block in a workspace of another name, or in another one of this job."""
    name = dir or line.run.place.job.rsplit("/", 1)[-1]
    base = Path(name) if Path(name).is_absolute() else line.run.place.workspaces / name
    with _workspace(line, base) as workspace:
        line.log(f"Running in {workspace}")
        with line.within(workspace=workspace, folder=workspace):
            return body()


@step()
def dir(line: Line, path: str, body: Body) -> Any:
    """Runs the block in a folder, which is made when something is put there."""
    folder = line.folder / path
    line.log(f"Running in {folder}")
    with line.within(folder=folder):
        return body()


@step()
def pwd(line: Line, tmp: bool = False) -> str:
    """The current folder, or a temporary one beside the workspace."""
    return f"{line.workspace}@tmp" if tmp else str(line.folder)


@step()
def deleteDir(line: Line) -> None:
    """Removes the current folder with everything in it."""
    shutil.rmtree(line.folder, ignore_errors=True)
    if line.folder == line.workspace:
        line.folder.mkdir(parents=True, exist_ok=True)


@step()
def cleanWs(
    line: Line,
    deleteDirs: bool = False,
    patterns: Any = (),
    notFailBuild: bool = False,
    disableDeferredWipeout: bool = False,
    cleanWhenAborted: bool = True,
    cleanWhenFailure: bool = True,
    cleanWhenNotBuilt: bool = True,
    cleanWhenSuccess: bool = True,
    cleanWhenUnstable: bool = True,
    cleanupMatrixParent: bool = False,
    externalDelete: str | None = None,
    skipWhenFailed: bool = False,
) -> None:
    """Empties the workspace, or what patterns (`[[pattern: 'x/**', type: 'INCLUDE']]`) choose of it."""
    line.log("[WS-CLEANUP] Deleting project workspace...")
    workspace = line.workspace
    result = line.result
    wanted = {
        "ABORTED": cleanWhenAborted,
        "FAILURE": cleanWhenFailure,
        "NOT_BUILT": cleanWhenNotBuilt,
        "UNSTABLE": cleanWhenUnstable,
    }.get(result.name if result else "", cleanWhenSuccess)
    if not wanted:
        line.log("[WS-CLEANUP] Skipped based on build state")
        return
    if patterns:
        _clean_chosen(workspace, patterns)
    else:
        for entry in workspace.iterdir():
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    line.log("[WS-CLEANUP] done")


def _clean_chosen(workspace: Path, chosen: Any) -> None:
    includes = ",".join(text(p["pattern"]) for p in chosen if p.get("type", "INCLUDE") == "INCLUDE") or "**"
    excludes = ",".join(text(p["pattern"]) for p in chosen if p.get("type") == "EXCLUDE")
    for path in list(patterns.files(workspace, includes, excludes, default_excludes=False)):
        (workspace / path).unlink()


@step()
def tool(line: Line, name: str, type: str | None = None) -> str:
    """Where a tool is. Ours are what the agent has on its PATH."""
    found = shutil.which(name.split("-")[0].lower()) or shutil.which(name)
    if found is None:
        raise Failure(f"No tool named {name} found")
    return str(Path(found).parent.parent)
