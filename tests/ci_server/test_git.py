"""Hosted repositories, pushes, webhooks, branches and libraries."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import subprocess
from pathlib import Path

import pytest
import requests

from sandbox.ci.model import Source
from sandbox.ci.server import configuration
from sandbox.ci.server.configuration import Definition
from sandbox.ci.store import MULTIBRANCH, PIPELINE
from tests.ci_server.conftest import PASSWORD, Running, until

IDENTITY = {f"GIT_{who}_{what}": "me@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


def git(folder: Path, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, **IDENTITY, "GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(["git", *arguments], cwd=folder, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0 or not check, done.stderr
    return done


def repository(server: Running, name: str, folder: Path) -> Path:
    """A hosted repository, and a clone whose pushes are allowed."""
    assert server.post(f"git/{name}.git").status_code == 201
    with_login = server.url.replace("://", f"://admin:{PASSWORD.replace(' ', '%20')}@")
    git(folder, "clone", "--quiet", f"{with_login}git/{name}.git", name)
    git(folder / name, "checkout", "--quiet", "-B", "main")
    return folder / name


def commit(clone: Path, branch: str = "main", **files: str) -> str:
    if git(clone, "checkout", "--quiet", branch, check=False).returncode:
        git(clone, "checkout", "--quiet", "-b", branch)
    for name, content in files.items():
        (clone / name).write_text(content)
    git(clone, "add", "--all")
    git(clone, "commit", "--quiet", "--allow-empty", "--message", "A change")
    git(clone, "push", "--quiet", "origin", branch)
    return git(clone, "rev-parse", "HEAD").stdout.strip()


def job(server: Running, name: str, definition: Definition) -> None:
    xml = configuration.write(definition).encode()
    answer = server.post("createItem", params={"name": name}, data=xml, headers={"Content-Type": "text/xml"})
    assert answer.ok, answer.text


def test_a_push_builds(server: Running, tmp_path: Path) -> None:
    clone = repository(server, "pushed", tmp_path)
    source = Source(f"{server.url}git/pushed.git", "main")
    job(server, "pushed", Definition(PIPELINE, source=source))
    first = commit(clone, Jenkinsfile="sh 'echo first build'")
    until(lambda: "Finished: SUCCESS" in server.console("pushed", 1))
    log = server.console("pushed", 1)
    assert "Started by a push of admin" in log
    assert "Obtained Jenkinsfile from git" in log
    build = server.get("job/pushed/1/api/json").json()
    data = next(each for each in build["actions"] if each["_class"] == "hudson.plugins.git.util.BuildData")
    assert data["lastBuiltRevision"]["SHA1"] == first
    assert data["remoteUrls"] == [f"{server.url}git/pushed.git"]
    commit(clone, Jenkinsfile="sh 'echo second build'")
    until(lambda: "second build" in server.console("pushed", 2))
    commit(clone, branch="other")
    assert server.get("job/pushed/api/json").json()["nextBuildNumber"] == 3


def test_anyone_reads_and_only_users_push(server: Running, tmp_path: Path) -> None:
    clone = repository(server, "open", tmp_path)
    commit(clone, Jenkinsfile="echo 'x'")
    git(tmp_path, "clone", "--quiet", f"{server.url}git/open.git", "anonymous")
    git(tmp_path / "anonymous", "commit", "--quiet", "--allow-empty", "--message", "x")
    refused = git(tmp_path / "anonymous", "push", "origin", "HEAD", check=False)
    assert refused.returncode != 0
    assert "could not read Username" in refused.stderr
    assert git(tmp_path, "ls-remote", f"{server.url}git/absent.git", check=False).returncode != 0


def test_a_large_push(server: Running, tmp_path: Path) -> None:
    clone = repository(server, "large", tmp_path)
    (clone / "random").write_bytes(os.urandom(5 * 1024**2))
    commit(clone)
    heads = git(tmp_path, "ls-remote", "--heads", f"{server.url}git/large.git").stdout
    assert heads.startswith(git(clone, "rev-parse", "HEAD").stdout.strip())


def test_branches_become_jobs_and_go(server: Running, tmp_path: Path) -> None:
    clone = repository(server, "many", tmp_path)
    commit(clone, Jenkinsfile="sh 'echo on $BRANCH_NAME'")
    commit(clone, branch="feature/é x".replace(" ", "-"))
    git(clone, "checkout", "--quiet", "--orphan", "empty")
    git(clone, "rm", "-rfq", ".")
    git(clone, "commit", "--quiet", "--allow-empty", "-m", "nothing here")
    git(clone, "push", "--quiet", "origin", "empty")
    job(server, "many", Definition(MULTIBRANCH, source=Source(f"{server.url}git/many.git")))

    def names() -> set[str]:
        return {each["displayName"] for each in server.get("job/many/api/json?tree=jobs[displayName]").json()["jobs"]}

    until(lambda: names() == {"main", "feature/é-x"})
    children = server.get("job/many/api/json?tree=jobs[name,url,displayName]").json()["jobs"]
    feature = next(each for each in children if each["displayName"] == "feature/é-x")
    assert feature["name"] == "feature%2F%C3%A9-x"
    path = feature["url"].removeprefix(server.url)
    until(lambda: "Finished" in server.get(f"{path}1/consoleText").text)
    assert "on feature/é-x" in server.get(f"{path}1/consoleText").text
    assert "empty: Jenkinsfile not found" in server.get("job/many/indexing/consoleText").text
    commit(clone, branch="main", more="x")
    until(lambda: "Finished" in server.get("job/many/job/main/2/consoleText").text)
    git(clone, "push", "--quiet", "origin", "--delete", "feature/é-x")
    until(lambda: names() == {"main"})


def test_a_repository_without_main(server: Running, tmp_path: Path) -> None:
    clone = repository(server, "trunk", tmp_path)
    commit(clone, branch="trunk", Jenkinsfile="echo 'x'")
    assert "HEAD branch: trunk" in git(clone, "remote", "show", "origin").stdout
    job(server, "trunk", Definition(MULTIBRANCH, source=Source(f"{server.url}git/trunk.git")))
    until(lambda: server.get("job/trunk/api/json").json()["jobs"])


def test_a_jenkinsfile_or_branch_that_is_not_there(server: Running, tmp_path: Path) -> None:
    clone = repository(server, "bare", tmp_path)
    commit(clone, readme="x")
    job(server, "bare", Definition(PIPELINE, source=Source("bare", "main")))
    assert server.build("bare")["result"] == "FAILURE"
    assert "ERROR: Jenkinsfile not found in bare at main" in server.console("bare")
    job(server, "lost", Definition(PIPELINE, source=Source("bare", "gone")))
    assert server.build("lost")["result"] == "FAILURE"
    assert "no branch, tag or commit 'gone'; branches: main" in server.console("lost")
    job(server, "evil", Definition(PIPELINE, source=Source("ext::sh -c touch% /tmp/pwned", "main")))
    assert server.build("evil")["result"] == "FAILURE"
    assert "not allowed" in server.console("evil")


def test_foreign_repository_and_webhooks(server: Running, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    git(foreign, "init", "--quiet", "--initial-branch=trunk")
    (foreign / "Jenkinsfile").write_text("echo 'from afar'")
    git(foreign, "add", ".")
    git(foreign, "commit", "--quiet", "--message", "first")
    url = f"file://{foreign}"
    job(server, "foreign", Definition(PIPELINE, source=Source(url)))
    assert server.build("foreign")["result"] == "SUCCESS"

    def hook(commit_url: str) -> list[str]:
        body = {"ref": "refs/heads/trunk", "repository": {"clone_url": commit_url}, "pusher": {"name": "ann"}}
        headers = {"X-GitHub-Event": "push"}
        answer = requests.post(f"{server.url}github-webhook/", json=body, headers=headers, timeout=20)
        assert answer.ok, answer.text
        told: list[str] = answer.json()["jobs"]
        return told

    assert hook(url) == []  # nothing moved
    git(foreign, "commit", "--quiet", "--allow-empty", "--message", "second")
    assert hook("https://example.com/other.git") == []
    assert hook(url) == ["foreign"]
    until(lambda: "Finished" in server.console("foreign", 2))
    assert "Started by GitHub push by ann" in server.console("foreign", 2)
    git(foreign, "commit", "--quiet", "--allow-empty", "--message", "third")
    answer = requests.get(f"{server.url}git/notifyCommit", params={"url": url}, timeout=20)
    assert answer.text == "Scheduled foreign\n"


def test_generic_webhook(server: Running) -> None:
    trigger = """<properties><hudson.model.ParametersDefinitionProperty><parameterDefinitions>
      <hudson.model.StringParameterDefinition><name>who</name></hudson.model.StringParameterDefinition>
      </parameterDefinitions></hudson.model.ParametersDefinitionProperty>
      <org.jenkinsci.plugins.workflow.job.properties.PipelineTriggersJobProperty><triggers>
      <org.jenkinsci.plugins.gwt.GenericTrigger><spec/><token>knock</token><genericVariables>
      <org.jenkinsci.plugins.gwt.GenericVariable><key>who</key><value>$.user.names[1]</value>
      </org.jenkinsci.plugins.gwt.GenericVariable></genericVariables></org.jenkinsci.plugins.gwt.GenericTrigger>
      </triggers></org.jenkinsci.plugins.workflow.job.properties.PipelineTriggersJobProperty></properties>"""
    server.create("hooked", "sh 'echo hello $who'", trigger)
    url = f"{server.url}generic-webhook-trigger/invoke"
    assert requests.post(url, json={}, timeout=20).status_code == 404
    body = {"user": {"names": ["a", "b"]}}
    answer = requests.post(url, params={"token": "knock"}, json=body, timeout=20)
    server.finished(answer.json()["jobs"]["hooked"]["id"])
    assert "hello b" in server.console("hooked")


def test_a_signed_webhook(tmp_path: Path) -> None:
    server = Running(tmp_path / "home", CI_WEBHOOK_SECRET="shared")
    try:
        body = json.dumps({"repository": {"clone_url": "https://example.com/x.git"}}).encode()
        url = f"{server.url}github-webhook/"
        assert requests.post(url, data=body, timeout=20).status_code == 403
        signature = "sha256=" + hmac.new(b"shared", body, hashlib.sha256).hexdigest()
        assert requests.post(url, data=body, headers={"X-Hub-Signature-256": signature}, timeout=20).ok
    finally:
        server.stop()


def test_seeds(tmp_path: Path) -> None:
    seeds = tmp_path / "seeds"
    (seeds / "repositories" / "hello").mkdir(parents=True)
    (seeds / "jobs").mkdir()
    (seeds / "repositories" / "hello" / "Jenkinsfile").write_text("sh 'echo planted'")
    (seeds / "jobs" / "hello.yml").write_text(
        "name: team/hello\nrepository: hello\nbranch: main\nbuild: true\nkeep: 5\n"
    )
    (seeds / "jobs" / "bad.yml").write_text("name: bad\ncolour: red\n")
    (seeds / "server.yml").write_text("credentials:\n- {id: s, kind: string, secret: hush}\n")
    server = Running(tmp_path / "home", CI_SEEDS=str(seeds))
    try:
        until(lambda: "Finished: SUCCESS" in server.get("job/team/job/hello/1/consoleText").text)
        assert "planted" in server.get("job/team/job/hello/1/consoleText").text
        assert server.get("credentials/store/system/domain/_/credential/s/api/json").ok
        assert "unknown: colour" in server.log.read_text()
        server.stop()
        server.start()
        assert server.get("job/team/job/hello/api/json").json()["nextBuildNumber"] == 2
    finally:
        server.stop()


@pytest.mark.parametrize("name", ["../up", "a/b", ".hidden", "-x", "a" * 200, "ü", ""])
def test_hostile_repository_names(server: Running, name: str) -> None:
    answer = server.post("repositories/new", data={"name": name})
    assert answer.status_code == 400
