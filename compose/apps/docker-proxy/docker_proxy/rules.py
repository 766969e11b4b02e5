"""What may be asked of the engine. A request is made anew from what is known to be harmless; the rest is refused.

Nothing is passed over in silence: a field that is set and not allowed is named in the refusal.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LABEL = "sandbox.agent"
PART = r"[A-Za-z0-9_][\w.-]*"
NAME = re.compile(rf"{PART}(:\d+(?=/))?(/{PART})*(:{PART})?(@sha256:[0-9a-f]{{64}})?")
WORKSPACES = re.compile(r"workspace(@\d+)?/.+")
PIDS = 512

TEXTS = {"Image": str, "User": str, "WorkingDir": str, "StopSignal": str, "Hostname": str}
FLAGS = {"Tty": bool, "AttachStdin": bool, "AttachStdout": bool, "AttachStderr": bool, "OpenStdin": bool}
CONTAINER = {**TEXTS, **FLAGS, "StdinOnce": bool, "Env": list, "Cmd": list, "Entrypoint": list, "Labels": dict}
HOST = {"AutoRemove": bool, "Init": bool, "ReadonlyRootfs": bool}
EXEC = {**FLAGS, "User": str, "WorkingDir": str, "Env": list, "Cmd": list, "DetachKeys": str}
BUILD = ("dockerfile", "buildargs", "target", "platform", "nocache", "pull", "q", "version")


class Refused(Exception):
    """The text says what is refused, for whoever wrote the Jenkinsfile."""


@dataclass(frozen=True)
class Limits:
    """What agents get. `home` is where the CI service has its `volume`; `memory` is in bytes."""

    project: str
    volume: str
    home: str
    network: str
    memory: int
    user: str = "1000:1000"

    @property
    def labels(self) -> dict[str, str]:
        return {"sandbox.project": self.project, "sandbox.service": "docker-proxy", LABEL: self.project}


def container(body: Mapping[str, Any], limits: Limits) -> dict[str, Any]:
    """The body of /containers/create as the engine gets it."""
    host = body.get("HostConfig") or {}
    if not isinstance(host, dict):
        raise Refused("a HostConfig that is no object")
    if body.get("ExposedPorts") or host.get("PortBindings") or host.get("PublishAllPorts"):
        raise Refused("a published port (-p)")
    made = _allowed(body, CONTAINER, {"HostConfig", "NetworkingConfig", "OnBuild", "Volumes", "ExposedPorts"})
    if not image_name(str(made.get("Image", ""))):
        raise Refused("a container of no image")
    made["User"] = _user(made.get("User"), limits)
    labels = made.get("Labels", {})
    if reserved := [name for name in labels if name.startswith(("sandbox.", "com.docker."))]:
        raise Refused(f"the label {reserved[0]}: it says whose a container is")
    made["Labels"] = {**labels, **limits.labels}
    networks = (body.get("NetworkingConfig") or {}).get("EndpointsConfig") or {}
    if set(networks) - {"default"} or host.get("NetworkMode", "") not in ("", "default"):
        raise Refused("a network (--network): agents have one of their own")
    for key in ("Volumes", "OnBuild"):
        if body.get(key):
            raise Refused(f"{key}: only the workspace is mounted")
    memory = host.get("Memory") or limits.memory
    if not isinstance(memory, int) or not 0 < memory <= limits.memory:
        raise Refused(f"more memory (--memory) than {limits.memory // 1024**2} MB")
    made["HostConfig"] = {
        **_allowed(host, HOST, {"Binds", "NetworkMode", "Memory", "ConsoleSize", "CgroupnsMode"}, "HostConfig."),
        "Mounts": [_workspace(bind, limits) for bind in host.get("Binds") or ()],
        "NetworkMode": limits.network,
        "Memory": memory,
        "MemorySwap": memory,
        "PidsLimit": PIDS,
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges:true"],
        "LogConfig": {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "2"}},
    }
    return made


def execution(body: Mapping[str, Any], limits: Limits) -> dict[str, Any]:
    """The body of /containers/<id>/exec as the engine gets it."""
    made = _allowed(body, EXEC, set())
    if made.get("User"):
        made["User"] = _user(made["User"], limits)
    return made


def build(query: Mapping[str, list[str]], limits: Limits) -> dict[str, list[str]]:
    """The query of /build as the engine gets it. Steps of a Dockerfile run as root, as they do everywhere, but with
    an agent's memory and network."""
    made = {key: values for key, values in query.items() if key in BUILD}
    names = query.get("t", [])
    if not names or not all(map(image_name, names)):
        raise Refused("an image without a name (-t)")
    if reserved := [name for name in names if name.startswith("sandbox/")]:
        raise Refused(f"the name {reserved[0]}: images called sandbox/… are those that the sandbox itself builds")
    network = query.get("networkmode", [""])[0]
    if network not in ("", "default"):
        raise Refused("a network (--network): builds have that of the agents")
    if query.get("version", ["1"]) != ["1"]:
        raise Refused("a build by BuildKit: set DOCKER_BUILDKIT=0")
    for key in query.keys() - set(BUILD) - {"t", "networkmode", "rm", "forcerm"}:
        if any(value not in ("", "0", "null", "{}", "[]") for value in query[key]):
            raise Refused(f"{key} of a build")
    return {
        **made,
        "t": names,
        "networkmode": [limits.network],
        "labels": [json.dumps(limits.labels)],
        "memory": [str(limits.memory)],
        "memswap": [str(limits.memory)],
        "rm": ["1"],
        "forcerm": ["1"],
    }


def pull(query: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """The query of /images/create as the engine gets it: a pull, never an import."""
    if query.keys() - {"fromImage", "tag", "platform"} or not image_name(query.get("fromImage", [""])[0]):
        raise Refused("anything but a pull")
    return dict(query)


def image_name(name: str) -> bool:
    return bool(NAME.fullmatch(name)) and len(name) < 256


def _allowed(body: Mapping[str, Any], known: Mapping[str, type], handled: set[str], prefix: str = "") -> dict[str, Any]:
    made = {}
    for key, value in body.items():
        if key in known and value is not None:
            if not isinstance(value, known[key]):
                raise Refused(f"{prefix}{key} of another type than {known[key].__name__}")
            made[key] = value
        elif key not in handled and not _empty(key, value):
            raise Refused(f"{prefix}{key} = {json.dumps(value)[:100]}")
    return made


def _empty(key: str, value: Any) -> bool:
    """Whether Docker's client sends this when nothing was asked for."""
    match key:
        case "MaskedPaths" | "ReadonlyPaths":
            return value is None  # an empty list lays them open
        case "MemorySwappiness":
            return value in (None, 0, -1)
        case "RestartPolicy" | "LogConfig" if isinstance(value, dict):
            return all(not each or each == "no" for each in value.values())
    return not value


def _user(value: Any, limits: Limits) -> str:
    user = str(value or "") or limits.user
    name, _, group = user.partition(":")
    if name in ("0", "root") or group in ("0", "root"):
        raise Refused(f"the user {user}: agents do not run as root")
    if not re.fullmatch(r"[1-9]\d*", name) or not re.fullmatch(r"([1-9]\d*)?", group):
        raise Refused(f"the user {user}: only a number tells that it is not root")
    return user


def _workspace(bind: Any, limits: Limits) -> dict[str, Any]:
    """A folder below a workspace, which to the engine is a part of the CI service's volume."""
    source, _, rest = str(bind).partition(":")
    target, _, options = rest.partition(":")
    inner = source.removeprefix(f"{limits.home}/")
    inside = source.startswith(f"{limits.home}/") and WORKSPACES.fullmatch(inner)
    if not inside or source != target or posixpath.normpath(source) != source or options not in ("", "rw", "ro"):
        raise Refused(f"the mount {bind}: only a build's own workspace can be mounted, where it is")
    return {
        "Type": "volume",
        "Source": limits.volume,
        "Target": target,
        "ReadOnly": options == "ro",
        "VolumeOptions": {"NoCopy": True, "Subpath": inner},
    }
