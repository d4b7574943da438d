"""Read-only answers for the dashboard and the commands: counts, lists, a person's timeline.

Plain frozen values; every `_at` is aware UTC. Refuses to write. Exports live in `exports`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Join, Select, func, or_, select

from scheduler.domain.delivery import Delivery
from scheduler.domain.enrollment import Enrollment
from scheduler.domain.learner import Learner
from scheduler.store import people, tables
from scheduler.store.claims import MUST_WAIT
from scheduler.store.database import Tx
from scheduler.store.deliveries import id_prefix, with_people
from scheduler.store.departures import has_left, is_latest_round, why_left
from scheduler.store.exports import export_deliveries, export_learners, export_person
from scheduler.store.mapping import (
    ENROLLMENT,
    LEARNER,
    to_claimed,
    to_enrollment,
    to_learner,
)
from scheduler.store.tables import (
    deliveries,
    delivery_events,
    enrollments,
    learners,
    provider_events,
    state_in,
    ticks,
)
from scheduler.store.waiting import WaitingRow, waiting

__all__ = [
    "FailureRow",
    "LearnerRow",
    "Overview",
    "TimelineRow",
    "WaitingRow",
    "export_deliveries",
    "export_learners",
    "export_person",
    "failures",
    "funnel",
    "latest_due_at",
    "next_due_at",
    "overview",
    "planned",
    "search_learners",
    "timeline",
    "waiting",
    "why_left",
]

_l, _e, _d = learners.c, enrollments.c, deliveries.c

#: Days of signups an overview shows.
SIGNUP_DAYS = 30


@dataclass(frozen=True, slots=True)
class Overview:
    """The state of the school at one instant."""

    #: Enrollment state -> how many runs; every state that occurs.
    learners: dict[str, int]
    #: Delivery state -> how many, of what was owed between day_start and day_end.
    today: dict[str, int]
    #: Lessons and letters whose time has come and that nobody has taken in hand.
    due_now: int
    #: How long the oldest of those has waited; 0 if there are none.
    oldest_due_seconds: float
    #: dead, refused and uncertain -> how many, of all time.
    failures: dict[str, int]
    #: Runs completed in the last 7 days.
    completed_last_week: int
    #: (UTC date, runs begun), 30 days up to today, oldest first, zeros included.
    signups: list[tuple[date, int]]


@dataclass(frozen=True, slots=True)
class LearnerRow:
    """A person and their latest run of one course."""

    learner: Learner
    enrollment: Enrollment
    #: Lessons handed over in that round.
    delivered: int
    #: What they chose to say as they left; else empty.
    left_because: str


@dataclass(frozen=True, slots=True)
class FailureRow:
    """A delivery a person should look at."""

    delivery: Delivery
    learner: Learner
    course: str


@dataclass(frozen=True, slots=True)
class TimelineRow:
    """One thing that happened to a person."""

    at: datetime
    #: For example `signed up`, `consent: confirm`, `manager-effect: accepted`,
    #: `manager-effect: done` (then `detail` is the item).
    what: str
    detail: str
    course: str


def overview(tx: Tx, now: datetime, day_start: datetime, day_end: datetime) -> Overview:
    """Everything the first page of the dashboard shows."""
    waiting, oldest = tx.execute(
        select(func.count(), func.min(_d.not_before))
        .select_from(_with_runs())
        .where(tables.CLAIMABLE, _d.not_before <= now, ~MUST_WAIT)
    ).one()
    unplanned, oldest_run = tx.execute(
        select(func.count(), func.min(_e.next_due_at)).where(
            tables.RUN_IS_PLANNED, _e.next_due_at <= now
        )
    ).one()
    since = min((at for at in (oldest, oldest_run) if at is not None), default=now)
    return Overview(
        learners=_counted(tx, select(_e.state, func.count()).group_by(_e.state)),
        today=_counted(
            tx,
            select(_d.state, func.count())
            # The id begins with the instant of creation, which makes this a range of the key.
            .where(_d.id >= id_prefix(day_start), _d.id < id_prefix(day_end))
            .group_by(_d.state),
        ),
        due_now=waiting + unplanned,
        oldest_due_seconds=(now - since).total_seconds(),
        failures={"dead": 0, "refused": 0, "uncertain": 0}
        | _counted(tx, select(_d.state, func.count()).where(tables.FAILED).group_by(_d.state)),
        completed_last_week=tx.execute(
            select(func.count()).where(
                _e.completed_at.is_not(None), _e.completed_at > now - timedelta(days=7)
            )
        ).scalar_one(),
        signups=_signups(tx, now),
    )


def funnel(tx: Tx, course: str) -> list[tuple[str, int]]:
    """How many were handed each lesson of a course, in the order of the lessons."""
    handed_over = func.count()
    rows = tx.execute(
        select(_d.key, handed_over)
        .select_from(_with_runs())
        .where(_e.course == course, state_in(_d.kind, "lesson"), state_in(_d.state, "accepted"))
        .group_by(_d.key)
        .order_by(func.min(_d.position), _d.key)
    )
    return [(key, count) for key, count in rows]


def search_learners(
    tx: Tx,
    *,
    course: str | None = None,
    state: str | None = None,
    text: str | None = None,
    left_because: str | None = None,
    limit: int = 50,
    after: int | None = None,
) -> list[LearnerRow]:
    """People with their latest run per course, newest first.

    `text` is looked for in address and first name; `left_because` finds those who left with
    that word, or with none if it is empty; `after` is the last `enrollment.id` of the page before.
    """
    d = deliveries.alias("handed_over")
    delivered = (
        select(func.count())
        .where(
            d.c.enrollment_id == _e.id,
            d.c.round == _e.round,
            d.c.kind == "lesson",
            d.c.state == "accepted",
        )
        .scalar_subquery()
    )
    query = (
        select(*LEARNER, *ENROLLMENT, delivered, _e.left_because)
        .select_from(enrollments.join(learners, _l.id == _e.learner_id))
        .where(is_latest_round())
        .order_by(_e.id.desc())
        .limit(limit)
    )
    if course is not None:
        query = query.where(_e.course == course)
    if state is not None:
        query = query.where(_e.state == state)
    if left_because is not None:
        query = query.where(has_left(), _e.left_because == left_because)
    if after is not None:
        query = query.where(_e.id < after)
    if text:
        query = query.where(
            or_(
                _l.address_key.contains(text.strip().casefold(), autoescape=True),
                func.lower(_l.first_name).contains(text.strip().lower(), autoescape=True),
            )
        )
    cut = len(LEARNER)
    return [
        LearnerRow(to_learner(row[:cut]), to_enrollment(row[cut:-2]), row[-2], row[-1])
        for row in tx.execute(query)
    ]


def failures(tx: Tx, limit: int) -> list[FailureRow]:
    """Dead, refused and uncertain deliveries, newest first."""
    query = with_people().where(tables.FAILED).order_by(_d.settled_at.desc()).limit(limit)
    found = [to_claimed(row) for row in tx.execute(query)]
    return [FailureRow(c.delivery, c.learner, c.enrollment.course) for c in found]


def timeline(tx: Tx, learner_id: int) -> list[TimelineRow]:
    """All that happened to a person, oldest first."""
    courses: dict[int | None, str] = {None: ""}
    rows: list[TimelineRow] = []
    for run in people.enrollments_of(tx, learner_id):
        courses[run.id] = run.course
        rows.append(TimelineRow(run.created_at, "signed up", f"round {run.round}", run.course))
        if run.completed_at is not None:
            rows.append(TimelineRow(run.completed_at, "completed", "", run.course))
    for enrollment_id, given in people.consents_of(tx, learner_id):
        course = courses.get(enrollment_id, "")
        detail = f"{given.text} ({given.source})"
        rows.append(TimelineRow(given.at, f"consent: {given.action}", detail, course))
    v = delivery_events.c
    happened = tx.execute(
        select(v.at, _d.key, v.to_state, v.detail, _e.course)
        .select_from(
            delivery_events.join(deliveries, _d.id == v.delivery_id).join(
                enrollments, _e.id == _d.enrollment_id
            )
        )
        .where(_e.learner_id == learner_id)
        .order_by(v.id)
    )
    rows += [
        TimelineRow(at, f"{key}: {state}", detail, course)
        for at, key, state, detail, course in happened
    ]
    p = provider_events.c
    reported = tx.execute(
        select(p.at, _d.key, p.kind, p.detail, _e.course)
        .select_from(
            provider_events.join(deliveries, _d.id == p.delivery_id).join(
                enrollments, _e.id == _d.enrollment_id
            )
        )
        .where(_e.learner_id == learner_id)
        .order_by(p.at, p.id)
    )
    rows += [
        TimelineRow(at, f"{key}: {kind}", detail, course)
        for at, key, kind, detail, course in reported
    ]
    t = ticks.c
    done = tx.execute(
        select(t.ticked_at, t.lesson_key, t.item, _e.course)
        .select_from(ticks.join(enrollments, _e.id == t.enrollment_id))
        .where(_e.learner_id == learner_id)
    )
    rows += [TimelineRow(at, f"{key}: done", item, course) for at, key, item, course in done]
    return sorted(rows, key=lambda row: row.at)


def planned(tx: Tx, until: datetime) -> Iterator[Enrollment]:
    """Active runs whose next lesson falls by then, in that order, a page at a time."""
    query = (
        select(*ENROLLMENT)
        .where(tables.RUN_IS_PLANNED, _e.next_due_at <= until)
        .order_by(_e.next_due_at, _e.id)
    )
    for row in tx.execute(query, execution_options={"yield_per": 1000}):
        yield to_enrollment(row)


def next_due_at(tx: Tx) -> datetime | None:
    """The next instant at which a lesson falls; None if none is planned."""
    query = select(func.min(_e.next_due_at)).where(tables.RUN_IS_PLANNED)
    at: datetime | None = tx.execute(query).scalar_one()
    return at


def latest_due_at(tx: Tx) -> datetime | None:
    """The last instant at which a lesson falls, as planned now; None if none is planned."""
    query = select(func.max(_e.next_due_at)).where(tables.RUN_IS_PLANNED)
    at: datetime | None = tx.execute(query).scalar_one()
    return at


def _signups(tx: Tx, now: datetime) -> list[tuple[date, int]]:
    days = [now.date() - timedelta(days=n) for n in range(SIGNUP_DAYS - 1, -1, -1)]
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    day = func.date(_e.created_at)
    rows = tx.execute(
        select(day, func.count())
        .where(_e.created_at >= midnight - timedelta(days=SIGNUP_DAYS - 1))
        .group_by(day)
    )
    begun = {str(on): count for on, count in rows}
    return [(on, begun.get(str(on), 0)) for on in days]


def _counted(tx: Tx, query: Select[Any]) -> dict[str, int]:
    return {row[0]: row[1] for row in tx.execute(query)}


def _with_runs() -> Join:
    return deliveries.join(enrollments, _e.id == _d.enrollment_id)
