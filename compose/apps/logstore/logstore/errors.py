"""Refusals in Elasticsearch's shape."""

from __future__ import annotations

from typing import Any


class ApiError(Exception):
    """An answer other than the wished one: HTTP status, Elasticsearch's name for it, and the reason."""

    def __init__(self, status: int, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.status, self.kind, self.reason = status, kind, reason

    @property
    def cause(self) -> dict[str, Any]:
        return {"type": self.kind, "reason": self.reason}

    @property
    def body(self) -> dict[str, Any]:
        return {"error": {"root_cause": [self.cause], **self.cause}, "status": self.status}


def bad_request(reason: str) -> ApiError:
    return ApiError(400, "illegal_argument_exception", reason)


def bad_query(reason: str) -> ApiError:
    return ApiError(400, "parsing_exception", reason)


def bad_document(reason: str) -> ApiError:
    return ApiError(400, "document_parsing_exception", reason)


def no_index(name: str) -> ApiError:
    return ApiError(404, "index_not_found_exception", f"no such index [{name}]")


def unsupported(part: str) -> ApiError:
    return ApiError(501, "unsupported_operation_exception", f"logstore does not have {part}; Elasticsearch does")
