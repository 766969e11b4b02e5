"""The root command: global options, lazily loaded verbs, and the one place where errors become words and codes."""

from __future__ import annotations

import logging
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from sandbox import __version__
from sandbox.commands import DefaultGroup
from sandbox.errors import SandboxError, did_you_mean

COMMANDS = {
    "up": ("up", "Bring the sandbox up and wait until it is useful."),
    "down": ("act", "Remove containers and networks; data stays unless --volumes."),
    "status": ("show", "Show the services: state, memory, address, login."),
    "logs": ("logs", "Show what the services print, or send lines (logs send)."),
    "open": ("show", "Open a service in the browser."),
    "url": ("show", "Print a service's address."),
    "env": ("show", 'Print variables for the shell: eval "$(sandbox env)".'),
    "exec": ("act", "Run a command in a service's container."),
    "restart": ("act", "Restart services and wait until they are useful."),
    "reset": ("act", "Fresh data, same services."),
    "snapshot": ("snapshot", "Save, restore, list and delete the data of a sandbox."),
    "demo": ("shop", "Tell the delivery story: a good release and a bad one."),
    "fault": ("shop", "List, inject and clear faults."),
    "traffic": ("shop", "Set how many requests a second the shoppers make."),
    "alerts": ("shop", "Show the alerts that reached the inbox."),
    "scale": ("shop", "Set how many containers a service runs on."),
    "autoscale": ("shop", "Scale a service with its load, until ^C."),
    "terraform": ("shop", "Run Terraform against the sandbox's AWS."),
    "ls": ("show", "List all sandboxes on this computer."),
    "services": ("choose", "List the services there are."),
    "profiles": ("choose", "List the profiles and what is in them."),
    "config": ("choose", "Show every setting, its value and where it came from."),
    "render": ("up", "Write the sandbox's folder without starting anything."),
    "images": ("images", "List, pull, build and prune images."),
    "ci": ("ci", "Check and run Jenkinsfiles."),
    "doctor": ("doctor", "Check this computer; --fix installs and starts Docker."),
    "preflight": ("doctor", "Check this computer before a workshop; one line to send."),
    "bundle": ("bundle", "Save, verify and load images and packages as one file."),
    "serve-images": ("serve", "Serve images and packages to a room of laptops."),
    "lab": ("lab", "Lessons to work through in a running sandbox."),
    "completion": ("choose", "Print the shell completion script."),
}


class Root(click.Group):
    """Loads a verb when it is called, so that `--help` stays quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command = getattr(
            import_module(f"sandbox.commands.{COMMANDS[name][0]}"), name.replace("exec", "exec_").replace("-", "_")
        )
        assert isinstance(command, click.Command)
        return _with_project(command)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS and not args[0].startswith("-"):
            ctx.fail(f"there is no command {args[0]}{did_you_mean(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except SandboxError as error:
            click.echo(f"error: {error.message}", err=True)
            if error.hint:
                click.echo(f"hint: {error.hint}", err=True)
            ctx.exit(error.exit_code)
        except (KeyboardInterrupt, click.Abort):
            click.echo("\ninterrupted: `sandbox up` goes on from here, `sandbox down` cleans up", err=True)
            ctx.exit(130)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(0)


def _with_project(command: click.Command) -> click.Command:
    """People write `sandbox up --project x` as often as `sandbox --project x up`: both work."""

    def remember(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
        if value is not None:
            ctx.obj.project = value

    if isinstance(command, click.Group):
        for inner in (*command.commands.values(), *([command.default] if isinstance(command, DefaultGroup) else [])):
            _with_project(inner)
    elif not any(param.name == "project" for param in command.params):
        help = "Which sandbox; several run side by side."
        command.params.append(
            click.Option(["--project"], metavar="NAME", expose_value=False, callback=remember, help=help)
        )
    return command


@click.group(cls=Root, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-p", "--project", metavar="NAME", help="Which sandbox; several run side by side.")
@click.option(
    "-f", "--file", type=click.Path(path_type=Path), envvar="SANDBOX_FILE", help="Settings file [sandbox.yml]."
)
@click.option("-v", "--verbose", is_flag=True, help="Show each docker command that is run.")
@click.version_option(__version__, prog_name="sandbox")
@click.pass_context
def root(ctx: click.Context, project: str | None, file: Path | None, verbose: bool) -> None:
    """A local DevOps sandbox: AWS, CI, logs, metrics and sample apps on Docker Compose.

    Start with `sandbox up`; `sandbox doctor` helps when it does not.
    """
    from sandbox.commands import Call

    ctx.obj = ctx.obj or Call(project, file)
    if verbose:
        _show_commands()


def _show_commands() -> None:
    class Shown(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            click.echo(f"$ {record.getMessage().removeprefix('Running command: ')}", err=True)

    for name in ("sandbox.commands", "python_on_whales.utils"):
        logging.getLogger(name).addHandler(Shown())
        logging.getLogger(name).setLevel(logging.DEBUG)


def main() -> None:
    """The `sandbox` program."""
    root(prog_name="sandbox")
