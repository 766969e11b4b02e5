"""Snapshots: the data of a sandbox as compressed, checksummed files under `$SANDBOX_HOME/.snapshots/<name>/`.

Volumes are read and written by the engine itself through a container that never runs, so that no program of
an image is needed and owners and modes stay as they are.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from io import BufferedReader
from pathlib import Path

from sandbox import __version__
from sandbox.errors import SandboxError, UsageError
from sandbox.model import Event
from sandbox.sandbox import Sandbox

FOLDER = ".snapshots"
MANIFEST = "snapshot.json"
FORMAT = 1
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,60}")
LEVEL = 1  # of gzip: the services stand still meanwhile
CHUNK = 1024**2


@dataclass(frozen=True)
class Archive:
    """One volume's file. `size` is in bytes, compressed."""

    file: str
    sha256: str
    size: int


@dataclass(frozen=True)
class Snapshot:
    """What was saved. `images` maps service to image, `lost` names services whose state nothing can keep,
    `secrets` are the passwords that the data was made with.
    """

    name: str
    project: str
    saved: str
    version: str
    images: Mapping[str, str]
    volumes: Mapping[str, Archive]
    lost: tuple[str, ...]
    secrets: Mapping[str, str]

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(archive.size for archive in self.volumes.values())


class Store:
    """The snapshots of a home. Each is complete or not there."""

    def __init__(self, home: Path) -> None:
        self.folder = home / FOLDER

    def list(self) -> tuple[list[Snapshot], dict[str, SandboxError]]:
        """All of them, the oldest first; and name -> what is wrong for those that cannot be read."""
        found, wrong = [], {}
        for name in self._names():
            try:
                found.append(self.read(name))
            except SandboxError as error:
                wrong[name] = error
        return sorted(found, key=lambda snapshot: snapshot.saved), wrong

    def read(self, name: str) -> Snapshot:
        """One by name. Raises SandboxError if it is not there or not one we can read."""
        try:
            data = json.loads((self._place(name) / MANIFEST).read_text(encoding="utf-8"))
        except FileNotFoundError:
            if (self.folder / name).is_dir():
                raise _damaged(name, f"{MANIFEST} is missing") from None
            known = ", ".join(self._names())
            raise UsageError(f"there is no snapshot {name}", f"there are: {known or 'none'}") from None
        except (ValueError, OSError) as error:
            raise _damaged(name, f"{MANIFEST} cannot be read: {error}") from None
        if not isinstance(data, dict):
            raise _damaged(name, f"{MANIFEST} holds no names and values")
        if data.pop("format", None) != FORMAT:
            raise SandboxError(
                f"the snapshot {name} was saved by sandbox {data.get('version', '?')} in a format that {__version__} "
                "does not know",
                "restore it with that version",
            )
        try:
            volumes = {volume: Archive(**archive) for volume, archive in data.pop("volumes").items()}
            snapshot = Snapshot(**{**data, "volumes": volumes, "lost": tuple(data["lost"])})
        except (KeyError, TypeError, AttributeError) as error:
            raise _damaged(name, f"{MANIFEST} is not as it was saved: {error}") from None
        if strange := [archive.file for archive in volumes.values() if Path(archive.file).name != archive.file]:
            raise _damaged(name, f"{MANIFEST} names a file elsewhere: {strange[0]}")
        return snapshot

    def check(self, snapshot: Snapshot) -> None:
        """Reads every file. Raises SandboxError for one that is not as it was saved."""
        for volume, archive in snapshot.volumes.items():
            try:
                with self.open(snapshot, volume) as file:
                    good = hashlib.file_digest(file, "sha256").hexdigest() == archive.sha256
            except OSError:
                good = False
            if not good:
                raise _damaged(snapshot.name, f"{archive.file} is not as it was saved")

    def open(self, snapshot: Snapshot, volume: str) -> BufferedReader:
        """A volume's compressed file."""
        return (self._place(snapshot.name) / snapshot.volumes[volume].file).open("rb")

    def delete(self, name: str) -> None:
        """Removes one, damaged or not."""
        place = self._place(name)
        if not place.is_dir():
            self.read(name)
        shutil.rmtree(place)

    @contextmanager
    def written(self, name: str) -> Iterator[Path]:
        """A folder to fill, that takes the snapshot's place at the end; nothing is left of it on an error."""
        place, new = self._place(name), self.folder / f".{name}.new"
        shutil.rmtree(new, ignore_errors=True)
        try:
            new.mkdir(parents=True, mode=0o700)
            yield new
            shutil.rmtree(place, ignore_errors=True)
            new.rename(place)
        except OSError as error:
            raise SandboxError(
                f"cannot write the snapshot {name}: {error.strerror or error}",
                f"nothing is left of it; make room below {self.folder}, or move it by SANDBOX_HOME",
            ) from error
        finally:
            shutil.rmtree(new, ignore_errors=True)

    def _names(self) -> Sequence[str]:
        return sorted(path.name for path in self.folder.glob("[!.]*") if path.is_dir())

    def _place(self, name: str) -> Path:
        if not NAME.fullmatch(name):
            raise UsageError(f"{name!r} cannot be a snapshot's name", "use a-z, 0-9, dot, - and _")
        return self.folder / name


def _damaged(name: str, why: str) -> SandboxError:
    return SandboxError(
        f"the snapshot {name} is damaged: {why}", f"`sandbox snapshot delete {name}`; nothing was changed"
    )


def save(sandbox: Sandbox, name: str, timeout: int) -> Snapshot:
    """Saves a running sandbox's volumes while its services stand still, then lets them go on."""
    store = Store(sandbox.workspace.folder.parent)
    known = sandbox.catalogue().services
    with sandbox.still(timeout) as states, store.written(name) as folder:
        present = {state.service for state in states}
        image = states[0].image
        mine = set(sandbox.engine.leftovers(sandbox.project)["volumes"])
        volumes = {}
        for volume in (v for service in known.values() for v in service.volumes):
            if f"{sandbox.project}_{volume}" in mine:
                sandbox.say(Event("notice", text=f"saving {volume}"))
                volumes[volume] = _archive(sandbox, volume, image, folder)
        secrets = {v.name for service in known.values() for v in service.variables.values() if v.secret}
        snapshot = Snapshot(
            name=name,
            project=sandbox.project,
            saved=datetime.now(UTC).isoformat(timespec="seconds"),
            version=__version__,
            images={state.service: state.image for state in states if state.container == state.service},
            volumes=volumes,
            lost=tuple(
                service.name for service in known.values() if service.state == "lost" and service.name in present
            ),
            secrets={n: text for n, text in sandbox.workspace.previous_values().items() if n in secrets},
        )
        manifest = folder / MANIFEST
        manifest.touch(mode=0o600)
        manifest.write_text(json.dumps({"format": FORMAT, **asdict(snapshot)}, indent=2), encoding="utf-8")
    return snapshot


def _archive(sandbox: Sandbox, volume: str, image: str, folder: Path) -> Archive:
    path = folder / f"{volume}.tar.gz"
    with gzip.GzipFile(path, "wb", compresslevel=LEVEL, mtime=0) as file:
        sandbox.engine.export_volume(f"{sandbox.project}_{volume}", image, file.write)
    with path.open("rb") as written:
        digest = hashlib.file_digest(written, "sha256").hexdigest()
    return Archive(path.name, digest, path.stat().st_size)


def restore(sandbox: Sandbox, name: str, timeout: int) -> Snapshot:
    """Puts a snapshot's data in the place of what the sandbox has, and starts it again.

    Everything is checked before anything is changed.
    """
    store = Store(sandbox.workspace.folder.parent)
    snapshot = store.read(name)
    store.check(snapshot)
    known = sandbox.catalogue().services
    owned = {volume for service in known.values() for volume in service.volumes}
    if strange := sorted(snapshot.volumes.keys() - owned):
        services = sorted({volume.rpartition("-")[0] for volume in strange} & snapshot.images.keys())
        raise UsageError(
            f"the snapshot {name} holds data this sandbox has no service for: {', '.join(strange)}",
            f"start it with what was running then: `sandbox up {' '.join(services or sorted(snapshot.images))}`",
        )
    for state in sandbox.engine.containers(sandbox.project):
        saved = snapshot.images.get(state.service, state.image)
        if state.container == state.service and saved != state.image:
            text = f"{state.service} was saved by {saved} and is read by {state.image}: it may not understand its data"
            sandbox.say(Event("warning", state.service, text=text))

    def fill(volume: str, image: str) -> None:
        with store.open(snapshot, volume) as file, gzip.GzipFile(fileobj=file) as content:
            chunks = iter(lambda: content.read(CHUNK), b"")
            sandbox.engine.import_volume(sandbox.project, volume, sandbox.owner, image, chunks)

    sandbox.replace_data(tuple(snapshot.volumes), snapshot.secrets, fill, timeout)
    return snapshot
