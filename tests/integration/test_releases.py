"""Releases of the shop on the real stack: judged, promoted, rolled back, refused."""

from __future__ import annotations

import hashlib
import json
import subprocess
import time

import pytest
import requests

from .conftest import PROJECT, Run
from .shop import docker, eventually, query, visitors

RELEASE = ("exec", "storefront", "python3", "-m", "release")


@pytest.fixture
def version() -> str:
    return f"1.{time.time_ns()}"


def release(stack: Run, *arguments: str) -> subprocess.CompletedProcess[str]:
    return stack(*RELEASE, *arguments)


def running_versions(stack: Run) -> set[str]:
    return {agent["running"] for agent in json.loads(release(stack, "status").stdout)["agents"]}


def publish_changed(stack: Run, version: str, change: str) -> None:
    """Publishes what the image holds, changed by a shell command that finds it in the current folder."""
    script = f"rm -rf /tmp/new; mkdir /tmp/new; cp -r shop storefront gunicorn.conf.py /tmp/new; cd /tmp/new; {change}"
    assert stack("exec", "storefront", "sh", "-c", script).returncode == 0
    done = release(stack, "publish", version, "--source", "/tmp/new", "--commit", "abc1234")
    assert done.returncode == 0, done.stdout


def test_the_demo_promotes_a_good_change_and_rolls_a_bad_one_back(stack: Run, shop: str) -> None:
    done = stack("demo", "--json")
    assert done.returncode == 0, done.stderr
    story = json.loads(done.stdout)
    good, bad = story["good"], story["bad"]
    assert (good["result"], good["outcome"], good["failed"]) == ("SUCCESS", "promoted", 0)
    assert (bad["result"], bad["outcome"], bad["failed_elsewhere"]) == ("FAILURE", "rolled back", 0)
    assert "/ is broken" in bad["reason"]
    assert 0 < bad["failed"] <= 0.1 * bad["requests"]
    eventually(lambda: running_versions(stack) == {good["version"]}, 20)
    page = requests.get(shop, timeout=5).text
    assert (good["version"] in page, good["commit"][:7] in page) == (True, True)
    assert query(stack, f'app_info{{job="storefront", version="{good["version"]}", commit="{good["commit"][:7]}"}}')
    assert "gets 100 %" in requests.get(good["url"] + "consoleText", timeout=5).text
    assert requests.get(good["url"] + "testReport/api/json", timeout=5).json()["failCount"] == 0
    # What was built is what is in S3, and what the agents compare with its checksum.
    name = f"storefront-{good['version']}.zip"
    package = requests.get(f"{good['url']}artifact/dist/{name}", timeout=5).content
    url = json.loads(stack("env", "--json").stdout)["AWS_ENDPOINT_URL"]
    stored = requests.get(f"{url}/shop-artifacts/storefront/{good['version']}.json", timeout=5).json()
    assert stored["sha256"] == hashlib.sha256(package).hexdigest()
    for decision, version in (("promote", good["version"]), ("rollback", bad["version"])):
        told = f'shop_release_last_decision_timestamp_seconds{{decision="{decision}", version="{version}"}}'
        eventually(lambda told=told: query(stack, told), 20)
    counted = "sum by (decision) (shop_release_decisions_total)"
    assert {"canary", "promote", "rollback"} == {each["metric"]["decision"] for each in query(stack, counted)}
    alerts = {alert["name"]: alert["summary"] for alert in json.loads(stack("alerts", "--json").stdout)}
    assert good["version"] in alerts["StorefrontReleased"]
    assert "/ is broken" in alerts["StorefrontRolledBack"]
    assert json.loads(stack("traffic", "--json").stdout)["rate"] == 5


def test_a_release_that_does_not_start_is_refused_at_once(stack: Run, shop: str, version: str) -> None:
    publish_changed(stack, version, "echo 'import nothing' >> storefront/app.py")
    with visitors(shop, 2) as answers:
        done = release(stack, "roll", version)
    assert (done.returncode, "ends at once" in done.stdout) == (1, True), done.stdout
    assert set(answers) == {"200", "201"}, answers
    assert version not in running_versions(stack)


def test_a_missing_or_altered_release_is_refused(stack: Run, shop: str, version: str) -> None:
    done = release(stack, "roll", "9.9.9")
    assert (done.returncode, "there is no version 9.9.9" in done.stdout) == (1, True), done.stdout
    publish_changed(stack, version, "true")
    url = json.loads(stack("env", "--json").stdout)["AWS_ENDPOINT_URL"]
    assert requests.put(f"{url}/shop-artifacts/storefront/{version}.zip", data=b"altered", timeout=5).ok
    done = release(stack, "roll", version)
    assert (done.returncode, f"the checksum of {version} does not match" in done.stdout) == (1, True), done.stdout
    assert requests.get(shop, timeout=5).status_code == 200


def test_without_prometheus_there_is_no_verdict_and_no_release(stack: Run, version: str) -> None:
    publish_changed(stack, version, "true")
    docker("pause", f"{PROJECT}-prometheus-1")
    try:
        done = release(stack, "roll", version, "--budget", "4")
    finally:
        docker("unpause", f"{PROJECT}-prometheus-1")
    assert done.returncode == 1
    assert "Prometheus does not answer" in done.stdout
    assert "rolled back" in done.stdout
