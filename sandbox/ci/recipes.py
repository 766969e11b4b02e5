"""What a repository may hold instead of a Jenkinsfile, by file name, as a Jenkinsfile that does it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path
from typing import Any

from sandbox import yamlfile
from sandbox.ci import buildspec

# In a repository without a Jenkinsfile the first of these is built.
OTHERS = ("codepipeline.yml", "codepipeline.json", "buildspec.yml", "buildspec.yaml")
PROVIDERS = {"Source", "CodeBuild", "Manual", "S3"}


class BadRecipe(ValueError):
    """It has mistakes; the text tells them, one a line, each with its place."""


def is_other(path: str) -> bool:
    """Whether a file is one of these, by its suffix."""
    return path.endswith((".yml", ".yaml", ".json"))


def problems(text: str, path: str) -> list[tuple[int, str]]:
    """The mistakes of a buildspec or a pipeline: (line, message)."""
    if is_pipeline(text, path):
        return _pipeline(text, path)[1]
    return buildspec.read(text, Path(path))[1]


def is_pipeline(text: str, path: str) -> bool:
    """Whether it is a pipeline, as `aws codepipeline create-pipeline` takes one, rather than a buildspec."""
    data = yamlfile.parse(Path(path), text).data
    return Path(path).stem == "codepipeline" or (isinstance(data, dict) and ("stages" in data or "pipeline" in data))


def script(text: str, path: str) -> str:
    """The Jenkinsfile. Raises BadRecipe."""
    if not is_other(path):
        return text
    if wrong := problems(text, path):
        raise BadRecipe("\n".join(f"{path}:{line}: {message}" for line, message in wrong))
    if not is_pipeline(text, path):
        return f"node {{\n{CHECKOUT}codeBuild buildspec: {_quoted(path)}\n}}\n"
    stages = _pipeline(text, path)[0]
    return "node {\n" + "".join(_stage(stage) for stage in stages) + "}\n"


CHECKOUT = "checkout scm\n"


def _pipeline(text: str, path: str) -> tuple[list[Mapping[str, Any]], list[tuple[int, str]]]:
    file = yamlfile.parse(Path(path), text)
    if file.problems:
        return [], [(1, problem) for problem in file.problems]
    wrong: list[tuple[int, str]] = []
    root = ("pipeline",) if isinstance(file.data, dict) and "pipeline" in file.data else ()

    def problem(message: str, *keys: str) -> None:
        place = (*root, *keys)
        while place and place not in file.lines:
            place = place[:-1]
        wrong.append((file.lines.get(place, 1), f"{'.'.join(keys)}: {message}"))

    data = file.data["pipeline"] if root else file.data
    stages = data.get("stages") if isinstance(data, dict) else None
    if not isinstance(stages, list) or len(stages) < 2:
        problem("a pipeline has at least two stages", "stages")
        return [], wrong
    made: set[str] = set()
    for number, stage in enumerate(stages):
        place = ("stages", str(number))
        if not isinstance(stage, dict) or not stage.get("name") or not isinstance(stage.get("actions"), list):
            problem("a stage has a name and actions", *place)
            continue
        for index, action in enumerate(stage["actions"]):
            _check_action(
                action, number, made, lambda message, at=(*place, "actions", str(index)): problem(message, *at)
            )
    return stages, wrong


def _check_action(action: Any, stage: int, made: set[str], wrong: Any) -> None:
    if not isinstance(action, dict) or not action.get("name") or not isinstance(action.get("actionTypeId"), dict):
        wrong("an action has a name and an actionTypeId")
        return
    kind = _kind(action)
    if kind not in PROVIDERS:
        wrong(f"{kind} is not supported here; CodeBuild, Manual and S3 are, and any category Source")
    if (kind == "Source") != (stage == 0):
        wrong("the first stage has Source actions, and no other stage has")
    if kind == "S3" and not (action.get("configuration") or {}).get("BucketName"):
        wrong("configuration.BucketName is missing")
    if not str(action.get("runOrder", 1)).isdecimal():
        wrong("runOrder must be a number")
    for artifact in action.get("inputArtifacts") or ():
        if artifact.get("name") not in made:
            wrong(f"nothing before makes the input artifact {artifact.get('name')}")
    made.update(str(artifact.get("name")) for artifact in action.get("outputArtifacts") or ())


def _kind(action: Mapping[str, Any]) -> str:
    kind = action["actionTypeId"]
    return "Source" if kind.get("category") == "Source" else str(kind.get("provider"))


def _stage(stage: Mapping[str, Any]) -> str:
    def order(action: Mapping[str, Any]) -> int:
        return int(action.get("runOrder", 1))

    body = ""
    for _, group in groupby(sorted(stage["actions"], key=order), key=order):
        actions = list(group)
        if len(actions) == 1:
            body += _action(actions[0])
        else:
            branches = [f"{_quoted(str(action['name']))}: {{\n{_action(action)}}}" for action in actions]
            body += "parallel(" + ",\n".join(branches) + ")\n"
    return f"stage({_quoted(str(stage['name']))}) {{\n{body}}}\n"


def _action(action: Mapping[str, Any]) -> str:
    """Artifacts are folders beside the workspace's: what an action made is where the next one works."""
    given = action.get("configuration") or {}
    inputs = [str(artifact["name"]) for artifact in action.get("inputArtifacts") or ()]
    outputs = [str(artifact["name"]) for artifact in action.get("outputArtifacts") or ()]
    match _kind(action):
        case "Source":
            return "".join(f"dir({_quoted(name)}) {{\n{CHECKOUT}}}\n" for name in outputs or ["source"])
        case "Manual":
            text = str(given.get("CustomData") or f"Approve {action['name']}?")
            return f"input message: {_quoted(text)}, ok: 'Approve'\n"
        case "CodeBuild":
            output = f", output: {_quoted('../' + outputs[0])}" if outputs else ""
            spec = _quoted(str(given.get("Buildspec") or "buildspec.yml"))
            work = f"codeBuild buildspec: {spec}{output}\n"
        case _:
            key = _quoted(str(given.get("ObjectKey") or ""))
            work = f"s3Deploy bucket: {_quoted(str(given['BucketName']))}, key: {key}\n"
    return f"dir({_quoted(inputs[0] if inputs else 'source')}) {{\n{work}}}\n"


def _quoted(text: str) -> str:
    """A text as Groovy writes it, with nothing interpolated."""
    return "'" + json.dumps(text, ensure_ascii=True)[1:-1].replace("'", "\\'").replace('\\"', '"') + "'"
