"""The names that a declarative pipeline may use besides steps, and what each takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sandbox.ci.pipeline.signatures import Signature, signature
from sandbox.ci.pipeline.steps import registry


def _table(specs: Mapping[str, str]) -> dict[str, Signature]:
    return {name: signature(name, spec) for name, spec in specs.items()}


AGENTS_WITHOUT_ARGUMENTS = ("any", "none")
CONDITIONS_AFTER = (
    "always",
    "changed",
    "fixed",
    "regression",
    "aborted",
    "success",
    "unsuccessful",
    "unstable",
    "failure",
    "notBuilt",
    "cleanup",
)
_CONTAINER = (
    "args:str containerPerStageRoot:bool customWorkspace:str label:str registryCredentialsId:str registryUrl:str"
)
AGENTS = {
    **_table(
        {
            "any": "",
            "docker": f"image:str! alwaysPull:bool {_CONTAINER} reuseNode:bool",
            "dockerfile": f"additionalBuildArgs:str dir:str filename:str {_CONTAINER} reuseNode:bool",
            "label": "label:str! customWorkspace:str retries:int",
            "none": "",
        }
    ),
}
_COMPARED = "pattern:str! comparator:str"
CONDITIONS = _table(
    {
        "allOf": "",
        "anyOf": "",
        "branch": _COMPARED,
        "buildingTag": "",
        "changeRequest": "id:str target:str branch:str fork:str url:str title:str author:str authorDisplayName:str "
        "authorEmail:str comparator:str",
        "changelog": "pattern:str!",
        "changeset": "pattern:str! caseSensitive:bool comparator:str",
        "environment": "name:str! value:str! ignoreCase:bool",
        "equals": "expected! actual!",
        "expression": "",
        "isRestartedRun": "",
        "not": "",
        "tag": _COMPARED,
        "triggeredBy": "cause:str! detail:str",
    }
)
CHILDREN = {"allOf": -1, "anyOf": -1, "not": 1}
JOB_OPTIONS = _table(
    {
        "authorizationMatrix": "permissions:any",
        "buildDiscarder": "strategy!",
        "checkoutToSubdirectory": "subdirectory:str!",
        "copyArtifactPermission": "projectNames:str!",
        "disableConcurrentBuilds": "abortPrevious:bool",
        "disableRestartFromStage": "",
        "disableResume": "",
        "durabilityHint": "hint:str!",
        "githubProjectProperty": "projectUrlStr:str! displayName:str",
        "newContainerPerStage": "",
        "overrideIndexTriggers": "enableTriggers:bool!",
        "parallelsAlwaysFailFast": "",
        "preserveStashes": "buildCount:int",
        "quietPeriod": "quietPeriod:int!",
        "rateLimitBuilds": "throttle!",
        "skipDefaultCheckout": "skip:Boolean!",
        "skipStagesAfterUnstable": "",
        "throttleJobProperty": "categories maxConcurrentPerNode:int maxConcurrentTotal:int throttleEnabled:bool "
        "throttleOption:str limitOneJobWithMatchingParams:bool paramsToUseForLimit:str",
    }
)
WRAPPERS = ("ansiColor", "catchError", "lock", "retry", "timeout", "timestamps", "waitUntil", "warnError",
            "withCredentials", "withEnv", "ws")  # fmt: skip
STAGE_OPTIONS = (*WRAPPERS, "skipDefaultCheckout")
OPTIONS = tuple(sorted((*JOB_OPTIONS, *WRAPPERS)))
TRIGGERS = _table(
    {
        "GenericTrigger": "genericVariables genericRequestVariables genericHeaderVariables regexpFilterText:str "
        "regexpFilterExpression:str causeString:str token:str tokenCredentialId:str printContributedVariables:bool "
        "printPostContent:bool silentResponse:bool overrideQuietPeriod:bool",
        "cron": "spec:str!",
        "githubPush": "",
        "pollSCM": "scmpoll_spec:str! ignorePostCommitHooks:bool",
        "upstream": "upstreamProjects:str! threshold",
    }
)
PARAMETERS = _table(
    {
        "booleanParam": "name:str! defaultValue:bool description:str",
        "choice": "name:str! choices description:str",
        "credentials": "name:str! description:str defaultValue:str credentialType:str required:bool",
        "file": "name:str! description:str",
        "password": "name:str! defaultValueAsSecret description:str",
        "run": "name:str! projectName:str description:str filter",
        "string": "name:str! defaultValue:str description:str trim:bool",
        "text": "name:str! defaultValue:str description:str trim:bool",
    }
)
TOOLS = ("ant", "git", "gradle", "jdk", "jgit", "maven", "nodejs")
OTHERS = _table(
    {
        "logRotator": "daysToKeepStr:str numToKeepStr:str artifactDaysToKeepStr:str artifactNumToKeepStr:str "
        "removeLastBuild:bool",
        "agent": "",
        "kubernetesAgent": "handleNonKubernetes:bool",
        "nonresumable": "",
        "throttle": "count:int! durationName:str! userBoost:bool",
        "parameters": "parameterDefinitions!",
        "pipelineTriggers": "triggers!",
        "usernamePassword": "usernameVariable:str! passwordVariable:str! credentialsId:str!",
        "usernameColonPassword": "variable:str! credentialsId:str!",
        "sshUserPrivateKey": "keyFileVariable:str! credentialsId:str! usernameVariable:str passphraseVariable:str",
        "scmGit": "branches extensions userRemoteConfigs gitTool:str browser doGenerateSubmoduleConfigurations:bool",
        "modernSCM": "scm!",
        "legacySCM": "scm!",
        "fromScm": "name:str! scm!",
    }
)
SYMBOLS = {**OTHERS, **JOB_OPTIONS, **TRIGGERS, **PARAMETERS}
# Their named arguments differ with where they are used: a parameter, a credential, a build's parameter.
SHARED_SYMBOLS = ("string", "booleanParam", "text", "file", "password", "credentials", "choice", "run")


def of_step(name: str) -> Signature | None:
    """The signature of a step, or of a symbol used as one."""
    return registry.signature(name) or SYMBOLS.get(name)


def of_call(name: str, kind: Mapping[str, Signature] | None = None) -> Signature | None:
    """The signature of a call in options, parameters or triggers, looked up there first, then everywhere."""
    if kind is not None:
        return kind.get(name) or (registry.signature(name) if kind is JOB_OPTIONS else None)
    if name in SHARED_SYMBOLS:
        return None
    return SYMBOLS.get(name) or registry.signature(name)


def sole_parameter(step: str) -> str | None:
    """The name that a step's single unnamed argument has; None for steps with a body, which keep it unnamed."""
    found = of_step(step)
    return found.sole.name if found and found.sole and not found.takes_body else None


def nearest(word: str, names: Iterable[str]) -> str:
    """The known name with the smallest edit distance."""
    return min(names, key=lambda name: _distance(word, name), default="null")


def _distance(a: str, b: str) -> int:
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        above, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            above, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, above + (x != y))
    return row[-1]
