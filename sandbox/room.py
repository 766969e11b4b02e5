"""A trainer's laptop that serves a room: an image registry and a package index, as a sandbox of its own."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sandbox import catalogue as catalogues
from sandbox import host, images, planning, wheels
from sandbox.bundle import Bundle
from sandbox.model import Event, Settings, Value
from sandbox.resources import compose_folder
from sandbox.sandbox import Sandbox

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Room:
    """Where a room's laptops find things: `http://address:port` of the registry, and of the package index."""

    registry: str
    packages: str

    @property
    def line(self) -> str:
        """What attendees type."""
        host = self.packages.removeprefix("http://").partition(":")[0]
        index = f"--index-url {self.packages}/simple/ --trusted-host {host}"
        return f"pip install {index} {wheels.NAME} && sandbox up --registry {self.registry}"


def serve(
    room: Sandbox, settings: Settings, address: str, ports: tuple[int, int], plans: Sequence[images.ImagePlan]
) -> Room:
    """Fills the registry and the index, on loopback, then opens both, read-only, on the address given.

    `plans` are the images to serve; they are on this computer. Packages come from the settings' bundle if there is one.
    Raises SandboxError.
    """
    host.own_address(address)
    recipe = compose_folder() / "images" / "registry"
    images.build_all([recipe], room.engine, settings.images, settings.registry, room.say)
    known = catalogues.read(compose_folder() / "room", compose_folder() / "room" / "none")

    def chosen(address: str, read_only: bool) -> Settings:
        values = {
            "REGISTRY_IMAGE": images.built_name(recipe),
            "ROOM_ADDRESS": address,
            "ROOM_PORT": str(ports[0]),
            "ROOM_PACKAGES_PORT": str(ports[1]),
            "ROOM_READONLY": str(read_only).lower(),
        }
        return replace(
            settings,
            project=room.project,
            services=("room",),
            without=(),
            registry="",
            bundle="",
            strict_ports=True,
            values={name: Value(value) for name, value in values.items()},
        )

    with room.workspace.locked(lambda: None):
        _write_packages(room.workspace.folder / "packages", planning.bundle(settings))
    room.up(chosen(LOOPBACK, False), known)
    for number, name in enumerate(served := _names(plans), 1):
        target = f"localhost:{ports[0]}/{name}"
        room.engine.tag(served[name], target)
        room.engine.push(target)
        room.engine.remove_image(target)
        room.say(Event("image", name, "served", f"{number} of {len(served)}"))
    room.up(chosen(address, True), known)
    return Room(f"http://{address}:{ports[0]}", f"http://{address}:{ports[1]}")


def _names(plans: Sequence[images.ImagePlan]) -> dict[str, str]:
    """Name in the registry -> image on this computer. What we built is there under the official name, too."""
    found = {}
    for plan in plans:
        found[images.mirrored(plan.image, "").lstrip("/")] = plan.image
        if not plan.wanted.startswith(images.OWN):
            found[images.mirrored(plan.wanted, "").lstrip("/")] = plan.image
    return found


def _write_packages(folder: Path, bundle: Bundle | None) -> None:
    """`wheels/` and the pages of their index, `simple/`."""
    for inner in ("wheels", "simple"):  # the folder itself stays: a running container has it mounted
        shutil.rmtree(folder / inner, ignore_errors=True)
    (folder / "wheels").mkdir(parents=True)
    packed = [name for name in bundle.index.files if name.startswith("wheels/")] if bundle else []
    if bundle and packed:
        for name in packed:
            (folder / name).write_bytes(b"".join(bundle.content(name)))
    else:
        wheels.collect(folder / "wheels")
    found = sorted(path.name for path in (folder / "wheels").glob("*.whl"))
    digests = {name: hashlib.sha256((folder / "wheels" / name).read_bytes()).hexdigest() for name in found}
    _write_pages(folder / "simple", wheels.pages(found, digests))


def _write_pages(folder: Path, pages: Mapping[str, str]) -> None:
    for name, text in pages.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
