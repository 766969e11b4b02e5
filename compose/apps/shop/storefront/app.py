"""The storefront's pages and API."""

from __future__ import annotations

import json
import logging
import socket
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

from storefront import SERVICE, outbox
from storefront.errors import ApiError
from storefront.outbox import Outbox, OutboxFull
from storefront.pictures import Pictures
from storefront.shop import PRODUCTS, RecentOrders, order, product
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
    app.register_blueprint(shop_routes(faults, pictures, Outbox(publish_order, telemetry.registry, outbox_folder)))
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


def shop_routes(faults: Faults, pictures: Pictures, outbox: Outbox) -> Blueprint:
    """What visitors use, with faults if any are switched on."""
    routes, recent = Blueprint("shop", __name__), RecentOrders()

    @routes.before_request
    def inject_faults() -> None:
        if faults.delay("latency"):
            g.fault = "latency"
        if faults.fails():
            g.fault = "errors"
            raise ApiError(500, "injected_fault", "This error was asked for; `sandbox fault list` tells.")

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
        placed = order(request.get_json())
        about.set({**about.get(), "labels.order_id": placed.id})
        try:
            sent = outbox.send(placed.id, json.dumps({**asdict(placed), "trace_id": g.trace_id}))
        except OutboxFull:
            raise ApiError(503, "not_now", "Orders cannot be taken at the moment; please try again later.") from None
        recent.add(placed)
        answer = {**asdict(placed), "status": "accepted" if sent else "kept"}
        return answer, 201 if sent else 202, {"Location": url_for("shop.one_order", order_id=placed.id)}

    @routes.get("/api/orders/<order_id>")
    def one_order(order_id: str) -> ResponseReturnValue:
        mine = recent.get(order_id)
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
