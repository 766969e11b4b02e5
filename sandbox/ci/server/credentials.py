"""Credentials, kept as the XML that Jenkins' clients send, understood as the model's Credential."""

from __future__ import annotations

import base64
import binascii
import xml.etree.ElementTree as ET

from sandbox.ci.model import Credential
from sandbox.ci.server.configuration import BadConfiguration, parse_xml

PASSWORD = "com.cloudbees.plugins.credentials.impl.UsernamePasswordCredentialsImpl"
STRING = "org.jenkinsci.plugins.plaincredentials.impl.StringCredentialsImpl"
FILE = "org.jenkinsci.plugins.plaincredentials.impl.FileCredentialsImpl"
SSH = "com.cloudbees.jenkins.plugins.sshcredentials.impl.BasicSSHUserPrivateKey"
KINDS = {PASSWORD: "usernamePassword", STRING: "string", FILE: "file", SSH: "sshUserPrivateKey"}
TYPE_NAMES = {
    PASSWORD: "Username with password",
    STRING: "Secret text",
    FILE: "Secret file",
    SSH: "SSH Username with private key",
}
SECRETS = ("password", "secret", "secretBytes", "privateKey", "passphrase")
REDACTED = "secret-redacted"


def read(xml: str | bytes) -> Credential:
    """Raises BadConfiguration."""
    root = parse_xml(xml)
    kind = KINDS.get(root.tag)
    if kind is None:
        raise BadConfiguration(f"{root.tag} is no kind of credentials that is known here: {', '.join(KINDS)}")
    id = (root.findtext("id") or "").strip()
    if not id or "/" in id or len(id) > 200:
        raise BadConfiguration("Credentials need an id, without slashes and of at most 200 characters")
    return Credential(
        id,
        kind,
        _secret(root, kind),
        username=root.findtext("username") or "",
        file_name=root.findtext("fileName") or "",
        passphrase=root.findtext("passphrase") or "",
        description=root.findtext("description") or "",
    )


def type_name(xml: str) -> str:
    return TYPE_NAMES[parse_xml(xml).tag]


def redacted(xml: str) -> str:
    """The XML to show: without its secrets."""
    root = parse_xml(xml)
    for element in root.iter():
        if element.tag in SECRETS:
            element.text = None
            for child in list(element):
                element.remove(child)
            ET.SubElement(element, REDACTED)
    return ET.tostring(root, encoding="unicode")


def merged(new: str | bytes, old: str) -> str:
    """New XML in which what is redacted keeps its old value."""
    root, before = parse_xml(new), parse_xml(old)
    for element in root.iter():
        if element.tag in SECRETS and element.find(REDACTED) is not None:
            kept = next(before.iter(element.tag), None)
            for child in list(element):
                element.remove(child)
            element.text = kept.text if kept is not None else ""
    return ET.tostring(root, encoding="unicode")


def write(credential: Credential) -> str:
    """XML for credentials that were entered on a page or read from a file."""
    tag = next(tag for tag, kind in KINDS.items() if kind == credential.kind)
    root = ET.Element(tag)
    for name, value in (("scope", "GLOBAL"), ("id", credential.id), ("description", credential.description)):
        ET.SubElement(root, name).text = value
    if credential.kind == "string":
        ET.SubElement(root, "secret").text = credential.secret.decode()
    elif credential.kind == "file":
        ET.SubElement(root, "fileName").text = credential.file_name
        ET.SubElement(root, "secretBytes").text = base64.b64encode(credential.secret).decode()
    else:
        ET.SubElement(root, "username").text = credential.username
        if credential.kind == "usernamePassword":
            ET.SubElement(root, "password").text = credential.secret.decode()
        else:
            ET.SubElement(root, "passphrase").text = credential.passphrase
            source = ET.SubElement(root, "privateKeySource")
            ET.SubElement(source, "privateKey").text = credential.secret.decode()
    return ET.tostring(root, encoding="unicode")


def _secret(root: ET.Element, kind: str) -> bytes:
    if kind == "file":
        try:
            return base64.b64decode(root.findtext("secretBytes") or "", validate=False)
        except binascii.Error:
            raise BadConfiguration("secretBytes is not base64") from None
    path = {"string": "secret", "usernamePassword": "password", "sshUserPrivateKey": ".//privateKey"}[kind]
    return (root.findtext(path) or "").encode()
