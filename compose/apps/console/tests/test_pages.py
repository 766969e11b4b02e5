"""Builds, notifications and log lines, as the services tell them."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import unquote

import pytest
from flask.testing import FlaskClient

from .conftest import Upstream

BUILD = {"number": 3, "url": "http://ci:8080/job/a/3/", "result": "FAILURE", "building": False}
LINES = [
    {"@timestamp": "2026-01-01T00:00:01Z", "log.level": "error", "service.name": "shop", "message": "<b>"},
    {"@timestamp": "2026-01-01T00:00:00Z", "log": {"level": "info"}, "service": {"name": "shop"}},
]


def provide(folder: Path, capability: str) -> None:
    """The stand-in is asked for this."""
    file = folder / "services" / "localhost.yml"
    file.write_text(file.read_text().replace("provides: aws", f"provides: {capability}"))


# --- builds -----------------------------------------------------------------------------------


def test_jobs_have_their_last_builds_also_within_folders(client: FlaskClient, folder: Path, upstream: Upstream) -> None:
    provide(folder, "ci")
    job = {"name": "a", "url": "http://ci:8080/job/a/", "color": "red", "builds": [BUILD]}
    upstream.says("/api/json", {"jobs": [job, {"name": "f", "url": "u", "jobs": [{**job, "name": "main"}]}]})
    told = client.get("/api/builds").json
    assert (told["server"], told["url"]) == ("Shop", "http://localhost:8123/front")
    assert [item["name"] for item in told["jobs"]] == ["a", "f » main"]
    build = {**BUILD, "url": "http://localhost:8123/job/a/3/"}
    assert told["jobs"][0] == {**job, "url": "http://localhost:8123/job/a/", "builds": [build]}
    assert "{0,8}" in unquote(upstream.asked[0][1])
    assert "Authorization" not in upstream.asked[0][2]


def test_ci_that_asks_who_it_is_needs_a_login(client: FlaskClient, folder: Path, upstream: Upstream) -> None:
    provide(folder, "ci")
    upstream.says("/api/json", b"<html>", 403)
    assert client.get("/api/builds").status_code == 401
    client.post("/login", data={"password": "s3cret"})
    upstream.says("/api/json", {"jobs": []})
    assert client.get("/api/builds").json["jobs"] == []
    assert upstream.asked[-1][2]["Authorization"] == "Basic Ym9zczpiMHNz"


@pytest.mark.parametrize("answer", [b"<html>", b"[]", b"{}", b'{"jobs": [{}]}', b'{"jobs": [3]}'])
def test_ci_that_talks_nonsense(client: FlaskClient, folder: Path, upstream: Upstream, answer: bytes) -> None:
    provide(folder, "ci")
    upstream.says("/api/json", answer)
    told = client.get("/api/builds")
    assert told.status_code == 502
    assert told.json["error"].startswith("Shop answers with") or "as Jenkins does" in told.json["error"]


def test_no_ci_and_ci_that_is_down(client: FlaskClient, folder: Path, upstream: Upstream) -> None:
    assert client.get("/api/builds").json == {"server": None, "url": None, "jobs": []}
    provide(folder, "ci")
    upstream.close()
    assert client.get("/api/builds").json == {"error": "Shop does not answer"}


# --- notifications ----------------------------------------------------------------------------


def test_notifications_come_from_the_inbox(client: FlaskClient, folder: Path, upstream: Upstream) -> None:
    assert client.get("/api/inbox").json == {"url": None, "alerts": None}
    provide(folder, "inbox")
    upstream.says("/api/alerts", {"alerts": [{"name": "Down"}]})
    assert client.get("/api/inbox").json == {"url": "http://localhost:8123/front", "alerts": [{"name": "Down"}]}
    upstream.says("/api/alerts", [])
    assert client.get("/api/inbox").status_code == 502


# --- logs -------------------------------------------------------------------------------------


def test_lines_are_for_those_who_signed_in(client: FlaskClient, folder: Path, upstream: Upstream) -> None:
    provide(folder, "logs")
    assert client.get("/api/logs?q=x").status_code == 401
    assert client.get("/api/logs/store").json == {"store": "Shop", "explorer": None}
    assert not upstream.asked


def test_search_is_asked_as_it_was_written(signed_in: FlaskClient, folder: Path, upstream: Upstream) -> None:
    provide(folder, "logs")
    upstream.says("/logs-*/_search", {"hits": {"total": {"value": 9}, "hits": [{"_source": line} for line in LINES]}})
    told = signed_in.get('/api/logs?since=1h&q=message:"a b"').json
    assert told == {
        "total": 9,
        "lines": [
            {"time": "2026-01-01T00:00:01Z", "level": "error", "service": "shop", "message": "<b>"},
            {"time": "2026-01-01T00:00:00Z", "level": "info", "service": "shop", "message": ""},
        ],
    }
    [(method, _, headers, body)] = upstream.asked
    assert (method, headers["Authorization"]) == ("POST", "Basic Ym9zczpiMHNz")
    bool_query = json.loads(body)["query"]["bool"]
    assert bool_query["must"][0]["query_string"]["query"] == 'message:"a b"'
    assert bool_query["filter"] == [{"range": {"@timestamp": {"gte": "now-1h"}}}]


@pytest.mark.parametrize("since", ["", "yesterday", "-1h", "1h||/d", "99999h"])
def test_time_that_is_none_is_refused(signed_in: FlaskClient, folder: Path, upstream: Upstream, since: str) -> None:
    provide(folder, "logs")
    answer = signed_in.get("/api/logs", query_string={"since": since})
    assert answer.status_code == 400
    assert "like 15m" in answer.json["error"]
    assert not upstream.asked


def test_words_of_the_log_store_are_passed_on(signed_in: FlaskClient, folder: Path, upstream: Upstream) -> None:
    assert signed_in.get("/api/logs").json == {"error": "this sandbox has no log store"}
    provide(folder, "logs")
    error = {"reason": "all shards failed", "root_cause": [{"reason": "Failed to parse query [(]"}]}
    upstream.says("/logs-*/_search", {"error": error, "status": 400}, 400)
    answer = signed_in.get("/api/logs?q=(")
    assert answer.status_code == 502
    assert answer.json["error"] == "Shop answers with status 400: Failed to parse query [(]"
    upstream.says("/logs-*/_search", {"hits": 3})
    assert signed_in.get("/api/logs").json == {"error": "Shop does not answer as Elasticsearch does"}


# --- the lesson -------------------------------------------------------------------------------


def test_the_lesson_that_is_under_way(client: FlaskClient, folder: Path) -> None:
    assert client.get("/api/lesson").json == {"lesson": None}
    assert client.get("/lesson").status_code == 200
    file = folder / "contributions" / "lessons" / "lesson.json"
    file.parent.mkdir(parents=True)
    file.write_text('{"title": "Try", "steps": []}')
    assert client.get("/api/lesson").json == {"lesson": {"title": "Try", "steps": []}}
    file.write_text("{")
    assert client.get("/api/lesson").json == {"lesson": None}
