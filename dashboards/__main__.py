"""Writes every dashboard to its service's configs: `make dashboards`."""

from __future__ import annotations

import json
from pathlib import Path

from dashboards import (
    ci,
    computer,
    containers,
    delivery,
    elasticsearch,
    gateway,
    kibana,
    logs,
    orders,
    probes,
    prometheus,
    storefront,
)

CONFIGS = Path(__file__).parents[1] / "configs"
FILES = {
    "blackbox-exporter/dashboards/probes.json": probes.DASHBOARD,
    "ci/dashboards/ci.json": ci.DASHBOARD,
    "container-exporter/dashboards/containers.json": containers.DASHBOARD,
    "elasticsearch/dashboards/elasticsearch.json": elasticsearch.DASHBOARD,
    "elasticsearch/dashboards/logs-elastic.json": logs.ELASTIC,
    "gateway/dashboards/gateway.json": gateway.DASHBOARD,
    "logstore/dashboards/logs.json": logs.DASHBOARD,
    "node-exporter/dashboards/computer.json": computer.DASHBOARD,
    "orders/dashboards/aws.json": orders.AWS,
    "orders/dashboards/orders.json": orders.ORDERS,
    "prometheus/dashboards/overview.json": prometheus.OVERVIEW,
    "prometheus/dashboards/prometheus.json": prometheus.DASHBOARD,
    "storefront/dashboards/delivery.json": delivery.DASHBOARD,
    "storefront/dashboards/storefront.json": storefront.DASHBOARD,
}


def written() -> dict[Path, str]:
    """Each file, and what it must hold."""
    return {CONFIGS / name: json.dumps(made, indent=1, ensure_ascii=False) + "\n" for name, made in FILES.items()}


if __name__ == "__main__":
    (CONFIGS / "kibana" / "objects.ndjson").write_text(kibana.TEXT, encoding="utf-8")
    for path, text in written().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
