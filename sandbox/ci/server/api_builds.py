"""The remote API of builds: starting, watching and stopping them, and what they leave behind."""

from __future__ import annotations

import mimetypes
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from werkzeug.exceptions import BadRequest, Conflict, Forbidden, NotFound
from werkzeug.utils import send_file
from werkzeug.wrappers import Response

from sandbox.ci.model import Parameter
from sandbox.ci.server import home, log
from sandbox.ci.server.addresses import job_path
from sandbox.ci.server.ansi import Painter
from sandbox.ci.server.beans import artifacts
from sandbox.ci.server.causes import plain_cause, user_cause
from sandbox.ci.server.junit import test_report
from sandbox.ci.server.security import NOBODY
from sandbox.ci.server.stages import Stages
from sandbox.ci.server.web import Call, get, json_answer, post, text
from sandbox.ci.store import MULTIBRANCH, Item

FORMAT = "api/<any(json,xml,python):format>"
HTML_PIECE = 1024**2  # of a log at once, as HTML; the client asks again for more
TEXT_PIECE = 16 * 1024**2
UPLOAD_POLICY = "sandbox; default-src 'none'; img-src 'self'; style-src 'self' 'unsafe-inline'"
REMOTE = "hudson.model.Cause$RemoteCause"
BUILD = "/<jobs:path>/<build:number>"


# Starting


@post("/<jobs:path>/build", "/<jobs:path>/buildWithParameters", "/<jobs:path>/polling", free=True)
def build(call: Call, path: str) -> Response:
    item = call.item(path)
    remote = _has_token(call, item)
    if not remote:
        _check(call)
    if item.kind == MULTIBRANCH:
        call.server.branches.scan_soon(item)
        return call.redirect(job_path(path))
    if item.holds_items:
        raise NotFound(f"{path} is a folder; it cannot be built")
    if item.disabled:
        raise Conflict(f"{path} is disabled")
    given = _given_parameters(call, item)
    cause = _cause(call, remote)
    uploads = given.save_files(call.server.home.uploads)
    id = call.server.scheduler.submit(item, [cause], given.values, _delay(call), uploads)
    if "page" in call.request.form:
        return call.redirect(job_path(item.parent if call.value("page") == "list" else path), 303)
    return Response(status=201, headers={"Location": f"{call.url}queue/item/{id}/"})


@post(f"{BUILD}/rebuild", f"{BUILD}/replay/rebuild")
def rebuild(call: Call, path: str, number: str) -> Response:
    """The same parameters again."""
    item, old = call.build(path, number)
    if item.disabled:
        raise Conflict(f"{path} is disabled")
    causes = [user_cause(call.caller.id, call.caller.full_name), plain_cause(REPLAY, f"Rebuilt #{old.number}")]
    id = call.server.scheduler.submit(item, causes, old.parameters)
    return Response(status=303, headers={"Location": f"{call.url}{job_path(path)}", "X-Queue-Item": str(id)})


REPLAY = "org.jenkinsci.plugins.workflow.cps.replay.ReplayCause"


class Given:
    """The parameters of a request, checked, and the files that came with it."""

    def __init__(self, values: dict[str, Any], files: Mapping[str, Any]) -> None:
        self.values, self._files = values, files

    def save_files(self, folder: Path) -> Path | None:
        """In a new folder below this one; the build will bring them into its workspace."""
        if not self._files:
            return None
        saved = Path(tempfile.mkdtemp(dir=folder))
        for name, upload in self._files.items():
            upload.save(saved / quote(name, safe=""))
        return saved


def _given_parameters(call: Call, item: Item) -> Given:
    declared = {each.name: each for each in call.server.scheduler.definition(item).declared.parameters}
    raw: dict[str, Any] = dict(call.request.values.items())
    for each in _listed(call.json_form().get("parameter")):
        if isinstance(each, dict) and "name" in each:
            raw[str(each["name"])] = each.get("value", "")
    with_parameters = call.request.path.rstrip("/").endswith("buildWithParameters")
    fresh = item.next_number == 1 and not item.declared
    if with_parameters and not declared and not fresh and set(raw) - OWN_FIELDS:
        raise BadRequest(f"{item.path} is not parameterized: its Jenkinsfile declared no parameters when it last ran")
    values: dict[str, Any] = {}
    for name, value in raw.items():
        if name in declared:
            values[name] = _checked(declared[name], value)
        elif name not in OWN_FIELDS and fresh and not declared and with_parameters:
            # The Jenkinsfile has not run yet, so nobody knows what it declares.
            values[name] = str(value)
    files = {name: upload for name, upload in call.request.files.items() if name in declared or fresh}
    for name, upload in files.items():
        values[name] = Path(upload.filename or name).name
    return Given(values, files)


OWN_FIELDS = {
    "page",
    "token",
    "delay",
    "json",
    "Jenkins-Crumb",
    "cause",
    "Submit",
    "statusCode",
    "redirectTo",
    "name",
    "value",
}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _checked(parameter: Parameter, value: Any) -> Any:
    if parameter.kind == "booleanParam":
        return value if isinstance(value, bool) else str(value).lower() in ("true", "on", "1", "yes")
    if parameter.kind == "choice" and str(value) not in parameter.choices:
        raise BadRequest(f"Illegal choice for parameter {parameter.name}: {value}")
    return str(value)


def _has_token(call: Call, item: Item) -> bool:
    token = call.value("token")
    return bool(token) and token == call.server.scheduler.definition(item).auth_token


def _check(call: Call) -> None:
    """What `post` checks for the routes that are not free."""
    if not call.caller.known:
        raise Forbidden("anonymous is missing the Job/Build permission")
    if call.caller.needs_crumb:
        given = call.request.headers.get("Jenkins-Crumb") or call.value("Jenkins-Crumb")
        if not call.server.security.is_crumb(call.caller, given):
            raise Forbidden("No valid crumb was included in the request")


def _cause(call: Call, remote: bool) -> dict[str, Any]:
    if remote and call.caller is NOBODY:
        address = call.request.remote_addr or "unknown"
        note = f" with note: {call.value('cause')}" if call.value("cause") else ""
        return {**plain_cause(REMOTE, f"Started by remote host {address}{note}"), "addr": address, "note": note or None}
    return user_cause(call.caller.id, call.caller.full_name)


def _delay(call: Call) -> float | None:
    text = call.value("delay").removesuffix("sec").strip()
    if not text:
        return None
    if not text.isdigit():
        raise BadRequest(f"delay must be a number of seconds, not {text[:20]!r}")
    return float(text)


# Reading


@get(f"{BUILD}/{FORMAT}")
def build_object(call: Call, path: str, number: str, format: str) -> Response:
    return call.exposed(call.beans.build(*call.build(path, number)), format)


@get(f"{BUILD}/testReport/{FORMAT}")
def tests(call: Call, path: str, number: str, format: str) -> Response:
    report = test_report(call.server.store, call.server.home, *call.build(path, number))
    if report is None:
        raise NotFound("This build has no test results")
    return call.exposed(report, format)


@get(f"{BUILD}/consoleText")
def console_text(call: Call, path: str, number: str) -> Response:
    folder = _folder(call, path, number)
    response = text(log.stream(folder))
    response.headers["Content-Type"] = "text/plain;charset=utf-8"
    return response


@get(f"{BUILD}/logText/progressiveText", f"{BUILD}/progressiveText")
def progressive_text(call: Call, path: str, number: str) -> Response:
    return _progressive(call, path, number, html=False)


@get(f"{BUILD}/logText/progressiveHtml", f"{BUILD}/progressiveHtml")
def progressive_html(call: Call, path: str, number: str) -> Response:
    return _progressive(call, path, number, html=True)


def _progressive(call: Call, path: str, number: str, html: bool) -> Response:
    item, record = call.build(path, number)
    folder = call.server.home.build(item.id, record.number)
    building = record.building  # before the size: what is written between the two is then fetched once more
    size = log.size(folder)
    start = call.number("start")
    if start > size or start < 0:
        start = 0
    piece = log.read(folder, start, HTML_PIECE if html else TEXT_PIECE)
    end = start + len(piece)
    content: str | bytes = Painter().html(piece.decode("utf-8", "replace")) if html else piece
    response = Response(content, mimetype="text/html" if html else "text/plain")
    response.headers["Content-Type"] += "" if "charset" in response.headers["Content-Type"] else "; charset=utf-8"
    response.headers["X-Text-Size"] = str(end)
    if building or end < size:
        response.headers["X-More-Data"] = "true"
    return response


@get(f"{BUILD}/buildNumber")
def build_number(call: Call, path: str, number: str) -> Response:
    return text(str(call.build(path, number)[1].number))


@get(f"{BUILD}/artifact/*zip*/<name>", f"{BUILD}/artifact/<path:inner>/*zip*/<name>")
def zipped(call: Call, path: str, number: str, name: str, inner: str = "") -> Response:
    root = _folder(call, path, number) / "artifacts"
    folder = home.inside(root, inner)
    if folder is None or not folder.is_dir():
        raise NotFound("There are no such artifacts")
    base = "archive" if not inner else folder.name
    spool = tempfile.TemporaryFile()  # noqa: SIM115 - the response closes it
    with zipfile.ZipFile(spool, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as archive:
        for file, _ in artifacts(_folder(call, path, number)):
            if folder in file.resolve().parents:
                archive.write(file, f"{base}/{file.resolve().relative_to(folder.resolve())}")
    spool.seek(0)
    return send_file(spool, call.request.environ, mimetype="application/zip", download_name=name, as_attachment=True)


@get(f"{BUILD}/artifact/<path:inner>")
def artifact(call: Call, path: str, number: str, inner: str) -> Response:
    return send_inside(call, _folder(call, path, number) / "artifacts", inner)


def send_inside(call: Call, folder: Path, inner: str) -> Response:
    """A file that a build made, so that it can do no harm in a browser. NotFound for what lies elsewhere."""
    found = home.inside(folder, inner)
    if found is None or not found.is_file():
        raise NotFound(f"There is no {inner}")
    kind = mimetypes.guess_type(found.name)[0] or "application/octet-stream"
    response = send_file(found, call.request.environ, mimetype=kind, conditional=True, etag=True)
    response.headers["Content-Security-Policy"] = UPLOAD_POLICY
    return response


def _folder(call: Call, path: str, number: str) -> Path:
    item, record = call.build(path, number)
    return call.server.home.build(item.id, record.number)


# Ending and changing


@post(f"{BUILD}/stop", f"{BUILD}/term", f"{BUILD}/kill")
def stop(call: Call, path: str, number: str) -> Response:
    _, record = call.build(path, number)
    force = not call.request.path.rstrip("/").endswith("/stop")
    call.server.scheduler.stop_build(record.id, f"Aborted by {call.caller.full_name}", force)
    return call.redirect(f"{job_path(path)}{record.number}/")


@post(f"{BUILD}/doDelete")
def delete_build(call: Call, path: str, number: str) -> Response:
    item, record = call.build(path, number)
    if record.building:
        raise Conflict(f"{path} #{record.number} is still running; stop it first")
    if record.keep:
        raise Conflict(f"{path} #{record.number} is kept for ever; lift that first")
    call.server.scheduler.delete_build(item, record)
    return call.redirect(job_path(path))


@post(f"{BUILD}/toggleLogKeep")
def toggle_keep(call: Call, path: str, number: str) -> Response:
    _, record = call.build(path, number)
    call.server.store.change_build(record.id, keep=int(not record.keep))
    return call.redirect(f"{job_path(path)}{record.number}/")


@post(f"{BUILD}/submitDescription")
def describe_build(call: Call, path: str, number: str) -> Response:
    _, record = call.build(path, number)
    call.server.store.change_build(record.id, description=call.value("description"))
    call.server.topics.touch("jobs", f"build/{record.id}")
    return call.redirect(f"{job_path(path)}{record.number}/")


@post(f"{BUILD}/configSubmit")
def configure_build(call: Call, path: str, number: str) -> Response:
    _, record = call.build(path, number)
    given = call.json_form()
    call.server.store.change_build(
        record.id,
        display_name=str(given.get("displayName", record.display_name)),
        description=str(given.get("description", record.description)),
    )
    return call.redirect(f"{job_path(path)}{record.number}/")


# Stages and input, as the stage view's API has them


@get("/<jobs:path>/wfapi/runs")
def runs(call: Call, path: str) -> Response:
    item = call.job(path)
    stages = Stages(call.server)
    return json_answer([stages.run(item, record) for record in call.server.store.builds(item.id, 10)])


@get("/<jobs:path>/wfapi", "/<jobs:path>/wfapi/describe")
def job_stages(call: Call, path: str) -> Response:
    item = call.job(path)
    href = f"/{job_path(path)}wfapi/"
    links = {"self": {"href": f"{href}describe"}, "runs": {"href": f"{href}runs"}}
    return json_answer({"_links": links, "name": item.name, "runCount": call.server.store.build_count(item.id)})


@get(f"{BUILD}/wfapi", f"{BUILD}/wfapi/describe")
def describe_stages(call: Call, path: str, number: str) -> Response:
    return json_answer(Stages(call.server).run(*call.build(path, number)))


@get(f"{BUILD}/execution/node/<node>/wfapi", f"{BUILD}/execution/node/<node>/wfapi/describe")
def describe_node(call: Call, path: str, number: str, node: str) -> Response:
    found = Stages(call.server).node(*call.build(path, number), node)
    if found is None:
        raise NotFound(f"There is no node {node}")
    return json_answer(found)


@get(f"{BUILD}/execution/node/<node>/wfapi/log", f"{BUILD}/execution/node/<node>/log")
def node_log(call: Call, path: str, number: str, node: str) -> Response:
    found = Stages(call.server).log(*call.build(path, number), node)
    if found is None:
        raise NotFound(f"There is no node {node}")
    if call.request.path.rstrip("/").endswith("wfapi/log"):
        return json_answer(found)
    return text(found["text"])


@get(f"{BUILD}/wfapi/pendingInputActions")
def pending_inputs(call: Call, path: str, number: str) -> Response:
    return json_answer(Stages(call.server).pending(*call.build(path, number)))


@get(f"{BUILD}/wfapi/nextPendingInputAction")
def next_pending_input(call: Call, path: str, number: str) -> Response:
    pending = Stages(call.server).pending(*call.build(path, number))
    return json_answer(pending[0] if pending else None)


@get(f"{BUILD}/wfapi/artifacts")
def stage_artifacts(call: Call, path: str, number: str) -> Response:
    item, record = call.build(path, number)
    return json_answer(Stages(call.server).artifacts(item, record))


@get(f"{BUILD}/wfapi/changesets")
def change_sets(call: Call, path: str, number: str) -> Response:
    item, record = call.build(path, number)
    return json_answer(Stages(call.server).changes(item, record))


@post(f"{BUILD}/input/<id>/proceedEmpty", f"{BUILD}/input/<id>/proceed", f"{BUILD}/input/<id>/submit")
def proceed(call: Call, path: str, number: str, id: str) -> Response:
    return _proceed(call, path, number, id)


@post(f"{BUILD}/input/<id>/abort")
def abort_input(call: Call, path: str, number: str, id: str) -> Response:
    _, record = call.build(path, number)
    running = call.server.scheduler.running_build(record.id)
    try:
        if running is None:
            raise LookupError(id)
        running.refuse(id, call.caller.full_name)
    except LookupError:
        raise NotFound(f"No input {id} waits in this build") from None
    if "page" in call.request.form:
        return call.redirect(f"{job_path(path)}{record.number}/", 303)
    return Response(status=200)


@post(f"{BUILD}/wfapi/inputSubmit")
def input_submit(call: Call, path: str, number: str) -> Response:
    return _proceed(call, path, number, call.value("inputId"))


def _proceed(call: Call, path: str, number: str, id: str) -> Response:
    _, record = call.build(path, number)
    running = call.server.scheduler.running_build(record.id)
    questions = running.questions if running else {}
    question = next((each for name, each in questions.items() if name.lower() == id.lower()), None)
    if running is None or question is None:
        raise NotFound(f"No input {id} waits in this build")
    allowed = [name.strip() for name in question.input.submitter.split(",") if name.strip()]
    if allowed and call.caller.id not in (*allowed, "admin"):
        raise Forbidden(f"Only {', '.join(allowed)} may answer this")
    values = {each.name: each.default for each in question.input.parameters}
    given = {str(e["name"]): e.get("value", "") for e in _listed(call.json_form().get("parameter")) if "name" in e}
    given.update(
        {each.name: call.value(each.name) for each in question.input.parameters if each.name in call.request.form}
    )
    for each in question.input.parameters:
        if each.name in given:
            values[each.name] = _checked(each, given[each.name])
        elif each.kind == "booleanParam" and "page" in call.request.form:
            values[each.name] = False  # browsers leave out an empty box
    try:
        running.answer(id, call.caller.id, values)
    except LookupError:
        raise NotFound(f"No input {id} waits in this build") from None
    return call.redirect(f"{job_path(path)}{record.number}/")
