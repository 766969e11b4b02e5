"""The remote API of the server itself: queue, agents, people, plugins, linting, and what is refused."""

from __future__ import annotations

from urllib.parse import quote

from werkzeug.exceptions import BadRequest, Conflict, Forbidden, NotFound
from werkzeug.wrappers import Response

from sandbox.ci.server import configuration, nodes, plugins
from sandbox.ci.server.agents import BUILT_IN, Agent
from sandbox.ci.server.exposed import Bean
from sandbox.ci.server.security import ADMIN
from sandbox.ci.server.web import CRUMB, Call, get, json_answer, post, text

FORMAT = "api/<any(json,xml,python):format>"
VALID = "Jenkinsfile successfully validated.\n"
NO_PIPELINE = "Jenkinsfile content '{}' did not contain the 'pipeline' step"
NO_SCRIPTS = (
    "The script console is refused here, always: it would run any program as the server, with all of its secrets. "
    "Use the remote API, or a job.\n"
)
TOKENS = "descriptorByName/jenkins.security.ApiTokenProperty"


# Who am I


@get(f"/crumbIssuer/{FORMAT}")
def crumb(call: Call, format: str) -> Response:
    fields = {"crumb": call.server.security.crumb(call.caller), "crumbRequestField": CRUMB}
    return call.exposed(Bean("hudson.security.csrf.DefaultCrumbIssuer", fields), format)


@get(f"/whoAmI/{FORMAT}")
def who_am_i(call: Call, format: str) -> Response:
    known = call.caller.known
    fields = {
        "anonymous": not known,
        "authenticated": known,
        "authorities": ["authenticated"] if known else ["anonymous"],
        "details": None,
        "name": call.caller.id,
        "toString": f"{call.caller.id}[{'authenticated' if known else 'anonymous'}]",
    }
    return call.exposed(Bean("hudson.security.WhoAmI", fields), format)


@get(f"/me/{FORMAT}")
def me(call: Call, format: str) -> Response:
    if not call.caller.known:
        raise Forbidden("anonymous has no page of its own; log in")
    return user(call, call.caller.id, format)


# People


@get(f"/user/<id>/{FORMAT}")
def user(call: Call, id: str, format: str) -> Response:
    found = call.accounts.user(id)
    if found is None:
        raise NotFound(f"There is no user {id}")
    return call.exposed(found, format)


@get(f"/asynchPeople/{FORMAT}", f"/people/{FORMAT}")
def people(call: Call, format: str) -> Response:
    return call.exposed(call.accounts.people(), format)


@post(f"/user/<id>/{TOKENS}/generateNewToken", f"/me/{TOKENS}/generateNewToken")
def new_token(call: Call, id: str = "") -> Response:
    user = _own(call, id)
    name = call.value("newTokenName") or "token"
    uuid, value = call.server.security.new_token(user, name)
    return json_answer({"status": "ok", "data": {"tokenName": name, "tokenUuid": uuid, "tokenValue": value}})


@post(f"/user/<id>/{TOKENS}/revoke", f"/me/{TOKENS}/revoke")
def revoke_token(call: Call, id: str = "") -> Response:
    call.server.store.delete_token(_own(call, id), call.value("tokenUuid"))
    return Response(status=200)


@post("/user/<id>/submitDescription")
def describe_user(call: Call, id: str) -> Response:
    call.server.store.describe_user(_own(call, id), call.value("description"))
    return call.redirect(f"user/{quote(id, safe='')}/")


@post("/user/<id>/doDelete")
def delete_user(call: Call, id: str) -> Response:
    _admin(call)
    if id == ADMIN:
        raise Forbidden(f"{ADMIN} cannot be deleted")
    if call.server.store.user(id) is None:
        raise NotFound(f"There is no user {id}")
    call.server.store.delete_user(id)
    return call.redirect("asynchPeople/")


@post("/securityRealm/createAccountByAdmin", "/user/create")
def create_user(call: Call) -> Response:
    _admin(call)
    name, password = configuration.check_name(call.value("username")), call.value("password1")
    if len(password) < 4 or password != call.value("password2", password):
        raise BadRequest("A password of at least 4 characters is needed, twice the same")
    if call.server.store.user(name):
        raise Conflict(f"There is a user {name} already")
    call.server.security.set_password(name, password, call.value("fullname") or name)
    return call.redirect("asynchPeople/")


def _own(call: Call, id: str) -> str:
    """The user whose things may be changed: oneself, or anyone for the administrator."""
    wanted = id or call.caller.id
    if call.server.store.user(wanted) is None:
        raise NotFound(f"There is no user {wanted}")
    if wanted != call.caller.id and call.caller.id != ADMIN:
        raise Forbidden(f"Only {wanted} may do this")
    return wanted


def _admin(call: Call) -> None:
    if call.caller.id != ADMIN:
        raise Forbidden(f"{call.caller.id} is missing the Overall/Administer permission")


# Queue


@get(f"/queue/{FORMAT}")
def queue(call: Call, format: str) -> Response:
    return call.exposed(call.beans.queue(), format)


@get(f"/queue/item/<int:id>/{FORMAT}")
def queue_item(call: Call, id: int, format: str) -> Response:
    found = call.beans.queue_item(id)
    if found is None:
        raise NotFound(f"There is no queue item {id}")
    return call.exposed(found, format)


@post("/queue/cancelItem", "/queue/item/<int:id>/cancelQueue")
def cancel(call: Call, id: int = 0) -> Response:
    wanted = id or call.number("id")
    if not call.server.scheduler.cancel(wanted) and call.beans.queue_item(wanted) is None:
        raise NotFound(f"There is no queue item {wanted}")
    return call.redirect("queue/") if "text/html" in call.request.headers.get("Accept", "") else Response(status=204)


# Agents


@get(f"/computer/{FORMAT}")
def computers(call: Call, format: str) -> Response:
    return call.exposed(call.beans.computers(), format)


@get(f"/computer/<name>/{FORMAT}")
def computer(call: Call, name: str, format: str) -> Response:
    return call.exposed(call.beans.computer(_agent(call, name)), format)


@post("/computer/doCreateItem")
def create_node(call: Call) -> Response:
    _admin(call)
    name = configuration.check_name(call.value("name"))
    if call.server.agents.get(name):
        raise BadRequest(f"Agent called '{name}' already exists")
    xml = nodes.from_form(name, call.json_form())
    call.server.agents.put(nodes.agent(name, xml))
    call.server.store.put_agent(name, xml)
    call.server.scheduler.wake("executors")
    return call.redirect("computer/")


@get("/computer/<name>/config.xml")
def node_config(call: Call, name: str) -> Response:
    found = _agent(call, name)
    xml = call.server.store.agents().get(found.name) or nodes.to_xml(found)
    return Response(xml, mimetype="application/xml")


@post("/computer/<name>/config.xml")
def change_node(call: Call, name: str) -> Response:
    _admin(call)
    found = _agent(call, name)
    xml = call.body().decode("utf-8", "replace")
    agent = nodes.agent(found.name, xml)
    agent.offline, agent.offline_reason = found.offline, found.offline_reason
    call.server.agents.put(agent)
    if found.name != BUILT_IN:
        call.server.store.put_agent(found.name, xml)
    call.server.scheduler.wake("executors")
    return Response(status=200)


@post("/computer/<name>/doDelete")
def delete_node(call: Call, name: str) -> Response:
    _admin(call)
    found = _agent(call, name)
    if found.name == BUILT_IN:
        raise BadRequest("The built-in node cannot be deleted")
    call.server.agents.remove(found.name)
    call.server.store.delete_agent(found.name)
    call.server.scheduler.wake("executors")
    return call.redirect("computer/")


@post("/computer/<name>/toggleOffline")
def toggle_offline(call: Call, name: str) -> Response:
    _admin(call)
    found = _agent(call, name)
    call.server.agents.set_offline(found, not found.offline, call.value("offlineMessage"))
    call.server.scheduler.wake("executors", "queue")
    return call.redirect(f"computer/{quote(name, safe='()')}/")


def _agent(call: Call, name: str) -> Agent:
    found = call.server.agents.get(name)
    if found is None:
        raise NotFound(f"There is no node {name}")
    return found


# The server


@post("/quietDown")
def quiet_down(call: Call) -> Response:
    _admin(call)
    call.server.scheduler.quiet_down(True)
    return call.redirect("")


@post("/cancelQuietDown")
def cancel_quiet_down(call: Call) -> Response:
    _admin(call)
    call.server.scheduler.quiet_down(False)
    return call.redirect("")


@post("/restart", "/safeRestart", "/exit", "/safeExit")
def restart(call: Call) -> Response:
    _admin(call)
    call.server.ask_to_end(call.request.path.strip("/"))
    return call.redirect("")


@get(f"/pluginManager/{FORMAT}")
def plugin_manager(call: Call, format: str) -> Response:
    return call.exposed(plugins.plugin_list(), format)


@get(f"/pluginManager/plugin/<name>/{FORMAT}")
def plugin(call: Call, name: str, format: str) -> Response:
    if name not in plugins.PLUGINS:
        raise NotFound(f"There is no plugin {name}")
    return call.exposed(plugins.plugin(name), format)


@get(f"/updateCenter/{FORMAT}")
def update_center(call: Call, format: str) -> Response:
    fields = {
        "jobs": [],
        "restartRequiredForCompletion": False,
        "sites": [{"_class": "hudson.model.UpdateSite", "url": ""}],
    }
    return call.exposed(Bean("hudson.model.UpdateCenter", fields), format)


@get("/updateCenter/installStatus")
def install_status(call: Call) -> Response:
    return json_answer({"status": "ok", "data": {"jobs": [], "state": "RUNNING"}})


@post(
    "/pluginManager/installNecessaryPlugins",
    "/pluginManager/plugin/<name>/doUninstall",
    "/pluginManager/siteConfigure",
    "/pluginManager/checkUpdatesServer",
    "/pluginManager/proxyConfigure",
)
def no_plugins(call: Call, name: str = "") -> Response:
    raise Forbidden("Plugins cannot be added or removed: their work is built in")


@get("/script", "/scriptText", "/computer/<name>/script", "/computer/<name>/scriptText")
def script_page(call: Call, name: str = "") -> Response:
    return text(NO_SCRIPTS, 403)


@post("/script", "/scriptText", "/computer/<name>/script", "/computer/<name>/scriptText", free=True)
def script(call: Call, name: str = "") -> Response:
    return text(NO_SCRIPTS, 403)


@post(
    "/configuration-as-code/reload",
    "/configuration-as-code/export",
    "/configuration-as-code/checkNewSource",
    "/configuration-as-code/replace",
)
def no_configuration_as_code(call: Call) -> Response:
    raise NotFound("Configuration as Code is not here; jobs come from files beside the service, git or the API")


@post("/pipeline-model-converter/validate")
def validate(call: Call) -> Response:
    """What `jenkins-cli declarative-linter` and editors use: a sentence, or the problems, as text."""
    jenkinsfile = _jenkinsfile(call)
    problems = call.server.executor.lint(jenkinsfile)
    if problems is None:
        return text(NO_PIPELINE.format(jenkinsfile) + "\n")
    if not problems:
        return text(VALID)
    told = "".join(
        f"WorkflowScript: {p['line']}: {p['message']} @ line {p['line']}, column {p['column']}.\n" for p in problems
    )
    return text(f"Errors encountered validating Jenkinsfile:\n{told}\n")


@post("/pipeline-model-converter/validateJenkinsfile")
def validate_jenkinsfile(call: Call) -> Response:
    jenkinsfile = _jenkinsfile(call)
    problems = call.server.executor.lint(jenkinsfile)
    if problems is None:
        errors = [{"error": NO_PIPELINE.format(jenkinsfile)}]
    elif problems:
        errors = [{"error": f"{p['message']} @ line {p['line']}, column {p['column']}."} for p in problems]
    else:
        return json_answer({"status": "ok", "data": {"result": "success"}})
    return json_answer({"status": "ok", "data": {"result": "failure", "errors": errors}})


def _jenkinsfile(call: Call) -> str:
    upload = call.request.files.get("jenkinsfile")
    if upload:
        return str(upload.read(), "utf-8", "replace")
    if "jenkinsfile" not in call.request.values:
        raise BadRequest("The field jenkinsfile is missing")
    return call.value("jenkinsfile")


@get(f"/overallLoad/{FORMAT}")
def overall_load(call: Call, format: str) -> Response:
    agents = call.server.agents
    fields = {
        "busyExecutors": {},
        "queueLength": {},
        "totalExecutors": {},
        "availableExecutors": sum(agent.free for agent in agents.all()),
    }
    return call.exposed(Bean("hudson.model.OverallLoadStatistics", fields), format)
