"""Names of images: mirrors and recipes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from sandbox import catalogue
from sandbox.errors import EngineError, SandboxError
from sandbox.images import ImagePlan, Registries, built_name, mirrored, obtain, plan, pull, side_by_side
from sandbox.model import Event
from tests.fake_engine import FakeEngine


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("quay.io/prometheus/prometheus:v3", "m:5000/x/prometheus/prometheus:v3"),
        ("grafana/grafana:12", "m:5000/x/grafana/grafana:12"),
        ("haproxy:3", "m:5000/x/library/haproxy:3"),
        ("localhost:5000/a:1", "m:5000/x/a:1"),
    ],
)
def test_mirrored(image: str, expected: str) -> None:
    assert mirrored(image, "m:5000/x") == expected


def test_built_name_follows_the_recipe_and_its_base(tmp_path: Path) -> None:
    for name in ("base", "web"):
        (tmp_path / "images" / name).mkdir(parents=True)
        (tmp_path / "images" / name / "Dockerfile").write_text("FROM scratch")
    recipe = tmp_path / "images" / "web"
    first = built_name(recipe)
    assert first == built_name(recipe)
    assert first.startswith("sandbox/web:")
    (tmp_path / "images" / "base" / "Dockerfile").write_text("FROM other")
    assert built_name(recipe) != first


def test_first_error_of_parallel_work_is_raised() -> None:
    done: list[int] = []

    def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        side_by_side([lambda: done.append(1), fail], 1)
    assert done == [1]


@pytest.fixture
def engine() -> FakeEngine:
    return FakeEngine()


@pytest.fixture
def plan_for(tmp_path: Path, engine: FakeEngine) -> Callable[..., ImagePlan]:
    """The plan for one service `web`, with or without a recipe beside it."""

    def planned(
        mode: str = "auto",
        recipe: bool = False,
        chosen: str = "",
        mirror: str = "",
        bundled: Mapping[str, int] | None = None,
    ) -> ImagePlan:
        folder = tmp_path / "compose"
        folder.mkdir(exist_ok=True)
        (folder / "web.yml").write_text("services: {web: {image: '${WEB_IMAGE:-example/web:1}'}}")
        if recipe:
            for name in ("web", "base"):
                (folder / "images" / name).mkdir(parents=True, exist_ok=True)
                (folder / "images" / name / "Dockerfile").write_text("ARG BASE_IMAGE")
        found = catalogue.read(folder, folder / "configs")
        stack = catalogue.choose(found, ["web"], "", ())
        own = {"WEB_IMAGE": chosen} if chosen else {}
        return plan(stack, engine.image_sizes(), mode, Registries(engine, mirror), own, bundled)[0]

    return planned


@pytest.mark.parametrize(
    ("mode", "here", "bundled", "action"),
    [
        ("auto", True, "example/web:1", "present"),
        ("auto", False, "example/web:1", "load"),
        ("auto", False, "example/other:1", "pull"),
        ("pull", False, "example/web:1", "load"),
        ("offline", False, "example/web:1", "load"),
        ("offline", False, "example/other:1", "impossible"),
        ("build", False, "example/web:1", "build"),
    ],
)
def test_plan_with_a_bundle(
    plan_for: Callable[..., ImagePlan], engine: FakeEngine, mode: str, here: bool, bundled: str, action: str
) -> None:
    engine.registry.add("example/web:1")
    if here:
        engine.images["example/web:1"] = 7
    found = plan_for(mode, recipe=True, bundled={bundled: 9})
    assert (found.action, found.size) == (action, {"present": 7, "load": 9}.get(action, 0))


def test_what_a_room_or_a_bundle_built_is_taken_under_its_built_name(
    plan_for: Callable[..., ImagePlan], engine: FakeEngine
) -> None:
    built = plan_for("build", recipe=True).image
    engine.registry = {f"m:5000/{built}"}
    assert plan_for("auto", recipe=True, mirror="m:5000").image == built
    assert plan_for("auto", recipe=True, mirror="m:5000").action == "pull"
    loaded = plan_for("auto", recipe=True, bundled={built: 1})
    assert (loaded.action, loaded.image) == ("load", built)


@pytest.mark.parametrize(
    ("mode", "here", "pullable", "recipe", "action"),
    [
        ("auto", True, True, True, "present"),
        ("auto", False, True, True, "pull"),
        ("auto", False, False, True, "build"),
        ("auto", False, False, False, "impossible"),
        ("pull", False, True, True, "pull"),
        ("pull", False, False, True, "impossible"),
        ("build", False, True, True, "build"),
        ("build", False, True, False, "pull"),
        ("offline", True, True, True, "present"),
        ("offline", False, True, True, "impossible"),
    ],
)
def test_plan(
    plan_for: Callable[..., ImagePlan],
    engine: FakeEngine,
    mode: str,
    here: bool,
    pullable: bool,
    recipe: bool,
    action: str,
) -> None:
    if here:
        engine.images["example/web:1"] = 7
    if pullable:
        engine.registry.add("example/web:1")
    found = plan_for(mode, recipe)
    assert found.action == action
    assert found.image.startswith("sandbox/web:" if action == "build" else "example/web:1")


@pytest.mark.parametrize("pullable", [True, False])
def test_a_recipe_that_adds_to_an_official_image_needs_that_one(
    plan_for: Callable[..., ImagePlan], engine: FakeEngine, tmp_path: Path, pullable: bool
) -> None:
    plan_for(recipe=True)
    (tmp_path / "compose" / "web.yml").write_text("services: {web: {image: '${WEB_IMAGE:-sandbox/web:local}'}}")
    dockerfile = tmp_path / "compose" / "images" / "web" / "Dockerfile"
    dockerfile.write_text("FROM example/web:1\nUSER 1000\n")
    if pullable:
        engine.registry.add("example/web:1")
    found = catalogue.read(tmp_path / "compose", tmp_path / "configs")
    stack = catalogue.choose(found, ["web"], "", ())
    (planned,) = plan(stack, {}, "auto", Registries(engine, ""), {}, {})
    assert planned.action == ("build" if pullable else "impossible")
    if pullable:
        (done,) = obtain([planned], engine, "auto", "", lambda event: None)
        assert {"example/web:1", done.image} == set(engine.images), "no base of ours is built for it"
    else:
        with pytest.raises(EngineError, match=r"made of example/web:1, which cannot be pulled: manifest unknown"):
            obtain([planned], engine, "auto", "", lambda event: None)


def test_an_image_the_user_names_has_no_recipe(plan_for: Callable[..., ImagePlan]) -> None:
    assert plan_for(recipe=True, chosen="mine/web:2").action == "impossible"


def test_failed_pull_falls_back_to_the_recipe(plan_for: Callable[..., ImagePlan], engine: FakeEngine) -> None:
    engine.registry.add("example/web:1")
    planned = plan_for(recipe=True)
    engine.registry.clear()
    engine.images["python:3.13-slim-trixie"] = 1
    said: list[Event] = []
    (done,) = obtain([planned], engine, "auto", "", said.append)
    assert done.image in engine.images
    assert "building it instead" in "".join(event.text for event in said)


def test_nothing_is_done_when_one_image_cannot_be_had(plan_for: Callable[..., ImagePlan], engine: FakeEngine) -> None:
    engine.registry.add("other:1")
    pulled = ImagePlan("other", "", "other:1", "other:1", "pull", 0, None)
    with pytest.raises(EngineError, match="web: example/web:1 cannot be had: manifest unknown") as caught:
        obtain([pulled, plan_for()], engine, "auto", "", lambda event: None)
    assert "--without web" in caught.value.hint
    assert "other:1" not in engine.images


def test_a_broken_pull_is_tried_again(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[str] = []

    def breaks_once(image: str, progress: Callable[[int, int], None], platform: str) -> None:
        tries.append(image)
        if len(tries) == 1:
            raise SandboxError("unexpected EOF")

    monkeypatch.setattr(engine, "pull", breaks_once)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    pull("example/web:1", engine, "", lambda event: None)
    assert tries == ["example/web:1"] * 2


def test_mirror_is_asked_per_image_and_a_dead_one_only_once(engine: FakeEngine) -> None:
    asked: list[str] = []

    def answer(image: str) -> str:
        asked.append(image)
        return "connection refused" if image.startswith("dead") else "" if "web" in image else "manifest unknown"

    engine.why_not_pullable = answer  # type: ignore[method-assign]
    mirror = Registries(engine, "mirror:5000")
    assert (mirror.why_not("a/web:1"), mirror.why_not("a/other:1")) == ("", "manifest unknown")
    dead = Registries(engine, "dead:5000")
    assert dead.why_not("a/web:1") == dead.why_not("a/other:1") == "connection refused"
    assert asked == ["mirror:5000/a/web:1", "mirror:5000/a/other:1", "dead:5000/a/web:1"]


def test_a_mirror_that_is_late_is_asked_again(engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = ["net/http: request canceled (Client.Timeout exceeded while awaiting headers)", "EOF", ""]
    monkeypatch.setattr(engine, "why_not_pullable", lambda image: answers.pop(0))
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    assert Registries(engine, "mirror:5000").why_not("a/web:1") == ""
    assert answers == []


def test_what_the_registry_said_stands_in_the_error_of_a_failed_build(
    plan_for: Callable[..., ImagePlan], engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = plan_for(recipe=True, mirror="mirror:5000")
    assert (planned.action, planned.reason) == ("build", "manifest unknown")

    def fail(*arguments: object) -> None:
        raise SandboxError("no network", "mend it")

    engine.images["python:3.13-slim-trixie"] = 1
    monkeypatch.setattr(engine, "build", fail)
    with pytest.raises(SandboxError, match=r"no network\nsandbox/web:.* was to be built because: manifest unknown"):
        obtain([planned], engine, "auto", "mirror:5000", lambda event: None)
