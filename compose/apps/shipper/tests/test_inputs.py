"""What comes from outside: by HTTP, JSON lines, syslog and GELF, into the real program."""

from __future__ import annotations

import http.client
import json
import socket
import time
import zlib
from typing import Any

import pytest
from shipper.delivery import Counts, Delivery, Undelivered
from shipper.documents import from_outside
from shipper.inputs import whole_messages

from .conftest import Run, Store, wait_for

GELF = {"version": "1.1", "host": "web1", "short_message": "gelf", "level": 3, "_order": "o-1"}


def post(port: int, body: bytes, kind: str = "application/json", **headers: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("POST", "/", body, {"Content-Type": kind, **headers})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def send(port: int, data: bytes, kind: socket.SocketKind = socket.SOCK_STREAM) -> None:
    with socket.socket(socket.AF_INET, kind) as connection:
        connection.connect(("127.0.0.1", port))
        connection.sendall(data)


def by_message(store: Store, count: int) -> dict[str, dict[str, Any]]:
    wait_for(store, count)
    return {found["message"]: found for found in store.documents.values()}


def test_http_has_the_documents_when_it_says_ok(store: Store, run: Run, ports: list[int]) -> None:
    run()
    assert post(ports[0], b'[{"message":"one","service":{"name":"till"}},"two",3]') == (200, "ok")
    assert {found["message"]: found.get("tags") for found in store.documents.values()} == {
        "one": None, "two": None, "3": ["not_json"],
    }  # fmt: skip
    assert post(ports[0], b"WARN all of\nit", "text/plain; charset=utf-8") == (200, "ok")
    assert post(ports[0], b'{"message":"x"}\nnot\n', "application/x-ndjson") == (200, "ok")
    assert post(ports[0], b"{broken")[0] == 200
    assert post(ports[0], b"")[0] == 200
    found = by_message(store, 7)
    assert found["WARN all of\nit"]["log.level"] == "warning"
    assert [message for message, one in found.items() if one.get("tags") == ["not_json"]] == ["3", "not", "{broken"]
    assert found["one"]["data_stream.dataset"] == "till"
    assert found["two"]["data_stream.dataset"] == "outside"


def test_http_refuses_what_is_too_large_or_from_a_page(store: Store, run: Run, ports: list[int]) -> None:
    run()
    assert post(ports[0], b"x", "text/plain", Origin="http://evil.example")[0] == 403
    connection = http.client.HTTPConnection("127.0.0.1", ports[0], timeout=20)
    connection.putrequest("POST", "/")
    connection.putheader("Content-Length", "999999999")
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()
    assert not store.documents


def test_streams_arrive_whole(store: Store, run: Run, ports: list[int]) -> None:
    run()
    events = [json.dumps({"message": f"line {n}", "n": n}) for n in range(1500)]
    send(ports[1], "\n".join(events).encode() + b"\nno JSON\n\n" + b"y" * 100_000 + b"\xff")
    send(ports[2], b"<11>Nov 24 10:00:00 web1 cron[9]: old\n<14>1 - - app - - - new\0hello\n")
    send(ports[3], json.dumps(GELF).encode() + b"\0{}\0")
    found = by_message(store, 1507)
    assert [found[f"line {n}"]["n"] for n in range(1500)] == list(range(1500))
    assert found["no JSON"]["tags"] == ["not_json"]
    assert (found["old"]["log.level"], found["new"]["service.name"]) == ("error", "app")
    assert found["hello"]["tags"] == ["not_syslog"]
    assert (found["gelf"]["order"], found["gelf"]["host.hostname"]) == ("o-1", "web1")
    assert found["{}"]["tags"] == ["not_gelf"]
    assert len(store.documents) == 1507


def test_datagrams_arrive_compressed_and_in_chunks(store: Store, run: Run, ports: list[int]) -> None:
    run()
    send(ports[2], b"<11>till: by udp", socket.SOCK_DGRAM)
    send(ports[3], zlib.compress(json.dumps(GELF).encode()), socket.SOCK_DGRAM)
    long = json.dumps({**GELF, "short_message": "long", "_x": "y" * 500}).encode()
    parts = [long[start : start + 200] for start in range(0, len(long), 200)]
    for number, part in reversed(list(enumerate(parts))):
        send(ports[3], b"\x1e\x0f12345678" + bytes([number, len(parts)]) + part, socket.SOCK_DGRAM)
    assert {"by udp", "gelf", "long"} == by_message(store, 3).keys()


def test_chunks_that_are_nonsense_or_incomplete_hurt_nothing() -> None:
    half = [b"\x1e\x0f" + number.to_bytes(8) + b"\0\2x" for number in range(1000)]
    wrong = [b"\x1e\x0f12345678\5\2x", b"\x1e\x0f12345678\0\xffx", b"\x1e\x0f"]
    assert list(whole_messages(iter([*half, *wrong, b"{}", None]))) == [b"\x1e\x0f", b"{}", None]


def test_what_was_read_is_delivered_before_the_end(store: Store, run: Run, ports: list[int]) -> None:
    run()
    store.failures = [503]
    with socket.create_connection(("127.0.0.1", ports[1])) as connection:
        connection.sendall(b'{"message":"last"}\n')
        for _ in range(200):
            if not store.failures:
                break
            time.sleep(0.02)
        run.end()
    assert [found["message"] for found in store.documents.values()] == ["last"]


def test_metrics_count_lines_by_their_way(store: Store, run: Run, ports: list[int]) -> None:
    run()
    store.refuse = "user"
    post(ports[0], b'[{"message":"a"},{"message":"b","user":1}]')
    connection = http.client.HTTPConnection("127.0.0.1", ports[0], timeout=20)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    assert 'shipper_lines_total{way="http"} 2' in text
    assert 'shipper_refused_total{way="http"} 1' in text


def test_sender_is_told_when_the_store_takes_nothing() -> None:
    with pytest.raises(Undelivered, match="refused"):
        Delivery("http://127.0.0.1:9", "u", "p", Counts()).deliver("http", [from_outside("x", "demo")], patience=0.0)


def test_nobody_outside_says_what_a_containers_newest_line_is() -> None:
    stream, _, found = from_outside({"message": "x", "container.id": "c" * 64, "event.created": "2099-01-01"}, "demo")
    assert "container.id" not in found
    assert found["event.created"] < "2099"
    assert stream == "logs-outside-sandbox"


def test_name_of_an_app_makes_a_data_stream_that_can_be() -> None:
    assert from_outside({"service.name": "My App/1, *"}, "demo")[0] == "logs-my_app_1_-sandbox"
