"""A Lambda: writes the receipt of each order that the receipts queue brings, as a text in S3.

Only botocore is used, which the runtime of AWS has and both emulators have. An order that comes twice gets the same
receipt twice. What fails alone is returned as failed, so that the rest of the batch is not repeated.
"""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime
from functools import cache
from typing import Any

from botocore.session import get_session

SERVICE = "receipts"
BUCKET = os.environ.get("RECEIPTS_BUCKET", "shop-receipts")


@cache
def s3() -> Any:
    return get_session().create_client("s3", region_name=os.environ.get("AWS_REGION", "us-east-1"))


def handle(event: dict[str, Any], context: Any) -> dict[str, list[dict[str, str]]]:
    """What AWS calls. The answer names the messages that failed."""
    failed = [record["messageId"] for record in event["Records"] if not write_receipt(record)]
    return {"batchItemFailures": [{"itemIdentifier": id} for id in failed]}


def write_receipt(record: dict[str, Any]) -> bool:
    """Whether the receipt of one message is in S3 now."""
    about, began = {}, time.perf_counter_ns()
    try:
        order = json.loads(record["body"])
        about = {"trace.id": order.get("trace_id", ""), "labels.order_id": order["id"]}
        s3().put_object(Bucket=BUCKET, Key=f"{order['id']}.txt", Body=text(order), ContentType="text/plain")
    except Exception as error:  # whatever is wrong with one message must not harm the others
        log("error", "receipt failed", "failed", began, {**about, "error.message": f"{type(error).__name__}: {error}"})
        return False
    log("info", "receipt written", "written", began, about)
    return True


def text(order: dict[str, Any]) -> bytes:
    """The receipt as people read it."""
    line = f"{order['quantity']} x {order['product']}"
    total = f"{order['total_cents'] / 100:.2f} {order['currency']}"
    return f"Castle & Spade\nOrder {order['id']} of {order['created_at']}\n\n{line:<24}{total:>16}\n".encode()


def log(level: str, message: str, result: str, began: int, fields: dict[str, Any]) -> None:
    """A line of the Elastic Common Schema that is also a metric: CloudWatch's embedded metric format."""
    nanoseconds = time.perf_counter_ns() - began
    metrics = [{"Name": "Receipts", "Unit": "Count"}, {"Name": "Duration", "Unit": "Milliseconds"}]
    embedded = {
        "Timestamp": int(time.time() * 1000),
        "CloudWatchMetrics": [{"Namespace": "Shop", "Dimensions": [["Service", "Result"]], "Metrics": metrics}],
    }
    line = {
        "@timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "log.level": level,
        "message": message,
        "service.name": SERVICE,
        "service.version": os.environ.get("AWS_LAMBDA_FUNCTION_VERSION", "local"),
        "event.duration": nanoseconds,
    }
    own = {"Service": SERVICE, "Result": result, "Receipts": 1, "Duration": nanoseconds / 1e6, "_aws": embedded}
    print(json.dumps(line | fields | own), flush=True)
