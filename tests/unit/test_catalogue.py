"""Fragments read into services, and the choice of a stack."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox import catalogue
from sandbox.catalogue import Catalogue
from sandbox.errors import ConfigurationError, UsageError


def fragment(name: str, extra: str = "", about: str = "profiles: [lite]") -> str:
    return f"x-sandbox: {{{about}}}\nservices:\n  {name}:\n    image: example/{name}:1\n{extra}"


def read(folder: Path, **texts: str) -> Catalogue:
    folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        (folder / f"{name}.yml").write_text(text)
    return catalogue.read(folder, folder / "configs")


def test_needs_come_along_and_cannot_be_left_out(tmp_path: Path) -> None:
    found = read(tmp_path / "c", a=fragment("a", "    depends_on: [b]\n"), b=fragment("b", about=""))
    stack = catalogue.choose(found, (), "lite", ())
    assert [service.name for service in stack.services] == ["a", "b"]
    with pytest.raises(UsageError, match="b cannot be left out: a needs it"):
        catalogue.choose(found, (), "lite", ["b"])
    assert catalogue.dependents(found, ["a", "b"], ["b"]) == {"a", "b"}


def test_two_providers_of_one_capability_are_refused(tmp_path: Path) -> None:
    about = "profiles: [lite], provides: aws"
    found = read(tmp_path / "c", a=fragment("a", about=about), b=fragment("b", about=about))
    with pytest.raises(UsageError, match="a and b both provide aws"):
        catalogue.choose(found, (), "lite", ())


def test_a_capability_is_provided_by_who_is_there_else_by_the_smallest(tmp_path: Path) -> None:
    found = read(
        tmp_path / "c",
        app=fragment("app", about="profiles: [lite], needs: [aws]"),
        large=fragment("large", about="provides: aws, disk: 900m"),
        small=fragment("small", about="provides: aws, disk: 100m"),
    )

    def chosen(*names: str, without: tuple[str, ...] = ()) -> list[str]:
        return [service.name for service in catalogue.choose(found, names, "", without).services]

    assert chosen("app") == ["app", "small"]
    assert chosen("app", "large") == ["app", "large"]
    assert chosen("app", without=("small",)) == ["app", "large"]
    with pytest.raises(UsageError, match="app needs aws, and what provides it is left out"):
        chosen("app", without=("small", "large"))
    assert catalogue.dependents(found, ["app"], ["small"]) == {"app"}


def test_faults_are_read(tmp_path: Path) -> None:
    kinds = "kinds: {slow: {summary: It waits., amount: 5, unit: ms, alert: Slow}}"
    found = read(tmp_path / "c", a=fragment("a", about=f"faults: {{command: [python3, f.py], {kinds}}}"))
    faults = found.services["a"].faults
    assert faults
    assert (faults.command, faults.kinds[0].name, faults.kinds[0].amount) == (("python3", "f.py"), "slow", 5)


@pytest.mark.parametrize(
    ("name", "message"),
    [("promethues", 'no service promethues, did you mean "prometheus"'), ("lite", "lite is a profile")],
)
def test_unknown_name_is_explained(tmp_path: Path, name: str, message: str) -> None:
    found = read(tmp_path / "c", prometheus=fragment("prometheus"))
    with pytest.raises(UsageError, match=message):
        catalogue.choose(found, [name], "auto", ())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (fragment("a", about="profles: [lite]"), r'a.yml:1: unknown key profles, did you mean "profiles"'),
        (fragment("b"), "must define the service a"),
        (fragment("a", "    ports: ['80']\n"), "should look like"),
        (fragment("a", "    depends_on: [gone]\n"), "a needs gone, which no fragment defines"),
        (fragment("a", "    command: $HOME\n"), r"a.yml:5: write \$\{NAME:-default\}"),
        (fragment("a", about="endpoints: {http: {prt: 1}}"), "needs a port"),
        (fragment("a", about="endpoints: {http: {port: 80}}"), "a publishes|a has no port 80"),
        (fragment("a", about="needs: [aws]"), "a needs aws, which nothing provides"),
        (fragment("a", about="needs: aws"), "needs must be a list"),
        (fragment("a", about="faults: {kinds: {}}"), "faults needs a command"),
        (fragment("a", about="faults: {command: [x], kinds: {slow: {unit: ms}}}"), "fault slow needs alert, amount"),
        ("services: []", "not a Compose file"),
        ("a: [", "not valid YAML"),
    ],
)
def test_broken_fragment_names_its_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        read(tmp_path / "c", a=text)
