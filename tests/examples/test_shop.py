"""The shop as its operators see it: a metric appears, a line is logged, an alert comes and goes, a network fails."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from sandbox.testing import RunningSandbox
from sandbox.testing.services import Alerts, Gateway, Logstore, Prometheus, wait

pytestmark = pytest.mark.sandbox("storefront")


def test_visit_is_counted(gateway: Gateway, prometheus: Prometheus) -> None:
    visits = 'sum(http_requests_total{service="storefront", route="/api/products"})'
    before = prometheus.wait_for(visits)  # the sandbox's own readiness check was a visit, too
    for _ in range(5):
        assert gateway.get("/api/products").ok
    prometheus.wait_for(visits, lambda value: value >= before + 5)


def test_visit_is_logged(gateway: Gateway, sandbox: RunningSandbox) -> None:
    name = uuid.uuid4().hex
    gateway.get(f"/api/products/{name}")
    assert '"http.response.status_code": 404' in sandbox.wait_for_log("storefront", name)


def test_line_is_found_in_the_log_store(gateway: Gateway, logstore: Logstore) -> None:
    name = uuid.uuid4().hex
    gateway.get(f"/api/products/{name}")
    line = logstore.wait_for(f"service.name:storefront AND {name}")
    assert line["http.response.status_code"] == 404


@pytest.fixture
def errors(sandbox: RunningSandbox) -> Iterator[None]:
    """The shop fails one request in five, for one test: what `sandbox fault inject errors 0.2` does."""
    assert sandbox.exec("storefront", "python3", "-m", "shop.faults", "inject", "errors", "0.2").code == 0
    yield
    sandbox.exec("storefront", "python3", "-m", "shop.faults", "clear")


def test_fault_raises_an_alert_that_ends_with_it(errors: None, sandbox: RunningSandbox, alerts: Alerts) -> None:
    alert = alerts.wait_for("StorefrontFaults", service="storefront")
    assert "summary" in alert.annotations
    assert sandbox.exec("storefront", "python3", "-m", "shop.faults", "clear").code == 0
    alerts.wait_until_resolved("StorefrontFaults")


def test_gateway_survives_a_cut_network(gateway: Gateway, sandbox: RunningSandbox) -> None:
    def status() -> int:
        return gateway.get("/api/products").status_code

    with sandbox.cut_off("storefront"):
        wait("a 503", lambda: True if status() == 503 else None, status, timeout=20)
    assert status() == 200


def test_shop_comes_back(gateway: Gateway, sandbox: RunningSandbox) -> None:
    def status() -> int:
        return gateway.get("/").status_code

    with sandbox.stop("storefront"):
        wait("a 503", lambda: True if status() == 503 else None, status, timeout=20)
    assert status() == 200
