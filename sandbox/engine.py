"""The Docker engine, the only module that talks to it.

python-on-whales runs the verbs people could type (`compose up`, `buildx build`, `exec`), so that `-v` can
show them; the docker SDK answers questions (states, events, images), which is faster than starting a program.
"""

from __future__ import annotations

import http.client
import json
import logging
import os
import re
import shlex
import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from sandbox import processes
from sandbox.errors import EngineError, SandboxError
from sandbox.model import (
    LABEL_FOLDER,
    LABEL_OWNER,
    LABEL_PROJECT,
    LABEL_RECIPE,
    LABEL_SERVICE,
    ContainerState,
    EngineInfo,
    ImageFacts,
)

if TYPE_CHECKING:
    import docker
    import python_on_whales

Closing = Callable[[Callable[[], None]], None]
commands = logging.getLogger("sandbox.commands")
FREEZES = 5  # attempts
HEALTH = re.compile(r"\((?:health: )?(healthy|unhealthy|starting)\)")
EXIT_CODE = re.compile(r"(?:Exited|Restarting) \((\d+)\)")
COMPOSE_PROJECT, COMPOSE_SERVICE = "com.docker.compose.project", "com.docker.compose.service"
COMPOSE_VOLUME = "com.docker.compose.volume"
MOUNT = "/snapshot"
TIMEOUT = 60  # seconds that the engine may be silent
NO_ENGINE = "`sandbox doctor` says what is wrong; `sandbox doctor --fix` can install and start one"


@dataclass(frozen=True)
class LogLine:
    """One line a container printed. `time` is RFC 3339 as the engine gives it."""

    container: str
    time: str
    text: str


@dataclass(frozen=True)
class EngineEvent:
    """Something that happened to a container: `create`, `start`, `die`, `health_status: healthy` …"""

    container: str
    action: str
    exit_code: int


class Engine(Protocol):
    """What the sandbox asks of a container engine. `ComposeEngine` is the real one.

    Every method raises EngineError when the engine cannot be reached.
    """

    def info(self) -> EngineInfo: ...
    def plugin_version(self, plugin: str) -> str: ...
    def socket(self) -> str: ...
    def image_sizes(self) -> dict[str, int]: ...
    def why_not_pullable(self, image: str) -> str: ...
    def pull(self, image: str, progress: Callable[[int, int], None], platform: str = "") -> None: ...
    def tag(self, image: str, name: str) -> None: ...
    def push(self, image: str) -> None: ...
    def image_facts(self, image: str) -> ImageFacts | None: ...
    def save(self, images: Sequence[str]) -> Iterator[bytes]: ...
    def load(self, archive: Iterable[bytes]) -> None: ...
    def build(
        self,
        context: Path,
        tag: str,
        arguments: Mapping[str, str],
        secrets: Mapping[str, Path],
        labels: Mapping[str, str],
        log: Callable[[str], None],
    ) -> None: ...
    def import_root(self, archive: Path, name: str, changes: Sequence[str]) -> None: ...
    def recipe_images(self) -> dict[str, int]: ...
    def remove_image(self, image: str) -> None: ...
    def up(self, folder: Path, variables: Collection[str]) -> None: ...
    def containers(self, project: str | None = None) -> list[ContainerState]: ...
    def foreign(self, project: str) -> list[str]: ...
    def leftovers(self, project: str) -> dict[str, list[str]]: ...
    def owners(self) -> dict[str, str]: ...
    def events(
        self, project: str, ready: Callable[[], None], closing: Closing = lambda close: None
    ) -> Iterator[EngineEvent]: ...
    def close(self) -> None: ...
    def memory(self, ids: Sequence[str]) -> dict[str, int]: ...
    def logs(self, id: str, follow: bool, since: float | None, tail: int | None) -> Iterator[LogLine]: ...
    def execute(self, id: str, command: Sequence[str], tty: bool) -> int: ...
    def output(self, id: str, command: Sequence[str]) -> tuple[int, str]: ...
    def restart(self, ids: Sequence[str]) -> None: ...
    def stop(self, ids: Sequence[str]) -> None: ...
    def start(self, ids: Sequence[str]) -> None: ...
    def pause(self, ids: Sequence[str]) -> None: ...
    def unpause(self, ids: Sequence[str]) -> None: ...
    def disconnect(self, id: str) -> None: ...
    def connect(self, id: str) -> None: ...
    def remove_containers(self, ids: Sequence[str], removed: Callable[[str], None]) -> None: ...
    def remove_volumes(self, names: Sequence[str]) -> None: ...
    def remove_networks(self, names: Sequence[str]) -> None: ...
    def export_volume(self, name: str, image: str, write: Callable[[bytes], object]) -> None: ...
    def import_volume(self, project: str, volume: str, owner: str, image: str, content: Iterable[bytes]) -> None: ...


class ComposeEngine:
    """Docker by its command line and its API, at the address the `docker` command would use."""

    @cached_property
    def _client(self) -> docker.DockerClient:
        import docker

        with _explained():
            return docker.DockerClient(base_url=self._address or None, timeout=TIMEOUT, max_pool_size=32)

    @cached_property
    def _context(self) -> Any:
        from docker.context import ContextAPI

        if os.environ.get("DOCKER_HOST"):
            return None
        name = os.environ.get("DOCKER_CONTEXT")
        return ContextAPI.get_context(name) if name else ContextAPI.get_current_context()

    @property
    def _address(self) -> str:
        return os.environ.get("DOCKER_HOST") or (self._context.Host if self._context else "")

    @property
    def _builder(self) -> str:
        """The builder that sees the engine's own images; a user's default may be one that does not."""
        return self._context.Name if self._context else "default"

    @cached_property
    def _whales(self) -> python_on_whales.DockerClient:
        return self._whales_in(None)

    def _whales_in(self, folder: Path | None) -> python_on_whales.DockerClient:
        import python_on_whales

        if folder is None:
            return python_on_whales.DockerClient()
        return python_on_whales.DockerClient(
            compose_files=[folder / "compose.yaml"], compose_project_directory=str(folder)
        )

    def info(self) -> EngineInfo:
        with _explained():
            info = self._client.api.info()
        root = str(info.get("DockerRootDir", ""))
        return EngineInfo(
            version=str(info.get("ServerVersion", "")),
            memory=int(info.get("MemTotal", 0)),
            cpus=int(info.get("NCPU", 0)),
            os=str(info.get("OperatingSystem", "")),
            architecture=str(info.get("Architecture", "")),
            root=root if self.is_local and Path(root).is_dir() else "",
            time=_seconds(str(info.get("SystemTime", ""))),
            layered="containerd" not in str(info.get("DriverStatus", "")),
        )

    @property
    def is_local(self) -> bool:
        """Whether the engine's loopback and disk are this computer's."""
        return not self._address or self._address.startswith(("unix://", "npipe://"))

    def plugin_version(self, plugin: str) -> str:
        """The version of `compose` or `buildx`, empty if it is not there. Starts a program: 0.1 s."""
        match = re.search(r"v?(\d+\.\d+(?:\.\d+)?)", processes.output(["docker", plugin, "version"], 10))
        return match[1] if match else ""

    def socket(self) -> str:
        """Where containers find the engine's socket, if that is not the usual place: an engine without root has one
        of its own. An engine in a virtual machine has the usual one inside, whatever its address is out here.
        """
        scheme, _, path = self._address.partition("://")
        in_machine = sys.platform != "linux" or bool(self._context and self._context.Name.startswith("desktop"))
        return path if scheme == "unix" and not in_machine else ""

    def image_sizes(self) -> dict[str, int]:
        """Every image name on this computer, as the user would write it, and its size in bytes."""
        with _explained():
            images = self._client.api.images()
        return {name: int(image["Size"]) for image in images for name in image.get("RepoTags") or ()}

    def why_not_pullable(self, image: str) -> str:
        """Asks the registry, through the engine, for an image's description. Empty if it has it."""
        import docker

        try:
            self._client.api.inspect_distribution(image)  # type: ignore[no-untyped-call]
        except docker.errors.APIError as error:
            return str(error.explanation or error)
        except (docker.errors.DockerException, OSError) as error:
            raise _translated(error) from error
        return ""

    def pull(self, image: str, progress: Callable[[int, int], None], platform: str = "") -> None:
        """Pulls one image, for the engine's platform unless named, telling bytes done and known so far.

        Raises SandboxError.
        """
        layers: dict[str, tuple[int, int]] = {}
        with _explained(), _silence_is_the_registry():
            for line in self._client.api.pull(image, stream=True, decode=True, platform=platform or None):
                if "error" in line:
                    raise SandboxError(str(line["error"]), _way_out(str(line["error"])))
                detail = line.get("progressDetail") or {}
                if line.get("status") == "Downloading" and detail.get("total"):
                    layers[line["id"]] = (int(detail["current"]), int(detail["total"]))
                elif line.get("status") in ("Download complete", "Pull complete") and line.get("id") in layers:
                    layers[line["id"]] = (layers[line["id"]][1],) * 2
                progress(sum(done for done, _ in layers.values()), sum(total for _, total in layers.values()))

    def tag(self, image: str, name: str) -> None:
        repository, _, tag = name.rpartition(":")
        with _explained():
            self._client.api.tag(image, repository, tag)

    def push(self, image: str) -> None:
        """Pushes one image to the registry that its name begins with. Raises SandboxError."""
        with _explained():
            self._whales.image.push(image, quiet=True)

    def image_facts(self, image: str) -> ImageFacts | None:
        """What an image on this computer is made of; None if it is not there."""
        import docker

        with _explained():
            try:
                found = self._client.api.inspect_image(image)  # type: ignore[no-untyped-call]
            except docker.errors.ImageNotFound:
                return None
        layers = tuple(str(layer) for layer in (found.get("RootFS") or {}).get("Layers") or ())
        return ImageFacts(f"{found.get('Os')}/{found.get('Architecture')}", layers, int(found.get("Size", 0)))

    def save(self, images: Sequence[str]) -> Iterator[bytes]:
        """A tar of images as `docker save` makes it, each layer once."""
        return processes.read(["docker", "save", *images], "saving images")

    def load(self, archive: Iterable[bytes]) -> None:
        """Takes in a tar such as `save` makes. Raises SandboxError if the engine refuses it."""
        try:
            processes.feed(["docker", "load", "--quiet"], archive, "loading images")
        except SandboxError as error:
            if "Cannot connect to the Docker daemon" in error.message:
                raise EngineError("the Docker engine does not answer", NO_ENGINE) from error
            raise SandboxError(error.message, error.hint or _way_out(error.message)) from error

    def build(
        self,
        context: Path,
        tag: str,
        arguments: Mapping[str, str],
        secrets: Mapping[str, Path],
        labels: Mapping[str, str],
        log: Callable[[str], None],
    ) -> None:
        last: list[str] = []
        with _explained():
            commands.debug("docker buildx build --builder %s -t %s %s", self._builder, tag, shlex.quote(str(context)))
            lines = self._whales.buildx.build(
                context,
                builder=self._builder,
                build_args=dict(arguments),
                labels=dict(labels),
                secrets=[f"id={name},src={path}" for name, path in secrets.items()],
                tags=[tag],
                load=True,
                progress="plain",
                provenance=False,
                stream_logs=True,
            )
            try:
                for line in lines:  # type: ignore[union-attr]
                    last = [*last[-19:], str(line).rstrip()]
                    log(str(line).rstrip())
            except _docker_failed() as error:
                text = "\n".join(last)
                raise SandboxError(f"building {tag} failed\n{text}", _way_out(text)) from error

    def import_root(self, archive: Path, name: str, changes: Sequence[str]) -> None:
        repository, _, tag = name.rpartition(":")
        with _explained():
            self._client.api.import_image_from_file(str(archive), repository=repository, tag=tag, changes=list(changes))

    def recipe_images(self) -> dict[str, int]:
        """Images that we built: name (or id, when it lost its name) and size."""
        with _explained():
            images = self._client.api.images(filters={"label": LABEL_RECIPE})
        return {(image.get("RepoTags") or [image["Id"]])[0]: int(image["Size"]) for image in images}

    def remove_image(self, image: str) -> None:
        with _explained():
            self._client.api.remove_image(image)

    def up(self, folder: Path, variables: Collection[str]) -> None:
        """`docker compose up -d` in the folder. The shell's own values of our variables do not leak in."""
        with _explained(), _without_environment(variables):
            try:
                self._whales_in(folder).compose.up(detach=True, remove_orphans=True, quiet=True)
            except _docker_failed() as error:
                raise SandboxError(_compose_error(error.stderr), _way_out(error.stderr or "")) from error

    def containers(self, project: str | None = None) -> list[ContainerState]:
        """Our containers, of one sandbox or of all, in the order of their names."""
        label = f"{LABEL_PROJECT}={project}" if project else LABEL_PROJECT
        with _explained():
            found = self._client.api.containers(all=True, filters={"label": label})
        return sorted((_state(item) for item in found), key=lambda state: state.name)

    def foreign(self, project: str) -> list[str]:
        """Containers of a Compose project with this name that do not carry our label."""
        with _explained():
            found = self._client.api.containers(all=True, filters={"label": f"{COMPOSE_PROJECT}={project}"})
        return [_state(item).name for item in found if LABEL_PROJECT not in item["Labels"]]

    def leftovers(self, project: str) -> dict[str, list[str]]:
        """Names of the `volumes` and `networks` that carry our label."""
        filters = {"label": f"{LABEL_PROJECT}={project}"}
        with _explained():
            volumes = self._client.api.volumes(filters=filters).get("Volumes") or []
            networks = self._client.api.networks(filters=filters)
        return {"volumes": [v["Name"] for v in volumes], "networks": [n["Name"] for n in networks]}

    def owners(self) -> dict[str, str]:
        """The sandboxes of test runs, by containers, volumes or networks: project -> the owner's label."""
        filters = {"label": LABEL_OWNER}
        with _explained():
            found = [
                *self._client.api.containers(all=True, filters=filters),
                *(self._client.api.volumes(filters=filters).get("Volumes") or []),
                *self._client.api.networks(filters=filters),
            ]
        return {item["Labels"].get(LABEL_PROJECT, ""): item["Labels"][LABEL_OWNER] for item in found}

    def events(
        self, project: str, ready: Callable[[], None], closing: Closing = lambda close: None
    ) -> Iterator[EngineEvent]:
        """The sandbox's container events from now on. Calls `ready` once it listens, and gives `closing` the
        function that ends it, which another thread may call.
        """
        filters = {"type": ["container"], "label": [f"{LABEL_PROJECT}={project}"]}
        with _explained():
            stream = self._client.api.events(filters=filters, decode=True)
            closing(stream.close)
            ready()
            for event in stream:
                attributes = event.get("Actor", {}).get("Attributes", {})
                yield EngineEvent(
                    attributes.get(COMPOSE_SERVICE, ""), event.get("Action", ""), int(attributes.get("exitCode", 0))
                )

    def close(self) -> None:
        """Ends idle connections; the next question opens a new one."""
        if "_client" in self.__dict__:
            self._client.close()

    def memory(self, ids: Sequence[str]) -> dict[str, int]:
        """Bytes in use by each container, page cache that could be dropped not counted."""
        from concurrent.futures import ThreadPoolExecutor

        def used(id: str) -> int:
            try:
                return _used(self._client.api.stats(id, decode=None, stream=False, one_shot=True))
            except (OSError, ValueError, KeyError):
                return 0

        with _explained(), ThreadPoolExecutor(max_workers=16) as pool:
            return dict(zip(ids, pool.map(used, ids), strict=True))

    def logs(self, id: str, follow: bool, since: float | None, tail: int | None) -> Iterator[LogLine]:
        """What a container printed, oldest first; with `follow`, for ever."""
        with _explained():
            name = self._client.api.inspect_container(id)["Config"]["Labels"].get(COMPOSE_SERVICE, "")
            stream = self._client.api.logs(
                id, stream=True, follow=follow, timestamps=True, since=since, tail="all" if tail is None else tail
            )
            for line in _lines(stream):
                time, _, text = line.decode(errors="replace").partition(" ")
                yield LogLine(name, time, text)

    def execute(self, id: str, command: Sequence[str], tty: bool) -> int:
        """Runs a command in a container, on our standard streams; its exit code."""
        return processes.foreground(["docker", "exec", "-i", *(["-t"] if tty else []), id, *command])

    def output(self, id: str, command: Sequence[str]) -> tuple[int, str]:
        """Runs a command in a container; its exit code and what it printed."""
        commands.debug("docker exec %s %s", id[:12], shlex.join(command))
        with _explained():
            made = self._client.api.exec_create(id, list(command))["Id"]
            text = self._client.api.exec_start(made)
            return int(self._client.api.exec_inspect(made)["ExitCode"]), text.decode(errors="replace")

    def restart(self, ids: Sequence[str]) -> None:
        with _explained():
            self._whales.container.restart(list(ids))

    def stop(self, ids: Sequence[str]) -> None:
        """Stops containers, side by side, each as patiently as its own stop time says."""
        self._side_by_side(self._client.api.stop, ids)
        # The engine's list lags behind: for a moment it may show a stopped container as running.
        for _ in range(100):
            with _explained():
                if not self._client.api.containers(filters={"id": list(ids), "status": "running"}):
                    return
            time.sleep(0.02)

    def start(self, ids: Sequence[str]) -> None:
        self._side_by_side(self._client.api.start, ids)

    def pause(self, ids: Sequence[str]) -> None:
        """Freezes containers: they keep their memory and connections, and answer nothing."""
        import docker

        def freeze(id: str) -> None:
            for attempt in range(FREEZES):
                try:
                    return self._client.api.pause(id)
                except docker.errors.APIError as error:
                    # On a busy computer the kernel may not get every process to hold still in time.
                    if "unable to freeze" not in str(error) or attempt == FREEZES - 1:
                        raise
                    time.sleep(1)

        self._side_by_side(freeze, ids)

    def unpause(self, ids: Sequence[str]) -> None:
        self._side_by_side(self._client.api.unpause, ids)

    def disconnect(self, id: str) -> None:
        """Takes a container off the sandbox's network; one that has no network stays as it is."""
        with _explained():
            found = self._client.api.inspect_container(id)
            if _networked(found):
                self._client.api.disconnect_container_from_network(id, _network(found))

    def connect(self, id: str) -> None:
        """Puts a container back on the sandbox's network, under the names Compose gave it."""
        with _explained():
            found = self._client.api.inspect_container(id)
            network = _network(found)
            if _networked(found) and network not in found["NetworkSettings"]["Networks"]:
                name = found["Config"]["Labels"].get(COMPOSE_SERVICE, "")
                self._client.api.connect_container_to_network(id, network, aliases=[name])

    def remove_containers(self, ids: Sequence[str], removed: Callable[[str], None]) -> None:
        """Stops, then removes; side by side, each as patiently as its own stop time says."""
        import docker

        def remove(id: str) -> None:
            try:
                self._client.api.stop(id)
                self._client.api.remove_container(id, v=True, force=True)
            except docker.errors.NotFound:
                pass
            removed(id)

        self._side_by_side(remove, ids)

    def remove_volumes(self, names: Sequence[str]) -> None:
        self._side_by_side(self._client.api.remove_volume, names)

    def remove_networks(self, names: Sequence[str]) -> None:
        self._side_by_side(self._client.api.remove_network, names)

    def export_volume(self, name: str, image: str, write: Callable[[bytes], object]) -> None:
        """Tells a volume's content as a tar archive. `image` may be any; nothing of it runs."""
        with _explained(), self._holding(name, image) as id:
            chunks, _ = self._client.api.get_archive(id, MOUNT)
            for chunk in chunks:
                write(chunk)

    def import_volume(self, project: str, volume: str, owner: str, image: str, content: Iterable[bytes]) -> None:
        """Makes a volume of a sandbox, as Compose would have made it, with the content of such an archive."""
        labels = {LABEL_PROJECT: project, COMPOSE_PROJECT: project, COMPOSE_VOLUME: volume}
        if owner:
            labels[LABEL_OWNER] = owner
        name = f"{project}_{volume}"
        with _explained():
            self._client.api.create_volume(name, labels=labels)
            with self._holding(name, image) as id:
                # At the mount's parent, so that the folder's own owner and mode come along.
                self._client.api.put_archive(id, "/", content)

    @contextmanager
    def _holding(self, volume: str, image: str) -> Iterator[str]:
        """The id of a container that holds a volume and is never started."""
        mounts = self._client.api.create_host_config(binds=[f"{volume}:{MOUNT}"], network_mode="none")
        id = str(self._client.api.create_container(image, ["true"], host_config=mounts)["Id"])
        try:
            yield id
        finally:
            self._client.api.remove_container(id, v=False, force=True)

    def _side_by_side(self, work: Callable[[str], object], items: Sequence[str]) -> None:
        from concurrent.futures import ThreadPoolExecutor

        with _explained(), ThreadPoolExecutor(max_workers=16) as pool:
            list(pool.map(work, items))


def one_off(
    image: str, project: str, mounts: Mapping[str, str], variables: Iterable[str], memory: str, tty: bool
) -> list[str]:
    """The command that runs an image's program once, on a sandbox's network, as this user.

    `mounts` are folders and where they are inside; `variables` are NAME (as it is outside) or NAME=VALUE.
    """
    command = ["docker", "run", "--rm", "-i", *(["-t"] if tty else []), f"--network={project}_default"]
    command += [f"--memory={memory}", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--tmpfs=/tmp:exec"]
    if sys.platform != "win32":
        command.append(f"--user={os.getuid()}:{os.getgid()}")
    command += [f"--volume={outside}:{inside}" for outside, inside in mounts.items()]
    return [*command, *(f"--env={variable}" for variable in variables), image]


def _docker_failed() -> Any:
    """The exception python-on-whales raises when a docker command fails, imported late because it is slow."""
    import python_on_whales

    return python_on_whales.exceptions.DockerException


@contextmanager
def _explained() -> Iterator[None]:
    """Turns the libraries' many exceptions into ours."""
    try:
        yield
    except (SandboxError, KeyboardInterrupt, GeneratorExit):
        raise
    except Exception as error:
        raise _translated(error) from error


@contextmanager
def _silence_is_the_registry() -> Iterator[None]:
    """While it pulls, the engine is silent if the registry is: that is no engine that does not answer."""
    import urllib3

    try:
        yield
    except (OSError, urllib3.exceptions.HTTPError) as error:
        if "timed out" not in str(error):
            raise
        raise SandboxError(f"timed out: nothing came from the registry for {TIMEOUT} s") from error


def _translated(error: Exception) -> Exception:
    import docker
    import urllib3

    kind = type(error).__name__
    if kind == "ClientNotFoundError" or isinstance(error, FileNotFoundError):
        return EngineError("the `docker` command is not installed", NO_ENGINE)
    if isinstance(error, docker.errors.APIError):
        return SandboxError(f"Docker refused: {error.explanation or error}")
    if isinstance(
        error, docker.errors.DockerException | OSError | urllib3.exceptions.HTTPError | http.client.HTTPException
    ):
        if "Permission denied" in str(error):
            return EngineError(
                "this user may not talk to the Docker engine", "add the user to the docker group, then log in again"
            )
        return EngineError("the Docker engine does not answer", NO_ENGINE)
    if isinstance(error, _docker_failed()):
        text = str(getattr(error, "stderr", "") or "")
        if "Cannot connect to the Docker daemon" in text or "error during connect" in text:
            return EngineError("the Docker engine does not answer", NO_ENGINE)
        return SandboxError(f"docker failed: {text.strip() or error}")
    return error


@contextmanager
def _without_environment(names: Iterable[str]) -> Iterator[None]:
    """Compose prefers the environment to `.env`; a PROMETHEUS_PORT left in a shell must not decide."""
    kept = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(kept)


def _compose_error(stderr: str | None) -> str:
    """What Compose said, less its progress lines."""
    progress = re.compile(r"^ ?(Container|Network|Volume|Image) .*|^time=.*level=warning.*|^\s*$")
    lines = [line for line in (stderr or "").splitlines() if not progress.match(line)]
    return "docker compose up failed\n" + "\n".join(lines[-12:])


def _way_out(text: str) -> str:
    if "no space left on device" in text.lower():
        return "the disk is full: `docker system df` shows what Docker holds, `sandbox images prune` frees some of it"
    return ""


def _state(item: Mapping[str, Any]) -> ContainerState:
    labels, status = item["Labels"], item.get("Status", "")
    health, code = HEALTH.search(status), EXIT_CODE.search(status)
    ports = {
        int(port["PrivatePort"]): (str(port.get("IP", "")), int(port["PublicPort"]))
        for port in item.get("Ports") or ()
        if port.get("PublicPort")
    }
    return ContainerState(
        id=item["Id"],
        name=(item.get("Names") or ["/?"])[0].lstrip("/"),
        container=labels.get(COMPOSE_SERVICE, ""),
        service=labels.get(LABEL_SERVICE, ""),
        project=labels.get(LABEL_PROJECT, ""),
        state=item.get("State", ""),
        health=health[1] if health else "",
        exit_code=int(code[1]) if code else 0,
        image=item.get("Image", ""),
        folder=labels.get(LABEL_FOLDER, ""),
        ports=ports,
    )


def _network(container: Mapping[str, Any]) -> str:
    """The network that Compose gave a container, by what `inspect` says of it."""
    return f"{container['Config']['Labels'].get(COMPOSE_PROJECT, '')}_default"


def _networked(container: Mapping[str, Any]) -> bool:
    return bool(container["HostConfig"]["NetworkMode"] != "none")


def _seconds(time: str) -> float:
    """Seconds since the epoch of the engine's RFC 3339 time, which has nanoseconds; 0 if there is none."""
    try:
        return datetime.fromisoformat(re.sub(r"\.(\d{6})\d+", r".\1", time)).timestamp()
    except ValueError:
        return 0.0


def _used(stats: Any) -> int:
    stats = json.loads(stats) if isinstance(stats, str | bytes) else stats
    memory = stats.get("memory_stats") or {}
    details = memory.get("stats") or {}
    cache = details.get("inactive_file", details.get("total_inactive_file", 0))
    return max(0, int(memory.get("usage", 0)) - int(cache))


def _lines(stream: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in stream:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
    if rest:
        yield rest
