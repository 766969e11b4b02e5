"""Which Terraform runs, the host's or its image's, and where its provider comes from."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox import terraform_program
from sandbox.errors import EngineError
from sandbox.terraform_program import IMAGE, PROVIDER, Program
from tests.fake_engine import FakeEngine


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Linux computer with Terraform, whose user has no configuration of it."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("TF_CLI_CONFIG_FILE", raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("sandbox.processes.have", lambda program: True)
    monkeypatch.setattr(terraform_program, "MIRRORS", ("~/plugins",))
    return tmp_path


@pytest.fixture
def mirror(home: Path) -> Path:
    (home / "plugins" / PROVIDER).mkdir(parents=True)
    return home / "plugins"


def found(home: Path, engine: FakeEngine | None = None, registry: str = "") -> Program:
    return terraform_program.find(engine or FakeEngine(), "here", home, registry, lambda event: None)


def test_the_hosts_terraform_keeps_its_own_ways(home: Path) -> None:
    assert found(home) == Program(("terraform",), str(home / "terraform"), {})


def test_a_mirror_on_this_computer_is_used(home: Path, mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_CLI_CONFIG_FILE", str(home / "gone"))
    config = Path(found(home).environ["TF_CLI_CONFIG_FILE"])
    assert f'path    = "{mirror}"' in config.read_text()


@pytest.mark.parametrize("variable", ["TF_CLI_CONFIG_FILE", ""])
def test_the_users_own_configuration_wins(
    home: Path, mirror: Path, variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = home / ".terraformrc"
    own.touch()
    if variable:
        monkeypatch.setenv(variable, str(own))
    assert found(home).environ == {}


def test_without_terraform_its_image_runs_on_the_sandboxs_network(
    home: Path, mirror: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox.processes.have", lambda program: False)
    monkeypatch.setenv("TF_LOG", "debug")
    engine = FakeEngine()
    engine.registry = {f"mirror/{IMAGE}"}
    program = found(home, engine, "mirror")
    assert IMAGE in engine.images
    assert (program.folder, program.environ) == ("/sandbox/terraform", {"AWS_ENDPOINT_URL": "http://aws:4566"})
    command = program.command
    assert command[:2] == ("docker", "run")
    assert command[-1] == IMAGE
    assert {"--network=here_default", "--memory=2g", "--cap-drop=ALL", "--env=AWS_ENDPOINT_URL"} <= {*command}
    assert {f"--volume={mirror}:/sandbox/plugins:ro", "--env=TF_LOG"} <= {*command}


def test_neither_program_nor_image_is_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.processes.have", lambda program: False)
    with pytest.raises(EngineError, match="not installed on this computer, and its image cannot be had"):
        found(home)
