from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from prometheus_client import CollectorRegistry
from shop import faults
from shop.faults import FaultError, Faults

from tests.conftest import eventually

Metric = Callable[[str], "float | None"]


def test_errors_are_injected_seen_and_cleared(client: FlaskClient, metric: Metric, faults_file: Path) -> None:
    faults.inject("errors", 1, faults_file)
    eventually(lambda: client.get("/").status_code == 500)
    failed = client.post("/api/orders", json={"product": "flag", "quantity": 1})
    assert (failed.status_code, failed.get_json()["error"]["code"]) == (500, "injected_fault")
    assert metric('fault_amount{kind="errors",service="storefront"}') == 1
    assert metric('orders_total{result="failed",service="storefront"}') == 1
    faults.clear("errors", faults_file)
    eventually(lambda: client.get("/").status_code == 200)
    assert metric('fault_amount{kind="errors",service="storefront"}') == 0


@pytest.mark.slow
def test_latency_is_injected_and_clearing_wakes_those_who_wait(
    client: FlaskClient, metric: Metric, faults_file: Path
) -> None:
    faults.inject("latency", 3000, faults_file)
    eventually(lambda: metric('fault_amount{kind="latency",service="storefront"}') == 3000)
    threading.Timer(0.1, lambda: faults.clear(file=faults_file)).start()
    began = time.monotonic()
    assert client.get("/").status_code == 200
    assert 0.1 <= time.monotonic() - began < 2
    assert metric('faults_injected_total{kind="latency",service="storefront"}') == 1


def test_operations_are_spared(client: FlaskClient, metric: Metric, faults_file: Path) -> None:
    faults.inject("errors", 1, faults_file)
    eventually(lambda: metric('fault_amount{kind="errors",service="storefront"}') == 1)
    for path in ("/healthz", "/readyz", "/metrics"):
        assert client.get(path).status_code == 200


def test_faults_are_logged(client: FlaskClient, faults_file: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    faults.inject("errors", 1, faults_file)
    eventually(lambda: any("errors 1" in record.getMessage() for record in caplog.records))
    client.get("/")
    failed = caplog.records[-1]
    assert failed.levelname == "ERROR"
    assert vars(failed)["ecs"]["labels.fault"] == "errors"


@pytest.mark.slow
def test_a_leak_grows_to_its_limit_and_is_given_back(faults_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faults, "_memory_left", lambda: 3.0 * faults.MEGABYTE)
    leaking = Faults("a-service", CollectorRegistry(), faults_file)
    faults.inject("leak", 4, faults_file)
    eventually(lambda: sum(map(len, leaking._lost)) == 3 * faults.MEGABYTE)
    time.sleep(3 * faults.PERIOD)
    assert sum(map(len, leaking._lost)) == 3 * faults.MEGABYTE
    faults.clear("leak", faults_file)
    eventually(lambda: not leaking._lost)


@pytest.mark.slow
def test_a_crash_ends_the_process_again_and_again(faults_file: Path) -> None:
    faults.inject("crash", 0.3, faults_file)
    code = (
        "import sys, time; from pathlib import Path; from prometheus_client import CollectorRegistry\n"
        "from shop.faults import Faults; Faults('a', CollectorRegistry(), Path(sys.argv[1])); time.sleep(20)"
    )
    command, folder = [sys.executable, "-c", code, str(faults_file)], Path(faults.__file__).parents[1]
    for _ in range(2):
        assert subprocess.run(command, cwd=folder, check=False).returncode == 70


@pytest.mark.parametrize(
    ("name", "amount", "told"),
    [
        ("latencies", 1, "there is no fault latencies"),
        ("latency", 0, "latency takes more than 0"),
        ("latency", 3001, "at most 3000"),
        ("errors", 1.1, "at most 1"),
        ("errors", float("nan"), "at most 1"),
    ],
)
def test_bad_faults_change_nothing(name: str, amount: float, told: str, faults_file: Path) -> None:
    with pytest.raises(FaultError, match=told):
        faults.inject(name, amount, faults_file)
    assert faults.active(faults_file) == {}


@pytest.mark.usefixtures("switch")
def test_the_switch_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert faults.main(["inject", "latency", "400"]) == 0
    assert faults.main(["inject", "errors", "0.5"]) == 0
    assert faults.main(["clear", "latency"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {"errors": 0.5}
    assert faults.main(["inject", "nonsense", "1"]) == 2
    assert faults.main(["clear"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {}
