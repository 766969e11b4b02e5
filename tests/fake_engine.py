"""An engine in memory. tests/contract/test_engine.py holds it to what the real one does."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import queue
import subprocess
import tarfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from sandbox import variables
from sandbox.engine import Closing, EngineEvent, LogLine
from sandbox.errors import EngineError, SandboxError
from sandbox.model import LABEL_OWNER, LABEL_SERVICE, ContainerState, EngineInfo, ImageFacts
from sandbox.render import parse_env

GIGABYTE = 1024**3


def _layer(image: str) -> bytes:
    """The one layer of an image that is saved: 2 MB and more."""
    return f"layer of {image}.".encode() * 100_000


class FakeEngine:
    """`images` are on the computer, `registry` is what can be pulled; `sick` containers never get healthy,
    `crashing` ones die at each start, `prints` is what containers say; `running` is False for a dead engine.
    """

    def __init__(self) -> None:
        self.images: dict[str, int] = {}
        self.registry: set[str] = set()
        self.facts: dict[str, ImageFacts] = {}
        self.origins: dict[str, str] = {}  # name -> what it was pulled as, if it was tagged since
        self.platforms: dict[str, str] = {}
        self.built: list[str] = []
        self.sick: set[str] = set()
        self.crashing: set[str] = set()
        self.prints: dict[str, list[str]] = {}
        self.memory_total = 16 * GIGABYTE
        self.running = True
        self.states: dict[str, ContainerState] = {}
        self.strangers: dict[str, list[str]] = {}
        self.volumes: dict[str, str] = {}
        self.networks: dict[str, str] = {}
        self.contents: dict[str, bytes] = {}
        self.owned: dict[str, str] = {}
        self.cut_off: set[str] = set()
        self._ids = itertools.count(1)
        self._listeners: list[queue.Queue[EngineEvent | None]] = []

    def _alive(self) -> None:
        if not self.running:
            raise EngineError("the Docker engine does not answer")

    def info(self) -> EngineInfo:
        self._alive()
        return EngineInfo("26.0.0", self.memory_total, 2, "Fake", "x86_64", "")

    def plugin_version(self, plugin: str) -> str:
        return "2.30.0"

    def socket(self) -> str:
        return ""

    def image_sizes(self) -> dict[str, int]:
        self._alive()
        return dict(self.images)

    def why_not_pullable(self, image: str) -> str:
        self._alive()
        return "" if image in self.registry else "manifest unknown"

    def pull(self, image: str, progress: Callable[[int, int], None], platform: str = "") -> None:
        if image not in self.registry:
            raise SandboxError(f"{image}: manifest unknown")
        progress(50, 100)
        progress(100, 100)
        self.images[image] = 100
        self.origins[image] = f"{image} {platform}".strip()
        self.platforms[self.origins[image]] = platform or "linux/amd64"

    def tag(self, image: str, name: str) -> None:
        self._known_image(image)
        self.images[name] = self.images[image]
        self.origins[name] = self.origins.get(image, image)

    def push(self, image: str) -> None:
        self._known_image(image)
        self.registry.add(image)

    def image_facts(self, image: str) -> ImageFacts | None:
        self._alive()
        origin = self.origins.get(image, image)
        digest = hashlib.sha256(_layer(origin)).hexdigest()
        platform = self.platforms.get(origin, "linux/amd64")
        known = self.facts.get(image, ImageFacts(platform, (f"sha256:{digest}",), 100))
        return known if image in self.images else None

    def save(self, images: Sequence[str]) -> Iterator[bytes]:
        """Images of one layer each; see `_layer`."""
        packed, manifest = io.BytesIO(), []
        with tarfile.open(fileobj=packed, mode="w") as tar:

            def add(name: str, data: bytes) -> None:
                entry = tarfile.TarInfo(name)
                entry.size = len(data)
                tar.addfile(entry, io.BytesIO(data))

            for image in images:
                self._known_image(image)
                origin = self.origins.get(image, image)
                layer = _layer(origin)
                digest = hashlib.sha256(layer).hexdigest()
                system, _, architecture = self.platforms.get(origin, "linux/amd64").partition("/")
                config = {"os": system, "architecture": architecture, "rootfs": {"diff_ids": [f"sha256:{digest}"]}}
                add(f"blobs/sha256/{digest}", layer)
                add(f"blobs/sha256/{image}", json.dumps(config).encode())
                manifest.append({"Config": f"blobs/sha256/{image}", "RepoTags": [image], "Layers": [digest]})
            add("manifest.json", json.dumps(manifest).encode())
        yield packed.getvalue()

    def load(self, archive: Iterable[bytes]) -> None:
        self._alive()
        with tarfile.open(fileobj=io.BytesIO(b"".join(archive))) as tar:
            files = {entry.name: tar.extractfile(entry).read() for entry in tar}  # type: ignore[union-attr]
        for item in json.loads(files["manifest.json"]):
            layers = tuple(json.loads(files[item["Config"]])["rootfs"]["diff_ids"])
            for tag in item["RepoTags"]:
                self.images[tag] = 100
                self.facts[tag] = ImageFacts("linux/amd64", layers, 100)

    def build(
        self,
        context: Path,
        tag: str,
        arguments: Mapping[str, str],
        secrets: Mapping[str, Path],
        labels: Mapping[str, str],
        log: Callable[[str], None],
    ) -> None:
        log("#5 [1/2] FROM base")
        self.built.append(tag)
        self.images[tag] = 100

    def import_root(self, archive: Path, name: str, changes: Sequence[str]) -> None:
        self.images[name] = archive.stat().st_size

    def recipe_images(self) -> dict[str, int]:
        return {name: self.images[name] for name in self.built if name in self.images}

    def remove_image(self, image: str) -> None:
        self._known_image(image)
        del self.images[image]

    def _known_image(self, image: str) -> None:
        self._alive()
        if image not in self.images:
            raise SandboxError(f"Docker refused: No such image: {image}")

    def up(self, folder: Path, variables_: Collection[str]) -> None:
        self._alive()
        values = parse_env((folder / ".env").read_text())
        common = yaml.safe_load((folder / "common.yml").read_text())
        project = str(yaml.safe_load((folder / "compose.yaml").read_text())["name"])
        wanted: dict[str, tuple[str, Mapping[str, Any]]] = {}
        for path in sorted((folder / "services").glob("*.yml")):
            fragment = yaml.safe_load(path.read_text())
            for name, spec in fragment["services"].items():
                wanted[name] = (common["services"][name]["labels"][LABEL_SERVICE], spec)
            self.volumes |= {f"{project}_{volume}": project for volume in fragment.get("volumes") or {}}
        self.networks[f"{project}_default"] = project
        if owner := common["networks"]["default"]["labels"].get(LABEL_OWNER):
            self.owned[project] = owner
        for state in self.containers(project):
            image = (
                variables.expand(str(wanted[state.container][1]["image"]), values) if state.container in wanted else ""
            )
            if image != state.image:
                del self.states[state.id]
        for name, (service, spec) in wanted.items():
            count = int(variables.expand(str(spec.get("scale", 1)), values))
            present = [state.id for state in self.containers(project) if state.container == name]
            for id in present[count:]:
                del self.states[id]
            for number in range(len(present), count):
                self._create(project, folder, name, number + 1, service, spec, values)
        for state in self.containers(project):
            if state.state != "running":
                self._start(state)

    def _create(
        self,
        project: str,
        folder: Path,
        name: str,
        number: int,
        service: str,
        spec: Mapping[str, Any],
        values: Mapping[str, str],
    ) -> None:
        published = [variables.expand(str(port), values).split(":") for port in spec.get("ports", [])]
        image = variables.expand(str(spec["image"]), values)
        if image not in self.images:
            raise SandboxError(f"docker compose up failed\nNo such image: {image}")
        id = f"{next(self._ids):064d}"
        self.states[id] = ContainerState(
            id=id,
            name=f"{project}-{name}-{number}",
            container=name,
            service=service,
            project=project,
            state="created",
            health="starting" if "healthcheck" in spec else "",
            exit_code=0,
            image=image,
            folder=str(folder),
            ports={int(inside): (address, int(outside)) for address, outside, inside in published},
        )
        self._tell(name, "create")

    def _start(self, state: ContainerState) -> None:
        if state.container in self.crashing:
            self.states[state.id] = replace(state, state="restarting", exit_code=1)
            for _ in range(3):
                self._tell(state.container, "start")
                self._tell(state.container, "die", 1)
            return
        health = state.health and ("starting" if state.container in self.sick else "healthy")
        self.states[state.id] = replace(state, state="running", health=health)
        self._tell(state.container, "start")

    def _tell(self, container: str, action: str, exit_code: int = 0) -> None:
        for listener in self._listeners:
            listener.put(EngineEvent(container, action, exit_code))

    def containers(self, project: str | None = None) -> list[ContainerState]:
        self._alive()
        found = [state for state in self.states.values() if project in (None, state.project)]
        return sorted(found, key=lambda state: state.name)

    def foreign(self, project: str) -> list[str]:
        self._alive()
        return self.strangers.get(project, [])

    def leftovers(self, project: str) -> dict[str, list[str]]:
        return {
            "volumes": [name for name, owner in self.volumes.items() if owner == project],
            "networks": [name for name, owner in self.networks.items() if owner == project],
        }

    def owners(self) -> dict[str, str]:
        self._alive()
        present = {*self.volumes.values(), *self.networks.values(), *(state.project for state in self.states.values())}
        return {project: owner for project, owner in self.owned.items() if project in present}

    def events(
        self, project: str, ready: Callable[[], None], closing: Closing = lambda close: None
    ) -> Iterator[EngineEvent]:
        mine: queue.Queue[EngineEvent | None] = queue.Queue()
        self._listeners.append(mine)
        closing(lambda: mine.put(None))
        ready()
        while event := mine.get():
            yield event

    def close(self) -> None:
        pass

    def memory(self, ids: Sequence[str]) -> dict[str, int]:
        return dict.fromkeys(ids, 10 * 1024**2)

    def logs(self, id: str, follow: bool, since: float | None, tail: int | None) -> Iterator[LogLine]:
        name = self._known(id).container
        lines = [LogLine(name, f"2026-01-01T00:00:{n:02}Z", text) for n, text in enumerate(self.prints.get(name, []))]
        yield from lines if tail is None else lines[len(lines) - tail :]

    def _known(self, id: str) -> ContainerState:
        self._alive()
        if id not in self.states:
            raise SandboxError(f"Docker refused: No such container: {id}")
        return self.states[id]

    def execute(self, id: str, command: Sequence[str], tty: bool) -> int:
        self._known(id)
        return subprocess.run(command, check=False).returncode

    def output(self, id: str, command: Sequence[str]) -> tuple[int, str]:
        self._known(id)
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        return done.returncode, done.stdout

    def restart(self, ids: Sequence[str]) -> None:
        for id in ids:
            state = self._known(id)
            self._tell(state.container, "die", 143)
            self._start(state)

    def stop(self, ids: Sequence[str]) -> None:
        for id in ids:
            state = self._known(id)
            self.states[id] = replace(state, state="exited", health="", exit_code=143)
            self._tell(state.container, "die", 143)

    def start(self, ids: Sequence[str]) -> None:
        for id in ids:
            state = self._known(id)
            self._start(replace(state, health="starting" if self.health_checked(state) else ""))

    def health_checked(self, state: ContainerState) -> bool:
        fragment = yaml.safe_load((Path(state.folder) / "services" / f"{state.service}.yml").read_text())
        return "healthcheck" in fragment["services"][state.container]

    def pause(self, ids: Sequence[str]) -> None:
        for id in ids:
            if self._known(id).state != "running":
                raise SandboxError(f"Docker refused: container {id} is not running")
            self.states[id] = replace(self.states[id], state="paused")

    def unpause(self, ids: Sequence[str]) -> None:
        for id in ids:
            if self._known(id).state != "paused":
                raise SandboxError(f"Docker refused: Container {id} is not paused")
            self.states[id] = replace(self.states[id], state="running")

    def disconnect(self, id: str) -> None:
        self._known(id)
        if id in self.cut_off:
            raise SandboxError(f"Docker refused: container {id} is not connected to the network")
        self.cut_off.add(id)

    def connect(self, id: str) -> None:
        self._known(id)
        self.cut_off.discard(id)

    def remove_containers(self, ids: Sequence[str], removed: Callable[[str], None]) -> None:
        self._alive()
        for id in ids:
            self.states.pop(id, None)
            removed(id)

    def remove_volumes(self, names: Sequence[str]) -> None:
        for name in names:
            del self.volumes[name]
            self.contents.pop(name, None)

    def remove_networks(self, names: Sequence[str]) -> None:
        for name in names:
            del self.networks[name]

    def export_volume(self, name: str, image: str, write: Callable[[bytes], object]) -> None:
        self._known_image(image)
        if name not in self.volumes:
            raise SandboxError(f"Docker refused: get {name}: no such volume")
        write(self.contents.get(name, b""))

    def import_volume(self, project: str, volume: str, owner: str, image: str, content: Iterable[bytes]) -> None:
        self._known_image(image)
        self.volumes[f"{project}_{volume}"] = project
        self.contents[f"{project}_{volume}"] = b"".join(content)
