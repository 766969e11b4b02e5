"""What is hostile or broken is refused quickly, by name, and hurts nothing else."""

from __future__ import annotations

import gzip
from typing import Any

import orjson
import pytest
from logstore.store import Store

from .conftest import READER, Ask, bulk

TIME = "2026-11-24T10:00:00Z"


def nested(depth: int) -> dict[str, Any]:
    query: dict[str, Any] = {"match_all": {}}
    for _ in range(depth):
        query = {"bool": {"must": [query]}}
    return query


@pytest.mark.parametrize(
    "query",
    [
        nested(31),
        nested(80),
        {"bool": {"should": [{"match_all": {}}] * 2000}},
        {},
        [],
        "x",
        {"a": {}, "b": {}},
        {"term": {"message": None}},
        {"term": {}},
        {"terms": {"a": "x"}},
        {"terms": {"a": ["x"] * 5000}},
        {"match": {"message": {}}},
        {"match": {"a": {"query": "x", "fuzziness": 3}}},
        {"range": {"@timestamp": 5}},
        {"range": {"@timestamp": {"gte": "now-1x"}}},
        {"range": {"@timestamp": {"gte": "now+99999999y"}}},
        {"range": {"@timestamp": {"gte": 1, "time_zone": "Nowhere/Land"}}},
        {"script": {"source": "x"}},
        {"regexp": {"service.name": "((((("}},
        {"regexp": {"service.name": ".*a.{2000}"}},
        {"wildcard": {"service.name": "*a" + "?" * 3000}},
        {"query_string": {"query": "(" * 5000}},
        {"query_string": {"query": "a:" * 3000}},
        {"query_string": {"query": "NOT (" * 100 + "a" + ")" * 100}},
        {"query_string": {"query": "x" * 20_000}},
        {"query_string": {"query": " OR ".join(["a"] * 3000)}},
        {"query_string": {"query": "AND"}},
        {"query_string": {"query": "[1 TO"}},
        {"query_string": {}},
        {"__class__": {}},
        {"ids": {"values": ["x"] * 5000}},
        {"bool": {"minimum_should_match": "most", "should": [{"match_all": {}}]}},
        {"bool": {"_name": "x", "must": []}},
        {"exists": {}},
        {"exists": {"field": 5}},
        {"exists": {"field": "a", "_name": "x"}},
        {"range": {"@timestamp": {"gte": 1, "format": "dd/MM/yyyy"}}},
        {"range": {"@timestamp": {"gte": "yesterday", "format": "epoch_second"}}},
        {"range": {"@timestamp": {"gte": "2026-11-24T10:00:00Z", "format": "epoch_millis"}}},
        {"range": {"@timestamp": {"gte": 1795514407, "format": "strict_date_optional_time"}}},
        {"range": {"took": {"from": 1, "gte": 1}}},
        {"range": {"took": {"gte": 1, "include_lower": False}}},
        {"match": {"message": {"query": "y", "analyzer": "english"}}},
        {"query_string": {"query": "y", "analyzer": "english"}},
        {"query_string": {"query": "y", "default_operator": "xor"}},
        {"query_string": {"query": "y &&"}},
        {"multi_match": {"query": "y", "type": "phrase_prefix"}},
        {"wildcard": {"message": {"value": "y", "flags": "ALL"}}},
        {"prefix": {"message": {"value": "y", "_name": "x"}}},
        {"fuzzy": {"message": {"value": "y", "prefix_length": 1}}},
    ],
    ids=lambda query: orjson.dumps(query)[:60].decode(),
)
def test_hostile_query_is_refused(ask: Ask, query: Any) -> None:
    ask("POST", "/_bulk?refresh=true", bulk("logs-a-b", [{"@timestamp": TIME, "service.name": "x", "message": "y"}]))
    assert ask("POST", "/logs-*/_search", {"query": query}, 400)["error"]["reason"]
    assert ask("GET", "/logs-*/_count")["count"] == 1


@pytest.mark.parametrize(
    "body",
    [
        {"size": 10_001},
        {"from": 10_000, "size": 1},
        {"size": -1},
        {"size": "many"},
        {"sort": ["nothing"]},
        {"sort": [{"@timestamp": {"order": "up"}}]},
        {"sort": ["took"], "search_after": [1, 2]},
        {"highlight": {}},
        {"sort": [{"took": {"format": "epoch_millis"}}]},
        {"sort": [{"@timestamp": {"format": "yyyy"}}]},
        {"sort": [{"@timestamp": {"missing": 5}}]},
        {"sort": [{"@timestamp": {"mode": "avg"}}]},
        {"fields": [{"field": "@timestamp", "format": "yyyy"}]},
        {"fields": [{"field": "took", "include_unmapped": True}]},
        {"sort": ["_doc"], "search_after": ["x"]},
        {"knn": {}},
        {"script_fields": {}},
        {"from": 1, "search_after": [1], "sort": ["_doc"]},
    ],
    ids=str,
)
def test_hostile_search_is_refused(ask: Ask, body: Any) -> None:
    ask("POST", "/_bulk?refresh=true", bulk("logs-a-b", [{"@timestamp": TIME, "took": 1}]))
    assert ask("POST", "/logs-*/_search", body, 400)["error"]["reason"]


@pytest.mark.parametrize(
    "aggs",
    [
        {"x": {"terms": {"field": "message"}}},
        {"x": {"terms": {"field": "took", "size": 10**9}}},
        {"x": {"date_histogram": {"field": "@timestamp", "fixed_interval": "1ms"}}},
        {"x": {"date_histogram": {"field": "@timestamp", "calendar_interval": "1m", "time_zone": "Asia/Kolkata"}}},
        {"x": {"date_histogram": {"field": "@timestamp"}}},
        {"x": {"date_histogram": {"field": "@timestamp", "fixed_interval": "0s"}}},
        {"x": {"date_histogram": {"field": "took", "fixed_interval": "1s"}}},
        {"x": {"scripted_metric": {}}},
        {"x": {"date_histogram": {"field": "@timestamp", "fixed_interval": "1000d", "format": "yyyy"}}},
        {"x": {"max": {"field": "took", "format": "epoch_millis"}}},
        {"x": {"terms": {"script": "x"}}},
        {"x": {}},
        [],
        {"x": {"stats": {"field": "took"}, "aggs": {"y": {"max": {"field": "took"}}}}},
        {"x": {"percentiles": {"field": "took", "percents": [101]}}},
        {"x": {"filters": {"filters": {"a": {"strange": {}}}}}},
        {"x": {"terms": {"field": "took", "order": {"nothing": "asc"}}}},
    ],
    ids=str,
)
def test_hostile_aggregation_is_refused(ask: Ask, aggs: Any) -> None:
    documents = [
        {"@timestamp": time, "took": 1, "message": "y"} for time in ("1970-01-01T00:00:00Z", "9999-12-31T23:59:59Z")
    ]
    ask("POST", "/_bulk?refresh=true", bulk("logs-a-b", documents))
    assert ask("POST", "/logs-*/_search", {"size": 0, "aggs": aggs}, 400)["error"]["reason"]


@pytest.mark.parametrize(
    "source",
    [
        b"",
        b"[]",
        b'"text"',
        b"null",
        b'{"a":1',
        b'{"a":NaN}',
        b'{"a":"\xff\xfe"}',
        b'{"a":"\\ud800"}',
        b'{"":1}',
        b'{" ":1}',
        b'{"a":' * 2000 + b"1" + b"}" * 2000,
        b'{"a":' * 30 + b"1" + b"}" * 30,
    ],
    ids=lambda source: repr(source[:30]),
)
def test_broken_document_is_refused_and_its_neighbours_are_kept(ask: Ask, source: bytes) -> None:
    action = b'{"index":{"_index":"plain"}}\n'
    body = action + b'{"n":1}\n' + action + source + b"\n" + action + b'{"n":2}\n'
    if not source:
        body = action + b'{"n":1}\n' + action + b"\n" + action + b'{"n":2}\n'
    answer = ask("POST", "/_bulk?refresh=true", body)
    assert [next(iter(item.values()))["status"] for item in answer["items"]] == [201, 400, 201]
    assert ask("GET", "/plain/_count")["count"] == 2


@pytest.mark.parametrize(
    "body", [b"", b"\n\n", b"nonsense\n", b'{"a":{},"b":{}}\n{}\n', b"[1]\n", b'{"steal":{}}\n{}\n']
)
def test_unreadable_bulk_is_refused_as_a_whole(ask: Ask, body: bytes) -> None:
    ask("POST", "/plain/_bulk", body, 400)


def test_ten_megabytes_in_one_document(ask: Ask) -> None:
    text = "word " * 2_000_000
    answer = ask("POST", "/_bulk?refresh=true", bulk("logs-a-b", [{"@timestamp": TIME, "message": text}]))
    assert not answer["errors"]
    found = ask("POST", "/logs-*/_search", {"query": {"match": {"message": "word"}}})["hits"]["hits"]
    assert len(found[0]["_source"]["message"]) == 10_000_000
    too_long = ask("POST", "/_bulk", bulk("logs-a-b", [{"@timestamp": TIME, "message": text * 2}]))
    assert too_long["items"][0]["create"]["status"] == 413


def test_five_thousand_fields(ask: Ask) -> None:
    many = {f"field{number}": number for number in range(5000)}
    assert not ask("POST", "/_bulk?refresh=true", bulk("logs-a-b", [{"@timestamp": TIME, **many}]))["errors"]
    [hit] = ask("POST", "/logs-*/_search", {"query": {"term": {"field0": 0}}})["hits"]["hits"]
    assert hit["_source"]["field4999"] == 4999
    error = ask("POST", "/plain/_doc", many, 400)["error"]
    assert "Limit of total fields [1000]" in error["reason"]


def test_clocks_in_the_past_and_the_future(ask: Ask) -> None:
    times = ["0001-01-01T00:00:00Z", "1969-12-31T23:59:59Z", TIME, "9999-12-31T23:59:59Z"]
    assert not ask("POST", "/_bulk?refresh=true", bulk("logs-a-b", [{"@timestamp": time} for time in times]))["errors"]
    hits = ask("POST", "/logs-*/_search", {"sort": ["@timestamp"]})["hits"]["hits"]
    assert [hit["_source"]["@timestamp"] for hit in hits] == times
    years = {"x": {"date_histogram": {"field": "@timestamp", "calendar_interval": "year", "min_doc_count": 1}}}
    buckets = ask("POST", "/logs-*/_search", {"size": 0, "aggs": years})["aggregations"]["x"]["buckets"]
    assert [bucket["key_as_string"][:4] for bucket in buckets] == ["0001", "1969", "2026", "9999"]
    ask("POST", "/logs-a-b/_doc", {"@timestamp": "yesterday"}, 400)
    ask("POST", "/logs-a-b/_doc", b'{"@timestamp":1e30}', 400)


def test_strange_names_are_found_again(ask: Ask) -> None:
    strange = {"a-b c": {"@x/ä": "one"}, "p.q": "two", "r*": "three", "t:u": 5}
    ask("POST", "/logs-a-b/_doc?refresh=true", {"@timestamp": TIME, **strange}, 201)
    for path, value in {"a-b c.@x/ä": "one", "p.q": "two", "r*": "three", "t:u": 5}.items():
        assert ask("POST", "/logs-*/_count", {"query": {"term": {path: value}}})["count"] == 1, path
    for path in ("a-b c.@x/ä", "r*"):
        assert ask("POST", "/logs-*/_count", {"query": {"wildcard": {path: "*"}}})["count"] == 1, path
    assert ask("POST", "/logs-*/_count", {"query": {"range": {"t:u": {"gte": 5}}}})["count"] == 1


def test_bodies_may_be_zipped_but_no_bombs(ask: Ask) -> None:
    zipped = gzip.compress(b'{"index":{"_index":"plain"}}\n{"n":1}\n')
    assert not ask("POST", "/_bulk", zipped, HTTP_CONTENT_ENCODING="gzip")["errors"]
    ask("POST", "/_bulk", gzip.compress(b"x" * 100 * 1024**2), 413, HTTP_CONTENT_ENCODING="gzip")
    ask("POST", "/_bulk", b"no gzip", 400, HTTP_CONTENT_ENCODING="gzip")
    ask("POST", "/_bulk", b"x", 415, HTTP_CONTENT_ENCODING="br")


@pytest.mark.parametrize("path", ["/-/../server.py", "/-/explorer.html", "/-/%2e%2e/api.py", "/..", "//etc/passwd"])
def test_no_other_file_is_served(ask: Ask, path: str) -> None:
    assert "error" in ask("GET", path, status=501 if path != "/.." else 404)


def test_wrong_password_is_refused_everywhere(ask: Ask, store: Store) -> None:
    for login in ("", "Basic x", "Basic ZWxhc3RpYzp3cm9uZw==", "Bearer x", "Bäsic"):
        for path in ("/", "/_search", "/-/explorer.js", "/nothing"):
            ask("GET", path, status=401, HTTP_AUTHORIZATION=login.encode().decode("latin-1"))
    assert ask("GET", "/-/healthy", HTTP_AUTHORIZATION="") == "ok\n"


def test_reader_finds_all_and_changes_nothing(ask: Ask) -> None:
    def look(method: str, path: str, body: Any = None, status: int = 200) -> Any:
        return ask(method, path, body, status, HTTP_AUTHORIZATION=READER)

    ask("POST", "/_bulk?refresh=true", bulk("logs-a-sandbox", [{"@timestamp": TIME, "message": "found"}]))
    assert look("POST", "/logs-*/_search", {"query": {"match": {"message": "found"}}})["hits"]["total"]["value"] == 1
    header = orjson.dumps({"index": "logs-*"})
    assert look("POST", "/_msearch", header + b"\n{}\n")["responses"][0]["hits"]["total"]["value"] == 1
    for path in ("/", "/_cluster/health", "/logs-*/_mapping", "/_data_stream"):
        look("GET", path)
    for method, path in (
        ("POST", "/_bulk"), ("POST", "/logs-a-sandbox/_doc"), ("DELETE", "/_data_stream/logs-a-sandbox"),
        ("POST", "/logs-*/_delete_by_query"), ("PUT", "/_index_template/x"), ("POST", "/_bulk/_search/../_bulk"),
    ):  # fmt: skip
        assert "may only read" in look(method, path, {}, 403)["error"]["reason"]
    assert look("POST", "/logs-*/_count", {})["count"] == 1


@pytest.mark.parametrize(
    ("method", "path", "reason"),
    [
        ("GET", "/logs-*/_search?foo=1", "request [/logs-*/_search] contains unrecognized parameter: [foo]"),
        ("GET", "/_search?foo&routing=1m", "request [/_search] contains unrecognized parameters: [foo], [routing]"),
        ("GET", "/logs-*/_count?min_score=1", "request [/logs-*/_count] contains unrecognized parameter: [min_score]"),
        ("POST", "/_bulk?pipeline=x", "request [/_bulk] contains unrecognized parameter: [pipeline]"),
        ("PUT", "/logs-a-b/_doc/1?routing=x", "request [/logs-a-b/_doc/1] contains unrecognized parameter: [routing]"),
        ("GET", "/_cat/indices?s=index", "request [/_cat/indices] contains unrecognized parameter: [s]"),
        ("GET", "/_search?typed_keys", "request [/_search]: logstore does not have [typed_keys=]"),
        ("GET", "/_search?format=yaml", "request [/_search]: logstore does not have [format=yaml]"),
    ],
)
def test_unknown_parameter_is_refused(ask: Ask, method: str, path: str, reason: str) -> None:
    error = ask(method, path, status=400)["error"]
    assert (error["type"], error["reason"]) == ("illegal_argument_exception", reason)


@pytest.mark.parametrize(
    "path",
    [
        "/logs-*/_search?ignore_unavailable=true&preference=_local&request_cache=false&pretty",
        "/_search?typed_keys=false&search_type=query_then_fetch&format=json",
        "/_cluster/health?wait_for_status=yellow&timeout=5s",
        "/_cat/indices?v&expand_wildcards=all",
    ],
)
def test_parameter_that_changes_nothing_is_taken(ask: Ask, path: str) -> None:
    ask("GET", path)
