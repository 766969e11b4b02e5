"""Logs for machines: one JSON object a line on stdout, with the field names of the Elastic Common Schema."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Any

from flask import g, has_request_context

from storefront import VERSION


class EcsFormatter(logging.Formatter):
    """A record's fields, and those given as `extra={"ecs": {...}}`."""

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = {
            "@timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "log.level": record.levelname.lower(),
            "message": record.getMessage(),
            "log.logger": record.name,
            "service.name": "storefront",
            "service.version": VERSION,
        }
        if has_request_context() and "trace_id" in g:
            fields["trace.id"] = g.trace_id
        if record.exc_info and record.exc_info[0]:
            fields["error.type"] = record.exc_info[0].__name__
            fields["error.message"] = str(record.exc_info[1])
            fields["error.stack_trace"] = self.formatException(record.exc_info)
        return json.dumps(fields | getattr(record, "ecs", {}))


CONFIG = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"ecs": {"()": EcsFormatter}},
    "handlers": {"stdout": {"class": "logging.StreamHandler", "formatter": "ecs", "stream": "ext://sys.stdout"}},
    "root": {"level": "INFO", "handlers": ["stdout"]},
    "loggers": {
        "gunicorn.error": {"level": "INFO", "propagate": True},
        # Our own request log knows the trace and the fault.
        "gunicorn.access": {"level": "WARNING", "propagate": True},
    },
}
