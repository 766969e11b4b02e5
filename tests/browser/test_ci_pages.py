"""The CI server's pages in a real browser: by mouse and keyboard, live, dark and light."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.ci_server.conftest import AUTH, Running, until

WORK = """stage 'Build'
sh 'printf "\\033[32mgreen\\033[0m words\\n"; mkdir -p out; echo x > out/a.txt'
archive 'out/*'
stage 'Test'
tests 'adds=PASSED divides=FAILED'
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = Running(tmp_path_factory.mktemp("ci") / "home")
    yield running
    running.stop()


@pytest.fixture
def page(browser: object, server: Running, tmp_path: Path) -> Iterator[object]:
    """A page of somebody who is logged in; a script error fails the test."""
    context = browser.new_context(base_url=server.url)  # type: ignore[attr-defined]
    page = context.new_page()
    page.set_default_timeout(15_000)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto("/login")
    page.fill("input[name=j_password]", AUTH[1])
    page.keyboard.press("Enter")
    page.wait_for_selector("text=log out")
    yield page
    context.close()
    assert errors == []


def test_a_job_from_nothing_to_its_build(page, server: Running) -> None:  # type: ignore[no-untyped-def]
    page.goto("/newJob")
    page.fill("input[name=name]", "made here")
    page.fill("textarea[name=script]", WORK)
    page.click("main button.primary")
    page.click("text=Build now")
    page.wait_for_selector(".stages .cell.unstable, .stages .cell.success")
    assert page.inner_text(".stages thead").split("\n")[0].startswith("Build")
    page.click("#builds >> text=#1")
    page.wait_for_selector("h1 .pill >> text=unstable")
    assert page.eval_on_selector(".log .ansi-green", "each => each.textContent") == "green"
    assert "1 failed" in page.inner_text("#results")
    page.click("#results >> text=Tests")
    assert "divides" in page.inner_text("main")
    page.go_back()
    page.click("text=Rebuild")
    page.wait_for_selector("#builds >> text=#2")


def test_the_console_and_the_lists_are_live(page, server: Running) -> None:  # type: ignore[no-untyped-def]
    server.create("live", "sh 'for i in 1 2 3 4 5 6; do echo tick $i; sleep 0.3; done'\necho 'the end'")
    page.goto("/")
    server.submit("live")
    page.wait_for_selector("#executors >> text=live #1")
    page.click("#executors >> text=live #1")
    page.wait_for_selector(".log >> text=tick 2")
    assert "the end" not in page.inner_text(".log")
    page.check("#times")
    assert page.inner_text(".log time >> nth=0").count(":") == 2
    page.wait_for_selector(".log >> text=Finished: SUCCESS")
    page.wait_for_selector("h1 .pill >> text=success")
    lines = page.eval_on_selector_all(".log > span", "all => all.map(each => each.lastChild.textContent.trim())")
    assert [line for line in lines if line.startswith("tick")] == [f"tick {n}" for n in range(1, 7)]


def test_stop_and_answer(page, server: Running) -> None:  # type: ignore[no-untyped-def]
    server.create("sleeps", "sh 'exec sleep 60'")
    server.submit("sleeps")
    until(lambda: "[Pipeline] sh" in server.console("sleeps", 1))
    page.goto("/job/sleeps/1/")
    page.click("text=Stop")
    page.wait_for_selector("h1 .pill >> text=aborted")
    server.create("asks", "input 'Deploy?'\necho 'deployed'")
    page.goto("/job/asks/")
    page.click("text=Build now")
    page.click("#builds >> text=#1")
    page.wait_for_selector("text=Deploy?")
    page.select_option("select[name=WHERE]", "there")
    page.click("text=Proceed")
    page.wait_for_selector(".log >> text=Finished: SUCCESS")
    assert "'WHERE': 'there'" in page.inner_text(".log")


def test_by_keyboard_alone(page, server: Running) -> None:  # type: ignore[no-untyped-def]
    server.create("by-keyboard", "echo 'x'")
    page.goto("/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("/")
    page.keyboard.type("by-key")
    assert page.locator("tr[data-name]:visible").count() == 1
    page.keyboard.press("Enter")
    page.wait_for_url("**/job/by-keyboard/")
    page.focus("text=Build now")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") is not None
    page.keyboard.press("Enter")
    page.wait_for_selector("#builds >> text=#1")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "path", ["/", "/job/shown/", "/job/shown/1/", "/computer/", "/credentials/", "/newJob", "/user/admin/"]
)
def test_readable_in_light_and_dark(page, server: Running, scheme: str, path: str) -> None:  # type: ignore[no-untyped-def]
    if not server.get("job/shown/api/json").ok:
        server.create("shown", WORK)
        server.build("shown")
    page.emulate_media(color_scheme=scheme)
    page.goto(path)
    ground, ink = page.evaluate(
        "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
    )
    assert contrast(ground, ink) > 7
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth + 1")
    page.set_viewport_size({"width": 1280, "height": 720})


def test_credentials_are_entered_and_not_shown(page, server: Running) -> None:  # type: ignore[no-untyped-def]
    page.goto("/credentials/new")
    page.select_option("select[name=kind]", "usernamePassword")
    page.fill("input[name=id]", "robot")
    page.fill("input[name=username]", "r2d2")
    page.fill("textarea[name=secret]", "beep beep")
    page.click("main button.primary")
    assert "r2d2" in page.inner_text("main")
    assert "beep" not in page.content()
    page.on("dialog", lambda dialog: dialog.accept())
    page.click("main >> text=Delete")
    page.wait_for_url("**/credentials/**")
    assert server.get("credentials/store/system/domain/_/credential/robot/api/json").status_code == 404


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two rgb() colours, as WCAG defines it."""

    def luminance(colour: str) -> float:
        parts = [int(part) / 255 for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
        linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)
