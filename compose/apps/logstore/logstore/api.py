"""The part of the Elasticsearch API that logstore has, as functions by method and path."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from logstore import VERSION, parameters
from logstore.errors import ApiError, bad_query, bad_request, no_index, unsupported
from logstore.indices import Index
from logstore.mapping import DATE, FRACTION, KEYWORD, TEXT, WHOLE
from logstore.search import Search, filtered
from logstore.store import Operation, Outcome, Store

Json = dict[str, Any]
ACKNOWLEDGED = {"acknowledged": True}
LONGEST_LINE = 16 * 1024**2
SPOKEN = "9.5.6"  # the version of the API that we speak a part of


@dataclass(frozen=True)
class Request:
    """What came in. `path` holds the named parts of the address."""

    method: str
    path: dict[str, str]
    query: dict[str, str]
    body: bytes
    accept: str = ""

    @property
    def json(self) -> Json:
        """The body as an object; empty when there is none. Raises ApiError."""
        if not self.body.strip():
            return {}
        try:
            data = orjson.loads(self.body)
        except ValueError as error:
            raise ApiError(400, "parse_exception", f"request body is no JSON: {error}") from None
        if not isinstance(data, dict):
            raise ApiError(400, "parse_exception", "request body must be a JSON object")
        return data

    def flag(self, name: str) -> bool:
        return name in self.query and self.query[name] not in ("false", "0")


@dataclass(frozen=True)
class Answer:
    """What goes out. A body that is text goes as plain text, anything else as JSON."""

    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


class Api:
    """Answers requests about a store."""

    def __init__(self, store: Store, name: str = "logstore") -> None:
        self.store, self.name = store, name
        self.began = time.time()

    def answer(self, request: Request, path: str) -> Answer:
        """Raises ApiError for what cannot be answered."""
        allowed: list[str] = []
        for methods, pattern, handler, known in ROUTES:
            if match := pattern.fullmatch(path):
                if request.method in methods:
                    parameters.check(known, path, request.query)
                    made = Request(request.method, match.groupdict(), request.query, request.body, request.accept)
                    answer: Answer = handler(self, made)
                    return answer
                allowed += methods
        if allowed:
            reason = f"Incorrect HTTP method for uri [{path}] and method [{request.method}], allowed: {allowed}"
            raise ApiError(405, "illegal_argument_exception", reason)
        raise unsupported(f"{request.method} {path}")

    # --- about the store -------------------------------------------------------------------

    def root(self, request: Request) -> Answer:
        version = {
            "number": SPOKEN,
            "build_flavor": "sandbox-logstore",
            "build_type": "python",
            "build_hash": VERSION,
            "build_date": "2026-11-24T00:00:00.000Z",
            "build_snapshot": False,
            "lucene_version": "none: tantivy",
            "minimum_wire_compatibility_version": SPOKEN,
            "minimum_index_compatibility_version": SPOKEN,
        }
        tagline = "logstore of the sandbox: a small part of the Elasticsearch API. This is not Elasticsearch."
        return Answer(
            {
                "name": self.name,
                "cluster_name": self.name,
                "cluster_uuid": "logstore",
                "version": version,
                "tagline": tagline,
            }
        )

    def health(self, request: Request) -> Answer:
        count = len(self.store.indices.indices)
        status = "red" if self.store._broken else "green"
        numbers = {"active_primary_shards": count, "active_shards": count, "active_shards_percent_as_number": 100.0}
        zeros = (
            "relocating_shards", "initializing_shards", "unassigned_shards", "delayed_unassigned_shards",
            "number_of_pending_tasks", "number_of_in_flight_fetch", "task_max_waiting_in_queue_millis",
        )  # fmt: skip
        late = status == "red" and "wait_for_status" in request.query
        return Answer({
            "cluster_name": self.name, "status": status, "timed_out": late, "number_of_nodes": 1,
            "number_of_data_nodes": 1, **numbers, **dict.fromkeys(zeros, 0),
        }, 408 if late else 200)  # fmt: skip

    def metrics(self, request: Request) -> Answer:
        store = self.store
        documents = sum(generation.searcher.num_docs for generation in store.generations)
        lines = [
            "# HELP logstore_documents Documents that can be found.", "# TYPE logstore_documents gauge",
            f"logstore_documents {documents}",
            "# HELP logstore_disk_bytes Bytes on the disk.", "# TYPE logstore_disk_bytes gauge",
            f"logstore_disk_bytes {store.size}",
            "# HELP logstore_disk_limit_bytes Beyond it the oldest documents are deleted.",
            "# TYPE logstore_disk_limit_bytes gauge",
            f"logstore_disk_limit_bytes {store.limits.disk}",
            "# HELP logstore_writable 1 when documents are taken.", "# TYPE logstore_writable gauge",
            f"logstore_writable {0 if store._broken else 1}",
        ]  # fmt: skip
        return Answer("\n".join(lines) + "\n")

    def cat_indices(self, request: Request) -> Answer:
        rows = []
        for index in self._targets(request):
            documents = Search(self.store, [index], {}).count()
            rows.append({
                "health": "green", "status": "open", "index": index.shown_name, "uuid": index.name, "pri": "1",
                "rep": "0", "docs.count": str(documents), "docs.deleted": "0",
            })  # fmt: skip
        return _cat(request, rows)

    def cat_health(self, request: Request) -> Answer:
        health = self.health(request).body
        return _cat(
            request,
            [{"epoch": str(int(time.time())), "cluster": self.name, "status": health["status"], "node.total": "1"}],
        )

    def cat_count(self, request: Request) -> Answer:
        body = request.json
        if unknown := set(body) - {"query"}:
            raise bad_query(f"request does not support {sorted(unknown)}")
        count = Search(self.store, self._targets(request), body).count()
        return _cat(request, [{"epoch": str(int(time.time())), "count": str(count)}])

    # --- indices, data streams, templates ----------------------------------------------------

    def index_exists(self, request: Request) -> Answer:
        self.store.indices.resolve(request.path["index"], allow_none=False)
        return Answer("")

    def get_index(self, request: Request) -> Answer:
        return Answer({
            index.shown_name: {
                "aliases": {},
                "mappings": _mappings(index),
                "settings": {"index": {"creation_date": str(index.created), "provided_name": index.name}},
                **({"data_stream": index.name} if index.is_stream else {}),
            }
            for index in self._targets(request)
        })  # fmt: skip

    def put_index(self, request: Request) -> Answer:
        name = request.path["index"]
        self.store.change(lambda indices: indices.create(name, request.json, as_stream=False))
        return Answer({**ACKNOWLEDGED, "shards_acknowledged": True, "index": name})

    def delete_index(self, request: Request) -> Answer:
        for part in request.path["index"].split(","):
            if "*" in part or part == "_all":
                raise bad_request("Wildcard expressions or all indices are not allowed")
        for index in self._targets(request):
            if index.is_stream:
                raise bad_request(f"the index [{index.shown_name}] belongs to data stream [{index.name}]: delete that")
            self.store.delete_index(index)
        return Answer(ACKNOWLEDGED)

    def get_mapping(self, request: Request) -> Answer:
        return Answer({index.shown_name: {"mappings": _mappings(index)} for index in self._targets(request)})

    def put_mapping(self, request: Request) -> Answer:
        targets, properties = self._targets(request), request.json.get("properties") or {}

        def add(_: Any) -> None:
            for index in targets:
                index.mapping.add(properties)

        self.store.change(add)
        return Answer(ACKNOWLEDGED)

    def get_streams(self, request: Request) -> Answer:
        expression = request.path.get("name") or "*"
        streams = [index for index in self.store.indices.resolve(expression) if index.is_stream]
        if not streams and "*" not in expression:
            raise no_index(expression)
        shown = [
            {
                "name": stream.name,
                "timestamp_field": {"name": "@timestamp"},
                "indices": [{"index_name": stream.shown_name, "index_uuid": stream.name}],
                "generation": 1,
                "status": "GREEN",
                "template": stream.template,
                "hidden": False,
                "system": False,
            }
            for stream in streams
        ]
        return Answer({"data_streams": shown})

    def put_stream(self, request: Request) -> Answer:
        self.store.change(lambda indices: indices.create(request.path["name"], as_stream=True))
        return Answer(ACKNOWLEDGED)

    def delete_stream(self, request: Request) -> Answer:
        for stream in [i for i in self.store.indices.resolve(request.path["name"]) if i.is_stream]:
            self.store.delete_index(stream)
        return Answer(ACKNOWLEDGED)

    def get_templates(self, request: Request) -> Answer:
        found = _named(self.store.indices.templates, request.path.get("name"), "index template matching")
        return Answer({"index_templates": [{"name": name, "index_template": body} for name, body in found.items()]})

    def put_template(self, request: Request) -> Answer:
        body = request.json
        self.store.change(lambda indices: indices.put_template(request.path["name"], body))
        return Answer(ACKNOWLEDGED)

    def delete_template(self, request: Request) -> Answer:
        _named(self.store.indices.templates, request.path["name"], "index template matching")
        self.store.change(lambda indices: indices.templates.pop(request.path["name"]))
        return Answer(ACKNOWLEDGED)

    def get_components(self, request: Request) -> Answer:
        found = _named(self.store.indices.components, request.path.get("name"), "component template matching")
        return Answer({"component_templates": [{"name": n, "component_template": body} for n, body in found.items()]})

    def put_component(self, request: Request) -> Answer:
        body = request.json
        self.store.change(lambda indices: indices.put_component(request.path["name"], body))
        return Answer(ACKNOWLEDGED)

    def delete_component(self, request: Request) -> Answer:
        name = request.path["name"]
        _named(self.store.indices.components, name, "component template matching")
        users = [t for t, body in self.store.indices.templates.items() if name in (body.get("composed_of") or ())]
        if users:
            raise bad_request(
                f"component templates [{name}] cannot be removed as index templates {users} still use them"
            )
        self.store.change(lambda indices: indices.components.pop(name))
        return Answer(ACKNOWLEDGED)

    # --- documents ---------------------------------------------------------------------------

    def put_document(self, request: Request) -> Answer:
        action = (
            "create"
            if request.query.get("op_type") == "create" or "_create" in request.path.get("kind", "")
            else "index"
        )
        id = request.path.get("id", "")
        index = self.store.indices.real_name(request.path["index"])
        known = self.store.indices.indices.get(index)
        if (
            not id
            and "op_type" not in request.query
            and (known.is_stream if known else _makes_stream(self.store, index))
        ):
            action = "create"
        return self._written(request, Operation(action, request.path["index"], id, request.body.strip()))

    def delete_document(self, request: Request) -> Answer:
        return self._written(request, Operation("delete", request.path["index"], request.path["id"]))

    def _written(self, request: Request, operation: Operation) -> Answer:
        [outcome] = self.store.write([operation])
        if outcome.error:
            raise outcome.error
        self._refresh_if_asked(request)
        status = {"created": 201, "not_found": 404}.get(outcome.result, 200)
        return Answer(_outcome(outcome), status)

    def get_document(self, request: Request) -> Answer:
        [index] = self.store.indices.resolve(request.path["index"], allow_none=False)[:1]
        id = request.path["id"]
        source = self.store.get(index, id)
        about = {"_index": index.shown_name, "_id": id}
        bare = request.path["kind"] == "_source"
        if source is None:
            if bare:
                raise ApiError(404, "resource_not_found_exception", f"Document not found [{index.name}]/[{id}]")
            return Answer({**about, "found": False}, 404)
        wanted = _wanted_source(request.query)
        shown = filtered(orjson.loads(source), wanted) if isinstance(wanted, dict) else orjson.Fragment(source)
        if bare:
            return Answer(shown)
        found = {**about, "_version": 1, "_seq_no": 0, "_primary_term": 1, "found": True}
        return Answer(found if wanted is False else {**found, "_source": shown})

    def bulk(self, request: Request) -> Answer:
        began = time.monotonic()
        operations = list(_operations(request.body, request.path.get("index") or ""))
        if not operations:
            raise ApiError(400, "parse_exception", "request body is required")
        outcomes = iter(self.store.write([one for one in operations if isinstance(one, Operation)]))
        items = [_item(one if isinstance(one, Outcome) else next(outcomes)) for one in operations]
        self._refresh_if_asked(request)
        errors = any("error" in result for item in items for result in item.values())
        return Answer({"took": round((time.monotonic() - began) * 1000), "errors": errors, "items": items})

    def refresh(self, request: Request) -> Answer:
        self.store.refresh()
        count = len(self._targets(request))
        return Answer({"_shards": {"total": count, "successful": count, "failed": 0}})

    def _refresh_if_asked(self, request: Request) -> None:
        if request.query.get("refresh", "false") in ("", "true", "wait_for"):
            self.store.refresh()

    def delete_by_query(self, request: Request) -> Answer:
        began = time.monotonic()
        body = _search_body(request)
        if "query" not in body:
            raise ApiError(400, "action_request_validation_exception", "Validation Failed: 1: query is missing;")
        if unknown := set(body) - {"query"}:
            raise bad_query(f"unknown keys {sorted(unknown)} in a delete by query: logstore does not have them")
        deleted = self.store.delete_by_query(self._targets(request), body["query"])
        took = round((time.monotonic() - began) * 1000)
        zeros = dict.fromkeys(("version_conflicts", "noops", "throttled_millis", "throttled_until_millis"), 0)
        return Answer({"took": took, "timed_out": False, "total": deleted, "deleted": deleted, "batches": 1, **zeros,
                       "retries": {"bulk": 0, "search": 0}, "requests_per_second": -1.0, "failures": []})  # fmt: skip

    # --- searches ----------------------------------------------------------------------------

    def search(self, request: Request) -> Answer:
        return Answer(_totals(request, Search(self.store, self._targets(request), _search_body(request)).run()))

    def count(self, request: Request) -> Answer:
        body = _search_body(request)
        if unknown := set(body) - {"query"}:
            raise bad_query(f"request does not support {sorted(unknown)}")
        targets = self._targets(request)
        shards = {"total": len(targets), "successful": len(targets), "skipped": 0, "failed": 0}
        return Answer({"count": Search(self.store, targets, body).count(), "_shards": shards})

    def msearch(self, request: Request) -> Answer:
        began = time.monotonic()
        lines = [line for line in request.body.split(b"\n") if line.strip()]
        if len(lines) % 2:
            raise bad_request("The msearch request must be terminated by a newline and have a body for each header")
        responses = []
        for header, body in zip(lines[::2], lines[1::2], strict=True):
            responses.append(self._one_of_many(request, header, body))
        return Answer({"took": round((time.monotonic() - began) * 1000), "responses": responses})

    def _one_of_many(self, request: Request, header: bytes, body: bytes) -> Json:
        try:
            about = Request("POST", {}, {}, header).json
            named = about.get("index", request.path.get("index") or "*")
            expression = ",".join(named) if isinstance(named, list) else str(named)
            indices = self.store.indices.resolve(expression, ignore_unavailable=bool(about.get("ignore_unavailable")))
            found = Search(self.store, indices, Request("POST", {}, {}, body).json).run()
            return {**_totals(request, found), "status": 200}
        except ApiError as error:
            return error.body

    def field_caps(self, request: Request) -> Answer:
        targets = self._targets(request)
        names = request.query.get("fields") or request.json.get("fields") or "*"
        patterns = names.split(",") if isinstance(names, str) else [str(name) for name in names]
        kinds: dict[str, dict[str, list[str]]] = {}
        for index in targets:
            for path, found in _all_fields(index):
                if any(re.fullmatch(re.escape(p).replace(r"\*", ".*"), path) for p in patterns):
                    kinds.setdefault(path, {}).setdefault(found, []).append(index.shown_name)
        fields = {}
        for path, by_kind in sorted(kinds.items()):
            several = len(by_kind) > 1
            fields[path] = {kind: _capability(kind, where if several else []) for kind, where in by_kind.items()}
        return Answer({"indices": [index.shown_name for index in targets], "fields": fields})

    def _targets(self, request: Request) -> list[Index]:
        allow_none = request.query.get("allow_no_indices", "true") != "false"
        return self.store.indices.resolve(
            request.path.get("index") or "*", allow_none, request.flag("ignore_unavailable")
        )


def _mappings(index: Index) -> Json:
    shown: Json = {"properties": index.mapping.properties()}
    if index.mapping.dynamic_templates:
        shown["dynamic_templates"] = index.mapping.dynamic_templates
    return shown


def _cat(request: Request, rows: list[dict[str, str]]) -> Answer:
    if rows and (wanted := [name for name in request.query.get("h", "").split(",") if name]):
        if unknown := set(wanted) - set(rows[0]):
            raise bad_request(f"logstore has no columns {sorted(unknown)} here, but {list(rows[0])}")
        rows = [{name: row[name] for name in wanted} for row in rows]
    if request.query.get("format") == "json" or "json" in request.accept:
        return Answer(rows)
    names = list(rows[0]) if rows else []
    table = ([names] if request.flag("v") else []) + [list(row.values()) for row in rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(names))]
    return Answer(
        "".join(" ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() + "\n" for row in table)
    )


def _named(found: dict[str, Json], name: str | None, what: str) -> dict[str, Json]:
    pattern = re.compile(re.escape(name or "*").replace(r"\*", ".*"))
    chosen = {key: body for key, body in found.items() if pattern.fullmatch(key)}
    if not chosen and name and "*" not in name:
        raise ApiError(404, "resource_not_found_exception", f"{what} [{name}] not found")
    return chosen


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


def _search_body(request: Request) -> Json:
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
    if (wanted := _wanted_source(query)) is not None:
        body["_source"] = wanted
    if "track_total_hits" in query:
        body["track_total_hits"] = request.flag("track_total_hits")
    return body


def _wanted_source(query: dict[str, str]) -> bool | Json | None:
    """What of a document to show, as the address asks: all, none, some of its fields; None when it does not say."""
    given = query.get("_source", "true")
    if given == "false":
        return False
    fields = "" if given == "true" else given
    includes, excludes = query.get("_source_includes", fields), query.get("_source_excludes", "")
    if includes or excludes:
        return {
            "includes": includes.split(",") if includes else [],
            "excludes": excludes.split(",") if excludes else [],
        }
    return True if "_source" in query else None


def _totals(request: Request, found: Json) -> Json:
    """The answer of a search; `rest_total_hits_as_int` wants its total as a number."""
    if request.flag("rest_total_hits_as_int") and "total" in found["hits"]:
        found["hits"]["total"] = found["hits"]["total"]["value"]
    return found


def _all_fields(index: Index) -> Iterator[tuple[str, str]]:
    for path, found in index.mapping.fields.items():
        if found.type == "alias":
            target = index.mapping.resolve(path)
            if target:
                yield path, target[1].type
            continue
        yield path, "text" if found.type in TEXT else found.type
        if found.subfield:
            yield f"{path}.{found.subfield}", "keyword"
    for path in index.mapping.objects:
        yield path, "object"


def _capability(kind: str, indices: list[str]) -> Json:
    exact = kind in KEYWORD | WHOLE | FRACTION | DATE | {"boolean"}
    shown: Json = {"type": kind, "metadata_field": False, "searchable": kind != "object", "aggregatable": exact}
    return {**shown, "indices": indices} if indices else shown


Handler = Callable[[Api, Request], Answer]
INDEX, NAME = r"(?P<index>[^_/][^/]*|_all)", r"(?P<name>[^/]+)"


def _route(methods: str, pattern: str, handler: Handler, known: str) -> tuple[list[str], re.Pattern[str], Handler, str]:
    return methods.split(), re.compile(pattern), handler, known


ROUTES = [
    _route("GET HEAD", "/", Api.root, ""),
    _route("GET", "/metrics", Api.metrics, ""),
    _route("GET", f"/_cluster/health(?:/{INDEX})?", Api.health, parameters.HEALTH),
    _route("GET", f"/_cat/indices(?:/{INDEX})?", Api.cat_indices, parameters.CAT),
    _route("GET", "/_cat/health", Api.cat_health, parameters.CAT),
    _route("GET POST", f"/_cat/count(?:/{INDEX})?", Api.cat_count, parameters.CAT),
    _route("GET HEAD", f"/_index_template(?:/{NAME})?", Api.get_templates, parameters.TEMPLATE),
    _route("PUT POST", f"/_index_template/{NAME}", Api.put_template, parameters.TEMPLATE),
    _route("DELETE", f"/_index_template/{NAME}", Api.delete_template, parameters.TEMPLATE),
    _route("GET HEAD", f"/_component_template(?:/{NAME})?", Api.get_components, parameters.TEMPLATE),
    _route("PUT POST", f"/_component_template/{NAME}", Api.put_component, parameters.TEMPLATE),
    _route("DELETE", f"/_component_template/{NAME}", Api.delete_component, parameters.TEMPLATE),
    _route("GET", f"/_data_stream(?:/{NAME})?", Api.get_streams, parameters.INDEX),
    _route("PUT", f"/_data_stream/{NAME}", Api.put_stream, parameters.INDEX),
    _route("DELETE", f"/_data_stream/{NAME}", Api.delete_stream, parameters.INDEX),
    _route("POST PUT", f"(?:/{INDEX})?/_bulk", Api.bulk, parameters.WRITE),
    _route("GET POST", f"(?:/{INDEX})?/_search", Api.search, parameters.SEARCH),
    _route("GET POST", f"(?:/{INDEX})?/_msearch", Api.msearch, parameters.MSEARCH),
    _route("GET POST", f"(?:/{INDEX})?/_count", Api.count, parameters.COUNT),
    _route("GET POST", f"(?:/{INDEX})?/_refresh", Api.refresh, parameters.TARGETS),
    _route("GET POST", f"(?:/{INDEX})?/_field_caps", Api.field_caps, parameters.CAPABILITIES),
    _route("GET", f"(?:/{INDEX})?/_mappings?", Api.get_mapping, parameters.INDEX),
    _route("PUT POST", f"/{INDEX}/_mappings?", Api.put_mapping, parameters.INDEX),
    _route("POST", f"/{INDEX}/_delete_by_query", Api.delete_by_query, parameters.DELETION),
    _route("POST", f"/{INDEX}/(?P<kind>_doc)", Api.put_document, f"{parameters.WRITE} op_type"),
    _route("PUT POST", f"/{INDEX}/(?P<kind>_doc|_create)/(?P<id>.+)", Api.put_document, f"{parameters.WRITE} op_type"),
    _route("GET HEAD", f"/{INDEX}/(?P<kind>_doc|_source)/(?P<id>.+)", Api.get_document, parameters.DOCUMENT),
    _route("DELETE", f"/{INDEX}/_doc/(?P<id>.+)", Api.delete_document, parameters.WRITE),
    _route("HEAD", f"/{INDEX}", Api.index_exists, parameters.INDEX),
    _route("GET", f"/{INDEX}", Api.get_index, parameters.INDEX),
    _route("PUT", f"/{INDEX}", Api.put_index, parameters.INDEX),
    _route("DELETE", f"/{INDEX}", Api.delete_index, parameters.INDEX),
]
