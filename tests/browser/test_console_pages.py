"""What holds for every page of the console."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from .conftest import barriers
from .console import show

pytestmark = pytest.mark.docker
PAGES = [
    "/",
    "/dashboards",
    "/d/overview",
    "/d/storefront",
    "/logs",
    "/builds",
    "/delivery",
    "/alerts",
    "/aws",
    "/lesson",
    "/login",
]


def check(page: Page, path: str, axe: str) -> None:
    """No barriers on a laptop in the light and on a phone in the dark, where nothing is cut off."""
    page.emulate_media(color_scheme="light")
    show(page, path)
    assert barriers(page, axe) == []
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 360, "height": 740})
    assert barriers(page, axe) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.mark.parametrize("path", PAGES)
def test_page_is_for_everybody(page: Page, axe: str, path: str) -> None:
    check(page, path, axe)


@pytest.mark.parametrize("path", ["/", "/logs"])
def test_page_with_more_for_those_who_signed_in(signed_in: Page, axe: str, path: str) -> None:
    check(signed_in, path, axe)


def test_keyboard_reaches_content_and_theme(page: Page) -> None:
    page.emulate_media(color_scheme="light")
    show(page, "/alerts")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.locator("#theme").press("Enter")
    assert page.evaluate("getComputedStyle(document.body).colorScheme") == "dark"
    page.reload()
    assert page.evaluate("getComputedStyle(document.body).colorScheme") == "dark"


def test_page_whose_files_were_lost_is_loaded_again(page: Page) -> None:
    page.expected = "ERR_FAILED"  # type: ignore[attr-defined]
    page.route("**/base.js", lambda route: route.abort(), times=1)
    show(page, "/")
    expect(page.locator("[data-service=gateway]")).to_be_visible()
