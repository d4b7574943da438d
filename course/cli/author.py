"""Commands for whoever writes lessons: init, new, check, send."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from course.cli import doors, opening, table
from course.cli.operate import as_json_option

if TYPE_CHECKING:
    from course.catalog import Course
    from course.errors import Finding
    from course.review import Row

_LEFT_BEHIND = ("__pycache__", "*.pyc", ".*", "var")
#: Of further warnings like one that is shown, so many lines are named.
_LINES_NAMED = 5
_GITIGNORE = "# what the program writes for itself, and secrets\nvar/\n.env\n"


@click.command(short_help="Make a project of your own: lessons, templates, config.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
def init(folder: Path) -> None:
    """Make a project of your own in DIR: lessons, templates, config.yaml. Overwrites nothing."""
    from course import paths

    source = paths.starter()
    if source is None:
        raise click.ClickException(
            "the lessons and templates that come with this program are missing. Install it again."
        )
    wanted = ("lessons", "templates", paths.CONFIG_NAME)
    there = [name for name in wanted if (folder / name).exists()]
    if there:
        raise click.ClickException(
            f"{folder} already has {', '.join(there)}. Choose another folder; nothing was changed."
        )
    if folder.exists() and not folder.is_dir():
        raise click.ClickException(f"{folder} is a file. Choose another name for the folder.")
    folder.mkdir(parents=True, exist_ok=True)
    ignore = shutil.ignore_patterns(*_LEFT_BEHIND)
    for name in ("lessons", "templates"):
        shutil.copytree(source / name, folder / name, ignore=ignore)
    shutil.copyfile(source / paths.CONFIG_NAME, folder / paths.CONFIG_NAME)
    if not (folder / ".gitignore").exists():
        (folder / ".gitignore").write_text(_GITIGNORE, encoding="utf-8")
    courses = sum((one / "course.yaml").is_file() for one in (folder / "lessons").iterdir())
    click.echo(f"{folder}: {table.counted(courses, 'course')}, templates, config.yaml")
    table.say(
        f"Next:\n  cd {folder}\n  course serve --demo    see it run; mail stays in var/outbox"
    )
    table.say("  course preview         write, and see each lesson as you save")


@click.group(cls=doors.Doors, short_help="Add a lesson or a course that already passes `check`.")
def new() -> None:
    """Add a lesson or a course: a skeleton that already passes `check`, marked as a draft."""


@new.command("lesson")
@click.argument("name")
@click.option("--course", metavar="KEY", help="Which course; needed when there are several.")
@click.pass_context
def new_lesson(ctx: click.Context, name: str, course: str | None) -> None:
    """Add a lesson at the end of a course. NAME is its title, or its key."""
    from course.catalog import Catalog
    from course.cli import skeletons

    catalog = Catalog(opening.settings(ctx).lessons)
    found = opening.one_course(catalog, course)
    _made(skeletons.add_lesson(found, name))


@new.command("course")
@click.argument("name")
@click.pass_context
def new_course(ctx: click.Context, name: str) -> None:
    """Add a course with one lesson and its letters. NAME is its title, or its key."""
    from course.cli import skeletons

    _made(*skeletons.add_course(opening.settings(ctx).lessons, name))


def _made(*files: Path) -> None:
    for file in files:
        click.echo(str(file))
    table.say("Write, look with `course preview`, then remove `draft: true`.")


@click.command(short_help="Find mistakes in lessons before a learner does.")
@click.argument("path", required=False, type=click.Path(exists=True, path_type=Path))
@click.option("--strict", is_flag=True, help="Warnings count as errors.")
@click.option("--links", is_flag=True, help="Try every external link (uses the network).")
@as_json_option
@click.pass_context
def check(ctx: click.Context, path: Path | None, strict: bool, links: bool, as_json: bool) -> None:
    """Find mistakes in lessons before a learner does. PATH is a lesson, a course or a folder of
    courses; default all. Warnings of one kind are shown once a file; --json has them all. Exits
    with 3 when there are errors. Sends nothing."""
    from course import wiring
    from course.cli import linkcheck
    from course.cli.measuring import measuring
    from course.review import review

    began = time.perf_counter()
    settings = opening.settings(ctx)
    measure = measuring(wiring.composer_for(settings))
    where = path or settings.lessons
    probe = linkcheck.try_links(where) if links else None
    report = review(where, strict=strict, measure=measure, probe=probe)
    if as_json:
        table.print_json(report.as_dict())
    else:
        _print_findings(report.findings)
        _print_rows(report.rows)
        lessons = sum(row.state != "letter" for row in report.rows)
        table.say(
            f"{table.counted(report.errors, 'error')}, {table.counted(report.warnings, 'warning')}"
            f" in {table.counted(lessons, 'lesson')}"
            f" ({time.perf_counter() - began:.1f} s). Nothing was sent."
        )
    ctx.exit(doors.FINDINGS if report.failed else 0)


def _print_findings(findings: Sequence[Finding]) -> None:
    """Every error; of warnings of one kind in one file the first, and how many are like it."""
    like: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        if finding.level != "error":
            like.setdefault((finding.path, finding.rule), []).append(finding)
    for finding in findings:
        others = like.get((finding.path, finding.rule), [finding])
        if finding.level != "error" and finding is not others[0]:
            continue
        place, word, rest = str(finding).partition(f" {finding.level} ")
        click.echo(
            (f"{place} {table.mark(finding.level)} {rest}" if word else place)
            + _and_others(others[1:] if finding.level != "error" else [])
        )
    if findings:
        click.echo()


def _and_others(others: Sequence[Finding]) -> str:
    if not others:
        return ""
    lines = list(dict.fromkeys(f.line for f in others if f.line))
    shown = ", ".join(map(str, lines[:_LINES_NAMED])) + (", …" if lines[_LINES_NAMED:] else "")
    where = f": {'line' if len(lines) == 1 else 'lines'} {shown}" if lines else ""
    return f" (and {len(others)} more like it{where})"


def _print_rows(rows: Sequence[Row]) -> None:
    many = len({row.course for row in rows}) > 1
    table.print_table(
        ("#", "lesson", "state", "min", "words", "links", "images", "KB", "subject"),
        [
            (
                row.number if row.number is not None else "",
                f"{row.course}: {row.title}" if many else row.title,
                row.state,
                f"{row.minutes}{'!' if row.off_target else ''}",
                row.words,
                row.links,
                row.images,
                "" if row.kilobytes is None else f"{row.kilobytes:.0f}",
                row.subject,
            )
            for row in rows
        ],
        right="rllrrrrrr",
    )


@click.command(short_help="Send one copy of a lesson, marked [TEST].")
@click.argument("lesson")
@click.option("--to", "address", required=True, metavar="ADDRESS", help="Who gets it.")
@click.option("--course", metavar="KEY", help="Which course; needed when there are several.")
@click.pass_context
def send(ctx: click.Context, lesson: str, address: str, course: str | None) -> None:
    """Send one copy of a lesson, marked [TEST], through the configured provider.

    LESSON is a key, a number, a letter such as welcome, or a file name. Touches no learner.
    """
    from course.cli import roster
    from scheduler.domain.provider import Accepted, Deferred, Fault, Refused

    try:
        to = roster.address(address)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--to") from None
    with opening.school(ctx) as school:
        found = opening.one_course(school.catalog, course)
        key = _lesson_key(found, lesson)
        outcome = school.send_one(found.key, key, to)
        where = school.provider.name
        if where == "file":
            where = f"the outbox, {school.settings.file.outbox}"
    if isinstance(outcome, Accepted):
        click.echo(f"{key} handed to {where} for {to}. {outcome.detail}".strip())
        return
    table.say(f"Not sent: {outcome.detail}")
    if isinstance(outcome, Deferred | Refused) and outcome.fault is Fault.CONFIG:
        ctx.exit(doors.CONFIG)
    if isinstance(outcome, Deferred) and outcome.fault is Fault.TRANSPORT:
        ctx.exit(doors.AWAY)
    ctx.exit(doors.FAILED)


def _lesson_key(course: Course, wanted: str) -> str:
    """The key of a lesson named by key, place, letter or file. Raises BadParameter."""
    from course.settings.keys import nearest
    from course.source.names import parse_name

    name = Path(wanted).name
    known = [*course.lessons, *course.letters]
    for key in (name, f"@{name}", parse_name(name).slug, f"@{parse_name(name).slug}"):
        if key in known:
            return key
    if name.isdigit():
        for ref in course.syllabus.lessons:
            if ref.position == int(name) and ref.key in course.lessons:
                return ref.key
    there = [ref.key for ref in course.syllabus.lessons]
    if name in there:
        raise click.BadParameter(f"{name} has errors: see `course check`", param_hint="LESSON")
    hint = nearest(name, known) or f" There are: {', '.join(key.lstrip('@') for key in known)}."
    raise click.BadParameter(f"there is no lesson {wanted!r}.{hint}", param_hint="LESSON")
