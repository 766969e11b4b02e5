"""The shop on the real stack: an order's way, faults and their alerts, replicas, releases, Terraform."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from .conftest import PROJECT, Run

TRACE = "0af7651916cd43dd8448eb211c80319c"
ORDER = {"product": "kite", "quantity": 2}
RELEASE = ("exec", "storefront", "python3", "-m", "release")


def docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True).stdout.strip()


def eventually(true: Callable[[], object], seconds: float) -> None:
    """Waits until it is so, and fails if it never is."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.5)


@pytest.fixture
def shop(stack: Run) -> str:
    return stack("url", "storefront").stdout.strip()


@contextmanager
def visitors(shop: str, count: int = 4) -> Iterator[Counter[str]]:
    """Visitors who look and buy as quickly as they can; what they were answered: status or error -> how often."""
    answers: Counter[str] = Counter()
    stop = threading.Event()

    def visit() -> None:
        with requests.Session() as session:
            while not stop.is_set():
                for ask in (
                    lambda: session.get(shop + "api/products"),
                    lambda: session.post(shop + "api/orders", json=ORDER),
                ):
                    try:
                        answers[str(ask().status_code)] += 1
                    except requests.RequestException as error:
                        answers[type(error).__name__] += 1

    threads = [threading.Thread(target=visit) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def firing(stack: Run) -> set[str]:
    return {alert["name"] for alert in json.loads(stack("alerts", "--firing", "--json").stdout)}


def query(stack: Run, expression: str) -> list[dict[str, Any]]:
    url = stack("url", "prometheus").stdout.strip() + "api/v1/query"
    found: list[dict[str, Any]] = requests.get(url, params={"query": expression}, timeout=5).json()["data"]["result"]
    return found


def test_an_order_is_stored_and_gets_a_receipt_and_its_trace_is_in_every_log(stack: Run, shop: str) -> None:
    headers = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
    placed = requests.post(shop + "api/orders", json=ORDER, headers=headers, timeout=5)
    assert placed.status_code == 201
    order = shop + placed.headers["Location"].lstrip("/")
    eventually(lambda: requests.get(order, timeout=5).json().get("status") == "confirmed", 10)
    eventually(lambda: requests.get(order + "/receipt", timeout=5).status_code == 200, 10)
    assert placed.json()["id"] in requests.get(order + "/receipt", timeout=5).text
    assert requests.get(shop + "pictures/kite.svg", timeout=5).headers["X-Picture-Source"] == "s3"
    for service in ("storefront", "orders", "ministack"):
        lines = [line for line in stack("logs", service).stdout.splitlines() if TRACE in line]
        assert any(placed.json()["id"] in line for line in lines), service


def test_no_order_is_lost_while_aws_is_away(stack: Run, shop: str) -> None:
    docker("stop", f"{PROJECT}-ministack-1")
    try:
        kept = requests.post(shop + "api/orders", json=ORDER, timeout=15)
        assert (kept.status_code, kept.json()["status"]) == (202, "kept")
        assert requests.get(shop, timeout=5).status_code == 200
        eventually(lambda: {"StorefrontOrdersKept", "OrdersWithoutAws"} <= firing(stack), 60)
    finally:
        docker("start", f"{PROJECT}-ministack-1")
    order = shop + kept.headers["Location"].lstrip("/")
    eventually(lambda: requests.get(order, timeout=15).json().get("status") == "confirmed", 30)
    eventually(lambda: not {"StorefrontOrdersKept", "OrdersWithoutAws"} & firing(stack), 60)


def test_faults_are_seen_in_alerts_and_cleared_at_once(stack: Run, shop: str) -> None:
    faults = {
        ("latency", "storefront"): "StorefrontSlow",
        ("errors", "storefront"): "StorefrontErrors",
        ("leak", "storefront"): "StorefrontMemoryGrows",
        ("slow-dependency", "storefront"): "StorefrontOrdersSlow",
        ("slow-dependency", "orders"): "OrdersSlow",
        ("poison", "orders"): "OrdersDeadLetters",
    }
    listed = json.loads(stack("fault", "list", "--json").stdout)
    assert {(f["name"], f["service"]): f["alert"] for f in listed}.items() >= faults.items()
    stack("traffic", "20")
    try:
        for name, service in faults:
            done = stack("fault", "inject", name, service)
            assert done.returncode == 0, done.stderr
        seen: set[str] = set()  # a leak ends at its limit, so its alert may be over when the last one fires
        eventually(lambda: seen.update(firing(stack)) or seen >= {*faults.values(), "StorefrontFaults"}, 150)
        assert {f["name"] for f in json.loads(stack("fault", "list", "--json").stdout) if f["amount"]} >= {
            name for name, _ in faults
        }
        shown = {(s["metric"]["kind"], s["metric"]["service"]) for s in query(stack, "fault_amount > 0")}
        assert shown >= {*faults}
        for name, service in faults:
            lines = stack("logs", service, "--since", "10m").stdout.splitlines()
            assert any('"faults: ' in line and name in line for line in lines), (name, service)
    finally:
        stack("traffic", "5")
        assert stack("fault", "clear").returncode == 0
    eventually(lambda: all(requests.get(shop, timeout=5).elapsed.total_seconds() < 0.5 for _ in range(10)), 5)
    assert not [f for f in json.loads(stack("fault", "list", "--json").stdout) if f["amount"]]
    eventually(lambda: not query(stack, "fault_amount > 0"), 30)
    eventually(lambda: not firing(stack) & {*faults.values(), "StorefrontFaults"}, 150)


def test_a_crash_loop_is_an_alert_and_ends_when_it_is_cleared(stack: Run, shop: str) -> None:
    assert stack("fault", "inject", "crash").returncode == 0
    try:
        eventually(lambda: "StorefrontCrashLoop" in firing(stack), 90)
    finally:
        assert stack("fault", "clear", "crash").returncode == 0
    eventually(lambda: requests.get(shop, timeout=5).status_code == 200, 10)
    eventually(lambda: "StorefrontCrashLoop" not in firing(stack), 120)


def test_unknown_and_doubtful_faults_are_explained(stack: Run) -> None:
    done = stack("fault", "inject", "latncy")
    assert (done.returncode, 'did you mean "latency"' in done.stderr) == (2, True)
    done = stack("fault", "inject", "slow-dependency")
    assert (done.returncode, "more than one service knows" in done.stderr) == (2, True)
    done = stack("fault", "inject", "errors", "--amount", "7")
    assert (done.returncode, "at most 1" in done.stderr) == (1, True)


def test_traffic_keeps_the_rate_it_is_told(stack: Run) -> None:
    done = stack("traffic", "20", "--json")
    assert json.loads(done.stdout)["rate"] == 20
    rate = 'sum(rate(http_requests_total{job="storefront"}[20s]))'
    try:
        eventually(lambda: 17 < float(query(stack, rate)[0]["value"][1]) < 23, 60)
        day = json.loads(stack("traffic", "20", "--shape", "day", "--json").stdout)
        assert day["now"] < 3  # a day begins at night
        assert "at most 500" in stack("traffic", "501").stderr
    finally:
        stack("traffic", "5")


@contextmanager
def autoscaling(home: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """`sandbox autoscale`, until ^C; what it tells comes on its standard error."""
    command = [sys.executable, "-m", "sandbox", "--project", PROJECT, "autoscale", *arguments]
    environ = {**os.environ, "SANDBOX_HOME": str(home)}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environ, cwd=home) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130


def test_scale_changes_live_and_lasts_and_no_request_is_lost(stack: Run, shop: str, home: Path) -> None:
    def running() -> int:
        return len(docker("ps", "-q", "--filter", f"name={PROJECT}-storefront-[0-9]").split())

    with visitors(shop) as answers:
        with autoscaling(home, "--latency", "0.5", "--max", "2", "--cooldown", "0") as process:
            assert process.stderr
            assert any("ms at most on 1: 2 needed" in line for line in process.stderr)
            assert any("on 2: 3 would do, 2 may be" in line for line in process.stderr)
            assert running() == 2
        done = stack("scale", "storefront=3")
        assert done.returncode == 0, done.stderr
        assert running() == 3
        served = 'count(sum by (instance) (rate(http_requests_total{job="storefront", track="stable"}[10s])) > 0)'
        eventually(lambda: (found := query(stack, served)) and found[0]["value"][1] == "3", 60)
        assert stack("up", "--profile", "lite").returncode == 0
        assert running() == 3
        assert stack("scale", "storefront=1").returncode == 0
        assert running() == 1
        time.sleep(3)
    assert set(answers) == {"200", "201"}, answers
    assert stack("scale", "gateway=2").returncode == 2
    assert stack("scale", "storefront=11").returncode == 2


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


def test_too_many_requests_are_refused_kindly(stack: Run, shop: str) -> None:
    assert stack("up", "--profile", "lite", "--set", "GATEWAY_RATE_LIMIT=30").returncode == 0
    try:
        answers = [requests.get(shop, timeout=5) for _ in range(40)]
        refused = [answer for answer in answers if answer.status_code == 429]
        assert refused
        assert refused[0].headers["Retry-After"] == "10"
    finally:
        assert stack("up", "--profile", "lite").returncode == 0


@pytest.mark.skipif(not shutil.which("terraform"), reason="terraform is not installed")
def test_terraform_finds_nothing_to_do_and_makes_anew_what_is_gone(stack: Run, shop: str) -> None:
    done = stack("terraform", "init", "-no-color")
    if done.returncode and "registry.terraform.io" in done.stderr:
        pytest.skip("Terraform's AWS provider cannot be had")
    assert (done.returncode, "are in Terraform's state" in done.stderr) == (0, True), done.stderr
    plan = stack("terraform", "plan", "-detailed-exitcode", "-no-color")
    assert (plan.returncode, "No changes" in plan.stdout) == (0, True), plan.stdout
    gone = ["-target=aws_lambda_function.shop", '-target=aws_s3_bucket.shop["shop-receipts"]']
    assert stack("terraform", "destroy", "-auto-approve", *gone).returncode == 0
    placed = requests.post(shop + "api/orders", json=ORDER, timeout=5)
    assert stack("terraform", "apply", "-auto-approve").returncode == 0
    order = shop + placed.headers["Location"].lstrip("/")
    eventually(lambda: requests.get(order + "/receipt", timeout=5).status_code == 200, 60)
