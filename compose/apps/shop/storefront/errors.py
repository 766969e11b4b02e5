"""The one shape in which the storefront reports errors."""

from __future__ import annotations


class ApiError(Exception):
    """Answered as `{"error": {"code", "message"}}` with this status."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
