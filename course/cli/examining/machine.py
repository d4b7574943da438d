"""What can be judged without asking anybody: address, time zones, disk, lessons."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from course.cli import table
from course.cli.examining.finding import Result

if TYPE_CHECKING:
    from course.config import Settings

_LITTLE_SPACE = 200 * 1024 * 1024


def address(settings: Settings) -> Result:
    """Can learners open a link that begins with it? Only its looks are judged here."""
    parts = urlsplit(settings.base_url)
    if settings.is_local:
        if settings.delivery == "file":
            return Result("base URL", "ok", f"{settings.base_url} (this machine only)")
        return Result(
            "base URL", "warning", f"{settings.base_url} opens on this machine only",
            "set BASE_URL to the https address learners can reach",
        )  # fmt: skip
    if parts.scheme != "https":
        return Result(
            "base URL", "warning", f"{settings.base_url} is not encrypted",
            f"put a reverse proxy with TLS in front and set BASE_URL=https://{parts.netloc}",
        )  # fmt: skip
    return Result("base URL", "ok", settings.base_url)


def zones() -> Result:
    """Are the rules of the world's clocks there?"""
    from scheduler import zones as known

    return Result("time zones", "ok", f"{len(known.places())} places, tzdata {known.version()}")


def space(settings: Settings) -> Result:
    """Can what happens still be written down?"""
    folder = settings.var if settings.var.is_dir() else settings.home
    free = shutil.disk_usage(folder).free
    words = f"{free / 1024**3:,.1f} GB free in {folder}"
    if not os.access(folder, os.W_OK):
        return Result("disk", "problem", f"{folder} is not writable", "change its owner or rights")
    if free < _LITTLE_SPACE:
        return Result("disk", "problem", words, "free some space: what cannot be noted is not sent")
    return Result("disk", "ok", words)


def lessons(settings: Settings) -> Result:
    """Is there something to send?"""
    from course.catalog import Catalog

    catalog = Catalog(settings.lessons)
    courses = catalog.courses()
    errors = sum(finding.level == "error" for finding in catalog.findings)
    words = f"{table.counted(len(courses), 'course')} in {settings.lessons}"
    if errors:
        return Result(
            "lessons", "problem", f"{words}, {table.counted(errors, 'error')}", "see: course check"
        )
    if not courses:
        return Result("lessons", "warning", words, "add one: course new course NAME")
    return Result("lessons", "ok", words)
