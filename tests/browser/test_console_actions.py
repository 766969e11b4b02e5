"""What the console does: restart, reset, faults on and off; and what it cannot do."""

from __future__ import annotations

import json
import re
import subprocess

import boto3
import pytest
from playwright.sync_api import Page, expect

from ..stack import PROJECT, Run
from .conftest import barriers
from .console import show

pytestmark = pytest.mark.docker
ASK = """
import json, sys
from console import unixhttp
print(json.dumps([unixhttp.ask(unixhttp.ACTIONS, *line.split())[0] for line in sys.argv[1:]]))
"""


def started(container: str) -> str:
    command = ["docker", "inspect", "--format", "{{.State.StartedAt}}", f"{PROJECT}-{container}-1"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_nothing_can_be_done_without_the_login(page: Page) -> None:
    show(page, "/")
    expect(page.locator("[data-service=inbox]")).to_be_visible()
    assert page.get_by_role("button", name=re.compile("Restart|Reset|Faults")).count() == 0


def test_service_is_restarted_with_the_keyboard(signed_in: Page) -> None:
    page, before, other = signed_in, started("inbox"), started("alertmanager")
    show(page, "/")
    button = page.get_by_role("button", name="Restart Inbox")
    button.press("Enter")
    expect(page.get_by_role("dialog", name="Restart Inbox?").get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Escape")
    expect(button).to_be_focused()
    assert started("inbox") == before
    button.press("Enter")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.locator("#notice")).to_contain_text("Inbox was restarted (1 container)")
    expect(button).to_be_focused()
    assert (started("inbox") != before, started("alertmanager")) == (True, other)
    expect(page.locator("#content")).to_contain_text("inbox was restarted from the console")
    expect(page.locator("[data-service=inbox]")).to_contain_text("ready", timeout=30_000)


def test_reset_empties_the_emulator(signed_in: Page, stack: Run) -> None:
    page = signed_in
    aws = {"endpoint_url": stack("url", "ministack").stdout.strip(), "region_name": "us-east-1"}
    s3 = boto3.client("s3", aws_access_key_id="test", aws_secret_access_key="test", **aws)
    s3.create_bucket(Bucket="to-be-forgotten")
    show(page, "/")
    page.get_by_role("button", name="Reset MiniStack").click()
    page.get_by_role("dialog").get_by_role("button", name="Reset").click()
    expect(page.locator("#notice")).to_contain_text("MiniStack was reset")
    assert "to-be-forgotten" not in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    assert stack("up", "--profile", "lite").returncode == 0


def test_fault_is_switched_on_seen_and_off(signed_in: Page, stack: Run, axe: str) -> None:
    page = signed_in
    page.expected = "422"  # type: ignore[attr-defined]
    show(page, "/")
    page.get_by_role("button", name="Faults Storefront").click()
    dialog = page.get_by_role("dialog", name="Faults of Storefront")
    latency = dialog.locator("[data-fault=latency]")
    expect(latency).to_contain_text("Each request waits. Alert: StorefrontSlow.")
    assert barriers(page, axe) == []
    try:
        latency.get_by_label("Amount of latency").fill("9999")
        latency.get_by_role("button", name="Switch latency on").click()
        expect(dialog.get_by_role("alert")).to_contain_text("latency takes more than 0 and at most 3000")
        latency.get_by_label("Amount of latency").fill("1")
        page.keyboard.press("Enter")
        expect(latency).to_contain_text("on: 1 ms")
        show(page, "/alerts")
        rule = page.locator("section.rule", has=page.get_by_role("heading", name="StorefrontFaults"))
        expect(rule).to_contain_text("The fault latency is switched on in the storefront", timeout=30_000)
        expect(rule).to_contain_text("What to do: End it with")
        show(page, "/")
        expect(page.locator("#content")).to_contain_text("storefront got the fault latency (1 ms)")
        page.get_by_role("button", name="Faults Storefront").click()
        latency.get_by_role("button", name="Switch latency off").click()
        expect(latency).not_to_contain_text("on: 1 ms")
        assert {fault["amount"] for fault in json.loads(stack("fault", "list", "--json").stdout)} == {0}
    finally:
        stack("fault", "clear")


def test_console_reaches_no_more_of_docker(stack: Run) -> None:
    forbidden = [
        *("GET /containers/json", "POST /containers/create", "GET /v1.43/info", "GET /_ping", "GET /images/json"),
        *(f"POST /containers/{PROJECT}-inbox-1/{verb}" for verb in ("restart", "exec", "kill", "stop")),
        *("DELETE /inbox", "POST /inbox/kill", "POST /inbox/stop", "PUT /storefront/faults/errors/1;id"),
    ]
    unknown = ["POST /console/restart", f"POST /{PROJECT}-inbox-1/restart", "POST /sandbox/restart"]
    done = stack("exec", "console", "python3", "-c", ASK, *forbidden, *unknown)
    assert json.loads(done.stdout) == [403] * len(forbidden) + [409, 404, 404]
    assert stack("exec", "console", "test", "-e", "/var/run/docker.sock").returncode == 1
