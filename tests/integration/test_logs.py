"""Every container's lines in the log store: shipped once, found by the command line and by Elasticsearch's clients."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import requests

from .conftest import PROJECT, Run

CLIENTS = Path(__file__).parent / "elasticsearch_client.py"
WAYS_IN = ("8080/tcp", "5170/tcp", "5514/tcp", "5514/udp", "12201/tcp", "12201/udp")
NOISY = 10
LINES = 20_000
PRINT = f"""
import json, time
for n in range({LINES}):
    print(json.dumps({{"message": f"line {{n}} of many", "n": n, "log.level": "info"}}), flush=True)
    if n % 100 == 99:
        time.sleep(0.05)
time.sleep(9999)
"""


def docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True).stdout.strip()


class Store:
    """The log store of a running sandbox."""

    def __init__(self, run: Run, project: str) -> None:
        services = json.loads(run("status", "--json", project=project).stdout)["services"]
        service = next(one for one in services if one["name"] == "logstore")
        self.url = service["url"].rstrip("/")
        self.login = (service["login"]["user"], service["login"]["password"])

    def search(self, **body: Any) -> Any:
        answer = requests.post(f"{self.url}/logs-*/_search", json=body, auth=self.login, timeout=10)
        assert answer.ok, answer.text
        return answer.json()


def test_lines_are_found_with_their_fields(stack: Run) -> None:
    done = stack("logs", "--search", "service.name:gateway AND level:info", "--since", "15m", "-n", "3", "--json")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines
    for line in lines:
        assert (line["service"], line["level"]) == ("gateway", "info")
        assert line["document"]["container.name"] == f"{PROJECT}-gateway-1"
        assert line["document"]["data_stream.dataset"] == "gateway"
    told = stack("logs", "gateway", "--search", "http.response.status_code:[200 TO 399]", "-n", "1").stdout
    assert told.startswith("gateway ")


def test_search_that_cannot_be_read_is_a_usage_error(stack: Run) -> None:
    done = stack("logs", "--search", "level:(")
    assert done.returncode == 2
    assert "Failed to parse query" in done.stderr


def test_only_this_sandbox_is_shipped(stack: Run) -> None:
    fields = {"projects": "labels.sandbox_project", "names": "container.name"}
    aggs = {name: {"terms": {"field": field, "size": 99}} for name, field in fields.items()}
    found = Store(stack, PROJECT).search(size=0, aggs=aggs)["aggregations"]
    assert [bucket["key"] for bucket in found["projects"]["buckets"]] == [PROJECT]
    assert all(bucket["key"].startswith(f"{PROJECT}-") for bucket in found["names"]["buckets"])


def test_lines_of_ones_own_are_found_by_every_way_in(stack: Run, tmp_path: Path) -> None:
    ports = {port: int(docker("port", f"{PROJECT}-shipper-1", port).rpartition(":")[2]) for port in WAYS_IN}
    trace = "ERROR no stock\njava.lang.Error: no\n\tat shop.Stock"
    (tmp_path / "app.log").write_bytes(trace.encode() + b"\nodd \xff\n")
    assert stack("logs", "send", "by argument", "--app", "mine", "--level", "error").returncode == 0
    done = stack("logs", "send", "--file", str(tmp_path / "app.log"), "--app", "mine", "--json")
    assert json.loads(done.stdout) == {"sent": 2, "to": "shipper"}
    assert requests.post(f"http://127.0.0.1:{ports['8080/tcp']}", json={"message": "by http"}, timeout=30).ok
    gelf = json.dumps({"version": "1.1", "host": "h", "short_message": "by gelf", "level": 3}).encode()
    for port, message in (
        ("5170/tcp", b'{"message":"by tcp","took":3}\nby tcp, broken\n'),
        ("5514/tcp", b"<11>Nov 24 10:00:00 web1 cron[9]: by syslog\n"),
        ("5514/udp", b"<11>till: by syslog datagram"),
        ("12201/tcp", gelf + b"\0"),
        ("12201/udp", gelf.replace(b"by gelf", b"by gelf datagram")),
    ):
        with socket.socket(type=socket.SOCK_STREAM if port.endswith("tcp") else socket.SOCK_DGRAM) as connection:
            connection.connect(("127.0.0.1", ports[port]))
            connection.sendall(message)
    wanted = {
        "by argument": ("mine", "error", None), trace: ("mine", "error", None),
        "odd \ufffd": ("mine", "", None), "by http": ("outside", "", None), "by tcp": ("outside", "", None),
        "by tcp, broken": ("outside", "", ["not_json"]), "by syslog": ("cron", "error", None),
        "by syslog datagram": ("till", "error", None), "by gelf": ("outside", "error", None),
        "by gelf datagram": ("outside", "error", None),
    }  # fmt: skip
    found: dict[str, Any] = {}
    for _ in range(60):
        done = stack("logs", "--search", "data_stream.dataset:(mine OR outside OR cron OR till)", "--json")
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        found = {one["message"]: (one["service"], one["level"], one["document"].get("tags")) for one in lines}
        if len(found) >= len(wanted):
            break
        time.sleep(0.5)
    assert found == wanted


ASK = """
import sys
sys.path.insert(0, "/app")
from shipper.docker import UnixConnection
for line in sys.argv[1:]:
    method, path = line.split(" ")
    connection = UnixConnection("/run/docker/docker.sock")
    connection.request(method, path)
    answer = connection.getresponse()
    body = answer.read()
    print(answer.status, body.decode() if answer.status == 200 else "")
"""


def test_docker_socket_answers_two_questions_only(stack: Run) -> None:
    other = docker("ps", "-aq", "--no-trunc", "--filter", f"name={PROJECT}-gateway-1")
    one = f"/v1.43/containers/{other}"
    forbidden = [
        "GET /info", "GET //info", "GET /v1.43/images/json", "POST /v1.43/containers/create", f"GET {one}/json",
        f"POST {one}/stop", f"DELETE {one}", f"POST {one}/logs", f"GET {one}/logs/../json",
        "GET /v1.43/containers/../info", "GET /v1.43/containers/json/../../info",
        f"GET /v1.43/containers/{PROJECT}-gateway-1/logs",
    ]  # fmt: skip
    done = stack("exec", "shipper", "python3", "-c", ASK, *forbidden)
    assert [line.strip() for line in done.stdout.splitlines()] == ["403"] * len(forbidden), done.stdout
    done = stack("exec", "shipper", "python3", "-c", ASK, 'GET /v1.43/containers/json?all=1&filters={"label":[]}')
    status, _, body = done.stdout.partition(" ")
    assert status == "200"
    assert {entry["Labels"]["sandbox.project"] for entry in json.loads(body)} == {PROJECT}


@pytest.mark.parametrize("version", ["8", "9"])
def test_official_client_works_unchanged(stack: Run, version: str, tmp_path: Path) -> None:
    packages = tmp_path / "packages"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", str(packages)]
    subprocess.run([*pip, f"elasticsearch>={version},<{int(version) + 1}"], check=True, timeout=300)
    store = Store(stack, PROJECT)
    environ = {**os.environ, "PYTHONPATH": str(packages)}
    command = [sys.executable, str(CLIENTS), store.url, *store.login, f"logs-client{version}-sandbox"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"client {version}.")


def test_without_a_store_the_engines_own_lines_are_searched(stack: Run) -> None:
    project = "sandbox-tests-storeless"
    try:
        assert stack("up", "alertmanager", project=project).returncode == 0
        done = stack("logs", "--search", "alertmanager AND listening", project=project)
        assert done.returncode == 0
        assert "no log store runs here" in done.stderr
        assert "istening" in done.stdout
        assert stack("logs", "--search", "a OR b", project=project).returncode == 2
    finally:
        stack("down", "--volumes", project=project)


def test_no_line_is_lost_or_doubled_when_shipper_and_store_are_killed(stack: Run, tmp_path: Path) -> None:
    project = "sandbox-tests-noise"
    images = json.loads(stack("images", "list", "--profile", "lite", "--json").stdout)
    image = next(row["image"] for row in images if row["service"] == "shipper")
    services = {
        "noise" if number == 0 else f"noise-{number}": {
            "image": image, "init": True, "mem_limit": "64m", "command": ["python3", "-c", PRINT],
        }
        for number in range(NOISY)
    }  # fmt: skip
    (tmp_path / "noise.yml").write_text(json.dumps({"services": services}))
    (tmp_path / "sandbox.yml").write_text("include: [noise.yml]\n")
    try:
        done = stack("up", "shipper", "logstore", "noise", project=project, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        store = Store(stack, project)
        for container in (f"{project}-shipper-1", f"{project}-logstore-1"):
            docker("kill", "--signal", "KILL", container)
            docker("start", container)
            time.sleep(2)
        buckets = _wait_for_all(store)
        assert len(buckets) == NOISY
        for bucket in buckets:
            numbers = bucket["numbers"]
            assert (numbers["count"], numbers["min"], numbers["max"]) == (LINES, 0, LINES - 1), bucket
            assert numbers["sum"] == LINES * (LINES - 1) / 2
    finally:
        stack("down", "--volumes", project=project)


def _wait_for_all(store: Store) -> list[Any]:
    aggs = {"by": {"terms": {"field": "container.name", "size": 20}, "aggs": {"numbers": {"stats": {"field": "n"}}}}}
    query = {"term": {"data_stream.dataset": "noise"}}
    buckets: list[Any] = []
    for _ in range(180):
        with contextlib.suppress(requests.ConnectionError):  # it starts again
            buckets = store.search(size=0, query=query, aggs=aggs)["aggregations"]["by"]["buckets"]
        if sum(bucket["doc_count"] for bucket in buckets) >= NOISY * LINES:
            time.sleep(3)  # a doubled line would come late
            return list(store.search(size=0, query=query, aggs=aggs)["aggregations"]["by"]["buckets"])
        time.sleep(1)
    return buckets
