"""Writing, reading, names, templates, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from logstore.store import Store

from .conftest import Ask, bulk

TIME = "2026-11-24T10:00:00Z"


def test_bulk_tells_the_fate_of_each(ask: Ask) -> None:
    body = (
        b'{"index":{"_index":"plain","_id":"1"}}\n{"n":1}\n'
        b'{"create":{"_index":"plain","_id":"1"}}\n{"n":2}\n'
        b'{"index":{"_index":"plain","_id":"1"}}\n{"n":3}\n'
        b'{"index":{"_index":"plain","_id":"2"}}\n{"n":"many"}\n'
        b'{"index":{"_index":"plain","_id":"3"}}\n{"n":\n'
        b'{"update":{"_index":"plain","_id":"1"}}\n{"doc":{}}\n'
        b'{"delete":{"_index":"plain","_id":"nothing"}}\n'
        b'{"index":{"_index":"UPPER"}}\n{}\n'
        b'{"index":{"_index":"logs-a-b","_id":"1"}}\n{"@timestamp":"2026-11-24T10:00:00Z"}\n'
        b'{"create":{"_index":"logs-a-b","_id":"1"}}\n{"message":"no time"}\n'
        b'{"delete":{"_index":"plain","_id":"1"}}\n'
    )
    answer = ask("POST", "/_bulk?refresh=true", body)
    fates = [next(iter(item.values())) for item in answer["items"]]
    assert answer["errors"]
    assert [fate["status"] for fate in fates] == [201, 409, 200, 400, 400, 501, 404, 400, 400, 400, 200]
    kinds = [fate["error"]["type"] for fate in fates if "error" in fate]
    assert kinds == [
        "version_conflict_engine_exception", "document_parsing_exception", "document_parsing_exception",
        "unsupported_operation_exception", "invalid_index_name_exception", "illegal_argument_exception",
        "document_parsing_exception",
    ]  # fmt: skip
    assert ask("GET", "/plain/_count")["count"] == 0


def test_a_document_is_read_at_once_and_found_after_a_refresh(ask: Ask) -> None:
    assert ask("PUT", "/plain/_doc/a%20b/c".replace("%20", " "), {"n": 1}, 201)["result"] == "created"
    assert ask("GET", "/plain/_doc/a b/c")["_source"] == {"n": 1}
    assert ask("GET", "/plain/_count")["count"] == 0
    ask("POST", "/plain/_refresh")
    assert ask("GET", "/plain/_count")["count"] == 1
    assert ask("PUT", "/plain/_doc/a b/c?refresh", {"n": 2})["result"] == "updated"
    assert ask("GET", "/plain/_source/a b/c") == {"n": 2}
    assert ask("GET", "/plain/_count")["count"] == 1
    assert ask("DELETE", "/plain/_doc/a b/c?refresh=wait_for")["result"] == "deleted"
    assert ask("GET", "/plain/_doc/a b/c", status=404)["found"] is False
    assert ask("GET", "/plain/_count")["count"] == 0


def test_data_streams_take_new_documents_only(ask: Ask) -> None:
    made = ask("POST", "/logs-shop-sandbox/_doc?refresh=true", {"@timestamp": TIME, "message": "hello"}, 201)
    assert made["_index"].startswith(".ds-logs-shop-sandbox-")
    ask("PUT", "/logs-shop-sandbox/_doc/1", {"@timestamp": TIME}, 400)
    ask("PUT", "/logs-shop-sandbox/_create/1", {"@timestamp": TIME}, 201)
    ask("PUT", "/logs-shop-sandbox/_create/1", {"@timestamp": TIME}, 409)
    assert ask("GET", f"/{made['_index']}/_doc/{made['_id']}")["_source"]["message"] == "hello"
    [stream] = ask("GET", "/_data_stream/logs-*")["data_streams"]
    assert (stream["name"], stream["indices"][0]["index_name"]) == ("logs-shop-sandbox", made["_index"])
    ask("DELETE", f"/{made['_index']}", status=400)
    ask("DELETE", "/_data_stream/logs-shop-sandbox")
    assert ask("GET", "/_data_stream")["data_streams"] == []
    ask("GET", "/logs-shop-sandbox/_search", status=404)


def test_templates_shape_what_they_match(ask: Ask) -> None:
    ask("PUT", "/_index_template/mine", {"index_patterns": "my-*", "composed_of": ["shape"]}, 400)
    shape = {"mappings": {"properties": {"code": {"type": "keyword"}, "at": {"type": "date"}}, "dynamic": "strict"}}
    ask("PUT", "/_component_template/shape", {"template": shape})
    ask("PUT", "/_index_template/mine", {"index_patterns": "my-*", "composed_of": ["shape"], "data_stream": {}})
    ask("HEAD", "/_index_template/mine")
    ask("POST", "/my-stream/_doc?refresh=true", {"@timestamp": TIME, "code": 7, "at": "2026"}, 201)
    assert ask("POST", "/my-stream/_count", {"query": {"term": {"code": "7"}}})["count"] == 1
    error = ask("POST", "/my-stream/_doc", {"@timestamp": TIME, "new": 1}, 400)["error"]
    assert error["type"] == "strict_dynamic_mapping_exception"
    ask("DELETE", "/_component_template/shape", status=400)
    ask("DELETE", "/_index_template/mine")
    ask("DELETE", "/_component_template/shape")
    ask("GET", "/_index_template/mine", status=404)
    unknown = {"template": {"mappings": {"properties": {"x": {"type": "geo_shape"}}}}}
    assert "geo_shape" in ask("PUT", "/_component_template/other", unknown, 400)["error"]["reason"]


def test_indices_are_made_listed_and_deleted(ask: Ask) -> None:
    ask("HEAD", "/plain", status=404)
    ask("PUT", "/plain", {"mappings": {"properties": {"title": {"type": "text"}, "n": {"type": "long"}}}})
    ask("PUT", "/plain", status=400)
    ask("HEAD", "/plain")
    ask("PUT", "/plain/_mapping", {"properties": {"when": {"type": "date"}}})
    assert set(ask("GET", "/plain")["plain"]["mappings"]["properties"]) == {"title", "n", "when"}
    ask("PUT", "/plain/_mapping", {"properties": {"n": {"type": "keyword"}}}, 400)
    ask("POST", "/plain/_doc?refresh=true", {"title": "One Title", "n": 3}, 201)
    rows = ask("GET", "/_cat/indices/plain?format=json")
    assert [(row["index"], row["docs.count"]) for row in rows] == [("plain", "1")]
    assert ask("GET", "/_cat/indices?v").splitlines()[0].split()[:3] == ["health", "status", "index"]
    ask("DELETE", "/pla*", status=400)
    ask("DELETE", "/plain")
    ask("PUT", "/plain")
    assert ask("GET", "/plain/_count")["count"] == 0


def test_names_and_shapes_survive_a_new_start(ask: Ask, store: Store) -> None:
    ask("PUT", "/_component_template/kept", {"template": {}})
    ask("POST", "/_bulk?refresh=true", bulk("logs-a-b", [{"@timestamp": TIME, "code": 7}]))
    store.close()
    again = Store(store.folder)
    assert again.indices.indices["logs-a-b"].mapping.fields["code"].type == "long"
    assert again.indices.components["kept"] == {"template": {}}


@pytest.mark.parametrize(
    "path",
    ["/_ilm/policy/x", "/_ingest/pipeline/x", "/_aliases", "/_scripts/x", "/_security/user/x", "/a/_update/1", "/_sql"],
)
def test_what_is_not_there_says_so(ask: Ask, path: str) -> None:
    error = ask("POST", path, {}, 501)["error"]
    assert error["type"] == "unsupported_operation_exception"
    assert path in error["reason"]


def test_conflicting_values_in_logs_are_kept_and_named(ask: Ask) -> None:
    documents: list[dict[str, Any]] = [
        {"@timestamp": TIME, "code": 7, "user": {"name": "x"}},
        {"@timestamp": TIME, "code": "seven", "message": "one"},
        {"@timestamp": TIME, "user": "x", "message": "two"},
        {"@timestamp": TIME, "code": {"inner": 1}, "message": "three"},
        {"@timestamp": TIME, "level": "error", "message": "four"},
    ]
    assert not ask("POST", "/_bulk?refresh=true", bulk("logs-a-b", documents))["errors"]
    hits = ask("POST", "/logs-a-b/_search", {"query": {"exists": {"field": "_ignored"}}})["hits"]["hits"]
    assert {hit["_source"]["message"] for hit in hits} == {"one", "two", "three", "four"}
    assert ask("POST", "/logs-a-b/_count", {"query": {"term": {"_ignored": "code"}}})["count"] == 1


def test_words_are_looked_for_in_every_field_of_a_plain_index(ask: Ask) -> None:
    document = {"title": "Red boots", "made": "2026-11-24", "price": 7, "sold": True}
    ask("POST", "/plain/_doc?refresh=true", document, 201)
    found = {"boots": 1, "7": 1, "red AND 7": 1, "true": 1, "2026-11-24": 1, "blue": 0, "red AND 8": 0}
    for words, count in found.items():
        assert ask("POST", "/plain/_count", {"query": {"query_string": {"query": words}}})["count"] == count, words


def test_root_says_what_it_is(ask: Ask) -> None:
    assert "not Elasticsearch" in ask("GET", "/")["tagline"]
    assert ask("GET", "/_cluster/health")["status"] == "green"
    assert "logstore_writable 1" in ask("GET", "/metrics")
