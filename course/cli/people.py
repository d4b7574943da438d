"""`course learners` (list and care for) and `course export`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

import click

from course.cli import doors, opening, picking, table
from course.cli.operate import as_json_option
from course.pace_words import PaceError, parse_days, parse_hour, write_days

if TYPE_CHECKING:
    from course.wiring import School
    from scheduler.domain.enrollment import Enrollment
    from scheduler.store.reports import LearnerRow

#: Cells that a spreadsheet would run as a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
#: Columns whose words come from strangers.
_FREE_TEXT = ("first_name", "verdict")

course_option = click.option("--course", metavar="KEY", help="Only this course.")
state_option = click.option("--state", type=picking.STATES, help="Only runs in this state.")

#: Name -> (module, help) of the commands that change something.
_CHANGES = {
    "enroll": ("enroll", "Enroll one or more addresses."),
    "pause": ("caring", "Hold a run; nothing is lost."),
    "resume": ("caring", "End a pause; the next lesson comes on the next slot."),
    "restart": ("caring", "Begin the course again, as a new round."),
    "reopen": ("caring", "Go on with a completed course that has new lessons."),
    "skip": ("caring", "Pass over the next lesson."),
    "resend": ("caring", "Send a lesson once more."),
    "readdress": ("readdress", "Move a person to another address."),
    "stop": ("caring", "End a run for good."),
    "forget": ("caring", "Erase a person and all that is held about them."),
}


@click.group(
    cls=doors.Doors, lazy=_CHANGES, short_help="List, enroll, pause and care for learners."
)
def learners() -> None:
    """List learners, enroll them, and care for their runs: by address, or by --course and --state.

    Each command that changes something takes --dry-run.
    """


@learners.command("list")
@course_option
@state_option
@click.option("--text", help="Only addresses or names that contain this.")
@as_json_option
@click.pass_context
def learners_list(
    ctx: click.Context, course: str | None, state: str | None, text: str | None, as_json: bool
) -> None:
    """List learners and where they stand, newest first."""
    from course.web.behind import obstructed

    with opening.school(ctx) as school, school.db.read() as tx:
        rows = list(picking.rows(tx, course=course, state=state, text=text))
        waits = obstructed(tx, school.catalog, (row.enrollment for row in rows))
        found = [
            described(school, row)
            | {
                "waits_for": waits[row.enrollment.id].lesson.key
                if row.enrollment.id in waits
                else ""
            }
            for row in rows
        ]
    if as_json:
        table.print_json(found)
        return
    head = ("email", "name", "course", "state", "lessons", "hour", "days", "timezone", "next")
    table.print_table(
        head,
        [
            (
                row["email"], row["first_name"], row["course"], row["state"] + row["because"],
                f"{row['delivered']}/{row['total']}", f"{row['hour']:%H:%M}", row["days"],
                row["timezone"],
                f"waits: lesson {row['waits_for']}" if row["waits_for"]
                else local(row["next_at"], row["timezone"]),
            )
            for row in found
        ],
    )  # fmt: skip
    table.say(table.counted(len(found), "learner") + ".")


@learners.command("failures")
@as_json_option
@click.pass_context
def learners_failures(ctx: click.Context, as_json: bool) -> None:
    """List deliveries that need a person: refused, given up, or with unknown outcome."""
    from scheduler.store import reports

    with opening.school(ctx) as school, school.db.read() as tx:
        rows = reports.failures(tx, 1000)
    found = [
        {
            "email": row.learner.address,
            "course": row.course,
            "key": row.delivery.key,
            "state": str(row.delivery.state),
            "at": row.delivery.settled_at or row.delivery.sending_at or row.delivery.created_at,
            "verdict": row.delivery.verdict,
        }
        for row in rows
    ]
    if as_json:
        table.print_json(found)
        return
    table.print_table(
        ("email", "course", "lesson", "state", "when", "why"),
        [
            (f["email"], f["course"], f["key"], f["state"], f"{f['at']:%Y-%m-%d %H:%M} UTC",
             f["verdict"])
            for f in found
        ],
    )  # fmt: skip
    table.say(table.counted(len(found), "failure") + ".")


def described(school: School, row: LearnerRow) -> dict[str, Any]:
    """One learner and their run, as plain values."""
    run = row.enrollment
    course = school.catalog.course(run.course)
    return {
        "email": row.learner.address,
        "first_name": row.learner.first_name,
        "language": row.learner.language,
        "course": run.course,
        "round": run.round,
        "state": str(run.state),
        "because": f" ({run.reason})" if run.reason else "",
        "delivered": row.delivered,
        "total": course.total if course else 0,
        "hour": run.cadence.hour,
        "days": write_days(run.cadence.weekdays),
        "timezone": run.timezone,
        "next_at": run.next_due_at,
    }


def local(at: datetime | None, timezone: str) -> str:
    """An instant in the learner's own time; `-` for none."""
    from scheduler.zones import zone

    return f"{at.astimezone(zone(timezone)):%a %d %b %H:%M}" if at is not None else "-"


def until_option(text: str, run: Enrollment, now: datetime) -> datetime:
    """The local midnight at which a date begins for this learner, as UTC. Raises BadParameter."""
    from scheduler.rules.due import at_wall_time
    from scheduler.zones import zone

    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is no date: write 2026-12-24") from None
    at = at_wall_time(day, time(0), zone(run.timezone)).astimezone(UTC)
    if at <= now:
        raise click.BadParameter(f"{text} is not in the future")
    if at - now > timedelta(days=3660):
        raise click.BadParameter(f"{text} is more than ten years away")
    return at


def days_value(_ctx: click.Context, _option: click.Parameter, text: str | None) -> Any:
    """`--days` as a set of weekdays."""
    return _paced(parse_days, text)


def hour_value(_ctx: click.Context, _option: click.Parameter, text: str | None) -> Any:
    """`--hour` as a time of day."""
    return _paced(parse_hour, text)


def _paced(read: Any, text: str | None) -> Any:
    try:
        return None if text is None else read(text)
    except PaceError as error:
        raise click.BadParameter(str(error)) from None


@click.command("export", short_help="Write learners or deliveries to stdout.")
@click.argument("what", type=click.Choice(["learners", "deliveries", "all"]))
@click.option(
    "--format", "form", type=click.Choice(["csv", "json"]),
    help="Default csv; `all` is always one JSON document.",
)  # fmt: skip
@click.option("--learner", "address", metavar="EMAIL", help="With all: what is held on one person.")
@click.pass_context
def export(ctx: click.Context, what: str, form: str | None, address: str | None) -> None:
    """Write learners, deliveries, or all that is held, to stdout.

    The first columns of `learners` are those that `course import` reads.
    """
    from course.cli import roster
    from scheduler.store import reports

    if what == "all" and form == "csv":
        raise click.UsageError("`all` has several tables: use --format json, or export each alone.")
    if address and what != "all":
        raise click.UsageError("--learner goes with `course export all`.")
    with opening.school(ctx) as school, school.db.read() as tx:
        if address:
            table.print_json(reports.export_person(tx, picking.learner(tx, address).id))
        elif what == "all":
            table.print_json_stream(
                {
                    "learners": _learner_rows(reports.export_learners(tx)),
                    "deliveries": reports.export_deliveries(tx),
                }
            )
        else:
            rows = (
                _learner_rows(reports.export_learners(tx))
                if what == "learners"
                else reports.export_deliveries(tx)
            )
            if form == "json":
                table.print_json_stream(rows)
            else:
                table.print_csv(_without_formulas(rows), empty=roster.COLUMNS)


def _learner_rows(rows: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """The columns of an import first, then the rest."""
    from course.cli.roster import COLUMNS

    for row in rows:
        plain = dict(row)
        allowed = plain.pop("weekdays", "1111111")
        days = frozenset(day for day, mark in enumerate(allowed) if mark == "1")
        plain["days"] = write_days(days)
        yield {name: plain[name] for name in COLUMNS} | plain


def _without_formulas(rows: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """A name such as `=cmd()` must not run in the spreadsheet that opens the file."""
    for row in rows:
        yield {
            name: f"'{value}" if name in _FREE_TEXT and str(value).startswith(_FORMULA) else value
            for name, value in row.items()
        }
