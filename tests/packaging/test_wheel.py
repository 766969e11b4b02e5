"""The wheel, built from this checkout, installed with its dependencies into a new environment, used elsewhere."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox import __version__, catalogue, resources

CHECKOUT = Path(__file__).parents[2]
DATA = {"sandbox/_compose/": "compose/", "sandbox/_configs/": "configs/", "sandbox/_labs/": "labs/"}
Sandbox = Callable[..., str]


def run(*command: str | Path, cwd: Path, **variables: str) -> str:
    """What a command prints; nothing of our own Python and sandbox leaks into it."""
    ours = ("PYTHON", "SANDBOX_", "VIRTUAL_ENV")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(ours)} | variables
    done = subprocess.run(command, cwd=cwd, env=environ, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, f"{command} ended with {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def project_files(*folders: str) -> set[str]:
    """What git knows or would add, so that the test holds before a commit, too."""
    listed = run(
        *("git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *folders),
        cwd=CHECKOUT,
    )
    return {name for name in listed.split("\0") if name and (CHECKOUT / name).is_file()}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that nothing is left in the checkout; with caches, such as a used checkout has."""
    source, built = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in project_files():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(CHECKOUT / name, source / name)
    for folder in ("sandbox", "sandbox/commands", "compose/apps", "configs/prometheus"):
        for cache in ("__pycache__/left.pyc", ".pytest_cache/left.txt"):
            (source / folder / cache).parent.mkdir(exist_ok=True)
            (source / folder / cache).touch()
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", built, ".", cwd=source)
    (found,) = built.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an environment's programs, with nothing in it but the wheel and what that asks for."""
    environment = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", environment, cwd=environment)
    run(environment / "bin/python", "-m", "pip", "install", "--quiet", wheel, cwd=environment)
    return environment / "bin"


@pytest.fixture
def sandbox(programs: Path, tmp_path: Path) -> Sandbox:
    """Runs the installed program with a home of its own, where no checkout is near."""

    def call(*arguments: str) -> str:
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir(exist_ok=True)
        return run(programs / "sandbox", *arguments, cwd=elsewhere, HOME=str(tmp_path / "home"))

    return call


def in_wheel(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_holds_every_file_of_the_catalogue_as_it_is(wheel: Path) -> None:
    packed = {
        name.replace(prefix, folder): content
        for name, content in in_wheel(wheel).items()
        for prefix, folder in DATA.items()
        if name.startswith(prefix)
    }
    wanted = {name: (CHECKOUT / name).read_bytes() for name in project_files("compose", "configs", "labs")}
    assert "compose/apps/shop/.dockerignore" in wanted, "no dotfile is left that shows they are taken"
    assert packed.keys() == wanted.keys()
    assert packed == wanted


def test_holds_nothing_but_the_package_and_its_description(wheel: Path) -> None:
    names = in_wheel(wheel).keys()
    description = f"sandbox_devops-{__version__}.dist-info"
    assert {name.split("/")[0] for name in names} == {"sandbox", description}
    assert not [name for name in names if "cache" in name]
    code = {name for name in names if name.startswith("sandbox/") and not name.startswith(tuple(DATA))}
    assert code == project_files("sandbox")


def test_says_its_version_and_lists_what_the_checkout_lists(sandbox: Sandbox) -> None:
    known = catalogue.read(resources.compose_folder(), resources.configs_folder())
    assert sandbox("--version") == f"sandbox, version {__version__}\n"
    assert [row["name"] for row in json.loads(sandbox("services", "--json"))] == list(known.services)
    profiles = json.loads(sandbox("profiles", "--json"))
    assert profiles == {name: list(names) for name, names in known.profiles.items()}


def test_takes_its_catalogue_from_the_package(programs: Path, tmp_path: Path) -> None:
    code = "from sandbox import resources as r; print(r.compose_folder(), r.configs_folder(), sep='\\n')"
    folders = run(programs / "python", "-I", "-c", code, cwd=tmp_path).splitlines()
    assert len(folders) == 2
    for folder in folders:
        assert Path(folder).is_relative_to(programs.parent)


@pytest.fixture
def rendered(sandbox: Sandbox, tmp_path: Path) -> Path:
    folder = Path(sandbox("render", "--profile", "lite").strip())
    assert folder == tmp_path / "home/.sandbox/sandbox"
    return folder


def test_renders_a_folder_that_mounts_nothing_from_the_package(rendered: Path, programs: Path) -> None:
    assert (rendered / "services/prometheus.yml").read_bytes() == (CHECKOUT / "compose/prometheus.yml").read_bytes()
    assert (rendered / "contributions/scrape/storefront.yml").is_file()
    for path in rendered.rglob("*"):
        assert not path.is_file() or str(programs.parent).encode() not in path.read_bytes(), path


@pytest.mark.docker
def test_compose_accepts_the_folder(rendered: Path) -> None:
    run("docker", "compose", "config", "--quiet", cwd=rendered)
    services = run("docker", "compose", "config", "--services", cwd=rendered).split()
    assert {"prometheus", "storefront", "gateway"} <= set(services)
