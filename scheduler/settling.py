"""Writes down what a provider answered, and moves every run that it concerns.

The answer, the learner's progress and its consequences are one transaction. Refuses
to guess: silence arrives here as `Uncertain`, and a late truth may still replace it.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from scheduler import consequences
from scheduler.clock import Clock
from scheduler.domain.delivery import Delivery, DeliveryKind, DeliveryState, Settled
from scheduler.domain.enrollment import Enrollment, EnrollmentEvent, EnrollmentState
from scheduler.domain.provider import Accepted, Deferred, Fault, Outcome, Refused, Uncertain
from scheduler.domain.syllabus import Syllabus
from scheduler.finishing import finished, owed_at_finish
from scheduler.rules import due, progress, retry, suppression
from scheduler.store import Database, Tx, ledger, people
from scheduler.store.ledger import NewDelivery, Settlement
from scheduler.zones import zone


class Settler:
    """Settles windows of outcomes for one provider."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        syllabi: Callable[[str], Syllabus | None],
        *,
        provider: str,
        salt: str,
        min_gap: timedelta,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._db = db
        self._clock = clock
        self._syllabi = syllabi
        self._provider = provider
        self._salt = salt
        self._min_gap = min_gap
        self._jitter = jitter

    def settle(
        self,
        outcomes: Sequence[tuple[str, Outcome]],
        by_id: Mapping[str, Delivery],
        counts: Counter[str],
    ) -> None:
        now = self._clock.now()
        settlements = [
            self._settlement(by_id[delivery_id], outcome, now) for delivery_id, outcome in outcomes
        ]
        refusals = {
            delivery_id: outcome
            for delivery_id, outcome in outcomes
            if isinstance(outcome, Refused)
        }
        with self._db.write("settle") as tx:
            settled = ledger.settle(tx, settlements, at=now, provider=self._provider)
            self.advance(tx, settled, now)
            self._apply_refusals(tx, settled, refusals, now)
        counts.update(str(delivery.state) for delivery in settled)

    def _settlement(self, delivery: Delivery, outcome: Outcome, now: datetime) -> Settlement:
        state, verdict, ref, not_before = DeliveryState.ACCEPTED, "", "", None
        put_off = False
        if isinstance(outcome, Accepted):
            verdict, ref = outcome.detail, outcome.ref
        elif isinstance(outcome, Uncertain):
            state, verdict = DeliveryState.UNCERTAIN, outcome.detail
        elif isinstance(outcome, Refused) and outcome.fault is not Fault.CONFIG:
            state, verdict = DeliveryState.REFUSED, outcome.detail
        else:
            # Our own misconfiguration is not the learner's fault: it waits until it is mended.
            deferred = outcome if isinstance(outcome, Deferred) else _as_deferred(outcome)
            put_off = not retry.is_ours(deferred.fault)
            decision = retry.after_deferral(
                deferred,
                attempt=delivery.attempt,
                failures=delivery.failures + put_off,
                failing_since=delivery.failing_since or now,
                now=now,
                jitter=self._jitter(),
            )
            verdict = deferred.detail
            if isinstance(decision, retry.Retry):
                state, not_before = DeliveryState.WAITING, decision.at
            else:
                state, verdict = DeliveryState.DEAD, decision.reason
        return Settlement(
            delivery_id=delivery.id,
            attempt=delivery.attempt,
            state=state,
            verdict=verdict,
            provider_ref=ref,
            not_before=not_before,
            put_off=put_off,
        )

    def advance(self, tx: Tx, settled: Sequence[Delivery | Settled], now: datetime) -> None:
        """Move the runs whose lesson was handed over, or may have been, to their next slot."""
        handed_over = {
            d.enrollment_id: d
            for d in settled
            if d.kind is DeliveryKind.LESSON
            and d.state in (DeliveryState.ACCEPTED, DeliveryState.UNCERTAIN)
        }
        consequences.pause_runs(
            tx,
            [
                d.enrollment_id
                for d in settled
                if d.kind is DeliveryKind.LESSON and d.state is DeliveryState.DEAD
            ],
            now,
        )
        if not handed_over:
            return
        runs = people.enrollments(tx, list(handed_over), lock=True)
        lessons = ledger.lesson_states(tx, list(runs.values()))
        choose = progress.choosing()
        slots: dict[tuple[object, ...], datetime] = {}
        gone_on: list[tuple[int, datetime, datetime]] = []
        changed: list[Enrollment] = []
        ended: list[Enrollment] = []
        for run in runs.values():
            delivery = handed_over[run.id]
            sent_at = delivery.sending_at or now
            last_sent_at = max(sent_at, run.last_sent_at or sent_at)
            syllabus = self._syllabi(run.course)
            running = run.state in (EnrollmentState.ACTIVE, EnrollmentState.PAUSED)
            if delivery.round != run.round or not running or syllabus is None:
                changed.append(replace(run, last_sent_at=last_sent_at))
                continue
            choice = choose(syllabus, frozenset(lessons[run.id]))
            known = delivery.state is DeliveryState.ACCEPTED
            if isinstance(choice, progress.Finished) and known:
                run = finished(replace(run, last_sent_at=last_sent_at), now)
                ended.append(run)
                changed.append(run)
                continue
            if run.state is EnrollmentState.PAUSED:
                changed.append(replace(run, last_sent_at=last_sent_at))
                continue
            group = (run.timezone, run.cadence, last_sent_at)
            if group not in slots:
                slots[group] = due.next_slot(
                    run.cadence,
                    run.timezone,
                    after=now,
                    last_sent_at=last_sent_at,
                    min_gap=self._min_gap,
                )
            if any(map(ledger.is_open, lessons[run.id].values())):
                # Late news brought an earlier lesson back: it takes the place of the next.
                ledger.postpone_open(tx, run.id, not_before=slots[group])
                changed.append(replace(run, last_sent_at=last_sent_at))
            else:
                gone_on.append((run.id, last_sent_at, slots[group]))
        people.lesson_handed_over(tx, gone_on)
        people.save_enrollments(tx, changed)
        self._owe_endings(tx, ended, now)

    def when_again(self, tx: Tx, delivery: Delivery, now: datetime) -> datetime:
        """When the one extra copy of an uncertain hand-over may leave (UTC).

        At once on the day of the first copy, unless it is night; later it takes the place of
        that day's lesson.
        """
        run = people.enrollment(tx, delivery.enrollment_id, lock=True)
        if run is None or delivery.kind is not DeliveryKind.LESSON:
            return now
        if run.state is EnrollmentState.ACTIVE:
            people.save_enrollment(tx, replace(run, next_due_at=None))
        tz = zone(run.timezone)
        first_at = delivery.sending_at or now
        same_day = first_at.astimezone(tz).date() == now.astimezone(tz).date()
        if same_day and not due.is_night(run.timezone, now, delivery.slot):
            return now
        return due.next_slot(
            run.cadence,
            run.timezone,
            after=now,
            last_sent_at=run.last_sent_at,
            min_gap=self._min_gap,
        )

    def _owe_endings(self, tx: Tx, ended: Sequence[Enrollment], now: datetime) -> None:
        if not ended:
            return
        addresses = people.addresses(tx, [run.learner_id for run in ended])
        letters: list[NewDelivery] = []
        for run in ended:
            syllabus = self._syllabi(run.course)
            if syllabus is not None:
                letters += owed_at_finish(run, addresses[run.learner_id], syllabus, now)
        ledger.owe(tx, letters, now)

    def _apply_refusals(
        self,
        tx: Tx,
        settled: Sequence[Settled],
        refusals: Mapping[str, Refused],
        now: datetime,
    ) -> None:
        """A bad address is suppressed everywhere; any other refusal pauses the run."""
        for delivery in settled:
            refused = refusals.get(delivery.id)
            if refused is None or delivery.state is not DeliveryState.REFUSED:
                continue
            consequence = suppression.after_refusal(refused)
            if consequence.suppress:
                consequences.suppress(
                    tx, delivery, salt=self._salt, reason="bounced", source=self._provider, now=now
                )
            if not consequences.is_theirs(tx, delivery):
                continue
            if consequence.stop:
                consequences.stop_all_runs(tx, delivery, EnrollmentEvent.BOUNCED, now)
            elif consequence.pause:
                consequences.pause_runs(tx, [delivery.enrollment_id], now)


def _as_deferred(outcome: Outcome) -> Deferred:
    detail = outcome.detail if isinstance(outcome, Refused) else ""
    return Deferred(detail=detail, fault=Fault.CONFIG)
