"""The dashboards that services bring, as the tests see them: panel by panel, query by query."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from sandbox.resources import configs_folder

FILES = sorted(configs_folder().glob("*/dashboards/*.json"))
# What Grafana makes of a scrape interval of 3 s, and of a variable before anybody chose.
INTERVAL = re.compile(r"\$__(rate_)?interval\b|\$\{__(rate_)?interval\}")
RANGE = re.compile(r"\$__range\b|\$\{__range\}")
VARIABLE = re.compile(r"\$([a-z_]\w*|\{\w+(:\w+)?\})")
# A panel whose description says so may show nothing in a healthy sandbox.
MAY_BE_EMPTY = re.compile(r"(^|\. )Empty when ")
# Nor one that needs a service that was not chosen; the names of services are those of Prometheus' jobs.
NEEDS = re.compile(r"\bNeeds `([\w-]+)`\.")


def read(path: Path) -> dict[str, Any]:
    data = json.loads(path.read_text(encoding="utf-8"))
    assert isinstance(data, dict)
    return data


def panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    """Every panel, those folded into rows included."""
    return [inner for panel in dashboard["panels"] for inner in (panel, *panel.get("panels", []))]


def queries() -> Iterator[tuple[str, dict[str, Any], str]]:
    """(`dashboard: panel: letter`, panel, PromQL without Grafana's variables) of every panel that asks Prometheus."""
    for name, panel, target in targets(FILES):
        if "expr" in target:
            yield name, panel, promql(target["expr"])


def targets(files: Iterable[Path]) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """(`dashboard: panel: letter`, panel, query) of every panel."""
    for path in files:
        for panel in panels(read(path)):
            for target in panel.get("targets", []):
                yield f"{path.stem}: {panel['title']}: {target['refId']}", panel, target


def search(target: dict[str, Any], since: int, until: int) -> dict[str, Any]:
    """The search that Grafana makes of a query for the log store, in milliseconds since 1970."""
    moment = target["timeField"]
    when = {"range": {moment: {"gte": since, "lte": until, "format": "epoch_millis"}}}
    words = {"query_string": {"analyze_wildcard": True, "query": target["query"]}}
    body: dict[str, Any] = {"size": 0, "query": {"bool": {"filter": [when, words]}}}
    if target["metrics"][0]["type"] == "logs":
        order = {"order": "desc", "unmapped_type": "boolean"}
        return {**body, "size": int(target["metrics"][0]["settings"]["limit"]), "sort": [{moment: order}]}
    inner = body
    for bucket in target["bucketAggs"]:
        settings = bucket["settings"]
        if bucket["type"] == "terms":
            order = {settings["orderBy"]: settings["order"]}
            made = {"field": bucket["field"], "size": int(settings["size"]), "order": order, "min_doc_count": 1}
        else:
            made = {"field": bucket["field"], "fixed_interval": "15s", "min_doc_count": 0, "format": "epoch_millis",
                    "extended_bounds": {"min": since, "max": until}}  # fmt: skip
        inner["aggs"] = {bucket["id"]: {bucket["type"]: made}}
        inner = inner["aggs"][bucket["id"]]
    return body


def promql(expression: str) -> str:
    return VARIABLE.sub(".+", RANGE.sub("15m", INTERVAL.sub("12s", expression)))
