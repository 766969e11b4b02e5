"""The console's home: every service, its login, and what happened."""

from __future__ import annotations

import json
import subprocess

import pytest
import requests
from playwright.sync_api import Page, expect

from ..stack import PROJECT, Run
from .console import show

pytestmark = pytest.mark.docker


def test_home_tells_what_status_tells(page: Page, stack: Run) -> None:
    show(page, "/")
    status = json.loads(stack("status", "--json").stdout)["services"]
    for service in status:
        card = page.locator(f"[data-service={service['name']}]")
        expect(card).to_contain_text("ready")
        if service["url"]:
            assert card.locator(f'a[href="{service["url"]}"]').count() == 1
    expect(page.locator("#content")).to_contain_text(f"{len(status)} of {len(status)} services are ready")


def test_login_is_copied_and_shown_nowhere(page: Page, stack: Run, password: str) -> None:
    gateway = next(s for s in json.loads(stack("status", "--json").stdout)["services"] if s["name"] == "gateway")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    show(page, "/")
    page.locator("[data-service=gateway]").get_by_role("link", name="sign in").click()
    page.fill("#password", "wrong")
    page.expected = "403"  # type: ignore[attr-defined]
    page.keyboard.press("Enter")
    expect(page.locator("#wrong")).to_be_visible()
    page.fill("#password", password)
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Copy password of admin for gateway").click()
    expect(page.locator("#notice")).to_contain_text("in the clipboard")
    assert page.evaluate("navigator.clipboard.readText()") == gateway["login"]["password"]
    assert gateway["login"]["password"] not in page.content() + page.url
    page.get_by_role("button", name="Sign out").click()
    expect(page.locator("[data-service=gateway]")).to_contain_text("sign in", timeout=15_000)


def test_prometheus_down_is_said_on_every_page(page: Page, stack: Run, console: str) -> None:
    page.expected = "502"  # type: ignore[attr-defined]
    subprocess.run(["docker", "stop", "-t1", f"{PROJECT}-prometheus-1"], check=True, capture_output=True)
    try:
        show(page, "/d/overview")
        expect(page.locator('section[aria-label="Targets down"]')).to_contain_text("Prometheus does not answer")
        show(page, "/alerts")
        expect(page.get_by_role("alert")).to_contain_text("Prometheus does not answer")
        show(page, "/")
        expect(page.locator("[data-service=prometheus]")).to_contain_text("stopped", timeout=20_000)
        expect(page.locator("#content")).to_contain_text("prometheus has stopped")
        expect(page.locator("[data-service=gateway]")).to_contain_text("ready")
    finally:
        assert stack("up", "--profile", "lite").returncode == 0
    assert requests.get(f"{console}/api/sources/prometheus/api/v1/query?query=1", timeout=5).status_code == 200
