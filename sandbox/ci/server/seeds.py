"""What a new server starts with: repositories, jobs, credentials and libraries from a folder of plain files.

`repositories/<name>/` becomes a hosted repository, `jobs/*.yml` jobs, `server.yml` the rest. What is there already
is left as it is: people may have changed it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox import yamlfile
from sandbox.ci.model import Credential, Declared, Source
from sandbox.ci.server import configuration, credentials
from sandbox.ci.server.causes import plain_cause
from sandbox.ci.server.configuration import BadConfiguration, Definition
from sandbox.ci.server.libraries import Library
from sandbox.ci.server.repositories import GitError, Repositories
from sandbox.ci.store import FOLDER, MULTIBRANCH, PIPELINE, Item

if TYPE_CHECKING:
    from sandbox.ci.server.server import Server

KEYS = {
    "name",
    "kind",
    "description",
    "repository",
    "branch",
    "jenkinsfile",
    "script",
    "branches",
    "exclude",
    "triggers",
    "keep",
    "build",
}
WRONG = (BadConfiguration, KeyError, TypeError, ValueError)
logger = logging.getLogger("sandbox.ci")


def folders(root: Path) -> list[Path]:
    """The folder itself, and those in it: one for each service that has something to plant."""
    own = ("repositories", "jobs")
    return [root, *sorted(path for path in root.glob("*") if path.is_dir() and path.name not in own)]


def plant(server: Server, folder: Path) -> None:
    """Problems are logged, each with its file; the rest is planted."""
    plant_repositories(server.repositories, folder)
    for data, path in _documents([folder / "server.yml"]):
        _server(server, data, path)
    for data, path in jobs(folder):
        try:
            _job(server, data)
        except WRONG as error:
            logger.error("seed %s: %s", path, error)


def plant_repositories(repositories: Repositories, folder: Path) -> None:
    for content in sorted(path for path in (folder / "repositories").glob("*") if path.is_dir()):
        try:
            if content.name not in repositories.names():
                repositories.seed(content.name, content)
        except (GitError, OSError, ValueError) as error:
            logger.error("seed %s: %s", content, error)


def jobs(folder: Path) -> Iterator[tuple[dict[str, Any], Path]]:
    """What the job files hold; `job` understands it, or raises one of WRONG."""
    return _documents(sorted((folder / "jobs").glob("*.yml")))


def ensure_folders(server: Server, path: str) -> None:
    """Creates the folders above a job."""
    parent = path.rpartition("/")[0]
    if parent and server.store.item(parent) is None:
        ensure_folders(server, parent)
        server.store.create_item(parent, FOLDER, configuration.write(Definition(FOLDER)))


def _documents(paths: list[Path]) -> Iterator[tuple[dict[str, Any], Path]]:
    for path in (path for path in paths if path.is_file()):
        file = yamlfile.read(path)
        for problem in file.problems:
            logger.error("seed %s", problem)
        if isinstance(file.data, dict):
            yield file.data, path
        elif not file.problems:
            logger.error("seed %s: must hold names and values", path)


def _server(server: Server, data: dict[str, Any], path: Path) -> None:
    try:
        for each in data.get("libraries", []):
            server.libraries.define(Library(**each))
        for each in data.get("credentials", []):
            secret = str(each.pop("secret", "")).encode()
            credential = Credential(**{**each, "secret": secret})
            if credential.id not in server.store.credentials("", "_"):
                server.store.put_credential("", "_", credential.id, credentials.write(credential))
    except (TypeError, KeyError, StopIteration) as error:
        logger.error("seed %s: %s", path, error)


def job(data: dict[str, Any], url: Callable[[str], str]) -> tuple[str, Definition]:
    """A job's full name, and what it is; `url` tells the address of a repository. Raises one of WRONG."""
    if unknown := set(data) - KEYS:
        raise ValueError(f"unknown: {', '.join(sorted(unknown))}; known are {', '.join(sorted(KEYS))}")
    path = "/".join(configuration.check_name(part) for part in str(data["name"]).split("/"))
    kind = data.get("kind", PIPELINE)
    if kind not in (PIPELINE, MULTIBRANCH, FOLDER):
        raise ValueError(f"kind {kind!r} is none of {PIPELINE}, {MULTIBRANCH}, {FOLDER}")
    return path, Definition(
        kind,
        description=str(data.get("description", "")),
        script=str(data.get("script", "")),
        source=Source(
            url=url(str(data.get("repository", ""))),
            branch=str(data.get("branch", "")),
            script_path=str(data.get("jenkinsfile", "Jenkinsfile")),
        ),
        declared=Declared(
            triggers=tuple((str(name), str(spec)) for name, spec in data.get("triggers", {}).items()),
            keep_builds=int(data.get("keep", 0)),
        ),
        branches=str(data.get("branches", "*")),
        exclude=str(data.get("exclude", "")),
    )


def _job(server: Server, data: dict[str, Any]) -> None:
    path, definition = job(data, lambda repository: _url(server, repository))
    if server.store.item(path):
        return
    ensure_folders(server, path)
    xml = configuration.write(definition)
    item = server.store.create_item(path, definition.kind, xml, description=definition.description)
    _first_build(server, item, bool(data.get("build", False)))


def _first_build(server: Server, item: Item, wanted: bool) -> None:
    if item.kind == MULTIBRANCH:
        server.branches.scan(item)
    elif wanted and not item.holds_items:
        cause = plain_cause("hudson.model.Cause$RemoteCause", "Started by the first start of the server")
        server.scheduler.submit(item, [cause])


def _url(server: Server, repository: str) -> str:
    return server.scheduler.repository_url(repository) if repository in server.repositories.names() else repository
