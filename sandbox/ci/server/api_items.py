"""The remote API of jobs, folders and views."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from html import escape
from urllib.parse import quote

from werkzeug.exceptions import BadRequest, Conflict, Forbidden, NotFound
from werkzeug.wrappers import Response

from sandbox.ci.cron import Schedule
from sandbox.ci.server import configuration, home
from sandbox.ci.server.addresses import job_path
from sandbox.ci.server.configuration import BadConfiguration, Definition
from sandbox.ci.server.web import Call, delete, get, post, text
from sandbox.ci.store import FOLDER, MULTIBRANCH, PIPELINE, Item, Taken

FORMAT = "api/<any(json,xml,python):format>"


@get(f"/{FORMAT}")
def root(call: Call, format: str) -> Response:
    return call.exposed(call.beans.root(), format)


@get(f"/<jobs:path>/{FORMAT}")
def item(call: Call, path: str, format: str) -> Response:
    return call.exposed(call.beans.item(call.item(path)), format)


# Creating


@post("/createItem")
def create_at_top(call: Call) -> Response:
    return _create(call, "")


@post("/<jobs:path>/createItem")
def create_in_folder(call: Call, path: str) -> Response:
    folder = call.server.store.item(path)
    if folder is None or folder.kind != FOLDER:
        raise NotFound(f"There is no folder {path}")
    return _create(call, path)


@get("/checkJobName", "/<jobs:path>/checkJobName")
def check_job_name(call: Call, path: str = "") -> Response:
    name = call.value("value")
    try:
        configuration.check_name(name)
        if call.server.store.item(f"{path}/{name}".strip("/")):
            raise BadConfiguration(f"A job already exists with the name '{name}'")
    except BadConfiguration as error:
        return Response(f"<div class=error>{escape(str(error))}</div>", mimetype="text/html")
    return Response("<div/>", mimetype="text/html")


def _create(call: Call, folder: str) -> Response:
    name = configuration.check_name(call.value("name"))
    path = f"{folder}/{name}" if folder else name
    mode = call.value("mode")
    if mode == "copy":
        config = _copied(call, folder, call.value("from"))
    elif mode and not call.request.mimetype.endswith("xml"):
        kind = configuration.MODES.get(mode)
        if kind is None:
            raise BadRequest(f"No such item type: {mode}")
        config = configuration.write(Definition(PIPELINE if kind == "freestyle" else kind))
    else:
        config = call.body(configuration.XML_BYTES).decode("utf-8", "replace")
        if not config.strip():
            raise BadRequest("The request carries no XML, and no mode")
    created = create(call, path, config)
    return call.redirect(job_path(created.path), 302) if mode else Response(status=200)


def create(call: Call, path: str, config: str) -> Item:
    """Creates a job from its XML. Raises BadConfiguration, Taken, BadRequest."""
    server = call.server
    definition = configuration.read(config)
    _check_schedules(definition, path)
    if definition.kind != FOLDER and "<disabled" not in config:
        config = configuration.set_text(config, "disabled", "false")  # Jenkins writes it, and clients look for it
    created = server.store.create_item(
        path,
        definition.kind,
        config,
        description=definition.description,
        display_name=definition.display_name,
        disabled=int(definition.disabled),
    )
    _view_of(call, path)
    if definition.kind == MULTIBRANCH:
        server.branches.scan_soon(created)
    server.topics.touch("jobs")
    return created


def _check_schedules(definition: Definition, path: str) -> None:
    for kind, spec in definition.declared.triggers:
        if kind in ("cron", "pollSCM"):
            Schedule(spec, path)


def _view_of(call: Call, path: str) -> None:
    """A job made on a view's page is put into that view."""
    view = call.value("view")
    owner, _, name = path.rpartition("/")
    if view in call.server.store.views(owner):
        _list_in_view(call, owner, view, name, True)


def _copied(call: Call, folder: str, source: str) -> str:
    found = call.server.scheduler.find_job(source, folder)
    if found is None:
        raise BadRequest(f"No such job: {source}")
    return found.config


# Changing


@get("/<jobs:path>/config.xml")
def config(call: Call, path: str) -> Response:
    if not call.caller.known:
        raise Forbidden("anonymous is missing the Job/ExtendedRead permission")
    return Response(call.item(path).config, mimetype="application/xml")


@post("/<jobs:path>/config.xml")
def change_config(call: Call, path: str) -> Response:
    found = call.item(path)
    config = call.body(configuration.XML_BYTES).decode("utf-8", "replace")
    definition = configuration.read(config)
    if definition.kind != found.kind:
        raise BadRequest(f"Expecting {found.kind} but got {definition.kind}")
    change(call, found, config, definition)
    return Response(status=200)


def change(call: Call, found: Item, config: str, definition: Definition) -> None:
    """Gives a job a new configuration. What its Jenkinsfile declared holds again once it has run."""
    _check_schedules(definition, found.path)
    call.server.store.change_item(
        found.id,
        config=config,
        description=definition.description,
        display_name=definition.display_name or (found.display_name if found.state.get("branch") else ""),
        disabled=int(definition.disabled),
        declared="",
    )
    if found.kind == MULTIBRANCH:
        call.server.branches.scan_soon(call.item(found.path))
    call.server.scheduler.wake("jobs")


@delete("/<jobs:path>")
@post("/<jobs:path>/doDelete")
def delete_item(call: Call, path: str) -> Response:
    found = call.item(path)
    call.server.scheduler.forget(call.server.store.delete_item(found))
    return call.redirect(job_path(found.parent))


@post("/<jobs:path>/doRename", "/<jobs:path>/confirmRename")
def rename(call: Call, path: str) -> Response:
    found = call.item(path)
    name = configuration.check_name(call.value("newName"))
    target = f"{found.parent}/{name}" if found.parent else name
    return _moved(call, found, target)


@post("/<jobs:path>/move/move")
def move(call: Call, path: str) -> Response:
    found = call.item(path)
    folder = call.value("destination").strip("/")
    if folder and (parent := call.server.store.item(folder)) and parent.kind != FOLDER:
        raise BadRequest(f"{folder} is no folder")
    if folder and call.server.store.item(folder) is None:
        raise BadRequest(f"There is no folder {folder}")
    if folder == found.path or folder.startswith(found.path + "/"):
        raise BadRequest("A folder cannot be moved into itself")
    return _moved(call, found, f"{folder}/{found.name}" if folder else found.name)


def _moved(call: Call, found: Item, target: str) -> Response:
    if any(build.item.id == found.id for build in call.server.scheduler.running()):
        raise Conflict(f"{found.path} is building; it cannot be renamed now")
    try:
        call.server.store.move_item(found, target)
    except Taken:
        raise BadRequest(f"The name '{target}' is already in use.") from None
    call.server.topics.touch("jobs")
    return call.redirect(job_path(target))


@post("/<jobs:path>/enable")
def enable(call: Call, path: str) -> Response:
    return _set_disabled(call, path, False)


@post("/<jobs:path>/disable")
def disable(call: Call, path: str) -> Response:
    return _set_disabled(call, path, True)


def _set_disabled(call: Call, path: str, disabled: bool) -> Response:
    found = call.item(path)
    config = configuration.set_text(found.config, "disabled", str(disabled).lower())
    call.server.store.change_item(found.id, disabled=int(disabled), config=config)
    call.server.scheduler.wake("jobs")
    return call.redirect(job_path(path))


@post("/<jobs:path>/description", "/<jobs:path>/submitDescription")
def describe(call: Call, path: str) -> Response:
    found = call.item(path)
    description = call.value("description")
    config = configuration.set_text(found.config, "description", description)
    call.server.store.change_item(found.id, description=description, config=config)
    call.server.topics.touch("jobs")
    return call.redirect(job_path(path))


@get("/<jobs:path>/description")
def description(call: Call, path: str) -> Response:
    return text(call.item(path).description)


@post("/<jobs:path>/nextbuildnumber/submit")
def next_build_number(call: Call, path: str) -> Response:
    found = call.job(path)
    # python-jenkins sends a form without saying that it is one.
    given = call.value("nextBuildNumber") or call.body().decode().partition("nextBuildNumber=")[2]
    if not given.isdigit():
        raise BadRequest("nextBuildNumber must be a number")
    if int(given) > max(0, found.next_number - 1) and int(given) < 10**9:
        call.server.store.change_item(found.id, next_number=int(given))
    return call.redirect(job_path(path))


@post("/<jobs:path>/doWipeOutWorkspace")
def wipe_out_workspace(call: Call, path: str) -> Response:
    found = call.job(path)
    if any(build.item.id == found.id for build in call.server.scheduler.running()):
        raise Conflict(f"{path} is building; its workspace is in use")
    home.remove(call.server.home.workspace(path))
    return call.redirect(job_path(path))


@post("/<jobs:path>/reload", "/reload")
def reload(call: Call, path: str = "") -> Response:
    call.server.topics.touch("jobs")
    return call.redirect(job_path(path))


@get("/<jobs:path>/indexing/consoleText", "/<jobs:path>/computation/consoleText")
def scan_log(call: Call, path: str) -> Response:
    log = call.server.branches.log(call.item(path))
    return text(log.read_text(encoding="utf-8") if log.exists() else "")


# Views


@get(f"/view/<name>/{FORMAT}", f"/<jobs:path>/view/<name>/{FORMAT}")
def view(call: Call, name: str, format: str, path: str = "") -> Response:
    return call.exposed(call.beans.view(path, *_view(call, path, name)), format)


@post("/createView", "/<jobs:path>/createView")
def create_view(call: Call, path: str = "") -> Response:
    name = configuration.check_name(call.value("name"))
    if name in call.beans.view_configs(path):
        raise BadRequest(f"A view already exists with the name '{name}'")
    config = call.body().decode("utf-8", "replace") if call.request.mimetype.endswith("xml") else ""
    if not config.strip():
        config = f"<hudson.model.ListView><name>{escape(name)}</name><jobNames/></hudson.model.ListView>"
    configuration.parse_xml(config)
    call.server.store.put_view(path, name, config)
    return Response(status=200) if call.request.mimetype.endswith("xml") else call.redirect(_view_path(path, name))


@get("/view/<name>/config.xml", "/<jobs:path>/view/<name>/config.xml")
def view_config(call: Call, name: str, path: str = "") -> Response:
    found, xml = _view(call, path, name)
    return Response(
        xml or f"<hudson.model.AllView><name>{found}</name></hudson.model.AllView>", mimetype="application/xml"
    )


@post("/view/<name>/config.xml", "/<jobs:path>/view/<name>/config.xml")
def change_view(call: Call, name: str, path: str = "") -> Response:
    found, _ = _own_view(call, path, name)
    config = call.body().decode("utf-8", "replace")
    configuration.parse_xml(config)
    call.server.store.put_view(path, found, config)
    return Response(status=200)


@post("/view/<name>/doDelete", "/<jobs:path>/view/<name>/doDelete")
def delete_view(call: Call, name: str, path: str = "") -> Response:
    found, _ = _own_view(call, path, name)
    call.server.store.delete_view(path, found)
    return call.redirect(job_path(path))


@post("/view/<name>/addJobToView", "/<jobs:path>/view/<name>/addJobToView")
def add_to_view(call: Call, name: str, path: str = "") -> Response:
    found, _ = _own_view(call, path, name)
    job = call.value("name")
    if call.server.store.item(f"{path}/{job}".strip("/")) is None:
        raise BadRequest(f"There is no job {job}")
    _list_in_view(call, path, found, job, True)
    return Response(status=200)


@post("/view/<name>/removeJobFromView", "/<jobs:path>/view/<name>/removeJobFromView")
def remove_from_view(call: Call, name: str, path: str = "") -> Response:
    found, _ = _own_view(call, path, name)
    _list_in_view(call, path, found, call.value("name"), False)
    return Response(status=200)


@post("/view/<name>/submitDescription", "/<jobs:path>/view/<name>/submitDescription")
def describe_view(call: Call, name: str, path: str = "") -> Response:
    found, xml = _own_view(call, path, name)
    call.server.store.put_view(path, found, configuration.set_text(xml, "description", call.value("description")))
    return call.redirect(_view_path(path, found))


@post("/view/<name>/createItem")
def create_in_view(call: Call, name: str) -> Response:
    response = _create(call, "")
    found, xml = _view(call, "", name)
    if xml:
        _list_in_view(call, "", found, call.value("name"), True)
    return response


def _view(call: Call, owner: str, name: str) -> tuple[str, str]:
    known = call.beans.view_configs(owner)
    for each in (name, name.capitalize() if owner else name.lower()):
        if each in known:
            return each, known[each]
    raise NotFound(f"There is no view {name}")


def _own_view(call: Call, owner: str, name: str) -> tuple[str, str]:
    found, xml = _view(call, owner, name)
    if not xml:
        raise BadRequest(f"The view {found} shows everything; it cannot be changed")
    return found, xml


def _view_path(owner: str, name: str) -> str:
    return f"{job_path(owner)}view/{quote(name, safe='')}/"


def _list_in_view(call: Call, owner: str, view: str, job: str, listed: bool) -> None:
    root = configuration.parse_xml(call.server.store.views(owner)[view])
    names = root.find("jobNames")
    if names is None:
        names = ET.SubElement(root, "jobNames")
    for element in names.findall("string"):
        if element.text == job:
            names.remove(element)
    if listed:
        ET.SubElement(names, "string").text = job
    call.server.store.put_view(owner, view, ET.tostring(root, encoding="unicode"))
