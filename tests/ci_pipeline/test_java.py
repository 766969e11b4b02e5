"""Which Java the worker runs in."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.ci.groovy import java
from sandbox.errors import SandboxError


def test_the_hosts_own_java_comes_first() -> None:
    command = java.command(77)
    assert command[0] == "java"
    assert "-Xmx77m" in command
    assert "-XX:+ExitOnOutOfMemoryError" in command


def test_without_groovy_the_image_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANDBOX_GROOVY_JAR", "/nonexistent")
    monkeypatch.setenv("SANDBOX_CI_IMAGE", "some/image:1")
    command = java.command(77, [Path("/lib")])
    assert command[:4] == ["docker", "run", "--rm", "--interactive"]
    assert "--network=none" in command
    assert "--volume=/lib:/lib:ro" in command
    assert command[-5:] == ["some/image:1", "python3", "-m", "sandbox.ci.groovy", "77"]


def test_without_either_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANDBOX_GROOVY_JAR", "/nonexistent")
    with pytest.raises(SandboxError) as error:
        java.command(77)
    assert "sandbox images build ci" in error.value.hint
