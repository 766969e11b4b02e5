"""Stages in containers: the CI service, and the one door to the engine that it may be given."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator

import pytest

from sandbox.ci.client import Client
from sandbox.ci.server.configuration import Definition, write
from sandbox.ci.store import PIPELINE
from sandbox.images import built_name
from sandbox.resources import compose_folder
from tests.integration.conftest import PROJECT, Run
from tests.integration.registry import docker

AGENTS = f"{PROJECT}-agents"
IMAGE = built_name(compose_folder() / "images" / "base")
LABEL = f"label=sandbox.agent={AGENTS}"
Build = Callable[[str, str], tuple[str, str]]

INSIDE = """
pipeline {
  agent any
  environment { GREETING = 'hello' }
  stages {
    stage('Docker') {
      agent { docker { image 'IMAGE'; reuseNode true } }
      steps {
        sh 'echo "$GREETING from $(cat /proc/1/comm), user $(id -u)"; grep CapBnd /proc/self/status; touch made'
        sh 'test ! -e /run/docker; test ! -e /var/lib/ci/ci.sqlite; test -z "$(getent hosts ci)"'
      }
    }
    stage('Dockerfile') {
      steps { sh 'test -e made'; writeFile file: 'Dockerfile', text: 'FROM IMAGE\\nENV WHERE=built\\n' }
    }
    stage('Built') {
      agent { dockerfile { reuseNode true } }
      steps { sh 'echo "this was $WHERE"' }
    }
    stage('Beside') {
      steps { script { docker.image('IMAGE').withRun('', 'echo sidecar') { c -> sh "docker logs -f ${c.id}" } } }
    }
  }
}
"""

# What is asked for -> what the refusal names.
FORBIDDEN = {
    "run --privileged": "Privileged",
    "run -v /:/host": "the mount /:/host",
    "run -v /var/run/docker.sock:/x": "the mount",
    "run --network host": "--network",
    f"run --network {AGENTS}_default": "--network",
    "run --pid host": "PidMode",
    "run --cap-add SYS_ADMIN": "CapAdd",
    "run -u 0": "the user 0",
    "run --memory 1g": "--memory",
    "run -p 127.0.0.1::80": "published port",
    f"exec {AGENTS}-docker-proxy-1 id": f"the container {AGENTS}-docker-proxy-1",
    f"rm -f {AGENTS}-ci-1": f"the container {AGENTS}-ci-1",
    f"rmi {IMAGE}": f"the image {IMAGE}",
    "volume ls": "GET /volumes",
}


@pytest.fixture(scope="module")
def agents(run: Run) -> Iterator[Build]:
    """Builds a Jenkinsfile: its result and log. Nothing of it is there when all is taken down."""
    done = run("up", "ci", "docker-proxy", project=AGENTS)
    assert done.returncode == 0, done.stderr
    url = run("url", "ci", project=AGENTS).stdout.strip()
    services = json.loads(run("status", "--json", project=AGENTS).stdout)["services"]
    login = next(each["login"] for each in services if each["name"] == "ci")
    client = Client(url, login["user"], login["password"])

    def build(job: str, text: str) -> tuple[str, str]:
        client.create_job(job, write(Definition(PIPELINE, script=text.replace("IMAGE", IMAGE))))
        number = client.number_of(client.start(job, {}))
        result = client.result(job, number)
        return result, b"".join(client.log(job, str(number), False)).decode()

    yield build
    done = run("down", "--volumes", project=AGENTS)
    assert done.returncode == 0, done.stderr
    left = [docker(kind, "ls", "-q", "--filter", f"label=sandbox.project={AGENTS}") for kind in ("network", "volume")]
    assert [*left, docker("ps", "-aq", "--filter", LABEL), docker("images", "-q", "--filter", LABEL)] == [""] * 4


def test_stages_run_in_containers_and_leave_nothing(agents: Build) -> None:
    result, log = agents("inside", INSIDE)
    assert result == "SUCCESS", log
    assert "hello from cat, user 1000" in log
    assert "CapBnd:\t0000000000000000" in log
    assert "this was built" in log
    assert "\nsidecar" in log
    assert docker("ps", "-aq", "--filter", LABEL) == docker("images", "-q", "--filter", LABEL) == ""


def test_what_could_harm_is_refused_by_name(agents: Build) -> None:
    commands = [f"{asked} {IMAGE} id" if asked.startswith("run ") else asked for asked in FORBIDDEN]
    steps = "".join(f"sh 'docker {command} 2>&1 || true'\n" for command in commands)
    result, log = agents("forbidden", f"node {{\n{steps}}}")
    assert result == "SUCCESS", log
    answers = [
        line.partition("docker-proxy does not allow ")[2] for line in log.splitlines() if "does not allow" in line
    ]
    assert len(answers) == len(FORBIDDEN), log
    assert all(named in answer for named, answer in zip(FORBIDDEN.values(), answers, strict=True)), answers


def test_agent_whose_server_was_killed_is_removed(agents: Build) -> None:
    labels = ("--label", f"sandbox.agent={AGENTS}", "--label", f"sandbox.project={AGENTS}")
    left = docker("run", "-d", *labels, IMAGE, "sleep", "1000")
    docker("kill", "--signal", "KILL", f"{AGENTS}-ci-1")
    try:
        subprocess.run(["docker", "wait", left], check=False, capture_output=True, timeout=120)
    finally:
        docker("start", f"{AGENTS}-ci-1")
