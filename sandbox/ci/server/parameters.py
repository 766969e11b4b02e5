"""Build parameters as the remote API has them."""

from __future__ import annotations

from typing import Any

from sandbox.ci.model import Parameter

PARAMETERS = {
    "string": ("hudson.model.StringParameter", "StringParameterDefinition"),
    "text": ("hudson.model.TextParameter", "TextParameterDefinition"),
    "booleanParam": ("hudson.model.BooleanParameter", "BooleanParameterDefinition"),
    "choice": ("hudson.model.ChoiceParameter", "ChoiceParameterDefinition"),
    "password": ("hudson.model.PasswordParameter", "PasswordParameterDefinition"),
    "file": ("hudson.model.FileParameter", "FileParameterDefinition"),
    "run": ("hudson.model.RunParameter", "RunParameterDefinition"),
}


def parameter_definition(parameter: Parameter) -> dict[str, Any]:
    prefix, kind = PARAMETERS[parameter.kind]
    value: dict[str, Any] = {"_class": f"{prefix}Value", "name": parameter.name, "value": parameter.default}
    if parameter.kind == "password":
        value.pop("value")
    found: dict[str, Any] = {
        "_class": f"{prefix}Definition",
        "defaultParameterValue": None if parameter.kind == "file" else value,
        "description": parameter.description,
        "name": parameter.name,
        "type": kind,
    }
    if parameter.kind == "choice":
        found["choices"] = list(parameter.choices)
        value["_class"] = "hudson.model.StringParameterValue"
    return found


def parameter_value(name: str, value: Any, kind: str) -> dict[str, Any]:
    if kind in ("password", "file"):
        return {"_class": f"{PARAMETERS[kind][0]}Value", "name": name}
    if isinstance(value, bool):
        return {"_class": "hudson.model.BooleanParameterValue", "name": name, "value": value}
    cls = "hudson.model.TextParameterValue" if kind == "text" else "hudson.model.StringParameterValue"
    return {"_class": cls, "name": name, "value": value}
