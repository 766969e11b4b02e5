"""Answers about documents: written, read, deleted, alone or in bulk."""

from __future__ import annotations

import time
from collections.abc import Iterator

import orjson

from logstore.errors import ApiError, bad_query, bad_request
from logstore.messages import Answer, Json, Request, wanted_source
from logstore.search import filtered
from logstore.searches import search_body
from logstore.store import Operation, Outcome, Store

LONGEST_LINE = 16 * 1024**2


def put_document(store: Store, request: Request) -> Answer:
    action = (
        "create" if request.query.get("op_type") == "create" or "_create" in request.path.get("kind", "") else "index"
    )
    id = request.path.get("id", "")
    index = store.indices.real_name(request.path["index"])
    known = store.indices.indices.get(index)
    if not id and "op_type" not in request.query and (known.is_stream if known else _makes_stream(store, index)):
        action = "create"
    return _written(store, request, Operation(action, request.path["index"], id, request.body.strip()))


def delete_document(store: Store, request: Request) -> Answer:
    return _written(store, request, Operation("delete", request.path["index"], request.path["id"]))


def _written(store: Store, request: Request, operation: Operation) -> Answer:
    [outcome] = store.write([operation])
    if outcome.error:
        raise outcome.error
    _refresh_if_asked(store, request)
    status = {"created": 201, "not_found": 404}.get(outcome.result, 200)
    return Answer(_outcome(outcome), status)


def get_document(store: Store, request: Request) -> Answer:
    [index] = store.indices.resolve(request.path["index"], allow_none=False)[:1]
    id = request.path["id"]
    source = store.get(index, id)
    about = {"_index": index.shown_name, "_id": id}
    bare = request.path["kind"] == "_source"
    if source is None:
        if bare:
            raise ApiError(404, "resource_not_found_exception", f"Document not found [{index.name}]/[{id}]")
        return Answer({**about, "found": False}, 404)
    wanted = wanted_source(request.query)
    shown = filtered(orjson.loads(source), wanted) if isinstance(wanted, dict) else orjson.Fragment(source)
    if bare:
        return Answer(shown)
    found = {**about, "_version": 1, "_seq_no": 0, "_primary_term": 1, "found": True}
    return Answer(found if wanted is False else {**found, "_source": shown})


def bulk(store: Store, request: Request) -> Answer:
    began = time.monotonic()
    operations = list(_operations(request.body, request.path.get("index") or ""))
    if not operations:
        raise ApiError(400, "parse_exception", "request body is required")
    outcomes = iter(store.write([one for one in operations if isinstance(one, Operation)]))
    items = [_item(one if isinstance(one, Outcome) else next(outcomes)) for one in operations]
    _refresh_if_asked(store, request)
    errors = any("error" in result for item in items for result in item.values())
    return Answer({"took": round((time.monotonic() - began) * 1000), "errors": errors, "items": items})


def refresh(store: Store, request: Request) -> Answer:
    store.refresh()
    count = len(request.targets(store))
    return Answer({"_shards": {"total": count, "successful": count, "failed": 0}})


def _refresh_if_asked(store: Store, request: Request) -> None:
    if request.query.get("refresh", "false") in ("", "true", "wait_for"):
        store.refresh()


def delete_by_query(store: Store, request: Request) -> Answer:
    began = time.monotonic()
    body = search_body(request)
    if "query" not in body:
        raise ApiError(400, "action_request_validation_exception", "Validation Failed: 1: query is missing;")
    if unknown := set(body) - {"query"}:
        raise bad_query(f"unknown keys {sorted(unknown)} in a delete by query: logstore does not have them")
    deleted = store.delete_by_query(request.targets(store), body["query"])
    took = round((time.monotonic() - began) * 1000)
    zeros = dict.fromkeys(("version_conflicts", "noops", "throttled_millis", "throttled_until_millis"), 0)
    return Answer({"took": took, "timed_out": False, "total": deleted, "deleted": deleted, "batches": 1, **zeros,
                   "retries": {"bulk": 0, "search": 0}, "requests_per_second": -1.0, "failures": []})  # fmt: skip


def _makes_stream(store: Store, name: str) -> bool:
    template = store.indices._template_for(name)[1]
    return template is not None and "data_stream" in template


def _outcome(outcome: Outcome) -> Json:
    version = 1 if outcome.result == "created" else max(outcome.seq, 2)
    return {
        "_index": outcome.index, "_id": outcome.id, "_version": version, "result": outcome.result,
        "_shards": {"total": 1, "successful": 1, "failed": 0}, "_seq_no": outcome.seq, "_primary_term": 1,
    }  # fmt: skip


def _item(outcome: Outcome) -> Json:
    if outcome.error:
        about = {"_index": outcome.index, "_id": outcome.id or None}
        return {outcome.operation.action: {**about, "status": outcome.error.status, "error": outcome.error.cause}}
    status = {"created": 201, "not_found": 404}.get(outcome.result, 200)
    return {outcome.operation.action: {**_outcome(outcome), "status": status}}


def _operations(body: bytes, default_index: str) -> Iterator[Operation | Outcome]:
    """The actions of a bulk request in order; one that has no document we can read is an Outcome already.

    Raises ApiError for an action line that cannot be read: what follows it cannot be told apart.
    """
    lines = iter(body.split(b"\n"))
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        action, about = _action(line, number)
        index = str(about.get("_index") or default_index)
        id = str(about["_id"]) if about.get("_id") is not None else ""
        source = b"" if action == "delete" else next(lines, b"").strip()
        operation = Operation(action, index, id, source)
        if error := _unusable(action, about, index, id, source):
            yield Outcome(operation, index, id, error=error)
        else:
            yield operation


def _action(line: bytes, number: int) -> tuple[str, Json]:
    try:
        data = orjson.loads(line)
    except ValueError:
        data = None
    if not isinstance(data, dict) or len(data) != 1:
        raise bad_request(f"Malformed action/metadata line [{number}], expected one of [create, delete, index, update]")
    [(action, about)] = data.items()
    if action not in ("create", "index", "delete", "update") or not isinstance(about, dict):
        raise bad_request(f"Malformed action/metadata line [{number}], found [{action[:50]}]")
    return action, about


def _unusable(action: str, about: Json, index: str, id: str, source: bytes) -> ApiError | None:
    if action == "update":
        return ApiError(501, "unsupported_operation_exception", "logstore has no updates: index the document anew")
    if not index:
        return ApiError(400, "action_request_validation_exception", "Validation Failed: 1: index is missing;")
    if action == "delete" and not id:
        return ApiError(400, "action_request_validation_exception", "Validation Failed: 1: id is missing;")
    if action != "delete" and not source:
        return ApiError(400, "document_parsing_exception", "failed to parse: the document is missing")
    if len(source) > LONGEST_LINE:
        return ApiError(413, "content_too_long_exception", f"a document of {len(source)} bytes is too long")
    if unknown := set(about) - {"_index", "_id", "require_data_stream", "require_alias", "dynamic_templates", "_type"}:
        return bad_request(f"Action/metadata line contains {sorted(unknown)}: logstore does not have it")
    return None
