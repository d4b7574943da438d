"""Who waits behind a lesson that may not go out: a draft, or one with an error in it.

Reads only, by the same rule as the worker. Asks the database nothing while all lessons are sound.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from course.catalog import Catalog, Course
from scheduler.domain.enrollment import Enrollment, EnrollmentState
from scheduler.domain.syllabus import LessonRef, Readiness
from scheduler.rules import progress
from scheduler.store import Tx, ledger

_BATCH = 500


@dataclass(frozen=True, slots=True)
class Obstacle:
    """A lesson that its author has to mend or to finish before anybody gets it."""

    course: Course
    lesson: LessonRef

    @property
    def title(self) -> str:
        """Its title; of a lesson that cannot be read, its key in words."""
        lesson = self.course.lessons.get(self.lesson.key)
        return lesson.title if lesson else self.lesson.key.replace("-", " ").capitalize()

    @property
    def draft(self) -> bool:
        """Not finished yet; otherwise there is an error in it."""
        return self.lesson.readiness is Readiness.DRAFT


def obstructed(tx: Tx, catalog: Catalog, runs: Iterable[Enrollment]) -> dict[int, Obstacle]:
    """Run id -> the lesson it waits for; runs that do not wait are missing."""
    courses = {
        key: course
        for key, course in catalog.courses().items()
        if any(ref.readiness is not Readiness.PUBLISHED for ref in course.syllabus.lessons)
    }
    if not courses:
        return {}
    found: dict[int, Obstacle] = {}
    # A run without an instant is paused, over, or has its lesson owed already.
    moving = (
        run
        for run in runs
        if run.course in courses
        and run.state is EnrollmentState.ACTIVE
        and run.next_due_at is not None
    )
    while batch := list(islice(moving, _BATCH)):
        found |= _of_batch(tx, courses, batch)
    return found


def _of_batch(
    tx: Tx, courses: dict[str, Course], runs: Sequence[Enrollment]
) -> dict[int, Obstacle]:
    keys = ledger.lesson_keys(tx, runs)
    found = {}
    for run in runs:
        course = courses[run.course]
        choice = progress.next_lesson(course.syllabus, keys[run.id])
        if isinstance(choice, progress.Hold):
            found[run.id] = Obstacle(course, choice.lesson)
    return found
