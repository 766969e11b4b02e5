"""Answers about indices, data streams, templates and mappings."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from logstore.errors import ApiError, bad_request, no_index
from logstore.indices import Index
from logstore.mapping import DATE, FRACTION, KEYWORD, TEXT, WHOLE
from logstore.messages import ACKNOWLEDGED, Answer, Json, Request
from logstore.store import Store


def index_exists(store: Store, request: Request) -> Answer:
    store.indices.resolve(request.path["index"], allow_none=False)
    return Answer("")


def get_index(store: Store, request: Request) -> Answer:
    return Answer({
        index.shown_name: {
            "aliases": {},
            "mappings": _mappings(index),
            "settings": {"index": {"creation_date": str(index.created), "provided_name": index.name}},
            **({"data_stream": index.name} if index.is_stream else {}),
        }
        for index in request.targets(store)
    })  # fmt: skip


def put_index(store: Store, request: Request) -> Answer:
    name = request.path["index"]
    store.change(lambda indices: indices.create(name, request.json, as_stream=False))
    return Answer({**ACKNOWLEDGED, "shards_acknowledged": True, "index": name})


def delete_index(store: Store, request: Request) -> Answer:
    for part in request.path["index"].split(","):
        if "*" in part or part == "_all":
            raise bad_request("Wildcard expressions or all indices are not allowed")
    for index in request.targets(store):
        if index.is_stream:
            raise bad_request(f"the index [{index.shown_name}] belongs to data stream [{index.name}]: delete that")
        store.delete_index(index)
    return Answer(ACKNOWLEDGED)


def get_mapping(store: Store, request: Request) -> Answer:
    return Answer({index.shown_name: {"mappings": _mappings(index)} for index in request.targets(store)})


def put_mapping(store: Store, request: Request) -> Answer:
    targets, properties = request.targets(store), request.json.get("properties") or {}

    def add(_: Any) -> None:
        for index in targets:
            index.mapping.add(properties)

    store.change(add)
    return Answer(ACKNOWLEDGED)


def get_streams(store: Store, request: Request) -> Answer:
    expression = request.path.get("name") or "*"
    streams = [index for index in store.indices.resolve(expression) if index.is_stream]
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


def put_stream(store: Store, request: Request) -> Answer:
    store.change(lambda indices: indices.create(request.path["name"], as_stream=True))
    return Answer(ACKNOWLEDGED)


def delete_stream(store: Store, request: Request) -> Answer:
    for stream in [i for i in store.indices.resolve(request.path["name"]) if i.is_stream]:
        store.delete_index(stream)
    return Answer(ACKNOWLEDGED)


def get_templates(store: Store, request: Request) -> Answer:
    found = _named(store.indices.templates, request.path.get("name"), "index template matching")
    return Answer({"index_templates": [{"name": name, "index_template": body} for name, body in found.items()]})


def put_template(store: Store, request: Request) -> Answer:
    body = request.json
    store.change(lambda indices: indices.put_template(request.path["name"], body))
    return Answer(ACKNOWLEDGED)


def delete_template(store: Store, request: Request) -> Answer:
    _named(store.indices.templates, request.path["name"], "index template matching")
    store.change(lambda indices: indices.templates.pop(request.path["name"]))
    return Answer(ACKNOWLEDGED)


def get_components(store: Store, request: Request) -> Answer:
    found = _named(store.indices.components, request.path.get("name"), "component template matching")
    return Answer({"component_templates": [{"name": n, "component_template": body} for n, body in found.items()]})


def put_component(store: Store, request: Request) -> Answer:
    body = request.json
    store.change(lambda indices: indices.put_component(request.path["name"], body))
    return Answer(ACKNOWLEDGED)


def delete_component(store: Store, request: Request) -> Answer:
    name = request.path["name"]
    _named(store.indices.components, name, "component template matching")
    users = [t for t, body in store.indices.templates.items() if name in (body.get("composed_of") or ())]
    if users:
        raise bad_request(f"component templates [{name}] cannot be removed as index templates {users} still use them")
    store.change(lambda indices: indices.components.pop(name))
    return Answer(ACKNOWLEDGED)


def field_caps(store: Store, request: Request) -> Answer:
    targets = request.targets(store)
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


def _mappings(index: Index) -> Json:
    shown: Json = {"properties": index.mapping.properties()}
    if index.mapping.dynamic_templates:
        shown["dynamic_templates"] = index.mapping.dynamic_templates
    return shown


def _named(found: dict[str, Json], name: str | None, what: str) -> dict[str, Json]:
    pattern = re.compile(re.escape(name or "*").replace(r"\*", ".*"))
    chosen = {key: body for key, body in found.items() if pattern.fullmatch(key)}
    if not chosen and name and "*" not in name:
        raise ApiError(404, "resource_not_found_exception", f"{what} [{name}] not found")
    return chosen


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
