"""The dashboards that services bring, as the tests see them: panel by panel, query by query."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
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


def read(path: Path) -> dict[str, Any]:
    data = json.loads(path.read_text(encoding="utf-8"))
    assert isinstance(data, dict)
    return data


def panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    """Every panel, those folded into rows included."""
    return [inner for panel in dashboard["panels"] for inner in (panel, *panel.get("panels", []))]


def queries() -> Iterator[tuple[str, dict[str, Any], str]]:
    """(`dashboard: panel: letter`, panel, PromQL without Grafana's variables) of every panel."""
    for path in FILES:
        for panel in panels(read(path)):
            for target in panel.get("targets", []):
                if "expr" in target:
                    yield f"{path.stem}: {panel['title']}: {target['refId']}", panel, promql(target["expr"])


def promql(expression: str) -> str:
    return VARIABLE.sub(".+", RANGE.sub("15m", INTERVAL.sub("12s", expression)))
