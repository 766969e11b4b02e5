"""The login. Looking around needs none; passwords, and sources that ask for one themselves, do."""

from __future__ import annotations

import hashlib
import hmac
from urllib.parse import urlsplit

from flask import Blueprint, Flask, abort, redirect, render_template, request, session
from flask.typing import ResponseReturnValue


def protect(app: Flask, password: str, project: str) -> None:
    """Sessions end when the password changes: their signature's key is made from it."""
    if not password:
        raise ValueError("CONSOLE_PASSWORD is empty")
    app.secret_key = hashlib.sha256(b"console session\0" + password.encode()).digest()
    app.config["CONSOLE_PASSWORD"] = password
    # Browsers send a cookie to every port of a host: the consoles of two sandboxes need two names.
    app.config["SESSION_COOKIE_NAME"] = f"sandbox_console_{project}"
    app.config["SESSION_COOKIE_HTTPONLY"] = True
    app.config["SESSION_COOKIE_SAMESITE"] = "Strict"
    app.before_request(refuse_foreign_posts)


def refuse_foreign_posts() -> None:
    """Pages on other ports of this host are the same site to a browser, so `SameSite` does not keep them out.

    Programs that are no browsers send no `Origin`, and carry nobody's cookie.
    """
    origin = request.headers.get("Origin")
    if request.method not in ("GET", "HEAD") and origin is not None and urlsplit(origin).netloc != request.host:
        abort(403, "this was sent from another page: only the console's own may")


def routes(app: Flask) -> Blueprint:
    blueprint = Blueprint("access", __name__)

    @blueprint.get("/login")
    def form() -> str:
        return render_template("login.html", page="login", wrong=False, to=_local(request.args.get("to", "/")))

    @blueprint.post("/login")
    def login() -> ResponseReturnValue:
        given, to = request.form.get("password", ""), _local(request.form.get("to", "/"))
        if not hmac.compare_digest(given.encode(), app.config["CONSOLE_PASSWORD"].encode()):
            return render_template("login.html", page="login", wrong=True, to=to), 403
        session["user"] = "admin"
        return redirect(to, 303)

    @blueprint.post("/logout")
    def logout() -> ResponseReturnValue:
        session.clear()
        return redirect("/", 303)

    return blueprint


def logged_in() -> bool:
    return session.get("user") == "admin"


def require_login() -> None:
    if not logged_in():
        abort(401, "sign in first")


def _local(path: str) -> str:
    """A path of ours to go on to: never another site."""
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) else "/"
