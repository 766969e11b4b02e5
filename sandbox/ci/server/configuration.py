"""A job's configuration: Jenkins' config.xml, as given by clients, understood as a Definition; and back."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import escape

from sandbox.ci.model import Declared, Parameter, Source
from sandbox.ci.store import FOLDER, FREESTYLE, MULTIBRANCH, PIPELINE

ROOTS = {
    "flow-definition": PIPELINE,
    "project": FREESTYLE,
    "com.cloudbees.hudson.plugins.folder.Folder": FOLDER,
    "org.jenkinsci.plugins.workflow.multibranch.WorkflowMultiBranchProject": MULTIBRANCH,
}
CLASSES = {
    FOLDER: "com.cloudbees.hudson.plugins.folder.Folder",
    MULTIBRANCH: "org.jenkinsci.plugins.workflow.multibranch.WorkflowMultiBranchProject",
    PIPELINE: "org.jenkinsci.plugins.workflow.job.WorkflowJob",
    FREESTYLE: "hudson.model.FreeStyleProject",
}
MODES = {**{cls: kind for kind, cls in CLASSES.items()}, **{kind: kind for kind in CLASSES}}
PARAMETER_TAGS = {
    "hudson.model.StringParameterDefinition": "string",
    "hudson.model.TextParameterDefinition": "text",
    "hudson.model.BooleanParameterDefinition": "booleanParam",
    "hudson.model.ChoiceParameterDefinition": "choice",
    "hudson.model.PasswordParameterDefinition": "password",
    "hudson.model.FileParameterDefinition": "file",
    "hudson.model.RunParameterDefinition": "run",
    "io.jenkins.plugins.file__parameters.StashedFileParameterDefinition": "file",
}
PARAMETER_CLASSES = {kind: tag for tag, kind in reversed(PARAMETER_TAGS.items())}
TRIGGER_TAGS = {
    "hudson.triggers.TimerTrigger": "cron",
    "hudson.triggers.SCMTrigger": "pollSCM",
    "jenkins.triggers.ReverseBuildTrigger": "upstream",
    "com.cloudbees.jenkins.GitHubPushTrigger": "githubPush",
    "org.jenkinsci.plugins.gwt.GenericTrigger": "generic",
}
UNSAFE = re.compile(r"[?*/\\%!@#$^&|<>\[\]:;\x00-\x1f\x7f]")
NAME_BYTES = 200  # leaves room in a file name of 255 bytes for what is put beside it
XML_BYTES = 4 * 1024**2


class BadConfiguration(Exception):
    """The XML or the name cannot be used; the text says why."""


@dataclass(frozen=True)
class Definition:
    """What a configuration means. `source.url` is empty for a pipeline whose text is `script`."""

    kind: str
    description: str = ""
    display_name: str = ""
    disabled: bool = False
    script: str = ""
    source: Source = field(default_factory=Source)
    declared: Declared = field(default_factory=Declared)
    quiet_period: int = 0
    auth_token: str = ""
    generic_token: str = ""
    generic_variables: tuple[tuple[str, str], ...] = ()
    branches: str = "*"  # of a multibranch job: patterns, separated by spaces
    exclude: str = ""


def check_name(name: str) -> str:
    """The name, trimmed. Raises BadConfiguration for one that Jenkins refuses, or that no file could have."""
    name = name.strip()
    if not name:
        raise BadConfiguration("No name is specified")
    if name in (".", "..") or name.startswith("../"):
        raise BadConfiguration(f"“{name}” is not an allowed name")
    if unsafe := UNSAFE.search(name):
        raise BadConfiguration(f"'{unsafe[0]}' is an unsafe character")
    if name.endswith("."):
        raise BadConfiguration("A name cannot end with '.'")
    if len(name.encode()) > NAME_BYTES:
        raise BadConfiguration(f"The name is longer than {NAME_BYTES} bytes")
    return name


def parse_xml(text: str | bytes) -> ET.Element:
    """Raises BadConfiguration. Entities are refused: they can make a short text a huge one."""
    data = text.encode() if isinstance(text, str) else text
    if len(data) > XML_BYTES:
        raise BadConfiguration(f"The XML is longer than {XML_BYTES} bytes")
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise BadConfiguration("A document type is not allowed in the XML")
    # Jenkins writes XML 1.1, which Python's parser does not know; the difference is in control characters only.
    decoded = re.sub(r"^\s*<\?xml[^>]*\?>", "", data.decode("utf-8", "replace").removeprefix("\ufeff")).strip()
    try:
        return ET.fromstring(decoded)
    except ET.ParseError as error:
        raise BadConfiguration(f"The XML cannot be parsed: {error}") from None


def read(xml: str | bytes) -> Definition:
    """What a config.xml means. Raises BadConfiguration."""
    root = parse_xml(xml)
    kind = ROOTS.get(root.tag)
    if kind is None:
        raise BadConfiguration(f"No such item type: {root.tag}; known are {', '.join(ROOTS)}")
    common: dict[str, Any] = {
        "kind": kind,
        "description": root.findtext("description") or "",
        "display_name": root.findtext("displayName") or "",
        "disabled": _true(root.findtext("disabled")),
        "quiet_period": _number(root.findtext("quietPeriod")),
        "auth_token": root.findtext("authToken") or "",
    }
    if kind == FOLDER:
        return Definition(**common)
    if kind == MULTIBRANCH:
        return Definition(**common, **_multibranch(root))
    generic = next(root.iter("org.jenkinsci.plugins.gwt.GenericTrigger"), None)
    if generic is not None:
        common["generic_token"] = generic.findtext("token") or ""
        common["generic_variables"] = tuple(
            (variable.findtext("key") or "", variable.findtext("value") or "")
            for variable in generic.iter("org.jenkinsci.plugins.gwt.GenericVariable")
        )
    declared = Declared(
        tuple(_parameters(root)), tuple(_triggers(root)), _keep_builds(root), concurrent=_concurrent(root, kind)
    )
    if kind == FREESTYLE:
        scm = root.find("scm")
        source = _git(scm) if scm is not None else Source()
        return Definition(**common, declared=declared, script=_freestyle(root, source))
    definition = root.find("definition")
    if definition is None:
        return Definition(**common, declared=declared)
    scm = definition.find("scm")
    source = _git(scm, definition.findtext("scriptPath") or "Jenkinsfile") if scm is not None else Source()
    return Definition(**common, declared=declared, script=definition.findtext("script") or "", source=source)


def write(definition: Definition) -> str:
    """A config.xml that means this Definition, of any kind but freestyle."""
    if definition.kind == FOLDER:
        return _document(CLASSES[FOLDER], _texts(definition))
    if definition.kind == MULTIBRANCH:
        source = (
            '<sources class="jenkins.branch.MultiBranchProject$BranchSourceList"><data><jenkins.branch.BranchSource>'
            '<source class="jenkins.plugins.git.GitSCMSource">'
            f"<remote>{escape(definition.source.url)}</remote>"
            f"<credentialsId>{escape(definition.source.credentials)}</credentialsId><traits>"
            "<jenkins.scm.impl.trait.WildcardSCMHeadFilterTrait>"
            f"<includes>{escape(definition.branches)}</includes><excludes>{escape(definition.exclude)}</excludes>"
            "</jenkins.scm.impl.trait.WildcardSCMHeadFilterTrait></traits></source></jenkins.branch.BranchSource>"
            "</data></sources>"
            '<factory class="org.jenkinsci.plugins.workflow.multibranch.WorkflowBranchProjectFactory">'
            f"<scriptPath>{escape(definition.source.script_path)}</scriptPath></factory>"
        )
        disabled = f"<disabled>{str(definition.disabled).lower()}</disabled>"
        return _document(CLASSES[MULTIBRANCH], _texts(definition) + source + disabled)
    return _document("flow-definition", _texts(definition) + _properties(definition.declared) + _pipeline(definition))


def set_text(xml: str, tag: str, text: str) -> str:
    """The same XML with the text of one child of its root replaced."""
    root = parse_xml(xml)
    element = root.find(tag)
    if element is None:
        element = ET.SubElement(root, tag)
    element.text = text
    return "<?xml version='1.1' encoding='UTF-8'?>\n" + ET.tostring(root, encoding="unicode")


def set_script(xml: str, script: str) -> str:
    """The same XML with another Jenkinsfile in it."""
    root = parse_xml(xml)
    element = root.find("definition/script")
    if element is None:
        definition = root.find("definition")
        if definition is None:
            definition = ET.SubElement(root, "definition")
            definition.set("class", "org.jenkinsci.plugins.workflow.cps.CpsFlowDefinition")
        element = ET.SubElement(definition, "script")
    element.text = script
    return "<?xml version='1.1' encoding='UTF-8'?>\n" + ET.tostring(root, encoding="unicode")


def _document(root: str, content: str) -> str:
    return f"<?xml version='1.1' encoding='UTF-8'?>\n<{root}>{content}</{root}>\n"


def _texts(definition: Definition) -> str:
    text = f"<description>{escape(definition.description)}</description>"
    if definition.display_name:
        text += f"<displayName>{escape(definition.display_name)}</displayName>"
    return text


def _properties(declared: Declared) -> str:
    parts = []
    if declared.parameters:
        inner = "".join(_parameter_xml(parameter) for parameter in declared.parameters)
        parts.append(
            "<hudson.model.ParametersDefinitionProperty><parameterDefinitions>"
            f"{inner}</parameterDefinitions></hudson.model.ParametersDefinitionProperty>"
        )
    if declared.keep_builds:
        parts.append(
            '<jenkins.model.BuildDiscarderProperty><strategy class="hudson.tasks.LogRotator">'
            # Jenkins takes what is missing here for 0, and then throws every build away.
            "<daysToKeep>-1</daysToKeep><artifactDaysToKeep>-1</artifactDaysToKeep>"
            "<artifactNumToKeep>-1</artifactNumToKeep>"
            f"<numToKeep>{declared.keep_builds}</numToKeep></strategy></jenkins.model.BuildDiscarderProperty>"
        )
    if not declared.concurrent:
        parts.append(
            "<org.jenkinsci.plugins.workflow.job.properties.DisableConcurrentBuildsJobProperty/>",
        )
    if declared.triggers:
        tags = {kind: tag for tag, kind in TRIGGER_TAGS.items()}
        inner = "".join(
            f"<{tags[kind]}><{'upstreamProjects' if kind == 'upstream' else 'spec'}>{escape(spec)}"
            f"</{'upstreamProjects' if kind == 'upstream' else 'spec'}></{tags[kind]}>"
            for kind, spec in declared.triggers
            if kind in tags
        )
        parts.append(
            "<org.jenkinsci.plugins.workflow.job.properties.PipelineTriggersJobProperty><triggers>"
            f"{inner}</triggers></org.jenkinsci.plugins.workflow.job.properties.PipelineTriggersJobProperty>"
        )
    return f"<properties>{''.join(parts)}</properties>"


def _parameter_xml(parameter: Parameter) -> str:
    tag = PARAMETER_CLASSES[parameter.kind]
    text = f"<name>{escape(parameter.name)}</name><description>{escape(parameter.description)}</description>"
    if parameter.kind == "choice":
        choices = "".join(f"<string>{escape(choice)}</string>" for choice in parameter.choices)
        text += f'<choices class="java.util.Arrays$ArrayList"><a class="string-array">{choices}</a></choices>'
    elif parameter.kind == "booleanParam":
        text += f"<defaultValue>{'true' if parameter.default else 'false'}</defaultValue>"
    elif parameter.kind not in ("file", "password"):
        text += f"<defaultValue>{escape(str(parameter.default))}</defaultValue>"
    return f"<{tag}>{text}</{tag}>"


def _pipeline(definition: Definition) -> str:
    disabled = f"<disabled>{str(definition.disabled).lower()}</disabled>"
    if not definition.source.url:
        return (
            '<definition class="org.jenkinsci.plugins.workflow.cps.CpsFlowDefinition">'
            f"<script>{escape(definition.script)}</script><sandbox>true</sandbox></definition>{disabled}"
        )
    source = definition.source
    return (
        '<definition class="org.jenkinsci.plugins.workflow.cps.CpsScmFlowDefinition">'
        '<scm class="hudson.plugins.git.GitSCM"><configVersion>2</configVersion>'
        "<userRemoteConfigs><hudson.plugins.git.UserRemoteConfig>"
        f"<url>{escape(source.url)}</url><credentialsId>{escape(source.credentials)}</credentialsId>"
        "</hudson.plugins.git.UserRemoteConfig></userRemoteConfigs><branches><hudson.plugins.git.BranchSpec>"
        f"<name>{escape(source.branch)}</name></hudson.plugins.git.BranchSpec></branches></scm>"
        f"<scriptPath>{escape(source.script_path)}</scriptPath></definition>{disabled}"
    )


def _true(text: str | None) -> bool:
    return (text or "").strip().lower() == "true"


def _number(text: str | None) -> int:
    return int(text) if text and text.strip().isdigit() else 0


def _git(scm: ET.Element, script_path: str = "Jenkinsfile") -> Source:
    branch = (scm.findtext(".//hudson.plugins.git.BranchSpec/name") or "").strip()
    return Source(
        url=(scm.findtext(".//hudson.plugins.git.UserRemoteConfig/url") or "").strip(),
        branch=re.sub(r"^(refs/heads/|origin/|\*/|\*\*/)", "", branch),
        credentials=scm.findtext(".//hudson.plugins.git.UserRemoteConfig/credentialsId") or "",
        script_path=script_path,
    )


def _multibranch(root: ET.Element) -> dict[str, Any]:
    source = root.find(".//source")
    found = source if source is not None else ET.Element("none")
    return {
        "source": Source(
            url=(found.findtext("remote") or found.findtext("repositoryUrl") or "").strip(),
            credentials=found.findtext("credentialsId") or "",
            script_path=root.findtext("factory/scriptPath") or "Jenkinsfile",
        ),
        "branches": found.findtext(".//includes") or "*",
        "exclude": found.findtext(".//excludes") or "",
    }


def _parameters(root: ET.Element) -> Iterator[Parameter]:
    for definitions in root.iter("parameterDefinitions"):
        for element in definitions:
            kind = PARAMETER_TAGS.get(element.tag)
            name = element.findtext("name")
            if kind and name:
                yield _parameter(element, kind, name)


def _parameter(element: ET.Element, kind: str, name: str) -> Parameter:
    default: Any = element.findtext("defaultValue") or ""
    choices: tuple[str, ...] = ()
    if kind == "choice":
        choices = tuple(string.text or "" for string in element.iter("string"))
        default = choices[0] if choices else ""
    elif kind == "booleanParam":
        default = _true(default)
    return Parameter(name, kind, default, element.findtext("description") or "", choices)


def _triggers(root: ET.Element) -> Iterator[tuple[str, str]]:
    for tag, kind in TRIGGER_TAGS.items():
        for element in root.iter(tag):
            yield kind, (element.findtext("upstreamProjects") or element.findtext("spec") or "").strip()


def _keep_builds(root: ET.Element) -> int:
    # logRotator is where very old configurations have it.
    for path in (".//jenkins.model.BuildDiscarderProperty/strategy/numToKeep", "logRotator/numToKeep"):
        if number := _number(root.findtext(path)):
            return number
    return 0


def _concurrent(root: ET.Element, kind: str) -> bool:
    if kind == FREESTYLE:
        return _true(root.findtext("concurrentBuild"))
    tag = "org.jenkinsci.plugins.workflow.job.properties.DisableConcurrentBuildsJobProperty"
    return next(root.iter(tag), None) is None and root.findtext("concurrentBuild") != "false"


def _freestyle(root: ET.Element, source: Source) -> str:
    """A scripted pipeline that does what a freestyle job's builders and publishers do."""
    steps = [f"sh(script: {groovy_string(text)})" for text in _shell_scripts(root)]
    if source.url:
        given = {"url": source.url, "branch": source.branch or "master", "credentialsId": source.credentials}
        arguments = ", ".join(f"{name}: {groovy_string(value)}" for name, value in given.items() if value)
        steps.insert(0, f"git({arguments})")
    after = [*_archivers(root), *_downstream(root)]
    label = "" if _true(root.findtext("canRoam")) else root.findtext("assignedNode") or ""
    body = _indent(steps) or "    echo 'There is nothing to do: this job has no builders.'"
    if after:
        body = f"    try {{\n{_indent(steps, 2)}\n    }} finally {{\n{_indent(after, 2)}\n    }}"
    return f"node({groovy_string(label)}) {{\n{body}\n}}\n"


def _indent(lines: Iterable[str], depth: int = 1) -> str:
    return "\n".join("    " * depth + line for line in lines)


def groovy_string(text: str) -> str:
    """A Groovy literal that is exactly this text."""
    quoted = text.replace("\\", "\\\\").replace("'", "\\'").replace("\r", "\\r").replace("\n", "\\n")
    return f"'{quoted}'"


def _shell_scripts(root: ET.Element) -> Iterator[str]:
    for builder in root.find("builders") or ():
        if builder.tag == "hudson.tasks.Shell":
            yield builder.findtext("command") or ""


def _archivers(root: ET.Element) -> Iterator[str]:
    for publisher in root.find("publishers") or ():
        if publisher.tag == "hudson.tasks.ArtifactArchiver":
            allow = "true" if _true(publisher.findtext("allowEmptyArchive")) else "false"
            pattern = groovy_string(publisher.findtext("artifacts") or "")
            yield f"archiveArtifacts(artifacts: {pattern}, allowEmptyArchive: {allow})"
        elif publisher.tag == "hudson.tasks.junit.JUnitResultArchiver":
            allow = "true" if _true(publisher.findtext("allowEmptyResults")) else "false"
            pattern = groovy_string(publisher.findtext("testResults") or "")
            yield f"junit(testResults: {pattern}, allowEmptyResults: {allow})"


def _downstream(root: ET.Element) -> Iterator[str]:
    for publisher in root.find("publishers") or ():
        if publisher.tag == "hudson.tasks.BuildTrigger":
            for name in (publisher.findtext("childProjects") or "").split(","):
                if name.strip():
                    call = f"build(job: {groovy_string(name.strip())}, wait: false)"
                    yield f"if (currentBuild.currentResult == 'SUCCESS') {call}"
