"""What the console does rather than shows: restart, reset, faults on and off. For those who signed in."""

from __future__ import annotations

import json
import math
from typing import Any
from urllib.parse import quote

import urllib3
from flask import Blueprint, abort, jsonify, request
from flask.typing import ResponseReturnValue

from console import unixhttp
from console.access import require_login
from console.folder import Folder, Service
from console.watch import Watch

TIMEOUT = urllib3.Timeout(connect=2.0, read=45.0)
PATIENCE = 55  # seconds: less than gunicorn's


def containers(socket: str) -> list[dict[str, Any]]:
    """What Docker says of each container of this sandbox; nothing where the guard does not answer."""
    try:
        status, body = unixhttp.ask(socket, "GET", "/containers", timeout=5)
        return list(json.loads(body)) if status == 200 else []
    except (OSError, ValueError):
        return []


def routes(folder: Folder, watch: Watch, http: urllib3.PoolManager, socket: str) -> Blueprint:
    """`socket` is the guard's."""
    blueprint = Blueprint("actions", __name__, url_prefix="/api/services/<name>")
    blueprint.before_request(require_login)

    def known(name: str) -> Service:
        for service in folder.services():
            if service.name == name:
                return service
        abort(404, f"{name} is not part of this sandbox")

    def ask_guard(method: str, *parts: str) -> Any:
        """What the guard answers. Ends the request with its words where it refuses."""
        try:
            status, body = unixhttp.ask(
                socket, method, "".join(f"/{quote(part, safe='')}" for part in parts), timeout=PATIENCE
            )
            data = json.loads(body)
        except (OSError, ValueError):
            abort(502, "console-socket, which does this for the console, does not answer")
        if status >= 400:
            abort(status, data["error"])
        return data

    @blueprint.post("/restart")
    def restart(name: str) -> ResponseReturnValue:
        done = ask_guard("POST", known(name).name, "restart")
        watch.note(name, "was restarted from the console")
        return jsonify(done)

    @blueprint.post("/reset")
    def reset(name: str) -> ResponseReturnValue:
        service = known(name)
        if service.reset is None:
            abort(409, f"{name} cannot forget by itself, and its volumes are not the console's: sandbox reset {name}")
        try:
            answer = http.request(
                service.reset.method,
                service.endpoints[0].inside + service.reset.path,
                timeout=TIMEOUT,
                retries=False,
            )
        except urllib3.exceptions.HTTPError:
            abort(502, f"{service.title} does not answer")
        if answer.status >= 400:
            abort(502, f"{service.title} answers with status {answer.status}")
        watch.note(name, "was reset from the console")
        return jsonify({})

    @blueprint.get("/faults")
    def faults(name: str) -> ResponseReturnValue:
        """Every fault that the service offers; `active` is how much of it is on, or 0."""
        service = known(name)
        active = ask_guard("GET", service.name, "faults")
        return jsonify(
            faults=[
                {
                    "name": fault.name,
                    "summary": fault.summary,
                    "amount": fault.amount,
                    "unit": fault.unit,
                    "alert": fault.alert,
                    "active": active.get(fault.name, 0),
                }
                for fault in service.faults
            ]
        )

    @blueprint.put("/faults/<fault>")
    def inject(name: str, fault: str) -> ResponseReturnValue:
        given = request.get_json(silent=True)
        amount = given.get("amount") if isinstance(given, dict) else None
        if isinstance(amount, bool) or not isinstance(amount, (int, float)) or not 0 < amount < math.inf:
            abort(400, 'the body must be {"amount": NUMBER}, and the number more than 0')
        units = {item.name: item.unit for item in known(name).faults}
        done = ask_guard("PUT", name, "faults", fault, f"{amount:f}")
        watch.note(name, f"got the fault {fault} ({f'{amount:g} {units[fault]}'.strip()})")
        return jsonify(done)

    @blueprint.delete("/faults")
    @blueprint.delete("/faults/<fault>")
    def clear(name: str, fault: str = "") -> ResponseReturnValue:
        done = ask_guard("DELETE", known(name).name, "faults", *([fault] if fault else []))
        watch.note(name, f"is rid of {f'the fault {fault}' if fault else 'all faults'}")
        return jsonify(done)

    return blueprint
