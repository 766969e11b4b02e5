"""Our services among testcontainers' own, where its cleaner (Ryuk) cannot be had."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from sandbox.engine import ComposeEngine
from sandbox.errors import UsageError
from sandbox.testing import SandboxCompose, SandboxContainer


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    from testcontainers.core.config import testcontainers_config

    monkeypatch.setattr(testcontainers_config, "ryuk_disabled", True)
    monkeypatch.setenv("SANDBOX_HOME", str(tmp_path / "sandboxes"))
    yield tmp_path / "sandboxes"
    assert [path.name for path in (tmp_path / "sandboxes").glob("[!.]*")] == []


def test_one_service_as_a_container() -> None:
    with SandboxContainer("ministack") as aws:
        address = f"http://{aws.get_container_host_ip()}:{aws.get_exposed_port(4566)}"
        assert address == aws.get_url() == aws.env["AWS_ENDPOINT_URL"]
        assert requests.get(aws.url("ministack"), timeout=5).ok
        assert aws.exec("echo $((6 * 7)); exit 3") == (3, b"42\n")
        assert aws.exec(["echo", "$HOME"]) == (0, b"$HOME\n")
        assert b"Ready" in aws.get_logs()[0]
        with pytest.raises(UsageError, match="ministack publishes no port 1"):
            aws.get_exposed_port(1)
        project = aws.sandbox.project
    assert ComposeEngine().containers(project) == []


def test_their_container_on_our_network(base_image: str) -> None:
    from testcontainers.core.container import DockerContainer

    with SandboxCompose("ministack", "gateway") as ours:
        theirs = DockerContainer(base_image).with_network(ours.network).with_network_aliases("theirs")
        serving = theirs.with_command(["python3", "-m", "http.server", "8000", "--directory", "/tmp"])
        with serving.with_kwargs(init=True) as container:
            ask = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1], timeout=5).status)"
            health = "http://ministack:4566/_ministack/health"
            assert container.exec(["python3", "-c", ask, health]).output == b"200\n"
            theirs_from_ours = ours.sandbox.exec("ministack", "python3", "-c", ask, "http://theirs:8000/")
            assert (theirs_from_ours.code, theirs_from_ours.output) == (0, "200\n")
        assert set(ours.sandbox.services) == {"gateway", "ministack"}
        assert b"Ready" in ours.get_logs()[0]


def test_before_the_start_it_says_so() -> None:
    with pytest.raises(RuntimeError, match="not started"):
        SandboxCompose("ministack").url("ministack")
