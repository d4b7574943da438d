"""Which version of this program and of its parts is running."""

from __future__ import annotations

import platform
from importlib import metadata

#: Parts worth naming in a bug report.
PARTS = ("apscheduler", "click", "fastapi", "jinja2", "markdown", "sendgrid", "sqlalchemy")


def program_version() -> str:
    """The version of mini-email-course."""
    try:
        return metadata.version("mini-email-course")
    except metadata.PackageNotFoundError:
        return _from_checkout()


def _from_checkout() -> str:
    """Run from a checkout that was never installed: pyproject.toml knows."""
    import tomllib

    from course import paths

    if (folder := paths.checkout()) is None:
        return "unknown"
    with (folder / "pyproject.toml").open("rb") as file:
        return str(tomllib.load(file)["project"]["version"])


def versions() -> dict[str, str]:
    """Name to version: the program, Python, SQLite, the zone data and the main parts."""
    from scheduler import zones

    found = {
        "mini-email-course": program_version(),
        "python": platform.python_version(),
        "sqlite": sqlite_version(),
        "tzdata": zones.version(),
    }
    for name in PARTS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "missing"
    return found


def sqlite_version() -> str:
    """The SQLite library the store would use."""
    try:
        from pysqlite3 import dbapi2 as sqlite
    except ImportError:
        import sqlite3 as sqlite
    return str(sqlite.sqlite_version)
