"""Who has gone quiet is found on both databases, and only they."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update

from scheduler.domain.enrollment import EnrollmentState
from scheduler.store import ledger, nudges, people, ticks
from scheduler.store.tables import enrollments

if TYPE_CHECKING:
    from conftest import Room

    from scheduler.domain.enrollment import Enrollment
    from scheduler.store import Tx

ALL = ("0", "g")


def after_a_lesson(room: Room, tx: Tx) -> Enrollment:
    """A run whose first lesson has been taken by a provider, at this very instant."""
    run = room.run(tx)
    ledger.owe(tx, [room.new(run, "one")], room.now)
    [claimed] = room.claim(tx)
    room.mark(tx, claimed.delivery)
    room.settle(tx, claimed.delivery, "accepted")
    return run


def quiet(tx: Tx) -> list[int]:
    return [lesson.enrollment_id for lesson in nudges.quiet_lessons(tx, *ALL, 10)]


def test_a_lesson_that_nobody_answered_is_found_once_its_place_is_looked_at(room: Room) -> None:
    with room.db.write() as tx:
        run = after_a_lesson(room, tx)
        [found] = nudges.quiet_lessons(tx, *ALL, 10)
        assert (found.enrollment_id, found.key, found.sent_at) == (run.id, "one", room.now)
        assert nudges.still_quiet(tx, [(run.id, "one")]) == {run.id: found}
        assert nudges.still_quiet(tx, [(run.id, "two")]) == {}
        before = nudges.place_of(room.now - timedelta(seconds=1))
        after = nudges.place_of(room.now + timedelta(seconds=1))
        assert nudges.quiet_lessons(tx, before, after, 10) == [found]
        assert nudges.quiet_lessons(tx, "0", before, 10) == []
        assert nudges.quiet_lessons(tx, found.delivery_id, after, 10) == []


def came_by(room: Room, tx: Tx, run: Enrollment) -> None:
    at = {"visited_at": room.now}
    tx.execute(update(enrollments).where(enrollments.c.id == run.id).values(at))


def came_before(room: Room, tx: Tx, run: Enrollment) -> None:
    at = {"visited_at": room.now - timedelta(seconds=1)}
    tx.execute(update(enrollments).where(enrollments.c.id == run.id).values(at))


def ticked(room: Room, tx: Tx, run: Enrollment) -> None:
    ticks.add(tx, run.id, "an earlier one", "action", room.now)


def said_no(_room: Room, tx: Tx, run: Enrollment) -> None:
    nudges.want(tx, run.id, False)


def took_a_break(_room: Room, tx: Tx, run: Enrollment) -> None:
    changed = update(enrollments).where(enrollments.c.id == run.id)
    tx.execute(changed.values(state=str(EnrollmentState.PAUSED)))


def is_owed_another(room: Room, tx: Tx, run: Enrollment) -> None:
    ledger.owe(tx, [room.new(run, "two")], room.now + timedelta(seconds=1))


def began_anew(room: Room, tx: Tx, run: Enrollment) -> None:
    changed = update(enrollments).where(enrollments.c.id == run.id)
    tx.execute(changed.values(state=str(EnrollmentState.COMPLETED)))
    people.add_enrollment(
        tx, learner_id=run.learner_id, course=run.course, round=2, state=EnrollmentState.ACTIVE,
        timezone=run.timezone, cadence=run.cadence, now=room.now,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("happens", "is_quiet"),
    [
        (came_by, False),
        (came_before, True),
        (ticked, False),
        (said_no, False),
        (took_a_break, False),
        (is_owed_another, False),
        (began_anew, False),
    ],
)
def test_a_sign_of_life_or_a_wish_leaves_nothing_to_say(room: Room, happens, is_quiet) -> None:
    with room.db.write() as tx:
        run = after_a_lesson(room, tx)
        assert quiet(tx) == [run.id]
        happens(room, tx, run)
        assert quiet(tx) == ([run.id] if is_quiet else [])
        assert (nudges.still_quiet(tx, [(run.id, "one")]) != {}) is is_quiet


def test_mails_of_a_round_tell_nudges_from_the_others(room: Room) -> None:
    with room.db.write() as tx:
        run = after_a_lesson(room, tx)
        ledger.owe(tx, [room.new(run, "@nudge:one"), room.new(run, "@completed")], room.now)
        other = room.run(tx)
        found = nudges.mails_of(tx, [(run.id, 1), (other.id, 1)])
        assert list(found[run.id].nudges) == ["@nudge:one"]
        assert len(found[run.id].others) == 2
        assert found[other.id] == nudges.Mails({}, ())
        ledger.cancel_open(tx, run.id, now=room.now, verdict="left")
        assert nudges.mails_of(tx, [(run.id, 1)])[run.id].nudges == {}
