"""One pass of the post office: plan, claim, compose, mark, send, settle, sweep, resolve.

The order is the promise: what is owed is a row before anything is claimed, a message is
composed before it is marked, and `sending` is on disk before a provider hears of it.
A row in `sending` is never blindly sent again. Refuses to open letters: content comes
from a `Composer`, courses are known as `Syllabus`.
"""

from __future__ import annotations

import os
import random
import socket
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal, TypeGuard

from scheduler.clock import Clock
from scheduler.domain.delivery import Claimed, Delivery, DeliveryKind, DeliveryState
from scheduler.domain.enrollment import EnrollmentState
from scheduler.domain.message import Composer, Message, Unfit
from scheduler.domain.provider import Deferred, Fault, Outcome, Provider, Refused, Uncertain
from scheduler.domain.syllabus import Syllabus
from scheduler.planning import Planner
from scheduler.rules import due, suppression
from scheduler.settling import Settler
from scheduler.store import Database, claims, ledger, people
from scheduler.store.claims import Mark, Release

#: Rows planned or claimed in one transaction.
BATCH = 500
LEASE = timedelta(minutes=2)
#: No hand-over starts with less lease than this left: a send must end inside its lease.
LEASE_RESERVE = timedelta(seconds=70)
#: How long evidence (a webhook) may still settle an uncertain hand-over.
EVIDENCE_WAIT = timedelta(minutes=30)
#: A lesson that must wait for its author is looked at again after this.
HOLD_FOR = timedelta(minutes=15)

Policy = Literal["resend_once", "hold", "skip"]


@dataclass(frozen=True, slots=True)
class DispatchSettings:
    """How the pass behaves; all durations are real time."""

    #: What becomes of a hand-over nobody knows the outcome of.
    uncertain: Policy = "resend_once"
    min_gap: timedelta = due.MIN_GAP
    #: After an outage the late lessons are spread over this.
    spread: timedelta = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Counts:
    """What one run came to, by outcome."""

    by_outcome: Mapping[str, int]

    def as_dict(self) -> dict[str, int]:
        """Every outcome, also those that did not occur, in a fixed order."""
        return {name: self.by_outcome.get(name, 0) for name in _OUTCOMES}

    @property
    def failed(self) -> int:
        """Deliveries a person should look at."""
        return sum(self.by_outcome.get(name, 0) for name in ("refused", "dead", "uncertain"))


_OUTCOMES = (
    "planned",
    "accepted",
    "waiting",
    "refused",
    "dead",
    "uncertain",
    "cancelled",
    "held",
    "freed",
    "resolved",
)


class Dispatcher:
    """Sends what is due. Any number may run on one database; claims keep them apart."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        syllabi: Callable[[str], Syllabus | None],
        composer: Composer,
        provider: Provider,
        *,
        salt: str,
        settings: DispatchSettings | None = None,
        owner: str | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        settings = settings or DispatchSettings()
        self._db = db
        self._clock = clock
        self._syllabi = syllabi
        self._composer = composer
        self._provider = provider
        self._salt = salt
        self._uncertain = settings.uncertain
        self._batch = max(BATCH, provider.window)
        self._planner = Planner(
            db,
            clock,
            syllabi,
            min_gap=settings.min_gap,
            spread=settings.spread,
            batch=self._batch,
        )
        self._settler = Settler(
            db,
            clock,
            syllabi,
            provider=provider.name,
            salt=salt,
            min_gap=settings.min_gap,
            jitter=jitter,
        )
        self.owner = owner or f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        #: Set from another thread to end a run after the window in hand.
        self.stopping = False
        #: Outcomes a failing database has not taken yet; a truth once known is never dropped.
        self._unsettled: list[tuple[list[tuple[str, Outcome]], Mapping[str, Delivery]]] = []
        #: The provider's last words when it was away in this run; empty when it answered.
        self.away = ""

    def run_due(self, *, until_idle: bool = True) -> Counts:
        """Send everything due and return the counts; raises `DatabaseUnavailable`.

        Stops early, leaving the rest due, when the provider is away or when told to stop.
        """
        counts: Counter[str] = Counter()
        self.away = ""
        self._settle(counts)
        self._sweep(counts)
        self._resolve(counts)
        while not self.stopping:
            planned = self._planner.plan(counts)
            claimed = self._deliver_batch(counts)
            if self.away or not until_idle or not (planned or claimed):
                break
        return Counts(counts)

    def _deliver_batch(self, counts: Counter[str]) -> int:
        """Claim a batch and hand it over, window by window; returns how many were claimed."""
        now = self._clock.now()
        lease_until = now + LEASE
        with self._db.write("claim") as tx:
            batch = claims.claim(
                tx,
                now=now,
                owner=self.owner,
                lease_until=lease_until,
                provider=self._provider.name,
                limit=self._batch,
            )
        if not batch:
            return 0
        gone = [claimed for claimed in batch if self._is_gone(claimed)]
        if gone:
            self._withdraw(gone, counts)
        messages = self._compose([c for c in batch if c not in gone], counts)
        by_id = {claimed.delivery.id: claimed.delivery for claimed in batch}
        for start in range(0, len(messages), self._provider.window):
            window = messages[start : start + self._provider.window]
            if self.stopping or self.away or self._clock.now() > lease_until - LEASE_RESERVE:
                self._put_back(messages[start:], by_id)
                break
            self._send_window(window, by_id, counts)
        return len(batch)

    def _is_gone(self, claimed: Claimed) -> bool:
        """Was this lesson removed from its course, or renamed, after it became due?"""
        if claimed.delivery.kind is not DeliveryKind.LESSON:
            return False
        syllabus = self._syllabi(claimed.enrollment.course)
        if syllabus is None:  # the course itself cannot be read: its lessons wait for it
            return False
        return all(ref.key != claimed.delivery.key for ref in syllabus.lessons)

    def _withdraw(self, gone: Sequence[Claimed], counts: Counter[str]) -> None:
        """Cancel lessons that are no more, and let the plan pick the next ones at once."""
        now = self._clock.now()
        releases = [
            Release(
                delivery_id=claimed.delivery.id,
                attempt=claimed.delivery.attempt,
                state=DeliveryState.CANCELLED,
                not_before=now,
                verdict="the lesson was removed from the course, or renamed",
                burn_attempt=False,
            )
            for claimed in gone
        ]
        with self._db.write("withdraw") as tx:
            # Runs before deliveries, as everywhere: two orders would be a deadlock.
            runs = people.enrollments(tx, [c.enrollment.id for c in gone], lock=True)
            claims.release(tx, owner=self.owner, releases=releases, now=now)
            people.save_enrollments(
                tx,
                [
                    replace(run, next_due_at=now)
                    for run in runs.values()
                    if run.state is EnrollmentState.ACTIVE
                ],
            )
        counts["cancelled"] += len(gone)

    def _compose(self, batch: Sequence[Claimed], counts: Counter[str]) -> list[Message]:
        answers = self._composer.compose(batch)
        messages = [answer for answer in answers if isinstance(answer, Message)]
        unfit = [
            (claimed, answer)
            for claimed, answer in zip(batch, answers, strict=True)
            if isinstance(answer, Unfit)
        ]
        if unfit:
            self._set_aside(unfit, counts)
        self._keep_versions(batch, messages)
        return messages

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
            self._settler.pause_runs(tx, [c.enrollment.id for c in dead], now)
            claims.release(tx, owner=self.owner, releases=releases, now=now)

    def _keep_versions(self, batch: Sequence[Claimed], messages: Sequence[Message]) -> None:
        """Store each content version before its first message leaves, for "read online"."""
        of_delivery = {c.delivery.id: c for c in batch}
        versions = {m.version: of_delivery[m.delivery_id] for m in messages}
        if not versions:
            return
        with self._db.read() as tx:
            unknown = versions.keys() - ledger.known_versions(tx, list(versions))
        if not unknown:
            return
        now = self._clock.now()
        with self._db.write("keep versions") as tx:
            for version in unknown:
                claimed = versions[version]
                ledger.keep_version(
                    tx,
                    version=version,
                    course=claimed.enrollment.course,
                    key=claimed.delivery.key,
                    document=self._composer.document(version),
                    now=now,
                )

    def _put_back(self, messages: Sequence[Message], by_id: Mapping[str, Delivery]) -> None:
        """Give unsent claims back, as if they had never been claimed."""
        now = self._clock.now()
        releases = [
            Release(
                delivery_id=message.delivery_id,
                attempt=by_id[message.delivery_id].attempt,
                state=DeliveryState.DUE,
                not_before=by_id[message.delivery_id].not_before,
                verdict="",
                burn_attempt=False,
            )
            for message in messages
        ]
        if releases:
            with self._db.write("put back") as tx:
                claims.release(tx, owner=self.owner, releases=releases, now=now)

    def _send_window(
        self,
        window: Sequence[Message],
        by_id: Mapping[str, Delivery],
        counts: Counter[str],
    ) -> None:
        """Mark, send and settle one window; notes when the provider is away."""
        now = self._clock.now()
        marks = [
            Mark(
                delivery_id=m.delivery_id,
                attempt=by_id[m.delivery_id].attempt,
                version=m.version,
                message_id=m.message_id,
                address_hash=suppression.address_hash(
                    self._salt, people.address_key(by_id[m.delivery_id].to_addr)
                ),
            )
            for m in window
        ]
        with self._db.write("mark") as tx:
            marked = claims.mark(tx, now=now, owner=self.owner, marks=marks)
        counts["cancelled"] += len(marked.dropped)
        ready = [m for m in window if m.delivery_id in marked.marked]
        outcomes = list(self._outcomes(ready))
        self._unsettled.append((outcomes, by_id))
        self._settle(counts)
        said = [outcome.detail for _, outcome in outcomes if _is_away(outcome)]
        if said and len(said) == len(outcomes):
            self.away = said[-1] or "no details"

    def _settle(self, counts: Counter[str]) -> None:
        """Write down what is known; what the database refuses is kept for the next pass."""
        while self._unsettled:
            outcomes, by_id = self._unsettled[0]
            self._settler.settle(outcomes, by_id, counts)
            del self._unsettled[0]

    def _outcomes(self, ready: Sequence[Message]) -> Iterator[tuple[str, Outcome]]:
        """One outcome per message, whatever the provider does: silence is uncertainty."""
        missing = {m.delivery_id for m in ready}
        try:
            for delivery_id, outcome in self._provider.send(ready):
                missing.discard(delivery_id)
                yield delivery_id, outcome
            reason = "the provider gave no answer for this message"
        except Exception as error:  # a provider's bug must not lose what it did hand over
            reason = f"the provider failed in the middle: {type(error).__name__}: {error}"
        for delivery_id in missing:
            yield delivery_id, Uncertain(reason)

    def _sweep(self, counts: Counter[str]) -> None:
        """Free claims whose worker died; call hand-overs it had begun uncertain."""
        now = self._clock.now()
        with self._db.write("sweep") as tx:
            swept = claims.sweep(tx, now)
            self._settler.advance(tx, swept.uncertain, now)
        counts["freed"] += swept.freed
        counts["uncertain"] += len(swept.uncertain)

    def _resolve(self, counts: Counter[str]) -> None:
        """Settle by policy what no evidence has settled in half an hour."""
        now = self._clock.now()
        policy = self._uncertain
        if policy == "hold":
            return
        with self._db.write("resolve") as tx:
            for delivery in claims.uncertain_since(tx, now - EVIDENCE_WAIT, BATCH):
                once_more = policy == "resend_once" and not delivery.extra_copy
                to = DeliveryState.DUE if once_more else DeliveryState.SKIPPED
                verdict = "no answer came: " + (
                    "one more copy, under the same Message-ID" if once_more else "left as it is"
                )
                if claims.resolve(
                    tx,
                    delivery.id,
                    to=to,
                    not_before=self._settler.when_again(tx, delivery, now) if once_more else now,
                    extra_copy=once_more,
                    verdict=verdict,
                    now=now,
                ):
                    counts["resolved"] += 1


def _is_away(outcome: Outcome) -> TypeGuard[Deferred | Refused]:
    """Is the provider itself, not this message, what failed?"""
    faults = (Fault.TRANSPORT, Fault.CONFIG)
    return isinstance(outcome, Deferred | Refused) and outcome.fault in faults
