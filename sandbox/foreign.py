"""Images for another platform than the engine's, pulled beside its own under other names, for a bundle to take along.

An engine keeps one platform of an image under a name: the own one is set aside meanwhile, and comes back.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sandbox import images
from sandbox.engine import Engine
from sandbox.errors import UsageError
from sandbox.images import ImagePlan
from sandbox.model import Say


@dataclass(frozen=True)
class Foreign:
    """An image for `platform` (`linux/arm64`) that is on this computer under the name `tag`."""

    name: str
    platform: str
    tag: str


@contextmanager
def pulled(
    plans: Sequence[ImagePlan], platforms: Sequence[str], engine: Engine, registry: str, say: Say
) -> Iterator[list[Foreign]]:
    """Inside this block the plans' images are there for these platforms, too.

    Raises SandboxError; UsageError, before any work, for what is built and not pulled, unless a registry may have it.
    """
    names = list(dict.fromkeys(p.image if p.wanted.startswith(images.OWN) else p.wanted for p in plans))
    built = [name for name in names if name.startswith(images.OWN)]
    if platforms and built and not registry:
        raise UsageError(
            f"built here, so not to be had for {', '.join(platforms)}: {', '.join(built)}",
            "save that platform's bundle on a computer of that kind, or give a --registry that holds them",
        )
    found: list[Foreign] = []
    try:
        for platform in platforms:
            for name in names:
                found.append(_pull(name, platform, engine, registry, say))
        yield found
    finally:
        for image in found:
            engine.remove_image(image.tag)


def _pull(name: str, platform: str, engine: Engine, registry: str, say: Say) -> Foreign:
    source = images.mirrored(name, registry) if registry else name
    digest = hashlib.sha256(f"{platform} {name}".encode()).hexdigest()[:12]
    aside, tag = f"{images.OWN}aside:{digest}", f"{images.OWN}foreign:{digest}"
    here = engine.image_facts(source) is not None
    if here:
        engine.tag(source, aside)
    try:
        images.fetch(source, name, engine, say, platform)
        facts = engine.image_facts(source)
        if facts is None or facts.platform != platform:
            raise UsageError(f"{source} is not to be had for {platform}", "leave its service out: --without")
        engine.tag(source, tag)
    finally:
        if here:
            engine.tag(aside, source)
            engine.remove_image(aside)
        elif engine.image_facts(source):
            engine.remove_image(source)
    return Foreign(name, platform, tag)
