"""What an operator does to a running sandbox: faults, replicas, questions to services, Terraform."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from sandbox import catalogue, settings
from sandbox.catalogue import Catalogue
from sandbox.cli import root
from sandbox.commands import Call
from sandbox.errors import SandboxError, UsageError
from sandbox.sandbox import Sandbox
from tests.fake_engine import FakeEngine

SWITCH = """\
import json, pathlib, sys
file = pathlib.Path(__file__).with_suffix(".json")
faults = json.loads(file.read_text()) if file.exists() else {}
verb, *rest = sys.argv[1:]
if verb == "inject":
    if float(rest[1]) > 100:
        sys.exit("at most 100")
    faults[rest[0]] = float(rest[1])
elif verb == "clear":
    faults = {name: amount for name, amount in faults.items() if rest and name != rest[0]}
file.write_text(json.dumps(faults))
print(json.dumps(faults))
"""
FRAGMENT = """\
x-sandbox:
  profiles: [lite]
  faults:
    command: [PYTHON, SWITCH]
    kinds:
      slow: {summary: It waits., amount: 5, unit: ms, alert: Slow}
      OWN: {summary: It fails., amount: 1, unit: of 1, alert: Failing}
services:
  NAME:
    image: ${NAMED_IMAGE:-example/app:1}
    mem_limit: 64m
    scale: ${UPPER_REPLICAS:-1}
    healthcheck: {test: ["CMD", "true"]}
"""


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    """Two services that can be broken, and have one fault in common; running."""
    fragments = tmp_path / "fragments"
    fragments.mkdir()
    for name, own in (("shop", "leak"), ("worker", "poison")):
        switch = tmp_path / f"{name}.py"
        switch.write_text(SWITCH)
        text = FRAGMENT.replace("NAMED", "APP").replace("NAME", name).replace("UPPER", name.upper())
        text = text.replace("PYTHON", sys.executable).replace("SWITCH", str(switch)).replace("OWN", own)
        (fragments / f"{name}.yml").write_text(text)
    engine = FakeEngine()
    engine.images = {"example/app:1": 100}
    sandbox = Sandbox("here", tmp_path / "home", engine, lambda event: None)

    def read(include: object) -> Catalogue:
        return catalogue.read(fragments, fragments / "configs", ())

    sandbox.up(*settings.load(None, {}, {"project": "here", "profile": "lite"}, (), read))
    return sandbox


def amounts(sandbox: Sandbox) -> dict[tuple[str, str], float]:
    return {(state.service, state.fault.name): state.amount for state in sandbox.faults()}


def test_faults_are_listed_injected_and_cleared(sandbox: Sandbox) -> None:
    off = {("shop", "slow"): 0, ("shop", "leak"): 0, ("worker", "slow"): 0, ("worker", "poison"): 0}
    assert amounts(sandbox) == off
    assert sandbox.inject("poison", "", None).amount == 1
    assert sandbox.inject("slow", "shop", 40).amount == 40
    assert amounts(sandbox) == {**off, ("worker", "poison"): 1, ("shop", "slow"): 40}
    sandbox.clear("slow")
    assert amounts(sandbox) == {**off, ("worker", "poison"): 1}
    sandbox.clear()
    assert amounts(sandbox) == off


def test_doubtful_faults_are_explained(sandbox: Sandbox) -> None:
    with pytest.raises(UsageError, match='no fault poisn, did you mean "poison"'):
        sandbox.inject("poisn", "", None)
    with pytest.raises(UsageError, match="more than one service knows slow: shop, worker"):
        sandbox.inject("slow", "", None)
    with pytest.raises(SandboxError, match="here-shop-1: at most 100"):
        sandbox.inject("slow", "shop", 200)
    with pytest.raises(SandboxError, match="shop-canary is not running"):
        sandbox.inject("slow", "shop", 1, "shop-canary")
    sandbox.down(False)
    with pytest.raises(SandboxError, match="no service of this sandbox has faults"):
        sandbox.faults()


def test_replicas_change_live_and_last(sandbox: Sandbox) -> None:
    def names() -> list[str]:
        return [state.name for state in sandbox.engine.containers("here") if state.service == "shop"]

    sandbox.scale("shop", 3, 10)
    assert names() == ["here-shop-1", "here-shop-2", "here-shop-3"]
    assert sandbox.workspace.previous_values()["SHOP_REPLICAS"] == "3"
    assert len(sandbox.ask("shop", ["echo", "here"])) == 3
    sandbox.scale("shop", 1, 10)
    assert names() == ["here-shop-1"]
    with pytest.raises(UsageError, match="gone is not part of the sandbox"):
        sandbox.scale("gone", 2, 10)


def test_terraform_needs_an_aws(sandbox: Sandbox) -> None:
    with pytest.raises(SandboxError, match="this sandbox has no AWS"):
        sandbox.terraform()


def test_the_verbs_print_what_they_did(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    from click.testing import CliRunner

    monkeypatch.setattr(Call, "sandbox", lambda call, say=None, project=None: sandbox)
    told = CliRunner().invoke(root, ["fault", "inject", "poison"])
    assert (told.exit_code, "worker: poison 1 of 1. It fails." in told.stderr) == (0, True)
    listed = CliRunner().invoke(root, ["fault", "list", "--json"])
    assert {(f["name"], f["amount"]) for f in json.loads(listed.stdout) if f["amount"]} == {("poison", 1)}
    assert "1 of 1" in CliRunner().invoke(root, ["fault", "list"]).stdout
    assert CliRunner().invoke(root, ["fault", "clear"]).exit_code == 0
    assert CliRunner().invoke(root, ["scale", "shop=2"]).exit_code == 0
    for bad in ("shop", "shop=0", "shop=11", "=2", "shop=x"):
        assert CliRunner().invoke(root, ["scale", bad]).exit_code == 2


def test_services_files_are_read_again_when_they_change(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []
    monkeypatch.setattr(
        catalogue, "read", lambda folder, configs, real=catalogue.read: read.append(folder) or real(folder, configs)
    )
    sandbox.catalogue()
    known = sandbox.catalogue()
    assert len(read) <= 1
    file = sandbox.workspace.folder / "services" / "shop.yml"
    file.write_text(file.read_text().replace("mem_limit: 64m", "mem_limit: 128m"))
    assert sandbox.catalogue() != known
    file.unlink()
    assert set(sandbox.catalogue().services) == {"worker"}
