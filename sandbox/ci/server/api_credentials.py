"""The remote API of credentials and their domains: of the system, and of folders."""

from __future__ import annotations

from werkzeug.exceptions import BadRequest, Conflict, NotFound
from werkzeug.wrappers import Response

from sandbox.ci.server import configuration, credentials
from sandbox.ci.server.web import Call, delete, get, post

FORMAT = "api/<any(json,xml,python):format>"
SYSTEM = "/credentials/store/system"
OF_FOLDER = "/<jobs:path>/credentials/store/folder"


@get(f"{SYSTEM}/{FORMAT}", f"{OF_FOLDER}/{FORMAT}")
def credential_store(call: Call, format: str, path: str = "") -> Response:
    return call.exposed(call.accounts.credential_store(path), format)


@get(f"/credentials/{FORMAT}")
def credential_stores(call: Call, format: str) -> Response:
    return call.exposed(call.accounts.credential_stores(), format)


@post(f"{SYSTEM}/createDomain", f"{OF_FOLDER}/createDomain")
def create_domain(call: Call, path: str = "") -> Response:
    config = call.body().decode("utf-8", "replace")
    name = configuration.check_name(configuration.parse_xml(config).findtext("name") or "")
    if name in call.server.store.domains(path):
        raise Conflict(f"There is a domain {name} already")
    call.server.store.put_domain(path, name, config)
    return Response(status=200)


@get(f"{SYSTEM}/domain/<domain>/{FORMAT}", f"{OF_FOLDER}/domain/<domain>/{FORMAT}")
def domain(call: Call, domain: str, format: str, path: str = "") -> Response:
    _domain(call, path, domain)
    return call.exposed(call.accounts.domain(path, domain), format)


@get(f"{SYSTEM}/domain/<domain>/config.xml", f"{OF_FOLDER}/domain/<domain>/config.xml")
def domain_config(call: Call, domain: str, path: str = "") -> Response:
    xml = _domain(call, path, domain)
    tag = "com.cloudbees.plugins.credentials.domains.Domain"
    return Response(xml or f"<{tag}><specifications/></{tag}>", mimetype="application/xml")


@post(f"{SYSTEM}/domain/<domain>/config.xml", f"{OF_FOLDER}/domain/<domain>/config.xml")
def change_domain(call: Call, domain: str, path: str = "") -> Response:
    _domain(call, path, domain)
    config = call.body().decode("utf-8", "replace")
    configuration.parse_xml(config)
    call.server.store.put_domain(path, domain, config)
    return Response(status=200)


@delete(f"{SYSTEM}/domain/<domain>/config.xml", f"{OF_FOLDER}/domain/<domain>/config.xml")
@post(f"{SYSTEM}/domain/<domain>/doDelete", f"{OF_FOLDER}/domain/<domain>/doDelete")
def delete_domain(call: Call, domain: str, path: str = "") -> Response:
    _domain(call, path, domain)
    call.server.store.delete_domain(path, domain)
    return Response(status=200)


@post(f"{SYSTEM}/domain/<domain>/createCredentials", f"{OF_FOLDER}/domain/<domain>/createCredentials")
def create_credentials(call: Call, domain: str, path: str = "") -> Response:
    _domain(call, path, domain)
    xml = call.body().decode("utf-8", "replace")
    credential = credentials.read(xml)
    if credential.id in call.server.store.credentials(path, domain):
        raise Conflict(f"There are credentials {credential.id} already")
    call.server.store.put_credential(path, domain, credential.id, xml)
    return Response(status=200)


CREDENTIAL = "domain/<domain>/credential/<id>"


@get(f"{SYSTEM}/{CREDENTIAL}/{FORMAT}", f"{OF_FOLDER}/{CREDENTIAL}/{FORMAT}")
def credential(call: Call, domain: str, id: str, format: str, path: str = "") -> Response:
    return call.exposed(call.accounts.credential(path, domain, id, _credential(call, path, domain, id)), format)


@get(f"{SYSTEM}/{CREDENTIAL}/config.xml", f"{OF_FOLDER}/{CREDENTIAL}/config.xml")
def credential_config(call: Call, domain: str, id: str, path: str = "") -> Response:
    return Response(credentials.redacted(_credential(call, path, domain, id)), mimetype="application/xml")


@post(f"{SYSTEM}/{CREDENTIAL}/config.xml", f"{OF_FOLDER}/{CREDENTIAL}/config.xml")
def change_credential(call: Call, domain: str, id: str, path: str = "") -> Response:
    old = _credential(call, path, domain, id)
    xml = credentials.merged(call.body(), old)
    if credentials.read(xml).id != id:
        raise BadRequest("The id of credentials cannot be changed")
    call.server.store.put_credential(path, domain, id, xml)
    return Response(status=200)


@delete(f"{SYSTEM}/{CREDENTIAL}/config.xml", f"{OF_FOLDER}/{CREDENTIAL}/config.xml")
@post(f"{SYSTEM}/{CREDENTIAL}/doDelete", f"{OF_FOLDER}/{CREDENTIAL}/doDelete")
def delete_credential(call: Call, domain: str, id: str, path: str = "") -> Response:
    _credential(call, path, domain, id)
    call.server.store.delete_credential(path, domain, id)
    return Response(status=200)


def _domain(call: Call, owner: str, name: str) -> str:
    if owner:
        call.item(owner)
    known = call.server.store.domains(owner)
    if name not in known:
        raise NotFound(f"There is no domain {name}")
    return known[name]


def _credential(call: Call, owner: str, domain: str, id: str) -> str:
    _domain(call, owner, domain)
    known = call.server.store.credentials(owner, domain)
    if id not in known:
        raise NotFound(f"There are no credentials {id}")
    return known[id]
