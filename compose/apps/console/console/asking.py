"""Questions of the console's own pages to the services: with a sentence for the user when there is no answer."""

from __future__ import annotations

import json
from typing import Any

import urllib3
from flask import abort

from console.folder import Endpoint, Folder, Service

TIMEOUT = urllib3.Timeout(connect=2.0, read=10.0)


def provider(folder: Folder, capability: str) -> Service | None:
    """The service of this sandbox that provides something, if it can be asked."""
    return next((s for s in folder.services() if capability in (s.provides, s.name) and s.endpoints), None)


def ask(
    http: urllib3.PoolManager, service: Service, path: str, body: dict[str, Any] | None = None, login: bool = True
) -> Any:
    """The JSON it answers, asked with its login if it has one. Ends the request with 401 or 502 where there is none."""
    place = service.endpoints[0]
    headers = {"Content-Type": "application/json"} | (_login(place) if login else {})
    try:
        answer = http.request(
            "POST" if body is not None else "GET",
            place.inside + path,
            body=json.dumps(body) if body is not None else None,
            headers=headers,
            timeout=TIMEOUT,
            retries=False,
        )
    except urllib3.exceptions.HTTPError:
        abort(502, f"{service.title} does not answer")
    if answer.status in (401, 403) and not login:
        abort(401, f"sign in to see what {service.title} holds")
    try:
        data = json.loads(answer.data)
    except ValueError:
        abort(502, f"{service.title} answers with status {answer.status}, and no JSON")
    if answer.status >= 400:
        abort(502, f"{service.title} answers with status {answer.status}: {_reason(data)}")
    return data


def _login(place: Endpoint) -> dict[str, str]:
    if place.login is None:
        return {}
    return urllib3.make_headers(basic_auth=f"{place.login.user}:{place.login.password}")


def _reason(data: Any) -> str:
    """The words of an error: Elasticsearch's are within `error`, and the cause is the first of several."""
    error = data.get("error", data) if isinstance(data, dict) else data
    if isinstance(error, dict):
        causes = error.get("root_cause") or [error]
        return str(causes[0].get("reason") or error)
    return str(error)
