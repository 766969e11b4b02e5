"""The log explorer in a real browser, served by a real logstore, with packages like its image's."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, Locator, Page, expect

APP = Path(__file__).parents[2] / "compose" / "apps" / "logstore"
LOGIN = ("elastic", "secret")


class Store:
    """A running logstore. `add` puts lines into it, found at once."""

    def __init__(self, folder: Path) -> None:
        packages = folder / "packages"
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*pip, "--target", str(packages), "-r", str(APP / "requirements.txt")], check=True, timeout=300)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        environ = {
            **os.environ, "PYTHONPATH": str(packages), "PYTHONDONTWRITEBYTECODE": "1", "LOGSTORE_PORT": str(port),
            "LOGSTORE_PASSWORD": LOGIN[1], "LOGSTORE_FOLDER": str(folder / "data"),
        }  # fmt: skip
        self.process = subprocess.Popen(
            [sys.executable, "-m", "logstore"], cwd=APP, env=environ, stdout=subprocess.DEVNULL
        )
        for _ in range(200):
            try:
                requests.get(f"{self.url}/-/healthy", timeout=5)
                return
            except requests.ConnectionError:
                time.sleep(0.05)
        raise AssertionError("logstore does not start")

    def add(self, *documents: dict[str, Any]) -> None:
        lines = [line for document in documents for line in ({"create": {"_index": "logs-shop-sandbox"}}, document)]
        body = "".join(json.dumps(line) + "\n" for line in lines)
        answer = requests.post(f"{self.url}/_bulk?refresh=true", data=body, auth=LOGIN, timeout=10).json()
        assert not answer["errors"], answer


def line(seconds_ago: float, number: int, **fields: Any) -> dict[str, Any]:
    moment = datetime.now(UTC) - timedelta(seconds=seconds_ago)
    level = "error" if number % 10 == 0 else "info"
    service = ("orders", "gateway", "stock")[number % 3]
    return {
        "@timestamp": moment.isoformat(), "message": f"event {number} <b>of</b> {service}", "log.level": level,
        "service.name": service, "trace.id": f"trace-{number % 7}", **fields,
    }  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = Store(tmp_path_factory.mktemp("logstore"))
    store.add(*(line(number * 2 + 5, number) for number in range(350)))
    yield store
    store.process.terminate()
    assert store.process.wait(20) == 0


@pytest.fixture
def page(browser: Browser, store: Store) -> Iterator[Page]:
    """The explorer, opened; an error of a script, or a file that is not there, fails the test."""
    credentials = {"username": LOGIN[0], "password": LOGIN[1]}
    context = browser.new_context(
        base_url=store.url, http_credentials=credentials, viewport={"width": 1300, "height": 800}
    )
    page = context.new_page()
    page.set_default_timeout(15_000)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("requestfailed", lambda request: errors.append(request.url))
    page.goto("/")
    expect(page.locator("#summary")).to_contain_text("lines")
    yield page
    context.close()
    assert errors == []


def lines(page: Page) -> Locator:
    return page.locator("#lines > li")


def test_newest_lines_histogram_and_fields_are_shown(page: Page) -> None:
    expect(page.locator("#summary")).to_contain_text("350 lines")
    expect(lines(page)).to_have_count(100)
    expect(lines(page).first).to_contain_text("event 0 <b>of</b> orders")
    expect(lines(page).first.locator(".level-error")).to_have_text("error")
    assert page.locator("#histogram .all").count() > 10
    assert page.locator("#histogram .bad").count() > 10
    expect(page.locator("#fields")).to_contain_text("service.name")
    page.get_by_role("button", name="Older lines").click()
    expect(lines(page)).to_have_count(200)
    if shots := os.environ.get("SCREENSHOTS"):
        lines(page).nth(3).locator(".line").click()
        page.screenshot(path=f"{shots}/explorer.png")
        page.emulate_media(color_scheme="dark")
        page.screenshot(path=f"{shots}/explorer-dark.png")
        page.set_viewport_size({"width": 400, "height": 800})
        page.screenshot(path=f"{shots}/explorer-phone.png")


def test_query_filters_and_the_address_that_keeps_them(page: Page) -> None:
    page.get_by_role("searchbox").fill("level:error AND event")
    page.keyboard.press("Enter")
    expect(page.locator("#summary")).to_contain_text("35 lines")
    page.get_by_role("navigation").get_by_title("only service.name: orders").click()
    expect(page.locator("#summary")).to_contain_text("12 lines")
    expect(page.locator("#chips")).to_contain_text("service.name: orders")
    page.reload()
    expect(page.locator("#summary")).to_contain_text("12 lines")
    assert page.get_by_role("searchbox").input_value() == "level:error AND event"
    page.locator("#chips button").click()
    expect(page.locator("#summary")).to_contain_text("35 lines")
    page.go_back()
    expect(page.locator("#summary")).to_contain_text("12 lines")


def test_wrong_query_is_explained_and_can_be_mended(page: Page) -> None:
    page.get_by_role("searchbox").fill("level:(")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Failed to parse query")
    page.get_by_role("searchbox").fill("")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_be_hidden()
    expect(page.locator("#summary")).to_contain_text("350 lines")


def test_line_is_expanded_and_its_trace_followed(page: Page) -> None:
    first = lines(page).first
    first.locator(".line").click()
    expect(first.locator(".details")).to_contain_text("trace-0")
    first.get_by_role("button", name="follow").click()
    expect(page.locator("#summary")).to_contain_text("50 lines")
    expect(lines(page)).to_have_count(50)
    times = page.locator("#lines time").all_text_contents()
    assert times == sorted(times)


def test_without_a_value_and_a_chosen_time(page: Page) -> None:
    lines(page).first.locator(".line").click()
    page.get_by_title("without service.name: orders").click()
    expect(page.locator("#summary")).to_contain_text("233 lines")
    page.locator("#histogram .hit").nth(5).click()
    expect(page.get_by_label("Time range")).to_have_value("chosen")
    expect(page.locator("#summary")).not_to_contain_text("233 lines")
    assert lines(page).count() > 0


def test_live_shows_what_comes_and_keeps_what_is_open(page: Page, store: Store) -> None:
    page.get_by_role("searchbox").fill("event OR fresh")
    page.keyboard.press("Enter")
    lines(page).first.locator(".line").click()
    page.get_by_label("live").check()
    store.add(line(0, 1, message="fresh news"))
    expect(lines(page).first).to_contain_text("fresh news")
    expect(page.locator(".details")).to_have_count(1)


def test_nothing_found_says_so(page: Page) -> None:
    page.get_by_role("searchbox").fill("nothingatall")
    page.keyboard.press("Enter")
    expect(page.locator("#lines")).to_contain_text("No lines")


def test_wrong_password_shows_nothing(browser: Browser, store: Store) -> None:
    context = browser.new_context(base_url=store.url, http_credentials={"username": "elastic", "password": "wrong"})
    response = context.new_page().goto("/")
    assert response.status == 401
    context.close()
