"""The Jenkins plugins whose work is built in. Clients look here for what a server can do, and compare versions:
these are about the ones of 2025.
"""

from __future__ import annotations

from typing import Any

from sandbox.ci.server.exposed import Bean

PLUGINS = {
    "ansicolor": ("1.0.6", "AnsiColor"),
    "cloudbees-folder": ("6.1012.v79a_86a_1ea_c1f", "Folders Plugin"),
    "credentials": ("1419.v2337d1ceceef", "Credentials Plugin"),
    "credentials-binding": ("687.v619cb_15e923f", "Credentials Binding Plugin"),
    "generic-webhook-trigger": ("2.4.1", "Generic Webhook Trigger Plugin"),
    "git": ("5.7.0", "Git plugin"),
    "github": ("1.43.0", "GitHub plugin"),
    "htmlpublisher": ("427", "HTML Publisher plugin"),
    "http_request": ("1.20", "HTTP Request Plugin"),
    "junit": ("1335.v6b_a_a_e18534e1", "JUnit Plugin"),
    "lockable-resources": ("1408.va_230d1b_43a_a_0", "Lockable Resources plugin"),
    "mailer": ("525.v2458b_d8a_1a_71", "Mailer Plugin"),
    "email-ext": ("1876.v28d8d38315b_d", "Email Extension Plugin"),
    "next-build-number": ("1.9", "Next Build Number Plugin"),
    "pipeline-input-step": ("517.vf8e782ee645c", "Pipeline: Input Step"),
    "pipeline-milestone-step": ("138.v78ca_76831a_43", "Pipeline: Milestone Step"),
    "pipeline-model-definition": ("2.2265.v140e610fe9d5", "Pipeline: Declarative"),
    "pipeline-rest-api": ("2.38", "Pipeline: REST API Plugin"),
    "pipeline-utility-steps": ("2.19.0", "Pipeline Utility Steps"),
    "plain-credentials": ("195.vb_906e9073dee", "Plain Credentials Plugin"),
    "prometheus": ("819.v50953a_c560dd", "Prometheus metrics plugin"),
    "ssh-credentials": ("361.vb_f6760818e8c", "SSH Credentials Plugin"),
    "timestamper": ("1.29", "Timestamper"),
    "workflow-aggregator": ("608.v67378e9d3db_1", "Pipeline"),
    "workflow-job": ("1540.v295eccc9778f", "Pipeline: Job"),
    "workflow-multibranch": ("806.vb_b_688f609ee9", "Pipeline: Multibranch"),
    "ws-cleanup": ("0.48", "Workspace Cleanup Plugin"),
}


def plugin_list() -> Bean:
    return Bean("hudson.LocalPluginManager", {"plugins": lambda: [plugin(name) for name in PLUGINS]})


def plugin(name: str) -> Bean:
    version, title = PLUGINS[name]
    fields: dict[str, Any] = {
        "active": True,
        "backupVersion": None,
        "bundled": False,
        "deleted": False,
        "dependencies": [],
        "detached": False,
        "downgradable": False,
        "enabled": True,
        "hasUpdate": False,
        "longName": title,
        "minimumJavaVersion": "17",
        "pinned": False,
        "requiredCoreVersion": "2.479.3",
        "shortName": name,
        "supportsDynamicLoad": "MAYBE",
        "url": f"https://plugins.jenkins.io/{name}",
        "version": version,
    }
    return Bean("hudson.PluginWrapper", fields, tuple(fields))
