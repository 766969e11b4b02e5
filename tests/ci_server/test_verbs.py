"""The verbs of `sandbox ci` that talk to a server, as a user calls them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sandbox.cli import root
from tests.ci_server.conftest import AUTH, Running, until
from tests.ci_server.test_git import git

SCRIPT = "parameter 'WHO=world'\nsh 'echo hello $WHO; mkdir -p out; echo x > out/a.txt'\narchive 'out/*'"


@pytest.fixture
def ci(server: Running, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    for name, value in (("URL", server.url), ("USER_ID", AUTH[0]), ("API_TOKEN", AUTH[1])):
        monkeypatch.setenv(f"JENKINS_{name}", value)
    return lambda *arguments: CliRunner().invoke(root, ["ci", *arguments])


def test_build_log_artifacts_and_jobs(server: Running, ci: Callable[..., Result], tmp_path: Path) -> None:
    server.create("greets", SCRIPT)
    assert ci("build", "greets", "--follow").exit_code == 0
    followed = ci("build", "greets", "-p", "WHO=me", "--follow")
    assert "\nhello me\n" in followed.stdout
    assert followed.stdout.endswith("Finished: SUCCESS\n")
    assert followed.stderr == f"{server.url}job/greets/2/\n"
    assert ci("build", "greets").stdout == f"{server.url}job/greets/3/\n"
    assert ci("log", "greets", "3", "-f").stdout.endswith("Finished: SUCCESS\n")
    assert "hello me" in ci("log", "greets", "2").stdout
    assert ci("artifacts", "greets").stdout == "out/a.txt\n"
    assert json.loads(ci("artifacts", "greets", "--json", "--to", str(tmp_path)).stdout) == [f"{tmp_path}/out/a.txt"]
    assert (tmp_path / "out" / "a.txt").read_text() == "x\n"
    assert "greets" in ci("jobs").stdout
    (job,) = [each for each in json.loads(ci("jobs", "--json").stdout) if each["name"] == "greets"]
    assert (job["color"], job["lastBuild"]["number"], job["lastBuild"]["result"]) == ("blue", 3, "SUCCESS")


def test_stop(server: Running, ci: Callable[..., Result]) -> None:
    server.create("sleeps", "sh 'echo begun; exec sleep 60'")
    assert ci("build", "sleeps").exit_code == 0
    until(lambda: "begun" in server.console("sleeps"))
    assert ci("stop", "sleeps").stdout == "sleeps #1: ABORTED\n"


def test_push_and_new(
    server: Running, ci: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "my shop"
    folder.mkdir()
    monkeypatch.chdir(folder)
    assert (ci("push").exit_code, ci("push").stderr.splitlines()[0]) == (2, f"error: {folder} holds no commits")
    git(folder, "init", "--quiet", "--initial-branch", "trunk")
    for script, code in (("echo 'one'", 0), ("sh 'exit 3'", 1)):
        (folder / "Jenkinsfile").write_text(script)
        git(folder, "add", ".")
        git(folder, "commit", "--quiet", "--message", "A change")
        assert ci("push", "--follow").exit_code == code
    assert ci("push").stdout == f"{server.url}job/my%20shop/2/\n"  # these commits were built already
    assert ci("new", "my shop").exit_code == 2
    assert ci("new", "branches", "--multibranch").stdout == f"{server.url}job/branches/\n"
    until(lambda: server.get("job/branches/job/trunk/1/api/json").ok)


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("build", "absent"), 1, "There is no job absent (404)"),
        (("build", "a/../b"), 2, "'a/../b' is no name of a job"),
        (("log", "absent", "seven"), 2, "'seven' is neither a build's number nor lastBuild"),
        (("new", "snow☃", "/nowhere"), 2, "/nowhere is neither a folder nor the address of a repository"),
        (("new", "nowhere/job", "http://localhost:1/x.git"), 1, "There is no folder nowhere (404)"),
        (("log", "☃"), 1, "There is no job ☃ (404)"),
    ],
)
def test_mistakes(ci: Callable[..., Result], arguments: tuple[str, ...], code: int, told: str) -> None:
    result = ci(*arguments)
    assert result.exit_code == code
    assert told in result.stderr
