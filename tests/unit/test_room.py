"""What a room serves, under which names, and how plain http reaches an engine that wants TLS."""

from __future__ import annotations

import functools
import http.server
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import host, relay, room, settings, wheels
from sandbox.catalogue import Catalogue
from sandbox.errors import ConfigurationError, UsageError
from sandbox.images import ImagePlan
from sandbox.settings import load
from tests.unit.test_sandbox import Quiet


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    handler = functools.partial(Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def test_relay_passes_everything_on(tmp_path: Path, port: int) -> None:
    (tmp_path / "layer").write_bytes(bytes(range(256)) * 10_000)
    local = relay.local(f"http://127.0.0.1:{port}/team")
    assert local.startswith("localhost:")
    assert local.endswith("/team")
    assert local == relay.local(f"http://127.0.0.1:{port}/team"), "one relay per registry"
    assert relay.shown(f"Get http://{local}/v2/: EOF") == f"Get http://127.0.0.1:{port}/team/v2/: EOF"
    address = f"http://127.0.0.1:{local.partition(':')[2].partition('/')[0]}/layer"
    with urllib.request.urlopen(address, timeout=5) as answer:
        assert answer.read() == (tmp_path / "layer").read_bytes()


@pytest.mark.parametrize("prefix", ["", "mirror.example:5000/team", "localhost:5000"])
def test_other_prefixes_need_no_relay(prefix: str) -> None:
    assert relay.local(prefix) == prefix


@pytest.mark.parametrize("address", ["0.0.0.0", "host.example", "", "10.0.0"])
def test_only_an_address_of_its_own_is_served_at(address: str) -> None:
    with pytest.raises(UsageError):
        host.own_address(address)


def test_what_was_built_has_its_official_name_too() -> None:
    plans = [
        ImagePlan("a", "", "quay.io/x/a:1", "sandbox/a:abc", "present", 0, None),
        ImagePlan("b", "", "haproxy:3", "haproxy:3", "present", 0, None),
        ImagePlan("c", "", "sandbox/c:local", "sandbox/c:def", "present", 0, None),
    ]
    assert room._names(plans) == {
        "sandbox/a:abc": "sandbox/a:abc",
        "x/a:1": "sandbox/a:abc",
        "library/haproxy:3": "haproxy:3",
        "sandbox/c:def": "sandbox/c:def",
    }


def test_the_line_names_both_addresses() -> None:
    line = room.Room("http://10.0.0.5:5000", "http://10.0.0.5:5001").line
    assert "--index-url http://10.0.0.5:5001/simple/ --trusted-host 10.0.0.5 sandbox-devops" in line
    assert line.endswith("sandbox up --registry http://10.0.0.5:5000")


def test_pages_of_the_package_index() -> None:
    names = ["sandbox_devops-1-py3-none-any.whl", "PyYAML-6-cp311.whl", "PyYAML-6-cp312.whl"]
    pages = wheels.pages(names, dict.fromkeys(names, "abc"))
    assert sorted(pages) == ["index.html", "pyyaml/index.html", "sandbox-devops/index.html"]
    assert '<a href="pyyaml/">' in pages["index.html"]
    assert '<a href="../../wheels/PyYAML-6-cp312.whl#sha256=abc">PyYAML-6-cp312.whl</a>' in pages["pyyaml/index.html"]


@pytest.mark.parametrize(("text", "good"), [("http://a:5000", True), ("https://a:5000", False), ("ftp://a", False)])
def test_a_registry_may_be_plain_http(text: str, good: bool) -> None:
    def chosen() -> settings.Settings:
        return load(None, {}, {"registry": text}, (), lambda include: Catalogue({}))[0]

    if good:
        with pytest.raises(ConfigurationError, match="there is no profile") as caught:
            load(None, {}, {"registry": text, "profile": "none"}, (), lambda include: Catalogue({}))
        assert len(caught.value.problems) == 1
        assert chosen().registry == text
    else:
        with pytest.raises(ConfigurationError, match=r"http:// if it has no TLS"):
            chosen()
