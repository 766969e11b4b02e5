"""The storefront's pages and API."""

from __future__ import annotations

import logging
import os
import socket

from flask import Blueprint, Flask, Response, jsonify, render_template, request, url_for
from flask.typing import ResponseReturnValue
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from werkzeug.exceptions import HTTPException

from storefront import VERSION
from storefront.errors import ApiError
from storefront.faults import Faults, FaultSwitch
from storefront.shop import PRODUCTS, Orders, product
from storefront.telemetry import Telemetry

log = logging.getLogger(__name__)

COMMIT = os.environ.get("APP_COMMIT", "unknown")


def create_app() -> Flask:
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = 16 * 1024
    telemetry = Telemetry(app, VERSION, COMMIT)
    faults = FaultSwitch(telemetry.registry)
    app.register_blueprint(shop_routes(faults))
    app.register_blueprint(operations_routes(telemetry, faults))
    app.register_error_handler(Exception, error_answer)
    app.after_request(harden)
    return app


def shop_routes(faults: FaultSwitch) -> Blueprint:
    """What visitors use, with faults if any are switched on."""
    routes, orders = Blueprint("shop", __name__), Orders()
    routes.before_request(faults.inject)

    @routes.get("/")
    def page() -> str:
        return render_template(
            "shop.html", products=PRODUCTS.values(), version=VERSION, commit=COMMIT, host=socket.gethostname()
        )

    @routes.get("/api/products")
    def products() -> ResponseReturnValue:
        return {"products": list(PRODUCTS.values())}

    @routes.get("/api/products/<product_id>")
    def one_product(product_id: str) -> Response:
        return jsonify(product(product_id))

    @routes.post("/api/orders")
    def place_order() -> ResponseReturnValue:
        order = orders.place(request.get_json())
        return jsonify(order), 201, {"Location": url_for("shop.one_order", order_id=order.id)}

    @routes.get("/api/orders/<order_id>")
    def one_order(order_id: str) -> Response:
        return jsonify(orders.find(order_id))

    return routes


def operations_routes(telemetry: Telemetry, faults: FaultSwitch) -> Blueprint:
    """What only the sandbox's inside may reach: a gateway must not pass on /metrics and /-/."""
    routes = Blueprint("operations", __name__)

    @routes.get("/healthz")
    def alive() -> ResponseReturnValue:
        """Does the process answer? If not, restart it."""
        return {"status": "ok"}

    @routes.get("/readyz")
    def ready() -> ResponseReturnValue:
        """May it get visitors? If not, send them elsewhere. The shop needs nothing but itself."""
        return {"status": "ready"}

    @routes.get("/metrics")
    def metrics() -> Response:
        return Response(generate_latest(telemetry.registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)

    @routes.route("/-/faults", methods=["GET", "PUT", "DELETE"])
    def switch() -> ResponseReturnValue:
        if request.method == "PUT":
            faults.set(Faults.parse(request.get_json()))
        elif request.method == "DELETE":
            faults.set(Faults())
        return faults.as_json()

    return routes


def error_answer(error: Exception) -> ResponseReturnValue:
    if isinstance(error, ApiError):
        return error_json(error.code, error.message), error.status
    if isinstance(error, HTTPException):
        response = error.get_response()
        if response.status_code >= 400:
            code = error.name.lower().replace(" ", "_")
            response.data = error_json(code, error.description or error.name).data
            response.content_type = "application/json"
        return response
    log.exception("unforeseen error")
    return error_json("internal_error", "Something broke; the log tells more about this request id."), 500


def error_json(code: str, message: str) -> Response:
    return jsonify(error={"code": code, "message": message})


def harden(response: Response) -> Response:
    """The page uses nothing but its own files, and browsers may hold it to that."""
    response.headers["Content-Security-Policy"] = "default-src 'self'; frame-ancestors 'self'"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
