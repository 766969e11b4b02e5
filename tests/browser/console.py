"""What the tests of the console's pages share."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Error, Page, expect

HOSTILE = "<img src=x onerror=\"document.title='broken in'\">"
SOURCE = {"type": "prometheus", "uid": "prometheus"}


def show(page: Page, path: str) -> None:
    """Opens a page and waits until it has shown everything once; again if containers of others disturbed it."""
    for last in (False, False, True):
        page.disturbed = False  # type: ignore[attr-defined]
        try:
            page.goto(path)
            if path.startswith("/d/"):
                page.wait_for_selector("body[data-shown]")
            expect(page.locator(".loading")).to_have_count(0)
            return
        except (AssertionError, Error):
            if last or not page.disturbed:  # type: ignore[attr-defined]
                raise


def panel(kind: str, query: str, title: str = "", **more: Any) -> dict[str, Any]:
    target = {"refId": "A", "datasource": SOURCE, "expr": query, **more.pop("target", {})}
    return {"type": kind, "title": title or kind, "targets": [target], **more}
