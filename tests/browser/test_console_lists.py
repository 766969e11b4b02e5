"""The console's lists: AWS resources, notifications, builds, deliveries and log lines."""

from __future__ import annotations

import json
import re

import boto3
import pytest
import requests
from playwright.sync_api import Page, expect

from ..stack import Run
from .console import HOSTILE, show

pytestmark = pytest.mark.docker


def test_aws_resources_are_listed(page: Page, stack: Run) -> None:
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


def test_version_on_trial_is_told(page: Page, stack: Run) -> None:
    """A real release, published and tried by the canary."""
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


def test_logs_are_searched_behind_the_login(page: Page, password: str) -> None:
    page.expected = "502"  # type: ignore[attr-defined]
    show(page, "/logs?since=5m")
    expect(page.locator("#content")).to_contain_text("Sign in to search the lines in Logstore")
    page.locator("#content").get_by_role("link", name="Sign in").click()
    page.fill("#password", password)
    page.keyboard.press("Enter")
    lines = page.get_by_role("list", name="Lines").locator("li")
    expect(lines.first).to_be_visible()
    assert "since=5m" in page.url
    page.fill("#query", "service.name:storefront")
    page.keyboard.press("Enter")
    expect(lines.filter(has_not_text="storefront")).to_have_count(0)
    expect(lines.first).to_contain_text("storefront")
    assert "q=service.name%3Astorefront" in page.url
    expect(page.get_by_role("link", name="explorer")).to_be_visible()
    page.fill("#query", "(")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Logstore answers with status 400")


def test_live_lines_come_by_themselves_and_stay_text(signed_in: Page, stack: Run) -> None:
    """A request that nobody else makes is seen without a click, whatever it holds."""
    page = signed_in
    show(page, "/logs?since=5m&q=hostile-line")
    lines = page.get_by_role("list", name="Lines").locator("li")
    shop = stack("url", "storefront").stdout.strip()
    requests.get(f"{shop}hostile-line", headers={"User-Agent": HOSTILE}, timeout=5)
    expect(lines.first).to_contain_text("hostile-line", timeout=30_000)
    assert page.locator("main img").count() == 0
