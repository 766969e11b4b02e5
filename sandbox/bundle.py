"""A workshop in one file: images, layer by layer, and Python wheels, to set a sandbox up without any network.

A bundle is a plain tar, so that any computer can take the wheels out of it before sandbox is installed:

    layers/<sha256>.tar.zst   a layer, compressed; the name is the digest of the layer itself
    images/<sha256>.json      an image's description, as the engine wrote it; the name is its digest
    wheels/<name>.whl         sandbox and what it depends on
    bundle.json               names of images -> layers; size and sha256 of every other member
    bundle.sha256             the digest of bundle.json

Bundles come from strangers' sticks: members are read by their place, never unpacked under their own names; only
plain files of these names are accepted, and nothing is read beyond the sizes that bundle.json states and that fit
on the disk. The checksums find damage. They do not say who made a bundle: take it from somebody you trust.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

import zstandard

from sandbox import __version__, host, parts
from sandbox.engine import Engine
from sandbox.errors import SandboxError, UsageError
from sandbox.model import Event, ImageFacts, Say

FORMAT = 1
LEVEL = 9  # 6 % smaller than 3 at a third of the speed: written once, carried two hundred times
BLOCK = 512
CHUNK = 1024**2
LARGEST_TEXT = 16 * 1024**2
MOST_MEMBERS = 10_000
WINDOW = 128 * 1024**2  # more memory than this no honest frame asks for
INDEX, SUM = "bundle.json", "bundle.sha256"
LAYER = re.compile(r"layers/([0-9a-f]{64})\.tar\.zst")
CONFIG = re.compile(r"images/([0-9a-f]{64})\.json")
WHEEL = re.compile(r"wheels/[A-Za-z0-9][A-Za-z0-9._+-]{0,200}\.whl")
PLATFORMS = {"x86_64": "amd64", "aarch64": "arm64"}
NAME = re.compile(r"[a-z0-9][a-z0-9._/:-]{0,250}:[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
COPY_AGAIN = "copy the file again, then `sandbox bundle verify` it"


@dataclass(frozen=True)
class Image:
    """An image of a bundle. `config` and `layers` are hexadecimal sha256 digests, the lowest layer first."""

    name: str
    platform: str
    config: str
    layers: tuple[str, ...]


@dataclass(frozen=True)
class File:
    """A member: where its content begins, its size and digest as bundle.json states them;
    `unpacked` is a layer's size, in bytes, before it was compressed.
    """

    size: int
    sha256: str
    unpacked: int = 0


@dataclass(frozen=True)
class Index:
    """What bundle.json says."""

    version: str
    platform: str
    images: tuple[Image, ...]
    files: Mapping[str, File] = field(default_factory=dict)


def damaged(what: str) -> SandboxError:
    return SandboxError(f"the bundle is damaged: {what}", COPY_AGAIN)


class Bundle:
    """A bundle that can be read. Opening it checks its structure and its index, not yet the content."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.reader = parts.Reader(parts.find(path))
        self.places = _members(self.reader)
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
            return _parse(json.loads(data))
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
        name = _layer(digest)
        size, left = self.index.files[name].unpacked, self.index.files[name].unpacked
        seen = hashlib.sha256()
        for data in _decompressed(self.content(name), name, size):
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
        return {image.name: sum(files[_layer(layer)].unpacked for layer in image.layers) for image in self.index.images}

    # --- loading -----------------------------------------------------------------------------

    def load(self, engine: Engine, say: Say, names: Iterable[str] | None = None) -> list[str]:
        """Loads images (all, unless named) that the engine lacks, one by one, and of each only the layers it lacks.

        Interrupted, it goes on with the first image that is not complete. Returns the names that were loaded.
        Raises SandboxError for damage, before the engine sees anything of it, a wrong platform and a full disk.
        """
        info = engine.info()
        ours = f"linux/{PLATFORMS.get(info.architecture, info.architecture)}"
        if self.index.platform != ours:
            raise UsageError(
                f"the bundle holds images for {self.index.platform}, this engine runs {ours}",
                f"ask for a bundle that was saved on a computer with {ours}",
            )
        wanted = [image for image in self.index.images if names is None or image.name in set(names)]
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
        sizes = {layer: self.index.files[_layer(layer)].unpacked for layer in layers}
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
            name = _layer(layer)
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
        yield from _member("manifest.json", json.dumps(manifest).encode())
        yield from _member(f"{image.config}.json", config)
        sizes = [self.index.files[_layer(layer)].unpacked for layer in image.layers]
        total, done = sum(sizes[there:]), 0
        for path, layer, size in list(zip(paths, image.layers, sizes, strict=True))[there:]:
            yield _header(path, size)
            for data in self.layer(layer):
                yield data
                done += len(data)
                text = f"{done // 10**6} of {total // 10**6} MB"
                say(Event("image", image.name, "loading", text, 100 * done / max(total, 1)))
            yield _padding(size)
        yield bytes(2 * BLOCK)


def _is_there(image: Image, facts: ImageFacts | None) -> bool:
    return facts is not None and facts.layers == tuple(f"sha256:{layer}" for layer in image.layers)


def _shared(image: Image, stacks: set[tuple[str, ...]]) -> int:
    """How many of an image's lowest layers the engine has, in this order."""
    mine = tuple(f"sha256:{layer}" for layer in image.layers)
    prefixes = {stack[:height] for stack in stacks for height in range(1, len(stack) + 1)}
    return next((height for height in range(len(mine), 0, -1) if mine[:height] in prefixes), 0)


def _parse(data: Any) -> Index:
    """Raises ValueError and its like for what is not an index."""
    if data["format"] != FORMAT:
        raise ValueError(f"format {data['format']}: this sandbox reads format {FORMAT}")
    files = {str(name): File(**{k: v for k, v in item.items()}) for name, item in data["files"].items()}
    for name, file in files.items():
        if not (LAYER.fullmatch(name) or CONFIG.fullmatch(name) or WHEEL.fullmatch(name)):
            raise ValueError(f"{name!r} is no member of a bundle")
        if not all(type(n) is int and n >= 0 for n in (file.size, file.unpacked)):
            raise ValueError(f"{name} has no size")
    images = tuple(Image(**{**item, "layers": tuple(item["layers"])}) for item in data["images"])
    for image in images:
        if not NAME.fullmatch(image.name):
            raise ValueError(f"{image.name!r} is no image's name")
        if f"images/{image.config}.json" not in files or any(_layer(n) not in files for n in image.layers):
            raise ValueError(f"{image.name} is not complete")
    return Index(str(data["version"]), str(data["platform"]), images, files)


def _members(reader: parts.Reader) -> dict[str, tuple[int, int]]:
    """Every member's (offset, size). Raises SandboxError for anything but plain files of the names we know."""
    found, at = _scan(reader)
    if reader.read(at, BLOCK) != bytes(BLOCK):
        raise damaged(f"it is cut off, or no bundle of ours, at byte {at:,} of {reader.size:,}")
    return found


def _scan(reader: parts.Reader) -> tuple[dict[str, tuple[int, int]], int]:
    """The members that are complete, and where they end."""
    found: dict[str, tuple[int, int]] = {}
    begin = at = 0
    long_name = ""
    while len(header := reader.read(at, BLOCK)) == BLOCK and header != bytes(BLOCK):
        try:
            entry = tarfile.TarInfo.frombuf(header, "ascii", "strict")
        except (tarfile.HeaderError, UnicodeDecodeError, ValueError):
            break
        end = at + BLOCK + entry.size + len(_padding(entry.size))
        if entry.type == tarfile.GNUTYPE_LONGNAME and 0 < entry.size <= BLOCK and not long_name:
            long_name = reader.read(at + BLOCK, entry.size - 1).decode("ascii", "replace")
            at = end
            continue
        name = long_name or entry.name
        known = name in (INDEX, SUM) or any(pattern.fullmatch(name) for pattern in (LAYER, CONFIG, WHEEL))
        if not known or entry.type != tarfile.REGTYPE or entry.size < 0 or name in found:
            raise damaged(f"{name!r} has no place in a bundle")
        if len(found) >= MOST_MEMBERS:
            raise damaged("it has too many members")
        if end > reader.size:
            break
        found[name] = (at + BLOCK, entry.size)
        begin, at, long_name = end, end, ""
    return found, begin


def _decompressed(chunks: Iterable[bytes], name: str, limit: int) -> Iterator[bytes]:
    """Unpacks zstd, but never more than `limit` bytes: a bomb ends here."""
    stream = io.BufferedReader(_Stream(chunks), CHUNK)
    try:
        with zstandard.ZstdDecompressor(max_window_size=WINDOW).stream_reader(stream) as reader:
            while data := reader.read(CHUNK):
                limit -= len(data)
                if limit < 0:
                    raise damaged(f"{name} is larger than its index says")
                yield data
    except zstandard.ZstdError as error:
        raise damaged(f"{name} cannot be unpacked ({error})") from error


class _Stream(io.RawIOBase):
    """Chunks as a file that can be read once, from the beginning to the end."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self.chunks, self.rest = iter(chunks), b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self.rest:
            chunk = next(self.chunks, None)
            if chunk is None:
                return 0
            self.rest = chunk
        count = min(len(buffer), len(self.rest))
        buffer[:count], self.rest = self.rest[:count], self.rest[count:]
        return count


def _header(name: str, size: int) -> bytes:
    entry = tarfile.TarInfo(name)
    entry.size = size
    return entry.tobuf(tarfile.GNU_FORMAT)


def _padding(size: int) -> bytes:
    return bytes(-size % BLOCK)


def _member(name: str, data: bytes) -> Iterator[bytes]:
    yield _header(name, len(data)) + data + _padding(len(data))


# --- saving ----------------------------------------------------------------------------------


def save(
    path: Path, names: Sequence[str], wheels: Iterable[Path], platform: str, engine: Engine, limit: int, say: Say
) -> list[Path]:
    """Writes a bundle of images that are on this computer; its files, several if `limit` (bytes) is not 0.

    `platform` is such as `linux/amd64`, empty for the engine's own. An interrupted save leaves FILE.partial;
    the next one goes on from there. Raises SandboxError.
    """
    facts = _facts(names, platform, engine)
    writer = parts.Writer(path, limit)
    try:
        files = _resume(writer)
        if files:
            say(Event("notice", text=f"going on where the last save ended: {len(files)} members are kept"))
        wanted = {layer.removeprefix("sha256:") for name in names for layer in facts[name].layers}
        configs = _save_layers(writer, engine.save(names), files, wanted, say)
        images = [_save_config(writer, name, facts[name].platform, configs, files) for name in names]
        for wheel in sorted(wheels):
            files[f"wheels/{wheel.name}"] = _append(writer, f"wheels/{wheel.name}", wheel.read_bytes())
        _save_index(writer, images, files)
        say(Event("image", path.name, "saved"))
        return writer.finish()
    except OSError as error:
        hint = "make room, then run it again: it goes on from here"
        raise SandboxError(f"cannot write {path}: {error.strerror or error}", hint) from error


def _facts(names: Sequence[str], platform: str, engine: Engine) -> dict[str, ImageFacts]:
    """What each image is made of. Raises for what cannot go into one bundle."""
    found = {}
    for name in names:
        facts = engine.image_facts(name)
        if facts is None:
            raise SandboxError(f"{name} is not on this computer", "`sandbox images pull` gets it")
        found[name] = facts
    wanted = platform or next(iter(found.values())).platform
    if others := [name for name, facts in found.items() if facts.platform != wanted]:
        here = found[others[0]].platform
        raise UsageError(
            f"{others[0]} is here for {here}, not for {wanted}",
            f"Docker keeps one platform of an image: save the bundle for {wanted} on a computer of that kind",
        )
    return found


def _resume(writer: parts.Writer) -> dict[str, File]:
    """The layers and descriptions an interrupted save left whole; what follows them is cut off."""
    reader, files, end = writer.reader(), dict[str, File](), 0
    with suppress(SandboxError):
        members, _ = _scan(reader)
        for name, (offset, size) in members.items():
            pieces = [reader.read(at, min(CHUNK, offset + size - at)) for at in range(offset, offset + size, CHUNK)]
            stored, content, unpacked = hashlib.sha256(b"".join(pieces)).hexdigest(), hashlib.sha256(), 0
            match = LAYER.fullmatch(name) or CONFIG.fullmatch(name)
            for data in _decompressed(pieces, name, 2**63) if LAYER.fullmatch(name) else pieces:
                content.update(data)
                unpacked += len(data)
            if not match or content.hexdigest() != match[1]:
                break
            files[name] = File(size, stored, unpacked)
            end = offset + size + len(_padding(size))
    writer.keep(end)
    return files


def _save_layers(
    writer: parts.Writer, archive: Iterator[bytes], files: dict[str, File], wanted: set[str], say: Say
) -> dict[str, bytes]:
    """Writes each layer once. Returns the images' descriptions by name."""
    texts: dict[str, bytes] = {}
    with (
        closing(archive),  # type: ignore[type-var]
        tarfile.open(fileobj=io.BufferedReader(_Stream(archive), CHUNK), mode="r|") as tar,
        tempfile.TemporaryFile(dir=writer.path.parent) as spool,
    ):
        for entry in tar:
            source = tar.extractfile(entry) if entry.isreg() else None
            if source is None or _layer(Path(entry.name).name) in files:
                continue
            begin = source.read(CHUNK)
            if begin[:1] in (b"{", b"[") and entry.size < LARGEST_TEXT:
                texts[entry.name] = begin + source.read()
                continue
            digest, file = _compress(begin, source, spool)
            if digest in wanted and _layer(digest) not in files:
                _append_file(writer, _layer(digest), file.size, spool)
                files[_layer(digest)] = file
            done = sum(_layer(layer) in files for layer in wanted)
            text = f"{done} of {len(wanted)} layers"
            say(Event("image", writer.path.name, "saving", text, 100 * done / max(len(wanted), 1)))
        for _ in archive:  # to the end, where a failed `docker save` says so
            pass
    manifest = json.loads(texts.get("manifest.json", b"[]"))
    return {str(tag): texts[item["Config"]] for item in manifest for tag in item["RepoTags"] or ()}


def _compress(begin: bytes, source: IO[bytes], spool: IO[bytes]) -> tuple[str, File]:
    """Fills the spool with a layer, compressed; the layer's digest and sizes. A gzipped layer is unpacked first."""
    spool.seek(0)
    spool.truncate()
    content, unpacked, stored = hashlib.sha256(), 0, hashlib.sha256()
    gunzip = zlib.decompressobj(31) if begin[:2] == b"\x1f\x8b" else None
    packer = zstandard.ZstdCompressor(level=LEVEL, threads=-1).compressobj()
    data = begin
    while data:
        plain = gunzip.decompress(data) if gunzip else data
        content.update(plain)
        unpacked += len(plain)
        packed = packer.compress(plain)
        stored.update(packed)
        spool.write(packed)
        data = source.read(CHUNK)
    packed = packer.flush()
    stored.update(packed)
    spool.write(packed)
    size = spool.tell()
    spool.seek(0)
    return content.hexdigest(), File(size, stored.hexdigest(), unpacked)


def _save_config(
    writer: parts.Writer, name: str, platform: str, configs: Mapping[str, bytes], files: dict[str, File]
) -> Image:
    if name not in configs:
        raise SandboxError(f"`docker save` did not give {name}")
    digest = hashlib.sha256(configs[name]).hexdigest()
    member = f"images/{digest}.json"
    if member not in files:
        files[member] = _append(writer, member, configs[name])
    layers = tuple(str(layer).removeprefix("sha256:") for layer in json.loads(configs[name])["rootfs"]["diff_ids"])
    return Image(name, platform, digest, layers)


def _save_index(writer: parts.Writer, images: Sequence[Image], files: Mapping[str, File]) -> None:
    index = {
        "format": FORMAT,
        "version": __version__,
        "platform": images[0].platform,
        "images": [asdict(image) for image in images],
        "files": {name: asdict(file) for name, file in files.items()},
    }
    data = json.dumps(index, indent=1).encode()
    _append(writer, INDEX, data)
    _append(writer, SUM, hashlib.sha256(data).hexdigest().encode() + b"\n")
    writer.write(bytes(2 * BLOCK))


def _append(writer: parts.Writer, name: str, data: bytes) -> File:
    writer.write(b"".join(_member(name, data)))
    return File(len(data), hashlib.sha256(data).hexdigest(), len(data))


def _append_file(writer: parts.Writer, name: str, size: int, source: IO[bytes]) -> None:
    writer.write(_header(name, size))
    while data := source.read(CHUNK):
        writer.write(data)
    writer.write(_padding(size))


def _layer(digest: str) -> str:
    return f"layers/{digest}.tar.zst"
