"""`course explain`: one learner's story, and the next instant or why there is none."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from course import adoption
from course.cli import opening, picking, table
from course.cli.forecast import forecast
from course.cli.operate import as_json_option
from course.pace_words import say_days
from scheduler.domain.delivery import DeliveryState
from scheduler.domain.enrollment import Enrollment, EnrollmentState
from scheduler.rules import due
from scheduler.rules.pace import BreakerState
from scheduler.rules.suppression import address_hash
from scheduler.store import ledger, pace, people, reports
from scheduler.zones import zone

if TYPE_CHECKING:
    from course.wiring import School
    from scheduler.domain.learner import Learner
    from scheduler.store import Tx

_OVER = {
    "left": "the learner left the course",
    "bounced": "the address refuses mail for good",
    "complained": "the learner reported the mail as spam",
    "removed": "staff ended it",
    "expired": "the signup was never confirmed",
    "restarted": "a later round took its place",
}


@click.command(short_help="Tell one learner's story, and what comes next.")
@click.argument("address", metavar="EMAIL")
@as_json_option
@click.pass_context
def explain(ctx: click.Context, address: str, as_json: bool) -> None:
    """Tell one learner's story, and what comes next: the instant, or why there is none."""
    with opening.school(ctx) as school, school.db.read() as tx:
        person = picking.learner(tx, address)
        runs = [_run(school, tx, run) for run in _latest(tx, person)]
        story = reports.timeline(tx, person.id)
        key = address_hash(school.salt, people.address_key(person.address))
        suppressed = bool(people.suppressed(tx, [key]))
        held = adoption.held(tx, school.settings.base_url)
        breaker = pace.breaker(tx, school.provider.name)
        resting = "" if breaker.state is BreakerState.CLOSED else breaker.said or "no details"
    if as_json:
        table.print_json(
            {
                "email": person.address,
                "first_name": person.first_name,
                "language": person.language,
                "suppressed": suppressed,
                "held": held,
                "resting": resting,
                "enrollments": runs,
                "timeline": [
                    {"at": row.at, "what": row.what, "detail": row.detail, "course": row.course}
                    for row in story
                ],
            }
        )
        return
    for run in runs:
        _print_run(person, run, [row for row in story if row.course in ("", run["course"])])
    if not runs:
        click.echo(f"{person.first_name or person.address} has no course.")
        _print_story([*story], "UTC")
    if suppressed:
        click.echo("The address is suppressed: whatever is due, nothing is sent to it.")
    if held:
        click.echo(f"Nothing is sent to anybody: {held}")
    if resting:
        click.echo(f"The provider takes no mail, so everything due waits: {resting}")


def _latest(tx: Tx, person: Learner) -> list[Enrollment]:
    """The highest round of each course, newest first."""
    latest: dict[str, Enrollment] = {}
    for run in people.enrollments_of(tx, person.id):
        if run.course not in latest or latest[run.course].round < run.round:
            latest[run.course] = run
    return list(latest.values())


def _run(school: School, tx: Tx, run: Enrollment) -> dict[str, Any]:
    """One run as plain values, with what comes next and why."""
    now = school.clock.now()
    course = school.catalog.course(run.course)
    keys = set(ledger.lesson_keys(tx, [run]).get(run.id, ()))
    at, lesson, why = _next(school, tx, run, keys, now)
    return {
        "course": run.course,
        "round": run.round,
        "state": str(run.state),
        "reason": run.reason,
        "lessons_sent": len(keys),
        "lessons": course.total if course else None,
        "hour": run.cadence.hour,
        "days": say_days(run.cadence.weekdays),
        "timezone": run.timezone,
        "next_at": at,
        "next_local": at.astimezone(zone(run.timezone)) if at else None,
        "next_lesson": lesson,
        "why": why,
        "now": now,
    }


def _next(
    school: School, tx: Tx, run: Enrollment, keys: set[str], now: datetime
) -> tuple[datetime | None, str, str]:
    """The next instant, its lesson, and the reason in words."""
    if run.state is EnrollmentState.PENDING:
        return None, "", "the address is not confirmed yet; nothing but the confirmation is sent"
    if run.state is EnrollmentState.STOPPED:
        return None, "", f"the run has ended: {_OVER.get(run.reason, run.reason)}"
    if run.state is EnrollmentState.COMPLETED:
        return None, "", _why_completed(school, run, keys)
    if run.state is EnrollmentState.PAUSED:
        because = f" ({run.reason})" if run.reason not in ("", "pause", "staff") else ""
        if run.paused_until is None:
            return None, "", f"paused{because} until somebody resumes it"
        until = run.paused_until.astimezone(zone(run.timezone))
        return None, "", f"paused{because} until {until:%a %d %b %H:%M}"
    syllabus = school.catalog.syllabus(run.course)
    if syllabus is None:
        return None, "", f"the folder of the course {run.course!r} is gone: put it back"
    for delivery in ledger.open_lessons(tx, [run.id]).get(run.id, []):
        if delivery.state is DeliveryState.UNCERTAIN:
            return None, delivery.key, "the provider gave no answer; it is looked into"
        words = f"attempt {delivery.attempt + 1}: {delivery.verdict}" if delivery.attempt else "due"
        if not delivery.attempt and delivery.verdict:
            words = f"due: {delivery.verdict}"
        at = due.awake(
            run.cadence, run.timezone, delivery.not_before,
            slot=delivery.slot,
            last_sent_at=run.last_sent_at,
        )  # fmt: skip
        return at, delivery.key, words
    gap = timedelta(hours=school.settings.scheduler.min_gap_hours)
    for expected in forecast(run, syllabus, keys, run.next_due_at, now=now, min_gap=gap):
        if expected.waits:
            return None, expected.lesson.key, f"lesson {expected.lesson.key} waits: {expected.why}"
        return expected.at, expected.lesson.key, "the next slot"
    if run.next_due_at is None:
        return None, "", "no instant is set; the worker mends that within minutes"
    return None, "", "no lesson is left: the course completes at the next look"


def _why_completed(school: School, run: Enrollment, keys: set[str]) -> str:
    """A lesson moved or added behind a learner's place is never sent by itself: then say so."""
    syllabus = school.catalog.syllabus(run.course)
    unsent = [
        ref.key
        for ref in (syllabus.lessons if syllabus else ())
        if ref.key not in keys and keys.isdisjoint(ref.aliases)
    ]
    if unsent:
        return f"the course is completed; never sent in this round: {', '.join(unsent)}"
    return "all lessons were sent: the course is completed"


def _print_run(person: Learner, run: dict[str, Any], story: list[Any]) -> None:
    progress = f"{run['lessons_sent']} of {run['lessons'] or '?'} lessons sent"
    round_ = f" · round {run['round']}" if run["round"] > 1 else ""
    click.secho(
        f"{person.first_name or person.address} · {run['course']} · {run['state']}{round_}"
        f" · {progress} · {run['hour']:%H:%M} {run['timezone']}, {run['days']}",
        bold=True,
    )
    _print_story(story, run["timezone"])
    if run["next_at"] is None:
        click.echo(f"  Nothing is due: {run['why']}")
        return
    ahead = run["next_at"] - run["now"]
    when = f"in {_span(ahead)}" if ahead > timedelta() else "now"
    click.echo(
        f"  {run['next_local']:%a %d %b %H:%M}  next: {run['next_lesson']} {when}"
        f" ({run['next_at']:%H:%M} UTC), {run['why']}"
    )


def _print_story(story: list[Any], timezone: str) -> None:
    tz = zone(timezone)
    for row in story:
        detail = f"   {row.detail}" if row.detail else ""
        click.echo(f"  {row.at.astimezone(tz):%a %d %b %H:%M}  {row.what}{detail}")


def _span(ahead: timedelta) -> str:
    minutes = int(ahead.total_seconds() // 60)
    days, rest = divmod(minutes, 1440)
    hours, minutes = divmod(rest, 60)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
