"""The finish of a course, for the learner's own pages: what was done, what is open, what follows.

Reads only. The pages say it in words; `course.finish` judges it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from markupsafe import Markup, escape

from course.catalog import Course, Offer
from course.finish import Mark, Row, Task, judge, tasks_of
from course.web.desk import Desk
from course.web.learner.standing import SENT
from course.web.learner.texts import for_nobody
from scheduler.domain.delivery import (
    COMPLETED,
    Delivery,
    DeliveryKind,
    DeliveryState,
    original_key,
    tells_deeds,
)
from scheduler.domain.enrollment import Enrollment, EnrollmentState
from scheduler.store import Tx, deeds, ledger, notes, people

#: States in which a letter is still on its way to its day.
_AHEAD = frozenset({DeliveryState.DUE, DeliveryState.CLAIMED, DeliveryState.WAITING})


@dataclass(frozen=True, slots=True)
class Line:
    """One lesson on the learner's list."""

    number: int
    #: What its action leaves behind, as safe HTML.
    leaves: Markup
    mark: Mark
    done_at: datetime | None
    #: Where "I did it" can be said or taken back; empty for a lesson that was not sent.
    done: str


@dataclass(frozen=True, slots=True)
class Finished:
    """What `web/_finished.html` shows; also what the certificate is made of."""

    run: Enrollment
    title: str
    lines: tuple[Line, ...]
    done_count: int
    total: int
    #: False where no lesson asks for anything.
    asks: bool
    #: Has the last lesson been sent?
    completed: bool
    #: When everything was done; None while something is open.
    earned_at: datetime | None
    minutes: int
    #: Does this course give certificates?
    certifies: bool
    #: The name on the certificate; empty until its owner has chosen one.
    name: str
    #: Letters still to come, by their day.
    letters_at: tuple[datetime, ...]
    offers: tuple[Offer, ...]
    #: The learner's own page about the certificate.
    certificate: str
    #: Where the course can be taken once more; empty when it is gone.
    again: str

    @property
    def done_lines(self) -> tuple[Line, ...]:
        """What a certificate lists: what was done, or where nothing was asked, what was sent."""
        shown = (Mark.DONE,) if self.asks else (Mark.DONE, Mark.OPEN)
        return tuple(line for line in self.lines if line.mark in shown)

    @property
    def may_be_named(self) -> bool:
        """Is there a certificate to be had?"""
        return self.certifies and self.earned_at is not None

    @property
    def is_public(self) -> bool:
        """Is there a certificate that others can see?"""
        return self.may_be_named and bool(self.name)


def finished_of(desk: Desk, tx: Tx, run: Enrollment) -> Finished:
    """How this round ends, or has ended. A course whose folder is gone has no list any more."""
    course = desk.school.catalog.course(run.course)
    tasks = tasks_of(course) if course else ()
    found = judge(tasks, deeds.deeds_of(tx, [run])[run.id], run.completed_at)
    rows = [d for d in ledger.deliveries_of(tx, run.id) if d.round == run.round]
    return Finished(
        run=run,
        title=course.title if course else run.course,
        lines=tuple(_line(desk, course, row, rows) for row in found.rows if course),
        done_count=len(found.done),
        total=found.counted,
        asks=found.asks,
        completed=run.completed_at is not None,
        earned_at=found.earned_at if course else None,
        minutes=found.minutes,
        certifies=course is not None and course.certificate,
        name=notes.certificate_name(tx, run.id),
        letters_at=tuple(sorted(d.not_before for d in rows if _ahead(d, run))),
        offers=desk.school.catalog.after(course) if course else (),
        certificate=f"{desk.pages.path(desk.school.links.learn(run.id))}/certificate",
        again=f"{desk.pages.root}/courses/{quote(run.course)}#join" if course else "",
    )


def best_round(desk: Desk, tx: Tx, run: Enrollment) -> Finished:
    """The newest round of this course that was finished; else the one at hand.

    A course that is taken again takes nothing away from the first time.
    """
    rounds = [each for each in people.enrollments_of(tx, run.learner_id) if _ended(each, run)]
    for each in sorted(rounds, key=lambda each: -each.round):
        found = finished_of(desk, tx, each)
        if found.earned_at is not None:
            return found
    return finished_of(desk, tx, run)


def _ended(each: Enrollment, run: Enrollment) -> bool:
    return each.course == run.course and each.completed_at is not None


def _line(desk: Desk, course: Course, row: Row, rows: list[Delivery]) -> Line:
    sent = _sent(row.task, rows)
    links = desk.school.links
    lesson = course.lessons.get(row.task.names[0])  # none while it is being repaired
    leaves = row.task.leaves
    return Line(
        number=row.task.number,
        leaves=for_nobody(course, lesson).line(leaves) if lesson else escape(leaves),
        mark=row.mark,
        done_at=row.done_at,
        done=desk.pages.path(links.done(sent.id)) if sent else "",
    )


def _sent(task: Task, rows: list[Delivery]) -> Delivery | None:
    return next(
        (
            d
            for d in rows
            if d.kind is DeliveryKind.LESSON and d.key in task.names and d.state in SENT
        ),
        None,
    )


def _ahead(letter: Delivery, run: Enrollment) -> bool:
    """Is this a follow-up that still comes?"""
    return (
        run.state is EnrollmentState.COMPLETED
        and letter.state in _AHEAD
        and tells_deeds(letter)
        and original_key(letter.key) != COMPLETED
    )
