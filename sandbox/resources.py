"""Where the catalogue lies: inside the installed package, or beside it in a checkout."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path


def _folder(name: str) -> Path:
    packaged = Path(str(files("sandbox"))) / f"_{name}"
    if packaged.is_dir():
        return packaged
    return Path(__file__).parent.parent / name


def compose_folder() -> Path:
    """The folder of fragments, image recipes and sample applications."""
    return _folder("compose")


def labs_folder() -> Path:
    """The folder of the workshop's lessons."""
    return _folder("labs")


def configs_folder() -> Path:
    """The folder of the services' configuration files."""
    return _folder("configs")
