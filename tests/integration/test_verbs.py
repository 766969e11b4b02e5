"""Verbs as people type them, on the real stack, and the programs' own checks of what we wrote for them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from sandbox import catalogue
from sandbox.render import render
from sandbox.resources import compose_folder, configs_folder
from sandbox.workspace import Workspace

from .conftest import PROJECT, Run
from .private_engine import PrivateEngine
from .registry import docker

CATALOGUE = catalogue.read(compose_folder(), configs_folder())


def test_env_is_ready_for_the_shell(stack: Run) -> None:
    script = stack("env").stdout
    shown = subprocess.run(
        ["sh", "-c", f"{script}\ncurl -sf $STOREFRONT_URL/api/products >/dev/null && echo $AWS_ENDPOINT_URL"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert shown.stdout.strip() == json.loads(stack("env", "--json").stdout)["AWS_ENDPOINT_URL"]


def test_up_tells_events_as_json(stack: Run) -> None:
    events = [json.loads(line) for line in stack("up", "--profile", "lite", "--json").stdout.splitlines()]
    assert events[-1] == {"kind": "done", "subject": PROJECT, "state": "ready"}
    ready = {event["subject"] for event in events if event["kind"] == "service" and event["state"] == "ready"}
    assert ready == {service["name"] for service in json.loads(stack("status", "--json").stdout)["services"]}


def test_verbose_shows_each_docker_command(stack: Run) -> None:
    said = stack("-v", "exec", "storefront", "true").stderr
    assert said.startswith("$ docker exec -i ")
    up = stack("-v", "up", "--profile", "lite").stderr
    assert "docker compose" not in up  # nothing has changed
    docker("stop", f"{PROJECT}-node-exporter-1")
    up = stack("-v", "up", "--profile", "lite").stderr
    assert re.search(r"^\$ \S*docker compose .* up --detach", up, re.MULTILINE)


def test_restart_waits_until_it_answers_again(stack: Run) -> None:
    started = "{{.State.StartedAt}}"
    before = docker("inspect", "--format", started, f"{PROJECT}-storefront-1")
    done = stack("restart", "storefront")
    assert done.returncode == 0, done.stderr
    assert docker("inspect", "--format", started, f"{PROJECT}-storefront-1") > before
    assert requests.get(stack("url", "storefront").stdout.strip(), timeout=5).ok


def test_reset_gives_fresh_data_to_the_named_service_only(stack: Run) -> None:
    aws = json.loads(stack("env", "--json").stdout)["AWS_ENDPOINT_URL"]
    requests.put(f"{aws}/to-be-forgotten", timeout=5).raise_for_status()
    others = docker("ps", "-q", "--filter", f"label=sandbox.project={PROJECT}").split()
    done = stack("reset", "ministack")
    assert done.returncode == 0, done.stderr
    assert requests.get(f"{aws}/to-be-forgotten", timeout=5).status_code == 404
    after = docker("ps", "-q", "--filter", f"label=sandbox.project={PROJECT}").split()
    assert set(after) == set(others)  # it forgets by its own means
    assert stack("reset", "alertmanager").returncode == 0
    after = docker("ps", "-q", "--filter", f"label=sandbox.project={PROJECT}").split()
    assert len(set(others) & set(after)) == len(others) - 1


def test_logs_follow_until_interrupted(stack: Run, home: Path) -> None:
    command = [sys.executable, "-m", "sandbox", "--project", PROJECT, "logs", "-f", "--since", "1m", "storefront"]
    environ = {**os.environ, "SANDBOX_HOME": str(home)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ) as following:
        assert following.stdout
        timer = threading.Timer(60, following.kill)
        timer.start()
        lines = [following.stdout.readline() for _ in range(3)]  # the traffic's requests
        timer.cancel()
        following.send_signal(2)
        _, said = following.communicate(timeout=20)
    assert all(line.startswith(("storefront ", "storefront-canary ")) for line in lines), (lines, said)
    assert following.returncode == 130, said


def test_ls_shows_this_sandbox(stack: Run, home: Path) -> None:
    found = {row["project"]: row for row in json.loads(stack("ls", "--json").stdout)}
    assert found[PROJECT]["folder"] == str(home / PROJECT)
    assert found[PROJECT]["running"] == found[PROJECT]["containers"]


def test_open_prints_the_address_and_calls_the_browser(stack: Run, home: Path, tmp_path: Path) -> None:
    opened = tmp_path / "opened"
    browser = tmp_path / "xdg-open"
    browser.write_text(f'#!/bin/sh\necho "$1" > "{opened}"\n')
    browser.chmod(0o755)
    environ = {**os.environ, "SANDBOX_HOME": str(home), "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    command = [sys.executable, "-m", "sandbox", "--project", PROJECT, "open", "gateway", "stats"]
    done = subprocess.run(command, capture_output=True, text=True, env=environ, check=True)
    assert done.stdout.strip().endswith("/stats")
    for _ in range(50):
        if opened.exists():
            break
        threading.Event().wait(0.1)
    assert opened.read_text() == done.stdout


def test_doctor_finds_this_computer_ready(stack: Run) -> None:
    done = stack("doctor", "--json")
    checks = {row["name"]: row for row in json.loads(done.stdout)}
    assert done.returncode == 0
    assert {"engine", "compose", "buildx", "memory", "disk", "ports", "proxy"} <= checks.keys()
    assert all(row["status"] in ("ok", "warn") for row in checks.values())


def test_doctor_without_an_engine_says_what_to_do(home: Path) -> None:
    environ = {**os.environ, "DOCKER_HOST": f"unix://{home}/none.sock"}
    done = subprocess.run(
        [sys.executable, "-m", "sandbox", "doctor", "--json"], capture_output=True, text=True, env=environ, check=False
    )
    engine = {row["name"]: row for row in json.loads(done.stdout)}["engine"]
    assert done.returncode in (1, 2)
    assert "does not answer" in engine["found"]
    assert "sandbox doctor --fix" in engine["fix"]


@pytest.fixture
def rendered(tmp_path: Path) -> Callable[[str], Path]:
    """Renders a profile into a folder of its own."""

    def written(profile: str) -> Path:
        stack = catalogue.choose(CATALOGUE, (), profile, ())
        values = {name: variable.default or "secret" for name, variable in stack.variables.items()}
        workspace = Workspace(tmp_path, "checked")
        with workspace.locked(lambda: None):
            workspace.write(render("checked", workspace.folder, stack, values))
        return workspace.folder

    return written


@pytest.mark.parametrize("profile", ["lite", "full", "metrics"])
def test_programs_accept_their_configuration(
    stack: Run, rendered: Callable[[str], Path], profile: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = rendered(profile)

    def check(service: str, *command: str) -> str:
        """Runs a program in the service's image, with the mounts its fragment has but this profile's files."""
        state = json.loads(docker("inspect", f"{PROJECT}-{service}-1"))[0]
        mounts = []
        for container in CATALOGUE.services[service].containers:
            for path in container.mounts:
                source = next(m for m in state["Mounts"] if m["Source"].endswith(f"/{path}"))
                mounts += ["-v", f"{folder / path}:{source['Destination']}:ro"]
        image = state["Config"]["Image"]
        return docker("run", "--rm", "--network=none", "--entrypoint", command[0], *mounts, image, *command[1:])

    assert "SUCCESS" in check("prometheus", "promtool", "check", "config", "/etc/prometheus/prometheus.yml")
    for path in sorted((folder / "contributions" / "rules").glob("*.yml")):
        rules = f"/etc/prometheus/contributions/rules/{path.name}"
        assert "SUCCESS" in check("prometheus", "promtool", "check", "rules", rules)
    assert "SUCCESS" in check("alertmanager", "amtool", "check-config", "/etc/alertmanager/alertmanager.yml")
    folders = ["/usr/local/etc/haproxy/haproxy.cfg", "-f", "/usr/local/etc/haproxy/applications"]
    check("gateway", "haproxy", "-c", "-f", *folders)


@pytest.fixture
def engine(tmp_path_factory: pytest.TempPathFactory, stack: Run) -> Iterator[PrivateEngine]:
    if os.geteuid() != 0:
        pytest.skip("an engine of its own needs root")
    engine = PrivateEngine(tmp_path_factory.mktemp("engine"))
    yield engine
    engine.close()


def test_down_all_removes_every_sandbox_and_nothing_else(
    engine: PrivateEngine, base_image: str, tmp_path: Path
) -> None:
    engine.copy_image(base_image)
    (tmp_path / "web.yml").write_text(
        f"services: {{web: {{image: '{base_image}', init: true, command: [sleep, '300']}}}}\n"
    )
    (tmp_path / "sandbox.yml").write_text("include: [web.yml]\nservices: [web]\n")
    engine.docker("run", "-d", "--name", "foreign", "--network=none", base_image, "sleep", "300")
    for project in ("one", "two"):
        up = engine.sandbox("--project", project, "up", home=tmp_path / "home", cwd=tmp_path)
        _, said = up.communicate(timeout=60)
        assert up.returncode == 0, said
    down = engine.sandbox("down", "--all", home=tmp_path / "home", cwd=tmp_path)
    _, said = down.communicate(timeout=60)
    assert (down.returncode, said.splitlines()[-1]) == (0, "2 containers removed")
    assert engine.docker("ps", "-a", "--format", "{{.Names}}").stdout.split() == ["foreign"]
    again = engine.sandbox("down", home=tmp_path / "home", cwd=tmp_path)
    assert again.communicate(timeout=60)[1] == "nothing was running\n"
