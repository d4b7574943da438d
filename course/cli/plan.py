"""`course plan`: who would get what, and when. Sends nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from course import adoption
from course.cli import opening, picking, table
from course.cli.forecast import Expected, forecast
from course.cli.operate import as_json_option
from scheduler.domain.enrollment import Enrollment, EnrollmentState
from scheduler.store import ledger, people, reports
from scheduler.zones import zone

if TYPE_CHECKING:
    from course.wiring import School
    from scheduler.store import Tx

#: Runs looked up together.
BATCH = 500
#: More rows than this are summed up, unless --all or --json asks for them.
FEW = 40
#: No zone is further from UTC than this.
_WIDEST = timedelta(hours=15)


@dataclass(frozen=True, slots=True)
class Window:
    """Which lessons are asked for: local dates, or the time from now on."""

    now: datetime
    days: int
    #: The first local date; `tomorrow` and `today` mean each learner's own.
    first_on: date | None = None
    shift: int | None = None

    @property
    def ends_by(self) -> datetime:
        """No lesson of this window falls later (UTC)."""
        if self.first_on is not None:
            end = datetime.combine(self.first_on, time(), self.now.tzinfo)
            return end + timedelta(days=self.days) + _WIDEST
        return self.now + timedelta(days=self.days + (self.shift or 0) + 1) + _WIDEST

    def place(self, at: datetime, timezone: str) -> int:
        """-1 before, 0 inside, 1 after."""
        if self.first_on is None and self.shift is None:
            return 0 if at < self.now + timedelta(days=self.days) else 1
        tz = zone(timezone)
        today = self.now.astimezone(tz).date()
        first = self.first_on or today + timedelta(days=self.shift or 0)
        ahead = (at.astimezone(tz).date() - first).days
        return -1 if ahead < 0 else 0 if ahead < self.days else 1


@dataclass(slots=True)
class Tally:
    """Sums for the people who cannot read a thousand rows."""

    lessons: int = 0
    learners: set[int] = field(default_factory=set)
    by_day: Counter[date] = field(default_factory=Counter)
    by_hour: Counter[datetime] = field(default_factory=Counter)
    first_at: datetime | None = None
    waiting: Counter[tuple[str, str, str]] = field(default_factory=Counter)


@click.command(short_help="Say who would get what, and when; sends nothing.")
@click.option("--for", "start", metavar="DATE", help="A local date: 2026-12-24, today, tomorrow.")
@click.option("--days", type=click.IntRange(1, 366), default=1, help="How many days; default 1.")
@click.option("--learner", "address", metavar="EMAIL", help="Only this learner.")
@click.option("--all", "everybody", is_flag=True, help="Every row, however many.")
@as_json_option
@click.pass_context
def plan(
    ctx: click.Context,
    start: str | None,
    days: int,
    address: str | None,
    everybody: bool,
    as_json: bool,
) -> None:
    """Say who would get what, and when. Sends nothing.

    Without --for: from now on. A date means each learner's own: their morning, not ours.
    """
    with opening.school(ctx) as school:
        window = _window(start, days, school.clock.now())
        tally = Tally()
        shown: list[dict[str, Any]] = []
        hidden = 0
        with school.db.read() as tx:
            held = adoption.held(tx, school.settings.base_url)
            for row in _rows(school, tx, window, address, tally):
                if as_json or everybody or len(shown) < FEW:
                    shown.append(row)
                else:
                    hidden += 1
    shown.sort(key=lambda row: (row["at"], row["email"]))
    if as_json:
        table.print_json(_document(window, tally, shown, held))
        return
    _print(tally, shown, hidden, held)


def _window(start: str | None, days: int, now: datetime) -> Window:
    if start is None:
        return Window(now, days)
    word = start.strip().lower()
    if word in ("today", "tomorrow"):
        return Window(now, days, shift=int(word == "tomorrow"))
    try:
        return Window(now, days, first_on=date.fromisoformat(word))
    except ValueError:
        raise click.BadParameter(
            f"{start!r} is no date: write 2026-12-24, today or tomorrow", param_hint="--for"
        ) from None


def _rows(
    school: School, tx: Tx, window: Window, address: str | None, tally: Tally
) -> Iterator[dict[str, Any]]:
    """One row per lesson in the window, run by run."""
    gap = timedelta(hours=school.settings.scheduler.min_gap_hours)
    for run, email, keys, first_at in _runs(tx, window, address):
        syllabus = school.catalog.syllabus(run.course)
        if syllabus is None:
            tally.waiting[run.course, "", "its course folder is gone"] += 1
            continue
        for expected in forecast(run, syllabus, keys, first_at, now=window.now, min_gap=gap):
            place = window.place(expected.at, run.timezone)
            if place > 0:
                break
            if expected.waits:
                tally.waiting[run.course, expected.lesson.key, expected.why] += 1
            elif place == 0:
                yield _row(school, run, email, expected, tally)


def _runs(
    tx: Tx, window: Window, address: str | None
) -> Iterator[tuple[Enrollment, str, set[str], datetime | None]]:
    """Active runs with address, lessons handed over, and their next instant."""
    if address is not None:
        person = picking.learner(tx, address)
        runs = iter(
            [r for r in people.enrollments_of(tx, person.id) if r.state is EnrollmentState.ACTIVE]
        )
    else:
        runs = iter(reports.planned(tx, window.ends_by))
    while batch := list(islice(runs, BATCH)):
        addresses = people.addresses(tx, [run.learner_id for run in batch])
        keys = ledger.lesson_keys(tx, batch)
        owed = ledger.open_lessons(tx, [r.id for r in batch if r.next_due_at is None])
        for run in batch:
            handed_over, first_at = set(keys.get(run.id, ())), run.next_due_at
            if first_at is None and owed.get(run.id):
                # Planned already, not sent yet: it counts as to come.
                delivery = owed[run.id][0]
                handed_over.discard(delivery.key)
                first_at = delivery.not_before
            yield run, addresses[run.learner_id], handed_over, first_at


def _row(
    school: School, run: Enrollment, email: str, expected: Expected, tally: Tally
) -> dict[str, Any]:
    local = expected.at.astimezone(zone(run.timezone))
    tally.lessons += 1
    tally.learners.add(run.learner_id)
    tally.by_day[local.date()] += 1
    tally.by_hour[expected.at.replace(minute=0, second=0, microsecond=0)] += 1
    tally.first_at = min(tally.first_at or expected.at, expected.at)
    course = school.catalog.course(run.course)
    lesson = course.lessons.get(expected.lesson.key) if course else None
    return {
        "email": email,
        "course": run.course,
        "lesson": expected.lesson.key,
        "number": expected.lesson.position,
        "title": lesson.title if lesson else "",
        "at": expected.at,
        "local": local,
        "timezone": run.timezone,
    }


def _document(
    window: Window, tally: Tally, rows: list[dict[str, Any]], held: str
) -> dict[str, Any]:
    return {
        "now": window.now,
        "lessons": tally.lessons,
        "learners": len(tally.learners),
        "days": {day.isoformat(): count for day, count in sorted(tally.by_day.items())},
        "rows": rows,
        "waiting": [
            {"course": course, "lesson": lesson, "why": why, "learners": count}
            for (course, lesson, why), count in sorted(tally.waiting.items())
        ],
        "held": held,
    }


def _print(tally: Tally, rows: list[dict[str, Any]], hidden: int, held: str) -> None:
    for day, count in sorted(tally.by_day.items()):
        click.secho(f"{day:%a %d %b}   {table.counted(count, 'lesson')}", bold=True)
    if tally.first_at is not None:
        hour, most = tally.by_hour.most_common(1)[0]
        click.echo(
            f"{table.counted(tally.lessons, 'lesson')} to"
            f" {table.counted(len(tally.learners), 'learner')},"
            f" first {tally.first_at:%a %d %b %H:%M} UTC, busiest"
            f" {hour:%H:%M}-{hour + timedelta(hours=1):%H:%M} UTC ({most})"
        )
    if rows:
        click.echo()
        table.print_table(
            ("learner's time", "timezone", "email", "course", "lesson"),
            [
                (f"{row['local']:%a %d %b %H:%M}", row["timezone"], row["email"], row["course"],
                 f"{row['number']} {row['title'] or row['lesson']}")
                for row in rows
            ],
        )  # fmt: skip
    if hidden:
        click.echo(f"... and {hidden:,} more; --all shows them.")
    for (course, lesson, why), count in sorted(tally.waiting.items()):
        click.echo(f"  {course}/{lesson}: {why}; {table.counted(count, 'learner')} will wait")
    if held:
        table.say(f"Nothing is sent: {held}")
    table.say("Nothing was sent (plan only)." if rows else "No lesson falls in this time.")
