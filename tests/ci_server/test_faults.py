"""What happens when things go wrong: kills, full disks, long queues, clients that vanish."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from pathlib import Path

import pytest
import requests

from sandbox.ci.server.home import Home
from sandbox.ci.store import Store, now
from tests.ci_server.conftest import Running, until


def test_killed_in_the_middle_of_a_build(own_server: Running) -> None:
    server = own_server
    server.create("victim", "stage 'Work'\nsh 'echo before; echo half a line | tr -d \"\\n\"; sleep 60'")
    server.create("next", "parameter 'N=0'\nsh 'echo $N'")
    server.build("next")
    for _ in range(2):
        server.submit("victim")
    until(lambda: "half a line" in server.console("victim", 2))
    queued = [server.submit("next", N=str(number)) for number in range(5)]
    server.kill()
    server.start()
    for number in (1, 2):
        build = server.get(f"job/victim/{number}/api/json").json()
        assert (build["building"], build["result"]) == (False, "ABORTED")
        log = server.console("victim", number)
        assert "before\n" in log
        assert log.endswith("The build was aborted.\nFinished: ABORTED\n")
        stage = server.get(f"job/victim/{number}/wfapi/describe").json()["stages"][0]
        assert (stage["name"], stage["status"]) == ("Work", "ABORTED")
    results = [server.finished(each) for each in queued]
    assert [each["result"] for each in results] == ["SUCCESS"] * 5
    assert server.build("next")["result"] == "SUCCESS"


def test_ended_politely_in_the_middle_of_a_build(own_server: Running) -> None:
    server = own_server
    server.create("busy", "sh 'exec sleep 60'")
    server.submit("busy")
    until(lambda: "[Pipeline] sh" in server.console("busy"))
    assert server.stop() == 0
    server.start()
    assert server.get("job/busy/1/api/json").json()["result"] == "ABORTED"
    assert "The server is shutting down" in server.console("busy", 1)


def test_restart_by_the_api(own_server: Running) -> None:
    server = own_server
    server.create("kept", "echo 'x'")
    before = server.get("api/json").headers["X-Jenkins-Session"]
    server.post("safeRestart", allow_redirects=False)

    def restarted() -> bool:
        try:
            return requests.get(server.url + "api/json", timeout=5).headers["X-Jenkins-Session"] != before
        except requests.ConnectionError:
            return False

    until(restarted)
    assert server.build("kept")["result"] == "SUCCESS"


def test_a_thousand_queued_builds(own_server: Running) -> None:
    server = own_server
    server.create("many", "parameter 'N=0'\necho 'x'")
    server.build("many")
    server.post("job/many/disable", allow_redirects=False)
    server.kill()
    store = Store(Home(server.home).database)
    item = store.item("many")
    assert item
    with store.transaction():
        for number in range(1000):
            store.enqueue(item.id, now(), now(), [], {"N": str(number)})
    store.close()
    server.start()
    assert len(server.get("queue/api/json?tree=items[id]").json()["items"]) == 1000
    assert server.get("").ok
    server.post("job/many/enable", allow_redirects=False)
    until(lambda: server.get("job/many/api/json").json()["lastBuild"]["number"] == 1001, 120)
    until(lambda: server.get("job/many/api/json").json()["lastCompletedBuild"]["number"] == 1001)
    results = [each["result"] for each in server.get("job/many/api/json?tree=allBuilds[result]").json()["allBuilds"]]
    assert results == ["SUCCESS"] * 1001


def test_a_client_that_vanishes_in_the_middle_of_a_log(server: Running) -> None:
    server.create("huge", "sh 'yes 0123456789 | head -c 60000000'")
    server.build("huge")
    for path in ("consoleText", "console/events?start=0"):
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            client.sendall(f"GET /job/huge/1/{path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            assert client.recv(1000).startswith(b"HTTP/1.1 200")
    assert server.answers()
    log = server.console("huge", 1)
    assert log.endswith("Finished: SUCCESS\n")
    assert len(log) > 60_000_000


def test_pages_that_wait_leave_room_for_others(server: Running) -> None:
    held = []
    try:
        for _ in range(60):
            client = socket.create_connection(("127.0.0.1", server.port))
            client.sendall(b"GET /events?topics=jobs:0 HTTP/1.1\r\nHost: localhost\r\n\r\n")
            held.append(client)
        assert b" 503 " in held[-1].recv(100)
        assert server.answers()
    finally:
        for client in held:
            client.close()
    until(lambda: _event_stream_opens(server), 60)


def _event_stream_opens(server: Running) -> bool:
    with requests.get(f"{server.url}events?topics=jobs:0", stream=True, timeout=20) as answer:
        return answer.ok


def test_odd_bytes_and_a_line_without_end(server: Running) -> None:
    server.create(
        "odd", 'sh \'printf "\\377\\376 caf\\303\\251 \\033[31mred"; head -c 3000000 /dev/zero | tr "\\0" x; echo\''
    )
    server.build("odd")
    raw = server.get("job/odd/1/consoleText").content
    assert b"\xff\xfe caf\xc3\xa9" in raw
    assert server.get("job/odd/1/").ok
    answer = server.get("job/odd/1/logText/progressiveHtml?start=0")
    assert '<span class="ansi-red">red' in answer.text
    assert int(answer.headers["X-Text-Size"]) == 1024**2
    assert answer.headers["X-More-Data"] == "true"


@pytest.mark.skipif(os.geteuid() != 0, reason="a small disk can only be mounted by root")
def test_a_full_disk(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(disk)], check=False, timeout=20)
    if mounted.returncode:
        pytest.skip("no disk can be mounted here")
    try:
        server = Running(disk / "home")
        try:
            server.create("fills", "sh 'yes | head -c 30000000'")
            server.create("small", "echo 'x'")
            build = server.build("fills")
            assert build["result"] in ("FAILURE", "ABORTED")
            assert server.answers()
            server.post("job/fills/1/doDelete")
            assert server.build("small")["result"] == "SUCCESS"
        finally:
            server.stop()
    finally:
        time.sleep(0.1)
        subprocess.run(["umount", "-l", str(disk)], check=False, timeout=20)
