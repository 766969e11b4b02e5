"""Git over HTTP, webhooks, health and metrics: what programs other than Jenkins' clients call."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

from werkzeug.exceptions import BadRequest, Forbidden, NotFound, Unauthorized
from werkzeug.wrappers import Response

from sandbox.ci.server.metrics import metrics as metrics_text
from sandbox.ci.server.repositories import Backend
from sandbox.ci.server.web import Call, get, json_answer, post, text

GITHUB = ("com.cloudbees.jenkins.GitHubPushCause", "Started by GitHub push")
HOOK_BYTES = 4 * 1024**2
CHALLENGE = {"WWW-Authenticate": 'Basic realm="Jenkins"'}


@get("/healthz")
def healthz(call: Call) -> Response:
    return text("ok\n")


@get("/prometheus")
def metrics(call: Call) -> Response:
    return Response(metrics_text(call.server), content_type="text/plain; version=0.0.4; charset=utf-8")


# Git


@get("/git/<name>.git/<path:rest>", "/git/<name>/<path:rest>")
def git_read(call: Call, name: str, rest: str) -> Response:
    if call.value("service") == "git-receive-pack":
        _may_push(call)
    return _backend(call, name)


@post("/git/<name>.git/<path:rest>", "/git/<name>/<path:rest>", free=True)
def git_write(call: Call, name: str, rest: str) -> Response:
    if not rest.endswith("git-receive-pack"):
        return _backend(call, name)
    _may_push(call)
    # A page of another origin cannot send this type without being asked, so no crumb is needed.
    if call.request.mimetype != "application/x-git-receive-pack-request":
        raise BadRequest("This is for git")
    url = _hosted(call, name)
    before = set(call.server.repositories.heads(str(url)))
    response = _backend(call, name)
    content = response.get_data()  # the push is done when git has answered
    call.server.repositories.settle_head(name)
    moved = [head.branch for head in set(call.server.repositories.heads(str(url))) - before]
    if moved:
        call.server.triggers.pushed(name, moved, call.caller.full_name)
    elif len(before) != len(call.server.repositories.heads(str(url))):
        call.server.triggers.pushed(name, [], call.caller.full_name)
    response.set_data(content)
    return response


@post("/git/<name>.git", free=True)
def git_create(call: Call, name: str) -> Response:
    """Creates an empty repository (not part of Jenkins' API)."""
    _may_push(call)
    if call.caller.needs_crumb and not call.server.security.is_crumb(
        call.caller, call.request.headers.get("Jenkins-Crumb", "")
    ):
        raise Forbidden("No valid crumb was included in the request")
    call.server.repositories.create(name)
    return json_answer({"name": name, "url": f"{call.url}git/{name}.git"}, 201)


def _may_push(call: Call) -> None:
    if not call.caller.known:
        raise Unauthorized(response=text("Pushing needs a user and a password or API token\n", 401, **CHALLENGE))


def _hosted(call: Call, name: str) -> Path:
    try:
        return call.server.repositories.path(name)
    except LookupError:
        raise NotFound(f"There is no repository {name}") from None


def _backend(call: Call, name: str) -> Response:
    _hosted(call, name)
    environ = dict(call.request.environ)
    environ["PATH_INFO"] = call.request.path.replace(f"/git/{name}/", f"/git/{name}.git/", 1)
    user = call.caller.id if call.caller.known else ""
    status, headers, content = Backend(call.server.repositories.folder, environ, user).answer(call.request.stream)
    return Response(content, status, headers=headers)


# Webhooks. They carry no user; what they can do is make jobs look at repositories these jobs already have.


@post("/github-webhook", free=True)
def github(call: Call) -> Response:
    body = call.body(HOOK_BYTES)
    secret = call.server.settings.webhook_secret
    if secret:
        wanted = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(call.request.headers.get("X-Hub-Signature-256", ""), wanted):
            raise Forbidden("X-Hub-Signature-256 does not fit the body")
    event = call.request.headers.get("X-GitHub-Event", "push")
    if event != "push":
        return json_answer({"ignored": event})
    data = _json(body, call.request.form.get("payload"))
    repository = data.get("repository")
    if not isinstance(repository, dict):
        raise BadRequest("The body has no repository")
    urls = [str(repository.get(key, "")) for key in ("clone_url", "ssh_url", "html_url", "git_url", "url")]
    pusher = data.get("pusher") if isinstance(data.get("pusher"), dict) else {}
    who = f" by {pusher['name']}" if pusher and pusher.get("name") else ""
    return json_answer({"jobs": call.server.triggers.webhook(urls, (GITHUB[0], GITHUB[1] + who))})


@get("/git/notifyCommit")
def notify_commit(call: Call) -> Response:
    return _notified(call)


@post("/git/notifyCommit", free=True)
def notify_commit_by_post(call: Call) -> Response:
    return _notified(call)


def _notified(call: Call) -> Response:
    url = call.value("url")
    if not url:
        raise BadRequest("url is missing: the repository that changed")
    told = call.server.triggers.webhook([url])
    return text("".join(f"Scheduled {job}\n" for job in told) or f"No git jobs using repository: {url}\n")


@post("/generic-webhook-trigger/invoke", free=True)
def generic(call: Call) -> Response:
    authorization = call.request.headers.get("Authorization", "")
    bearer = authorization[7:] if authorization.lower().startswith("bearer ") else ""
    token = call.request.args.get("token") or call.request.headers.get("token") or bearer
    body = call.body(HOOK_BYTES)
    data = _json(body, None) if body.strip() else {}
    started = call.server.triggers.generic(token or "", data, call.request.args, dict(call.request.headers))
    if not started:
        return json_answer({"jobs": None, "message": "Did not find any jobs with GenericTrigger configured!"}, 404)
    jobs = {path: {"triggered": True, "id": id, "url": f"queue/item/{id}/"} for path, id in started.items()}
    return json_answer({"jobs": jobs, "message": "Triggered jobs."})


def _json(body: bytes, payload: str | None) -> dict[str, Any]:
    try:
        data = json.loads(payload if payload is not None else body)
    except ValueError:
        raise BadRequest("The body is not JSON") from None
    if not isinstance(data, dict):
        raise BadRequest("The body is no JSON object")
    return data
