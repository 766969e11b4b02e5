"""The parts that need no server: schedules, trees, colours, labels, configurations."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from sandbox.ci.cron import Schedule
from sandbox.ci.model import Declared, Parameter, Source, workspace_name
from sandbox.ci.server import configuration
from sandbox.ci.server.agents import matches
from sandbox.ci.server.ansi import Painter
from sandbox.ci.server.configuration import Definition
from sandbox.ci.server.exposed import Bean, parse_tree, render
from sandbox.ci.server.triggers import normal
from sandbox.ci.store import MULTIBRANCH, PIPELINE


def minutes(spec: str, name: str = "job") -> list[tuple[int, int]]:
    """When it is due on an ordinary Tuesday."""
    schedule = Schedule(spec, name)
    day = [(hour, minute) for hour in range(24) for minute in range(60)]
    return [each for each in day if schedule.due(datetime(2026, 11, 24, *each, tzinfo=UTC))]


def test_schedules() -> None:
    assert minutes("30 4 * * *") == [(4, 30)]
    assert minutes("*/20 1-2 * * *") == [(1, 0), (1, 20), (1, 40), (2, 0), (2, 20), (2, 40)]
    assert minutes("0 12 * * 1") == []
    assert minutes("0 12 * * 2") == [(12, 0)]
    assert minutes("# nothing\n\n0 1 * * *\n0 2 * * *") == [(1, 0), (2, 0)]
    assert minutes("TZ=Asia/Tokyo\n0 9 * * *") == [(0, 0)]


def test_h_spreads_and_stays() -> None:
    assert len(minutes("@daily")) == 1
    assert len(minutes("H/15 * * * *")) == 96
    assert minutes("H H * * *") == minutes("H H * * *")
    assert len({tuple(minutes("H H * * *", f"job {number}")) for number in range(20)}) > 15
    assert all(hour < 3 for hour, _ in minutes("@midnight"))


@pytest.mark.parametrize(
    "spec",
    ["* * * *", "60 * * * *", "a * * * *", "*/0 * * * *", "30-10 * * * *", "H(5-4) * * * *", "TZ=Nowhere\n* * * * *"],
)
def test_schedules_that_are_none(spec: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        Schedule(spec, "job")


def bean(name: str, *below: Bean) -> Bean:
    return Bean("Job", {"name": name, "size": lambda: len(name), "jobs": list(below)}, ("name",), frozenset())


def test_depth_and_tree() -> None:
    top = bean("top", bean("one", bean("deep")), bean("two"))
    assert render(top)["jobs"] == [{"_class": "Job", "name": "one"}, {"_class": "Job", "name": "two"}]
    assert render(top, depth=1)["jobs"][0]["jobs"] == [{"_class": "Job", "name": "deep"}]
    assert render(top, parse_tree("jobs")) == {"_class": "Job", "jobs": [{"_class": "Job"}, {"_class": "Job"}]}
    only = render(top, parse_tree("jobs[name,jobs[size]]{0,1}"))
    assert only["jobs"] == [{"_class": "Job", "name": "one", "jobs": [{"_class": "Job", "size": 4}]}]
    assert set(render(top, parse_tree("*"))) == {"_class", "name", "size", "jobs"}


@pytest.mark.parametrize("tree", ["jobs[", "jobs]", "a b", "jobs[name", "(", "[" * 100])
def test_trees_that_are_none(tree: str) -> None:
    with pytest.raises(ValueError, match="tree"):
        parse_tree(tree)


def test_colours() -> None:
    painter = Painter()
    assert painter.html("\x1b[1;31mred") == '<span class="ansi-bold ansi-red">red</span>'
    assert painter.html("still <b>\x1b[0m plain") == '<span class="ansi-bold ansi-red">still &lt;b&gt;</span> plain'
    assert painter.html("\x1b[38;5;196mx\x1b[39my") == '<span class="" style="color:#ff0000;">x</span>y'
    assert painter.html("\x1b]0;title\x07\x1b[2Kgone") == "gone"
    assert painter.html("\x1b[38;2;1;2") == "[38;2;1;2"
    assert 'href="https://a.example/?x=1&amp;y"' in painter.html("see https://a.example/?x=1&y.")


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        ("linux", True),
        ("gpu", False),
        ("linux && !gpu", True),
        ("gpu || (linux && x64)", True),
        ('"x64"', True),
        ("!linux", False),
    ],
)
def test_labels(expression: str, holds: bool) -> None:
    assert matches(expression, frozenset({"linux", "x64"})) is holds


def test_label_that_is_none() -> None:
    with pytest.raises(ValueError, match="label expression"):
        matches("linux &&", frozenset())


def test_configuration_there_and_back() -> None:
    parameters = (
        Parameter("WHO", "string", "a <b>", "who & why"),
        Parameter("YES", "booleanParam", True),
        Parameter("ONE", "choice", "x", "", ("x", "y")),
    )
    declared = Declared(parameters, (("cron", "H * * * *"), ("upstream", "a,b")), 7, concurrent=False)
    for definition in (
        Definition(PIPELINE, "text", script="echo '<&>'\n", declared=declared),
        Definition(
            PIPELINE, source=Source("https://x.example/r.git", "main", script_path="ci/Jenkinsfile"), declared=declared
        ),
        Definition(MULTIBRANCH, source=Source("https://x.example/r.git"), branches="main release/*", exclude="old"),
    ):
        assert configuration.read(configuration.write(definition)) == definition


def test_freestyle_becomes_a_pipeline() -> None:
    definition = configuration.read(
        """<?xml version='1.1' encoding='UTF-8'?><project><canRoam>true</canRoam><builders><hudson.tasks.Shell>
        <command>echo 'it''s'
make</command></hudson.tasks.Shell></builders><publishers><hudson.tasks.ArtifactArchiver><artifacts>*.zip</artifacts>
        </hudson.tasks.ArtifactArchiver></publishers></project>"""
    )
    assert r"sh(script: 'echo \'it\'\'s\'\nmake')" in definition.script
    assert "archiveArtifacts(artifacts: '*.zip', allowEmptyArchive: false)" in definition.script
    assert not definition.declared.concurrent


def test_workspaces_of_long_branches() -> None:
    assert workspace_name("team/web") == "team/web"
    names = {workspace_name(f"web/{'%C3%A9' * 80}{end}") for end in "ab"}
    assert len(names) == 2
    assert all(len(name) < 210 for name in names)


def test_addresses_of_one_repository() -> None:
    forms = (
        "https://github.com/a/b.git",
        "https://github.com/a/b",
        "git@github.com:a/b.git",
        "ssh://git@github.com/a/b",
    )
    assert {normal(form) for form in forms} == {"github.com/a/b"}
