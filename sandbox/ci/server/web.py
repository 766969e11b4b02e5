"""The HTTP side: who calls, may they, which function answers, how failures look. Routes are in api_* and pages_*."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

from werkzeug.exceptions import BadRequest, Forbidden, HTTPException, MethodNotAllowed, NotFound, Unauthorized
from werkzeug.routing import BaseConverter, Map, Rule
from werkzeug.wrappers import Request, Response

from sandbox.ci.server.accounts import Accounts
from sandbox.ci.server.beans import PERMALINKS, Beans
from sandbox.ci.server.configuration import BadConfiguration
from sandbox.ci.server.exposed import parse_tree, render, to_xml
from sandbox.ci.server.security import NOBODY, BadCredentials, Caller
from sandbox.ci.store import Build, Item, Taken

if TYPE_CHECKING:
    from sandbox.ci.server.server import Server

CRUMB = "Jenkins-Crumb"
COOKIE = "JSESSIONID.sandbox"
FORM_BYTES = 8 * 1024**2
POLICY = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'self'"
XPATH_CRUMB = re.compile(r'concat\(//crumbRequestField,\s*["\'](.*?)["\'],\s*//crumb\)')
logger = logging.getLogger("sandbox.ci.web")

Handler = Callable[..., Response]


class JobsConverter(BaseConverter):
    """`job/team/job/web`, also behind views: the item's full name."""

    regex = r"(?:view/[^/]+/)*job/[^/]+(?:/(?:view/[^/]+/)*job/[^/]+)*"
    part_isolating = False

    def to_python(self, value: str) -> str:
        parts = value.split("/")
        return "/".join(parts[index + 1] for index in range(0, len(parts), 2) if parts[index] == "job")


class BuildConverter(BaseConverter):
    regex = rf"\d{{1,9}}|-1|{'|'.join(PERMALINKS)}"


ROUTES: list[tuple[str, tuple[str, ...], Handler, bool]] = []


def get(*paths: str) -> Callable[[Handler], Handler]:
    """Registers what answers GET; anyone may read."""
    return _route(paths, ("GET",), free=False)


def post(*paths: str, free: bool = False) -> Callable[[Handler], Handler]:
    """Registers what answers POST: for known callers with a crumb, unless `free` (it then checks for itself)."""
    return _route(paths, ("POST",), free)


def delete(*paths: str) -> Callable[[Handler], Handler]:
    """As `post`, for DELETE."""
    return _route(paths, ("DELETE",), free=False)


def _route(paths: tuple[str, ...], methods: tuple[str, ...], free: bool) -> Callable[[Handler], Handler]:
    def register(handler: Handler) -> Handler:
        ROUTES.extend((path, methods, handler, free) for path in paths)
        return handler

    return register


class Call:
    """One request, and what handlers need to answer it."""

    def __init__(self, server: Server, request: Request, caller: Caller) -> None:
        self.server, self.request, self.caller = server, request, caller
        self.url = request.host_url
        self.seen = server.topics.all()  # before anything is read: what changes later is told to the page
        self.beans = Beans(server, self.url)
        self.accounts = Accounts(server.store, self.url)

    def item(self, path: str) -> Item:
        found = self.server.store.item(path)
        if found is None:
            raise NotFound(f"There is no job {path}")
        return found

    def job(self, path: str) -> Item:
        """An item that has builds."""
        found = self.item(path)
        if found.holds_items:
            raise NotFound(f"{path} is a folder")
        return found

    def build(self, path: str, name: str) -> tuple[Item, Build]:
        """By number or permalink."""
        item = self.job(path)
        store = self.server.store
        if name == "-1":
            name = "lastBuild"
        permanent = PERMALINKS.get(name)
        found = store.find_build(item.id, permanent) if permanent else store.build(item.id, int(name))
        if found is None:
            raise NotFound(f"{path} has no build {name}")
        return item, found

    def value(self, name: str, default: str = "") -> str:
        """From the form or the query."""
        found = self.request.values.get(name)
        return default if found is None else found

    def number(self, name: str, default: int = 0) -> int:
        text = self.value(name)
        try:
            return int(text) if text else default
        except ValueError:
            raise BadRequest(f"{name} must be a number, not {text[:40]!r}") from None

    def exposed(self, value: Any, format: str = "json") -> Response:
        """An object as the client wants it: tree, depth, JSON or XML."""
        try:
            tree = parse_tree(self.value("tree")) if self.value("tree") else None
        except ValueError as error:
            raise BadRequest(str(error)) from None
        data = render(value, tree, max(0, self.number("depth")))
        if format == "xml":
            return self._xml(data)
        if format == "python":
            return Response(repr(data), mimetype="text/x-python")
        text = json.dumps(data, ensure_ascii=False, indent=2 if "pretty" in self.request.args else None)
        if callback := self.request.args.get("jsonp"):
            raise Forbidden(f"jsonp is not answered: {callback[:40]}")
        return Response(text, mimetype="application/json")

    def _xml(self, data: Any) -> Response:
        if match := XPATH_CRUMB.fullmatch(self.value("xpath")):
            return Response(f"{data['crumbRequestField']}{match[1]}{data['crumb']}", mimetype="text/plain")
        if self.value("xpath"):
            raise BadRequest("xpath is not understood here, but for the crumb; use api/json with tree")
        name = str(data.get("_class", "result")).rpartition(".")[2].rpartition("$")[2]
        return Response(to_xml(data, name[:1].lower() + name[1:]), mimetype="application/xml")

    def redirect(self, path: str, status: int = 302) -> Response:
        """To a path of ours, given without the leading slash."""
        return Response(status=status, headers={"Location": urljoin(self.url, "/" + path.lstrip("/"))})

    def json_form(self) -> dict[str, Any]:
        """The `json` field that Jenkins' forms and some clients send."""
        try:
            data = json.loads(self.request.form.get("json") or "{}")
        except ValueError:
            raise BadRequest("The field json is not JSON") from None
        return data if isinstance(data, dict) else {}

    def body(self, limit: int = FORM_BYTES) -> bytes:
        length = self.request.content_length
        if length is not None and length > limit:
            raise BadRequest(f"The body is longer than {limit} bytes")
        return self.request.get_data(cache=False)


class LimitedRequest(Request):
    max_form_memory_size = FORM_BYTES
    max_form_parts = 1000


def text(content: str | bytes | Iterable[bytes], status: int = 200, **headers: str) -> Response:
    """Plain text; `X_More_Data="true"` becomes a header."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(content, status, headers=named, mimetype="text/plain")


def json_answer(data: Any, status: int = 200) -> Response:
    return Response(json.dumps(data, ensure_ascii=False), status, mimetype="application/json")


class App:
    """The WSGI application."""

    def __init__(self, server: Server) -> None:
        from sandbox.ci.server import (
            api_builds,
            api_credentials,
            api_items,
            api_system,
            hosting,
            pages_builds,
            pages_forms,
            pages_jobs,
            pages_server,
        )

        pages = (pages_builds, pages_forms, pages_jobs, pages_server)
        self._modules = (
            api_builds,
            api_credentials,
            api_items,
            api_system,
            hosting,
            *pages,
        )  # being imported, they registered routes
        self._server = server
        rules = []
        for index, (path, methods, _, _) in enumerate(ROUTES):
            rules.append(Rule(path, endpoint=str(index), methods=methods))
        converters = {"jobs": JobsConverter, "build": BuildConverter}
        self._map = Map(rules, converters=converters, strict_slashes=False, merge_slashes=False)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        began = time.perf_counter()
        request = LimitedRequest(environ)
        request.max_content_length = self._server.settings.upload_limit
        caller, response = self._answer(request)
        self._add_headers(response)
        if request.path not in QUIET_PATHS:
            logger.info(
                "%s %s %s",
                request.method,
                request.path,
                response.status_code,
                extra={"user": caller.id, "milliseconds": round((time.perf_counter() - began) * 1000, 1)},
            )
        return response(environ, start_response)

    def _answer(self, request: Request) -> tuple[Caller, Response]:
        caller = NOBODY
        try:
            caller = self._caller(request)
            return caller, self._dispatch(request, caller)
        except HTTPException as error:
            return caller, self._failure(request, caller, error)
        except (BadConfiguration, Taken, ValueError) as error:
            message = f"A job already exists with the name '{error}'" if isinstance(error, Taken) else str(error)
            return caller, self._failure(request, caller, BadRequest(message))
        except Exception:
            logger.exception("%s %s", request.method, request.path)
            return caller, text("The server failed to answer; its log says why.\n", 500)

    def _caller(self, request: Request) -> Caller:
        try:
            return self._server.security.caller(
                request.headers.get("Authorization", ""), request.cookies.get(COOKIE, "")
            )
        except BadCredentials as error:
            challenge = {"WWW-Authenticate": 'Basic realm="Jenkins"'}
            raise Unauthorized(response=text(f"{error}\n", 401, **challenge)) from None

    def _dispatch(self, request: Request, caller: Caller) -> Response:
        adapter = self._map.bind_to_environ(request.environ)
        try:
            # Jenkins' clients end paths with a slash or without.
            endpoint, values = adapter.match(path_info=request.path.rstrip("/") or "/")
        except MethodNotAllowed as error:
            if "POST" in (error.valid_methods or ()):
                hint = (
                    "This URL requires POST. The URL you're trying to access requires that requests be sent using POST."
                )
                raise MethodNotAllowed(error.valid_methods, hint) from None
            raise
        _, methods, handler, free = ROUTES[int(endpoint)]
        if "GET" not in methods and not free:
            self._check_writer(request, caller)
        return handler(Call(self._server, request, caller), **values)

    def _check_writer(self, request: Request, caller: Caller) -> None:
        if not caller.known:
            raise Forbidden("anonymous is missing the permission; log in, or send an API token")
        if caller.needs_crumb:
            given = request.headers.get(CRUMB) or request.values.get(CRUMB) or ""
            if not self._server.security.is_crumb(caller, given):
                raise Forbidden("No valid crumb was included in the request")

    def _failure(self, request: Request, caller: Caller, error: HTTPException) -> Response:
        if error.response is not None:
            return error.get_response()
        from sandbox.ci.server import page

        status = error.code or 500
        if status in (301, 308):
            return Response(status=status, headers=dict(error.get_headers()))
        message = str(error.description or error.name)
        if message == NotFound.description:
            message = f"There is nothing at {request.path}"
        headers = {"X-Error": re.sub(r"[^\x20-\x7e]", "?", message)[:500]}
        if isinstance(error, MethodNotAllowed) and error.valid_methods:
            headers["Allow"] = ", ".join(error.valid_methods)
        if "text/html" in request.headers.get("Accept", ""):
            response = page.failure(Call(self._server, request, caller), status, error.name, message)
        else:
            response = text(f"{message}\n", status)
        response.headers.update(headers)
        return response

    def _add_headers(self, response: Response) -> None:
        headers = response.headers
        headers.setdefault("X-Jenkins", self._version)
        headers.setdefault("X-Hudson", "1.395")
        headers.setdefault("X-Jenkins-Session", self._server.session)
        headers.setdefault("X-Content-Type-Options", "nosniff")
        headers.setdefault("X-Frame-Options", "sameorigin")
        headers.setdefault("Referrer-Policy", "same-origin")
        headers.setdefault("Content-Security-Policy", POLICY)
        headers.setdefault("Cache-Control", "no-store")

    @property
    def _version(self) -> str:
        from sandbox.ci.server.server import VERSION

        return VERSION


QUIET_PATHS = ("/healthz", "/login", "/prometheus", "/prometheus/")
Values = Mapping[str, Any]
