"""Answers to searches."""

from __future__ import annotations

import time
from typing import Any

from logstore.errors import ApiError, bad_query, bad_request
from logstore.messages import Answer, Json, Request, wanted_source
from logstore.scrolls import Scroll
from logstore.search import Search
from logstore.store import Store


def search(store: Store, request: Request) -> Answer:
    if "scroll" in request.query:
        return _first_page(store, request)
    return Answer(_totals(request, Search(store, request.targets(store), search_body(request)).run()))


def _first_page(store: Store, request: Request) -> Answer:
    body = search_body(request)
    for refused in ("from", "search_after"):
        if body.get(refused):
            raise bad_request(f"[{refused}] cannot be used in a scroll context")
    given = body.get("sort") or []
    keys = given if isinstance(given, list) else [given]
    # Where each page begins is told by the last hit. Without an order of its own, it is the order of arrival.
    if keys in ([], ["_score"], ["_score:desc"]):
        sort, added = ["_doc"], True
    else:
        added = not _ends_with_arrival(keys)
        sort = [*keys, "_doc"] if added else keys
    scroll = Scroll(request.targets(store), {**body, "sort": sort}, store.arrived, added)
    id = store.scrolls.begin(scroll, request.query["scroll"])
    try:
        return Answer(_totals(request, _page(store, id, scroll)))
    except ApiError:
        store.scrolls.end([id])
        raise


def scroll(store: Store, request: Request) -> Answer:
    """The next page; empty after the last."""
    given = {**request.query, **request.json, **{k: v for k, v in request.path.items() if v}}
    id = str(given.get("scroll_id") or "")
    if not id:
        raise ApiError(400, "action_request_validation_exception", "Validation Failed: 1: scrollId is missing;")
    if unknown := set(request.json) - {"scroll_id", "scroll"}:
        raise bad_request(f"a scroll request does not support {sorted(unknown)}")
    return Answer(_totals(request, _page(store, id, store.scrolls.get(id, str(given.get("scroll") or "")))))


def end_scroll(store: Store, request: Request) -> Answer:
    given = request.path.get("scroll_id") or request.json.get("scroll_id") or request.query.get("scroll_id") or []
    ids = given.split(",") if isinstance(given, str) else [str(id) for id in given]
    freed = store.scrolls.end(ids)
    return Answer({"succeeded": True, "num_freed": freed}, 200 if freed or not ids else 404)


def _page(store: Store, id: str, scroll: Scroll) -> Json:
    there = [index for index in scroll.indices if store.indices.indices.get(index.name) is index]
    found = Search(store, there, scroll.body, scroll.until).run()
    hits = found["hits"]["hits"]
    if hits:
        rest = {name: value for name, value in scroll.body.items() if name not in ("aggs", "aggregations")}
        scroll.body = {**rest, "search_after": hits[-1]["sort"]}
    for hit in hits if scroll.added else ():
        hit["sort"] = hit["sort"][:-1]
        if not hit["sort"]:
            del hit["sort"]
    return {"_scroll_id": id, **found}


def count(store: Store, request: Request) -> Answer:
    body = search_body(request)
    if unknown := set(body) - {"query"}:
        raise bad_query(f"request does not support {sorted(unknown)}")
    targets = request.targets(store)
    shards = {"total": len(targets), "successful": len(targets), "skipped": 0, "failed": 0}
    return Answer({"count": Search(store, targets, body).count(), "_shards": shards})


def msearch(store: Store, request: Request) -> Answer:
    began = time.monotonic()
    lines = [line for line in request.body.split(b"\n") if line.strip()]
    if len(lines) % 2:
        raise bad_request("The msearch request must be terminated by a newline and have a body for each header")
    responses = []
    for header, body in zip(lines[::2], lines[1::2], strict=True):
        responses.append(_one_of_many(store, request, header, body))
    return Answer({"took": round((time.monotonic() - began) * 1000), "responses": responses})


def _one_of_many(store: Store, request: Request, header: bytes, body: bytes) -> Json:
    try:
        about = Request("POST", {}, {}, header).json
        named = about.get("index", request.path.get("index") or "*")
        expression = ",".join(named) if isinstance(named, list) else str(named)
        indices = store.indices.resolve(expression, ignore_unavailable=bool(about.get("ignore_unavailable")))
        found = Search(store, indices, Request("POST", {}, {}, body).json).run()
        return {**_totals(request, found), "status": 200}
    except ApiError as error:
        return error.body


def search_body(request: Request) -> Json:
    """The request's body and what its address adds (`?q=…&size=…`)."""
    body = dict(request.json)
    query = request.query
    if "q" in query:
        options = {"query": query["q"], "default_operator": query.get("default_operator", "or")}
        if "analyzer" in query:
            options["analyzer"] = query["analyzer"]
        if "df" in query:
            options["default_field"] = query["df"]
        body["query"] = {"query_string": options}
    for name in ("size", "from"):
        if name in query:
            body[name] = query[name]
    if "sort" in query:
        body["sort"] = query["sort"].split(",")
    if (wanted := wanted_source(query)) is not None:
        body["_source"] = wanted
    if "track_total_hits" in query:
        body["track_total_hits"] = request.flag("track_total_hits")
    return body


def _totals(request: Request, found: Json) -> Json:
    """The answer of a search; `rest_total_hits_as_int` wants its total as a number."""
    if request.flag("rest_total_hits_as_int") and "total" in found["hits"]:
        found["hits"]["total"] = found["hits"]["total"]["value"]
    return found


def _ends_with_arrival(keys: list[Any]) -> bool:
    last = keys[-1]
    name = last.partition(":")[0] if isinstance(last, str) else next(iter(last), "") if isinstance(last, dict) else ""
    return name in ("_doc", "_seq_no", "_shard_doc")
