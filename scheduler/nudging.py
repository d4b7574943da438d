"""One kind word to whoever has gone quiet: looks for them, and looks again before it leaves.

Owes letters like any other, with no promise but one: rather none than one at a wrong moment.
Refuses to send, and to open letters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from scheduler.domain.delivery import Claimed, DeliveryKind, nudge_key, nudge_of
from scheduler.domain.enrollment import Enrollment
from scheduler.domain.syllabus import Syllabus
from scheduler.rules import nudge
from scheduler.rules.nudge import Quiet
from scheduler.store import Database, Tx, ledger, nudges, people
from scheduler.store.ledger import NewDelivery
from scheduler.store.nudges import Mails, QuietLesson

#: Quiet learners looked at in one transaction, and transactions in one look.
BATCH, MOST_BATCHES = 500, 20
#: A mark that is older moves on, whether somebody was found or not: the range stays short.
MOVE_EVERY = timedelta(hours=1)
#: What a key may be long in the ledger.
_KEY_LENGTH = 200


class Nudging:
    """Looks for quiet learners; several workers may do so at once."""

    def __init__(self, db: Database, syllabi: Callable[[str], Syllabus | None]) -> None:
        self._db = db
        self._syllabi = syllabi

    def look(self, now: datetime) -> int:
        """Owe a nudge for each lesson whose two days are over in silence; returns how many.

        Each lesson is looked at once. What it owes waits in the ledger for its hour.
        """
        before = nudges.place_of(now - nudge.SHORTEST_WAIT)
        if self._has_nothing_to_do(before, nudges.place_of(now - nudge.SHORTEST_WAIT - MOVE_EVERY)):
            return 0
        owed = 0
        for _ in range(MOST_BATCHES):
            count, is_done = self._look_at_some(before, now)
            owed += count
            if is_done:
                break
        return owed

    def _has_nothing_to_do(self, before: str, recent: str) -> bool:
        """Most looks find nobody: they write nothing, and the mark stays where it is."""
        with self._db.read() as tx:
            after = nudges.looked_at(tx)
            if after is None or after < recent:
                return False
            return not nudges.quiet_lessons(tx, after, before, 1)

    def _look_at_some(self, before: str, now: datetime) -> tuple[int, bool]:
        with self._db.write("nudge") as tx:
            after = nudges.looked_at(tx)
            if after is None or after >= before:
                # Nobody is written to about lessons from before this was first switched on.
                if after is None:
                    nudges.set_looked_at(tx, before)
                return 0, True
            found = nudges.quiet_lessons(tx, after, before, BATCH)
            owed = ledger.owe(tx, self._letters(tx, found, now), now)
            is_done = len(found) < BATCH
            nudges.set_looked_at(tx, before if is_done else found[-1].delivery_id)
        return len(owed), is_done

    def _letters(self, tx: Tx, found: Sequence[QuietLesson], now: datetime) -> list[NewDelivery]:
        # Locked: leaving and pausing wait for us, and then withdraw what we have owed.
        runs = people.enrollments(tx, [lesson.enrollment_id for lesson in found], lock=True)
        mails = nudges.mails_of(tx, [(lesson.enrollment_id, lesson.round) for lesson in found])
        addresses = people.addresses(tx, [run.learner_id for run in runs.values()])
        letters = []
        for lesson in found:
            run, sent = runs[lesson.enrollment_id], mails[lesson.enrollment_id]
            key = self._lesson_key(run, lesson.key)
            if key is None or any(_is_about(other, key) for other in sent.nudges):
                continue
            at = nudge.nudge_at(_quiet(run, lesson, sent), now)
            letter = nudge_key(key, len(sent.nudges) + 1)
            if at is not None and len(letter) <= _KEY_LENGTH:
                letters.append(
                    NewDelivery(
                        enrollment_id=run.id,
                        round=run.round,
                        kind=DeliveryKind.LETTER,
                        key=letter,
                        to_addr=addresses[run.learner_id],
                        not_before=at,
                    )
                )
        return letters

    def _lesson_key(self, run: Enrollment, key: str) -> str | None:
        """The lesson's present key; None where there is nothing to write about it."""
        syllabus = self._syllabi(run.course)
        if syllabus is None or not syllabus.nudges:
            return None
        for ref in syllabus.lessons:
            if key == ref.key or key in ref.aliases:
                return key if ref.has_short else None
        return None


def untimely(tx: Tx, batch: Sequence[Claimed], now: datetime) -> list[Claimed]:
    """The nudges among these whose moment has passed, or whose reader has been seen since."""
    about = {c.delivery.id: named for c in batch if (named := _named(c)) is not None}
    if not about:
        return []
    claimed = [one for one in batch if one.delivery.id in about]
    lessons = nudges.still_quiet(
        tx, [(one.enrollment.id, about[one.delivery.id]) for one in claimed]
    )
    mails = nudges.mails_of(tx, [(one.enrollment.id, one.enrollment.round) for one in claimed])
    runs = people.enrollments(tx, [one.enrollment.id for one in claimed])
    return [
        one
        for one in claimed
        if not _may_go(
            one, runs.get(one.enrollment.id), lessons.get(one.enrollment.id),
            mails[one.enrollment.id], now,
        )
    ]  # fmt: skip


def _may_go(
    claimed: Claimed,
    run: Enrollment | None,
    lesson: QuietLesson | None,
    mails: Mails,
    now: datetime,
) -> bool:
    delivery = claimed.delivery
    if run is None or lesson is None or delivery.round != run.round:
        return False
    others = {key: at for key, at in mails.nudges.items() if key != delivery.key}
    quiet = _quiet(run, lesson, Mails(others, mails.others))
    return nudge.is_timely(quiet, delivery.slot, now)


def _quiet(run: Enrollment, lesson: QuietLesson, mails: Mails) -> Quiet:
    return Quiet(
        run,
        lesson_sent_at=lesson.sent_at,
        visited_at=lesson.visited_at,
        nudges=tuple(mails.nudges.values()),
        mails=mails.others,
    )


def _named(claimed: Claimed) -> str | None:
    """The lesson a nudge is about; None for other mails, and for a copy sent by staff."""
    key = claimed.delivery.key
    nudged = None if key.startswith("@again-") else nudge_of(key)
    return nudged[1] if nudged else None


def _is_about(nudge_letter: str, lesson_key: str) -> bool:
    nudged = nudge_of(nudge_letter)
    return nudged is not None and nudged[1] == lesson_key
