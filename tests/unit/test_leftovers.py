"""What killed test runs leave behind: found by label and by folder, removed with its data."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox import catalogue, leftovers, settings
from sandbox.model import Event
from sandbox.sandbox import Sandbox
from tests.fake_engine import FakeEngine

WEB = """\
services:
  web:
    image: example/web:1
    volumes: ["web-data:/data"]
    healthcheck: {test: ["CMD", "true"]}
volumes: {web-data: {}}
"""
ENDED = "elsewhere 0 1 long ago"


@pytest.fixture(autouse=True)
def ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.owner.is_gone", lambda label: label == ENDED)


@pytest.fixture
def engine() -> FakeEngine:
    fake = FakeEngine()
    fake.images = {"example/web:1": 100}
    return fake


def up(engine: FakeEngine, home: Path, project: str, owner: str) -> Sandbox:
    fragments = home.parent / "fragments"
    fragments.mkdir(exist_ok=True)
    (fragments / "web.yml").write_text(WEB)
    flags = {"project": project, "services": ("web",)}
    chosen = settings.load(None, {}, flags, (), lambda include: catalogue.read(fragments, fragments / "none"))
    sandbox = Sandbox(project, home, engine, lambda event: None, owner)
    sandbox.up(*chosen)
    return sandbox


def test_only_those_of_ended_owners_are_removed_whole(engine: FakeEngine, tmp_path: Path) -> None:
    home = tmp_path / "home"
    for project, owner in (("dead", ENDED), ("alive", "somebody"), ("kept", "")):
        up(engine, home, project, owner)
    assert leftovers.owners(engine, home) == {"dead": ENDED, "alive": "somebody"}
    assert leftovers.find(engine, home) == {"dead": ENDED}
    said: list[Event] = []
    assert leftovers.remove(engine, home, said.append) == 1
    assert {state.project for state in engine.containers()} == {"alive", "kept"}
    assert set(engine.volumes.values()) == set(engine.networks.values()) == {"alive", "kept"}
    assert sorted(path.name for path in home.iterdir()) == ["alive", "kept"]
    assert leftovers.remove(engine, home, said.append) == 0


def test_network_alone_is_found(engine: FakeEngine, tmp_path: Path) -> None:
    sandbox = up(engine, tmp_path / "home", "dead", ENDED)
    engine.remove_containers(list(engine.states), lambda id: None)
    engine.remove_volumes(list(engine.volumes))
    sandbox.workspace.remove()
    assert leftovers.find(engine, tmp_path / "home") == {"dead": ENDED}
    leftovers.remove(engine, tmp_path / "home", lambda event: None)
    assert not engine.networks


def test_folder_alone_is_found(engine: FakeEngine, tmp_path: Path) -> None:
    up(engine, tmp_path / "home", "dead", ENDED).down(volumes=True)
    assert leftovers.find(engine, tmp_path / "home") == {"dead": ENDED}
    leftovers.remove(engine, tmp_path / "home", lambda event: None)
    assert not list((tmp_path / "home").iterdir())


def test_files_that_are_not_ours_stay(engine: FakeEngine, tmp_path: Path) -> None:
    sandbox = up(engine, tmp_path / "home", "dead", ENDED)
    (sandbox.workspace.folder / "notes.txt").write_text("mine")
    leftovers.remove(engine, tmp_path / "home", lambda event: None)
    assert [path.name for path in sandbox.workspace.folder.iterdir()] == ["notes.txt"]
