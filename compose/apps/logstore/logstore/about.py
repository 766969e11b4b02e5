"""Answers about the store itself: who it is, how it is, and the tables for people."""

from __future__ import annotations

import time

from logstore import VERSION
from logstore.errors import bad_query, bad_request
from logstore.messages import Answer, Request
from logstore.search import Search
from logstore.store import Store

NAME = "logstore"
SPOKEN = "9.5.6"  # the version of the API that we speak a part of


def root(store: Store, request: Request) -> Answer:
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
            "name": NAME,
            "cluster_name": NAME,
            "cluster_uuid": "logstore",
            "version": version,
            "tagline": tagline,
        }
    )


def health(store: Store, request: Request) -> Answer:
    count = len(store.indices.indices)
    status = "red" if store._broken else "green"
    numbers = {"active_primary_shards": count, "active_shards": count, "active_shards_percent_as_number": 100.0}
    zeros = (
        "relocating_shards", "initializing_shards", "unassigned_shards", "delayed_unassigned_shards",
        "number_of_pending_tasks", "number_of_in_flight_fetch", "task_max_waiting_in_queue_millis",
    )  # fmt: skip
    late = status == "red" and "wait_for_status" in request.query
    return Answer({
        "cluster_name": NAME, "status": status, "timed_out": late, "number_of_nodes": 1,
        "number_of_data_nodes": 1, **numbers, **dict.fromkeys(zeros, 0),
    }, 408 if late else 200)  # fmt: skip


def metrics(store: Store, request: Request) -> Answer:
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


def cat_indices(store: Store, request: Request) -> Answer:
    rows = []
    for index in request.targets(store):
        documents = Search(store, [index], {}).count()
        rows.append({
            "health": "green", "status": "open", "index": index.shown_name, "uuid": index.name, "pri": "1",
            "rep": "0", "docs.count": str(documents), "docs.deleted": "0",
        })  # fmt: skip
    return _cat(request, rows)


def cat_health(store: Store, request: Request) -> Answer:
    status = health(store, request).body["status"]
    return _cat(request, [{"epoch": str(int(time.time())), "cluster": NAME, "status": status, "node.total": "1"}])


def cat_count(store: Store, request: Request) -> Answer:
    body = request.json
    if unknown := set(body) - {"query"}:
        raise bad_query(f"request does not support {sorted(unknown)}")
    count = Search(store, request.targets(store), body).count()
    return _cat(request, [{"epoch": str(int(time.time())), "count": str(count)}])


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
