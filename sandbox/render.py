"""Stack and decisions -> the files of the sandbox's folder. Pure: the same input gives the same bytes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from sandbox import __version__, yamlfile
from sandbox.model import (
    LABEL_CONFIGS,
    LABEL_FOLDER,
    LABEL_OWNER,
    LABEL_PROJECT,
    LABEL_SERVICE,
    Rendering,
    Service,
    Stack,
)

CONTRIBUTIONS = (
    *("scrape", "rules", "probes", "alertmanagers", "gateway", "aws"),
    *("dashboards", "datasources", "logstash", "seeds"),
)
HEADER = f"# Written by sandbox {__version__} and replaced by the next `sandbox up`: change sandbox.yml instead.\n"
# The labels stand beside each line in Docker's files: who reads those needs no Docker socket to tell whose they are.
NOTED = ",".join((LABEL_PROJECT, LABEL_SERVICE, "com.docker.compose.service"))
LOGGING = {"driver": "json-file", "options": {"max-size": "10m", "max-file": "2", "labels": NOTED}}
PLAIN_VALUE = re.compile(r"[A-Za-z0-9_./:@%+,=-]*")
ENV_LINE = re.compile(r"([A-Z][A-Z0-9_]*)=(?:'([^']*)'|(.*))")


def render(project: str, folder: Path, stack: Stack, values: Mapping[str, str], owner: str = "") -> Rendering:
    """Everything `docker compose` needs: fragments unchanged, configs, contributions, `.env`.

    `values` holds every variable of the stack's fragments. `owner` is the process that this sandbox must not
    outlive (see `owner`); empty for one that stays.
    """
    files: dict[str, bytes] = {}
    for service in stack.services:
        files[f"services/{service.name}.yml"] = service.text.encode()
        files.update(_configs(service))
    common = _common(project, folder, stack, files, owner)
    files["common.yml"] = (HEADER + yamlfile.dump(common)).encode()
    files["compose.yaml"] = _compose(project, stack).encode()
    files[".env"] = env_file(values).encode()
    return Rendering(files, _digest(files.items()))


def parse_env(text: str) -> dict[str, str]:
    """The values of a `.env` that we wrote; lines we would not have written are passed over."""
    matches = (ENV_LINE.fullmatch(line) for line in text.splitlines())
    return {match[1]: match[2] if match[2] is not None else match[3] for match in matches if match}


def _configs(service: Service) -> dict[str, bytes]:
    """A service's own configs under configs/<service>/, what it gives others under contributions/<kind>/; sources
    that the CI service shall host are among the latter. Who provides what another service is named after gives what
    that one does: Jenkins has the jobs, dashboard and alerts of `ci`.
    """
    files = {_place(service.name, relative): content for relative, content in _read(service.configs)}
    if service.provides and service.provides != service.name:
        for relative, content in _read(service.configs.parent / service.provides):
            if (shared := _place(service.provides, relative)).startswith("contributions/"):
                files[shared] = content
    for name, folder in service.repositories.items():
        place = PurePosixPath("contributions", "seeds", service.name, "repositories", name)
        files |= {str(place / relative.as_posix()): content for relative, content in _read(folder)}
    return files


def _read(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """The files of a folder, if there is one, by their path in it."""
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        # pip compiles what it installs, and tests leave caches.
        if path.is_file() and not any(part.endswith(("__pycache__", "_cache")) for part in relative.parts):
            yield relative, path.read_bytes()


def _place(service: str, relative: Path) -> str:
    first = relative.parts[0]
    if len(relative.parts) > 1 and first in CONTRIBUTIONS:
        return str(PurePosixPath("contributions", first, service, *relative.parts[1:]))
    if len(relative.parts) == 1 and relative.stem in CONTRIBUTIONS:
        return f"contributions/{relative.stem}/{service}{relative.suffix}"
    return str(PurePosixPath("configs", service, *relative.parts))


def _compose(project: str, stack: Stack) -> str:
    paths = [f"services/{service.name}.yml" for service in stack.services]
    include = {"path": [*paths, "common.yml"], "project_directory": "."}
    return HEADER + yamlfile.dump({"name": project, "include": [include]})


def _common(project: str, folder: Path, stack: Stack, files: Mapping[str, bytes], owner: str) -> dict[str, Any]:
    """What all containers share: our labels, and bounded logs.

    The digest of the files a container mounts is a label, so that Compose replaces it when they change.
    """
    mine = {LABEL_PROJECT: project, **({LABEL_OWNER: owner} if owner else {})}
    services: dict[str, Any] = {}
    for service in stack.services:
        for container in service.containers:
            labels = {**mine, LABEL_SERVICE: service.name, LABEL_FOLDER: str(folder)}
            if mounted := [item for item in files.items() if _is_under(item[0], container.mounts)]:
                labels[LABEL_CONFIGS] = _digest(mounted)
            services[container.name] = {"labels": {key: _escaped(text) for key, text in labels.items()}}
            if not container.logging:
                services[container.name]["logging"] = LOGGING
    common: dict[str, Any] = {"services": services}
    if volumes := [volume for service in stack.services for volume in service.volumes]:
        common["volumes"] = {volume: {"labels": mine} for volume in volumes}
    common["networks"] = {"default": {"labels": mine}}
    return common


def _escaped(text: str) -> str:
    return text.replace("$", "$$")


def _is_under(path: str, mounts: Iterable[str]) -> bool:
    return any(PurePosixPath(path).is_relative_to(PurePosixPath(mount)) for mount in mounts)


def env_file(values: Mapping[str, str]) -> str:
    """The text of a `.env` with these values."""
    lines = [HEADER, "# Holds passwords: keep it to yourself.\n"]
    for name, text in sorted(values.items()):
        lines.append(f"{name}={text}\n" if PLAIN_VALUE.fullmatch(text) else f"{name}='{text}'\n")
    return "".join(lines)


def _digest(files: Iterable[tuple[str, bytes]]) -> str:
    digest = hashlib.sha256()
    for path, content in sorted(files):
        digest.update(f"{path}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]
