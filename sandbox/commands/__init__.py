"""One module per verb or noun: parse, one call, print."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from sandbox.catalogue import Catalogue
    from sandbox.model import Event, Settings
    from sandbox.sandbox import Sandbox

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
settings_options = (
    click.argument("services", nargs=-1),
    click.option("--profile", metavar="NAME", help="Set of services [auto]."),
    click.option("--without", metavar="NAMES", help="Services to leave out, separated by commas."),
    click.option("--images", metavar="MODE", help="auto, pull, build or offline [auto]."),
    click.option("--registry", metavar="PREFIX", help="Mirror to pull images from."),
    click.option("--bundle", metavar="FILE", help="Bundle to load images from."),
    click.option("--strict-ports", is_flag=True, default=None, help="Fail when a port is taken."),
    click.option("--timeout", type=int, metavar="SECONDS", help="How long to wait until ready [180]."),
    click.option("--set", "assignments", multiple=True, metavar="NAME=VALUE", help="A variable of a fragment."),
)


class DefaultGroup(click.Group):
    """A group that is a command itself: what does not begin with one of its commands' names is the default's.

    `logs send` is the command send, `logs -- send` the default with the argument send.
    """

    def __init__(self, name: str, default: click.Command, commands: Mapping[str, click.Command]) -> None:
        super().__init__(name, commands=dict(commands))
        self.default = default

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        if args and args[0] in self.commands:
            return super().make_context(info_name, args, parent, **extra)
        return self.default.make_context(info_name, args, parent, **extra)


def with_settings(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the arguments that choose services and settings."""
    for option in reversed(settings_options):
        command = option(command)
    return command


def with_profile(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options that choose a profile and where its images come from."""
    for option in reversed(settings_options[1:5]):
        command = option(command)
    return command


@dataclass
class Call:
    """The global options of one call, and what follows from them."""

    project: str | None
    file: Path | None

    def settings(self, flags: Mapping[str, Any]) -> tuple[Settings, Catalogue]:
        """Everything the user chose, and the catalogue it refers to."""
        from sandbox import catalogue, resources, settings

        chosen = {key: value for key, value in flags.items() if key != "assignments"}

        def read(include: Any) -> Catalogue:
            return catalogue.read(resources.compose_folder(), resources.configs_folder(), include)

        return settings.load(
            self.file, os.environ, {"project": self.project, **chosen}, flags.get("assignments", ()), read
        )

    def project_name(self) -> str:
        """The sandbox's name alone, even where the rest of the settings is broken."""
        from sandbox import settings, yamlfile

        name = self.project or os.environ.get("SANDBOX_PROJECT")
        path = self.file or Path(settings.FILE)
        if not name and path.exists():
            data = yamlfile.read(path).data
            name = data.get("project") if isinstance(data, dict) else None
        option = settings.OPTIONS["project"]
        try:
            return str(option.check(name)) if name else str(option.default)
        except ValueError as error:
            raise click.BadParameter(f"project {error}") from None

    def sandbox(self, say: Callable[[Event], None] | None = None, project: str | None = None) -> Sandbox:
        """The sandbox of this call, at the real engine."""
        from sandbox import output
        from sandbox.engine import ComposeEngine
        from sandbox.sandbox import Sandbox
        from sandbox.workspace import home

        return Sandbox(
            project or self.project_name(),
            home(os.environ),
            ComposeEngine(),
            say or (lambda event: output.talk(event.text or f"{event.subject}: {event.state}")),
        )
