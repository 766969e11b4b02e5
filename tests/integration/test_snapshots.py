"""Snapshots of real volumes: data of Prometheus and of the AWS emulator, owners and modes, passwords."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox.testing import Sandbox
from sandbox.testing.running import RunningSandbox
from sandbox.testing.services import Aws, Prometheus

PROJECT = f"sandbox-tests-snapshots-{os.getpid()}"
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("sandboxes")
        patch.setenv("SANDBOX_HOME", str(home))
        yield home


@pytest.fixture
def sb(home: Path) -> Iterator[Run]:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "sandbox", "--project", PROJECT, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=home)

    yield run
    run("down", "--volumes")


def ready(done: subprocess.CompletedProcess[str]) -> RunningSandbox:
    assert done.returncode == 0, done.stderr
    return Sandbox.attach(PROJECT)


def fill(sandbox: RunningSandbox) -> None:
    aws = Aws(sandbox, "111122223333")
    aws.client("s3").create_bucket(Bucket="uploads")
    aws.client("s3").put_object(Bucket="uploads", Key="photo", Body=b"bytes" * 1000)
    queue = aws.client("sqs").create_queue(QueueName="orders")["QueueUrl"]
    aws.client("sqs").send_message(QueueUrl=queue, MessageBody="order 1")
    aws.client("dynamodb").create_table(
        TableName="orders",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    aws.client("dynamodb").put_item(TableName="orders", Item={"id": {"S": "1"}})
    aws.close()


def holds_everything(sandbox: RunningSandbox) -> bool:
    aws = Aws(sandbox, "111122223333")
    try:
        photo = aws.client("s3").get_object(Bucket="uploads", Key="photo")["Body"].read()
        sqs = aws.client("sqs")
        queue = sqs.get_queue_url(QueueName="orders")["QueueUrl"]
        message = sqs.receive_message(QueueUrl=queue, VisibilityTimeout=0)["Messages"][0]["Body"]
        items = aws.client("dynamodb").scan(TableName="orders")["Items"]
    finally:
        aws.close()
    return bool(photo == b"bytes" * 1000 and message == "order 1" and items == [{"id": {"S": "1"}}])


def test_everything_comes_back_on_a_computer_that_lost_it(sb: Run, home: Path) -> None:
    services = ("ministack", "prometheus", "gateway")
    sandbox = ready(sb("up", *services))
    password = sandbox.login("gateway")
    fill(sandbox)
    prometheus = Prometheus(sandbox, "prometheus")
    first = prometheus.query("min_over_time(process_start_time_seconds{job='prometheus'}[1h])")[0].value
    saved = sb("snapshot", "save", "one")
    assert (saved.returncode, saved.stderr.splitlines()[-1][:22]) == (0, "saved one: 2 volumes, "), saved.stderr
    assert holds_everything(Sandbox.attach(PROJECT))  # and life goes on

    assert sb("down", "--volumes").returncode == 0
    (home / PROJECT / ".env").unlink()
    sandbox = ready(sb("up", *services))
    assert sandbox.login("gateway") != password
    restored = sb("snapshot", "restore", "one")
    sandbox = ready(restored)
    assert holds_everything(sandbox)
    assert sandbox.login("gateway") == password
    stats = sandbox.base_url("gateway", "stats") + "/stats"
    import requests

    assert requests.get(stats, auth=password, timeout=5).ok
    again = Prometheus(sandbox, "prometheus")
    oldest = again.query("min_over_time(process_start_time_seconds{job='prometheus'}[1h])")[0].value
    assert oldest == first  # samples from before
    assert sb("up", *services).returncode == 0  # Compose knows the volumes as its own
    prometheus.close()
    again.close()


def test_list_and_delete(sb: Run, home: Path) -> None:
    ready(sb("up", "ministack"))
    assert sb("snapshot", "save", "two").returncode == 0
    rows = {row["name"]: row for row in json.loads(sb("snapshot", "list", "--json").stdout)}
    assert rows["two"]["project"] == PROJECT
    assert rows["two"]["size"] == sum(path.stat().st_size for path in (home / ".snapshots/two").glob("*.gz"))
    assert "secrets" not in rows["two"]
    assert "two" in sb("snapshot", "list").stdout
    assert sb("snapshot", "delete", "two").returncode == 0
    gone = sb("snapshot", "restore", "two")
    assert (gone.returncode, gone.stderr.splitlines()[0]) == (2, "error: there is no snapshot two")


def test_emulator_that_keeps_nothing_is_named(sb: Run) -> None:
    ready(sb("up", "localstack"))
    saved = sb("snapshot", "save", "three")
    assert saved.returncode == 0
    assert "warning: the state of localstack is not in it" in saved.stderr


def test_snapshot_of_the_whole_lite_profile_leaves_everything_ready(stack: Run) -> None:
    saved = stack("snapshot", "save", "whole")
    assert saved.returncode == 0, saved.stderr
    assert stack("status").returncode == 0
    assert stack("snapshot", "delete", "whole").returncode == 0
