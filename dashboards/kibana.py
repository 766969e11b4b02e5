"""Kibana's saved objects: the data view, searches, charts, and the dashboards made of them.

Kibana migrates what it imports: the versions say in which shape the objects are written here.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

Object = dict[str, Any]
VIEW = "logs-sandbox"
LAYER = "lines"
CORE, VERSIONS = "8.8.0", {"index-pattern": "8.0.0", "search": "8.0.0", "lens": "8.9.0", "dashboard": "8.9.0"}
ERRORS = "log.level : (error or critical)"
SHOP = "service.name : (storefront or gateway or orders)"
CI = "data_stream.dataset : ci*"
COUNT = {
    "label": "Lines", "dataType": "number", "operationType": "count", "isBucketed": False, "scale": "ratio",
    "sourceField": "___records___", "customLabel": True,
}  # fmt: skip
TIME = {
    "label": "Time", "dataType": "date", "operationType": "date_histogram", "isBucketed": True, "scale": "interval",
    "sourceField": "@timestamp", "params": {"interval": "auto", "includeEmptyRows": True}, "customLabel": True,
}  # fmt: skip


def saved(kind: str, id: str, attributes: Object, references: Sequence[Object] = ()) -> Object:
    return {
        "type": kind, "id": id, "attributes": attributes, "references": list(references), "managed": False,
        "coreMigrationVersion": CORE, "typeMigrationVersion": VERSIONS[kind],
    }  # fmt: skip


def search(id: str, title: str, description: str, columns: Sequence[str], query: str, order: str = "desc") -> Object:
    name = "kibanaSavedObjectMeta.searchSourceJSON.index"
    source = {"query": {"query": query, "language": "kuery"}, "filter": [], "indexRefName": name}
    attributes = {
        "title": title, "description": description, "columns": list(columns), "sort": [["@timestamp", order]],
        "kibanaSavedObjectMeta": {"searchSourceJSON": json.dumps(source)},
    }  # fmt: skip
    return saved("search", id, attributes, [{"type": "index-pattern", "id": VIEW, "name": name}])


def lens(id: str, title: str, description: str, kind: str, look: Object, columns: Object, query: str) -> Object:
    layer = {"columns": columns, "columnOrder": list(columns), "incompleteColumns": {}, "sampling": 1}
    attributes = {
        "title": title, "description": description, "visualizationType": kind,
        "state": {
            "visualization": look, "query": {"query": query, "language": "kuery"}, "filters": [],
            "datasourceStates": {"formBased": {"layers": {LAYER: layer}}},
            "internalReferences": [], "adHocDataViews": {},
        },
    }  # fmt: skip
    reference = {"type": "index-pattern", "id": VIEW, "name": f"indexpattern-datasource-layer-{LAYER}"}
    return saved("lens", id, attributes, [reference])


def over_time(id: str, title: str, description: str, field: str, query: str = "") -> Object:
    """Lines over time as stacked bars, one colour for each value of a field."""
    look = {
        "legend": {"isVisible": True, "position": "right"}, "valueLabels": "hide",
        "preferredSeriesType": "bar_stacked",
        "layers": [{
            "layerId": LAYER, "layerType": "data", "seriesType": "bar_stacked",
            "xAccessor": "time", "splitAccessor": "value", "accessors": ["count"],
        }],
    }  # fmt: skip
    return lens(id, title, description, "lnsXY", look, {"time": TIME, "value": top(field), "count": COUNT}, query)


def table(id: str, title: str, description: str, fields: Sequence[str], query: str = "") -> Object:
    """The most frequent values of fields, with how many lines have them."""
    columns = {f"value{number}": top(field) for number, field in enumerate(fields)} | {"count": COUNT}
    look = {"layerId": LAYER, "layerType": "data", "columns": [{"columnId": id} for id in columns]}
    return lens(id, title, description, "lnsDatatable", look, columns, query)


def metric(id: str, title: str, description: str, query: str) -> Object:
    """How many lines there are, as one number."""
    look = {"layerId": LAYER, "layerType": "data", "metricAccessor": "count"}
    return lens(id, title, description, "lnsMetric", look, {"count": COUNT | {"label": title}}, query)


def top(field: str) -> Object:
    kind = "number" if field.endswith("status_code") else "string"
    return {
        "label": field, "dataType": kind, "operationType": "terms", "isBucketed": True, "scale": "ordinal",
        "sourceField": field, "customLabel": True,
        "params": {
            "size": 10, "orderBy": {"type": "column", "columnId": "count"}, "orderDirection": "desc",
            "otherBucket": False, "missingBucket": False,
        },
    }  # fmt: skip


def dashboard(id: str, title: str, description: str, rows: Sequence[tuple[int, Sequence[Object]]]) -> Object:
    """`rows`: height, and the objects beside one another."""
    panels: list[Object] = []
    references: list[Object] = []
    y = 0
    for height, objects in rows:
        width = 48 // len(objects)
        for column, one in enumerate(objects):
            name = f"panel_{len(panels)}"
            grid = {"x": column * width, "y": y, "w": width, "h": height, "i": name}
            panels.append({
                "type": one["type"], "panelIndex": name, "gridData": grid, "panelRefName": name,
                "embeddableConfig": {"enhancements": {}},
            })  # fmt: skip
            # A reference is found by the panel's index and name.
            references.append({"type": one["type"], "id": one["id"], "name": f"{name}:{name}"})
        y += height
    source = {"query": {"query": "", "language": "kuery"}, "filter": []}
    attributes = {
        "title": title, "description": description, "panelsJSON": json.dumps(panels), "version": 1,
        "optionsJSON": json.dumps({"useMargins": True, "syncCursor": True, "hidePanelTitles": False}),
        "timeRestore": True, "timeFrom": "now-15m", "timeTo": "now",
        "refreshInterval": {"pause": False, "value": 10_000},
        "kibanaSavedObjectMeta": {"searchSourceJSON": json.dumps(source)},
    }  # fmt: skip
    return saved("dashboard", id, attributes, references)


PLAIN = ("service.name", "log.level", "message")
ALL = search("logs-all", "All lines", "Every container, newest first.", PLAIN, "")
FAILED = search(
    "logs-errors", "Errors", "Lines of level error and above.", ("service.name", "message", "error.type"), ERRORS
)
ORDER = search(
    "logs-order", "Follow an order",
    "Set trace.id to the trace of an order: its way through all services, in the order of time.",
    ("service.name", "trace.id", "message"), "trace.id : *", "asc",
)  # fmt: skip
STOREFRONT = search(
    "logs-storefront", "Storefront", "What the shop and its gateway say.",
    ("service.name", "http.response.status_code", "url.path", "message"), "service.name : (storefront or gateway)",
)  # fmt: skip
BUILDS = search("logs-ci", "CI", "What the CI runner says.", PLAIN, CI)
BAD = search(
    "logs-bad", "Bad lines", "What could not be read, or was refused; kept as text.",
    ("service.name", "tags", "message", "error.message"), "tags : (not_json or not_syslog or not_gelf or refused)",
)  # fmt: skip

BY_SERVICE = over_time(
    "logs-by-service", "Lines by service", "One that goes silent may hang; one that is suddenly loud is in trouble.",
    "service.name",
)  # fmt: skip
BY_LEVEL = over_time("logs-by-level", "Lines by level", "Good: nearly all info.", "log.level", "log.level : *")
ERRORS_BY_SERVICE = over_time(
    "logs-errors-by-service", "Errors by service", "Good: none.", "service.name", ERRORS
)  # fmt: skip
HOW_MANY = metric("logs-count", "Lines", "In the chosen time.", "")
HOW_MANY_ERRORS = metric("logs-error-count", "Errors", "Good: 0.", ERRORS)
HOW_MANY_BAD = metric(
    "logs-bad-count", "Bad lines", "Good: 0.", "tags : (not_json or not_syslog or not_gelf or refused)"
)
ANSWERS = over_time(
    "logs-answers", "Answers by status", "Good: 200 and 201.", "http.response.status_code",
    "http.response.status_code : * and service.name : gateway",
)  # fmt: skip
PATHS = table(
    "logs-failing-paths", "Pages that fail", "Good: empty.", ("url.path", "http.response.status_code"),
    "http.response.status_code >= 500",
)  # fmt: skip
SHOP_LEVELS = over_time("logs-shop-levels", "The shop by level", "Good: nearly all info.", "log.level", SHOP)
CI_LEVELS = over_time("logs-ci-levels", "CI by level", "Good: info.", "log.level", CI)
CI_WHO = table(
    "logs-ci-loggers", "Who writes", "The parts of CI, by how much they say.", ("log.logger", "log.level"), CI
)
CI_ERRORS = metric("logs-ci-errors", "Errors of CI", "Good: 0.", f"{CI} and {ERRORS}")

OBJECTS = [
    saved("index-pattern", VIEW, {"title": "logs-*-sandbox", "name": "Logs of the sandbox", "timeFieldName": "@timestamp"}),
    ALL, FAILED, ORDER, STOREFRONT, BUILDS, BAD,
    BY_SERVICE, BY_LEVEL, ERRORS_BY_SERVICE, HOW_MANY, HOW_MANY_ERRORS, HOW_MANY_BAD,
    ANSWERS, PATHS, SHOP_LEVELS, CI_LEVELS, CI_WHO, CI_ERRORS,
    dashboard("logs-overview", "Logs: overview", "How much, from whom, and what went wrong.", [
        (6, [HOW_MANY, HOW_MANY_ERRORS, HOW_MANY_BAD]),
        (12, [BY_SERVICE, BY_LEVEL]),
        (12, [ERRORS_BY_SERVICE]),
        (15, [FAILED]),
        (15, [ALL]),
    ]),
    dashboard("logs-app", "Logs: storefront", "The shop, its gateway, and the orders' traces.", [
        (12, [ANSWERS, SHOP_LEVELS]),
        (12, [PATHS]),
        (15, [STOREFRONT]),
        (15, [ORDER]),
    ]),
    dashboard("logs-ci-dashboard", "Logs: CI", "The CI runner.", [
        (10, [CI_ERRORS, CI_LEVELS]),
        (12, [CI_WHO]),
        (15, [BUILDS]),
    ]),
]  # fmt: skip
TEXT = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in OBJECTS)
