"""Steps that do what AWS's CodeBuild and CodePipeline do: run a buildspec, deploy to S3."""

from __future__ import annotations

import os
import shlex
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from sandbox.ci import buildspec as specs
from sandbox.ci import emulator
from sandbox.ci.buildspec import Buildspec, Files, Phase
from sandbox.ci.groovy.worker import Failure
from sandbox.ci.pipeline import patterns
from sandbox.ci.pipeline.line import Line
from sandbox.ci.pipeline.steps.files import copy
from sandbox.ci.pipeline.steps.registry import step
from sandbox.ci.pipeline.steps.results import junit
from sandbox.ci.pipeline.steps.shell import run

# What a phase's script does after each command: says which failed, and keeps variables and folder for the next phase.
PRELUDE = """\
. {state}
cd "$(cat {folder})"
trap 'export -p > {state}; pwd > {folder}' EXIT
"""
COMMAND = """\
printf '[Container] %s Running command %s\\n' "$(date '+%Y/%m/%d %H:%M:%S')" {quoted}
printf %s {quoted} > {last}
eval {quoted} || exit
"""


@step()
def codeBuild(line: Line, buildspec: str = "buildspec.yml", bucket: str = "", output: str = "") -> None:
    """Runs a buildspec in the current folder. Its artifacts are kept with the build, in an S3 bucket if one is named,
    and in the folder `output` if given.
    """
    path = line.path(buildspec)
    if not path.is_file():
        raise Failure(f"YAML_FILE_ERROR: {buildspec} is not in {line.folder}")
    spec, problems = specs.read(path.read_text(encoding="utf-8", errors="replace"), Path(buildspec))
    if problems:
        told = "\n".join(f"{buildspec}:{number}: {message}" for number, message in problems)
        raise Failure(f"YAML_FILE_ERROR: {len(problems)} mistakes\n{told}")
    control = Path(f"{line.workspace}@tmp") / f"codebuild-{uuid.uuid4().hex[:8]}"
    control.mkdir(parents=True, mode=0o700)
    try:
        _Build(line, spec, control, bucket, line.path(output) if output else None).run()
    finally:
        for file in control.iterdir():
            file.unlink()
        control.rmdir()


@step()
def s3Deploy(line: Line, bucket: str, key: str = "", files: str = "**/*") -> None:
    """Uploads files of the current folder to a bucket of the sandbox's AWS, below a key if one is given."""
    chosen = list(patterns.files(line.folder, files))
    if not chosen:
        raise Failure(f'No files found that match "{files}"')
    for path in chosen:
        _upload(line, bucket, f"{key.strip('/')}/{path}".lstrip("/"), line.folder / path)


def _upload(line: Line, bucket: str, key: str, file: Path) -> None:
    try:
        emulator.put(line.environment(), bucket, key, file)
    except emulator.AwsError as error:
        raise Failure(f"cannot upload to s3://{bucket}/{key}: {error}") from None
    line.log(f"uploaded s3://{bucket}/{key}")


class _Build:
    """One run of a buildspec. All phases share variables and current folder, as in one shell."""

    def __init__(self, line: Line, spec: Buildspec, control: Path, bucket: str, output: Path | None) -> None:
        self.line, self.spec, self.bucket, self.output = line, spec, bucket, output
        self.source = line.folder
        self.state, self.folder, self.last = control / "state", control / "folder", control / "last"
        self.script = control / "phase"
        self.failed = ""

    def run(self) -> None:
        """Raises Failure, after everything that is to run after a failure, if a phase failed."""
        self._phase("DOWNLOAD_SOURCE", self._prepare)
        reached = not self.failed
        for phase in self.spec.phases if reached else ():
            failed = self._phase(phase.name.upper(), lambda phase=phase: self._commands(phase))
            if failed and not phase.goes_on:
                reached = False
                break
        if reached:
            self._phase("UPLOAD_ARTIFACTS", self._keep)
        if self.failed:
            raise Failure(self.failed)

    def _phase(self, name: str, work: object) -> bool:
        """Runs one phase as a stage; whether it failed."""
        self._say(f"Entering phase {name}")
        problem = ""
        try:
            with self.line.run.node(self.line, "stage", name):
                work()  # type: ignore[operator]
        except Failure as failure:
            if failure.interrupted:
                raise
            problem = failure.message or failure.type
            self.failed = self.failed or problem
        self._say(f"Phase complete: {name} State: {'FAILED' if problem else 'SUCCEEDED'}")
        self._say(f"Phase context status code: {'COMMAND_EXECUTION_ERROR' if problem else ''} Message: {problem}")
        return bool(problem)

    def _prepare(self) -> None:
        given = {**self.spec.variables, **self._from_aws(), **self._of_build()}
        # Whoever starts the build may set the variables of the buildspec, as `--environment-variables-override` does.
        given |= {name: str(value) for name, value in self.line.run.parameters().items() if name in self.spec.variables}
        text = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in given.items())
        self.state.touch(mode=0o600)
        self.state.write_text(text, encoding="utf-8")
        self.folder.write_text(f"{self.source}\n", encoding="utf-8")

    def _from_aws(self) -> dict[str, str]:
        env, found = self.line.environment(), {}
        try:
            for name, place in self.spec.parameters.items():
                found[name] = emulator.parameter(env, place)
            for name, place in self.spec.secrets.items():
                found[name] = emulator.secret(env, place)
        except (emulator.AwsError, KeyError, ValueError) as error:
            raise Failure(f"{name}: {place} cannot be read: {error}") from None
        for value in found.values():
            self.line.run.log.masker.add(value.encode())
        return found

    def _of_build(self) -> dict[str, str]:
        place, env = self.line.run.place, self.line.environment()
        project, region = place.job.replace("/", "-"), env.get("AWS_DEFAULT_REGION", "us-east-1")
        id = f"{project}:{place.number}"
        commit = place.source.commit or env.get("GIT_COMMIT", "")
        return {
            "CODEBUILD_BUILD_ID": id,
            "CODEBUILD_BUILD_ARN": f"arn:aws:codebuild:{region}:000000000000:build/{id}",
            "CODEBUILD_BUILD_NUMBER": str(place.number),
            "CODEBUILD_BUILD_SUCCEEDING": "1",
            "CODEBUILD_BUILD_URL": place.url,
            "CODEBUILD_INITIATOR": "sandbox",
            "CODEBUILD_PROJECT_NAME": project,
            "CODEBUILD_RESOLVED_SOURCE_VERSION": commit,
            "CODEBUILD_SOURCE_VERSION": place.source.branch or commit,
            "CODEBUILD_SOURCE_REPO_URL": place.source.url,
            "CODEBUILD_SRC_DIR": str(self.source),
            "CODEBUILD_START_TIME": str(self.line.run.started),
            "CODEBUILD_LOG_PATH": id,
            "AWS_DEFAULT_REGION": region,
            "AWS_REGION": region,
            "AWS_ENDPOINT_URL": env.get("AWS_ENDPOINT_URL", emulator.INSIDE),
            "AWS_ACCESS_KEY_ID": env.get("AWS_ACCESS_KEY_ID", "test"),
            "AWS_SECRET_ACCESS_KEY": env.get("AWS_SECRET_ACCESS_KEY", "test"),
        }

    def _commands(self, phase: Phase) -> None:
        try:
            self._shell(phase.commands)
        finally:
            if phase.last and not self.line.strand.stopped:
                self._shell(phase.last)

    def _shell(self, commands: Sequence[str]) -> None:
        names = {name: shlex.quote(str(getattr(self, name))) for name in ("state", "folder", "last")}
        succeeding = f"export CODEBUILD_BUILD_SUCCEEDING={0 if self.failed else 1}\n"
        told = [COMMAND.format(quoted=shlex.quote(command.rstrip("\n")), last=names["last"]) for command in commands]
        self.script.write_text("".join([PRELUDE.format(**names), succeeding, *told]), encoding="utf-8")
        code, _ = run(self.line, [os.path.basename(self.spec.shell), str(self.script)], self.source)
        if code:
            command = self.last.read_text(encoding="utf-8") if self.last.exists() else ""
            raise Failure(f"Error while executing command: {command}. Reason: exit status {code}")

    def _keep(self) -> None:
        for report in self.spec.reports:
            self._say(f"Preparing to copy TEST report {report.name}")
            with self.line.within(folder=self.source / report.base):
                # A failed test does not fail a build of CodeBuild: its command does.
                junit(self.line, ",".join(report.files), allowEmptyResults=True, skipMarkingBuildUnstable=True)
        for index, artifact in enumerate(self.spec.artifacts):
            self._artifact(artifact, artifact.name if index else "")

    def _artifact(self, artifact: Files, below: str) -> None:
        base = self.source / artifact.base
        chosen = list(patterns.files(base, ",".join(artifact.files), ",".join(artifact.excludes)))
        self._say(f"Found {len(chosen)} file(s) for {', '.join(artifact.files)}")
        if not chosen:
            raise Failure(f"CLIENT_ERROR: no matching artifact paths found: {', '.join(artifact.files)} in {base}")
        place = self.line.run.place
        for path in chosen:
            kept = str(Path(below) / (Path(path).name if artifact.flat else path))
            copy(base / path, place.folder / "artifacts" / kept)
            place.artifact(kept)
            if self.output:
                copy(base / path, self.output / kept)
            if self.bucket:
                _upload(self.line, self.bucket, f"{place.job}/{place.number}/{kept}", base / path)

    def _say(self, text: str) -> None:
        self.line.log(f"[Container] {datetime.now(UTC):%Y/%m/%d %H:%M:%S} {text}")
