"""Images from a registry: real pulls through a mirror, over bad networks, and the way back to a recipe."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import Run
from .registry import BadNetwork, docker, registry

IMAGE = "quay.io/example/web:1"
PROJECT = "sandbox-tests-images"
FRAGMENT = f"""\
services:
  web:
    image: ${{WEB_IMAGE:-{IMAGE}}}
    init: true
    command: [python3, -m, http.server, '8000', --directory, /tmp]
"""


@pytest.fixture(scope="module")
def port(stack: Run) -> Iterator[int]:
    """A registry that holds example/web:1 (large, runs) and example/data:1 (one layer of 20 MB of noise)."""
    plans = json.loads(stack("images", "list", "--profile", "lite", "--json").stdout)
    runs = next(row["image"] for row in plans if row["service"] == "traffic")
    with registry() as port:
        for name, source in (("web", runs), ("data", noise(port))):
            docker("tag", source, f"localhost:{port}/example/{name}:1")
            docker("push", "-q", f"localhost:{port}/example/{name}:1")
        forget("web", "data")
        yield port
        forget("web", "data")


def noise(port: int) -> str:
    name = f"localhost:{port}/example/data:1"
    command = ["docker", "import", "-", name]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as importing:
        assert importing.stdin
        with tarfile.open(fileobj=importing.stdin, mode="w|") as archive:
            entry = tarfile.TarInfo("noise")
            entry.size = 20_000_000
            with open("/dev/urandom", "rb") as random:
                archive.addfile(entry, random)
    assert importing.returncode == 0
    return name


def forget(*names: str) -> None:
    """Removes every copy of example/<name>:1 from the engine, so that it has to be pulled."""
    for tag in docker("images", "--format", "{{.Repository}}:{{.Tag}}").splitlines():
        if any(tag.endswith(f"example/{name}:1") for name in names):
            docker("rmi", "-f", tag)


@pytest.fixture
def folder(tmp_path: Path, stack: Run) -> Iterator[Path]:
    """A folder with a sandbox.yml that runs one service of its own, whose image is not on this computer."""
    forget("web", "data")
    (tmp_path / "web.yml").write_text(FRAGMENT)
    (tmp_path / "sandbox.yml").write_text("include: [web.yml]\nservices: [web]\n")
    yield tmp_path
    stack("down", "--volumes", project=PROJECT)


def use_data(folder: Path) -> None:
    (folder / "web.yml").write_text(FRAGMENT.replace("example/web", "example/data"))


def test_image_is_pulled_from_the_mirror_under_its_own_name_and_runs(stack: Run, folder: Path, port: int) -> None:
    mirror = ("--registry", f"localhost:{port}")
    plan = json.loads(stack("images", "list", "--json", *mirror, cwd=folder).stdout)
    assert [(row["action"], row["image"]) for row in plan] == [("pull", IMAGE)]
    done = stack("up", *mirror, project=PROJECT, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert f"{IMAGE}: pulling" in done.stderr
    assert docker("ps", "--filter", f"label=sandbox.project={PROJECT}", "--format", "{{.Image}}") == IMAGE
    plan = json.loads(stack("images", "list", "--images", "offline", "--json", cwd=folder).stdout)
    assert [row["action"] for row in plan] == ["present"]


def test_broken_connections_do_not_stop_a_pull(stack: Run, folder: Path, port: int) -> None:
    use_data(folder)
    network = BadNetwork(port, cuts=1)
    done = stack("images", "pull", "--registry", f"localhost:{network.port}", cwd=folder)
    network.close()
    assert done.returncode == 0, done.stderr
    assert network.cut == 1
    assert docker("images", "-q", "quay.io/example/data:1")


def test_registry_without_the_image_is_an_error_that_names_it(stack: Run, folder: Path, port: int) -> None:
    (folder / "web.yml").write_text(FRAGMENT.replace("example/web:1", "example/nothing:1"))
    done = stack("up", "--registry", f"localhost:{port}", project=PROJECT, cwd=folder)
    assert done.returncode == 3
    assert "web: quay.io/example/nothing:1 cannot be had" in done.stderr
    assert "or leave it out: --without web" in done.stderr


def test_a_recipe_takes_over_where_the_registry_lacks_the_image(stack: Run, folder: Path, port: int) -> None:
    recipe = folder / "images" / "web"
    recipe.mkdir(parents=True)
    (recipe / "Dockerfile").write_text("ARG BASE_IMAGE\nFROM ${BASE_IMAGE}\nLABEL made.by=recipe\n")
    (folder / "web.yml").write_text(FRAGMENT.replace("example/web:1", "example/nothing:1"))
    done = stack("up", "--registry", f"localhost:{port}", project=PROJECT, cwd=folder)
    assert done.returncode == 0, done.stderr
    used = docker("ps", "--filter", f"label=sandbox.project={PROJECT}", "--format", "{{.Image}}")
    assert used.startswith("sandbox/web:")
    assert docker("inspect", "--format", '{{index .Config.Labels "made.by"}}', used) == "recipe"
    stack("down", project=PROJECT)
    docker("rmi", "-f", used)


def test_interrupted_pull_is_finished_by_the_next(
    stack: Run, folder: Path, port: int, home: Path, tmp_path: Path
) -> None:
    use_data(folder)
    network = BadNetwork(port, slow=0.2)
    mirror = ["--registry", f"localhost:{network.port}"]
    command = [sys.executable, "-m", "sandbox", "--project", PROJECT, "images", "pull", *mirror]
    with subprocess.Popen(
        command, cwd=folder, stderr=subprocess.PIPE, text=True, env={**os.environ, "SANDBOX_HOME": str(home)}
    ) as pulling:
        assert pulling.stderr
        for line in pulling.stderr:
            if "pulling" in line:
                break
        time.sleep(1)
        pulling.send_signal(signal.SIGINT)
        rest = pulling.stderr.read()
    assert pulling.returncode == 130, rest
    assert "interrupted" in rest
    network.slow = 0
    done = stack("images", "pull", *mirror, cwd=folder)
    network.close()
    assert done.returncode == 0, done.stderr
    assert docker("images", "-q", "quay.io/example/data:1")
