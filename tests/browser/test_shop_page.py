"""The shop's page in a real browser, in front of the real stack: a basket is filled and ordered."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, expect

from ..stack import Run
from .conftest import barriers

pytestmark = pytest.mark.docker


def test_a_basket_is_filled_and_ordered(browser: Browser, stack: Run, axe: str) -> None:
    url = stack("url", "storefront")
    assert url.returncode == 0, url.stderr
    context = browser.new_context(viewport={"width": 420, "height": 800})
    page, errors = context.new_page(), list[str]()
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(url.stdout.strip())
    basket = page.locator("#basket")
    expect(basket).to_contain_text("Nothing in it yet.")
    page.get_by_role("button", name="Add Box kite").click()
    page.get_by_role("button", name="Add Signal flag").click()
    basket.get_by_role("button", name="More: Box kite").click()
    expect(basket.locator("footer data")).to_have_text("€85.90")
    assert barriers(page, axe) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.reload()
    expect(basket.locator("li")).to_have_count(2)
    basket.get_by_role("button", name="Less: Signal flag").click()
    expect(basket.locator("li")).to_have_count(1)
    basket.get_by_role("button", name="Order").click()
    expect(page.locator("#notice")).to_have_text(re.compile(r"Order \w{12} is (on the way|kept and sent soon)\."))
    expect(basket).to_contain_text("Nothing in it yet.")
    assert errors == []
    context.close()
