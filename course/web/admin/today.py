"""The first page of the office: how many learn, what goes out today, what needs a person.

Reads only, apart from one button that owes a failed mail anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from itertools import islice, pairwise

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import Response

from course import adoption
from course.catalog import Catalog, Course
from course.errors import Finding
from course.web.admin.returned import returned
from course.web.admin.session import AdminOnly
from course.web.behind import Obstacle, obstructed
from course.web.desk import LOOK, AtDesk
from course.web.why_left import SILENT, WHY
from course.web.words import counted
from scheduler.domain.delivery import DeliveryState
from scheduler.domain.enrollment import Enrollment
from scheduler.errors import NotAllowed
from scheduler.rules import due
from scheduler.rules.pace import BreakerState
from scheduler.store import Tx, ledger, pace, people, reports, ticks
from scheduler.store.reports import FailureRow, Overview
from scheduler.zones import zone

router = APIRouter(include_in_schema=False, dependencies=[AdminOnly])

#: Beyond this many the page says "more than".
_COUNTED_UP_TO = 20_000
_FAILURES_SHOWN = 50

#: Delivery state -> what it means for the person who reads the page.
CAUSES = {
    DeliveryState.DEAD: "Given up after many attempts, or the lesson could not be written.",
    DeliveryState.REFUSED: "The other side said no for good.",
    DeliveryState.UNCERTAIN: "Handed over, but no answer came. It is being looked into.",
}


@dataclass(frozen=True, slots=True)
class Step:
    """One lesson in "where do people stop"."""

    number: int
    title: str
    reached: int
    lost: int
    biggest: bool
    #: Readers who said so after it.
    clear: int
    confusing: int


@dataclass(frozen=True, slots=True)
class Stuck:
    """A lesson that may not go out, and how many learners have arrived at it."""

    obstacle: Obstacle
    learners: int
    #: What `course check` says of it, errors only.
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Today:
    """The sums behind the first page."""

    view: Overview
    #: Lessons still to come before local midnight, late ones included.
    ahead: int
    #: Those of them whose time has come already.
    late: int
    next_at: datetime | None
    #: Lessons that people wait behind, most people first.
    stuck: tuple[Stuck, ...] = ()

    def count(self, state: str) -> int:
        """Enrollments in that state."""
        return self.view.learners.get(state, 0)

    @property
    def sent(self) -> int:
        """Mails taken by the provider today."""
        return self.view.today.get("accepted", 0)

    @property
    def open(self) -> int:
        """Lessons still ahead, and mails that may leave or are leaving now.

        A letter owed for a later day is not to be sent today.
        """
        in_hand = sum(self.view.today.get(state, 0) for state in ("claimed", "sending"))
        return self.ahead + max(0, self.view.due_now - self.late) + in_hand

    @property
    def failed(self) -> int:
        """Deliveries that wait for a person."""
        return sum(self.view.failures.values())

    @property
    def waiting(self) -> int:
        """Learners who get nothing until an author mends or finishes their next lesson."""
        return sum(one.learners for one in self.stuck)

    @property
    def needs(self) -> int:
        """All that waits for a person: failed deliveries, and lessons to mend or to finish."""
        return self.failed + len(self.stuck)

    @property
    def finished(self) -> int | None:
        """Per cent who finished, of all whose course has ended; None before the first."""
        done, stopped = self.count("completed"), self.count("stopped")
        return round(100 * done / (done + stopped)) if done + stopped else None

    def headline(self) -> str:
        """The day in one sentence."""
        parts = [
            f"{counted(self.open, 'mail')} to send" if self.open else "nothing left to send",
            f"{self.sent} sent",
            f"{self.needs} need you" if self.needs > 1 else "1 needs you" if self.needs else "",
        ]
        return ", ".join(part for part in parts if part)


@router.api_route("/admin", methods=LOOK)
@router.api_route("/admin/", methods=LOOK)
def today(desk: AtDesk, did: str = "") -> Response:
    """The page."""
    school, now = desk.school, desk.school.clock.now()
    courses = list(school.catalog.courses().values())
    timezone = courses[0].syllabus.timezone if courses else "UTC"
    tz = zone(timezone)
    day = now.astimezone(tz).date()
    begins, ends = (due.at_wall_time(on, time(), tz) for on in (day, day + timedelta(days=1)))
    with school.db.read() as tx:
        waits = _waits(tx, school.catalog)
        slots = [
            run.next_due_at
            for run in islice(reports.planned(tx, ends), _COUNTED_UP_TO)
            if run.id not in waits
        ]
        sums = Today(
            view=reports.overview(tx, now, begins, ends),
            ahead=len(slots),
            late=sum(1 for slot in slots if slot is not None and slot <= now),
            next_at=_next_at(tx, waits),
            stuck=_stuck(waits),
        )
        steps = {
            course.key: _steps(course, reports.funnel(tx, course.key), ticks.felt(tx, course.key))
            for course in courses
        }
        failures = reports.failures(tx, _FAILURES_SHOWN)
        held = adoption.held(tx, school.settings.base_url)
        resting = pace.breaker(tx, school.provider.name)
        waiting = reports.waiting(tx)
        why_left = reports.why_left(tx)
        came_back = returned(tx, now)
    return desk.pages.page(
        "admin/today.html",
        here="today",
        sums=sums,
        day=day,
        timezone=timezone,
        now=now,
        courses=courses,
        steps=steps,
        failures=failures,
        cause=_cause,
        findings=school.catalog.findings,
        signup_url=school.settings.base_url.rstrip("/") + "/",
        spark=_spark([count for _, count in sums.view.signups]),
        held=held,
        resting=resting if resting.state is not BreakerState.CLOSED else None,
        provider=school.provider.name,
        waiting=waiting,
        why_left=_why_left(why_left),
        returned=came_back,
        did=did,
    )


@router.post("/admin/deliveries/{delivery_id}/again")
def again(desk: AtDesk, delivery_id: str) -> Response:
    """Owe a dead or refused mail anew."""
    school = desk.school
    with school.db.read() as tx:
        if ledger.delivery(tx, delivery_id) is None:
            raise HTTPException(404)
    try:
        done = school.enrolling.requeue(delivery_id)
    except NotAllowed as problem:
        return desk.pages.page(
            "web/error.html", status=409, heading="Not sent again", message=f"{problem}."
        )
    with school.db.write() as tx:
        people.add_audit(tx, school.clock.now(), "admin", "requeue", delivery_id)
    return desk.pages.go(f"/admin/?did={'requeued' if done else 'not-now'}#failures")


def _all_planned(tx: Tx) -> Iterator[Enrollment]:
    last = reports.latest_due_at(tx)
    return islice(reports.planned(tx, last), _COUNTED_UP_TO) if last is not None else iter(())


def _waits(tx: Tx, catalog: Catalog) -> dict[int, Obstacle]:
    return obstructed(tx, catalog, _all_planned(tx))


def _next_at(tx: Tx, waits: Mapping[int, Obstacle]) -> datetime | None:
    """When the next lesson really leaves: those who wait for an author do not count."""
    if not waits:
        return reports.next_due_at(tx)
    return next((run.next_due_at for run in _all_planned(tx) if run.id not in waits), None)


def _stuck(waits: Mapping[int, Obstacle]) -> tuple[Stuck, ...]:
    people_behind = Counter((one.course.key, one.lesson.key) for one in waits.values())
    obstacles = {(one.course.key, one.lesson.key): one for one in waits.values()}
    return tuple(
        Stuck(obstacles[place], count, _errors_in(obstacles[place]))
        for place, count in people_behind.most_common()
    )


def _errors_in(obstacle: Obstacle) -> tuple[Finding, ...]:
    """The errors in this lesson's own file, as far as its name tells; else all of the course."""
    errors = [one for one in obstacle.course.findings if one.level == "error"]
    own = [one for one in errors if obstacle.lesson.key in one.path]
    return tuple(own or errors)


def _steps(
    course: Course, funnel: list[tuple[str, int]], felt: Mapping[tuple[str, str], int]
) -> list[Step]:
    reached_by_key = dict(funnel)
    reached = [
        sum(reached_by_key.get(key, 0) for key in (ref.key, *ref.aliases))
        for ref in course.syllabus.lessons
    ]
    lost = [max(0, here - after) for here, after in pairwise(reached)] + [0]
    worst = lost.index(max(lost)) if any(lost) else -1
    steps = []
    rows = zip(course.syllabus.lessons, reached, lost, strict=True)
    for place, (ref, here, gone) in enumerate(rows):
        lesson = course.lessons.get(ref.key)
        title = lesson.title if lesson else ref.key
        clear, confusing = (
            sum(felt.get((key, feeling), 0) for key in (ref.key, *ref.aliases))
            for feeling in ticks.FEELINGS
        )
        steps.append(Step(ref.position, title, here, gone, place == worst, clear, confusing))
    return steps


def _why_left(counts: Mapping[str, int]) -> list[tuple[str, str, int]]:
    """(word in the URL, words, people): those who said something first, most people first."""
    said = [(key, words, counts.get(key, 0)) for key, words in WHY.items()]
    said = sorted((row for row in said if row[2]), key=lambda row: -row[2])
    silent = sum(count for key, count in counts.items() if key not in WHY)
    return [*said, *([(SILENT, "Said nothing", silent)] if silent else [])]


def _cause(row: FailureRow) -> str:
    return CAUSES.get(row.delivery.state, "")


def _spark(counts: list[int]) -> str:
    """Points of a thin line, 0 to 100 wide and 0 to 20 high."""
    top = max([*counts, 1])
    step = 100 / max(1, len(counts) - 1)
    return " ".join(f"{n * step:.1f},{19 - 18 * count / top:.1f}" for n, count in enumerate(counts))
