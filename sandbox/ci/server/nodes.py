"""Agents as Jenkins' clients describe them: XML and the form of a new node."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import Any

from sandbox.ci.server.agents import Agent
from sandbox.ci.server.configuration import BadConfiguration, parse_xml

MOST_EXECUTORS = 100


def agent(name: str, xml: str) -> Agent:
    """Raises BadConfiguration."""
    root = parse_xml(xml)
    number = (root.findtext("numExecutors") or "1").strip()
    if not number.isdigit() or int(number) > MOST_EXECUTORS:
        raise BadConfiguration(f"numExecutors must be a number from 0 to {MOST_EXECUTORS}")
    return Agent(
        name,
        frozenset((root.findtext("label") or "").split()),
        [None] * int(number),
        root.findtext("description") or "",
        exclusive=(root.findtext("mode") or "").upper() == "EXCLUSIVE",
    )


def from_form(name: str, form: Mapping[str, Any]) -> str:
    """The XML of what the form of a new node says."""
    root = ET.Element("slave")
    fields = {
        "name": name,
        "description": form.get("nodeDescription"),
        "remoteFS": form.get("remoteFS"),
        "numExecutors": form.get("numExecutors", 1),
        "mode": form.get("mode", "NORMAL"),
        "label": form.get("labelString"),
    }
    for tag, value in fields.items():
        ET.SubElement(root, tag).text = "" if value is None else str(value)
    return ET.tostring(root, encoding="unicode")


def to_xml(known: Agent) -> str:
    """For the built-in node, which nobody described."""
    form = {
        "nodeDescription": known.description,
        "numExecutors": len(known.slots),
        "labelString": " ".join(sorted(known.labels)),
    }
    return from_form(known.name, form)
