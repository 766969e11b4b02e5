"""The shop on the real stack: an order's way, faults and their alerts, replicas, Terraform."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
import requests

from .conftest import PROJECT, Run
from .shop import ORDER, docker, eventually, firing, query, visitors

TRACE = "0af7651916cd43dd8448eb211c80319c"


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
    # Each request waited 0.8 s, and three in ten failed.
    answers = partial(requests.get, shop, timeout=5)
    eventually(lambda: all((a := answers()).ok and a.elapsed.total_seconds() < 0.8 for _ in range(10)), 60)
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
        eventually(lambda: (found := query(stack, rate)) and 17 < float(found[0]["value"][1]) < 23, 60)
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
            said: list[str] = []  # lines until the one that is waited for, or its end
            for wanted in ("ms at most on 1: 2 needed", "on 2: 3 would do, 2 may be"):
                assert any(wanted in line for line in process.stderr if not said.append(line)), "".join(said)
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
