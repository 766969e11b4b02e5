from __future__ import annotations

import importlib.util
import logging
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from shop import aws, faults
from shop.logs import about
from storefront.app import create_app

HOOK = (Path(__file__).parent / "../../../../configs/storefront/aws.py").resolve()
NOWHERE = "http://127.0.0.1:9"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def emulator() -> Iterator[str]:
    """A real AWS emulator with the shop's resources, made as the sandbox makes them: its address.

    In the shop's own pipeline there is neither: the sandbox's AWS is in use.
    """
    if not HOOK.exists() or not importlib.util.find_spec("ministack"):
        pytest.skip("needs the package ministack and the sandbox's sources")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environ = {**os.environ, "GATEWAY_PORT": str(port), "AWS_ENDPOINT_URL": url}
    quiet = subprocess.DEVNULL
    process = subprocess.Popen([sys.executable, "-m", "ministack"], env=environ, stdout=quiet, stderr=quiet)
    try:
        for _ in range(200):
            try:
                urllib.request.urlopen(f"{url}/_ministack/health", timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        subprocess.run([sys.executable, str(HOOK)], env=environ, check=True, stdout=subprocess.DEVNULL)
        yield url
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(autouse=True)
def aws_is_away(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Unless a test asks for it, AWS does not answer. No test sees another's clients or work at hand."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", NOWHERE)
    forget_aws()
    about.set({})
    yield
    forget_aws()


def forget_aws() -> None:
    aws.forget()
    aws.before_each.clear()


@pytest.fixture
def aws_is_there(emulator: str, monkeypatch: pytest.MonkeyPatch, aws_is_away: None) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", emulator)
    forget_aws()
    for queue in (aws.ORDERS_QUEUE, f"{aws.ORDERS_QUEUE}-dead", aws.RECEIPTS_QUEUE):
        aws.ask("sqs", "purge_queue", QueueUrl=aws.queue_url(queue))


@pytest.fixture
def faults_file(tmp_path: Path) -> Path:
    return tmp_path / "faults.json"


@pytest.fixture
def switch(faults_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`faults.main` turns the switch of this test's programs."""
    monkeypatch.setattr(faults.active, "__defaults__", (faults_file,))
    monkeypatch.setattr(faults.inject, "__defaults__", (faults_file,))
    monkeypatch.setattr(faults.clear, "__defaults__", ("", faults_file))


@pytest.fixture
def app(tmp_path: Path, faults_file: Path) -> Iterator[Flask]:
    yield create_app(tmp_path / "outbox", faults_file)
    shutil.rmtree(tmp_path / "outbox")  # what this shop kept is not for the next test's queue


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture
def metric(client: FlaskClient) -> Callable[[str], float | None]:
    """The value of a series as /metrics tells it: `orders_total{result="failed",service="storefront"}`."""

    def value(series: str) -> float | None:
        lines = client.get("/metrics").text.splitlines()
        return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(series + " ")), None)

    return value


@pytest.fixture(autouse=True)
def quiet_libraries() -> None:
    logging.getLogger("botocore").setLevel(logging.WARNING)


def eventually(true: Callable[[], object], seconds: float = 10) -> None:
    """Waits until it is so; fails if it never is."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.05)
