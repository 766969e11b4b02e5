"""A real browser, without a screen."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from ..stack import PROJECT, Run
from .console import SOURCE

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
# Chromium gives up requests in flight when a network appears, as it does with each container that starts.
NETWORK_CHANGED = "ERR_NETWORK_CHANGED"
# What the rules of WCAG 2 A and AA find, and nothing that is a matter of taste.
AXE = "axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa']})"


# Not for the session: while Playwright is started, asyncio.run() is refused to other tests.
@pytest.fixture(scope="package")
def browser(request: pytest.FixtureRequest) -> Iterator[Browser]:
    if CHROMIUM is None:
        if request.config.getoption("--require-docker"):
            pytest.fail("no Chromium is installed: apt-get install chromium")
        pytest.skip("no Chromium is installed")
    with sync_playwright() as started:
        expect.set_options(timeout=20_000)  # machines are slow
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def axe(npm: Path) -> str:
    """The script that looks for barriers."""
    return (npm / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")


def barriers(page: Page, axe: str) -> list[str]:
    """What keeps people with disabilities out of the page, one line each."""
    page.evaluate(axe)
    found = page.evaluate(AXE)
    return [
        f"{item['id']}: {node['target']} {node['failureSummary']}"
        for item in found["violations"]
        for node in item["nodes"]
    ]


# --- the console of the tests' stack, for the modules that ask for it ------------------------------


@pytest.fixture(scope="session")
def console(stack: Run) -> str:
    return stack("url", "console").stdout.strip().rstrip("/")


@pytest.fixture(scope="session")
def password(stack: Run) -> str:
    services = json.loads(stack("status", "--json").stdout)["services"]
    found = next(service["login"]["password"] for service in services if service["name"] == "console")
    assert isinstance(found, str)
    return found


@pytest.fixture
def page(browser: Browser, console: str) -> Iterator[Page]:
    """A page whose errors fail the test, unless it says `page.expected` of their text."""
    context = browser.new_context(base_url=console, viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.set_default_timeout(15_000)
    errors: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        if NETWORK_CHANGED in message.text:
            page.disturbed = True  # type: ignore[attr-defined]
        elif message.type in ("error", "warning"):
            errors.append(message.text)

    page.on("console", listen)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.expected = "nothing is expected"  # type: ignore[attr-defined]
    yield page
    context.close()
    assert [error for error in errors if page.expected not in error] == []  # type: ignore[attr-defined]


@pytest.fixture
def signed_in(page: Page, console: str, password: str) -> Page:
    """The page of somebody who has signed in."""
    answer = requests.post(f"{console}/login", data={"password": password}, allow_redirects=False, timeout=10)
    page.context.add_cookies([{"name": c.name, "value": c.value or "", "url": console} for c in answer.cookies])
    return page


@pytest.fixture(scope="session")
def folder(stack: Run, home: Path) -> Path:
    """Where a service's dashboards lie in the sandbox's folder, which the console reads."""
    return home / PROJECT / "contributions" / "dashboards" / "prometheus"


@pytest.fixture
def dashboard(folder: Path) -> Iterator[Any]:
    """Puts a dashboard of these panels where services put theirs; its address."""
    path = folder / "made-by-a-test.json"

    def make(*made: dict[str, Any], **more: Any) -> str:
        content = {
            "uid": "made",
            "title": "Made by a test",
            "tags": [],
            "time": {"from": "now-5m", "to": "now"},
            **more,
        }
        content["panels"] = [
            {"id": i, "gridPos": {"x": 0, "y": 6 * i, "w": 24, "h": 6}, "datasource": SOURCE, **panel}
            for i, panel in enumerate(made)
        ]
        path.write_text(json.dumps(content))
        return "/d/made"

    yield make
    path.unlink(missing_ok=True)
