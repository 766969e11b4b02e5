"""What stands beside a real Jenkins, with our own server in Jenkins' place: it speaks the same remote API.

Jenkins itself is in no package registry, so these tests do not have one.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from sandbox.ci.client import Client
from sandbox.ci.server import configuration
from sandbox.errors import SandboxError
from tests.ci_server.conftest import AUTH, Running, until

JOBS = {
    "web": "name: web\nrepository: web\nbranch: main\nkeep: 50\nbuild: true\ndescription: Builds web\n",
    "nightly": "name: team/nightly\nscript: |\n  sh 'true'\ntriggers: {cron: H 3 * * *}\n",
    "wrong": "name: wrong\nrepositry: web\n",
}


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("seeds")
    for name, text in JOBS.items():
        path = root / "shop" / "jobs" / f"{name}.yml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    content = root / "shop" / "repositories" / "web"
    content.mkdir(parents=True)
    (content / "Jenkinsfile").write_text("sh 'echo hello'\n")
    return root


@pytest.fixture(scope="module")
def jenkins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = Running(tmp_path_factory.mktemp("jenkins") / "home")
    yield running
    running.stop()


@pytest.fixture(scope="module")
def companion(tmp_path_factory: pytest.TempPathFactory, jenkins: Running, seeds: Path) -> Iterator[Running]:
    home = tmp_path_factory.mktemp("companion") / "home"
    running = Running(home, "sandbox.ci.server.companion", CI_SEEDS=str(seeds), CI_JENKINS=jenkins.url)
    until(lambda: jenkins.get("job/web/api/json").status_code == 200)
    yield running
    assert running.stop() == 0


def test_both_servers_offer_the_same_jobs(companion: Running, jenkins: Running, seeds: Path, tmp_path: Path) -> None:
    ours = Running(tmp_path / "home", CI_SEEDS=str(seeds))
    try:
        for job in ("web", "team/job/nightly"):
            texts = [server.get(f"job/{job}/config.xml").text for server in (ours, jenkins)]
            own, given = (configuration.read(text) for text in texts)
            assert given.source.url == own.source.url.replace(ours.url, companion.url)
            assert (given.kind, given.script, given.description) == (own.kind, own.script, own.description)
            assert given.source.branch == own.source.branch
            assert given.declared.keep_builds == own.declared.keep_builds
            assert set(own.declared.triggers) <= set(given.declared.triggers)
        assert jenkins.get("job/wrong/api/json").status_code == 404
        assert "repositry" in companion.log.read_text()
    finally:
        ours.stop()


def test_first_build_is_begun_and_a_push_begins_the_next(companion: Running, jenkins: Running, tmp_path: Path) -> None:
    until(lambda: jenkins.ended("job/web/1/"))
    assert "hello" in jenkins.console("web", 1)
    clone, url = str(tmp_path / "web"), f"{companion.url}git/web.git"

    def git(*arguments: str) -> None:
        subprocess.run(["git", *arguments], check=True, capture_output=True)

    git("clone", url, clone)
    (tmp_path / "web" / "Jenkinsfile").write_text("sh 'echo pushed'\n")
    identity = ("-c", "user.name=t", "-c", "user.email=t@localhost")
    git("-C", clone, *identity, "commit", "--all", "--message", "x")
    login = f"{AUTH[0]}:{AUTH[1].replace(' ', '%20')}@"
    git("-C", clone, "push", url.replace("://", f"://{login}"), "HEAD:main")
    until(lambda: "pushed" in jenkins.console("web"))


def test_our_client_pushes_to_the_companion_and_builds_in_jenkins(companion: Running, jenkins: Running) -> None:
    client = Client(jenkins.url, *AUTH, hosting=companion.url)
    assert client.create_repository("new") == f"{companion.url}git/new.git"
    assert companion.url in client.git_environment()["GIT_CONFIG_KEY_0"]
    with pytest.raises(SandboxError, match="hosts no repositories"):
        Client(jenkins.url, *AUTH, hosting=f"{jenkins.url}api/").create_repository("new")


@pytest.mark.parametrize("auth", [None, ("admin", "wrong"), ("other", AUTH[1])])
def test_only_the_admin_may_push_or_make_repositories(companion: Running, auth: tuple[str, str] | None) -> None:
    refs = f"{companion.url}git/web.git/info/refs?service=git-receive-pack"
    assert requests.get(refs, auth=auth, timeout=10).status_code == 401
    assert requests.post(f"{companion.url}git/mine.git", auth=auth, timeout=10).status_code == 401


def test_what_is_not_there_and_what_is_no_name(companion: Running) -> None:
    assert requests.get(f"{companion.url}git/none.git/info/refs", timeout=10).status_code == 404
    assert requests.get(f"{companion.url}git/..%2f..%2fx.git/HEAD", timeout=10).status_code == 404
    assert requests.post(f"{companion.url}git/-x.git", auth=AUTH, timeout=10).status_code == 400
    made = requests.post(f"{companion.url}git/mine.git", auth=AUTH, timeout=10)
    assert (made.status_code, made.json()["url"]) == (201, f"{companion.url}git/mine.git")


def test_a_repository_is_hosted_before_jenkins_answers(seeds: Path, tmp_path: Path) -> None:
    alone = Running(
        tmp_path / "home", "sandbox.ci.server.companion", CI_SEEDS=str(seeds), CI_JENKINS="http://127.0.0.1:9/"
    )
    try:
        assert "HEAD" in requests.get(f"{alone.url}git/web.git/info/refs?service=git-upload-pack", timeout=10).text
        until(lambda: "waiting for Jenkins" in alone.log.read_text())
    finally:
        assert alone.stop() == 0
