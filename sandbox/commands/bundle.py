"""`sandbox bundle`: a workshop in one file."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

import click

from sandbox.commands import Call, with_profile

PLATFORMS = ("linux/amd64", "linux/arm64")
UNITS = {"K": 10**3, "M": 10**6, "G": 10**9}


class Megabytes(click.ParamType[int]):
    """A size such as 3900M, in bytes; units are powers of ten, as on sticks."""

    name = "size"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        match = re.fullmatch(r"(\d+)([KMG])B?", str(value), re.IGNORECASE)
        if not match or int(match[1]) == 0:
            self.fail(f"{value!r} is not a size such as 3900M or 4G", param, ctx)
        return int(match[1]) * UNITS[match[2].upper()]


class Platforms(click.ParamType[tuple[str, ...]]):
    """`linux/amd64,linux/arm64`."""

    name = "platforms"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        if isinstance(value, tuple):
            return value
        names = tuple(dict.fromkeys(str(value).split(",")))
        if wrong := [name for name in names if name not in PLATFORMS]:
            self.fail(f"{wrong[0]!r} is not one of {', '.join(PLATFORMS)}", param, ctx)
        return names


@click.group()
def bundle() -> None:
    """Images and packages in one file, for rooms without a network."""


file_argument = click.argument("file", type=click.Path(path_type=Path))


@bundle.command("save")
@file_argument
@with_profile
@click.option(
    "--platform", type=Platforms(), default=(), metavar="LIST", help="linux/amd64,linux/arm64 [the engine's]."
)
@click.option("--split", type=Megabytes(), metavar="SIZE", help="Parts of at most this size, such as 3900M.")
@click.option("--without-wheels", is_flag=True, help="Images only, no Python packages.")
@click.pass_obj
def save(
    call: Call, /, file: Path, platform: tuple[str, ...], split: int | None, without_wheels: bool, **flags: Any
) -> None:
    """Write a profile's images and the Python packages into FILE.

    Interrupted, it goes on from where it was. Needs a package index for the packages. For other platforms than the
    engine's, images are pulled, not built: what we build must be in the --registry.
    """
    from sandbox import foreign, images, output, relay, wheels
    from sandbox.bundle_format import PLATFORMS as ARCHITECTURES
    from sandbox.bundle_saving import save as save_bundle
    from sandbox.resources import compose_folder

    settings, catalogue = call.settings(flags)
    with output.Progress(False) as progress, tempfile.TemporaryDirectory() as folder:
        sandbox = call.sandbox(progress, settings.project)
        own = f"linux/{ARCHITECTURES.get(machine := sandbox.engine.info().architecture, machine)}"
        others = [name for name in platform if name != own]
        _, plans = sandbox.choose(settings, catalogue)
        registry = relay.local(settings.registry)
        with foreign.pulled(plans, others, sandbox.engine, registry, progress) as images_of_others:
            names: list[str] = []
            if own in (platform or (own,)):
                recipe = compose_folder() / "images" / "registry"  # any laptop with the bundle can serve a room
                images.build_all([recipe], sandbox.engine, settings.images, registry, progress)
                names = [*(plan.image for plan in sandbox.obtain(plans, settings)), images.built_name(recipe)]
            packages = [] if without_wheels else wheels.collect(Path(folder), others)
            unique = list(dict.fromkeys(names))
            written = save_bundle(file, unique, packages, sandbox.engine, split or 0, progress, images_of_others)
    for path in written:
        click.echo(f"{path}  {path.stat().st_size / 10**6:,.0f} MB")
    click.echo(f"next: copy it, then `sandbox bundle load {file.name}` and `sandbox up` there", err=True)


@bundle.command("verify")
@file_argument
def verify(file: Path) -> None:
    """Read a bundle once and compare every checksum."""
    from sandbox import output
    from sandbox.bundle import Bundle

    with output.Progress(False) as progress:
        found = Bundle(file)
        found.verify(progress)
    size = found.reader.size / 10**6
    click.echo(f"{file}: whole: {len(found.index.images)} images for {found.index.platform}, {size:,.0f} MB")


@bundle.command("load")
@file_argument
@click.pass_obj
def load(call: Call, file: Path) -> None:
    """Give the engine the images that it lacks.

    Interrupted, it goes on with the image it was at. The packages are for pip, not for the engine.
    """
    from sandbox import output
    from sandbox.bundle import Bundle

    with output.Progress(False) as progress:
        found = Bundle(file)
        loaded = found.load(call.sandbox(progress).engine, progress)
    click.echo(f"{len(loaded)} images loaded, {len(found.index.images) - len(loaded)} were there", err=True)
