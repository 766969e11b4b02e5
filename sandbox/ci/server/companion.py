"""`python -m sandbox.ci.server.companion`: what a real Jenkins has not, beside it.

It hosts git repositories over HTTP as our own server does, tells Jenkins of pushes, and gives it, once, the jobs that
our own server would start with. Libraries and credentials of seeds are not given to Jenkins.
"""

from __future__ import annotations

import hmac
import http.cookiejar
import json
import logging
import os
import signal
import threading
import urllib.error
import urllib.request
from base64 import b64encode
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import waitress
from werkzeug.exceptions import BadRequest, HTTPException, NotFound, Unauthorized
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from sandbox.ci.server import configuration, seeds
from sandbox.ci.server.configuration import Definition
from sandbox.ci.server.hosting import CHALLENGE
from sandbox.ci.server.repositories import Backend, Repositories
from sandbox.ci.server.security import ADMIN
from sandbox.ci.server.serve import log_as_json
from sandbox.ci.store import FOLDER, MULTIBRANCH

PORT = 8090
SECONDS = 30
PAUSE = 2  # seconds between two tries to reach Jenkins, which takes its time to start
# Jenkins hears of pushes to jobs that poll; the rare poll itself is for pushes it missed while it was away.
POLL = ("pollSCM", "H/15 * * * *")
logger = logging.getLogger("sandbox.ci")


class Jenkins:
    """As much of a Jenkins' remote API as it takes to make jobs. Raises OSError when it refuses or is not there."""

    def __init__(self, url: str, password: str) -> None:
        self.url = url.rstrip("/") + "/"
        self._headers = {"Authorization": f"Basic {b64encode(f'{ADMIN}:{password}'.encode()).decode()}"}
        # A crumb is worth something only in the session that it was given in.
        jar = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(jar)
        )

    def get(self, path: str) -> Any:
        return json.loads(self._send(path, None, {}) or b"null")

    def has(self, job: str) -> bool:
        try:
            self.get(f"{_job_path(job)}api/json?tree=name")
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return False
            raise
        return True

    def create(self, job: str, definition: Definition) -> None:
        folder, _, name = job.rpartition("/")
        if folder and not self.has(folder):
            self.create(folder, Definition(FOLDER))
        path = f"{_job_path(folder) if folder else ''}createItem?name={quote(name, safe='')}"
        self.post(path, configuration.write(definition).encode(), "text/xml; charset=utf-8")

    def post(self, path: str, body: bytes = b"", kind: str = "application/x-www-form-urlencoded") -> None:
        crumb = self.get("crumbIssuer/api/json")
        self._send(path, body, {"Content-Type": kind, crumb["crumbRequestField"]: crumb["crumb"]})

    def pushed(self, repository: str) -> None:
        self._send(f"git/notifyCommit?{urlencode({'url': repository})}", None, {})

    def _send(self, path: str, body: bytes | None, headers: dict[str, str]) -> bytes:
        request = urllib.request.Request(self.url + path, body, {**self._headers, **headers})
        with self._opener.open(request, timeout=SECONDS) as answer:
            found: bytes = answer.read()
        return found


class Companion:
    """Answers git and health; `address` is where people, and Jenkins, find the repositories."""

    ROUTES = Map(
        [
            Rule("/healthz", endpoint="health", methods=["GET"]),
            Rule("/git/<name>.git", endpoint="create", methods=["POST"]),
            Rule("/git/<name>.git/<path:rest>", endpoint="git", methods=["GET", "POST"]),
        ]
    )

    def __init__(self, repositories: Repositories, jenkins: Jenkins, address: str, password: str) -> None:
        self.repositories, self.jenkins = repositories, jenkins
        self.address, self._password = address.rstrip("/"), password

    def __call__(self, environ: Any, start_response: Any) -> Any:
        request = Request(environ)
        try:
            endpoint, values = self.ROUTES.bind_to_environ(environ).match()
            response = getattr(self, f"_{endpoint}")(request, **values)
        except HTTPException as error:
            response = error.get_response(environ)
        return response(environ, start_response)

    def url(self, name: str) -> str:
        return f"{self.address}/git/{name}.git"

    def _health(self, request: Request) -> Response:
        return Response("ok\n")

    def _create(self, request: Request, name: str) -> Response:
        """As our own server has it: `sandbox ci new` and `push` ask for it."""
        self._user(request)
        try:
            self.repositories.create(name)
        except ValueError as error:
            raise BadRequest(str(error)) from None
        body = json.dumps({"name": name, "url": self.url(name)})
        return Response(body, 201, content_type="application/json")

    def _git(self, request: Request, name: str, rest: str) -> Response:
        pushing = "git-receive-pack" in (request.args.get("service"), rest)
        user = self._user(request) if pushing else ""
        try:
            folder = str(self.repositories.path(name))
        except LookupError:
            raise NotFound(f"There is no repository {name}") from None
        before = self.repositories.heads(folder)
        status, headers, content = Backend(self.repositories.folder, request.environ, user).answer(request.stream)
        if not pushing or request.method != "POST":
            return Response(content, status, headers=headers)
        body = b"".join(content)  # the push is done when git has answered
        if self.repositories.heads(folder) != before:
            try:
                self.jenkins.pushed(self.url(name))
            except OSError as error:
                logger.warning("Jenkins was not told of the push to %s: %s", name, error)
        return Response(body, status, headers=headers)

    def _user(self, request: Request) -> str:
        given = request.authorization
        name, word = (given.username or "", given.password or "") if given and given.type == "basic" else ("", "")
        if name != ADMIN or not hmac.compare_digest(word.encode(), self._password.encode()):
            message = "Pushing needs the user admin and the password\n"
            raise Unauthorized(response=Response(message, 401, headers=CHALLENGE))
        return name


def plant(companion: Companion, root: Path) -> None:
    """Makes the seeds' jobs in Jenkins, where they are not yet. Raises OSError if it does not answer."""
    jenkins = companion.jenkins
    jenkins.get("api/json?tree=mode")
    for folder in seeds.folders(root):
        for data, path in seeds.jobs(folder):
            try:
                name, definition = seeds.job(data, lambda repository: _address(companion, repository))
            except seeds.WRONG as error:
                logger.error("seed %s: %s", path, error)
                continue
            if jenkins.has(name):
                continue
            jenkins.create(name, _polling(definition))
            logger.info("job %s made of %s", name, path)
            if data.get("build") or definition.kind == MULTIBRANCH:
                jenkins.post(f"{_job_path(name)}build?delay=0sec")


def _address(companion: Companion, repository: str) -> str:
    return companion.url(repository) if repository in companion.repositories.names() else repository


def _polling(definition: Definition) -> Definition:
    declared = definition.declared
    if not definition.source.url or definition.kind == MULTIBRANCH or POLL[0] in dict(declared.triggers):
        return definition
    return replace(definition, declared=replace(declared, triggers=(*declared.triggers, POLL)))


def _job_path(name: str) -> str:
    return "".join(f"job/{quote(part, safe='')}/" for part in name.split("/"))


def _plant_when_it_answers(companion: Companion, root: Path, ended: threading.Event) -> None:
    """Jenkins answers 503 while it starts, and for a while nobody listens at all."""
    waiting = ""
    while not ended.is_set():
        try:
            return plant(companion, root)
        except (OSError, ValueError) as error:
            if str(error) != waiting:
                waiting = str(error)
                logger.info("waiting for Jenkins: %s", waiting)
        ended.wait(PAUSE)


def main() -> None:
    """Serves until SIGTERM."""
    log_as_json()
    home, root = Path(os.environ.get("CI_HOME", "/var/lib/ci")), Path(os.environ["CI_SEEDS"])
    port = int(os.environ.get("CI_PORT") or PORT)
    password = os.environ["CI_PASSWORD"]
    repositories = Repositories(home / "repositories", home / "cache", ())
    jenkins = Jenkins(os.environ["CI_JENKINS"], password)
    companion = Companion(repositories, jenkins, os.environ["CI_URL"], password)
    for folder in seeds.folders(root):
        seeds.plant_repositories(repositories, folder)
    ended = threading.Event()
    threading.Thread(target=_plant_when_it_answers, args=(companion, root, ended), name="plant", daemon=True).start()

    def end(*_: object) -> None:
        ended.set()
        raise SystemExit(0)

    signal.signal(signal.SIGTERM, end)
    logger.info("hosting repositories at %s", companion.address)
    waitress.serve(companion, host=os.environ.get("CI_HOST") or "127.0.0.1", port=port, threads=8, ident=None)


if __name__ == "__main__":
    main()
