"""Lines of containers, from the engine to the store."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from shipper.docker import Container, Docker, Line, seconds
from shipper.documents import document, plain
from shipper.formats import from_gelf, from_syslog
from shipper.traces import Traces

from .conftest import CONTAINER, TIME, Engine, Run, Store, frame, wait_for


def made(text: str) -> dict[str, Any]:
    return document(Line(CONTAINER, TIME, text), "demo")[2]


def test_plain_line() -> None:
    stream, _, found = document(Line(CONTAINER, TIME, "10:00 WARN  disk almost full"), "demo")
    assert stream == "logs-web_shop-sandbox"
    assert found == {
        "@timestamp": TIME,
        "message": "10:00 WARN  disk almost full",
        "log.level": "warning",
        "service.name": "web-shop",
        "event.created": TIME,
        "container.id": CONTAINER.id,
        "container.name": "demo-web-shop-1",
        "container.image.name": "shop:1",
        "labels.sandbox_project": "demo",
        "data_stream.type": "logs",
        "data_stream.dataset": "web_shop",
        "data_stream.namespace": "sandbox",
    }


def test_json_line_keeps_its_fields_time_and_service() -> None:
    line = {"@timestamp": "2026-11-24T09:59:59.5+00:00", "log": {"level": "ERROR"}, "message": "no", "n": 1,
            "service.name": "other"}  # fmt: skip
    found = made(json.dumps(line))
    assert found["@timestamp"] == "2026-11-24T09:59:59.5+00:00"
    assert (found["log.level"], found["message"], found["n"], found["service.name"]) == ("error", "no", 1, "other")
    assert found["event.created"] == TIME


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ('{"level":"warn","msg":"m"}', "log.level", "warning"),
        ('{"level":"warn","msg":"m"}', "message", "m"),
        ('{"time":1795514400.5,"message":"m"}', "@timestamp", "2026-11-24"),
        ('{"ts":1795514400500,"message":"m"}', "@timestamp", "2026-11-24"),
        ('{"time":"noon","message":"m"}', "@timestamp", TIME),
        ('{"message":{"a":1}}', "message", '{"message":{"a":1}}'),
        ('{"broken":', "message", '{"broken":'),
        ("[1,2]", "message", "[1,2]"),
        ("", "message", ""),
        ('time=x level=ERROR msg="y"', "log.level", "error"),
        ("[2026] a/INFO/locust.main: started", "log.level", "info"),
        ("login with password=hunter2 done", "message", "login with password=[redacted] done"),
        ('{"message":"Authorization: Bearer abcdefghijkl"}', "message", "Authorization: Bearer [redacted]"),
        ("key AKIAABCDEFGHIJKLMNOP used", "message", "key [redacted] used"),
    ],
)
def test_field(text: str, field: str, value: str) -> None:
    assert made(text)[field].startswith(value)


def test_line_without_a_level_has_none() -> None:
    assert "log.level" not in made("information about errors")


def test_same_line_has_the_same_id_and_another_does_not() -> None:
    first, again = document(Line(CONTAINER, TIME, "x"), "demo")[1], document(Line(CONTAINER, TIME, "x"), "demo")[1]
    others = [Line(CONTAINER, TIME, "y"), Line(CONTAINER, TIME[:-2] + "8Z", "x")]
    assert first == again
    assert len({first, *(document(line, "demo")[1] for line in others)}) == 3


def test_refused_line_is_kept_as_text() -> None:
    kept = plain(made('{"message":"\\ud800","user":"x"}'), "user is an object")
    assert kept["tags"] == ["refused"]
    assert "user" in kept["message"]
    json.dumps(kept, ensure_ascii=False).encode()


def test_seconds() -> None:
    assert seconds("1970-01-01T00:00:01.5Z") == 1.5
    assert seconds("1970-01-01T00:00:01Z") == 1
    assert seconds("1970-01-01T00:00:01.000001999Z") == 1.000001


def test_lines_are_put_together_from_frames(engine: Engine) -> None:
    engine.frames = [
        frame(1, f"{TIME} one\n"), frame(1, f"{TIME} begun "), frame(2, f"{TIME} err\r\n"), frame(1, f"{TIME} ended\n"),
        frame(1, f"{TIME} \n"), frame(1, f"{TIME} ünï\n"), frame(2, f"{TIME} last"),
    ]  # fmt: skip
    lines = list(Docker(engine.path).lines(CONTAINER, "0"))
    assert [line.text for line in lines] == ["one", "err", "begun ended", "", "ünï", "last"]


def test_lines_arrive_once_though_the_store_fails_at_first(engine: Engine, store: Store, run: Run) -> None:
    engine.frames = [frame(1, f"2026-11-24T10:00:00.{n:09}Z line {n}\n") for n in range(500)]
    store.failures = [503, 429]
    run()
    assert wait_for(store, 500) == [f"line {n}" for n in range(500)]


def test_reading_goes_on_where_the_store_is(engine: Engine, store: Store, run: Run) -> None:
    store.newest = 1_795_514_400_000.0
    engine.frames = [frame(1, f"{TIME} x\n")]
    run()
    wait_for(store, 1)
    [asked] = [path for path in engine.asked if "/logs" in path]
    since = float(asked.partition("since=")[2])
    assert 1_795_514_400 - 60 <= since < 1_795_514_400 or since <= time.time() - 29


def test_refused_line_arrives_as_text(engine: Engine, store: Store, run: Run) -> None:
    store.refuse = "user"
    engine.frames = [frame(1, f'{TIME} {{"message":"a","user":1}}\n'), frame(1, f'{TIME} {{"message":"b"}}\n')]
    run()
    messages = wait_for(store, 2)
    assert "b" in messages
    assert [found["tags"] for found in store.documents.values() if "tags" in found] == [["refused"]]


def test_trace_is_one_line_and_the_same_when_read_again(engine: Engine, store: Store, run: Run) -> None:
    lines = ["ERROR no", "Traceback (most recent call last):", '  File "x"', "ValueError: y", "", "INFO next"]
    engine.frames = [frame(1, f"2026-11-24T10:00:00.{n:09}Z {line}\n") for n, line in enumerate(lines)]
    run()
    wait_for(store, 3)
    run()  # a second one reads all of it again
    assert wait_for(store, 3) == ["ERROR no", "\n".join(lines[1:4]), "INFO next"]
    engine.frames.append(frame(1, "2026-11-24T10:00:01Z last\n"))
    assert wait_for(store, 4)[3:] == ["last"]


def test_rest_of_a_trace_that_the_store_has_is_no_line(engine: Engine, store: Store, run: Run) -> None:
    store.newest = 1_795_514_400_500.0
    engine.frames = [frame(1, "2026-11-24T10:00:00.1Z   at x\n"), frame(1, "2026-11-24T10:00:00.5Z new\n")]
    run()
    assert wait_for(store, 1) == ["new"]


def test_lines_are_joined_of_one_container_and_when_they_are_near() -> None:
    other = Container("d" * 64, "other", "", "other", "other", True)
    came = [
        Line(CONTAINER, "2026-11-24T10:00:00Z", "a"),
        Line(other, "2026-11-24T10:00:00Z", "  b"),
        Line(CONTAINER, "2026-11-24T10:00:01Z", "  at x"),
        Line(CONTAINER, "2026-11-24T10:00:09Z", "  late"),
        Line(other, "2026-11-24T10:00:00Z", "{}"),
        Line(CONTAINER, "2026-11-24T10:00:09Z", "{}"),
    ]
    traces = Traces()
    assert [line.text for line in traces.joined(came)] == ["a\n  at x", "  b", "{}", "  late", "{}"]
    assert not traces.waiting


def test_endless_trace_is_cut() -> None:
    came = [Line(CONTAINER, TIME, "a"), *(Line(CONTAINER, TIME, " b") for _ in range(600)), Line(CONTAINER, TIME, "{}")]
    assert [line.text.count("\n") + 1 for line in Traces().joined(came)] == [500, 101, 1]


@pytest.mark.parametrize("piece", ["y", ":", "1:1 [", "\n", "://", "secret ", "[", "<1>", '{"', "\nat "])
def test_megabyte_of_anything_is_read_at_once(piece: str) -> None:
    text = piece * (1024**2 // len(piece)) + "x"
    assert made(text)["message"]
    from_syslog(text)
    from_gelf(text.encode())
