"""HTTP around the API: passwords, bodies, error shapes, and the page."""

from __future__ import annotations

import base64
import hmac
import logging
import re
import zlib
from collections.abc import Callable, Iterable
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qsl

import orjson

from logstore import filter_path
from logstore.api import Api
from logstore.errors import ApiError, unsupported
from logstore.messages import Answer, Request

log = logging.getLogger("logstore")
LARGEST_BODY = 64 * 1024**2
USER, READER = "elastic", "reader"
# What one who may only read may send in a body: questions.
QUESTION = re.compile(r".*/_(search|msearch|count|field_caps)")
REASONS = {
    200: "OK", 201: "Created", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found",
    405: "Method Not Allowed", 409: "Conflict", 413: "Content Too Large", 415: "Unsupported Media Type",
    429: "Too Many Requests", 500: "Internal Server Error", 501: "Not Implemented",
}  # fmt: skip
COMPATIBLE = re.compile(r"application/vnd\.elasticsearch\+json;\s*compatible-with=\d+")
PAGE = {"explorer.js": "text/javascript", "explorer.css": "text/css", "icon.svg": "image/svg+xml"}
OPEN_PATHS = ("/-/healthy", "/metrics")
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'"

StartResponse = Callable[[str, list[tuple[str, str]]], Any]


class Server:
    """The WSGI application. `password` is the one of the user `elastic`; `reader` may only read, if it has one too."""

    def __init__(self, api: Api, password: str, reader: str = "") -> None:
        self.api = api
        passwords = {USER: password, **({READER: reader} if reader else {})}
        self._logins = {user: b"Basic " + base64.b64encode(f"{user}:{of}".encode()) for user, of in passwords.items()}

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        accept = environ.get("HTTP_ACCEPT", "")
        try:
            answer = self._answer(environ, accept)
        except ApiError as error:
            answer = Answer(error.body, error.status)
        except BaseException as error:
            if isinstance(error, SystemExit | KeyboardInterrupt | GeneratorExit):
                raise
            # tantivy's panics are no Exceptions.
            log.exception("a request failed")
            answer = Answer(ApiError(500, "exception", f"{type(error).__name__}: {error}").body, 500)
        return self._sent(answer, environ, accept, start_response)

    def _sent(self, answer: Answer, environ: dict[str, Any], accept: str, start_response: StartResponse) -> list[bytes]:
        if isinstance(answer.body, bytes):
            body, kind = answer.body, ""
        elif isinstance(answer.body, str):
            body, kind = answer.body.encode(), "text/plain; charset=UTF-8"
        else:
            compatible = COMPATIBLE.search(accept)
            body, kind = orjson.dumps(answer.body), compatible[0] if compatible else "application/json"
        headers = {"X-Elastic-Product": "Elasticsearch", "Content-Length": str(len(body)), **answer.headers}
        if kind:
            headers["Content-Type"] = kind
        if answer.status == 401:
            headers["WWW-Authenticate"] = 'Basic realm="logstore", charset="UTF-8"'
        start_response(f"{answer.status} {REASONS.get(answer.status, 'Error')}", list(headers.items()))
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def _answer(self, environ: dict[str, Any], accept: str) -> Answer:
        path = environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace") or "/"
        path = path.rstrip("/") or "/"
        if path == "/-/healthy":
            return Answer("ok\n")
        if path not in OPEN_PATHS:
            self._admit(environ, path)
        if path.startswith("/-/") or (path == "/" and "text/html" in accept):
            return _page(path)
        query = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
        # These change how an answer looks, and nothing else.
        for cosmetic in ("pretty", "human", "error_trace"):
            query.pop(cosmetic, None)
        wanted = query.pop("filter_path", "")
        answer = self.api.answer(Request(environ["REQUEST_METHOD"], {}, query, _body(environ), accept), path)
        if wanted and not isinstance(answer.body, str):
            body = filter_path.filtered(orjson.loads(orjson.dumps(answer.body)), wanted)
            return Answer(body, answer.status, answer.headers)
        return answer

    def _admit(self, environ: dict[str, Any], path: str) -> None:
        """Raises ApiError for those who may not ask this."""
        given = environ.get("HTTP_AUTHORIZATION", "").encode("latin-1")
        users = [user for user, login in self._logins.items() if hmac.compare_digest(given, login)]
        if not users:
            reason = "unable to authenticate user: missing or wrong user and password"
            raise ApiError(401, "security_exception", reason)
        method = environ["REQUEST_METHOD"]
        if users == [READER] and method not in ("GET", "HEAD") and not (method == "POST" and QUESTION.fullmatch(path)):
            reason = f"action [{method} {path}] is unauthorized for user [{READER}]: it may only read"
            raise ApiError(403, "security_exception", reason)


def _body(environ: dict[str, Any]) -> bytes:
    body: bytes = environ["wsgi.input"].read()
    encoding = environ.get("HTTP_CONTENT_ENCODING", "identity").lower()
    if encoding == "identity":
        return body
    if encoding != "gzip":
        raise ApiError(415, "illegal_argument_exception", f"content encoding [{encoding[:50]}] is not supported")
    inflater = zlib.decompressobj(wbits=31)
    try:
        inflated = inflater.decompress(body, LARGEST_BODY)
    except zlib.error as error:
        raise ApiError(400, "parse_exception", f"request body is no gzip: {error}") from None
    if inflater.unconsumed_tail:
        raise ApiError(413, "content_too_long_exception", f"request body is larger than {LARGEST_BODY} bytes")
    return inflated


def _page(path: str) -> Answer:
    name = "explorer.html" if path == "/" else path.removeprefix("/-/")
    kind = PAGE.get(name) if path != "/" else "text/html; charset=utf-8"
    if kind is None:
        raise unsupported(path)
    content = files("logstore").joinpath("page", name).read_bytes()
    headers = {"Content-Type": kind, "Content-Security-Policy": POLICY, "Cache-Control": "no-cache"}
    return Answer(content, headers=headers)
