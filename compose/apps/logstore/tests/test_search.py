"""Searches and aggregations against a plain computation over the same documents, in one generation and in three."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from logstore.store import Store

from .conftest import Ask, asking, bulk, roll

START = datetime(2026, 11, 24, 10, 0, tzinfo=UTC)
SERVICES = ("orders", "gateway", "stock-keeper")
Document = dict[str, Any]


def document(number: int) -> Document:
    return {
        "_id": f"id-{number}",
        "@timestamp": (START + timedelta(seconds=7 * number)).isoformat(),
        "message": f"Order {number} of customer-{number % 13} placed at 10.0.0.{number % 5}",
        "log": {"level": "error" if number % 5 == 0 else "info"},
        "service.name": SERVICES[number % 3],
        "http": {"response": {"status_code": 500 if number % 7 == 0 else 200}},
        "took": number / 4,
        "retried": number % 2 == 0,
        "since": "2026-11-24T10:00:00Z",
        **({"tags": ["slow", "checked"]} if number % 10 == 0 else {}),
    }


DOCUMENTS = [document(number) for number in range(300)]


@pytest.fixture(scope="module", params=[1, 3], ids=["one generation", "three generations"])
def logs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ask]:
    """A store that tests only read."""
    store = Store(tmp_path_factory.mktemp("store") / "data")
    ask = asking(store)
    fill(ask, store, request.param)
    yield ask
    store.close()


def fill(ask: Ask, store: Store, generations: int) -> None:
    size = len(DOCUMENTS) // generations
    for start in range(0, len(DOCUMENTS), size):
        assert not ask("POST", "/_bulk", bulk("logs-shop-sandbox", DOCUMENTS[start : start + size]))["errors"]
        if generations > 1:
            roll(store)
    store.refresh()


def matching(test: Callable[[Document], bool]) -> list[str]:
    return sorted(one["_id"] for one in DOCUMENTS if test(one))


def number(one: Document) -> int:
    return int(one["_id"][3:])


def found(ask: Ask, query: Any) -> list[str]:
    answer = ask("POST", "/logs-*/_search", {"query": query, "size": 1000})
    assert answer["hits"]["total"]["value"] == len(answer["hits"]["hits"])
    assert ask("POST", "/logs-*/_count", {"query": query})["count"] == len(answer["hits"]["hits"])
    return sorted(hit["_id"] for hit in answer["hits"]["hits"])


QUERIES: list[tuple[Any, Callable[[Document], bool]]] = [
    ({"match_all": {}}, lambda d: True),
    ({"match_none": {}}, lambda d: False),
    ({"match": {"message": "ORDER 7"}}, lambda d: True),
    ({"match": {"message": {"query": "order 7", "operator": "and"}}}, lambda d: number(d) == 7 or number(d) % 13 == 7),
    ({"match": {"message": {"query": "42 placed nothing", "minimum_should_match": 2}}}, lambda d: number(d) == 42),
    ({"match": {"message": "10.0.0.3"}}, lambda d: number(d) % 5 == 3),
    ({"match": {"service.name": "orders"}}, lambda d: d["service.name"] == "orders"),
    ({"match": {"nowhere": "orders"}}, lambda d: False),
    ({"match_phrase": {"message": "customer 4 placed"}}, lambda d: number(d) % 13 == 4),
    ({"match_phrase": {"message": "placed customer"}}, lambda d: False),
    ({"match_phrase": {"message": {"query": "order customer", "slop": 3}}}, lambda d: True),
    ({"multi_match": {"query": "stock-keeper", "fields": ["message", "service.*"]}}, lambda d: number(d) % 3 == 2),
    ({"term": {"service.name": "gateway"}}, lambda d: d["service.name"] == "gateway"),
    ({"term": {"service.name": {"value": "GATEWAY", "case_insensitive": True}}}, lambda d: number(d) % 3 == 1),
    ({"term": {"level": "error"}}, lambda d: number(d) % 5 == 0),
    ({"term": {"http.response.status_code": 500}}, lambda d: number(d) % 7 == 0),
    ({"term": {"http.response.status_code": "500"}}, lambda d: number(d) % 7 == 0),
    ({"term": {"took": 2}}, lambda d: d["took"] == 2),
    ({"term": {"retried": True}}, lambda d: d["retried"]),
    ({"term": {"retried": "false"}}, lambda d: not d["retried"]),
    ({"term": {"tags": "slow"}}, lambda d: "tags" in d),
    ({"term": {"since": "2026-11-24T10:00:00Z"}}, lambda d: True),
    ({"prefix": {"since": "2026-11"}}, lambda d: True),
    ({"term": {"@timestamp": "2026-11-24T10:00:07Z"}}, lambda d: number(d) == 1),
    ({"terms": {"service.name": ["orders", "gateway"]}}, lambda d: number(d) % 3 < 2),
    ({"ids": {"values": ["id-3", "id-299", "nothing"]}}, lambda d: number(d) in (3, 299)),
    ({"exists": {"field": "tags"}}, lambda d: "tags" in d),
    ({"exists": {"field": "message"}}, lambda d: True),
    ({"exists": {"field": "http"}}, lambda d: True),
    ({"exists": {"field": "nowhere"}}, lambda d: False),
    ({"prefix": {"service.name": "stock-"}}, lambda d: number(d) % 3 == 2),
    ({"prefix": {"message": "plac"}}, lambda d: True),
    ({"wildcard": {"service.name": {"value": "*a*e*a*"}}}, lambda d: number(d) % 3 == 1),
    ({"wildcard": {"service.name": "?atewa*"}}, lambda d: number(d) % 3 == 1),
    ({"wildcard": {"since": "*T10:00*Z"}}, lambda d: True),
    ({"wildcard": {"service.name": "stock\\-*"}}, lambda d: number(d) % 3 == 2),
    ({"wildcard": {"service.name": {"value": "*KEEPER", "case_insensitive": True}}}, lambda d: number(d) % 3 == 2),
    ({"regexp": {"service.name": "(orders|gate.*)"}}, lambda d: number(d) % 3 < 2),
    ({"fuzzy": {"service.name": {"value": "ordres"}}}, lambda d: number(d) % 3 == 0),
    ({"match": {"service.name": {"query": "ordres", "fuzziness": "AUTO"}}}, lambda d: number(d) % 3 == 0),
    ({"match": {"service.name": {"query": "ordres", "fuzziness": "AUTO:7,9"}}}, lambda d: False),
    ({"multi_match": {"query": "ordrs", "fields": ["service.name"], "fuzziness": 1}}, lambda d: number(d) % 3 == 0),
    ({"range": {"took": {"gte": 10, "lt": 12.5}}}, lambda d: 10 <= d["took"] < 12.5),
    ({"range": {"took": {"gt": 10.2, "lte": "12"}}}, lambda d: 10.2 < d["took"] <= 12),
    ({"range": {"http.response.status_code": {"gt": 200.5}}}, lambda d: number(d) % 7 == 0),
    ({"range": {"http.response.status_code": {"gte": 200.5, "lt": 500}}}, lambda d: False),
    ({"range": {"http.response.status_code": {"gte": -5, "lt": 499.5}}}, lambda d: number(d) % 7 != 0),
    ({"range": {"service.name": {"gte": "h"}}}, lambda d: number(d) % 3 != 1),
    ({"range": {"@timestamp": {"gte": "2026-11-24T10:00:07Z", "lt": "2026-11-24T10:00:21Z"}}},
     lambda d: number(d) in (1, 2)),
    ({"range": {"@timestamp": {"gte": "2026-11-24T11:00:07", "lt": "2026-11-24T11:00:21", "time_zone": "+01:00"}}},
     lambda d: number(d) in (1, 2)),
    ({"range": {"@timestamp": {"gte": "2026-11-24||/d", "lte": "2026-11-24T10:00||/m"}}}, lambda d: 7 * number(d) < 60),
    ({"range": {"@timestamp": {"gt": "now+10y"}}}, lambda d: False),
    ({"range": {"@timestamp": {"gte": 1795514407, "lt": "1795514421", "format": "epoch_second"}}},
     lambda d: number(d) in (1, 2)),
    ({"range": {"@timestamp": {"gte": 1795514407000, "lte": 1795514414000, "format": "epoch_millis"}}},
     lambda d: number(d) in (1, 2)),
    ({"range": {"@timestamp": {"gte": "1795514407||+7s", "lte": "2026-11-24T10:00:14",
                               "format": "strict_date_optional_time||epoch_second"}}}, lambda d: number(d) == 2),
    ({"range": {"took": {"from": 10, "to": 12}}}, lambda d: 10 <= d["took"] <= 12),
    ({"range": {"took": {"from": 10, "to": 12, "include_lower": False, "include_upper": False}}},
     lambda d: 10 < d["took"] < 12),
    ({"range": {"took": {"from": None, "to": 1}}}, lambda d: d["took"] <= 1),
    ({"exists": {"field": "tag*"}}, lambda d: "tags" in d),
    ({"exists": {"field": "nowhere.*"}}, lambda d: False),
    ({"match": {"took": {"query": "nonsense", "lenient": True}}}, lambda d: False),
    ({"match": {"message": {"query": "order", "analyzer": "standard"}}}, lambda d: True),
    ({"multi_match": {"query": "orders", "fields": ["nowhere.*"]}}, lambda d: False),
    ({"query_string": {"query": "orders", "fields": ["nowhere.*"]}}, lambda d: False),
    ({"query_string": {"query": "orders", "default_field": "service.*"}}, lambda d: number(d) % 3 == 0),
    ({"query_string": {"query": "@timestamp:[2026-11-24T11:00:07 TO 2026-11-24T11:00:14]", "time_zone": "+01:00"}},
     lambda d: number(d) in (1, 2)),
    ({"regexp": {"service.name": {"value": "ORDERS", "case_insensitive": True}}}, lambda d: number(d) % 3 == 0),
    ({"bool": {"must": {"term": {"level": "error"}}, "must_not": [{"term": {"service.name": "orders"}}]}},
     lambda d: number(d) % 5 == 0 and number(d) % 3 != 0),
    ({"bool": {"must_not": {"exists": {"field": "tags"}}}}, lambda d: "tags" not in d),
    ({"bool": {"filter": [{"term": {"level": "error"}}], "should": [{"term": {"took": 0}}]}},
     lambda d: number(d) % 5 == 0),
    ({"bool": {"should": [{"term": {"took": 0}}, {"term": {"took": 5}}, {"term": {"level": "error"}}],
               "minimum_should_match": 2}}, lambda d: number(d) in (0, 20)),
    ({"bool": {}}, lambda d: True),
    ({"constant_score": {"filter": {"term": {"level": "error"}}}}, lambda d: number(d) % 5 == 0),
]  # fmt: skip


@pytest.mark.parametrize(("query", "test"), QUERIES, ids=[str(query)[:80] for query, _ in QUERIES])
def test_query_finds_what_it_should(logs: Ask, query: Any, test: Callable[[Document], bool]) -> None:
    assert found(logs, query) == matching(test)


LUCENE: list[tuple[str, Callable[[Document], bool]]] = [
    ("*", lambda d: True),
    ("", lambda d: False),
    ("level:error AND service.name:orders", lambda d: number(d) % 15 == 0),
    ("level:error OR service.name:orders", lambda d: number(d) % 5 == 0 or number(d) % 3 == 0),
    ("NOT level:error", lambda d: number(d) % 5 != 0),
    ("level:error -service.name:orders", lambda d: number(d) % 5 == 0 and number(d) % 3 != 0),
    ("+level:error +tags:slow", lambda d: number(d) % 10 == 0),
    ("(level:error OR took:2) AND NOT tags:slow", lambda d: (number(d) % 5 == 0 or d["took"] == 2) and "tags" not in d),
    ("service.name:(orders OR gateway)", lambda d: number(d) % 3 < 2),
    ("service.name:stock\\-keeper", lambda d: number(d) % 3 == 2),
    ('service.name:"stock-keeper"', lambda d: number(d) % 3 == 2),
    ("service.name:stock*", lambda d: number(d) % 3 == 2),
    ("customer-4", lambda d: number(d) % 13 == 4),
    ('"customer 4 placed"', lambda d: number(d) % 13 == 4),
    ('"order customer"~3', lambda d: True),
    ("ordre~1", lambda d: True),
    ("plac?d", lambda d: True),
    ("took:[10 TO 12]", lambda d: 10 <= d["took"] <= 12),
    ("took:{10 TO 12}", lambda d: 10 < d["took"] < 12),
    ("took:>=74", lambda d: d["took"] >= 74),
    ("took:<1", lambda d: d["took"] < 1),
    ("took:nonsense", lambda d: False),
    ("took:nonsense OR placed", lambda d: True),
    ("_exists_:tags", lambda d: "tags" in d),
    ("tags:*", lambda d: "tags" in d),
    ("@timestamp:[2026-11-24T10:00:07 TO 2026-11-24T10:00:14]", lambda d: number(d) in (1, 2)),
    ('@timestamp:"2026-11-24T10:00:07Z"', lambda d: number(d) == 1),
    ("service.name:/gate.*/", lambda d: number(d) % 3 == 1),
    ("level:error && service.name:orders", lambda d: number(d) % 15 == 0),
    ("level:error || service.name:orders", lambda d: number(d) % 5 == 0 or number(d) % 3 == 0),
    ("(level:error||took:2)&&!tags:slow", lambda d: (number(d) % 5 == 0 or d["took"] == 2) and "tags" not in d),
    ("!level:error", lambda d: number(d) % 5 != 0),
    ("! level:error", lambda d: number(d) % 5 != 0),
    ("level:error !service.name:orders", lambda d: number(d) % 5 == 0 and number(d) % 3 != 0),
    ('"order && || ! 42"', lambda d: number(d) == 42),
    ("order\\!", lambda d: True),
    ("service.name:/(orders||gate.*)/", lambda d: number(d) % 3 < 2),
    ("service.\\*:orders", lambda d: number(d) % 3 == 0),
    ("service.*:orders", lambda d: number(d) % 3 == 0),
    ("nowhere.*:orders", lambda d: False),
    ("_exists_:tag*", lambda d: "tags" in d),
]


@pytest.mark.parametrize(("text", "test"), LUCENE, ids=[text for text, _ in LUCENE])
def test_lucene_finds_what_it_should(logs: Ask, text: str, test: Callable[[Document], bool]) -> None:
    assert found(logs, {"query_string": {"query": text}}) == matching(test)


def test_search_in_the_address(logs: Ask) -> None:
    answer = logs("GET", "/logs-shop-sandbox/_search?q=level:error&size=2&sort=@timestamp:desc&_source=took")
    assert [hit["_id"] for hit in answer["hits"]["hits"]] == ["id-295", "id-290"]
    assert answer["hits"]["hits"][0]["_source"] == {"took": 73.75}


def test_score_puts_the_better_match_first(logs: Ask) -> None:
    answer = logs("POST", "/_search", {"query": {"match": {"message": "order 42"}}, "size": 1})
    assert answer["hits"]["hits"][0]["_id"] == "id-42"
    assert answer["hits"]["max_score"] == answer["hits"]["hits"][0]["_score"] > 0


@pytest.mark.parametrize("order", ["asc", "desc"])
@pytest.mark.parametrize("sort", ["@timestamp", "_doc", "took", "service.name"])
def test_pages_hold_every_document_once_and_in_order(logs: Ask, sort: str, order: str) -> None:
    body: dict[str, Any] = {"size": 70, "sort": [{sort: order}, {"_doc": order}]}
    ids: list[str] = []
    values: list[Any] = []
    while hits := logs("POST", "/logs-*/_search", body)["hits"]["hits"]:
        ids += [hit["_id"] for hit in hits]
        values += [hit["sort"] for hit in hits]
        body["search_after"] = hits[-1]["sort"]
    assert sorted(ids) == matching(lambda d: True)
    assert values == sorted(values, reverse=order == "desc")


def test_documents_of_one_instant_are_paged_by_arrival(ask: Ask, store: Store) -> None:
    documents = [{"_id": str(n), "@timestamp": "2026-11-24T10:00:00Z", "n": n} for n in range(500)]
    ask("POST", "/_bulk?refresh=true", bulk("logs-a-b", documents))
    body: dict[str, Any] = {"size": 30, "sort": [{"@timestamp": "desc"}, {"_doc": "asc"}]}
    numbers: list[int] = []
    while hits := ask("POST", "/logs-*/_search", body)["hits"]["hits"]:
        numbers += [hit["_source"]["n"] for hit in hits]
        body["search_after"] = hits[-1]["sort"]
    assert numbers == list(range(500))


def test_from_and_size(logs: Ask) -> None:
    body = {"from": 10, "size": 5, "sort": ["took"], "track_total_hits": False}
    answer = logs("POST", "/_search", body)
    assert [hit["_id"] for hit in answer["hits"]["hits"]] == [f"id-{n}" for n in range(10, 15)]
    assert "total" not in answer["hits"]


def aggregated(ask: Ask, aggs: Any, query: Any = None) -> Any:
    body = {"size": 0, "aggs": aggs, **({"query": query} if query else {})}
    return ask("POST", "/logs-*/_search", body)["aggregations"]


def test_terms_count_and_rank(logs: Ask) -> None:
    answer = aggregated(logs, {"x": {"terms": {"field": "http.response.status_code"}}})["x"]
    counts = Counter(one["http"]["response"]["status_code"] for one in DOCUMENTS)
    assert {bucket["key"]: bucket["doc_count"] for bucket in answer["buckets"]} == counts
    assert [bucket["key"] for bucket in answer["buckets"]] == [200, 500]
    two = aggregated(logs, {"x": {"terms": {"field": "service.name", "size": 2, "order": {"_key": "desc"}}}})["x"]
    assert [bucket["key"] for bucket in two["buckets"]] == ["stock-keeper", "orders"]
    assert two["sum_other_doc_count"] == 100
    flags = aggregated(logs, {"x": {"terms": {"field": "retried"}}})["x"]["buckets"]
    assert {(b["key"], b["key_as_string"], b["doc_count"]) for b in flags} == {(1, "true", 150), (0, "false", 150)}
    since = aggregated(logs, {"x": {"terms": {"field": "since"}}})["x"]["buckets"]
    assert since == [{"key": "2026-11-24T10:00:00Z", "doc_count": 300}]


def test_terms_ordered_by_a_metric(logs: Ask) -> None:
    aggs = {
        "x": {
            "terms": {"field": "service.name", "order": {"most": "desc"}},
            "aggs": {"most": {"max": {"field": "took"}}},
        }
    }
    buckets = aggregated(logs, aggs)["x"]["buckets"]
    assert [(b["key"], b["most"]["value"]) for b in buckets] == [
        ("stock-keeper", 299 / 4), ("gateway", 298 / 4), ("orders", 297 / 4),
    ]  # fmt: skip


def test_numbers(logs: Ask) -> None:
    took = [one["took"] for one in DOCUMENTS]
    aggs = {
        "stats": {"stats": {"field": "took"}},
        "avg": {"avg": {"field": "took"}},
        "count": {"value_count": {"field": "tags"}},
        "kinds": {"cardinality": {"field": "service.name"}},
        "percentiles": {"percentiles": {"field": "took", "percents": [50, 95]}},
        "newest": {"max": {"field": "@timestamp"}},
        "nothing": {"sum": {"field": "nowhere"}},
        "empty": {"min": {"field": "nowhere"}},
    }
    answer = aggregated(logs, aggs)
    expected = {"count": 300, "min": 0, "max": max(took), "avg": sum(took) / 300, "sum": sum(took)}
    assert answer["stats"] == pytest.approx(expected)
    assert answer["avg"]["value"] == pytest.approx(sum(took) / 300)
    assert answer["count"]["value"] == 60
    assert answer["kinds"]["value"] == 3
    assert answer["percentiles"]["values"]["50.0"] == pytest.approx(37.4, rel=0.05)
    assert answer["percentiles"]["values"]["95.0"] == pytest.approx(71, rel=0.05)
    assert answer["newest"]["value_as_string"] == "2026-11-24T10:34:53.000Z"
    assert answer["nothing"]["value"] == 0
    assert answer["empty"]["value"] is None


def test_dates_of_aggregations_are_shown_in_the_format_asked_for(logs: Ask) -> None:
    hours = {"field": "@timestamp", "fixed_interval": "1h", "format": "epoch_second"}
    newest = {"max": {"field": "@timestamp", "format": "strict_date"}}
    answer = aggregated(logs, {"time": {"date_histogram": hours}, "newest": newest})
    assert [bucket["key_as_string"] for bucket in answer["time"]["buckets"]] == ["1795514400"]
    assert answer["newest"]["value_as_string"] == "2026-11-24"


def test_date_histogram_with_two_levels_below(logs: Ask) -> None:
    aggs = {
        "time": {
            "date_histogram": {"field": "@timestamp", "fixed_interval": "10m"},
            "aggs": {
                "levels": {"terms": {"field": "log.level"}, "aggs": {"took": {"stats": {"field": "took"}}}},
                "which": {"filters": {"filters": {
                    "bad": {"term": {"http.response.status_code": 500}}, "slow": {"term": {"tags": "slow"}},
                }}, "aggs": {"kinds": {"terms": {"field": "service.name"}}}},
            },
        }
    }  # fmt: skip
    buckets = aggregated(logs, aggs)["time"]["buckets"]
    assert [bucket["key_as_string"] for bucket in buckets] == [f"2026-11-24T10:{m}0:00.000Z" for m in range(4)]
    for place, bucket in enumerate(buckets):
        within = [one for one in DOCUMENTS if 7 * number(one) // 600 == place]
        assert bucket["doc_count"] == len(within)
        for level in bucket["levels"]["buckets"]:
            took = [one["took"] for one in within if one["log"]["level"] == level["key"]]
            assert level["took"]["count"] == len(took)
            assert level["took"]["max"] == max(took)
        bad = [one for one in within if one["http"]["response"]["status_code"] == 500]
        assert bucket["which"]["buckets"]["bad"]["doc_count"] == len(bad)
        kinds = {b["key"]: b["doc_count"] for b in bucket["which"]["buckets"]["bad"]["kinds"]["buckets"]}
        assert kinds == Counter(one["service.name"] for one in bad)


def test_filters_at_the_top(logs: Ask) -> None:
    by_hour = {"time": {"date_histogram": {"field": "@timestamp", "calendar_interval": "hour"}}}
    filters = {"errors": {"term": {"level": "error"}}, "all": {"match_all": {}}}
    aggs = {"x": {"filters": {"filters": filters}, "aggs": by_hour}}
    buckets = aggregated(logs, aggs)["x"]["buckets"]
    assert buckets["errors"]["doc_count"] == 60
    assert [b["doc_count"] for b in buckets["all"]["time"]["buckets"]] == [300]


def test_empty_buckets_between_are_shown(ask: Ask, store: Store) -> None:
    times = ["2026-01-31T23:30:00Z", "2026-04-01T00:00:00Z"]
    ask("POST", "/_bulk?refresh=true", bulk("logs-a-b", [{"@timestamp": time} for time in times]))
    month = {"date_histogram": {"field": "@timestamp", "calendar_interval": "month"}}
    buckets = aggregated(ask, {"x": month})["x"]["buckets"]
    assert [(b["key_as_string"][:7], b["doc_count"]) for b in buckets] == [
        ("2026-01", 1), ("2026-02", 0), ("2026-03", 0), ("2026-04", 1),
    ]  # fmt: skip
    berlin = {"date_histogram": {**month["date_histogram"], "time_zone": "Europe/Berlin"}}
    buckets = aggregated(ask, {"x": berlin})["x"]["buckets"]
    assert [(b["key_as_string"], b["doc_count"]) for b in buckets] == [
        ("2026-02-01T00:00:00.000+01:00", 1),
        ("2026-03-01T00:00:00.000+01:00", 0),
        ("2026-04-01T00:00:00.000+02:00", 1),
    ]  # fmt: skip
    day = {"date_histogram": {"field": "@timestamp", "fixed_interval": "30d", "min_doc_count": 1}}
    assert [b["doc_count"] for b in aggregated(ask, {"x": day})["x"]["buckets"]] == [1, 1]
    nothing = aggregated(ask, {"x": month}, {"match_none": {}})
    assert nothing["x"]["buckets"] == []


def test_many_searches_in_one_request(logs: Ask) -> None:
    body = b'{"index":"logs-*"}\n{"size":0}\n{"index":"nothing"}\n{}\n{}\n{"query":{"strange":{}}}\n'
    good, missing, wrong = logs("POST", "/_msearch", body)["responses"]
    assert good["hits"]["total"]["value"] == 300
    assert (missing["status"], missing["error"]["type"]) == (404, "index_not_found_exception")
    assert (wrong["status"], wrong["error"]["type"]) == (400, "parsing_exception")


def test_fields_and_their_capabilities(logs: Ask) -> None:
    fields = logs("GET", "/logs-*/_field_caps?fields=*")["fields"]
    kinds = {name: next(iter(kind)) for name, kind in fields.items()}
    assert kinds["message"] == "text" and not fields["message"]["text"]["aggregatable"]
    assert (kinds["took"], kinds["level"], kinds["@timestamp"], kinds["http"]) == (
        "double",
        "keyword",
        "date",
        "object",
    )
    shown = logs("POST", "/_search", {"fields": ["http.*", "tags"], "_source": False, "size": 1, "sort": ["took"]})
    expected = {"http.response.status_code": [500], "tags": ["slow", "checked"]}
    assert shown["hits"]["hits"][0]["fields"] == expected
    mapping = logs("GET", "/logs-shop-sandbox/_mapping")
    properties = next(iter(mapping.values()))["mappings"]["properties"]
    assert properties["http"]["properties"]["response"]["properties"]["status_code"] == {"type": "long"}


def test_delete_by_query_deletes_and_tells_how_many(ask: Ask, store: Store) -> None:
    fill(ask, store, 3)
    answer = ask("POST", "/logs-*/_delete_by_query", {"query": {"term": {"level": "error"}}})
    assert answer["deleted"] == 60
    assert found(ask, {"match_all": {}}) == matching(lambda d: number(d) % 5 != 0)


@pytest.mark.parametrize(
    ("body", "score"),
    [
        ({}, 1.0),
        ({"query": {"match_all": {}}}, 1.0),
        ({"query": {"match_all": {"boost": 2}}}, 2.0),
        ({"query": {"bool": {}}}, 1.0),
        ({"query": {"constant_score": {"filter": {"match": {"message": "order"}}}}}, 1.0),
        ({"query": {"bool": {"filter": [{"match_all": {}}]}}}, 0.0),
    ],
    ids=str,
)
def test_score_without_words_is_the_same_for_all(logs: Ask, body: Any, score: float) -> None:
    hits = logs("POST", "/logs-*/_search", body)["hits"]
    assert {hit["_score"] for hit in hits["hits"]} == {score}
    assert hits["max_score"] == score


@pytest.mark.parametrize(
    ("format", "shown"),
    [
        ("epoch_millis", "1795514407000"),
        ("epoch_second", "1795514407"),
        ("strict_date_optional_time_nanos", "2026-11-24T10:00:07.000Z"),
        ("strict_date", "2026-11-24"),
    ],
)
def test_dates_are_shown_in_the_format_asked_for(logs: Ask, format: str, shown: str) -> None:
    body: dict[str, Any] = {
        "query": {"ids": {"values": ["id-1"]}},
        "sort": [{"@timestamp": {"order": "asc", "format": format}}, "_doc"],
        "fields": [{"field": "@timestamp", "format": format}, "took"],
    }
    [hit] = logs("POST", "/logs-*/_search", body)["hits"]["hits"]
    assert (hit["sort"][0], hit["fields"]) == (shown, {"@timestamp": [shown], "took": [0.25]})
    following = {"sort": body["sort"], "search_after": hit["sort"], "size": 1}
    if format != "strict_date":
        assert logs("POST", "/logs-*/_search", following)["hits"]["hits"][0]["_id"] == "id-2"


def test_the_address_chooses_what_of_a_document_is_shown(logs: Ask) -> None:
    for query, shown in {
        "_source_includes=took,http.*&_source_excludes=http": {"took": 0.25},
        "_source=took,retried&_source_excludes=re*": {"took": 0.25},
        "_source_excludes=message,log,http,service.*,retried,since,@*": {"took": 0.25},
    }.items():
        [hit] = logs("GET", f"/logs-*/_search?q=_id:id-1&{query}")["hits"]["hits"]
        assert hit["_source"] == shown, query
        assert logs("GET", f"/logs-shop-sandbox/_doc/id-1?{query}")["_source"] == shown
        assert logs("GET", f"/logs-shop-sandbox/_source/id-1?{query}") == shown
    assert "_source" not in logs("GET", "/logs-*/_search?_source=false")["hits"]["hits"][0]


def test_the_total_as_a_number(logs: Ask) -> None:
    assert logs("GET", "/logs-*/_search?size=0&rest_total_hits_as_int=true")["hits"]["total"] == 300
    body = b'{"index":"logs-*"}\n{"size":0}\n'
    [answer] = logs("POST", "/_msearch?rest_total_hits_as_int=true", body)["responses"]
    assert answer["hits"]["total"] == 300


def test_cat_count_takes_a_query_and_columns(logs: Ask) -> None:
    assert logs("GET", "/_cat/count?h=count") == "300\n"
    body = {"query": {"term": {"level": "error"}}}
    assert logs("POST", "/_cat/count/logs-*?format=json", body)[0]["count"] == "60"
    logs("POST", "/_cat/count", {"size": 1}, 400)
    logs("GET", "/_cat/count?h=nothing", status=400)
