"""The Lambda, called as AWS calls it."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from types import ModuleType
from typing import Any

import pytest
from shop import aws

from tests.conftest import HOOK

SOURCE = HOOK.parent / "aws" / "receipts" / "receipts.py"
ORDER = {"id": "r1", "product": "kite", "quantity": 2, "total_cents": 7800, "currency": "EUR", "created_at": "today"}


@pytest.fixture
def receipts() -> ModuleType:
    spec = importlib.util.spec_from_file_location("receipts", SOURCE)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def record(id: str, body: str) -> dict[str, Any]:
    return {"messageId": id, "body": body}


@pytest.mark.usefixtures("aws_is_there")
def test_receipts_are_written_and_only_the_bad_message_fails(
    receipts: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    good = json.dumps({**ORDER, "trace_id": "t1"})
    answer = receipts.handle({"Records": [record("1", good), record("2", "{}"), record("3", good)]}, None)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "2"}]}
    text = aws.ask("s3", "get_object", Bucket=aws.RECEIPTS_BUCKET, Key="r1.txt")["Body"].read().decode()
    assert "Order r1 of today" in text
    assert "78.00 EUR" in text
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["Result"] for line in lines] == ["written", "failed", "written"]
    assert (lines[0]["trace.id"], lines[0]["labels.order_id"]) == ("t1", "r1")
    assert lines[0]["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Shop"


def test_what_is_there_is_left_as_it_is(emulator: str) -> None:
    subprocess.run([sys.executable, str(HOOK)], env={**os.environ, "AWS_ENDPOINT_URL": emulator}, check=True)
