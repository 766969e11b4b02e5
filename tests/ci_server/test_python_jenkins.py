"""The server as python-jenkins sees it."""

from __future__ import annotations

import jenkins
import pytest

from tests.ci_server.conftest import AUTH, Running, job_xml, until


@pytest.fixture(scope="module")
def client(server: Running) -> jenkins.Jenkins:
    return jenkins.Jenkins(server.url, *AUTH)


def build(client: jenkins.Jenkins, name: str, parameters: dict[str, str] | None = None) -> int:
    """Builds a job to its end; the build's number."""
    queued = client.build_job(name, parameters)
    number = until(lambda: client.get_queue_item(queued).get("executable", {}).get("number"))
    until(lambda: not client.get_build_info(name, number)["building"])
    return int(number)


def test_knows_the_server(client: jenkins.Jenkins) -> None:
    assert client.get_version().startswith("2.")
    assert client.get_whoami()["id"] == "admin"
    assert client.wait_for_normal_op(5)
    assert client.get_info()["_class"] == "hudson.model.Hudson"
    assert client.get_plugins()["git"]["version"] >= "4.0"
    assert client.get_plugin_info("Pipeline")["shortName"] == "workflow-aggregator"


def test_a_jobs_life(client: jenkins.Jenkins) -> None:
    client.create_job("life", job_xml("echo 'hi'", "<description>first</description>"))
    assert client.job_exists("life")
    assert "<description>first</description>" in client.get_job_config("life")
    client.reconfig_job("life", job_xml("echo 'hi'", "<description>second</description>"))
    assert client.get_job_info("life")["description"] == "second"
    client.copy_job("life", "copy")
    client.rename_job("copy", "renamed")
    assert not client.job_exists("copy")
    client.disable_job("renamed")
    assert client.get_job_info("renamed")["color"] == "disabled"
    client.enable_job("renamed")
    assert client.get_job_info("renamed")["buildable"]
    client.upsert_job("renamed", job_xml("echo 'x'"))
    client.delete_job("renamed")
    assert client.get_job_name("renamed") is None
    with pytest.raises(jenkins.JenkinsException, match="already exists"):
        client.create_job("life", job_xml(""))
    with pytest.raises(jenkins.JenkinsException, match="does not exist"):
        client.get_job_info("nobody")


def test_a_build_and_what_it_leaves(client: jenkins.Jenkins) -> None:
    script = "stage 'Make'\nsh 'echo made > made.txt'\narchive '*.txt'\ntests 'good=PASSED bad=FAILED'"
    client.create_job("leaves", job_xml(script))
    number = build(client, "leaves")
    info = client.get_build_info("leaves", number)
    assert info["result"] == "UNSTABLE"
    assert info["_class"] == "org.jenkinsci.plugins.workflow.job.WorkflowRun"
    assert [each["fileName"] for each in info["artifacts"]] == ["made.txt"]
    assert client.get_build_artifact_as_bytes("leaves", number, "made.txt") == b"made\n"
    assert client.get_build_test_report("leaves", number)["failCount"] == 1
    assert [stage["name"] for stage in client.get_build_stages("leaves", number)["stages"]] == ["Make"]
    assert client.get_build_console_output("leaves", number).endswith("Finished: UNSTABLE\n")
    job = client.get_job_info("leaves", fetch_all_builds=True)
    assert job["lastUnstableBuild"]["number"] == number
    assert job["lastStableBuild"] is None
    client.delete_build("leaves", number)
    with pytest.raises(jenkins.JenkinsException, match="does not exist"):
        client.get_build_info("leaves", number)
    client.wipeout_job_workspace("leaves")


def test_parameters(client: jenkins.Jenkins) -> None:
    client.create_job("asks", job_xml("parameter 'WHO=world'\nsh 'echo hello $WHO'"))
    build(client, "asks")
    number = build(client, "asks", {"WHO": "Jenkins", "UNKNOWN": "x"})
    assert "hello Jenkins" in client.get_build_console_output("asks", number)
    action = client.get_build_info("asks", number)["actions"][0]
    assert action["parameters"] == [{"_class": "hudson.model.StringParameterValue", "name": "WHO", "value": "Jenkins"}]
    client.set_next_build_number("asks", 50)
    assert build(client, "asks") == 50


def test_a_running_build_is_seen_and_stopped(client: jenkins.Jenkins) -> None:
    client.create_job("sleeps", job_xml("sh 'exec sleep 60'"))
    client.build_job("sleeps")
    running = until(lambda: client.get_running_builds())[0]
    assert (running["name"], running["number"], running["node"]) == ("sleeps", 1, "(master)")
    client.stop_build("sleeps", 1)
    until(lambda: not client.get_build_info("sleeps", 1)["building"])
    assert client.get_build_info("sleeps", 1)["result"] == "ABORTED"
    assert "Aborted by admin" in client.get_build_console_output("sleeps", 1)


def test_folders_and_what_is_in_them(client: jenkins.Jenkins) -> None:
    client.create_folder("team")
    client.create_folder("team/inner")
    client.create_job("team/inner/deep", job_xml("echo 'deep'"))
    assert client.is_folder("team")
    assert {job["fullname"] for job in client.get_all_jobs()} >= {"team", "team/inner", "team/inner/deep"}
    assert build(client, "team/inner/deep") == 1
    with pytest.raises(jenkins.JenkinsException):
        client.create_folder("team")
    client.create_folder("team", ignore_failures=True)
    with pytest.raises(jenkins.JenkinsException, match="folder for the job does not exist"):
        client.create_job("nowhere/job", job_xml(""))


def test_queue(client: jenkins.Jenkins) -> None:
    client.create_job("queues", job_xml("echo 'x'"))
    client.quiet_down()
    try:
        queued = client.build_job("queues")
        assert [each["id"] for each in client.get_queue_info()] == [queued]
        assert "shut down" in client.get_queue_item(queued)["why"]
        client.cancel_queue(queued)
        assert client.get_queue_info() == []
        assert client.get_queue_item(queued)["cancelled"]
    finally:
        client.jenkins_open(jenkins.requests.Request("POST", client._build_url("cancelQuietDown")))


def test_views(client: jenkins.Jenkins) -> None:
    client.create_job("seen", job_xml("echo 'x'"))
    xml = "<hudson.model.ListView><name>mine</name><jobNames><string>seen</string></jobNames></hudson.model.ListView>"
    client.create_view("mine", xml)
    assert [job["name"] for job in client.get_jobs(view_name="mine")] == ["seen"]
    client.reconfig_view("mine", xml.replace("<string>seen</string>", ""))
    assert client.get_jobs(view_name="mine") == []
    assert {view["name"] for view in client.get_views()} == {"all", "mine"}
    client.delete_view("mine")
    assert not client.view_exists("mine")


def test_nodes(client: jenkins.Jenkins) -> None:
    client.create_node("helper", numExecutors=1, labels="gpu big", launcher_params={})
    assert client.node_exists("helper")
    client.disable_node("helper", "away")
    assert client.get_node_info("helper")["offlineCauseReason"] == "away"
    client.enable_node("helper")
    client.create_job("on-gpu", job_xml("node 'gpu && !slow'"))
    number = build(client, "on-gpu")
    assert "on helper" in client.get_build_console_output("on-gpu", number)
    client.reconfig_node("helper", client.get_node_config("helper").replace("gpu big", "small"))
    number = build(client, "on-gpu")
    assert "There are no nodes with the label 'gpu && !slow'" in client.get_build_console_output("on-gpu", number)
    client.delete_node("helper")
    assert client.get_nodes() == [{"name": "Built-In Node", "offline": False}]


def test_credentials_of_a_folder(client: jenkins.Jenkins) -> None:
    client.create_folder("vault")
    xml = """<com.cloudbees.plugins.credentials.impl.UsernamePasswordCredentialsImpl><scope>GLOBAL</scope>
        <id>robot</id><username>r2d2</username><password>beep</password><description>d</description>
        </com.cloudbees.plugins.credentials.impl.UsernamePasswordCredentialsImpl>"""
    client.create_credential("vault", xml)
    assert client.get_credential_info("robot", "vault")["displayName"] == "r2d2/******"
    assert "beep" not in client.get_credential_config("robot", "vault")
    client.reconfig_credential("vault", client.get_credential_config("robot", "vault").replace("r2d2", "c3po"))
    assert client.list_credentials("vault") == [{"_class": WRAPPER, "id": "robot"}]
    client.create_job("vault/uses", job_xml("secret 'robot'"))
    assert "usernamePassword" in client.get_build_console_output("vault/uses", build(client, "vault/uses"))
    client.create_job("outside", job_xml("secret 'robot'"))
    assert "none" in client.get_build_console_output("outside", build(client, "outside"))
    client.delete_credential("robot", "vault")
    assert client.list_credentials("vault") == []
    client.create_folder("vault/inner")
    client.create_credential("vault/inner", xml)
    client.rename_job("vault", "safe")
    assert client.list_credentials("safe/inner") == [{"_class": WRAPPER, "id": "robot"}]


WRAPPER = "com.cloudbees.plugins.credentials.CredentialsStoreAction$CredentialsWrapper"


def test_lint_and_the_console_that_is_refused(client: jenkins.Jenkins) -> None:
    assert client.check_jenkinsfile_syntax("echo 'fine'") == []
    assert "Expected a step" in client.check_jenkinsfile_syntax("pipeline {")[0]["error"]
    with pytest.raises(jenkins.JenkinsException, match="script console is refused"):
        client.run_script("println 1")


def test_wrong_password(server: Running) -> None:
    with pytest.raises(jenkins.JenkinsException, match="401"):
        jenkins.Jenkins(server.url, "admin", "wrong").get_whoami()
