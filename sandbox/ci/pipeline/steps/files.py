"""Steps that read and write files of the workspace."""

from __future__ import annotations

import base64
import hashlib
import shutil
import zipfile
from pathlib import Path
from typing import Any

from sandbox.ci.groovy.values import Array, Remote
from sandbox.ci.groovy.worker import Failure
from sandbox.ci.pipeline import patterns
from sandbox.ci.pipeline.line import Body, Line
from sandbox.ci.pipeline.objects import record, text
from sandbox.ci.pipeline.steps.registry import step

MISSING = "java.nio.file.NoSuchFileException"


def content(line: Line, file: str) -> bytes:
    """A file's bytes. Raises Failure as Java would if it is not there."""
    path = line.path(file)
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise Failure(str(path), MISSING) from None
    except OSError as error:
        raise Failure(f"{path}: {error.strerror}", "java.io.IOException") from None


def put(line: Line, file: str, data: bytes) -> None:
    """Writes a file, and its folders."""
    path = line.path(file)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


@step()
def readFile(line: Line, file: str, encoding: str | None = None) -> str:
    """A file's text."""
    data = content(line, file)
    if encoding == "Base64":
        return base64.b64encode(data).decode()
    return data.decode(encoding or "utf-8", "replace")


@step()
def writeFile(line: Line, file: str, text: str, encoding: str | None = None) -> None:
    """Writes a text to a file."""
    put(line, file, base64.b64decode(text) if encoding == "Base64" else text.encode(encoding or "utf-8", "replace"))


@step()
def fileExists(line: Line, file: str) -> bool:
    """Whether a file or folder is there."""
    return line.path(file).exists()


@step()
def touch(line: Line, file: str, timestamp: int | None = None) -> Any:
    """Makes an empty file, or renews its time."""
    path = line.path(file)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return _file(line, file)


@step(first="glob")
def findFiles(line: Line, glob: str | None = None, excludes: str = "") -> Array:
    """Files that a pattern matches, as objects with name, path, directory, length and lastModified."""
    if glob:
        return Array(_file(line, path) for path in patterns.files(line.folder, glob, excludes or ""))
    return Array(_file(line, entry.name) for entry in sorted(line.folder.iterdir()))


def _file(line: Line, path: str) -> Remote:
    at = line.path(path)
    status = at.stat()
    fields = {
        "name": at.name,
        "path": f"{path}/" if at.is_dir() else path,
        "directory": at.is_dir(),
        "length": status.st_size,
        "lastModified": int(status.st_mtime * 1000),
    }
    return record(line, fields, {"toString": lambda line: path})


def _hash(name: str) -> None:
    def hashed(line: Line, file: str) -> str:
        return hashlib.new(name, content(line, file)).hexdigest()

    hashed.__doc__ = f"The {name} sum of a file."
    step(name)(hashed)


for _algorithm in ("md5", "sha1", "sha256"):
    _hash(_algorithm)


@step()
def zip(
    line: Line,
    zipFile: str,
    dir: str = "",
    glob: str = "**",
    exclude: str = "",
    archive: bool = False,
    overwrite: bool = False,
    defaultExcludes: bool = True,
) -> None:
    """Packs files into a zip."""
    target = line.path(zipFile)
    if target.exists() and not overwrite:
        raise Failure(f"{target} exists.")
    base = line.path(dir or ".")
    target.parent.mkdir(parents=True, exist_ok=True)
    line.log(f"Writing zip file of {base} filtered by [{glob}] - [{exclude}]")
    chosen = [path for path in patterns.files(base, glob or "**", exclude or "") if base / path != target]
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as packed:
        for path in chosen:
            packed.write(base / path, path)
    line.log(f"Zipped {len(chosen)} entries.")


@step()
def unzip(
    line: Line,
    zipFile: str,
    dir: str = "",
    glob: str = "**",
    quiet: bool = False,
    read: bool = False,
    test: bool = False,
    charset: str | None = None,
) -> Any:
    """Unpacks a zip, or reads its files into a map."""
    target = line.path(dir or ".")
    wanted = [patterns.glob(pattern) for pattern in patterns.split(glob or "**")]
    found: dict[str, str] = {}
    with zipfile.ZipFile(line.path(zipFile)) as packed:
        if test:
            return packed.testzip() is None
        for name in packed.namelist():
            if not any(pattern.match(name) for pattern in wanted) or name.endswith("/"):
                continue
            if read:
                found[name] = packed.read(name).decode("utf-8", "replace")
            else:
                packed.extract(name, target)
                if not quiet:
                    line.log(f"Extracting: {name} -> {target / name}")
    return found if read else None


@step()
def tee(line: Line, file: str, body: Body) -> Any:
    """Runs the block and writes its log to a file as well."""
    path = line.path(file)
    path.parent.mkdir(parents=True, exist_ok=True)
    log = line.run.log
    before = log._write
    with path.open("ab") as copy:

        def both(data: bytes) -> int:
            copy.write(data)
            return before(data)

        log._write = both
        try:
            return body()
        finally:
            log._write = before


def stash_folder(line: Line, name: str) -> Path:
    """Where a stash is kept: names are not paths."""
    return line.run.place.folder / "stashes" / hashlib.sha256(name.encode()).hexdigest()[:32]


@step()
def stash(
    line: Line,
    name: str,
    includes: str | None = None,
    excludes: str | None = None,
    allowEmpty: bool = False,
    useDefaultExcludes: bool = True,
) -> None:
    """Keeps files for later in this build."""
    chosen = (
        list(patterns.files(line.folder, includes or "**", excludes or "", useDefaultExcludes))
        if line.folder.exists()
        else []
    )
    if not chosen and not allowEmpty:
        raise Failure(f"No files included in stash \u2018{name}\u2019")
    target = stash_folder(line, name)
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for path in chosen:
        copy(line.folder / path, target / path)
    line.log(f"Stashed {len(chosen)} file(s)")


@step()
def unstash(line: Line, name: str) -> None:
    """Brings stashed files back."""
    source = stash_folder(line, name)
    if not source.exists():
        raise Failure(f"No such saved stash \u2018{name}\u2019")
    for path in patterns.files(source, "**", default_excludes=False):
        copy(source / path, line.folder / path)


def copy(source: Path, target: Path) -> None:
    """Copies a file, with its folders and its permissions."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, target)


__all__ = ["text"]
