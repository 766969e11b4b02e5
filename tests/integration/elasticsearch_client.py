"""What people do with Elasticsearch's official client; run with version 8 and 9: URL USER PASSWORD STREAM."""

from __future__ import annotations

import sys

import elasticsearch
from elasticsearch import ApiError, BadRequestError, ConflictError, Elasticsearch, NotFoundError, helpers

url, user, password, stream = sys.argv[1:]
client = Elasticsearch(url, basic_auth=(user, password))
print("client", elasticsearch.__versionstr__)


def refused(error: type[Exception], call: object, **arguments: object) -> None:
    try:
        call(**arguments)  # type: ignore[operator]
    except error:
        return
    raise AssertionError(f"{call} was not refused")


assert "logstore" in client.info()["tagline"]
assert client.cluster.health()["status"] == "green"
mappings = {"properties": {"took": {"type": "double"}}}
client.cluster.put_component_template(name="client", template={"mappings": mappings})
client.indices.put_index_template(
    name="client", index_patterns=[stream], composed_of=["client"], data_stream={}, priority=900
)
assert client.indices.exists_index_template(name="client")

documents = [
    {"_op_type": "create", "_index": stream, "_id": str(n), "@timestamp": f"2026-11-24T10:{n // 60:02}:{n % 60:02}Z",
     "message": f"order {n} placed", "level": "error" if n % 5 == 0 else "info", "took": n}
    for n in range(600)
]  # fmt: skip
assert helpers.bulk(client, documents, refresh=True) == (600, [])
done, errors = helpers.bulk(client, documents[:3], raise_on_error=False)
assert (done, [item["create"]["status"] for item in errors]) == (0, [409] * 3)

query = {"query_string": {"query": "level:error AND placed"}}
found = client.search(index=stream, query=query, sort="took:desc", size=1)
assert (found["hits"]["total"]["value"], found["hits"]["hits"][0]["_id"]) == (120, "595")
assert client.count(index=stream, query={"range": {"took": {"gte": 590}}})["count"] == 10
pages, after = 0, None
while hits := client.search(index=stream, size=250, sort=[{"@timestamp": "asc"}], search_after=after)["hits"]["hits"]:
    pages, after = pages + len(hits), hits[-1]["sort"]
assert pages == 600
scanned = helpers.scan(client, index=stream, query={"query": {"range": {"took": {"lt": 500}}}}, size=150)
assert sorted(int(hit["_id"]) for hit in scanned) == list(range(500))
ordered = helpers.scan(client, index=stream, query={"sort": [{"took": "desc"}]}, size=70, preserve_order=True)
assert [hit["_source"]["took"] for hit in ordered] == list(reversed(range(600)))
near = {"match": {"message": {"query": "ordr", "fuzziness": "AUTO"}}}
found = client.search(index=stream, query=near, size=1, filter_path="hits.total.value,hits.hits._id")
assert found["hits"]["total"] == {"value": 600}
assert list(found["hits"]["hits"][0]) == ["_id"]
aggs = {
    "time": {
        "date_histogram": {"field": "@timestamp", "fixed_interval": "5m"},
        "aggs": {"took": {"percentiles": {"field": "took", "percents": [50]}}},
    }
}
buckets = client.search(index=stream, size=0, aggs=aggs)["aggregations"]["time"]["buckets"]
assert [bucket["doc_count"] for bucket in buckets] == [300, 300]
answers = client.msearch(searches=[{"index": stream}, {"size": 0}, {"index": "nothing"}, {}])["responses"]
assert [answer["status"] for answer in answers] == [200, 404]
assert client.field_caps(index=stream, fields="took")["fields"]["took"]["double"]["aggregatable"]
assert client.indices.get_data_stream(name=stream)["data_streams"][0]["name"] == stream
assert client.cat.indices(index=stream, format="json")[0]["docs.count"] == "600"

client.index(index="plain-client", id="1", document={"n": 1}, refresh=True)
assert client.get(index="plain-client", id="1")["_source"] == {"n": 1}
assert client.indices.get_mapping(index="plain-client")["plain-client"]["mappings"]["properties"]["n"]["type"] == "long"
client.delete(index="plain-client", id="1")
refused(NotFoundError, client.get, index="plain-client", id="1")
refused(ConflictError, client.create, index=stream, id="1", document={"@timestamp": "2026-11-24T10:00:00Z"})
refused(BadRequestError, client.search, index=stream, query={"strange": {}})
refused(ApiError, client.ilm.put_lifecycle, name="x", policy={"phases": {}})
client.indices.delete(index="plain-client")
assert client.delete_by_query(index=stream, query={"term": {"level": "error"}}, refresh=True)["deleted"] == 120
client.indices.delete_data_stream(name=stream)
client.indices.delete_index_template(name="client")
client.cluster.delete_component_template(name="client")
assert not client.indices.exists(index=stream)
