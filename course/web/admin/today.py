"""The first page of the office: how many learn, what goes out today, what needs a person.

Reads only, apart from one button that owes a failed mail anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from itertools import islice, pairwise

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import Response

from course import adoption
from course.catalog import Course
from course.web.admin.session import AdminOnly
from course.web.desk import LOOK, AtDesk
from course.web.words import counted
from scheduler.domain.delivery import DeliveryState
from scheduler.rules import due
from scheduler.rules.pace import BreakerState
from scheduler.store import ledger, pace, people, reports
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


@dataclass(frozen=True, slots=True)
class Today:
    """The sums behind the first page."""

    view: Overview
    #: Lessons still to come before local midnight, late ones included.
    ahead: int
    #: Those of them whose time has come already.
    late: int
    next_at: datetime | None

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
    def finished(self) -> int | None:
        """Per cent who finished, of all whose course has ended; None before the first."""
        done, stopped = self.count("completed"), self.count("stopped")
        return round(100 * done / (done + stopped)) if done + stopped else None

    def headline(self) -> str:
        """The day in one sentence."""
        parts = [
            f"{counted(self.open, 'mail')} to send" if self.open else "nothing left to send",
            f"{self.sent} sent",
            f"{self.failed} need you" if self.failed > 1 else "1 needs you" if self.failed else "",
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
        slots = [run.next_due_at for run in islice(reports.planned(tx, ends), _COUNTED_UP_TO)]
        sums = Today(
            view=reports.overview(tx, now, begins, ends),
            ahead=len(slots),
            late=sum(1 for slot in slots if slot is not None and slot <= now),
            next_at=reports.next_due_at(tx),
        )
        steps = {course.key: _steps(course, reports.funnel(tx, course.key)) for course in courses}
        failures = reports.failures(tx, _FAILURES_SHOWN)
        held = adoption.held(tx, school.settings.base_url)
        resting = pace.breaker(tx, school.provider.name)
        waiting = reports.waiting(tx)
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
        did=did,
    )


@router.post("/admin/deliveries/{delivery_id}/again")
def again(desk: AtDesk, delivery_id: str) -> Response:
    """Owe a dead or refused mail anew."""
    school = desk.school
    with school.db.read() as tx:
        if ledger.delivery(tx, delivery_id) is None:
            raise HTTPException(404)
    done = school.enrolling.requeue(delivery_id)
    with school.db.write() as tx:
        people.add_audit(tx, school.clock.now(), "admin", "requeue", delivery_id)
    return desk.pages.go(f"/admin/?did={'requeued' if done else 'not-now'}#failures")


def _steps(course: Course, funnel: list[tuple[str, int]]) -> list[Step]:
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
        steps.append(Step(ref.position, title, here, gone, biggest=place == worst))
    return steps


def _cause(row: FailureRow) -> str:
    return CAUSES.get(row.delivery.state, "")


def _spark(counts: list[int]) -> str:
    """Points of a thin line, 0 to 100 wide and 0 to 20 high."""
    top = max([*counts, 1])
    step = 100 / max(1, len(counts) - 1)
    return " ".join(f"{n * step:.1f},{19 - 18 * count / top:.1f}" for n, count in enumerate(counts))
