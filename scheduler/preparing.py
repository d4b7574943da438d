"""From claimed deliveries to finished messages: what is gone is withdrawn, what would wake
somebody is put off, what cannot be written is set aside.

Nothing here has been handed over yet, so nothing here is ambiguous. Refuses to open letters:
content comes from a `Composer`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import replace
from datetime import timedelta

import structlog

from scheduler import consequences, nudging
from scheduler.clock import Clock
from scheduler.domain.delivery import Claimed, DeliveryKind, DeliveryState, tells_deeds
from scheduler.domain.enrollment import EnrollmentState
from scheduler.domain.message import Composer, Message, Unfit
from scheduler.domain.syllabus import Syllabus
from scheduler.rules import due
from scheduler.settling import Settler
from scheduler.store import Database, claims, deeds, ledger, people
from scheduler.store.claims import Release

log = structlog.get_logger(__name__)

#: A lesson that must wait for its author is looked at again after this.
HOLD_FOR = timedelta(minutes=15)


class Preparer:
    """Prepares windows of claimed deliveries for one worker."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        syllabi: Callable[[str], Syllabus | None],
        composer: Composer,
        settler: Settler,
        *,
        owner: str,
        min_gap: timedelta,
    ) -> None:
        self._db = db
        self._clock = clock
        self._syllabi = syllabi
        self._composer = composer
        self._settler = settler
        self._owner = owner
        self._min_gap = min_gap
        #: Content versions that are in the store; none is ever taken out of it.
        self._kept: set[str] = set()

    def sift(self, batch: Sequence[Claimed], counts: Counter[str]) -> list[Claimed]:
        """Those of a batch that may leave now; the others are withdrawn or put off."""
        gone = {claimed.delivery.id for claimed in batch if self._is_gone(claimed)}
        if gone:
            self._withdraw([c for c in batch if c.delivery.id in gone], counts)
        seconds = _seconds([c for c in batch if c.delivery.id not in gone])
        asleep = {claimed.delivery.id for claimed in batch if self._would_wake(claimed)}
        later = (seconds | asleep) - gone
        if later:
            self._put_off([c for c in batch if c.delivery.id in later], seconds)
        batch = [c for c in batch if c.delivery.id not in gone | later]
        untimely = self._untimely(batch)
        if untimely:
            self._let_go(untimely, counts)
            too_late = {claimed.delivery.id for claimed in untimely}
            batch = [c for c in batch if c.delivery.id not in too_late]
        return list(batch)

    def compose(self, window: Sequence[Claimed], counts: Counter[str]) -> list[Message]:
        """Write these; what cannot be written is set aside, whatever the composer does."""
        window = self._with_deeds(window)
        answers = self._answers(window)
        messages = [answer for answer in answers if isinstance(answer, Message)]
        unfit = [
            (claimed, answer)
            for claimed, answer in zip(window, answers, strict=True)
            if isinstance(answer, Unfit)
        ]
        if unfit:
            self._set_aside(unfit, counts)
        self._keep_versions(window, messages)
        return messages

    def _with_deeds(self, window: Sequence[Claimed]) -> Sequence[Claimed]:
        """For letters that tell them; a window of lessons, by far the most, costs no look."""
        if not any(tells_deeds(claimed.delivery) for claimed in window):
            return window
        with self._db.read() as tx:
            return deeds.with_deeds(tx, window)

    def _is_gone(self, claimed: Claimed) -> bool:
        """Was this lesson removed from its course, or renamed, after it became due?"""
        if claimed.delivery.kind is not DeliveryKind.LESSON:
            return False
        syllabus = self._syllabi(claimed.enrollment.course)
        if syllabus is None:  # the course itself cannot be read: its lessons wait for it
            return False
        return all(ref.key != claimed.delivery.key for ref in syllabus.lessons)

    def _withdraw(self, gone: Sequence[Claimed], counts: Counter[str]) -> None:
        """Cancel lessons that are no more, and let the plan pick the next ones in their place."""
        now = self._clock.now()
        releases = [
            Release(
                delivery_id=claimed.delivery.id,
                attempt=claimed.delivery.attempt,
                # The first copy of an extra one may have arrived: the lesson counts as had,
                # or it would come again under its new name.
                state=DeliveryState.SKIPPED
                if claimed.delivery.extra_copy
                else DeliveryState.CANCELLED,
                not_before=now,
                verdict="the lesson was removed from the course, or renamed",
                burn_attempt=False,
            )
            for claimed in gone
        ]
        slots = {c.enrollment.id: c.delivery.slot for c in gone}
        with self._db.write("withdraw") as tx:
            # Runs before deliveries, as everywhere: two orders would be a deadlock.
            runs = people.enrollments(tx, [c.enrollment.id for c in gone], lock=True)
            claims.release(tx, owner=self._owner, releases=releases, now=now)
            people.save_enrollments(
                tx,
                [
                    # The next lesson takes its place, and is as late.
                    replace(run, next_due_at=slots[run.id])
                    for run in runs.values()
                    if run.state is EnrollmentState.ACTIVE
                ],
            )
        counts["cancelled"] += len(gone)

    def _would_wake(self, claimed: Claimed) -> bool:
        delivery = claimed.delivery
        return delivery.kind is DeliveryKind.LESSON and due.is_night(
            claimed.enrollment.timezone,
            self._clock.now(),
            delivery.slot,
        )

    def _put_off(self, later: Sequence[Claimed], seconds: Set[str]) -> None:
        """What an outage or a retry has brought into the night, or beside another, waits."""
        now = self._clock.now()
        releases = [
            Release(
                delivery_id=claimed.delivery.id,
                attempt=claimed.delivery.attempt,
                state=DeliveryState.DUE,
                not_before=due.next_slot(
                    claimed.enrollment.cadence,
                    claimed.enrollment.timezone,
                    after=now,
                    last_sent_at=now if second else claimed.enrollment.last_sent_at,
                    min_gap=self._min_gap,
                ),
                verdict="an earlier lesson leaves first"
                if second
                else "it became night before it could leave",
                burn_attempt=False,
                new_slot=True,
            )
            for claimed in later
            for second in [claimed.delivery.id in seconds]
        ]
        with self._db.write("put off") as tx:
            claims.release(tx, owner=self._owner, releases=releases, now=now)

    def _untimely(self, batch: Sequence[Claimed]) -> list[Claimed]:
        """Nudges that must not go now; a batch of lessons, by far the most, costs no look."""
        if all(claimed.delivery.kind is DeliveryKind.LESSON for claimed in batch):
            return []
        with self._db.read() as tx:
            return nudging.untimely(tx, batch, self._clock.now())

    def _let_go(self, untimely: Sequence[Claimed], counts: Counter[str]) -> None:
        """Nobody waits for a nudge: one that is late, or answered before it came, never leaves."""
        releases = [
            Release(
                delivery_id=claimed.delivery.id,
                attempt=claimed.delivery.attempt,
                state=DeliveryState.CANCELLED,
                verdict="its moment has passed, or its reader has come by since",
                burn_attempt=False,
            )
            for claimed in untimely
        ]
        with self._db.write("let go") as tx:
            claims.release(tx, owner=self._owner, releases=releases, now=self._clock.now())
        counts["cancelled"] += len(untimely)

    def _answers(self, window: Sequence[Claimed]) -> list[Message | Unfit]:
        try:
            return self._composer.compose(window)
        except Exception:
            # One mail's bug must not hold up a window of others: find it.
            log.exception("composing_failed", window=len(window))
        answers = [self._answer(claimed) for claimed in window]
        sound = {
            (claimed.enrollment.course, claimed.delivery.key)
            for claimed, answer in zip(window, answers, strict=True)
            if isinstance(answer, Message)
        }
        return [
            # Where others could be written, the lesson is sound: waiting would mend nothing.
            replace(answer, poison=False)
            if isinstance(answer, Unfit)
            and (claimed.enrollment.course, claimed.delivery.key) in sound
            else answer
            for claimed, answer in zip(window, answers, strict=True)
        ]

    def _answer(self, claimed: Claimed) -> Message | Unfit:
        try:
            [answer] = self._composer.compose([claimed])
        except Exception as error:
            reason = f"it could not be written: {type(error).__name__}: {error}"
            return Unfit(claimed.delivery.id, reason, poison=True)
        return answer

    def _set_aside(self, unfit: Sequence[tuple[Claimed, Unfit]], counts: Counter[str]) -> None:
        """What cannot be composed waits for its author, or is given up and its run paused."""
        now = self._clock.now()
        releases = []
        dead: list[Claimed] = []
        for claimed, answer in unfit:
            wait = answer.hold or answer.poison
            counts["held" if wait else "dead"] += 1
            if not wait and claimed.delivery.kind is DeliveryKind.LESSON:
                dead.append(claimed)
            releases.append(
                Release(
                    delivery_id=claimed.delivery.id,
                    attempt=claimed.delivery.attempt,
                    state=DeliveryState.WAITING if wait else DeliveryState.DEAD,
                    not_before=now + HOLD_FOR,
                    verdict=answer.reason,
                    burn_attempt=not wait,
                )
            )
        with self._db.write("set aside") as tx:
            consequences.pause_runs(tx, [c.enrollment.id for c in dead], now)
            claims.release(tx, owner=self._owner, releases=releases, now=now)

    def _keep_versions(self, window: Sequence[Claimed], messages: Sequence[Message]) -> None:
        """Store each content version before its first message leaves, for "read online"."""
        of_delivery = {c.delivery.id: c for c in window}
        versions = {m.version: of_delivery[m.delivery_id] for m in messages}
        unknown = versions.keys() - self._kept
        if not unknown:
            return
        with self._db.read() as tx:
            missing = unknown - ledger.known_versions(tx, list(unknown))
        if missing:
            self._keep({version: versions[version] for version in missing})
        self._kept |= unknown

    def _keep(self, versions: Mapping[str, Claimed]) -> None:
        now = self._clock.now()
        with self._db.write("keep versions") as tx:
            for version, claimed in versions.items():
                ledger.keep_version(
                    tx,
                    version=version,
                    course=claimed.enrollment.course,
                    key=claimed.delivery.key,
                    document=self._composer.document(version),
                    now=now,
                )


def _seconds(batch: Sequence[Claimed]) -> Set[str]:
    """Lessons whose run has an earlier one in the same batch: two must not leave together."""
    firsts: dict[int, Claimed] = {}
    seconds: set[str] = set()
    for claimed in batch:
        if claimed.delivery.kind is not DeliveryKind.LESSON:
            continue
        first = firsts.setdefault(claimed.enrollment.id, claimed)
        if first is not claimed:
            later = max(first, claimed, key=lambda c: (c.delivery.created_at, c.delivery.id))
            seconds.add(later.delivery.id)
            firsts[claimed.enrollment.id] = claimed if later is first else first
    return seconds
