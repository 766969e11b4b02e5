"""Long answers page by page, and answers less what was not asked for."""

from __future__ import annotations

import time

import pytest
from logstore.store import Store

from .conftest import Ask, bulk, roll

STREAM = "logs-scroll-sandbox"


def fill(ask: Ask, count: int, start: int = 0) -> None:
    documents = [
        {"_id": str(n), "@timestamp": f"2026-11-24T10:00:{n // 7 % 60:02}Z", "message": f"line {n}", "n": n % 5}
        for n in range(start, start + count)
    ]
    assert not ask("POST", "/_bulk?refresh", bulk(STREAM, documents))["errors"]


def ids(ask: Ask, path: str, body: object = None) -> list[str]:
    """The ids of all pages."""
    page = ask("POST", path, body)
    found: list[str] = []
    while page["hits"]["hits"]:
        found += [hit["_id"] for hit in page["hits"]["hits"]]
        page = ask("POST", "/_search/scroll", {"scroll_id": page["_scroll_id"], "scroll": "1m"})
    assert ask("DELETE", "/_search/scroll", {"scroll_id": [page["_scroll_id"]]}) == {"succeeded": True, "num_freed": 1}
    return found


@pytest.mark.parametrize("sort", [None, ["_doc"], [{"@timestamp": "desc"}], ["n", {"@timestamp": "asc"}]])
def test_every_document_comes_once_in_its_order(ask: Ask, store: Store, sort: object) -> None:
    fill(ask, 120)
    roll(store)
    fill(ask, 130, 120)
    body = {"size": 40, **({"sort": sort} if sort else {})}
    found = ids(ask, f"/{STREAM}/_search?scroll=1m", body)
    assert sorted(found, key=int) == [str(n) for n in range(250)]
    numbers = [int(id) for id in found]
    if sort in (None, ["_doc"]):
        assert numbers == sorted(numbers)
    elif len(sort) == 2:  # type: ignore[arg-type]
        assert [n % 5 for n in numbers] == sorted(n % 5 for n in numbers)
    else:
        times = [n // 7 % 60 for n in numbers]
        assert times == sorted(times, reverse=True)


def test_what_comes_later_is_not_in_it(ask: Ask) -> None:
    fill(ask, 10)
    page = ask("POST", f"/{STREAM}/_search?scroll=1m&size=6", {"aggs": {"n": {"max": {"field": "n"}}}})
    assert (page["hits"]["total"]["value"], page["aggregations"]["n"]["value"]) == (10, 4)
    assert "sort" not in page["hits"]["hits"][0]
    fill(ask, 10, 10)
    page = ask("GET", f"/_search/scroll?scroll=1m&scroll_id={page['_scroll_id']}")
    assert len(page["hits"]["hits"]) == 4
    assert page["hits"]["total"]["value"] == 10
    assert "aggregations" not in page


def test_scroll_that_is_ended_expired_or_unknown(ask: Ask) -> None:
    fill(ask, 3)
    page = ask("POST", f"/{STREAM}/_search?scroll=1ms&size=1", {})
    time.sleep(0.02)
    error = ask("POST", "/_search/scroll", {"scroll_id": page["_scroll_id"]}, status=404)["error"]
    assert error["type"] == "search_context_missing_exception"
    ask("POST", "/_search/scroll", {"scroll_id": "x"}, status=404)
    assert ask("DELETE", "/_search/scroll", {"scroll_id": ["x"]}, status=404)["num_freed"] == 0
    for _ in range(3):
        ask("POST", f"/{STREAM}/_search?scroll=1m", {})
    assert ask("DELETE", "/_search/scroll/_all")["num_freed"] == 3


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/_search?scroll=soon", {}),
        ("/_search?scroll=2d", {}),
        ("/_search?scroll=1m&from=1", {}),
        ("/_search?scroll=1m", {"sort": ["_doc"], "search_after": [1]}),
        ("/_search/scroll", {}),
        ("/_search/scroll", {"scroll_id": "x", "size": 1}),
    ],
)
def test_scroll_that_cannot_be(ask: Ask, path: str, body: object) -> None:
    assert ask("POST", path, body, status=400)["error"]["reason"]


def test_there_is_an_end_to_how_many_may_be_open(ask: Ask) -> None:
    fill(ask, 1)
    for _ in range(500):
        ask("POST", f"/{STREAM}/_search?scroll=1m&size=0", {})
    assert ask("POST", f"/{STREAM}/_search?scroll=1m", {}, status=429)


@pytest.mark.parametrize(
    ("wanted", "answer"),
    [
        ("hits.hits._id", {"hits": {"hits": [{"_id": "0"}]}}),
        ("hits.hits._source.n,timed_out", {"timed_out": False, "hits": {"hits": [{"_source": {"n": 0}}]}}),
        ("**._id", {"hits": {"hits": [{"_id": "0"}]}}),
        ("hits.*.*ource.mess*", {"hits": {"hits": [{"_source": {"message": "line 0"}}]}}),
        ("hits.total", {"hits": {"total": {"value": 1, "relation": "eq"}}}),
        ("hits.hits,-hits.hits._source,-**._index", {"hits": {"hits": [{"_id": "0", "_score": 1.0}]}}),
        ("nothing", {}),
    ],
)
def test_filter_path(ask: Ask, wanted: str, answer: object) -> None:
    fill(ask, 1)
    assert ask("GET", f"/{STREAM}/_search?filter_path={wanted}") == answer


def test_filter_path_that_leaves_out_and_is_too_long(ask: Ask) -> None:
    fill(ask, 1)
    assert ask("GET", f"/{STREAM}/_search?filter_path=-hits,-took") == {
        "timed_out": False, "_shards": {"total": 1, "successful": 1, "skipped": 0, "failed": 0},
    }  # fmt: skip
    ask("GET", "/_search?filter_path=" + ",".join(["a"] * 51), status=400)
    assert ask("GET", "/_cat/indices?filter_path=x&format=json") == []
