"""Git: the repositories that the server hosts, and looking into any repository without a workspace."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from sandbox.ci import recipes
from sandbox.ci.model import Credential

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
PATH = re.compile(r"/?git/([^/]+?)(?:\.git)?/?$")
SECONDS = 120
IDENTITY = {
    "GIT_AUTHOR_NAME": "sandbox",
    "GIT_AUTHOR_EMAIL": "sandbox@localhost",
    "GIT_COMMITTER_NAME": "sandbox",
    "GIT_COMMITTER_EMAIL": "sandbox@localhost",
}
# Nobody is there to answer a question; other people's configuration is not ours.
QUIET = {"GIT_TERMINAL_PROMPT": "0", "GIT_CONFIG_NOSYSTEM": "1", "GIT_ASKPASS": "true", "LC_ALL": "C"}
ALLOWED = "file:git:http:https:ssh"  # not ext::, which runs commands


class GitError(Exception):
    """A git command failed; the text is what git said."""


@dataclass(frozen=True)
class Head:
    """A branch and where it stands."""

    branch: str
    commit: str


class Repositories:
    """Bare repositories below `folder`, served at `/git/<name>.git`; and copies of others, to look into them."""

    def __init__(self, folder: Path, cache: Path, hosts: Sequence[str]) -> None:
        self.folder, self.cache = folder, cache
        self._hosts = frozenset(hosts)
        self._locks: dict[Path, threading.Lock] = {}
        self._guard = threading.Lock()
        for each in (folder, cache):
            each.mkdir(parents=True, exist_ok=True)

    def names(self) -> list[str]:
        return sorted(path.stem for path in self.folder.glob("*.git"))

    def path(self, name: str) -> Path:
        """Raises LookupError for what is not hosted here."""
        path = self.folder / f"{name}.git"
        if not NAME.fullmatch(name) or not path.is_dir():
            raise LookupError(name)
        return path

    def create(self, name: str) -> Path:
        """An empty bare repository, or the one of this name. Raises ValueError for a name that is none."""
        if not NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name for a repository: letters, digits, dot, dash and underscore")
        path = self.folder / f"{name}.git"
        if not path.is_dir():
            git("init", "--quiet", "--bare", "--initial-branch=main", str(path))
            git("-C", str(path), "config", "http.receivepack", "true")
            git("-C", str(path), "config", "receive.denyCurrentBranch", "ignore")
        return path

    def settle_head(self, name: str) -> None:
        """Whoever clones gets HEAD: if there is no such branch (yet, or any more), it is the first that is there."""
        path = self.path(name)
        heads = self.heads(str(path))
        if heads and not _rev(path, "HEAD"):
            git("-C", str(path), "symbolic-ref", "HEAD", f"refs/heads/{heads[0].branch}")

    def seed(self, name: str, content: Path) -> None:
        """Creates a repository whose first commit is a folder's files."""
        bare = self.create(name)
        with tempfile.TemporaryDirectory() as folder:
            tree = Path(folder) / "tree"
            shutil.copytree(content, tree)
            work = ("--git-dir", str(bare), "--work-tree", str(tree))
            git(*work, "add", "--all", env=IDENTITY)
            git(*work, "commit", "--quiet", "--message", f"Start of {name}", env=IDENTITY)
        (bare / "index").unlink(missing_ok=True)

    def hosted(self, url: str) -> str | None:
        """The name of the hosted repository that a URL or a bare path such as `git/web.git` means."""
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.netloc.rpartition("@")[2] not in self._hosts:
            return None
        if parts.scheme not in ("", "http", "https"):
            return None
        match = PATH.fullmatch(parts.path)
        if parts.scheme == "" and not match and NAME.fullmatch(url):
            match = PATH.fullmatch(f"git/{url}")
        if match and (self.folder / f"{match[1]}.git").is_dir():
            return match[1]
        return None

    def hosted_folder(self, path: str) -> str | None:
        """The name of the hosted repository that lies at a path."""
        found = Path(path)
        return found.stem if found.parent == self.folder and found.suffix == ".git" else None

    def reachable(self, url: str) -> str:
        """What git is to be given: a hosted repository's folder, else the URL itself."""
        name = self.hosted(url)
        return str(self.path(name)) if name else url

    def heads(self, url: str, credential: Credential | None = None) -> list[Head]:
        """Branches and their commits. Raises GitError."""
        with login(credential) as environ:
            text = git("ls-remote", "--heads", "--", self.reachable(url), env=environ)
        lines = (line.partition("\t") for line in text.splitlines())
        return [Head(ref.removeprefix("refs/heads/"), commit) for commit, _, ref in lines]

    def resolve(self, url: str, branch: str, credential: Credential | None = None) -> Head:
        """Where a branch, tag or commit stands; "" and "**" mean the default branch. Raises GitError."""
        copy = self._copy(url, credential)
        for name in (branch,) if branch.strip("*") else ("HEAD", "refs/heads/main", "refs/heads/master"):
            for reference in (f"refs/heads/{name}", f"refs/tags/{name}", name):
                commit = _rev(copy, reference)
                if commit:
                    return Head(_short(copy, name), commit)
        heads = git("-C", str(copy), "for-each-ref", "--format=%(refname:short)", "refs/heads").split()
        there = ", ".join(heads[:10]) or "none"
        raise GitError(f"Couldn't find any revision to build: no branch, tag or commit {branch!r}; branches: {there}")

    def file(self, url: str, commit: str, path: str) -> str | None:
        """A file's text at a commit; None if it is not there. `resolve` must have been called for the URL."""
        copy = self.where(url)
        if path.startswith(("/", "-")) or ".." in path.split("/"):
            return None
        done = _run(["-C", str(copy), "cat-file", "blob", f"{commit}:{path}"], {})
        return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None

    def recipe(self, url: str, commit: str, path: str) -> str:
        """The path of what is built: a repository without a Jenkinsfile may have a buildspec or the like instead."""
        candidates = (path, *(recipes.OTHERS if path == "Jenkinsfile" else ()))
        return next((each for each in candidates if self.file(url, commit, each) is not None), path)

    def where(self, url: str) -> Path:
        """The bare repository that holds what is known of a URL."""
        name = self.hosted(url)
        return self.path(name) if name else self.cache / hashlib.sha256(url.encode()).hexdigest()[:24]

    def _copy(self, url: str, credential: Credential | None) -> Path:
        path = self.where(url)
        if self.hosted(url):
            return path
        with self._guard:
            lock = self._locks.setdefault(path, threading.Lock())
        with lock, login(credential) as environ:
            if not path.is_dir():
                git("init", "--quiet", "--bare", str(path))
            specs = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*", "+HEAD:refs/remote/HEAD")
            git("-C", str(path), "fetch", "--quiet", "--prune", "--", url, *specs, env=environ)
            head = _rev(path, "refs/remote/HEAD")
            for each in git(
                "-C", str(path), "for-each-ref", "--format=%(objectname) %(refname)", "refs/heads"
            ).splitlines():
                commit, _, reference = each.partition(" ")
                if commit == head:
                    git("-C", str(path), "symbolic-ref", "HEAD", reference)
                    break
        return path


class login:
    """Git's environment for a credential; the secret is in a file that only lives as long."""

    def __init__(self, credential: Credential | None) -> None:
        self._credential = credential
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> dict[str, str]:
        if self._credential is None:
            return {}
        self._folder = tempfile.TemporaryDirectory()
        folder = Path(self._folder.name)
        if self._credential.kind == "sshUserPrivateKey":
            key = folder / "key"
            key.touch(mode=0o600)
            key.write_bytes(self._credential.secret.rstrip() + b"\n")
            options = "-o BatchMode=yes -o StrictHostKeyChecking=accept-new"
            return {"GIT_SSH_COMMAND": f"ssh -i {key} {options} -o UserKnownHostsFile={folder / 'known'}"}
        for name, value in (("user", self._credential.username.encode()), ("word", self._credential.secret)):
            (folder / name).touch(mode=0o600)
            (folder / name).write_bytes(value)
        script = folder / "ask"
        script.touch(mode=0o700)
        script.write_text(f'#!/bin/sh\ncase "$1" in Username*) cat {folder}/user;; *) cat {folder}/word;; esac\n')
        return {"GIT_ASKPASS": str(script)}

    def __exit__(self, *error: object) -> None:
        if self._folder:
            self._folder.cleanup()


def git(*arguments: str, env: Mapping[str, str] | None = None) -> str:
    """Runs git; its output. Raises GitError."""
    done = _run(arguments, env or {})
    if done.returncode:
        raise GitError(done.stderr.decode("utf-8", "replace").strip() or f"git ended with {done.returncode}")
    return done.stdout.decode("utf-8", "replace")


def archive(repository: Path, commit: str) -> bytes:
    """The files of a commit, as tar. Raises GitError."""
    done = _run(["-C", str(repository), "archive", "--format=tar", commit], {})
    if done.returncode:
        raise GitError(done.stderr.decode("utf-8", "replace").strip())
    return done.stdout


def _run(arguments: Sequence[str], env: Mapping[str, str]) -> subprocess.CompletedProcess[bytes]:
    environ = {**os.environ, **QUIET, "GIT_ALLOW_PROTOCOL": ALLOWED, **env}
    try:
        return subprocess.run(
            ["git", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS,
            check=False,
            env=environ,
        )
    except FileNotFoundError:
        raise GitError("git is not installed") from None
    except subprocess.TimeoutExpired:
        raise GitError(f"git took longer than {SECONDS} s") from None


def _rev(repository: Path, reference: str) -> str:
    if reference.startswith("-"):
        return ""
    done = _run(["-C", str(repository), "rev-parse", "--quiet", "--verify", f"{reference}^{{commit}}"], {})
    return done.stdout.decode().strip() if done.returncode == 0 else ""


def _short(repository: Path, name: str) -> str:
    if name != "HEAD":
        return name.removeprefix("refs/heads/")
    return git("-C", str(repository), "symbolic-ref", "--short", "HEAD").strip()


class Backend:
    """One request to git's own http-backend, as CGI."""

    def __init__(self, root: Path, environ: Mapping[str, Any], user: str) -> None:
        self._environ = {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "GIT_PROJECT_ROOT": str(root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_NOSYSTEM": "1",
            # The repositories may belong to the user of an earlier container.
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "safe.directory",
            "GIT_CONFIG_VALUE_0": "*",
            "PATH_INFO": environ["PATH_INFO"].removeprefix("/git"),
            "QUERY_STRING": environ.get("QUERY_STRING", ""),
            "REQUEST_METHOD": environ["REQUEST_METHOD"],
            "CONTENT_TYPE": environ.get("CONTENT_TYPE", ""),
            "CONTENT_LENGTH": environ.get("CONTENT_LENGTH", ""),
            "HTTP_CONTENT_ENCODING": environ.get("HTTP_CONTENT_ENCODING", ""),
            "GIT_PROTOCOL": environ.get("HTTP_GIT_PROTOCOL", ""),
            "REMOTE_ADDR": environ.get("REMOTE_ADDR", ""),
            "REMOTE_USER": user,
        }

    def answer(self, body: IO[bytes]) -> tuple[int, dict[str, str], Iterator[bytes]]:
        """Status, headers and the streamed answer. The program is killed if the client leaves."""
        # The body goes through a file: reading our pipe and feeding git's cannot then wait for each other.
        with tempfile.TemporaryFile() as spool:
            shutil.copyfileobj(body, spool)
            spool.seek(0)
            process = subprocess.Popen(
                ["git", "http-backend"],
                stdin=spool,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=self._environ,
            )
        assert process.stdout
        status, headers = 200, {}
        for line in iter(process.stdout.readline, b""):
            name, _, value = line.decode("latin-1").strip().partition(": ")
            if not name:
                break
            if name == "Status":
                status = int(value.split()[0])
            else:
                headers[name] = value
        return status, headers, _drain(process)


def _drain(process: subprocess.Popen[bytes]) -> Iterator[bytes]:
    assert process.stdout
    try:
        while chunk := process.stdout.read1(65536):  # type: ignore[attr-defined]
            yield chunk
        process.wait()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
