"""Writes a bundle (see `bundle_format`) of images that are on this computer, each layer once; resumable."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO

from sandbox import __version__, parts
from sandbox.bundle_format import (
    BLOCK,
    CHUNK,
    CONFIG,
    FORMAT,
    INDEX,
    LARGEST_TEXT,
    LAYER,
    SUM,
    File,
    Image,
    Stream,
    compress,
    decompressed,
    header,
    layer_name,
    member,
    padding,
    scan,
)
from sandbox.engine import Engine
from sandbox.errors import SandboxError, UsageError
from sandbox.foreign import Foreign
from sandbox.model import Event, ImageFacts, Say


def save(
    path: Path,
    names: Sequence[str],
    wheels: Iterable[Path],
    engine: Engine,
    limit: int,
    say: Say,
    foreign: Sequence[Foreign] = (),
) -> list[Path]:
    """Writes a bundle of images that are on this computer; its files, several if `limit` (bytes) is not 0.

    `foreign` are those for other platforms than the engine's. An interrupted save leaves FILE.partial; the next one
    goes on from there. Raises SandboxError.
    """
    sources = [*_own(names, engine), *foreign]
    writer = parts.Writer(path, limit)
    try:
        files = _resume(writer)
        if files:
            say(Event("notice", text=f"going on where the last save ended: {len(files)} members are kept"))
        tags = [source.tag for source in sources]
        wanted = {layer.removeprefix("sha256:") for tag in tags for layer in _facts(tag, engine).layers}
        configs = _save_layers(writer, engine.save(tags), files, wanted, say)
        images = [_save_config(writer, source, configs, files) for source in sources]
        for wheel in sorted(wheels):
            files[f"wheels/{wheel.name}"] = _append(writer, f"wheels/{wheel.name}", wheel.read_bytes())
        _save_index(writer, images, files)
        say(Event("image", path.name, "saved"))
        return writer.finish()
    except OSError as error:
        hint = "make room, then run it again: it goes on from here"
        raise SandboxError(f"cannot write {path}: {error.strerror or error}", hint) from error


def _own(names: Sequence[str], engine: Engine) -> list[Foreign]:
    """Images under their own names, all for one platform. Raises UsageError for a stranger among them."""
    found = [Foreign(name, _facts(name, engine).platform, name) for name in names]
    if strangers := [image for image in found if image.platform != found[0].platform]:
        raise UsageError(
            f"{strangers[0].name} is here for {strangers[0].platform}, not for {found[0].platform}",
            "`docker rmi` removes it, `sandbox images pull` gets the right one",
        )
    return found


def _facts(name: str, engine: Engine) -> ImageFacts:
    facts = engine.image_facts(name)
    if facts is None:
        raise SandboxError(f"{name} is not on this computer", "`sandbox images pull` gets it")
    return facts


def _resume(writer: parts.Writer) -> dict[str, File]:
    """The layers and descriptions an interrupted save left whole; what follows them is cut off."""
    reader, files, end = writer.reader(), dict[str, File](), 0
    with suppress(SandboxError):
        members, _ = scan(reader)
        for name, (offset, size) in members.items():
            pieces = [reader.read(at, min(CHUNK, offset + size - at)) for at in range(offset, offset + size, CHUNK)]
            stored, content, unpacked = hashlib.sha256(b"".join(pieces)).hexdigest(), hashlib.sha256(), 0
            match = LAYER.fullmatch(name) or CONFIG.fullmatch(name)
            for data in decompressed(pieces, name, 2**63) if LAYER.fullmatch(name) else pieces:
                content.update(data)
                unpacked += len(data)
            if not match or content.hexdigest() != match[1]:
                break
            files[name] = File(size, stored, unpacked)
            end = offset + size + len(padding(size))
    writer.keep(end)
    return files


def _save_layers(
    writer: parts.Writer, archive: Iterator[bytes], files: dict[str, File], wanted: set[str], say: Say
) -> dict[str, bytes]:
    """Writes each layer once. Returns the images' descriptions by name."""
    texts: dict[str, bytes] = {}
    with (
        closing(archive),  # type: ignore[type-var]
        tarfile.open(fileobj=io.BufferedReader(Stream(archive), CHUNK), mode="r|") as tar,
        tempfile.TemporaryFile(dir=writer.path.parent) as spool,
    ):
        for entry in tar:
            source = tar.extractfile(entry) if entry.isreg() else None
            if source is None or layer_name(Path(entry.name).name) in files:
                continue
            begin = source.read(CHUNK)
            if begin[:1] in (b"{", b"[") and entry.size < LARGEST_TEXT:
                texts[entry.name] = begin + source.read()
                continue
            digest, file = compress(begin, source, spool)
            if digest in wanted and layer_name(digest) not in files:
                _append_file(writer, layer_name(digest), file.size, spool)
                files[layer_name(digest)] = file
            done = sum(layer_name(layer) in files for layer in wanted)
            text = f"{done} of {len(wanted)} layers"
            say(Event("image", writer.path.name, "saving", text, 100 * done / max(len(wanted), 1)))
        for _ in archive:  # to the end, where a failed `docker save` says so
            pass
    manifest = json.loads(texts.get("manifest.json", b"[]"))
    return {str(tag): texts[item["Config"]] for item in manifest for tag in item["RepoTags"] or ()}


def _save_config(writer: parts.Writer, source: Foreign, configs: Mapping[str, bytes], files: dict[str, File]) -> Image:
    if source.tag not in configs:
        raise SandboxError(f"`docker save` did not give {source.name}")
    config = configs[source.tag]
    digest = hashlib.sha256(config).hexdigest()
    written = f"images/{digest}.json"
    if written not in files:
        files[written] = _append(writer, written, config)
    layers = tuple(str(layer).removeprefix("sha256:") for layer in json.loads(config)["rootfs"]["diff_ids"])
    return Image(source.name, source.platform, digest, layers)


def _save_index(writer: parts.Writer, images: Sequence[Image], files: Mapping[str, File]) -> None:
    index = {
        "format": FORMAT,
        "version": __version__,
        "platform": ",".join(dict.fromkeys(image.platform for image in images)),
        "images": [asdict(image) for image in images],
        "files": {name: asdict(file) for name, file in files.items()},
    }
    data = json.dumps(index, indent=1).encode()
    _append(writer, INDEX, data)
    _append(writer, SUM, hashlib.sha256(data).hexdigest().encode() + b"\n")
    writer.write(bytes(2 * BLOCK))


def _append(writer: parts.Writer, name: str, data: bytes) -> File:
    writer.write(b"".join(member(name, data)))
    return File(len(data), hashlib.sha256(data).hexdigest(), len(data))


def _append_file(writer: parts.Writer, name: str, size: int, source: IO[bytes]) -> None:
    writer.write(header(name, size))
    while data := source.read(CHUNK):
        writer.write(data)
    writer.write(padding(size))
