"""Opens what a command needs: the settings, or the whole school, and closes it afterwards."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from course.catalog import Catalog, Course
    from course.config import Settings
    from course.wiring import School
    from scheduler.clock import Clock


def settings(ctx: click.Context, **flags: Any) -> Settings:
    """The settings this command runs with; `flags` are option values by key, None = not given."""
    from course import config

    given: Path | None = ctx.find_root().meta.get("config")
    return config.load(given, flags={name.replace("__", "."): v for name, v in flags.items()})


@contextmanager
def school(
    ctx: click.Context,
    *,
    worker: bool = False,
    clock: Clock | None = None,
    quiet: bool = True,
    **flags: Any,
) -> Iterator[School]:
    """The whole school, closed at the end. `quiet`: only warnings are logged."""
    from course import log, wiring

    chosen = settings(ctx, **flags)
    level = "WARNING" if quiet and chosen.log.level == "INFO" else chosen.log.level
    log.set_up(chosen.log.model_copy(update={"level": level}))
    built = wiring.build(chosen, clock=clock, worker=worker)
    try:
        yield built
    finally:
        built.close()


def keep_what_is_loaded() -> None:
    """For whoever works a while: what was made by now is there to stay.

    Python's collector then leaves it alone, and a lesson or a signup costs a twentieth less.
    """
    gc.collect()
    gc.freeze()


def one_course(catalog: Catalog, key: str | None) -> Course:
    """The course of that key, or the only one there is. Raises a usage error that names them."""
    courses = catalog.courses()
    if not courses and (catalog.folder / "course.yaml").is_file():
        raise click.UsageError(
            f"LESSONS is {catalog.folder}, which is a course itself. Name the folder that holds"
            f" your courses: LESSONS={catalog.folder.parent}"
        )
    names = ", ".join(courses) or "none: add one with `course new course NAME`"
    if key is None:
        if len(courses) == 1:
            return next(iter(courses.values()))
        raise click.UsageError(f"Name the course with --course. There are: {names}")
    found = courses.get(key)
    if found is None:
        from course.settings.keys import nearest

        hint = nearest(key, list(courses)) or f" There are: {names}"
        raise click.BadParameter(f"there is no course {key!r}.{hint}", param_hint="--course")
    return found


def agreed(question: str, *, yes: bool, flag: str = "--yes") -> None:
    """Go on only if a person says so; without a terminal the flag must be given."""
    import sys

    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError(f"{question} Nobody is here to ask: add {flag}.")
    click.confirm(question, abort=True, err=True)
