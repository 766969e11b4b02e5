"""Steps that talk to people, to other jobs and to other programs."""

from __future__ import annotations

import base64
import smtplib
import urllib.error
import urllib.parse
import urllib.request
from email.message import EmailMessage
from typing import Any

from sandbox.ci.groovy.values import Described, Remote
from sandbox.ci.groovy.worker import Failure
from sandbox.ci.model import Aborted, Input, Result
from sandbox.ci.pipeline import properties as described
from sandbox.ci.pipeline.line import Line, interruption
from sandbox.ci.pipeline.objects import duration, record, text
from sandbox.ci.pipeline.steps.files import content, put
from sandbox.ci.pipeline.steps.registry import step


@step()
def build(
    line: Line,
    job: str,
    parameters: Any = (),
    wait: bool = True,
    propagate: bool = True,
    quietPeriod: int | None = None,
    waitForStart: bool = False,
) -> Remote | None:
    """Starts another job; waits for its end, and fails as it did, unless told otherwise."""
    values = {}
    for parameter in parameters or ():
        found = described.described(parameter)
        arguments = found.arguments
        values[text(arguments.get("name"))] = arguments.get("value", arguments.get("runId"))
    try:
        with line.waiting():
            outcome = line.run.place.build(job, values, wait and not waitForStart, line.stopped)
    except LookupError as error:
        raise Failure(str(error.args[0])) from None
    if not wait:
        return None
    line.log(f"Starting building: {outcome.job} #{outcome.number}")
    fields = {
        "number": outcome.number,
        "id": str(outcome.number),
        "displayName": f"#{outcome.number}",
        "fullDisplayName": f"{outcome.job} #{outcome.number}",
        "projectName": outcome.job.rsplit("/", 1)[-1],
        "fullProjectName": outcome.job,
        "absoluteUrl": outcome.url,
        "result": outcome.result or None,
        "currentResult": outcome.result or "SUCCESS",
        "duration": outcome.duration,
        "durationString": duration(outcome.duration / 1000),
        "buildVariables": dict(outcome.variables),
        "description": None,
        "changeSets": [],
    }
    if waitForStart:
        return record(line, fields)
    result = Result[outcome.result] if outcome.result in Result.__members__ else Result.FAILURE
    line.log(f"Build {outcome.job} #{outcome.number} completed: {outcome.result}")
    if propagate and result is not Result.SUCCESS:
        if result is Result.UNSTABLE:
            line.worsen(Result.UNSTABLE)
            line.warn(Result.UNSTABLE, f"{outcome.job} #{outcome.number} completed: UNSTABLE")
        else:
            raise interruption(
                f"{outcome.job} #{outcome.number} completed with status {outcome.result} (propagate: false to ignore)",
                result,
            )
    return record(line, fields)


@step()
def input(
    line: Line,
    message: str,
    id: str | None = None,
    ok: str | None = None,
    submitter: str | None = None,
    submitterParameter: str | None = None,
    parameters: Any = (),
    cancel: str | None = None,
) -> Any:
    """Asks a person to go on, perhaps with parameters. Gives their values."""
    asked = tuple(map(described.parameter, parameters or ()))
    name = id or "".join(word.capitalize() for word in message.split() if word.isalnum()) or "Input"
    line.log(message)
    line.log("Input requested" if asked else f"{ok or 'Proceed'} or Abort")
    question = Input(
        name[:1].upper() + name[1:], message, ok or "Proceed", submitter or "", submitterParameter or "", asked
    )
    stage = line.scope.stage_node
    status = stage.status if stage else ""
    if stage:
        stage.status = "PAUSED_PENDING_INPUT"
        line.run.place.node(stage)
    try:
        with line.waiting():
            who, values = line.run.place.ask(question, line.stopped)
    except Aborted as aborted:
        raise interruption(aborted.reason) from None
    finally:
        if stage:
            stage.status = status
            line.run.place.node(stage)
    line.log(f"Approved by {who}")
    answers = {parameter.name: values.get(parameter.name, parameter.default) for parameter in asked}
    if submitterParameter:
        answers[submitterParameter] = who
    if not answers:
        return None
    return next(iter(answers.values())) if len(answers) == 1 else answers


@step()
def properties(line: Line, properties: Any) -> None:
    """Sets properties of the job: parameters, triggers, how many builds to keep."""
    changes: dict[str, Any] = {}
    for value in properties:
        changes |= described.option(value)
    if changes:
        line.run.declare(**changes)


@step()
def mail(
    line: Line,
    subject: str,
    body_: str = "",
    to: str | None = None,
    cc: str | None = None,
    bcc: str | None = None,
    replyTo: str | None = None,
    charset: str | None = None,
    mimeType: str | None = None,
    from_: str | None = None,
) -> None:
    """Sends a mail to the sandbox's inbox."""
    _send(line, subject, body_, to, cc, bcc, replyTo, mimeType, from_)


@step()
def emailext(
    line: Line,
    subject: str = "$DEFAULT_SUBJECT",
    body_: str = "$DEFAULT_CONTENT",
    to: str | None = None,
    from_: str | None = None,
    replyTo: str | None = None,
    mimeType: str | None = None,
    attachLog: bool = False,
    compressLog: bool = False,
    attachmentsPattern: str | None = None,
    recipientProviders: Any = None,
    presendScript: str | None = None,
    postsendScript: str | None = None,
    saveOutput: bool = False,
) -> None:
    """Sends a mail to the sandbox's inbox."""
    run = line.run
    default = f"{run.place.job} - Build # {run.place.number} - {(line.result or Result.SUCCESS).name}!"
    subject = subject.replace("$DEFAULT_SUBJECT", default)
    content = body_.replace(
        "$DEFAULT_CONTENT", f"{default}\n\nCheck console output at {run.place.url} to view the results."
    )
    _send(line, subject, content, to, None, None, replyTo, mimeType, from_)


def _send(
    line: Line,
    subject: str,
    content: str,
    to: str | None,
    cc: str | None,
    bcc: str | None,
    reply: str | None,
    mime: str | None,
    sender: str | None = None,
) -> None:
    receivers = [
        address for field in (to, cc, bcc) if field for address in field.replace(",", " ").replace(";", " ").split()
    ]
    if not receivers:
        line.log("An attempt to send an e-mail to empty list of recipients, ignored.")
        return
    message = EmailMessage()
    message["Subject"], message["To"], message["From"] = subject, to or "", sender or "jenkins@sandbox.localhost"
    if cc:
        message["Cc"] = cc
    if reply:
        message["Reply-To"] = reply
    main, _, sub = (mime or "text/plain").partition("/")
    message.set_content(content, subtype=sub if main == "text" and sub else "plain")
    server = line.environment().get("SMTP_SERVER", "")
    if not server:
        line.log(f"No mail server is configured; not sent: {subject!r} to {', '.join(receivers)}")
        return
    host, _, port = server.partition(":")
    line.log(f"Sending email to: {' '.join(receivers)}")
    try:
        with smtplib.SMTP(host, int(port or 25), timeout=10) as connection:
            connection.send_message(message, to_addrs=receivers)
    except OSError as error:
        raise Failure(f"Could not send the mail to {server}: {error}", "javax.mail.MessagingException") from None


@step()
def httpRequest(
    line: Line,
    url: str,
    httpMode: str = "GET",
    requestBody: str | None = None,
    contentType: str | None = None,
    acceptType: str | None = None,
    customHeaders: Any = (),
    authentication: str | None = None,
    validResponseCodes: str = "100:399",
    validResponseContent: str = "",
    timeout: int = 0,
    consoleLogResponseBody: bool = False,
    outputFile: str | None = None,
    quiet: bool = False,
    ignoreSslErrors: bool = False,
    uploadFile: str | None = None,
    responseHandle: str | None = None,
    wrapAsMultipart: bool = True,
) -> Remote:
    """Makes a request; gives an object with status, content and headers."""
    mode = httpMode.upper()
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise Failure(f"Not an http address: {url}", "java.lang.IllegalStateException")
    headers = _headers(line, contentType, acceptType, customHeaders, authentication)
    data = content(line, uploadFile) if uploadFile else requestBody.encode() if requestBody is not None else None
    if not quiet:
        line.log(f"HttpMethod: {mode}")
        line.log(f"URL: {url}")
        line.log("Sending request to url: " + url)
    request = urllib.request.Request(url, data, headers, method=mode)
    try:
        with urllib.request.urlopen(request, timeout=timeout or 60) as answer:
            status, body, received = answer.status, answer.read(), answer.headers
    except urllib.error.HTTPError as error:
        status, body, received = error.code, error.read(), error.headers
    except OSError as error:
        raise Failure(f"{url}: {error}", "java.lang.IllegalStateException") from None
    answered = body.decode(received.get_content_charset() or "utf-8", "replace")
    if not quiet:
        line.log(f"Response Code: {status}")
    if consoleLogResponseBody:
        line.log(f"Response: \n{answered}")
    if outputFile:
        put(line, outputFile, body)
    if not _valid(status, validResponseCodes):
        raise Failure(f"Fail: Status code {status} is not in the accepted range: {validResponseCodes}")
    if validResponseContent and validResponseContent not in answered:
        raise Failure(f"Fail: Response doesn't contain expected content '{validResponseContent}'")
    all_headers: dict[str, list[str]] = {}
    for name, value in received.items():
        all_headers.setdefault(name, []).append(value)
    return record(line, {"status": status, "content": answered, "headers": all_headers})


TYPES = {
    "APPLICATION_JSON": "application/json",
    "APPLICATION_JSON_UTF8": "application/json; charset=UTF-8",
    "APPLICATION_FORM": "application/x-www-form-urlencoded",
    "APPLICATION_OCTETSTREAM": "application/octet-stream",
    "APPLICATION_XML": "application/xml",
    "APPLICATION_ZIP": "application/zip",
    "TEXT_HTML": "text/html",
    "TEXT_PLAIN": "text/plain",
}


def _headers(
    line: Line, sent: str | None, accepted: str | None, custom: Any, authentication: str | None
) -> dict[str, str]:
    headers = {}
    if sent and sent != "NOT_SET":
        headers["Content-Type"] = TYPES.get(sent, sent)
    if accepted and accepted != "NOT_SET":
        headers["Accept"] = TYPES.get(accepted, accepted)
    for header in custom or ():
        fields = header.arguments if isinstance(header, Described) else header
        headers[text(fields["name"])] = text(fields["value"])
        if fields.get("maskValue"):
            line.run.log.masker.add(text(fields["value"]).encode())
    if authentication:
        found = line.run.place.credential(authentication)
        if found is None:
            raise Failure(f"Authentication '{authentication}' doesn't exist anymore", "java.lang.IllegalStateException")
        token = base64.b64encode(f"{found.username}:".encode() + found.secret).decode()
        headers["Authorization"] = f"Basic {token}"
    return headers


def _valid(status: int, ranges: str) -> bool:
    for part in ranges.split(","):
        low, _, high = part.strip().partition(":")
        if low.isdecimal() and int(low) <= status <= int(high or low):
            return True
    return False


@step()
def validateDeclarativePipeline(line: Line, path: str) -> bool:
    """Whether a file in the workspace is a valid declarative pipeline; its problems are in the log."""
    from sandbox.ci.pipeline.lint import check

    pipelines, problems = check(line.run.worker, content(line, path).decode("utf-8", "replace"))
    for problem in problems:
        line.log(f"{path}: {problem.place.line}: {problem.message}")
    return bool(pipelines) and not problems


@step()
def nodesByLabel(line: Line, label: str, offline: bool = False) -> list[str]:
    """The names of agents that have a label."""
    try:
        with line.waiting(), line.run.place.executor(label, line.stopped) as agent:
            return [agent]
    except LookupError:
        return []
