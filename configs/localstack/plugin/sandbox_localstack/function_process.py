"""The function's own process: loads the handler named by $_HANDLER, then answers requests from a connection."""

from __future__ import annotations

import importlib
import json
import logging
import os
import sys
import time
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any


class Context:
    """What AWS passes to a handler beside the event."""

    identity = client_context = None

    def __init__(self, request: dict[str, Any]) -> None:
        self.aws_request_id = request["invoke-id"]
        self.invoked_function_arn = request["invoked-function-arn"]
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self._deadline = time.monotonic() + request["seconds"]

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int(1000 * (self._deadline - time.monotonic())))

    def log(self, message: object) -> None:
        print(message)


def main() -> None:
    # When memory runs out, the function ends rather than LocalStack, which would forget everything.
    Path("/proc/self/oom_score_adj").write_text("1000")
    connection = Connection(int(sys.argv[1]))
    logging.basicConfig(format="[%(levelname)s]\t%(asctime)s\t%(message)s")
    try:
        handler = _load_handler(os.environ["_HANDLER"])
    except ImportError as error:
        connection.send_bytes(_failure(error, "Runtime.ImportModuleError"))
        return
    except Exception as error:
        connection.send_bytes(_failure(error))
        return
    connection.send_bytes(_success(None))
    while True:
        try:
            request = json.loads(connection.recv_bytes())
        except EOFError:
            return
        os.environ["_X_AMZN_TRACE_ID"] = request["trace-id"]
        connection.send_bytes(_answer(handler, request))


def _load_handler(name: str) -> Callable[[Any, Context], Any]:
    module, _, function = name.rpartition(".")
    handler: Callable[[Any, Context], Any] = getattr(importlib.import_module(module.replace("/", ".")), function)
    return handler


def _answer(handler: Callable[[Any, Context], Any], request: dict[str, Any]) -> bytes:
    try:
        return _success(handler(json.loads(request["payload"] or "{}"), Context(request)))
    except Exception as error:
        return _failure(error)


def _success(value: Any) -> bytes:
    return json.dumps({"payload": json.dumps(value), "is_error": False}).encode()


def _failure(error: Exception, kind: str = "") -> bytes:
    traceback.print_exc()
    trace = traceback.format_tb(error.__traceback__)[1:]  # without this file's own line
    payload = {"errorMessage": str(error), "errorType": kind or type(error).__name__, "stackTrace": trace}
    return json.dumps({"payload": json.dumps(payload), "is_error": True}).encode()


if __name__ == "__main__":
    main()
