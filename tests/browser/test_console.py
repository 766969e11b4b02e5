"""The console's pages in a real browser, in front of the real stack."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, expect

from ..dashboards import FILES, MAY_BE_EMPTY, panels, read
from ..stack import PROJECT, Run
from .conftest import barriers

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
    "/login",
]
HOSTILE = "<img src=x onerror=\"document.title='broken in'\">"
# Chromium gives up requests in flight when a network appears, as it does with each container that starts.
NETWORK_CHANGED = "ERR_NETWORK_CHANGED"
SOURCE = {"type": "prometheus", "uid": "prometheus"}


@pytest.fixture(scope="module")
def console(stack: Run) -> str:
    return stack("url", "console").stdout.strip().rstrip("/")


@pytest.fixture(scope="module")
def password(stack: Run) -> str:
    services = json.loads(stack("status", "--json").stdout)["services"]
    found = next(service["login"]["password"] for service in services if service["name"] == "console")
    assert isinstance(found, str)
    return found


@pytest.fixture(scope="module")
def folder(stack: Run, home: Path) -> Path:
    """Where a service's dashboards lie in the sandbox's folder, which the console reads."""
    return home / PROJECT / "contributions" / "dashboards" / "prometheus"


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


def panel(kind: str, query: str, title: str = "", **more: Any) -> dict[str, Any]:
    target = {"refId": "A", "datasource": SOURCE, "expr": query, **more.pop("target", {})}
    return {"type": kind, "title": title or kind, "targets": [target], **more}


# --- every page -------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
def test_page_has_no_barriers(page: Page, axe: str, path: str, scheme: Any) -> None:
    page.emulate_media(color_scheme=scheme)
    show(page, path)
    assert barriers(page, axe) == []


@pytest.mark.parametrize("path", PAGES)
def test_page_fits_a_phone(page: Page, path: str) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    show(page, path)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_keyboard_reaches_content_and_theme(page: Page) -> None:
    page.emulate_media(color_scheme="light")
    show(page, "/alerts")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.locator("#theme").press("Enter")
    assert page.evaluate("getComputedStyle(document.body).colorScheme") == "dark"
    page.reload()
    assert page.evaluate("getComputedStyle(document.body).colorScheme") == "dark"


# --- home and logins --------------------------------------------------------------------------


def test_home_tells_what_status_tells(page: Page, stack: Run) -> None:
    show(page, "/")
    status = json.loads(stack("status", "--json").stdout)["services"]
    for service in status:
        card = page.locator(f"[data-service={service['name']}]")
        expect(card).to_contain_text("ready")
        if service["url"]:
            assert card.locator(f'a[href="{service["url"]}"]').count() == 1
    expect(page.locator("#content")).to_contain_text(f"{len(status)} of {len(status)} services are ready")


def test_service_that_stops_is_seen_and_remembered(page: Page, stack: Run) -> None:
    show(page, "/")
    card = page.locator("[data-service=alertmanager]")
    subprocess.run(["docker", "stop", "-t1", f"{PROJECT}-alertmanager-1"], check=True, capture_output=True)
    try:
        expect(card).to_contain_text("stopped", timeout=20_000)
        expect(page.locator("#content")).to_contain_text("alertmanager has stopped")
    finally:
        subprocess.run(["docker", "start", f"{PROJECT}-alertmanager-1"], check=True, capture_output=True)
    expect(card).to_contain_text("ready", timeout=20_000)


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
    page.get_by_role("button", name="Copy the password of admin for gateway").click()
    expect(page.locator("#notice")).to_contain_text("in the clipboard")
    assert page.evaluate("navigator.clipboard.readText()") == gateway["login"]["password"]
    assert gateway["login"]["password"] not in page.content() + page.url
    page.get_by_role("button", name="Sign out").click()
    expect(page.locator("[data-service=gateway]")).to_contain_text("sign in", timeout=15_000)


def test_page_whose_files_were_lost_is_loaded_again(page: Page) -> None:
    page.expected = "ERR_FAILED"  # type: ignore[attr-defined]
    page.route("**/base.js", lambda route: route.abort(), times=1)
    show(page, "/")
    expect(page.locator("[data-service=gateway]")).to_be_visible()


# --- dashboards -------------------------------------------------------------------------------


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_panel_is_drawn(page: Page, folder: Path, path: Path, password: str) -> None:
    data = read(path)
    if not (folder.parent / path.parts[-3]).is_dir():
        pytest.skip(f"{path.parts[-3]} is not part of the profile lite")
    if '"type": "elasticsearch"' in path.read_text(encoding="utf-8"):  # log lines are for those who signed in
        sign_in(page, password, f"/d/{data['uid']}")
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


# --- alerts and AWS ---------------------------------------------------------------------------


def test_alert_is_shown_with_what_to_do(page: Page, console: str, stack: Run) -> None:
    assert stack("fault", "inject", "latency", "storefront", "--amount", "1").returncode == 0
    try:
        show(page, "/alerts")
        rule = page.locator("section.rule", has=page.get_by_role("heading", name="StorefrontFaults"))
        expect(rule).to_contain_text("The fault latency is switched on in the storefront", timeout=30_000)
        expect(rule).to_contain_text("What to do: End it with")
    finally:
        stack("fault", "clear")


def test_aws_resources_are_listed(page: Page, stack: Run) -> None:
    import boto3

    aws = {"endpoint_url": stack("url", "ministack").stdout.strip(), "region_name": "us-east-1"}
    aws |= {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    s3, sqs = boto3.client("s3", **aws), boto3.client("sqs", **aws)
    s3.create_bucket(Bucket="console-test")
    s3.put_object(Bucket="console-test", Key="a", Body=b"x" * 2048)
    url = sqs.create_queue(QueueName="console-test-queue")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="x")
    topic = boto3.client("sns", **aws).create_topic(Name="console-test-topic")["TopicArn"]
    dynamodb, ssm = boto3.client("dynamodb", **aws), boto3.client("ssm", **aws)
    dynamodb.create_table(
        TableName="console-test-table",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    ssm.put_parameter(Name="/console/test", Value="hidden value", Type="SecureString")
    try:
        show(page, "/aws")
        row = page.locator("tr", has_text="console-test")
        expect(row.filter(has_text="2 KiB")).to_have_count(1)
        assert row.filter(has_text="console-test-queue").inner_text().split() == ["console-test-queue", "1", "0", "0"]
        for name in ("console-test-topic", "console-test-table", "/console/test"):
            expect(page.locator("#content")).to_contain_text(name)
        assert "hidden value" not in page.content()
        expect(page.locator("#content")).not_to_contain_text("cannot be had")
    finally:
        s3.delete_object(Bucket="console-test", Key="a")
        s3.delete_bucket(Bucket="console-test")
        sqs.delete_queue(QueueUrl=url)
        boto3.client("sns", **aws).delete_topic(TopicArn=topic)
        dynamodb.delete_table(TableName="console-test-table")
        ssm.delete_parameter(Name="/console/test")


def test_notification_arrives_beside_alertmanagers_list(page: Page, stack: Run) -> None:
    arrived = json.loads(stack("alerts", "--json").stdout)
    show(page, "/alerts")
    box = page.locator("[data-part=notifications]")
    if arrived:
        expect(box).to_contain_text(arrived[0]["name"])
    expect(box.get_by_role("link")).to_have_attribute("href", stack("url", "inbox").stdout.strip())


# --- builds, delivery, logs -------------------------------------------------------------------


def test_last_builds_of_every_job(page: Page, stack: Run) -> None:
    server = stack("url", "ci").stdout.strip()
    show(page, "/builds")
    job = page.locator("[data-job=hello]")
    expect(job).to_contain_text("passed in")
    assert job.get_by_role("link", name="hello").get_attribute("href") == f"{server}job/hello/"
    build = job.get_by_role("link", name=re.compile("Build 1: passed in"))
    assert build.get_attribute("href") == f"{server}job/hello/1/"
    expect(page.get_by_role("link", name="Open CI")).to_have_attribute("href", server)


def test_delivery_tells_what_runs(page: Page) -> None:
    show(page, "/delivery")
    runs = page.locator("section.card", has=page.get_by_role("heading", name="What runs", exact=True))
    stable = runs.locator("tr", has_text="stable")
    expect(stable).to_have_count(1)
    version = stable.locator("td").nth(1).inner_text()
    past = page.locator("section.card", has=page.get_by_role("heading", name=re.compile("in the last")))
    expect(past.locator("tr", has_text="is the stable version")).to_contain_text(version)


def test_version_on_trial_and_what_became_of_it(page: Page, stack: Run) -> None:
    """A real release, published, tried by the canary and taken back."""
    release = ("exec", "storefront", "python3", "-m", "release")
    for step in (["publish", "0.0.9-trial", "--source", "/app"], ["canary", "0.0.9-trial"]):
        done = stack(*release, *step)
        assert done.returncode == 0, done.stdout + done.stderr
    try:
        show(page, "/delivery")
        trial = page.locator("tr", has_text="0.0.9-trial")
        expect(trial.filter(has_text="on trial")).to_have_count(1, timeout=30_000)
        expect(trial.filter(has_text="%")).to_contain_text("canary")
    finally:
        assert stack(*release, "rollback").returncode == 0
    expect(trial.filter(has_text="rolled back")).to_have_count(1, timeout=60_000)


def test_outcomes_are_told_from_what_ran(page: Page) -> None:
    samples = {
        ("stable", "1"): range(0, 500, 5),
        ("canary", "1"): [*range(5, 200, 5), *range(300, 400, 5)],
        ("canary", "bad"): range(200, 300, 5),
        ("canary", "2"): range(400, 1001, 5),
        ("stable", "2"): range(500, 1001, 5),
    }
    series = [{"metric": {"track": t, "version": v}, "values": [[i, "1"] for i in r]} for (t, v), r in samples.items()]
    show(page, "/delivery")
    rows = page.evaluate(
        "async (series) => (await import('/static/spans.js')).spans(series, 5, 1000)"
        ".map((row) => [row.Track, row.Version, row.Outcome, row.Until])",
        series,
    )
    assert rows == [
        ["stable", "2", "is the stable version", None],
        ["canary", "2", "promoted", None],
        ["canary", "1", "as stable: nothing on trial", 395],
        ["canary", "bad", "rolled back", 295],
        ["canary", "1", "as stable: nothing on trial", 195],
        ["stable", "1", "was replaced by 2", 495],
    ]


def sign_in(page: Page, password: str, to: str) -> None:
    page.goto(f"/login?to={quote(to)}")
    page.fill("#password", password)
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Sign out")).to_be_visible(timeout=15_000)


def test_logs_are_searched_behind_the_login(page: Page, password: str) -> None:
    show(page, "/logs")
    expect(page.locator("#content")).to_contain_text("Sign in to search the lines in Logstore")
    sign_in(page, password, "/logs")
    lines = page.get_by_role("list", name="Lines").locator("li")
    expect(lines.first).to_be_visible(timeout=15_000)
    page.fill("#query", "service.name:storefront")
    page.keyboard.press("Enter")
    expect(lines.filter(has_not_text="storefront")).to_have_count(0)
    expect(lines.first).to_contain_text("storefront")
    assert "q=service.name%3Astorefront" in page.url
    expect(page.get_by_role("link", name="explorer")).to_be_visible()


def test_live_lines_come_by_themselves_and_stay_text(page: Page, console: str, stack: Run, password: str) -> None:
    """A request that nobody else makes is seen without a click, whatever it holds."""
    sign_in(page, password, "/logs?since=5m&q=hostile-line")
    lines = page.get_by_role("list", name="Lines").locator("li")
    shop = stack("url", "storefront").stdout.strip()
    requests.get(f"{shop}hostile-line", headers={"User-Agent": HOSTILE}, timeout=5)
    expect(lines.first).to_contain_text("hostile-line", timeout=30_000)
    assert page.locator("main img").count() == 0


def test_search_that_cannot_be_read_says_why(page: Page, password: str) -> None:
    page.expected = "502"  # type: ignore[attr-defined]
    sign_in(page, password, "/logs")
    page.fill("#query", "(")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Logstore answers with status 400")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_log_lines_have_no_barriers_and_fit_a_phone(page: Page, axe: str, password: str, scheme: Any) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": 360, "height": 740})
    sign_in(page, password, "/logs")
    expect(page.get_by_role("list", name="Lines").locator("li").first).to_be_visible(timeout=15_000)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert barriers(page, axe) == []


# --- Prometheus down (last: it comes back with empty rates) -------------------------------------


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
        expect(page.locator("[data-service=gateway]")).to_contain_text("ready")
    finally:
        assert stack("up", "--profile", "lite").returncode == 0
    assert requests.get(f"{console}/api/sources/prometheus/api/v1/query?query=1", timeout=5).status_code == 200
