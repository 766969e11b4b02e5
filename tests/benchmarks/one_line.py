"""The smallest Click program, which `sandbox --help` is measured against."""

import click


@click.command()
def one_line() -> None:
    """Print one line."""
    click.echo("one line")


one_line()
