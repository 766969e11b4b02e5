"""Runs a server until it is told to end: sockets, signals, log lines."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import time
from types import FrameType
from typing import Any

import waitress.server

from sandbox.ci.server.execution import Executor
from sandbox.ci.server.server import Server, Settings
from sandbox.ci.server.web import App

THREADS = 48  # a page that is open holds one, for what it is told
STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonLines(logging.Formatter):
    """One JSON object a line, with Elastic's common field names."""

    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z"
        line: dict[str, Any] = {
            "@timestamp": moment,
            "log.level": record.levelname.lower(),
            "log.logger": record.name,
            "message": record.getMessage(),
            "service.name": "ci",
            **{key: value for key, value in vars(record).items() if key not in STANDARD},
        }
        if record.exc_info:
            line["error.stack_trace"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def log_as_json() -> None:
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("waitress").setLevel(logging.WARNING)
    # "Client disconnected" is no news, and a page that is told of changes holds its thread for long.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)


def serve(settings: Settings, executor: Executor) -> None:
    """Answers requests until SIGTERM, SIGINT or a call of /exit; /restart starts the program anew."""
    environ = dict(os.environ)
    for name in [name for name in os.environ if name.startswith("CI_")]:
        del os.environ[name]  # builds inherit our environment; passwords are none of their business
    server = Server(settings, executor)
    http = waitress.server.create_server(
        App(server),
        host=settings.host,
        port=settings.port,
        threads=THREADS,
        connection_limit=1000,
        channel_timeout=120,
        max_request_body_size=settings.upload_limit,
        asyncore_use_poll=True,
        ident=None,
        clear_untrusted_proxy_headers=True,
    )

    def end(signum: int, frame: FrameType | None) -> None:
        server.topics.close()  # the pages that wait to be told something let go of their threads
        raise SystemExit(0)

    server.end = lambda: os.kill(os.getpid(), signal.SIGTERM)
    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    server.start()
    logging.getLogger("sandbox.ci").info("ready at %s", settings.url)
    http.run()  # returns on SystemExit
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    server.stop()
    if server.restart_wanted:
        http.close()
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environ)
