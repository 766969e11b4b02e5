"""The console's pages and API."""

from __future__ import annotations

import os
from pathlib import Path

import urllib3
from flask import Blueprint, Flask, Response, abort, jsonify, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import HTTPException, SecurityError

from console import access, actions, asking, aws, builds, lesson, logs, sources, unixhttp
from console.folder import Folder
from console.watch import Watch, as_json


def create_app(
    folder: Path = Path("/sandbox"), environ: dict[str, str] | None = None, socket: str = unixhttp.ACTIONS
) -> Flask:
    """`environ` holds the sandbox's values (ports, images, passwords), as in its `.env`; `socket` is the guard's."""
    values = dict(os.environ if environ is None else environ)
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = 256 * 1024
    app.config["TRUSTED_HOSTS"] = values.get("CONSOLE_HOSTS", "localhost").split(",")
    app.json.sort_keys = False  # columns keep their order
    home = Folder(folder, values)
    access.protect(app, values.get("CONSOLE_PASSWORD", ""), home.project)
    http = urllib3.PoolManager(num_pools=32, maxsize=8)
    app.extensions["watch"] = watch = Watch(home, http, lambda: actions.containers(socket))
    app.register_blueprint(pages(home))
    app.register_blueprint(api(home, watch, http))
    app.register_blueprint(sources.routes(home, http))
    app.register_blueprint(builds.routes(home, http))
    app.register_blueprint(logs.routes(home, http))
    app.register_blueprint(lesson.routes(home))
    app.register_blueprint(actions.routes(home, watch, http, socket))
    app.register_blueprint(access.routes(app))
    app.register_error_handler(HTTPException, error_answer)
    app.after_request(harden)
    app.jinja_env.globals["logged_in"] = access.logged_in
    return app


def pages(folder: Folder) -> Blueprint:
    routes = Blueprint("pages", __name__)

    @routes.context_processor
    def common() -> dict[str, object]:
        return {"project": folder.project}

    @routes.get("/")
    def home() -> str:
        return render_template("page.html", page="home", title="Home")

    @routes.get("/dashboards")
    def dashboards() -> str:
        return render_template("page.html", page="dashboards", title="Dashboards")

    @routes.get("/d/<uid>")
    @routes.get("/d/<uid>/<slug>")
    def dashboard(uid: str, slug: str = "") -> ResponseReturnValue:
        """The same address as in Grafana, so that links within dashboards fit both."""
        title = next((data.get("title", uid) for _, data in folder.dashboards() if data["uid"] == uid), None)
        if title is None:
            abort(404, f"there is no dashboard {uid}")
        return render_template("page.html", page="dashboard", title=title, uid=uid)

    @routes.get("/alerts")
    def alerts() -> str:
        return render_template("page.html", page="alerts", title="Alerts")

    @routes.get("/builds")
    def builds_page() -> str:
        return render_template("page.html", page="builds", title="CI builds")

    @routes.get("/logs")
    def logs_page() -> str:
        return render_template("page.html", page="logs", title="Logs")

    @routes.get("/delivery")
    def delivery() -> str:
        return render_template("page.html", page="delivery", title="Delivery")

    @routes.get("/aws")
    def aws_page() -> str:
        return render_template("page.html", page="aws", title="AWS")

    return routes


def api(folder: Folder, watch: Watch, http: urllib3.PoolManager) -> Blueprint:
    routes = Blueprint("api", __name__)

    @routes.get("/healthz")
    def alive() -> ResponseReturnValue:
        return {"status": "ok"}

    @routes.get("/api/services")
    def services() -> ResponseReturnValue:
        return jsonify(
            project=folder.project,
            looked=watch.looked or None,
            services=[as_json(service, watch.states.get(service.name)) for service in folder.services()],
            changes=[{"time": c.time, "service": c.service, "text": c.text} for c in watch.changes],
        )

    @routes.get("/api/logins/<service>/<endpoint>")
    def login(service: str, endpoint: str) -> ResponseReturnValue:
        access.require_login()
        for known in folder.services():
            for place in known.endpoints:
                if (known.name, place.name) == (service, endpoint) and place.login:
                    return jsonify(user=place.login.user, password=place.login.password)
        abort(404, f"{service} has no login for {endpoint}")

    @routes.get("/api/dashboards")
    def dashboards() -> ResponseReturnValue:
        found = [
            {
                "uid": data["uid"],
                "title": data.get("title", data["uid"]),
                "description": data.get("description", ""),
                "tags": data.get("tags", []),
                "service": path.parent.name,
            }
            for path, data in folder.dashboards()
        ]
        return jsonify(dashboards=found)

    @routes.get("/api/dashboards/<uid>")
    def dashboard(uid: str) -> ResponseReturnValue:
        """The very file that Grafana shows."""
        for path, data in folder.dashboards():
            if data["uid"] == uid:
                return Response(path.read_bytes(), content_type="application/json")
        abort(404, f"there is no dashboard {uid}")

    @routes.get("/api/inbox")
    def inbox() -> ResponseReturnValue:
        """The notifications that arrived, newest first."""
        found = asking.provider(folder, "inbox")
        if found is None:
            return jsonify(url=None, alerts=None)
        data = asking.ask(http, found, "/api/alerts")
        if not isinstance(data, dict) or not isinstance(data.get("alerts"), list):
            abort(502, f"{found.title} does not answer with alerts")
        return jsonify(url=found.endpoints[0].url, alerts=data["alerts"])

    @routes.get("/api/aws")
    def kinds() -> ResponseReturnValue:
        emulator = next((s for s in folder.services() if s.provides == "aws"), None)
        return jsonify(emulator=emulator.title if emulator else None, kinds=list(aws.KINDS))

    @routes.get("/api/aws/<kind>")
    def rows(kind: str) -> ResponseReturnValue:
        emulator = next((s for s in folder.services() if s.provides == "aws" and s.endpoints), None)
        if emulator is None or kind not in aws.KINDS:
            abort(404, "there is no such list" if emulator else "this sandbox has no AWS emulator")
        try:
            return jsonify(rows=aws.KINDS[kind](aws.Emulator(emulator.endpoints[0].inside, http)))
        except aws.ListError as error:
            abort(502, str(error))

    return routes


def error_answer(error: HTTPException) -> ResponseReturnValue:
    if error.code is None or error.code < 400:
        return error.get_response()
    if isinstance(error, SecurityError):
        return Response("The console does not answer to this name (CONSOLE_HOSTS).\n", 400, content_type="text/plain")
    if request.path.startswith("/api/"):
        return jsonify(error=error.description), error.code
    return render_template("error.html", page="error", title=error.name, text=error.description), error.code


def harden(response: Response) -> Response:
    """The pages use nothing but their own files, and browsers may hold them to that."""
    response.headers["Content-Security-Policy"] = (
        "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self';"
        " frame-ancestors 'none'"
    )
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "same-origin"
    if request.endpoint != "static":
        response.headers["Cache-Control"] = "no-store"
    return response
