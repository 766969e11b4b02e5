"""The pages that make and change things: jobs, views, credentials, repositories."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from werkzeug.wrappers import Response

from sandbox.ci.model import Credential, Source
from sandbox.ci.server import api_items, configuration, credentials
from sandbox.ci.server.addresses import job_path
from sandbox.ci.server.configuration import BadConfiguration, Definition
from sandbox.ci.server.page import (
    folder_actions,
    form,
    job_actions,
    known,
    trail,
)
from sandbox.ci.server.web import Call, get, post
from sandbox.ci.store import FOLDER, MULTIBRANCH, PIPELINE, Item, Taken

KINDS = (
    (PIPELINE, "Pipeline"),
    ("from git", "Pipeline from a repository"),
    (MULTIBRANCH, "Multibranch pipeline"),
    (FOLDER, "Folder"),
)
EXAMPLE = """pipeline {
    agent any
    stages {
        stage('Hello') {
            steps {
                echo 'Hello World'
            }
        }
    }
}
"""


@get("/newJob", "/newItem", "/<jobs:path>/newJob", "/view/<name>/newJob")
def new_job(call: Call, path: str = "", name: str = "") -> Response:
    return _new_job(call, path, {}, "")


@post("/newJob", "/<jobs:path>/newJob")
def make_job(call: Call, path: str = "") -> Response:
    given = {field: call.value(field).strip() for field in ("name", "kind", "repository", "branch", "jenkinsfile")}
    given["script"] = call.value("script")
    try:
        name = configuration.check_name(given["name"])
        repository = given["repository"]
        if given["kind"] in ("from git", MULTIBRANCH) and not repository:
            raise BadConfiguration("A repository is needed")
        if repository in call.server.repositories.names():
            repository = call.server.scheduler.repository_url(repository)
        kind = PIPELINE if given["kind"] == "from git" else given["kind"]
        if kind not in (PIPELINE, MULTIBRANCH, FOLDER):
            raise BadConfiguration("This kind of job there is not")
        source = Source(repository, given["branch"], script_path=given["jenkinsfile"] or "Jenkinsfile")
        script = "" if given["kind"] != PIPELINE else given["script"].replace("\r\n", "\n")
        definition = Definition(kind, script=script, source=source if given["kind"] != PIPELINE else Source())
        target = f"{path}/{name}" if path else name
        created = api_items.create(call, target, configuration.write(definition))
    except (BadConfiguration, ValueError) as error:
        return _new_job(call, path, given, str(error))
    except Taken:
        return _new_job(call, path, given, f"There is a job {given['name']} already")
    return call.redirect(job_path(created.path), 303)


def _new_job(call: Call, path: str, given: Mapping[str, str], problem: str) -> Response:
    known(call)
    hosted = ", ".join(call.server.repositories.names()) or "none yet"
    in_git = f"from git {MULTIBRANCH}"
    fields: list[dict[str, Any]] = [
        {"name": "name", "label": "Name", "required": True, "value": given.get("name", "")},
        {"name": "kind", "label": "Kind", "choices": KINDS, "value": given.get("kind", PIPELINE)},
        {
            "name": "repository",
            "label": "Repository",
            "only": in_git,
            "value": given.get("repository", ""),
            "help": f"An address, or the name of a repository hosted here: {hosted}.",
        },
        {"name": "branch", "label": "Branch", "only": "from git", "value": given.get("branch", "main")},
        {
            "name": "jenkinsfile",
            "label": "Path of the Jenkinsfile",
            "only": in_git,
            "value": given.get("jenkinsfile", "Jenkinsfile"),
        },
        {
            "name": "script",
            "label": "Jenkinsfile",
            "only": PIPELINE,
            "rows": 14,
            "code": True,
            "value": given.get("script", EXAMPLE),
        },
    ]
    crumbs = [*trail(call, path), ("New job", "")]
    return form(call, "New job", f"/{job_path(path)}newJob", fields, "Create", problem=problem, crumbs=crumbs)


@get("/<jobs:path>/configure")
def configure(call: Call, path: str) -> Response:
    return _configure(call, call.item(path), "", "")


@post("/<jobs:path>/configSubmit")
def save_configuration(call: Call, path: str) -> Response:
    item = call.item(path)
    config = call.value("config").replace("\r\n", "\n")
    try:
        definition = configuration.read(config)
        if "script" in call.request.form and not definition.source.url and item.kind == PIPELINE:
            config = configuration.set_script(config, call.value("script").replace("\r\n", "\n"))
            definition = configuration.read(config)
        if definition.kind != item.kind:
            raise BadConfiguration(f"The XML is of a {definition.kind}, the job is a {item.kind}")
    except BadConfiguration as error:
        return _configure(call, item, config, str(error))
    api_items.change(call, item, config, definition)
    return call.redirect(job_path(path), 303)


def _configure(call: Call, item: Item, config: str, problem: str) -> Response:
    known(call)
    xml = config or item.config
    fields: list[dict[str, Any]] = []
    try:
        definition = configuration.read(xml)
    except BadConfiguration:
        definition = Definition(item.kind)
    if item.kind == PIPELINE and not definition.source.url:
        fields.append({"name": "script", "label": "Jenkinsfile", "rows": 18, "code": True, "value": definition.script})
    fields.append({"name": "config", "label": "config.xml", "rows": 14, "code": True, "value": xml})
    crumbs = [*trail(call, item.path), ("Configure", "")]
    action = f"/{job_path(item.path)}configSubmit"
    actions = folder_actions(call, item) if item.holds_items else job_actions(call, item, "configure")
    return form(call, f"Configure {item.name}", action, fields, "Save", problem=problem, crumbs=crumbs, actions=actions)


@get("/<jobs:path>/delete")
def ask_delete(call: Call, path: str) -> Response:
    item = call.item(path)
    known(call)
    intro = f"{item.path} goes with all that belongs to it: builds, logs, artifacts. This cannot be undone."
    action = f"/{job_path(path)}doDelete"
    return form(call, f"Delete {item.name}?", action, [], "Delete", crumbs=trail(call, path), intro=intro)


@get("/newView", "/<jobs:path>/newView")
def new_view(call: Call, path: str = "") -> Response:
    known(call)
    fields = [{"name": "name", "label": "Name", "required": True, "value": ""}]
    crumbs = [*trail(call, path), ("New view", "")]
    intro = "A list of some jobs. Put jobs into it from its page's configuration, or by the API."
    return form(call, "New view", f"/{job_path(path)}createView", fields, "Create", crumbs=crumbs, intro=intro)


@get("/credentials/new", "/<jobs:path>/credentials/new")
def new_credential(call: Call, path: str = "") -> Response:
    return _new_credential(call, path, {}, "")


@post("/credentials/new", "/<jobs:path>/credentials/new")
def make_credential(call: Call, path: str = "") -> Response:
    names = ("id", "kind", "description", "username", "file_name", "secret", "passphrase")
    given = {name: call.value(name) for name in names}
    secret = given.pop("secret").replace("\r\n", "\n")
    credential = Credential(secret=secret.encode(), **given)
    try:
        if credential.kind not in credentials.KINDS.values():
            raise BadConfiguration("This kind of credentials there is not")
        xml = credentials.write(credential)
        credentials.read(xml)
        if credential.id in call.server.store.credentials(path, "_"):
            raise BadConfiguration(f"There are credentials {credential.id} already")
    except BadConfiguration as error:
        return _new_credential(call, path, given, str(error))
    call.server.store.put_credential(path, "_", credential.id, xml)
    return call.redirect(f"{job_path(path)}credentials/", 303)


def _new_credential(call: Call, path: str, given: Mapping[str, str], problem: str) -> Response:
    known(call)
    kinds = [(kind, credentials.TYPE_NAMES[tag]) for tag, kind in credentials.KINDS.items()]
    login = "usernamePassword sshUserPrivateKey"
    fields: list[dict[str, Any]] = [
        {"name": "kind", "label": "Kind", "choices": kinds},
        {"name": "id", "label": "Id", "required": True},
        {"name": "description", "label": "Description"},
        {"name": "username", "label": "User", "only": login},
        {"name": "file_name", "label": "Name of the file", "only": "file"},
        {
            "name": "secret",
            "label": "Secret",
            "rows": 4,
            "code": True,
            "help": "The text, password, private key or content.",
        },
        {
            "name": "passphrase",
            "label": "Passphrase",
            "type": "password",
            "only": "sshUserPrivateKey",
            "complete": "off",
        },
    ]
    for field in fields:
        field["value"] = given.get(field["name"], "")
    crumbs = [*trail(call, path), ("Credentials", f"/{job_path(path)}credentials/"), ("Add", "")]
    return form(
        call, "Add credentials", f"/{job_path(path)}credentials/new", fields, "Add", problem=problem, crumbs=crumbs
    )


@get("/repositories/new")
def new_repository(call: Call) -> Response:
    known(call)
    fields = [{"name": "name", "label": "Name", "required": True, "value": ""}]
    return form(call, "New repository", "/repositories/new", fields, "Create")


@post("/repositories/new")
def make_repository(call: Call) -> Response:
    call.server.repositories.create(call.value("name").strip())
    return call.redirect("repositories/", 303)
