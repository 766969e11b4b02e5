"""Releases: what is stored and fetched, what the judge says, what an agent does with a good and a bad version."""

from __future__ import annotations

import json
import shutil
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
import shop
from release import __main__ as cli
from release import agent as agents
from release import decisions, judge, store
from release.agent import Agent
from release.decisions import Decision
from release.judge import Counts, Limits, NoNumbers, Verdict
from release.store import BUILT_IN, ReleaseError, Wanted
from shop import aws, operations

from tests.conftest import eventually

HOME = Path(shop.__file__).parent.parent
GOOD = Counts(1000, 0, 60e6, {0.1: 960, 0.5: 1000}, {"/": (500, 0), "/api": (500, 0)})


@pytest.fixture
def version() -> str:
    return f"1.{time.time_ns()}"


def publish(source: Path, version: str, commit: str) -> store.Manifest:
    return store.publish(store.pack(source, version, commit), version, commit)


@pytest.mark.usefixtures("aws_is_there")
def test_a_release_comes_back_as_it_was_published(version: str, tmp_path: Path) -> None:
    manifest = publish(HOME, version, "abc1234")
    assert publish(HOME, version, "abc1234") == manifest
    store.fetch(version, tmp_path)
    assert json.loads((tmp_path / "release.json").read_text()) == {"version": version, "commit": "abc1234"}
    assert (tmp_path / "storefront" / "app.py").read_bytes() == (HOME / "storefront" / "app.py").read_bytes()
    with pytest.raises(ReleaseError, match="is published already, and differs"):
        publish(HOME, version, "other")


@pytest.mark.usefixtures("aws_is_there")
def test_what_cannot_be_trusted_is_not_unpacked(version: str, tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="there is no version"):
        store.fetch(version, tmp_path)
    publish(HOME, version, "abc1234")
    aws.ask("s3", "put_object", Bucket=store.BUCKET, Key=f"storefront/{version}.zip", Body=b"altered")
    with pytest.raises(ReleaseError, match=r"checksum of .* does not match"):
        store.fetch(version, tmp_path)
    aws.ask("s3", "put_object", Bucket=store.BUCKET, Key=f"storefront/{version}.json", Body=b"{}")
    with pytest.raises(ReleaseError, match=r"manifest of .* is broken"):
        store.fetch(version, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("bad", ["", "built-in", "none", "../up", "a b", "x" * 65])
def test_not_every_word_is_a_version(bad: str) -> None:
    with pytest.raises(ReleaseError, match="cannot be a version"):
        publish(HOME, bad, "abc1234")


@pytest.mark.usefixtures("aws_is_there")
def test_what_is_wanted_is_read_as_it_was_written() -> None:
    store.want(stable="1.0", canary="1.1", share=50)
    try:
        assert store.wanted() == Wanted("1.0", "1.1", 50)
    finally:
        store.want(stable=BUILT_IN, canary=store.NONE, share=0)
    assert Wanted("1.0", "1.1", 50).version("canary") == "1.1"
    assert Wanted("1.0", store.NONE, 0).version("canary") == "1.0"


@pytest.mark.parametrize(
    ("canary", "seconds", "word", "why"),
    [
        (Counts(100, 0, 60e6, {0.1: 100}), 10, "good", "canary 100 requests, 0.0% errors, p95 100 ms, 57 MB"),
        (Counts(100, 0, 60e6, {0.1: 100}), 5, "wait", ""),
        (Counts(5, 0, 60e6, {0.1: 5}), 10, "wait", ""),
        (Counts(5, 0, 60e6, {0.1: 5}), 121, "unknown", "only 5 of 30 requests in 121 s"),
        (Counts(8, 5, 60e6, {0.1: 8}), 2, "harm", "too many errors"),
        (Counts(4, 4, 60e6, {0.1: 4}), 2, "wait", ""),
        (Counts(100, 4, 60e6, {0.1: 100}), 10, "good", ""),
        (Counts(100, 0, 60e6, {0.1: 50, 1.0: 100}), 10, "harm", "too slow"),
        (Counts(100, 0, 260e6, {0.1: 100}), 2, "harm", "too much memory"),
        (Counts(-3, 0, 60e6), 2, "harm", "it crashed"),
        (Counts(500, 3, 60e6, {0.1: 500}, {"/": (3, 3), "/api": (497, 0)}), 2, "harm", "/ is broken (3 of 3"),
        (Counts(30, 2, 60e6, {0.1: 30}, {"/": (2, 2), "/api": (28, 0)}), 2, "harm", "too many errors: / is broken (2"),
    ],
)
def test_verdicts_say_why(canary: Counts, seconds: float, word: str, why: str) -> None:
    verdict = judge.decide(canary, GOOD, seconds, Limits())
    assert (verdict.word, why in verdict.why) == (word, True), verdict


def test_trouble_of_both_is_not_the_canarys_fault() -> None:
    bad = Counts(100, 30, 60e6, {0.1: 100}, {"/": (30, 30), "/api": (70, 0)})
    assert judge.decide(bad, bad, 10, Limits()).word == "good"


def test_only_what_came_since_counts() -> None:
    later = Counts(1100, 50, 70e6, {0.1: 1000, 0.5: 1100}, {"/": (600, 50), "/new": (7, 0)})
    since = later.since(GOOD)
    assert (since.requests, since.errors, since.memory, since.p95) == (100, 50, 70e6, 0.5)
    assert since.routes == {"/": (100, 50), "/new": (7, 0)}


def test_without_numbers_there_is_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 1000, 2))
    monkeypatch.setattr(judge.time, "monotonic", lambda: float(next(clock)))
    monkeypatch.setattr(judge.time, "sleep", lambda seconds: None)

    def read() -> Mapping[str, Counts]:
        raise NoNumbers("Prometheus does not answer")

    *waiting, last = judge.watch(Limits(), read)
    assert {verdict.word for verdict in waiting} == {"wait"}
    assert last == Verdict("unknown", "Prometheus does not answer", decisions.NO_VERDICT)


def test_the_stable_version_is_measured_since_the_release_began(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the canary has all requests, the last few of the other say little of how quick it was under load."""
    clock = iter(range(0, 1000, 10))
    monkeypatch.setattr(judge.time, "monotonic", lambda: float(next(clock)))
    monkeypatch.setattr(judge.time, "sleep", lambda seconds: None)
    none, idle = Counts(), Counts(1010, 0, 60e6, {0.1: 510, 1.0: 1010})
    busy = Counts(1000, 0, 60e6, {0.1: 500, 1.0: 1000})
    canary = Counts(100, 0, 60e6, {0.1: 50, 1.0: 100})
    for stable, word in ((none, "good"), (None, "harm")):
        readings = iter([{"canary": none, "stable": busy}, {"canary": canary, "stable": idle}])
        *_, last = judge.watch(Limits(), lambda readings=readings: next(readings), stable)
        assert last.word == word, last


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Agent]:
    monkeypatch.setenv("OUTBOX_FOLDER", str(tmp_path / "outbox"))
    monkeypatch.setenv("FAULTS_FILE", str(tmp_path / "faults.json"))
    monkeypatch.setattr(agents, "DRAIN", 0)
    work = tmp_path / "releases"
    work.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        agent = Agent("stable", HOME, work, listener)
        yield agent
        agent.stop()


def changed(tmp_path: Path, change: str) -> Path:
    """A copy of the shop, with something after the last line of its web module."""
    source = tmp_path / "changed"
    for name in ("shop", "storefront"):
        shutil.copytree(HOME / name, source / name, dirs_exist_ok=True)
    shutil.copy(HOME / "gunicorn.conf.py", source)
    with (source / "storefront" / "app.py").open("a") as file:
        file.write(change)
    return source


@pytest.mark.slow
@pytest.mark.usefixtures("aws_is_there")
def test_a_switch_loses_no_request_and_a_bad_version_changes_nothing(
    agent: Agent, version: str, tmp_path: Path
) -> None:
    agent.step()
    address = f"http://127.0.0.1:{agent._listener.getsockname()[1]}"
    failures, stop = list[Exception](), threading.Event()

    def visit() -> None:
        while not stop.is_set():
            try:
                urlopen(f"{address}/api/products", timeout=5).close()
            except OSError as error:
                failures.append(error)

    visitor = threading.Thread(target=visit)
    visitor.start()
    try:
        publish(changed(tmp_path, "\n"), version, "abc1234")
        store.want(stable=version)
        agent.step()
        assert (agent.status()["running"], agent.trouble) == (version, "")
        with urlopen(address, timeout=5) as page:
            assert version in page.read().decode()
        publish(changed(tmp_path, "\nimport nothing\n"), f"{version}.bad", "abc1234")
        store.want(stable=f"{version}.bad")
        agent.step()
        assert agent.status()["running"] == version
        assert "ends at once" in agent.trouble
    finally:
        store.want(stable=BUILT_IN)
        stop.set()
        visitor.join()
    assert not failures
    assert not (tmp_path / "releases" / f"{version}.bad").exists()


@pytest.mark.slow
def test_a_version_that_ends_is_started_again(agent: Agent) -> None:
    agent.step()
    assert agent.current
    agent.current.process.kill()
    eventually(lambda: agent.current and agent.current.process.poll() is not None)
    agent.step()
    assert agent.current.process.poll() is None
    assert agent.registry.get_sample_value("release_restarts_total", {"service": "release-agent"}) == 1


@pytest.mark.usefixtures("aws_is_there")
def test_what_does_not_run_everywhere_is_not_named_stable(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(HOME, version, "abc1234")
    seen: list[str] = []
    monkeypatch.setattr(cli, "addresses", lambda name: ["first", "second"])

    def status(host: str) -> dict[str, object]:
        seen.append(store.wanted().stable)
        running = version if host == "first" else "1.0"
        return {"running": running, "wanted": version, "trouble": "" if host == "first" else "it ends at once"}

    monkeypatch.setattr(cli, "agent_status", status)
    monkeypatch.setattr(sys, "argv", ["release", "promote", version])
    assert cli.main() == 1
    assert (set(seen), store.wanted().stable) == ({version}, BUILT_IN)
    said = store.said(version)
    assert said
    assert (said.reason, said.why) == (decisions.NOT_RUNNING, "it ends at once")
    assert store.said("another") is None


def test_decisions_are_counted_and_logged(agent: Agent, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        canary = Agent("canary", HOME, tmp_path, listener)
    server = operations.serve(canary.registry, lambda: "", 0, posts={"/decisions": canary.take})
    url = f"http://127.0.0.1:{server.server_address[1]}/decisions"

    def post(text: str) -> int:
        try:
            with urlopen(Request(url, text.encode()), timeout=5) as answer:
                return int(answer.status)
        except HTTPError as error:
            with error:
                return error.code

    made = Decision(decisions.ROLLBACK, "1.1", "abc1234", decisions.ERRORS, "rolled back: too many errors")
    with caplog.at_level("INFO"):
        assert post(json.dumps(asdict(made))) == 204
    server.shutdown()
    server.server_close()
    value, labels = canary.registry.get_sample_value, {"service": "release-agent", "decision": "rollback"}
    assert value("shop_release_decisions_total", {**labels, "reason": "errors"}) == 1
    assert value("shop_release_decisions_total", {**labels, "reason": "slow"}) == 0
    assert value("shop_release_last_decision_timestamp_seconds", {**labels, "version": "1.1", "reason": "errors"})
    assert caplog.records[-1].ecs["labels.commit"] == "abc1234"
    for bad in ("", "[]", "{}", json.dumps(asdict(made) | {"reason": "a whim"}), json.dumps({"decision": 1})):
        with pytest.raises(ValueError, match=r"decision|Expecting"):
            canary.take(bad.encode())
    with pytest.raises(ValueError, match="for the canary's agent"):
        agent.take(json.dumps(asdict(made)).encode())


def test_weights_share_the_requests(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agents, "replicas", lambda: 4)
    agent.wanted = Wanted("1.0", "1.1", 10)
    assert agent.weight() == "ready up 22%"
    agent.wanted = Wanted("1.0", "1.1", 100)
    assert agent.weight() == "ready up 1%"
    agent.wanted = Wanted("1.0", store.NONE, 50)
    assert agent.weight() == "ready up 25%"
    agent.track = "canary"
    assert agent.weight() == "ready up 0%"
    agent.draining = True
    assert agent.weight() == "drain"


def test_the_gateway_reads_one_line(agent: Agent) -> None:
    server = agents.serve_weight(agent, 0)
    with socket.create_connection(server.server_address) as connection:
        assert connection.makefile().read() == "ready up 100%\n"
    server.shutdown()
    server.server_close()
