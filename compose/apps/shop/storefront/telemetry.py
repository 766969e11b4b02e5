"""What one can learn of the storefront from outside: metrics, trace ids and the request log.

The metrics follow RED: rate, errors and duration of the shop's requests. Health checks and scrapes are
left out; they are many, quick and always fine, and would hide the trouble of real visitors.
"""

from __future__ import annotations

import logging
import re
import time
import uuid
from functools import partial

from flask import Flask, Response, g, request
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from shop.logs import about

from storefront import SERVICE

# Every label value comes from a short list: a scan for /wp-admin or a strange verb adds no time series.
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
UNMATCHED = "unmatched"
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
ORDER_RESULTS = ("accepted", "kept", "rejected", "failed")
ORDER_ROUTES = ("/api/orders", "/api/basket/checkout")
BASKET_ACTIONS = ("added", "changed", "emptied", "ordered")
TRACEPARENT = re.compile(r"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
REQUEST_ID = re.compile(r"[\w.:-]{1,128}", re.ASCII)

log = logging.getLogger(__name__)


class Telemetry:
    """Watches an app's requests, but for those of the blueprint `operations`."""

    def __init__(self, app: Flask, version: str, commit: str) -> None:
        registry = self.registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        counter = partial(Counter, registry=registry)
        gauge = partial(Gauge, registry=registry)
        histogram = partial(Histogram, registry=registry, buckets=BUCKETS)
        route = ["service", "method", "route"]
        self.requests = counter("http_requests", "Requests answered.", [*route, "status"])
        self.duration = histogram("http_request_duration_seconds", "Time to answer.", route)
        self.in_flight = gauge("http_requests_in_flight", "Being answered.", ["service"]).labels(SERVICE)
        self.orders = counter("orders", "Orders, by how they ended.", ["service", "result"])
        for result in ORDER_RESULTS:
            self.orders.labels(SERVICE, result)
        self.basket = counter("basket_changes", "What visitors did to their baskets.", ["service", "action"])
        for action in BASKET_ACTIONS:
            self.basket.labels(SERVICE, action)
        info = gauge("app_info", "Always 1; the labels tell.", ["service", "version", "commit"])
        info.labels(SERVICE, version, commit).set(1)
        app.before_request(self._begin)
        app.after_request(self._end)

    def _begin(self) -> None:
        """Take over the ids that the caller gave, so that they find the request in every log on its way."""
        given = request.headers.get("X-Request-Id", "")
        g.request_id = given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        trace = TRACEPARENT.match(request.headers.get("traceparent", ""))
        g.trace_id = trace[1] if trace else g.request_id
        about.set({"trace.id": g.trace_id})
        g.began = time.perf_counter_ns()
        if request.blueprint != "operations":
            self.in_flight.inc()

    def _end(self, response: Response) -> Response:
        response.headers["X-Request-Id"] = g.request_id
        if request.blueprint == "operations":
            return response
        nanoseconds = time.perf_counter_ns() - g.began
        method = request.method if request.method in METHODS else "other"
        route = request.url_rule.rule if request.url_rule else UNMATCHED
        self.in_flight.dec()
        self.requests.labels(SERVICE, method, route, response.status_code).inc()
        self.duration.labels(SERVICE, method, route).observe(nanoseconds / 1e9)
        if method == "POST" and route in ORDER_ROUTES and response.status_code >= 400:
            self.orders.labels(SERVICE, "failed" if response.status_code >= 500 else "rejected").inc()
        fields = {
            "http.request.id": g.request_id,
            "http.request.method": request.method,
            "url.path": request.path,
            "http.response.status_code": response.status_code,
            "event.duration": nanoseconds,
        }
        if "fault" in g:
            fields["labels.fault"] = g.fault
        level = logging.ERROR if response.status_code >= 500 else logging.INFO
        log.log(level, "%s %s %d", request.method, request.path, response.status_code, extra={"ecs": fields})
        return response
