"""Runs Python Lambda functions as processes beside LocalStack, where there is no Docker to run them in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

from localstack import config
from localstack.services.lambda_.invocation.executor_endpoint import StatusErrorException
from localstack.services.lambda_.invocation.lambda_models import FunctionVersion, InvocationResult
from localstack.services.lambda_.invocation.plugins import RuntimeExecutorPlugin
from localstack.services.lambda_.invocation.runtime_executor import LambdaRuntimeException, RuntimeExecutor

ADDRESS = "127.0.0.1"
FUNCTION_PROCESS = Path(__file__).with_name("function_process.py")


class LocalExecutorPlugin(RuntimeExecutorPlugin):
    name = "local"

    def load(self, *args: object, **kwargs: object) -> type[RuntimeExecutor]:
        return LocalExecutor


class LocalExecutor(RuntimeExecutor):
    """One execution environment: a process that has loaded the function and answers one request at a time."""

    def start(self, env_vars: dict[str, str]) -> None:
        about = self.function_version.config
        code = str(about.code.get_unzipped_code_location())
        layers = [str(layer.code.get_unzipped_code_location() / "python") for layer in about.layers]
        own = {"PATH": os.environ["PATH"], "HOME": "/tmp", "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        given = {name: str(value) for name, value in env_vars.items()}
        self.environment = {**own, **given, "LAMBDA_TASK_ROOT": code, "PYTHONPATH": os.pathsep.join([code, *layers])}
        self.output = tempfile.TemporaryFile("a+b", buffering=0)  # noqa: SIM115 - lives as long as the environment
        self._load()

    def _load(self) -> None:
        """Starts the process and waits until it has imported the handler; LocalStack ends a start that takes long."""
        self.connection, theirs = Pipe()
        self.process = subprocess.Popen(
            # -P keeps our own folder out of the function's imports.
            [sys.executable, "-P", str(FUNCTION_PROCESS), str(theirs.fileno())],
            cwd=self.environment["LAMBDA_TASK_ROOT"],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=self.output,
            stderr=subprocess.STDOUT,
            pass_fds=[theirs.fileno()],
        )
        theirs.close()
        try:
            loaded = json.loads(self.connection.recv_bytes())
        except EOFError:
            raise LambdaRuntimeException(f"the function ended while it was loaded: {self.get_logs()}") from None
        if loaded["is_error"]:
            raise StatusErrorException("the function cannot be loaded", loaded["payload"].encode())

    def invoke(self, payload: dict[str, str]) -> InvocationResult:
        request, version = payload["invoke-id"], self.function_version
        if self.process.poll() is not None:
            self._load()
        began = time.monotonic()
        answer = self._ask(request, {**payload, "seconds": version.config.timeout})
        logs = (
            f"START RequestId: {request} Version: {version.id.qualifier}\n{self.get_logs()}END RequestId: {request}\n"
            f"REPORT RequestId: {request}\tDuration: {1000 * (time.monotonic() - began):.2f} ms\t"
            f"Memory Size: {version.config.memory_size} MB\n"
        )
        self.output.truncate(0)
        return InvocationResult(request, answer["payload"].encode(), answer["is_error"], logs)

    def _ask(self, request: str, question: dict[str, Any]) -> dict[str, Any]:
        try:
            self.connection.send_bytes(json.dumps(question).encode())
            if self.connection.poll(question["seconds"]):
                return json.loads(self.connection.recv_bytes())
        except (EOFError, OSError):
            return _failure("Runtime.ExitError", request, f"Runtime exited with exit status {self.process.wait()}")
        self.stop()
        return _failure("Sandbox.Timedout", request, f"Task timed out after {question['seconds']:.2f} seconds")

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()

    def get_logs(self) -> str:
        """What the function printed during this request."""
        return os.pread(self.output.fileno(), os.fstat(self.output.fileno()).st_size, 0).decode(errors="replace")

    def get_address(self) -> str:
        return ADDRESS

    def get_endpoint_from_executor(self) -> str:
        return ADDRESS

    def get_runtime_endpoint(self) -> str:
        return f"http://{ADDRESS}:{config.GATEWAY_LISTEN[0].port}"

    @classmethod
    def prepare_version(cls, function_version: FunctionVersion) -> None:
        about = function_version.config
        if not str(about.runtime).startswith("python"):
            raise LambdaRuntimeException(f"functions in {about.runtime or 'images'} need Docker: only Python runs here")
        for code in (about.code, *(layer.code for layer in about.layers)):
            code.prepare_for_execution()

    @classmethod
    def cleanup_version(cls, function_version: FunctionVersion) -> None:
        """LocalStack removes the unpacked code itself."""


def _failure(kind: str, request: str, message: str) -> dict[str, Any]:
    payload = json.dumps({"errorType": kind, "errorMessage": f"RequestId: {request} Error: {message}"})
    return {"payload": payload, "is_error": True}
