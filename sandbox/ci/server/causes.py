"""Why a build was started, as the remote API and the log tell it."""

from __future__ import annotations

from typing import Any

from sandbox.ci.server.addresses import job_path

CAUSE_NAMES = {
    "UserIdCause": "MANUALTRIGGER",
    "TimerTriggerCause": "TIMERTRIGGER",
    "SCMTriggerCause": "SCMTRIGGER",
    "UpstreamCause": "UPSTREAMTRIGGER",
    "RemoteCause": "REMOTECAUSE",
    "BranchIndexingCause": "BRANCHINDEXING",
}


def user_cause(user: str, full_name: str) -> dict[str, Any]:
    return {
        "_class": "hudson.model.Cause$UserIdCause",
        "shortDescription": f"Started by user {full_name}",
        "userId": user,
        "userName": full_name,
    }


def upstream_cause(path: str, number: int, url: str) -> dict[str, Any]:
    return {
        "_class": "hudson.model.Cause$UpstreamCause",
        "shortDescription": f'Started by upstream project "{path}" build number {number}',
        "upstreamBuild": number,
        "upstreamProject": path,
        "upstreamUrl": job_path(path),
    }


def plain_cause(cls: str, text: str) -> dict[str, Any]:
    return {"_class": cls, "shortDescription": text}
