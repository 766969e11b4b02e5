"""Logs for machines: one JSON object a line on stdout, with the field names of the Elastic Common Schema."""

from __future__ import annotations

import json
import logging
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from shop import COMMIT, VERSION

# What the work at hand is about, such as {"trace.id": …, "labels.order_id": …}: part of each of its lines.
about: ContextVar[dict[str, str]] = ContextVar("about", default={})  # noqa: B039 it is replaced, never changed


class EcsFormatter(logging.Formatter):
    """A record's fields, those of the work at hand, and those given as `extra={"ecs": {...}}`."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self.service = service

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] = {
            "@timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "log.level": record.levelname.lower(),
            "message": record.getMessage(),
            "log.logger": record.name,
            "service.name": self.service,
            "service.version": VERSION,
            "labels.commit": COMMIT,
        }
        if record.exc_info and record.exc_info[0]:
            fields["error.type"] = record.exc_info[0].__name__
            fields["error.message"] = str(record.exc_info[1])
            fields["error.stack_trace"] = self.formatException(record.exc_info)
        return json.dumps(fields | about.get() | getattr(record, "ecs", {}))


def config(service: str) -> dict[str, Any]:
    """For `logging.config.dictConfig`, and for gunicorn's `logconfig_dict`."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"ecs": {"()": EcsFormatter, "service": service}},
        "handlers": {"stdout": {"class": "logging.StreamHandler", "formatter": "ecs", "stream": "ext://sys.stdout"}},
        "root": {"level": "INFO", "handlers": ["stdout"]},
        "loggers": {
            "gunicorn.error": {"level": "INFO", "propagate": True},
            "botocore": {"level": "WARNING", "propagate": True},
            # Our own request log knows the trace and the fault.
            "gunicorn.access": {"level": "WARNING", "propagate": True},
        },
    }
