"""`python -m tests.benchmarks.bundle`: a bundle beside `docker save | zstd` and `docker load`: size and time.

The images are those of the lite profile that are on this computer. Both are loaded into engines of their own, which
hold nothing, so it needs root. Exit code 1 when a target is missed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import zstandard

from sandbox.bundle import Bundle
from sandbox.bundle_saving import save
from sandbox.engine import ComposeEngine
from sandbox.model import Event
from tests.benchmarks.table import Row, show, timed
from tests.integration.private_engine import PrivateEngine

MEGABYTE = 10**6


def quiet(event: Event) -> None:
    """Progress is not what is measured."""


def images() -> list[str]:
    command = [sys.executable, "-m", "sandbox", "images", "list", "--profile", "lite", "--json"]
    plans = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return list(dict.fromkeys(plan["image"] for plan in plans if plan["action"] == "present"))


def docker_save(names: list[str], path: Path) -> None:
    """`docker save NAMES | zstd -T0 >FILE`"""
    with path.open("wb") as file, subprocess.Popen(["docker", "save", *names], stdout=subprocess.PIPE) as saving:
        assert saving.stdout
        zstandard.ZstdCompressor(threads=-1).copy_stream(saving.stdout, file)
    assert saving.returncode == 0


def docker_load(path: Path, engine: PrivateEngine) -> None:
    """`zstd -d <FILE | docker load`"""
    command = ["docker", "--host", engine.address, "load", "--quiet"]
    with path.open("rb") as file, subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as load:
        assert load.stdin
        zstandard.ZstdDecompressor().copy_stream(file, load.stdin)
        load.stdin.close()
    assert load.returncode == 0


def bundle_load(path: Path, engine: PrivateEngine) -> None:
    os.environ["DOCKER_HOST"] = engine.address
    try:
        Bundle(path).load(ComposeEngine(), quiet)
    finally:
        del os.environ["DOCKER_HOST"]


def main() -> int:
    names = images()
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = Path(folder, "lite.bundle"), Path(folder, "lite.tar.zst")
        saving = timed(lambda: save(ours, names, [], ComposeEngine(), 0, quiet))
        saving_theirs = timed(lambda: docker_save(names, theirs))
        engines = []
        for name in ("ours", "theirs"):
            Path(folder, name).mkdir()
            engines.append(PrivateEngine(Path(folder, name)))
        try:
            loading = timed(lambda: bundle_load(ours, engines[0]))
            loading_theirs = timed(lambda: docker_load(theirs, engines[1]))
            for engine in engines:
                engine.docker("rmi", names[0])
            again = timed(lambda: bundle_load(ours, engines[0]))
            again_theirs = timed(lambda: docker_load(theirs, engines[1]))
        finally:
            for engine in engines:
                engine.close()
        sizes = [path.stat().st_size / MEGABYTE for path in (ours, theirs)]
    zstd, load = "docker save | zstd", "zstd -d | docker load"
    rows = [
        Row(f"size of {len(names)} images", sizes[0], "MB", "at most as large", sizes[0] <= sizes[1], sizes[1], zstd),
        Row("save", saving, "s", "-", True, saving_theirs, zstd),
        Row(
            "load into an empty engine",
            loading,
            "s",
            "ratio ≤ 1.5",
            loading <= 1.5 * loading_theirs,
            loading_theirs,
            load,
        ),
        Row("load one missing image", again, "s", "ratio ≤ 0.5", again <= 0.5 * again_theirs, again_theirs, load),
    ]
    return 0 if show(rows) else 1


if __name__ == "__main__":
    sys.exit(main())
