"""Dashboards as the console draws them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from ..dashboards import FILES, MAY_BE_EMPTY, panels, read
from .console import HOSTILE, SOURCE, panel, show

pytestmark = pytest.mark.docker


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_panel_is_drawn(signed_in: Page, folder: Path, path: Path) -> None:
    page = signed_in  # log lines are for those who signed in
    data = read(path)
    if not (folder.parent / path.parts[-3]).is_dir():
        pytest.skip(f"{path.parts[-3]} is not part of the profile lite")
    show(page, f"/d/{data['uid']}")
    expect(page.locator("h1")).to_have_text(data["title"])
    for item in panels(data):
        if not item["title"]:
            continue
        drawn = page.get_by_role("region", name=item["title"], exact=True).or_(
            page.locator(f'section[aria-label="{item["title"]}"]')
        )
        expect(drawn.locator(".message.bad")).to_have_count(0)
        if not MAY_BE_EMPTY.search(item["description"]):
            expect(drawn.first).not_to_contain_text("No data", timeout=30_000)  # rates need a few scrapes
            expect(drawn.first).not_to_contain_text("not drawn here")


def test_each_kind_of_panel_draws_its_values(page: Page, dashboard: Any) -> None:
    custom = {"drawStyle": "line", "fillOpacity": 20}
    blue = {
        "defaults": {"unit": "bytes", "custom": custom, "color": {"mode": "fixed", "fixedColor": "blue"}},
        "overrides": [],
    }
    show(
        page,
        dashboard(
            panel("timeseries", "vector(2048)", fieldConfig=blue, target={"legendFormat": "two"}),
            panel("stat", "vector(2048)", fieldConfig=blue),
            panel("gauge", "vector(0.5)", fieldConfig={"defaults": {"unit": "percentunit"}, "overrides": []}),
            panel("bargauge", "vector(3)", target={"legendFormat": "three"}),
            panel("table", "vector(4)", target={"instant": True, "format": "table"}),
            panel(
                "state-timeline", 'label_replace(vector(1), "who", "me", "", "")', target={"legendFormat": "{{who}}"}
            ),
            {
                "type": "text",
                "title": "text",
                "options": {"mode": "markdown", "content": "**strong** [x](javascript:alert(1))"},
            },
        ),
    )
    found = {
        kind: page.locator(f'[data-type="{kind}"]')
        for kind in ("timeseries", "stat", "gauge", "bargauge", "table", "text")
    }
    expect(found["timeseries"].get_by_role("img")).to_have_attribute("aria-label", "timeseries: two 2 KiB")
    painted = "c => new Set(c.getContext('2d').getImageData(0, 0, c.width, c.height).data).size"
    assert found["timeseries"].locator("canvas").evaluate(painted) > 5
    expect(found["stat"].locator(".value")).to_have_text("2 KiB")
    expect(found["gauge"].locator(".value")).to_have_text("50.0%")
    expect(found["bargauge"]).to_contain_text("three3")
    expect(found["table"].locator("td").last).to_have_text("4")
    expect(page.locator('[data-type="state-timeline"] svg')).to_have_attribute("aria-label", re.compile("me: now 1"))
    expect(found["text"].locator("strong")).to_have_text("strong")
    assert not (found["text"].locator("a").get_attribute("href") or "").startswith("javascript")


def test_labels_are_text_whatever_they_hold(page: Page, dashboard: Any) -> None:
    query = f'label_replace(vector(1), "evil", {json.dumps(HOSTILE)}, "", "")'
    kinds = ["timeseries", "stat", "gauge", "bargauge", "state-timeline"]
    made = [
        panel(kind, query, HOSTILE, target={"legendFormat": "{{evil}}"}, options={"textMode": "name"}) for kind in kinds
    ]
    made.append(panel("table", query, HOSTILE, target={"instant": True, "format": "table"}))
    text = {
        "type": "text",
        "title": HOSTILE,
        "options": {"mode": "html", "content": HOSTILE + "<script>document.title='broken in'</script>"},
    }
    mark = {
        "name": HOSTILE,
        "enable": True,
        "datasource": SOURCE,
        "expr": query,
        "titleFormat": "{{evil}}",
        "iconColor": "red",
    }
    show(page, dashboard(*made, text, title=HOSTILE, description=HOSTILE, annotations={"list": [mark]}))
    page.locator('[data-type="timeseries"] .u-over').hover()
    expect(page.locator(".tooltip")).to_contain_text("onerror")
    page.get_by_role("button", name="About").first.click()
    expect(page.locator("dialog")).to_contain_text("onerror")
    assert page.locator("main img, dialog img, main script").count() == 0
    assert "broken in" not in page.evaluate("document.title").replace(HOSTILE, "")


def test_one_bad_panel_harms_no_other(page: Page, dashboard: Any) -> None:
    page.expected = "400"  # type: ignore[attr-defined]
    show(
        page,
        dashboard(
            panel("stat", "up{", "Wrong query"),
            panel("flamegraph", "up", "Unknown panel"),
            panel("table", "up", "Unknown step", transformations=[{"id": "calculateField", "options": {}}]),
            {**panel("stat", "up", "No source"), "targets": [{"refId": "A", "datasource": {"type": "x", "uid": "y"}}]},
            panel("stat", "vector(7)", "Good"),
        ),
    )
    texts = {
        name: page.locator(f'section[aria-label="{name}"] .body')
        for name in ("Wrong query", "Unknown panel", "Unknown step", "No source", "Good")
    }
    expect(texts["Wrong query"]).to_contain_text("parse error")
    expect(texts["Unknown panel"]).to_contain_text("flamegraph are not drawn here")
    expect(texts["Unknown step"]).to_contain_text("calculateField is not done here")
    expect(texts["No source"]).to_contain_text("no data source y")
    expect(texts["Good"]).to_have_text("7")


def test_variables_choose_and_are_kept_in_the_address(page: Page, dashboard: Any) -> None:
    jobs = {
        "name": "job",
        "label": "Job",
        "type": "query",
        "datasource": SOURCE,
        "query": "label_values(up, job)",
        "includeAll": True,
        "multi": False,
        "current": {"value": "$__all"},
    }
    path = dashboard(panel("stat", 'count(up{job=~"$job"})', "Count"), templating={"list": [jobs]})
    show(page, path)
    count = page.locator(".stat .value")
    expect(count).not_to_have_text("1")
    page.get_by_label("Job").select_option("gateway")
    expect(count).to_have_text("1")
    assert "var-job=gateway" in page.url
    show(page, page.url)
    expect(count).to_have_text("1")
    expect(page.get_by_label("Job")).to_have_value("gateway")


def test_several_values_of_a_variable(page: Page) -> None:
    show(page, "/d/probes")
    asked = page.locator('section[aria-label="Asked"] .value')
    expect(asked).not_to_have_text("2")
    page.get_by_text("Service: All").press("Enter")
    page.get_by_role("checkbox", name="console").check()
    expect(asked).to_have_text("1")
    page.get_by_role("checkbox", name="storefront").check()
    expect(asked).to_have_text("2")
    assert "var-service=console&var-service=storefront" in page.url
    show(page, page.url)
    expect(asked).to_have_text("2")
    page.get_by_text("Service: console, storefront").press("Enter")
    page.get_by_role("checkbox", name="All").check()
    expect(page.get_by_text("Service: All")).to_be_visible()


def test_time_is_chosen_by_list_by_button_and_on_the_chart(page: Page, dashboard: Any) -> None:
    show(page, dashboard(panel("timeseries", "vector(1)")))
    page.locator("#range").select_option("now-1h")
    assert "from=now-1h" in page.url
    page.get_by_role("button", name="Show twice the time").click()
    assert "from=now-7200s" in page.url
    page.wait_for_timeout(500)
    box = page.locator(".u-over").bounding_box()
    assert box
    page.mouse.move(box["x"] + 100, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 300, box["y"] + 20, steps=5)
    page.mouse.up()
    page.wait_for_url(re.compile(r"from=\d{13}&to=\d{13}"))


def test_legend_hides_a_series(page: Page, dashboard: Any) -> None:
    show(page, dashboard(panel("timeseries", "up", target={"legendFormat": "{{job}}"})))
    button = page.locator(".legend").get_by_role("button", name="gateway")
    button.press("Enter")
    expect(button).to_have_attribute("aria-pressed", "false")


def test_fifty_thousand_points(page: Page, dashboard: Any) -> None:
    query = " or ".join(f'label_replace(vector({n}), "n", "{n}", "", "")' for n in range(150))
    show(
        page,
        dashboard(panel("timeseries", query, target={"legendFormat": "{{n}}"}), time={"from": "now-24h", "to": "now"}),
    )
    expect(page.locator(".legend button")).to_have_count(150)
    expect(page.locator("canvas")).to_be_visible()


def test_times_follow_the_sandbox_when_clocks_differ(page: Page, dashboard: Any) -> None:
    page.clock.install(time="2020-01-01T00:00:00Z")
    show(page, dashboard(panel("stat", "vector(5)", "Good")))
    expect(page.locator("#problem")).to_contain_text("clock")
    page.get_by_role("button", name="Ask again now").click()
    expect(page.locator(".stat .value")).to_have_text("5")
