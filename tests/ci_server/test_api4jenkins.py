"""The server as api4jenkins sees it, synchronous and asynchronous."""

from __future__ import annotations

import asyncio
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from api4jenkins import AsyncJenkins, Jenkins
from api4jenkins.exceptions import AuthenticationError, ItemNotFoundError

from tests.ci_server.conftest import AUTH, Running, job_xml, until

SECRET = """<org.jenkinsci.plugins.plaincredentials.impl.StringCredentialsImpl><scope>GLOBAL</scope><id>token</id>
<description>of the shop</description><secret>hush</secret>
</org.jenkinsci.plugins.plaincredentials.impl.StringCredentialsImpl>"""


@pytest.fixture(scope="module")
def client(server: Running) -> Iterator[Jenkins]:
    client = Jenkins(server.url, auth=AUTH, timeout=30)  # its own 5 s are little on a busy computer
    yield client
    client.http_client.close()


def build(job: Any, **parameters: Any) -> Any:
    """Builds a job to its end."""
    item = job.build(**parameters)
    found = until(item.get_build)
    until(lambda: not found.building)
    return found


def test_system(client: Jenkins) -> None:
    assert client.version.startswith("2.")
    assert client.mode == "NORMAL"
    assert client.user.full_name == "admin"
    assert "Errors encountered" in client.validate_jenkinsfile("pipeline {")
    assert client.validate_jenkinsfile("echo 'x'") == "Jenkinsfile successfully validated.\n"
    assert not client.is_name_safe("a?b")
    assert client.is_name_safe("fine")
    with pytest.raises(PermissionError):
        client.system.run_script("println 1")
    assert client.plugins.get("git").active
    assert client.plugins.installation_done


def test_a_jobs_life(client: Jenkins) -> None:
    client.create_job("a/b/job", job_xml("echo 'x'"), recursive=True)
    job = client["a/b/job"]
    assert (job.full_name, job.full_display_name, job.parent.name) == ("a/b/job", "a » b » job", "b")
    job.rename("renamed")
    job = client["a/b/renamed"]
    job.move("a")
    job = client["a/renamed"]
    job.set_description("hello")
    assert job.description == "hello"
    job.disable()
    assert not job.buildable
    job.enable()
    client.copy_job("a/renamed", "copied")
    assert {each.name for each in client.iter(3)} >= {"a", "b", "renamed", "copied"}
    job.duplicate("elsewhere/job", recursive=True)
    assert client["elsewhere/job"].configure() == job.configure()
    client.delete_job("a")
    assert client["a/renamed"] is None
    with pytest.raises(ItemNotFoundError):
        client.build_job("a/renamed")


def test_a_build(client: Jenkins, tmp_path: Path) -> None:
    script = "sh 'mkdir -p out; echo one > out/1.txt'\narchive 'out/*'\ntests 'a=PASSED b=FAILED c=SKIPPED'"
    client.create_job("built", job_xml(script))
    job = client["built"]
    found = build(job)
    assert found.result == "UNSTABLE"
    assert list(found.console_text())[-1] == "Finished: UNSTABLE"
    assert list(found.progressive_output())[-1] == "Finished: UNSTABLE"
    assert [case.status for suite in found.get_test_report() for case in suite] == ["PASSED", "REGRESSION", "SKIPPED"]
    (artifact,) = found.artifacts
    artifact.save(str(tmp_path / "1.txt"))
    assert (tmp_path / "1.txt").read_text() == "one\n"
    found.save_artifacts(str(tmp_path / "all.zip"))
    assert zipfile.ZipFile(tmp_path / "all.zip").namelist() == ["archive/out/1.txt"]
    assert found.get_causes()[0]["userId"] == "admin"
    assert found.project == job
    second = build(job)
    assert second.get_previous_build() == found
    assert found.get_next_build() == second
    statuses = [case.status for suite in second.get_test_report() for case in suite]
    assert statuses == ["PASSED", "FAILED", "SKIPPED"]
    assert [each.number for each in job] == [2, 1]
    assert job.get_last_build() == second
    assert job.get_last_stable_build() is None
    found.set_description("noted")
    assert found.description == "noted"
    job.set_next_build_number(7)
    assert build(job).number == 7


def test_input_is_answered(client: Jenkins) -> None:
    client.create_job("asks", job_xml("input 'Where to?'"))
    item = client["asks"].build()
    found = until(item.get_build)
    pending = until(found.get_pending_input)
    assert pending.api_json()["message"] == "Where to?"
    pending.submit(WHERE="there")
    until(lambda: not found.building)
    assert "Approved by admin with {'WHERE': 'there'}" in list(found.console_text())
    found = until(client["asks"].build().get_build)
    until(found.get_pending_input).abort()
    until(lambda: not found.building)
    assert found.result == "ABORTED"
    assert "Rejected by admin" in list(found.console_text())


def test_builds_are_ended_each_way(client: Jenkins) -> None:
    client.create_job("sleeper", job_xml("sh 'exec sleep 60'"))
    for how in ("stop", "term", "kill"):
        found = until(client["sleeper"].build().get_build)
        assert found.building
        assert [each.number for each in client.nodes.iter_builds()]
        getattr(found, how)()
        until(lambda found=found: not found.building)
        assert found.result == "ABORTED"


def test_queue(client: Jenkins) -> None:
    client.create_job("waits", job_xml("echo 'x'"))
    client.system.quiet_down()
    try:
        item = client["waits"].build()
        assert [each.id for each in client.queue] == [item.id]
        assert client.queue.get(item.id).why
        item.cancel()
        assert list(client.queue) == []
    finally:
        client.system.cancel_quiet_down()
    item = client["waits"].build(delay=2)
    assert item.api_json()["_class"] == "hudson.model.Queue$WaitingItem"
    assert item.get_job() == client["waits"]
    item.cancel()


def test_credentials_and_domains(client: Jenkins) -> None:
    domain = client.credentials.global_domain
    domain.create(SECRET)
    found = domain.get("token")
    assert found.description == "of the shop"
    assert "hush" not in found.configure()
    found.configure(found.configure().replace("of the shop", "of the house"))
    assert domain.get("token").description == "of the house"
    found.delete()
    assert domain.get("token") is None
    client.credentials.create(
        "<com.cloudbees.plugins.credentials.domains.Domain><name>far</name></com.cloudbees.plugins.credentials.domains.Domain>"
    )
    client.credentials["far"].create(SECRET)
    assert [each.id for each in client.credentials["far"]] == ["token"]
    client.credentials["far"].delete()
    assert client.credentials.get("far") is None


def test_views_nodes_and_users(client: Jenkins) -> None:
    client.create_job("listed", job_xml("echo 'x'"))
    client.views.create("some", "<hudson.model.ListView><name>some</name></hudson.model.ListView>")
    view = client.views.get("some")
    view.include("listed")
    assert [each.name for each in view] == ["listed"]
    view.exclude("listed")
    assert list(view) == []
    view.delete()
    client.nodes.create("helper", labelString="gpu", numExecutors=3)
    node = client.nodes.get("helper")
    assert node.num_executors == 3
    node.disable("gone fishing")
    assert node.offline
    node.enable()
    node.delete()
    token = client.user.generate_token("mine")
    own = Jenkins(client.url, auth=("admin", token.value))
    assert own.user.id == "admin"
    client.user.revoke_token(token.uuid)
    with pytest.raises(AuthenticationError):
        own.api_json()
    own.http_client.close()
    assert [each.id for each in client.users] == ["admin"]


def test_asynchronous(server: Running) -> None:
    async def use() -> str:
        client = AsyncJenkins(server.url, auth=AUTH, timeout=30)
        await client.create_job("async", job_xml("echo 'from afar'"))
        item = await client.build_job("async")
        while not (found := await item.get_build()):
            await asyncio.sleep(0.02)
        while await found.building:
            await asyncio.sleep(0.02)
        lines = [line async for line in found.console_text()]
        await client.http_client.aclose()
        return "\n".join(lines)

    assert "from afar" in asyncio.run(use())
