"""The command line as people meet it: help for every verb, true exit codes, completion."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from sandbox import __version__, errors
from sandbox.cli import COMMANDS, root
from sandbox.commands import Call

WIDTH = 80


def call(*arguments: str) -> Result:
    return CliRunner().invoke(root, arguments, prog_name="sandbox")


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A process of its own, with the checkout's code."""
    command = [sys.executable, *arguments]
    checkout = Path(__file__).parents[2]
    return subprocess.run(command, cwd=checkout, capture_output=True, text=True, timeout=60, check=False)


def verbs() -> Iterator[tuple[str, ...]]:
    """Every command, and every command of a group."""
    context = click.Context(root)
    for name in COMMANDS:
        command = root.get_command(context, name)
        yield (name,)
        if isinstance(command, click.Group):
            yield from ((name, inner) for inner in command.commands)


@pytest.fixture(params=list(verbs()), ids=" ".join)
def verb(request: pytest.FixtureRequest) -> tuple[str, ...]:
    name: tuple[str, ...] = request.param
    return name


def test_help_shows_every_verb_on_one_line() -> None:
    done = call("--help")
    assert done.exit_code == 0
    lines = [line.strip() for line in done.output.splitlines()]
    for name, (_, text) in COMMANDS.items():
        assert any(line.startswith(f"{name} ") and line.endswith(text) for line in lines), name


def test_each_verb_explains_itself(verb: tuple[str, ...]) -> None:
    done = call(*verb, "--help")
    assert done.exit_code == 0
    assert done.output.startswith(f"Usage: sandbox {' '.join(verb)}")
    first = done.output.splitlines()[2].strip()
    assert first[:1].isupper()
    assert first.endswith("."), f"not one line: {first}"
    assert max(map(len, done.output.splitlines())) <= WIDTH
    assert "..." not in done.output.partition("Commands:")[2], "a summary is cut off"


def test_each_option_says_what_it_is_for(verb: tuple[str, ...]) -> None:
    command: click.Command = root
    for name in verb:
        assert isinstance(command, click.Group)
        found = command.get_command(click.Context(command), name)
        assert found is not None
        command = found
    for option in (param for param in command.params if isinstance(param, click.Option)):
        assert option.help, f"{option.opts} has no help"
        assert option.is_flag or option.metavar, f"{option.opts} names no value"


def test_version() -> None:
    done = call("--version")
    assert (done.exit_code, done.output) == (0, f"sandbox, version {__version__}\n")


def test_unknown_command_is_a_usage_error_that_suggests() -> None:
    done = call("statsu")
    assert done.exit_code == 2
    assert 'no command statsu, did you mean "status"?' in done.output
    assert call("--statsu").exit_code == 2


def test_broken_settings_are_a_usage_error_with_file_and_line() -> None:
    Path("sandbox.yml").write_text("project: mine\nprofil: lite\ntimeout: soon\n")
    done = call("config")
    assert done.exit_code == 2
    assert "2 problems in the configuration" in done.output
    assert 'sandbox.yml:2: unknown key profil, did you mean "profile"?' in done.output
    assert "sandbox.yml:3: timeout must be seconds" in done.output


@pytest.mark.parametrize(
    "error",
    [
        errors.SandboxError("it broke", "mend it"),
        errors.UsageError("it broke", "mend it"),
        errors.EngineError("it broke", "mend it"),
        errors.NotReadyError("it broke", "mend it"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_foreseen_errors_become_words_and_codes(error: errors.SandboxError, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(Call, "sandbox", fail)
    done = call("status")
    assert done.exit_code == error.exit_code
    assert done.stderr == "error: it broke\nhint: mend it\n"
    assert done.stdout == ""


def test_exit_codes_are_the_documented_ones() -> None:
    documented: dict[type[errors.SandboxError], int] = {
        errors.SandboxError: 1,
        errors.UsageError: 2,
        errors.ConfigurationError: 2,
        errors.EngineError: 3,
        errors.NotReadyError: 4,
    }
    assert {kind: kind.exit_code for kind in documented} == documented


def test_interrupt_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Call, "sandbox", interrupt)
    done = call("status")
    assert done.exit_code == 130
    assert "`sandbox up` goes on from here" in done.stderr


def test_unforeseen_errors_are_not_swallowed(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Call, "sandbox", fail)
    assert isinstance(call("status").exception, ZeroDivisionError)


def test_engine_that_is_not_there_is_exit_code_3() -> None:
    done = python("-m", "sandbox", "status")
    assert done.returncode == 3
    assert "sandbox doctor" in done.stderr


@pytest.mark.parametrize(
    ("shell", "line"),
    [
        ("bash", "complete -o nosort -F _sandbox_completion sandbox"),
        ("zsh", "compdef _sandbox_completion sandbox"),
        ("fish", "complete --no-files --command sandbox"),
    ],
)
def test_completion_prints_a_script(shell: str, line: str) -> None:
    done = call("completion", shell)
    assert done.exit_code == 0
    assert line in done.stdout
    assert call("completion", "tcsh").exit_code == 2


@pytest.mark.parametrize(
    ("typed", "offered"),
    [("sandbox st", ["status"]), ("sandbox images pr", ["prune"]), ("sandbox up --prof", ["--profile"])],
)
def test_the_shell_completes_what_is_typed(typed: str, offered: list[str]) -> None:
    environ = {"COMP_WORDS": typed, "COMP_CWORD": str(len(typed.split()) - 1), "_SANDBOX_COMPLETE": "zsh_complete"}
    done = CliRunner(env=environ).invoke(root, prog_name="sandbox", complete_var="_SANDBOX_COMPLETE")
    kinds, names, _ = (done.output.splitlines()[index::3] for index in range(3))
    assert names == offered
    assert set(kinds) == {"plain"}


def test_help_loads_no_library_that_only_verbs_need() -> None:
    code = (
        "import sys\nfrom sandbox.cli import root\nroot(['--help'], standalone_mode=False)\n"
        "slow = {'docker', 'python_on_whales', 'requests', 'yaml', 'rich', 'jmespath'} & set(sys.modules)\n"
        "sys.exit(f'loaded: {slow}' if slow else 0)"
    )
    done = python("-c", code)
    assert done.returncode == 0, done.stderr
