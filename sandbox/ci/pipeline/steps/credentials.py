"""Secrets for a while: variables and files that are masked in the log and gone after the block."""

from __future__ import annotations

import contextlib
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sandbox.ci.groovy.values import Described
from sandbox.ci.groovy.worker import Failure
from sandbox.ci.model import Credential
from sandbox.ci.pipeline.line import Body, Line, braces
from sandbox.ci.pipeline.objects import text
from sandbox.ci.pipeline.steps.registry import step

NOT_FOUND = "org.jenkinsci.plugins.credentialsbinding.impl.CredentialNotFoundException"
CLASSES = {
    "StringBinding": "string",
    "FileBinding": "file",
    "UsernamePasswordMultiBinding": "usernamePassword",
    "UsernamePasswordBinding": "usernameColonPassword",
    "SSHUserPrivateKeyBinding": "sshUserPrivateKey",
}
KINDS = {
    "string": ("string", "Secret text"),
    "file": ("file", "Secret file"),
    "usernamePassword": ("usernamePassword", "Username with password"),
    "usernameColonPassword": ("usernamePassword", "Username with password"),
    "sshUserPrivateKey": ("sshUserPrivateKey", "SSH Username with private key"),
}


@step()
def withCredentials(line: Line, bindings: Any, body: Body) -> Any:
    """Binds credentials to variables in the block."""
    with _Bound(line) as bound:
        for binding in bindings if isinstance(bindings, list) else [bindings]:
            symbol, arguments = _binding(binding)
            bound.bind(symbol, arguments)
        bound.told()
        with bound.known():
            return body()


def _binding(value: Any) -> tuple[str, Mapping[str, Any]]:
    if isinstance(value, Described):
        symbol, arguments = value.symbol, value.arguments
    elif isinstance(value, Mapping) and "$class" in value:
        symbol, arguments = CLASSES.get(text(value["$class"]), text(value["$class"])), value
    else:
        raise Failure(
            "withCredentials expects bindings such as string(credentialsId: ..., variable: ...)",
            "java.lang.IllegalArgumentException",
        )
    if symbol not in KINDS:
        raise Failure(f"no such credentials binding: {symbol}", "java.lang.IllegalArgumentException")
    return symbol, arguments


@contextlib.contextmanager
def environment(line: Line, bindings: Sequence[tuple[str, str]]) -> Iterator[None]:
    """`NAME = credentials('id')` of an environment block, with what belongs to the kind: NAME_USR, NAME_PSW."""
    line.log("[Pipeline] withCredentials")
    try:
        with _Bound(line) as bound:
            for name, id in bindings:
                bound.bind_by_kind(name, id)
            bound.told()
            with bound.known(), braces(line):
                yield
    finally:
        line.log("[Pipeline] // withCredentials")


class _Bound:
    """Variables and files of bound credentials; the files vanish at the end."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.variables: dict[str, str] = {}
        self._shown: list[str] = []
        self._folder: Path | None = None

    def __enter__(self) -> _Bound:
        return self

    def __exit__(self, *error: object) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            with contextlib.suppress(OSError):
                self._folder.parent.rmdir()

    def told(self) -> None:
        names = " or ".join(f"${name}" for name in self._shown)
        self.line.log(f"Masking supported pattern matches of {names}")

    @contextlib.contextmanager
    def known(self) -> Iterator[None]:
        """While the variables are there."""
        line = self.line
        with line.with_env(self.variables), line.within(secrets=(*line.scope.secrets, *self._shown)):
            yield

    def bind(self, symbol: str, arguments: Mapping[str, Any]) -> None:
        kind, title = KINDS[symbol]
        found = self._found(text(arguments.get("credentialsId")))
        if found.kind != kind:
            raise Failure(
                f"Credentials '{found.id}' is of type '{KINDS[found.kind][1]}' where '{title}' was expected",
                NOT_FOUND,
            )
        names = {key: text(value) for key, value in arguments.items() if key.lower().endswith("variable")}
        secret = found.secret.decode("utf-8", "replace")
        match symbol:
            case "string":
                self._set(names["variable"], secret)
            case "file":
                self._set(names["variable"], str(self._file(found)))
            case "usernamePassword":
                self._set(names["usernameVariable"], found.username, hidden=False)
                self._set(names["passwordVariable"], secret)
            case "usernameColonPassword":
                self._set(names["variable"], f"{found.username}:{secret}")
            case "sshUserPrivateKey":
                self._set(names["keyFileVariable"], str(self._file(found)), hidden=False)
                if "usernameVariable" in names:
                    self._set(names["usernameVariable"], found.username, hidden=False)
                if "passphraseVariable" in names:
                    self._set(names["passphraseVariable"], found.passphrase)

    def bind_by_kind(self, name: str, id: str) -> None:
        found = self._found(id)
        secret = found.secret.decode("utf-8", "replace")
        match found.kind:
            case "string":
                self._set(name, secret)
            case "file":
                self._set(name, str(self._file(found)))
            case "usernamePassword":
                self._set(name, f"{found.username}:{secret}")
                self._set(f"{name}_USR", found.username, hidden=False)
                self._set(f"{name}_PSW", secret)
            case "sshUserPrivateKey":
                self._set(name, str(self._file(found)), hidden=False)
                self._set(f"{name}_USR", found.username, hidden=False)
                self._set(f"{name}_PSW", found.passphrase)

    def _found(self, id: str) -> Credential:
        found = self.line.run.place.credential(id)
        if found is None:
            raise Failure(f"Could not find credentials entry with ID '{id}'", NOT_FOUND)
        return found

    def _set(self, name: str, value: str, hidden: bool = True) -> None:
        self.variables[name] = value
        if hidden and value:
            self.line.run.log.masker.add(value.encode())
            self._shown.append(name)

    def _file(self, credential: Credential) -> Path:
        if self._folder is None:
            self._folder = Path(f"{self.line.workspace}@tmp") / f"secretFiles-{uuid.uuid4().hex[:8]}"
            self._folder.mkdir(parents=True)
            self._folder.chmod(0o700)
        name = Path(credential.file_name).name or ("ssh-key" if credential.kind == "sshUserPrivateKey" else "secret")
        file = self._folder / name
        file.touch(0o600)
        file.write_bytes(credential.secret)
        self.line.run.log.masker.add(credential.secret)
        return file
