"""Reads a bundle (see `bundle_format`): verifies it, and gives an engine the images that it lacks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from sandbox import host, parts
from sandbox.bundle_format import (
    BLOCK,
    CHUNK,
    INDEX,
    LARGEST_TEXT,
    PLATFORMS,
    SUM,
    Image,
    Index,
    damaged,
    decompressed,
    header,
    layer_name,
    member,
    members,
    padding,
    parse,
)
from sandbox.engine import Engine
from sandbox.errors import SandboxError, UsageError
from sandbox.model import Event, ImageFacts, Say


class Bundle:
    """A bundle that can be read. Opening it checks its structure and its index, not yet the content."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.reader = parts.Reader(parts.find(path))
        self.places = members(self.reader)
        self.index = self._index()
        for name, file in self.index.files.items():
            if self.places.get(name, (0, -1))[1] != file.size:
                raise damaged(f"{name} is missing or has another size")
        for name in self.places.keys() - self.index.files.keys() - {INDEX, SUM}:
            raise damaged(f"{name} is not in its index")

    def _index(self) -> Index:
        if INDEX not in self.places or SUM not in self.places:
            raise damaged("its index is missing, so it was cut off; or it is no bundle of ours")
        data, told = self._small(INDEX), self._small(SUM)
        if hashlib.sha256(data).hexdigest().encode() != told.strip():
            raise damaged("its index does not match its checksum")
        try:
            return parse(json.loads(data))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise damaged(f"its index cannot be understood ({error})") from error

    def _small(self, name: str) -> bytes:
        offset, size = self.places[name]
        if size > LARGEST_TEXT:
            raise damaged(f"{name} is too large")
        return self.reader.read(offset, size)

    def content(self, name: str) -> Iterator[bytes]:
        """A member as it is stored."""
        offset, size = self.places[name]
        for at in range(offset, offset + size, CHUNK):
            yield self.reader.read(at, min(CHUNK, offset + size - at))

    def layer(self, digest: str) -> Iterator[bytes]:
        """A layer, unpacked. Raises SandboxError if it is not what its name says, at the end."""
        name = layer_name(digest)
        size, left = self.index.files[name].unpacked, self.index.files[name].unpacked
        seen = hashlib.sha256()
        for data in decompressed(self.content(name), name, size):
            seen.update(data)
            left -= len(data)
            yield data
        if left or seen.hexdigest() != digest:
            raise damaged(f"{name} does not match its checksum")

    def config(self, digest: str) -> bytes:
        data = self._small(f"images/{digest}.json")
        if hashlib.sha256(data).hexdigest() != digest:
            raise damaged(f"images/{digest}.json does not match its checksum")
        return data

    def verify(self, say: Say) -> None:
        """Reads everything once. Raises SandboxError for the first damage."""
        total, done = sum(file.size for file in self.index.files.values()), 0
        for name, file in self.index.files.items():
            seen = hashlib.sha256()
            for data in self.content(name):
                seen.update(data)
                done += len(data)
                percent = 100 * done / max(total, 1)
                say(Event("image", self.path.name, "verifying", f"{done // 10**6} of {total // 10**6} MB", percent))
            if seen.hexdigest() != file.sha256:
                raise damaged(f"{name} does not match its checksum")
        for digest in dict.fromkeys(layer for image in self.index.images for layer in image.layers):
            for _ in self.layer(digest):
                pass
        for image in self.index.images:
            self._check_config(image)
        say(Event("image", self.path.name, "verified"))

    def _check_config(self, image: Image) -> None:
        data = json.loads(self.config(image.config))
        layers = tuple(str(layer).removeprefix("sha256:") for layer in data["rootfs"]["diff_ids"])
        if layers != image.layers or f"{data['os']}/{data['architecture']}" != image.platform:
            raise damaged(f"{image.name} is not what its description says")

    @property
    def names(self) -> dict[str, int]:
        """The images' names, and how large each is, unpacked, in bytes."""
        files = self.index.files
        return {
            image.name: sum(files[layer_name(layer)].unpacked for layer in image.layers) for image in self.index.images
        }

    # --- loading -----------------------------------------------------------------------------

    def load(self, engine: Engine, say: Say, names: Iterable[str] | None = None) -> list[str]:
        """Loads images (all, unless named) that the engine lacks, one by one, and of each only the layers it lacks.

        Interrupted, it goes on with the first image that is not complete. Returns the names that were loaded.
        Raises SandboxError for damage, before the engine sees anything of it, a wrong platform and a full disk.
        """
        info = engine.info()
        ours = f"linux/{PLATFORMS.get(info.architecture, info.architecture)}"
        here = [image for image in self.index.images if image.platform == ours]
        if not here:
            raise UsageError(
                f"the bundle holds images for {self.index.platform}, this engine runs {ours}",
                f"ask for a bundle that was saved on a computer with {ours}",
            )
        wanted = [image for image in here if names is None or image.name in set(names)]
        known = {name: facts for name in engine.image_sizes() if (facts := engine.image_facts(name))}
        missing = [image for image in wanted if not _is_there(image, known.get(image.name))]
        for image in wanted:
            if image not in missing:
                say(Event("image", image.name, "present"))
        stacks = {facts.layers for facts in known.values()} if info.layered else set()
        self._check_room(missing, stacks, info.root)
        for image in missing:
            there = _shared(image, stacks)
            self._check_layers(image, there)
            engine.load(self._archive(image, there, say))
            stacks |= {tuple(f"sha256:{layer}" for layer in image.layers)} if info.layered else set()
            say(Event("image", image.name, "present"))
        return [image.name for image in missing]

    def _check_room(self, images: Sequence[Image], stacks: set[tuple[str, ...]], root: str) -> None:
        """The engine unpacks an image beside its own store before it takes it in, so the largest counts twice."""
        layers = {layer for image in images for layer in image.layers[_shared(image, stacks) :]}
        sizes = {layer: self.index.files[layer_name(layer)].unpacked for layer in layers}
        largest = max((sum(sizes.get(layer, 0) for layer in image.layers) for image in images), default=0)
        needed, free = sum(sizes.values()) + largest, host.free_disk(root)
        if needed > free:
            raise SandboxError(
                f"disk: loading needs {needed // 1024**2:,} MB, {free // 1024**2:,} MB is free",
                "`docker system df` shows what Docker holds; `sandbox images prune` removes what we no longer need",
            )

    def _check_layers(self, image: Image, there: int) -> None:
        """Damage is found before the engine gets the first byte."""
        self._check_config(image)
        for layer in image.layers[there:]:
            name = layer_name(layer)
            seen = hashlib.sha256()
            for data in self.content(name):
                seen.update(data)
            if seen.hexdigest() != self.index.files[name].sha256:
                raise damaged(f"{name} does not match its checksum")

    def _archive(self, image: Image, there: int, say: Say) -> Iterator[bytes]:
        """The tar that `docker load` takes, less the lowest layers, which the engine has."""
        config = self.config(image.config)
        paths = [f"{layer}/layer.tar" for layer in image.layers]
        manifest = [{"Config": f"{image.config}.json", "RepoTags": [image.name], "Layers": paths}]
        yield from member("manifest.json", json.dumps(manifest).encode())
        yield from member(f"{image.config}.json", config)
        sizes = [self.index.files[layer_name(layer)].unpacked for layer in image.layers]
        total, done = sum(sizes[there:]), 0
        for path, layer, size in list(zip(paths, image.layers, sizes, strict=True))[there:]:
            yield header(path, size)
            for data in self.layer(layer):
                yield data
                done += len(data)
                text = f"{done // 10**6} of {total // 10**6} MB"
                say(Event("image", image.name, "loading", text, 100 * done / max(total, 1)))
            yield padding(size)
        yield bytes(2 * BLOCK)


def _is_there(image: Image, facts: ImageFacts | None) -> bool:
    return facts is not None and facts.layers == tuple(f"sha256:{layer}" for layer in image.layers)


def _shared(image: Image, stacks: set[tuple[str, ...]]) -> int:
    """How many of an image's lowest layers the engine has, in this order."""
    mine = tuple(f"sha256:{layer}" for layer in image.layers)
    prefixes = {stack[:height] for stack in stacks for height in range(1, len(stack) + 1)}
    return next((height for height in range(len(mine), 0, -1) if mine[:height] in prefixes), 0)
