"""The panels of our dashboards, so that all have the same look: Grafana's JSON from a few builders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Json = dict[str, Any]
PROMETHEUS = {"type": "prometheus", "uid": "prometheus"}
LOGS = {"type": "elasticsearch", "uid": "elasticsearch"}
RATE = "[$__rate_interval]"
States = Mapping[str, tuple[str, str]]  # a value's text and colour
Steps = Sequence[tuple[str, float | None]]
BLUE: Steps = (("blue", None),)
NONE_IS_GOOD: Steps = (("green", None), ("red", 1))
ONE_IS_GOOD: Steps = (("red", None), ("green", 1))
USED: Steps = (("green", None), ("orange", 0.8), ("red", 0.95))  # the share of something that can run out
ANSWERS = {"0": ("does not answer", "red"), "1": ("answers", "green")}


def prom(expr: str, legend: str = "__auto", **more: Any) -> Json:
    return {"datasource": PROMETHEUS, "expr": expr, "legendFormat": legend, **more}


def count(query: str, by: str, size: int = 10) -> Json:
    """Log lines that a Lucene query finds, over time, by the values of a field."""
    terms = {"type": "terms", "id": "3", "field": by, "settings": {"size": str(size), "order": "desc", "orderBy": "_count", "min_doc_count": "1"}}  # fmt: skip  # noqa: E501
    time = {"type": "date_histogram", "id": "2", "field": "@timestamp", "settings": {"interval": "auto"}}
    return {"datasource": LOGS, "query": query, "timeField": "@timestamp", "metrics": [{"type": "count", "id": "1"}], "bucketAggs": [terms, time]}  # fmt: skip  # noqa: E501


def lines(query: str, limit: int = 200) -> Json:
    """The newest log lines that a Lucene query finds."""
    metric = {"type": "logs", "id": "1", "settings": {"limit": str(limit)}}
    return {"datasource": LOGS, "query": query, "timeField": "@timestamp", "metrics": [metric], "bucketAggs": []}


def chart(title: str, description: str, *targets: Json, unit: str, stack: bool = False, limit: float | None = None,
          top: float | None = None, colours: Mapping[str, str] | None = None) -> Json:  # fmt: skip
    """Lines over time. `limit` is drawn as a dashed line."""
    custom: Json = {"drawStyle": "line", "lineWidth": 1, "fillOpacity": 25 if stack else 10, "showPoints": "never",
                    "stacking": {"mode": "normal" if stack else "none", "group": "A"}}  # fmt: skip
    defaults: Json = {"unit": unit, "min": 0, "custom": custom, "color": {"mode": "palette-classic"}}
    if top is not None:
        defaults["max"] = top
    if limit is not None:
        custom["thresholdsStyle"] = {"mode": "dashed"}
        defaults["thresholds"] = _steps((("transparent", None), ("red", limit)))
    overrides = [_override(name, color={"mode": "fixed", "fixedColor": to}) for name, to in (colours or {}).items()]
    options = {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    return _panel("timeseries", title, description, targets, defaults, options, overrides)


def stat(title: str, description: str, target: Json, *, unit: str = "short", steps: Steps = BLUE,
         decimals: int | None = None, graph: bool = True, text: str = "auto", more: Json | None = None) -> Json:  # fmt: skip
    """The latest number, large. `more` is the dashboard that tells more."""
    defaults: Json = {"unit": unit, "color": {"mode": "thresholds"}, "thresholds": _steps(steps)}
    if decimals is not None:
        defaults["decimals"] = decimals
    options = {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "colorMode": "value",
        "graphMode": "area" if graph else "none",
        "textMode": text,
    }
    made = _panel("stat", title, description, [target], defaults, options)
    return {**made, "links": [more]} if more else made


def bars(title: str, description: str, target: Json, *, unit: str, top: float, steps: Steps) -> Json:
    """One bar for each series, from 0 to `top`."""
    defaults: Json = {"unit": unit, "min": 0, "max": top, "color": {"mode": "thresholds"}, "thresholds": _steps(steps)}
    options = {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "orientation": "horizontal",
        "displayMode": "basic",
        "showUnfilled": True,
    }
    return _panel("bargauge", title, description, [target], defaults, options)


def text(description: str, content: str) -> Json:
    """Words, in Markdown."""
    return {
        "type": "text",
        "title": "",
        "description": description,
        "options": {"mode": "markdown", "content": content},
    }


def timeline(title: str, description: str, target: Json, states: States) -> Json:
    """States over time."""
    defaults = {"unit": "none", "mappings": _mappings(states), "color": {"mode": "thresholds"},
                "thresholds": _steps((("text", None),)), "custom": {"lineWidth": 0, "fillOpacity": 80}}  # fmt: skip
    options = {
        "showValue": "never",
        "rowHeight": 0.8,
        "mergeValues": True,
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "single"},
    }
    return _panel("state-timeline", title, description, [target], defaults, options)


def table(title: str, description: str, columns: Mapping[str, str], *exprs: str, units: Mapping[str, str] | None = None,
          largest_first: str = "", steps: Mapping[str, Steps] | None = None, states: Mapping[str, States] | None = None) -> Json:  # fmt: skip  # noqa: E501
    """The values now. `columns` maps labels and `Value` (`Value #A` of several queries) to their headings, in order.

    `units`, `steps` and `states`, by which text is coloured, go by heading.
    """
    targets = [prom(expr, instant=True, format="table") for expr in exprs]
    named = {"indexByName": {name: i for i, name in enumerate(columns)}, "renameByName": dict(columns),
             "excludeByName": {name: True for name in ("Time", "__name__", "instance", "job", "Value") if name not in columns}}  # fmt: skip  # noqa: E501
    changes: list[Json] = [{"id": "merge", "options": {}}, {"id": "organize", "options": named}]
    if largest_first:
        changes.append({"id": "sortBy", "options": {"sort": [{"field": largest_first, "desc": True}]}})
    overrides = [_override(name, unit=unit) for name, unit in (units or {}).items()]
    overrides += [
        _override(name, **{"custom.cellOptions": {"type": "color-text"}}, color={"mode": "thresholds"}, thresholds=_steps(limits))
        for name, limits in (steps or {}).items()
    ]  # fmt: skip
    overrides += [
        _override(name, **{"custom.cellOptions": {"type": "color-text"}}, mappings=_mappings(known))
        for name, known in (states or {}).items()
    ]
    defaults = {"unit": "none", "custom": {"align": "auto", "filterable": True}}
    made = _panel("table", title, description, targets, defaults, {"showHeader": True, "cellHeight": "sm"}, overrides)
    return {**made, "transformations": changes}


def logs(title: str, description: str, query: str) -> Json:
    options = {"showTime": True, "wrapLogMessage": True, "sortOrder": "Descending", "enableLogDetails": True}
    return _panel("logs", title, description, [lines(query)], {"unit": "none"}, options)


def variable(name: str, label: str, values: str) -> Json:
    """A choice among the values of a label, several at once: `label_values(metric, label)`."""
    return {"type": "query", "name": name, "label": label, "datasource": PROMETHEUS,
            "query": {"query": values, "refId": name}, "refresh": 2, "sort": 1, "multi": True, "includeAll": True,
            "allValue": ".*", "current": {"text": ["All"], "value": ["$__all"]}, "hide": 0}  # fmt: skip


def leads_to(uid: str, title: str) -> Json:
    """A panel's link to another dashboard."""
    return {"type": "link", "title": title, "url": f"/d/{uid}", "icon": "dashboard", "tooltip": "", "tags": [],
            "asDropdown": False, "targetBlank": False, "includeVars": False, "keepTime": True}  # fmt: skip


def annotation(name: str, colour: str, expr: str, title: str, text: str) -> Json:
    return {"name": name, "datasource": PROMETHEUS, "enable": True, "iconColor": colour, "expr": expr,
            "titleFormat": title, "textFormat": text, "step": "15s"}  # fmt: skip


def dashboard(uid: str, title: str, description: str, tags: Sequence[str], rows: Sequence[tuple[int, Sequence[Json]]],
              variables: Sequence[Json] = (), annotations: Sequence[Json] = ()) -> Json:  # fmt: skip
    """`rows` are (height, panels that share the width)."""
    placed: list[Json] = []
    y = 0
    for height, panels in rows:
        for i, panel in enumerate(panels):
            x, end = 24 * i // len(panels), 24 * (i + 1) // len(panels)
            placed.append({"id": len(placed) + 1, **panel, "gridPos": {"x": x, "y": y, "w": end - x, "h": height}})
        y += height
    alerts = annotation("Alerts", "red", 'ALERTS{alertstate="firing"}', "{{alertname}}", "{{severity}} {{job}}")
    return {
        "uid": uid,
        "title": title,
        "description": description,
        "tags": ["sandbox", *tags],
        "timezone": "browser",
        "editable": True,
        "graphTooltip": 1,
        "refresh": "5s",
        "schemaVersion": 42,
        "version": 1,
        "time": {"from": "now-15m", "to": "now"},
        "templating": {"list": list(variables)},
        "annotations": {"list": [alerts, *annotations]},
        "links": [{"type": "dashboards", "title": "Sandbox", "tags": ["sandbox"], "asDropdown": True, "includeVars": False,
                   "keepTime": True, "targetBlank": False, "icon": "external link", "tooltip": "The other dashboards", "url": ""}],  # noqa: E501
        "panels": placed,
    }  # fmt: skip


def _panel(kind: str, title: str, description: str, targets: Sequence[Json], defaults: Json, options: Json,
           overrides: Sequence[Json] = ()) -> Json:  # fmt: skip
    asked = [{"refId": "ABCDEFGH"[i], **target} for i, target in enumerate(targets)]
    return {
        "type": kind,
        "title": title,
        "description": description,
        "datasource": targets[0]["datasource"],
        "fieldConfig": {"defaults": defaults, "overrides": list(overrides)},
        "options": options,
        "targets": asked,
    }


def _override(name: str, **properties: Any) -> Json:
    """What is different for the series or column of this name."""
    return {
        "matcher": {"id": "byName", "options": name},
        "properties": [{"id": id, "value": value} for id, value in properties.items()],
    }


def _mappings(states: States) -> list[Json]:
    return [{"type": "value", "options": {value: {"text": text, "color": to} for value, (text, to) in states.items()}}]


def _steps(steps: Steps) -> Json:
    return {"mode": "absolute", "steps": [{"color": colour, "value": value} for colour, value in steps]}
