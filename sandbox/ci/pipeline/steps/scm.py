"""Steps that bring sources."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sandbox.ci.groovy.values import Described, Opaque, Remote
from sandbox.ci.groovy.worker import Failure
from sandbox.ci.model import Source
from sandbox.ci.pipeline.line import Line
from sandbox.ci.pipeline.objects import text
from sandbox.ci.pipeline.steps.registry import step
from sandbox.processes import Group

CHANGES_AT_MOST = 1024
NO_REVISION = "Couldn't find any revision to build. Verify the repository and branch configuration for this job."


@step()
def checkout(line: Line, scm: Any, poll: bool = True, changelog: bool = True) -> dict[str, str]:
    """Checks out sources: `scm`, `scmGit(...)` or `[$class: 'GitSCM', ...]`. Gives GIT_COMMIT and the like."""
    if isinstance(scm, Remote):
        return checkout_default(line)
    options = scm.arguments if isinstance(scm, Described) else scm if isinstance(scm, Mapping) else {}
    remotes = options.get("userRemoteConfigs") or [{}]
    remote = remotes[0] if not isinstance(remotes[0], Opaque | Remote) else {}
    branches = options.get("branches") or [{"name": "*/master"}]
    url = text(remote.get("url") or "")
    if not url:
        raise Failure(
            "checkout needs a git repository: userRemoteConfigs: [[url: ...]]", "java.lang.IllegalArgumentException"
        )
    branch = text(branches[0].get("name", "*/master"))
    folder = ""
    for extension in options.get("extensions") or ():
        fields = extension.arguments if isinstance(extension, Described) else extension
        folder = text(fields.get("relativeTargetDir") or folder) if isinstance(fields, Mapping) else folder
    source = Source(url, _plain(branch), "", text(remote.get("credentialsId") or ""))
    return fetch(line, source, folder)


def checkout_default(line: Line, folder: str = "") -> dict[str, str]:
    """Checks out what the Jenkinsfile itself came from."""
    source = line.run.place.source
    if not source.url:
        from sandbox.ci.pipeline.objects import NO_SCM

        raise Failure(NO_SCM)
    return fetch(line, source, folder)


@step()
def git(
    line: Line,
    url: str,
    branch: str = "master",
    credentialsId: str | None = None,
    poll: bool = True,
    changelog: bool = True,
) -> dict[str, str]:
    """Checks out a branch of a git repository."""
    return fetch(line, Source(url, branch, "", credentialsId or ""), "")


def _plain(branch: str) -> str:
    for prefix in ("refs/heads/", "*/", "origin/", "refs/remotes/origin/"):
        branch = branch.removeprefix(prefix)
    return branch


def fetch(line: Line, source: Source, folder: str) -> dict[str, str]:
    """Clones or updates a repository in the current folder, at the source's commit or the head of its branch."""
    target = line.path(folder or ".")
    target.mkdir(parents=True, exist_ok=True)
    with _authenticated(line, source) as env:
        git = _Git(line, target, env)
        if not (target / ".git").exists():
            line.log("Cloning the remote Git repository")
            line.log(f"Cloning repository {source.url}")
            git(f"init {target}", "init", "-q", str(target))
        line.log(f"Fetching upstream changes from {source.url}")
        git.quiet("remote", "remove", "origin")
        git("remote add origin", "remote", "add", "origin", source.url)
        refs = ["+refs/heads/*:refs/remotes/origin/*", "--tags", "--force"]
        git(
            f"fetch --tags --force --progress -- {source.url} +refs/heads/*:refs/remotes/origin/*",
            "fetch",
            "-q",
            "origin",
            *refs,
        )
        wanted = source.commit or git.resolve(source.branch)
        line.log(f"Checking out Revision {wanted} (refs/remotes/origin/{source.branch or 'HEAD'})")
        git(f"checkout -f {wanted}", "checkout", "-q", "-f", wanted)
    message = git.output("log", "-1", "--format=%s", wanted)
    line.log(f'Commit message: "{message}"')
    _note_changes(line, git, source, wanted)
    return {
        "GIT_COMMIT": wanted,
        "GIT_BRANCH": f"origin/{source.branch}" if source.branch else "origin/HEAD",
        "GIT_LOCAL_BRANCH": source.branch,
        "GIT_URL": source.url,
        **_previous(line),
    }


def _previous(line: Line) -> dict[str, str]:
    previous = line.run.place.previous()
    commit = previous.get("commit") if previous else None
    return {"GIT_PREVIOUS_COMMIT": str(commit)} if commit else {}


def _note_changes(line: Line, git: _Git, source: Source, commit: str) -> None:
    previous = line.run.place.previous()
    before = str(previous["commit"]) if previous and previous.get("commit") else ""
    if before and before != commit:
        listed = git.output(
            "log",
            f"-{CHANGES_AT_MOST}",
            "--name-only",
            "--format=%x1e%H%x1f%an%x1f%ae%x1f%ct%x1f%B%x1f",
            f"{before}..{commit}",
        )
        line.run.changes = [_change(entry) for entry in listed.split("\x1e") if entry.strip()]
    line.run.place.changes(
        line.run.changes, Source(source.url, source.branch, commit, source.credentials, source.script_path)
    )


def _change(entry: str) -> dict[str, Any]:
    commit, author, email, when, message, paths = entry.split("\x1f", 5)
    return {
        "id": commit,
        "author": author,
        "email": email,
        "message": message.strip(),
        "timestamp": int(when) * 1000,
        "paths": [path for path in paths.strip().split("\n") if path],
    }


class _Git:
    def __init__(self, line: Line, folder: Path, env: Mapping[str, str]) -> None:
        self.line = line
        self.folder = folder
        self.env = {**line.environment(), **env, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}

    def __call__(self, shown: str, *arguments: str) -> None:
        self.line.log(f" > git {shown} # timeout=10")
        code, output = self._run(*arguments)
        if code:
            command = f"git {shlex.join(arguments)}"
            raise Failure(f'Error fetching remote repo: Command "{command}" returned status code {code}:\n{output}')

    def quiet(self, *arguments: str) -> None:
        self._run(*arguments)

    def output(self, *arguments: str) -> str:
        return self._run(*arguments)[1].strip()

    def resolve(self, branch: str) -> str:
        names = (
            [f"refs/remotes/origin/{branch}", f"refs/tags/{branch}", branch]
            if branch
            else ["refs/remotes/origin/HEAD", "refs/remotes/origin/main", "refs/remotes/origin/master"]
        )
        for name in names:
            code, found = self._run("rev-parse", "--verify", "-q", f"{name}^{{commit}}")
            if code == 0:
                return found.strip()
        raise Failure(
            "Couldn't find any revision to build. Verify the repository and branch configuration for this job."
        )

    def _run(self, *arguments: str) -> tuple[int, str]:
        try:
            group = Group(["git", *arguments], self.folder, self.env)
        except OSError:
            raise Failure("git is not installed on this agent") from None
        self.line.strand.on_interrupt = lambda: group.end(2)
        try:
            output = b"".join(chunk for _, chunk in group.output())
            code = group.code()
        finally:
            self.line.strand.on_interrupt = None
        self.line.strand.check()
        return code, output.decode("utf-8", "replace")


@contextlib.contextmanager
def _authenticated(line: Line, source: Source) -> Iterator[dict[str, str]]:
    """Environment variables that let git use the source's credentials; nothing of them outlives the block."""
    credential = line.run.place.credential(source.credentials) if source.credentials else None
    if credential is None:
        if source.credentials:
            line.log(f'Warning: CredentialId "{source.credentials}" could not be found.')
        yield {}
        return
    line.log(f"using credential {credential.id}")
    line.run.log.masker.add(credential.secret)
    folder = Path(tempfile.mkdtemp(prefix="git-"))
    try:
        secret = folder / "secret"
        secret.touch(0o600)
        secret.write_bytes(credential.secret if credential.secret.endswith(b"\n") else credential.secret + b"\n")
        if credential.kind == "sshUserPrivateKey":
            yield {"GIT_SSH_COMMAND": f"ssh -i {secret} -o StrictHostKeyChecking=accept-new -o BatchMode=yes"}
        else:
            ask = folder / "askpass"
            ask.write_text(f'#!/bin/sh\ncase "$1" in Username*) echo "$GIT_USER";; *) cat {secret};; esac\n')
            os.chmod(ask, 0o700)
            yield {"GIT_ASKPASS": str(ask), "GIT_USER": credential.username or "x"}
    finally:
        shutil.rmtree(folder)
