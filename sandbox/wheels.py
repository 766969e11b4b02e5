"""sandbox and what it depends on as wheels, so that a computer without a package index can install it."""

from __future__ import annotations

import base64
import hashlib
import html
import re
import shutil
import sys
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata
from pathlib import Path

from sandbox import processes
from sandbox.errors import SandboxError

NAME = "sandbox-devops"
SOURCES = ("sandbox", "compose", "configs", "labs", "setup.cfg", "pyproject.toml", "README.md")
NOT_IN_WHEEL = ("INSTALLER", "REQUESTED", "RECORD", "direct_url.json")
# Of an engine's platform: pip's names of the platforms of laptops that have it, the best first.
TAGS = {
    "linux/amd64": (
        ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64"),
        ("macosx_11_0_x86_64", "macosx_10_13_x86_64", "macosx_10_9_x86_64"),
    ),
    "linux/arm64": (
        ("manylinux_2_28_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64"),
        ("macosx_11_0_arm64",),
    ),
}
HINT = "the Python packages come from the index that pip uses: is it reachable? `--without-wheels` leaves them out"


def collect(folder: Path, platforms: Sequence[str] = ()) -> list[Path]:
    """Puts the wheels of sandbox and its dependencies, for this Python, into a folder: those for this computer, and
    for laptops, Linux and macOS, whose engines run the other platforms given (`linux/arm64`).

    Needs pip and its package index. Raises SandboxError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    checkout = Path(__file__).parent.parent
    is_checkout = (checkout / "setup.cfg").is_file()
    own = _copy(checkout, folder / "source") if is_checkout else _packed_again(folder)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--wheel-dir"]
    try:
        processes.run([*command, str(folder), str(own)], "collecting the Python packages")
    except SandboxError as error:
        raise SandboxError(error.message, HINT) from error
    shutil.rmtree(folder / "source", ignore_errors=True)
    native = [path for path in folder.glob("*.whl") if not path.name.endswith("-none-any.whl")]
    wanted = ["==".join(path.name.split("-")[:2]) for path in native]
    for tags in (tags for platform in platforms for tags in TAGS[platform] if wanted):
        options = [option for tag in tags for option in ("--platform", tag)]
        download = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        download += ["--only-binary=:all:", "--dest", str(folder), *options, *wanted]
        processes.run(download, f"collecting the Python packages for {tags[0]}")
    return sorted(folder.glob("*.whl"))


def pages(wheels: Iterable[str], digests: Mapping[str, str]) -> dict[str, str]:
    """The pages of a package index (PEP 503), `<project>/index.html` and `index.html`.

    They lie in `simple/` beside the wheels' own folder, `wheels/`; `digests` are hexadecimal sha256.
    """
    projects: dict[str, list[str]] = {}
    for wheel in sorted(wheels):
        project = re.sub(r"[-_.]+", "-", wheel.partition("-")[0]).lower()
        projects.setdefault(project, []).append(f"../../wheels/{wheel}#sha256={digests[wheel]}")
    found = {f"{project}/index.html": _page(dict.fromkeys(links)) for project, links in projects.items()}
    return {"index.html": _page({f"{project}/": None for project in projects}), **found}


def _page(links: Iterable[str]) -> str:
    shown = (
        f'<a href="{html.escape(link)}">{html.escape(link.rpartition("wheels/")[2].partition("#")[0])}</a><br>'
        for link in links
    )
    return "\n".join(["<!DOCTYPE html>", "<title>sandbox</title>", *shown, ""])


def _copy(checkout: Path, target: Path) -> Path:
    """A build leaves things beside its sources, so it gets sources of its own."""
    target.mkdir()
    for name in SOURCES:
        if (checkout / name).is_dir():
            shutil.copytree(checkout / name, target / name, ignore=shutil.ignore_patterns("__pycache__", ".*_cache"))
        elif (checkout / name).exists():
            shutil.copy(checkout / name, target / name)
    return target


def _packed_again(folder: Path) -> Path:
    """The wheel that we were installed from, put together from its files."""
    installed = metadata.distribution(NAME)
    wanted = [
        file
        for file in installed.files or ()
        if ".." not in file.parts and file.suffix != ".pyc" and file.name not in NOT_IN_WHEEL
    ]
    info = next(file.parts[0] for file in wanted if file.parts[0].endswith(".dist-info"))
    path = folder / f"{info.removesuffix('.dist-info')}-py3-none-any.whl"
    record = []
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in wanted:
            data = file.read_binary()
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            record.append(f"{file.as_posix()},sha256={digest},{len(data)}")
            archive.writestr(file.as_posix(), data)
        archive.writestr(f"{info}/RECORD", "\n".join([*record, f"{info}/RECORD,,", ""]))
    return path
