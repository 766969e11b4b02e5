"""The storefront's pages and API."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from flask import Blueprint, Flask, Response, g, jsonify, render_template, request, url_for
from flask.typing import ResponseReturnValue
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from shop import COMMIT, VERSION, aws
from shop.faults import FILE, Faults
from shop.logs import about
from werkzeug.exceptions import HTTPException

from storefront import SERVICE, basket, outbox
from storefront.errors import ApiError
from storefront.outbox import Outbox, OutboxFull
from storefront.pictures import Pictures
from storefront.shop import CURRENCY, PRODUCTS, Order, RecentOrders, order, product, wanted
from storefront.telemetry import Telemetry

log = logging.getLogger(__name__)


def create_app(outbox_folder: Path = outbox.FOLDER, faults_file: Path = FILE) -> Flask:
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = 16 * 1024
    telemetry = Telemetry(app, VERSION, COMMIT)
    faults = Faults(SERVICE, telemetry.registry, faults_file)
    aws.before_each[:] = [lambda: faults.delay("slow-dependency")]
    pictures = Pictures()
    pictures.publish()
    till = Till(Outbox(publish_order, telemetry.registry, outbox_folder), telemetry)
    for routes in (shop_routes(pictures, till), basket_routes(till, telemetry)):
        routes.before_request(fault_injection(faults))
        app.register_blueprint(routes)
    app.register_blueprint(operations_routes(telemetry))
    app.register_error_handler(Exception, error_answer)
    app.after_request(harden)
    return app


def publish_order(text: str) -> None:
    """Puts an order into the queue. Raises an AwsError."""
    try:
        aws.ask("sqs", "send_message", QueueUrl=aws.queue_url(aws.ORDERS_QUEUE), MessageBody=text)
    except aws.ClientError:
        aws.queue_url.cache_clear()  # the queue may have been made anew
        raise


def stored_order(order_id: str) -> dict[str, Any] | None:
    """The order as the worker stored it, if it did. Raises an AwsError."""
    found = aws.ask("dynamodb", "get_item", TableName=aws.ORDERS_TABLE, Key={"id": {"S": order_id}}).get("Item")
    return {name: int(v["N"]) if "N" in v else v["S"] for name, v in found.items()} if found else None


class Till:
    """Takes orders."""

    def __init__(self, outbox: Outbox, telemetry: Telemetry) -> None:
        self._outbox, self._telemetry, self.recent = outbox, telemetry, RecentOrders()

    def take(self, placed: Order) -> dict[str, Any]:
        """The order and its status. Raises an ApiError when it cannot even be kept."""
        about.set({**about.get(), "labels.order_id": placed.id})
        try:
            sent = self._outbox.send(placed.id, json.dumps({**asdict(placed), "trace_id": g.trace_id}))
        except OutboxFull:
            raise ApiError(503, "not_now", "Orders cannot be taken at the moment; please try again later.") from None
        self.recent.add(placed)
        status = "accepted" if sent else "kept"
        self._telemetry.orders.labels(SERVICE, status).inc()
        log.info("order %s %s", placed.id, status, extra={"ecs": {"event.action": "order-placed"}})
        return {**asdict(placed), "status": status}


def fault_injection(faults: Faults) -> Callable[[], None]:
    """What happens before each request of visitors, if faults are switched on."""

    def inject() -> None:
        if faults.delay("latency"):
            g.fault = "latency"
        if faults.fails():
            g.fault = "errors"
            raise ApiError(500, "injected_fault", "This error was asked for; `sandbox fault list` tells.")

    return inject


def shop_routes(pictures: Pictures, till: Till) -> Blueprint:
    """What visitors use."""
    routes = Blueprint("shop", __name__)

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

    @routes.get("/pictures/<product_id>.svg")
    def picture(product_id: str) -> ResponseReturnValue:
        content, source = pictures.get(product(product_id).id)
        headers = {"Content-Type": "image/svg+xml", "Cache-Control": "max-age=60", "X-Picture-Source": source}
        return content, 200, headers

    @routes.post("/api/orders")
    def place_order() -> ResponseReturnValue:
        taken = till.take(order(*wanted(request.get_json())))
        location = url_for("shop.one_order", order_id=taken["id"])
        return taken, 201 if taken["status"] == "accepted" else 202, {"Location": location}

    @routes.get("/api/orders/<order_id>")
    def one_order(order_id: str) -> ResponseReturnValue:
        mine = till.recent.get(order_id)
        try:
            if stored := stored_order(order_id):
                return stored
        except aws.AwsError as error:
            if not mine:
                log.warning("an order cannot be looked up: %s", error)
                raise ApiError(503, "not_now", "Orders cannot be looked up at the moment.") from None
        if not mine:
            raise ApiError(404, "unknown_order", "There is no such order, or not yet.")
        return {**asdict(mine), "status": "accepted"}

    @routes.get("/api/orders/<order_id>/receipt")
    def receipt(order_id: str) -> ResponseReturnValue:
        try:
            found = aws.ask("s3", "get_object", Bucket=aws.RECEIPTS_BUCKET, Key=f"{order_id}.txt")
        except aws.ClientError:
            raise ApiError(404, "no_receipt", "There is no receipt of this order, or not yet.") from None
        except aws.AwsError:
            raise ApiError(503, "not_now", "Receipts cannot be had at the moment.") from None
        return found["Body"].read(), 200, {"Content-Type": "text/plain; charset=utf-8"}

    return routes


def basket_routes(till: Till, telemetry: Telemetry) -> Blueprint:
    """The visitor's basket. Each product in it becomes an order of its own."""
    routes = Blueprint("basket", __name__, url_prefix="/api/basket")

    def mine() -> dict[str, int]:
        return basket.read(request.cookies.get(basket.COOKIE, ""))

    def changed(action: str, now: dict[str, int], answer: dict[str, Any], status: int = 200) -> Response:
        telemetry.basket.labels(SERVICE, action).inc()
        log.info("basket: %s", action, extra={"ecs": {"event.action": f"basket-{action}"}})
        response = jsonify(answer)
        response.status_code = status
        age = basket.DAYS * 24 * 3600 if now else 0
        response.set_cookie(basket.COOKIE, basket.write(now), max_age=age, httponly=True, samesite="Strict")
        return response

    @routes.get("")
    def show() -> ResponseReturnValue:
        return basket.as_json(mine())

    @routes.post("")
    def add() -> Response:
        chosen, quantity = wanted(request.get_json())
        before = mine()
        now = basket.put(before, chosen.id, quantity + before.get(chosen.id, 0))
        return changed("added", now, basket.as_json(now))

    @routes.put("/<product_id>")
    def put(product_id: str) -> Response:
        data = request.get_json()
        if not isinstance(data, dict) or set(data) != {"quantity"}:
            raise ApiError(422, "invalid_basket", 'A quantity looks like {"quantity": 1}.')
        now = basket.put(mine(), product(product_id).id, data["quantity"])
        return changed("changed", now, basket.as_json(now))

    @routes.delete("/<product_id>")
    def remove(product_id: str) -> Response:
        now = basket.put(mine(), product(product_id).id, 0)
        return changed("changed", now, basket.as_json(now))

    @routes.delete("")
    def empty() -> Response:
        return changed("emptied", {}, basket.as_json({}))

    @routes.post("/checkout")
    def check_out() -> Response:
        left, taken = mine(), list[dict[str, Any]]()
        if not left:
            raise ApiError(422, "empty_basket", "There is nothing in the basket.")
        try:
            for product_id, quantity in list(left.items()):
                taken.append(till.take(order(PRODUCTS[product_id], quantity)))
                del left[product_id]
        except ApiError:
            if not taken:
                raise
        total = sum(one["total_cents"] for one in taken)
        answer = {"orders": taken, "total_cents": total, "currency": CURRENCY, "basket": basket.as_json(left)}
        complete = not left and all(one["status"] == "accepted" for one in taken)
        return changed("ordered", left, answer, 201 if complete else 202)

    return routes


def operations_routes(telemetry: Telemetry) -> Blueprint:
    """What only the sandbox's inside may reach: a gateway must not pass on /metrics and /-/."""
    routes = Blueprint("operations", __name__)

    @routes.get("/healthz")
    def alive() -> ResponseReturnValue:
        """Does the process answer? If not, restart it."""
        return {"status": "ok"}

    @routes.get("/readyz")
    def ready() -> ResponseReturnValue:
        """May it get visitors? If not, send them elsewhere. While AWS is away it keeps orders, so it needs nothing."""
        return {"status": "ready"}

    @routes.get("/metrics")
    def metrics() -> Response:
        return Response(generate_latest(telemetry.registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)

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
