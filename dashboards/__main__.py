"""Writes every dashboard to its service's configs: `make dashboards`."""

from __future__ import annotations

import json
from pathlib import Path

from dashboards import ci, delivery, kibana, logs, orders

CONFIGS = Path(__file__).parents[1] / "configs"
FILES = {
    "ci/dashboards/ci.json": ci.DASHBOARD,
    "logstore/dashboards/logs.json": logs.DASHBOARD,
    "orders/dashboards/aws.json": orders.AWS,
    "orders/dashboards/orders.json": orders.ORDERS,
    "storefront/dashboards/delivery.json": delivery.DASHBOARD,
}


def written() -> dict[Path, str]:
    """Each file, and what it must hold."""
    return {CONFIGS / name: json.dumps(made, indent=1, ensure_ascii=False) + "\n" for name, made in FILES.items()}


if __name__ == "__main__":
    (CONFIGS / "kibana" / "objects.ndjson").write_text(kibana.TEXT, encoding="utf-8")
    for path, text in written().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
