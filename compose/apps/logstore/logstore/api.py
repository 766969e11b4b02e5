"""The part of the Elasticsearch API that logstore has: who answers which method and path."""

from __future__ import annotations

import re
from collections.abc import Callable

from logstore import about, documents, parameters, schemas, searches
from logstore.errors import ApiError, unsupported
from logstore.messages import Answer, Request
from logstore.store import Store


class Api:
    """Answers requests about a store."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def answer(self, request: Request, path: str) -> Answer:
        """Raises ApiError for what cannot be answered."""
        allowed: list[str] = []
        for methods, pattern, handler, known in ROUTES:
            if match := pattern.fullmatch(path):
                if request.method in methods:
                    parameters.check(known, path, request.query)
                    made = Request(request.method, match.groupdict(), request.query, request.body, request.accept)
                    answer: Answer = handler(self.store, made)
                    return answer
                allowed += methods
        if allowed:
            reason = f"Incorrect HTTP method for uri [{path}] and method [{request.method}], allowed: {allowed}"
            raise ApiError(405, "illegal_argument_exception", reason)
        raise unsupported(f"{request.method} {path}")


Handler = Callable[[Store, Request], Answer]
INDEX, NAME = r"(?P<index>[^_/][^/]*|_all)", r"(?P<name>[^/]+)"


def _route(methods: str, pattern: str, handler: Handler, known: str) -> tuple[list[str], re.Pattern[str], Handler, str]:
    return methods.split(), re.compile(pattern), handler, known


ROUTES = [
    _route("GET HEAD", "/", about.root, ""),
    _route("GET", "/metrics", about.metrics, ""),
    _route("GET", f"/_cluster/health(?:/{INDEX})?", about.health, parameters.HEALTH),
    _route("GET", f"/_cat/indices(?:/{INDEX})?", about.cat_indices, parameters.CAT),
    _route("GET", "/_cat/health", about.cat_health, parameters.CAT),
    _route("GET POST", f"/_cat/count(?:/{INDEX})?", about.cat_count, parameters.CAT),
    _route("GET HEAD", f"/_index_template(?:/{NAME})?", schemas.get_templates, parameters.TEMPLATE),
    _route("PUT POST", f"/_index_template/{NAME}", schemas.put_template, parameters.TEMPLATE),
    _route("DELETE", f"/_index_template/{NAME}", schemas.delete_template, parameters.TEMPLATE),
    _route("GET HEAD", f"/_component_template(?:/{NAME})?", schemas.get_components, parameters.TEMPLATE),
    _route("PUT POST", f"/_component_template/{NAME}", schemas.put_component, parameters.TEMPLATE),
    _route("DELETE", f"/_component_template/{NAME}", schemas.delete_component, parameters.TEMPLATE),
    _route("GET", f"/_data_stream(?:/{NAME})?", schemas.get_streams, parameters.INDEX),
    _route("PUT", f"/_data_stream/{NAME}", schemas.put_stream, parameters.INDEX),
    _route("DELETE", f"/_data_stream/{NAME}", schemas.delete_stream, parameters.INDEX),
    _route("POST PUT", f"(?:/{INDEX})?/_bulk", documents.bulk, parameters.WRITE),
    _route("GET POST", f"(?:/{INDEX})?/_search", searches.search, parameters.SEARCH),
    _route("GET POST", "/_search/scroll(?:/(?P<scroll_id>[^/]+))?", searches.scroll, parameters.SCROLL),
    _route("DELETE", "/_search/scroll(?:/(?P<scroll_id>[^/]+))?", searches.end_scroll, parameters.SCROLL),
    _route("GET POST", f"(?:/{INDEX})?/_msearch", searches.msearch, parameters.MSEARCH),
    _route("GET POST", f"(?:/{INDEX})?/_count", searches.count, parameters.COUNT),
    _route("GET POST", f"(?:/{INDEX})?/_refresh", documents.refresh, parameters.TARGETS),
    _route("GET POST", f"(?:/{INDEX})?/_field_caps", schemas.field_caps, parameters.CAPABILITIES),
    _route("GET", f"(?:/{INDEX})?/_mappings?", schemas.get_mapping, parameters.INDEX),
    _route("PUT POST", f"/{INDEX}/_mappings?", schemas.put_mapping, parameters.INDEX),
    _route("POST", f"/{INDEX}/_delete_by_query", documents.delete_by_query, parameters.DELETION),
    _route("POST", f"/{INDEX}/(?P<kind>_doc)", documents.put_document, f"{parameters.WRITE} op_type"),
    _route(
        "PUT POST", f"/{INDEX}/(?P<kind>_doc|_create)/(?P<id>.+)", documents.put_document, f"{parameters.WRITE} op_type"
    ),
    _route("GET HEAD", f"/{INDEX}/(?P<kind>_doc|_source)/(?P<id>.+)", documents.get_document, parameters.DOCUMENT),
    _route("DELETE", f"/{INDEX}/_doc/(?P<id>.+)", documents.delete_document, parameters.WRITE),
    _route("HEAD", f"/{INDEX}", schemas.index_exists, parameters.INDEX),
    _route("GET", f"/{INDEX}", schemas.get_index, parameters.INDEX),
    _route("PUT", f"/{INDEX}", schemas.put_index, parameters.INDEX),
    _route("DELETE", f"/{INDEX}", schemas.delete_index, parameters.INDEX),
]
