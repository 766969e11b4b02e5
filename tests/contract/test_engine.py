"""One suite over the real engine and the one in memory that unit tests use: they must behave alike."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox import catalogue, host
from sandbox.engine import ComposeEngine, Engine, EngineEvent
from sandbox.errors import SandboxError
from sandbox.render import render
from sandbox.workspace import Workspace
from tests.fake_engine import FakeEngine

PROJECT = f"sandbox-tests-engine-{os.getpid()}"
FRAGMENT = """\
services:
  web:
    image: ${WEB_IMAGE:-example/web:1}
    init: true
    command: [sh, -c, "echo one; echo two; echo three; sleep 300"]
    ports: ["127.0.0.1:${WEB_PORT:-8000}:8000"]
    volumes: ["web-data:/data"]
    healthcheck: {test: ["CMD", "true"], interval: 1s, start_period: 10s, start_interval: 500ms}
volumes: {web-data: {}}
"""


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.docker)])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    if request.param == "fake":
        fake = FakeEngine()
        fake.images["sandbox/base:fake"] = 100
        fake.prints["web"] = ["one", "two", "three"]
        yield fake
        return
    request.getfixturevalue("base_image")
    real = ComposeEngine()
    yield real
    real.remove_containers([state.id for state in real.containers(PROJECT)], lambda id: None)
    left = real.leftovers(PROJECT)
    real.remove_networks(left["networks"])
    real.remove_volumes(left["volumes"])


@pytest.fixture
def image(engine: Engine) -> str:
    """An image with a shell that is on the computer."""
    return next(name for name in engine.image_sizes() if name.startswith("sandbox/base:"))


@pytest.fixture
def up(engine: Engine, image: str, tmp_path: Path) -> Callable[..., str]:
    """Brings the fragment up; the id of its container once it is healthy."""
    (tmp_path / "fragments").mkdir()
    (tmp_path / "fragments" / "web.yml").write_text(FRAGMENT)
    found = catalogue.read(tmp_path / "fragments", tmp_path / "none")
    stack = catalogue.choose(found, ["web"], "", ())
    workspace = Workspace(tmp_path / "home", PROJECT)
    values = {"WEB_IMAGE": image, "WEB_PORT": str(host.free_port(20000, ()))}

    def bring(owner: str = "") -> str:
        with workspace.locked(lambda: None):
            workspace.write(render(PROJECT, workspace.folder, stack, values, owner))
        engine.up(workspace.folder, stack.variables)
        for _ in range(100):
            (state,) = engine.containers(PROJECT)
            if state.settled:
                return state.id
            time.sleep(0.1)
        raise AssertionError(state)

    return bring


def test_container_is_described(engine: Engine, up: Callable[[], str], image: str, tmp_path: Path) -> None:
    up()
    (state,) = engine.containers(PROJECT)
    assert (state.name, state.container, state.service) == (f"{PROJECT}-web-1", "web", "web")
    assert (state.project, state.state, state.health, state.image) == (PROJECT, "running", "healthy", image)
    assert state.folder == str(tmp_path / "home" / PROJECT)
    assert state.ports[8000][0] == "127.0.0.1"
    assert engine.memory([state.id])[state.id] > 0
    assert state in engine.containers()


def test_up_twice_keeps_the_container(up: Callable[[], str]) -> None:
    assert up() == up()


def test_all_is_removed_by_label(engine: Engine, up: Callable[[], str]) -> None:
    id = up()
    left = engine.leftovers(PROJECT)
    assert left == {"volumes": [f"{PROJECT}_web-data"], "networks": [f"{PROJECT}_default"]}
    removed: list[str] = []
    engine.remove_containers([id], removed.append)
    assert removed == [id]
    engine.remove_networks(left["networks"])
    engine.remove_volumes(left["volumes"])
    assert engine.containers(PROJECT) == []
    assert engine.leftovers(PROJECT) == {"volumes": [], "networks": []}
    engine.remove_containers([id], removed.append)  # gone already is no error


def test_logs_and_exit_codes(engine: Engine, up: Callable[[], str]) -> None:
    id = up()
    assert [(line.container, line.text) for line in engine.logs(id, False, None, 2)] == [
        ("web", "two"),
        ("web", "three"),
    ]
    assert engine.execute(id, ["sh", "-c", "exit 7"], False) == 7


def test_events_tell_of_a_restart(engine: Engine, up: Callable[[], str]) -> None:
    id = up()
    listening, seen, close = threading.Event(), list[EngineEvent](), list[Callable[[], None]]()

    def listen() -> None:
        for event in engine.events(PROJECT, listening.set, close.append):
            seen.append(event)

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    assert listening.wait(5)
    engine.restart([id])
    for _ in range(100):
        if {"die", "start"} <= {event.action for event in seen}:
            break
        time.sleep(0.1)
    assert [event.action for event in seen if event.action in ("die", "start")] == ["die", "start"]
    assert {event.container for event in seen} == {"web"}
    close[0]()
    listener.join(5)
    assert not listener.is_alive()


def test_output_of_a_command(engine: Engine, up: Callable[[], str]) -> None:
    code, printed = engine.output(up(), ["sh", "-c", "echo said; echo complained >&2; exit 7"])
    assert (code, set(printed.splitlines())) == (7, {"said", "complained"})


def settled(engine: Engine) -> None:
    for _ in range(100):
        if all(state.settled for state in engine.containers(PROJECT)):
            return
        time.sleep(0.1)
    raise AssertionError(engine.containers(PROJECT))


def test_stopped_is_started_again(engine: Engine, up: Callable[[], str]) -> None:
    id = up()
    engine.stop([id])
    assert [(state.state, state.settled) for state in engine.containers(PROJECT)] == [("exited", False)]
    engine.start([id])
    settled(engine)


def test_paused_goes_on(engine: Engine, up: Callable[[], str]) -> None:
    id = up()
    engine.pause([id])
    assert [(state.state, state.settled) for state in engine.containers(PROJECT)] == [("paused", False)]
    with pytest.raises(SandboxError, match="Docker refused"):
        engine.pause([id])
    engine.unpause([id])
    settled(engine)
    with pytest.raises(SandboxError, match="not paused"):
        engine.unpause([id])


def test_cut_off_is_connected_again(engine: Engine, up: Callable[[], str]) -> None:
    id = up()
    before = engine.containers(PROJECT)
    engine.disconnect(id)
    with pytest.raises(SandboxError, match="not connected"):
        engine.disconnect(id)
    engine.connect(id)
    assert [state.ports for state in engine.containers(PROJECT)] == [state.ports for state in before]


def test_owner_is_known_until_nothing_is_left(engine: Engine, up: Callable[..., str]) -> None:
    id = up(owner="somebody")
    assert engine.owners()[PROJECT] == "somebody"
    engine.remove_containers([id], lambda id: None)
    assert engine.owners()[PROJECT] == "somebody"
    left = engine.leftovers(PROJECT)
    engine.remove_networks(left["networks"])
    assert engine.owners()[PROJECT] == "somebody"
    engine.remove_volumes(left["volumes"])
    assert PROJECT not in engine.owners()


def test_names_of_images_come_and_go(engine: Engine, image: str) -> None:
    engine.tag(image, "sandbox-tests/tagged:1")
    assert engine.image_sizes()["sandbox-tests/tagged:1"] == engine.image_sizes()[image]
    engine.remove_image("sandbox-tests/tagged:1")
    assert "sandbox-tests/tagged:1" not in engine.image_sizes()
    assert image in engine.image_sizes()


def test_a_command_in_a_container_says_what_it_printed(engine: Engine, up: Callable[[], str]) -> None:
    assert engine.output(up(), ["sh", "-c", "echo hello; exit 3"]) == (3, "hello\n")


def test_a_saved_image_can_be_loaded(engine: Engine, image: str) -> None:
    engine.tag(image, "sandbox-tests/saved:1")
    facts = engine.image_facts("sandbox-tests/saved:1")
    assert facts and facts.layers and facts.platform.startswith("linux/")
    archive = list(engine.save(["sandbox-tests/saved:1"]))
    engine.remove_image("sandbox-tests/saved:1")
    assert engine.image_facts("sandbox-tests/saved:1") is None
    engine.load(archive)
    loaded = engine.image_facts("sandbox-tests/saved:1")
    assert loaded == facts
    engine.remove_image("sandbox-tests/saved:1")


def test_what_is_not_there_is_an_error_of_ours(engine: Engine) -> None:
    with pytest.raises(SandboxError, match="No such container"):
        list(engine.logs("0" * 64, False, None, None))
    with pytest.raises(SandboxError, match="No such image"):
        engine.remove_image("sandbox-tests/none:1")
    assert engine.why_not_pullable("localhost:9/none:1")
    with pytest.raises(SandboxError):
        engine.pull("localhost:9/none:1", lambda done, total: None)


@pytest.mark.docker
def test_a_stranger_with_our_name_is_seen(base_image: str) -> None:
    label = f"com.docker.compose.project={PROJECT}"
    command = ["docker", "run", "-d", "--name", "sandbox-tests-stranger", "--label", label, base_image, "sleep", "60"]
    subprocess.run(command, check=True, capture_output=True)
    try:
        assert ComposeEngine().foreign(PROJECT) == ["sandbox-tests-stranger"]
        assert ComposeEngine().containers(PROJECT) == []
    finally:
        subprocess.run(["docker", "rm", "-f", "sandbox-tests-stranger"], check=True, capture_output=True)
