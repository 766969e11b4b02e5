"""Layers, origins, and every problem at once with its place."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sandbox import catalogue, settings
from sandbox.catalogue import Catalogue
from sandbox.errors import ConfigurationError
from sandbox.model import Settings

FRAGMENT = """\
x-sandbox: {profiles: [lite]}
services:
  web:
    image: ${WEB_IMAGE:-example/web:1}
    mem_limit: ${WEB_MEMORY:-64m}
    ports: ["127.0.0.1:${WEB_PORT:-8000}:80"]
"""


@pytest.fixture
def fragments(tmp_path: Path) -> Path:
    folder = tmp_path / "compose"
    folder.mkdir()
    (folder / "web.yml").write_text(FRAGMENT)
    return folder


def load(
    fragments: Path, environ: Mapping[str, str] = {}, flags: Mapping[str, Any] = {}, assignments: tuple[str, ...] = ()
) -> Settings:
    def read(include: Any) -> Catalogue:
        return catalogue.read(fragments, fragments / "configs", include)

    return settings.load(None, environ, flags, assignments, read)[0]


def test_later_layers_win_and_origins_are_kept(fragments: Path) -> None:
    Path("sandbox.yml").write_text("project: from-file\ntimeout: 10\nsettings:\n  WEB_PORT: 8001\n  WEB_MEMORY: 32m\n")
    environ = {"SANDBOX_TIMEOUT": "20", "SANDBOX_WEB_PORT": "8002"}
    loaded = load(fragments, environ, {"timeout": 30}, ("WEB_PORT=8003",))
    assert (loaded.project, loaded.origins["project"]) == ("from-file", "sandbox.yml:1")
    assert (loaded.timeout, loaded.origins["timeout"]) == (30, "--timeout")
    assert (loaded.values["WEB_PORT"].value, loaded.values["WEB_PORT"].origin) == ("8003", "--set")
    assert loaded.values["WEB_MEMORY"].origin == "sandbox.yml:5"
    assert (loaded.images, loaded.origins["images"]) == ("auto", "default")


def test_all_problems_are_told_together_with_their_place(fragments: Path) -> None:
    Path("sandbox.yml").write_text(
        "projct: x\nprofile: lit\nimages: sometimes\ntimeout: soon\nsettings:\n  WEB_PROT: 1\n  WEB_PORT: 99999\n"
    )
    with pytest.raises(ConfigurationError) as caught:
        load(fragments)
    text = "\n".join(caught.value.problems)
    assert 'sandbox.yml:1: unknown key projct, did you mean "project"?' in text
    assert 'sandbox.yml:2: there is no profile lit, did you mean "lite"?' in text
    assert "sandbox.yml:3: images must be one of auto, pull, build, offline" in text
    assert "sandbox.yml:4: timeout must be seconds" in text
    assert 'sandbox.yml:6: unknown setting WEB_PROT, did you mean "WEB_PORT"?' in text
    assert "sandbox.yml:7: WEB_PORT must be a port" in text
    assert caught.value.exit_code == 2


def test_a_typing_error_in_the_environment_is_told_and_a_stranger_is_left_alone(fragments: Path) -> None:
    assert load(fragments, {"SANDBOX_QQ": "1", "SANDBOX_HOME": "/x"}).values == {}
    with pytest.raises(ConfigurationError, match="SANDBOX_PROFIL: unknown setting PROFIL, did you mean"):
        load(fragments, {"SANDBOX_PROFIL": "lite"})


@pytest.mark.parametrize("text", ["a: [", "- 1", "project: a\nproject: b", "&a [*a]", "project: 7", "\x00"])
def test_a_broken_file_is_a_problem_with_a_place(fragments: Path, text: str) -> None:
    Path("sandbox.yml").write_text(text)
    with pytest.raises(ConfigurationError, match=r"sandbox\.yml"):
        load(fragments)
