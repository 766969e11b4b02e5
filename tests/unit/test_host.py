"""Ports, disk and package settings of this computer."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from sandbox import host
from sandbox.errors import EngineError


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_a_port_is_taken_by_any_listener(address: str) -> None:
    with socket.create_server((address, 0)) as listener:
        port = listener.getsockname()[1]
        assert not host.port_is_free(port)
        assert host.free_port(port, {port + 1}) > port + 1
    assert host.port_is_free(port)


def test_port_is_taken_by_datagrams_too() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        assert not host.port_is_free(listener.getsockname()[1], protocol="udp")


def test_free_disk_of_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    assert host.free_disk(str(tmp_path / "not" / "yet")) == pytest.approx(host.free_disk(str(tmp_path)), rel=0.05)


def test_builds_see_the_ca_bundle_but_no_local_package_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = tmp_path / "company.pem"
    bundle.write_text("certificate")
    monkeypatch.setenv("PIP_CERT", str(bundle))
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    (tmp_path / "pip.conf").write_text("[global]\nindex-url = https://packages.example/simple\nfind-links = /local\n")
    secrets = host.build_secrets(tmp_path)
    assert secrets["ca"] == bundle
    written = secrets["pip"].read_text()
    assert "cert = /run/host/ca.pem" in written
    assert "index-url = https://packages.example/simple" in written
    assert "/local" not in written


def test_engine_is_not_installed_where_we_do_not_know_how(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "_system", lambda: ("arch", ""))
    with pytest.raises(EngineError, match="cannot install Docker on"):
        host.install_engine(print)


def test_engine_is_not_installed_without_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "_system", lambda: ("debian", "12"))
    monkeypatch.setattr(host, "is_root", lambda: False)
    with pytest.raises(EngineError, match="installing Docker needs root") as caught:
        host.install_engine(print)
    assert "sudo sandbox doctor --fix" in caught.value.hint
