"""Finds config, lessons and templates: given, beside the config, in the checkout, bundled.

Refuses to write anywhere, and never lets data lie inside an installed package.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

PACKAGE = Path(__file__).resolve().parent
CONFIG_NAME = "config.yaml"


@dataclass(frozen=True, slots=True)
class ConfigPlace:
    """Which config.yaml is read, and the folder that relative paths and data belong to."""

    file: Path | None
    home: Path
    kind: Literal["given", "folder", "checkout", "bundled", "none"]


def bundled() -> Path | None:
    """The copies inside an installed package; None in a checkout."""
    folder = PACKAGE / "_bundled"
    return folder if (folder / CONFIG_NAME).is_file() else None


def checkout() -> Path | None:
    """The folder this program was checked out to; None when it was installed."""
    folder = PACKAGE.parent
    ours = (folder / CONFIG_NAME).is_file() and (folder / "pyproject.toml").is_file()
    return folder if ours else None


def find_config(given: Path | None, cwd: Path) -> ConfigPlace:
    """The given file, else ./config.yaml, else the checkout's, else the bundled one.

    Data of the bundled config lies under `cwd`. A given file is not looked at here: whoever
    reads it reports that it is missing.
    """
    if given is not None:
        file = given if given.is_absolute() else cwd / given
        if file.is_dir():
            file = file / CONFIG_NAME
        return ConfigPlace(file, file.parent.resolve(), "given")
    if (cwd / CONFIG_NAME).is_file():
        return ConfigPlace(cwd / CONFIG_NAME, cwd.resolve(), "folder")
    if (here := checkout()) is not None:
        return ConfigPlace(here / CONFIG_NAME, here, "checkout")
    if (inside := bundled()) is not None:
        return ConfigPlace(inside / CONFIG_NAME, cwd.resolve(), "bundled")
    return ConfigPlace(None, cwd.resolve(), "none")


def content_folder(value: str, default: str, home: Path) -> Path | None:
    """The folder of lessons or templates; None when it does not exist anywhere.

    A value other than the default is taken at its word; the default is also looked for in the
    checkout and in the package, so that a folder with nothing but a config.yaml works.
    """
    own = (home / value).resolve()
    if own.is_dir():
        return own
    if value != default:
        return None
    for place in (checkout(), bundled()):
        if place is not None and (place / default).is_dir():
            return place / default
    return None


def template_folders(own: Path) -> list[Path]:
    """The operator's folder, then ours for whatever is missing there.

    So a folder that was copied by an older release keeps working with a newer one.
    """
    ours = [place / "templates" for place in (checkout(), bundled()) if place]
    return list(dict.fromkeys([own, *ours]))


def starter() -> Path | None:
    """Where `course init` copies from: a folder with lessons, templates and config.yaml."""
    for place in (checkout(), bundled()):
        if place is not None and (place / "lessons").is_dir() and (place / "templates").is_dir():
            return place
    return None
