"""Finds the learners a staff command is meant for: by address, or by course and state."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from scheduler.domain.enrollment import Enrollment, EnrollmentState
from scheduler.domain.learner import Learner

if TYPE_CHECKING:
    from scheduler.store import Tx
    from scheduler.store.reports import LearnerRow

STATES = click.Choice([str(state) for state in EnrollmentState])

#: Rows read at a time.
PAGE = 500


class NobodyThere(click.ClickException):
    """An address we do not know; exit code 1."""


def rows(
    tx: Tx, *, course: str | None = None, state: str | None = None, text: str | None = None
) -> Iterator[LearnerRow]:
    """Every run that fits, newest first, read page by page."""
    from scheduler.store import reports

    after = None
    while True:
        page = reports.search_learners(
            tx, course=course, state=state, text=text, limit=PAGE, after=after
        )
        yield from page
        if len(page) < PAGE:
            return
        after = page[-1].enrollment.id


def learner(tx: Tx, address: str) -> Learner:
    """The learner with that address. Raises NobodyThere, naming near addresses."""
    from scheduler.store import people

    found = people.find_learner(tx, address)
    if found is None:
        raise NobodyThere(f"there is no learner with the address {address}.{_hint(tx, address)}")
    return found


def runs(
    tx: Tx,
    addresses: Sequence[str],
    *,
    course: str | None,
    state: str | None,
) -> list[tuple[Learner, Enrollment]]:
    """The latest run per course of each address, or every run that fits the filter."""
    from scheduler.store import people

    if not addresses:
        return [(row.learner, row.enrollment) for row in rows(tx, course=course, state=state)]
    picked: list[tuple[Learner, Enrollment]] = []
    for address in addresses:
        person = learner(tx, address)
        latest: dict[str, Enrollment] = {}
        for run in people.enrollments_of(tx, person.id):
            if run.course not in latest or latest[run.course].round < run.round:
                latest[run.course] = run
        picked += [
            (person, run)
            for run in latest.values()
            if (course is None or run.course == course) and (state is None or run.state == state)
        ]
    return picked


def _hint(tx: Tx, address: str) -> str:
    from scheduler.store import reports

    start = address.partition("@")[0][:2]
    found = reports.search_learners(tx, text=start, limit=PAGE) if start else []
    known = list({row.learner.address: None for row in found})
    near = difflib.get_close_matches(address, known, 3, 0.8)
    if near:
        return f" Did you mean {' or '.join(near)}?"
    return " List them with `course learners list`, or search: `course learners list --text NAME`."
