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
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Lock
from time import sleep
from typing import TypeGuard

import structlog

from scheduler.clock import Clock
from scheduler.domain.delivery import Claimed, Delivery
from scheduler.domain.message import Composer, Message
from scheduler.domain.provider import Deferred, Outcome, Provider, Refused, Uncertain
from scheduler.domain.syllabus import Policy, Syllabus
from scheduler.errors import DatabaseFull, DatabaseUnavailable
from scheduler.gate import Gate, PaceSettings
from scheduler.planning import Planner
from scheduler.preparing import Preparer
from scheduler.recovering import EVIDENCE_WAIT, Recoverer
from scheduler.rules import due, retry, suppression
from scheduler.settling import Settler
from scheduler.store import Database, claims, people
from scheduler.store.claims import Mark
from scheduler.store.regaining import regain

__all__ = ["EVIDENCE_WAIT", "Counts", "DispatchSettings", "Dispatcher", "PaceSettings"]

log = structlog.get_logger(__name__)

#: Rows planned or claimed in one transaction.
BATCH = 500
LEASE = timedelta(minutes=2)
#: Less lease than this is left: the rest of a batch goes back rather than lapse.
LEASE_RESERVE = timedelta(seconds=10)
#: Between two tries to write down the last outcomes of a program that ends.
_FINISH_PAUSE_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class DispatchSettings:
    """How the pass behaves; all durations are real time."""

    #: What becomes of a hand-over nobody knows the outcome of.
    uncertain: Policy = "resend_once"
    min_gap: timedelta = due.MIN_GAP
    #: After an outage the late lessons are spread over this.
    spread: timedelta = timedelta(minutes=30)
    pace: PaceSettings = field(default_factory=PaceSettings)


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
        held: Callable[[], str] = lambda: "",
    ) -> None:
        """`held` says why nothing may be sent until a person has looked; empty when all is well."""
        settings = settings or DispatchSettings()
        self.owner = owner or f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self._db = db
        self._clock = clock
        self._provider = provider
        self._salt = salt
        self._held = held
        #: At least what a provider takes at once, or its requests leave half full.
        self._batch = max(BATCH, provider.window)
        self._planner = Planner(
            db,
            clock,
            syllabi,
            min_gap=settings.min_gap,
            spread=settings.spread,
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
        self._preparer = Preparer(
            db,
            clock,
            syllabi,
            composer,
            self._settler,
            owner=self.owner,
            min_gap=settings.min_gap,
        )
        self._recoverer = Recoverer(db, clock, syllabi, self._settler, settings.uncertain)
        self._gate = Gate(provider.name, settings.pace)
        #: One pass at a time: what a pass holds is this worker's, whichever thread began it.
        self._turn = Lock()
        #: Set from another thread to end a run after the window in hand.
        self.stopping = False
        #: Outcomes a failing database has not taken yet; a truth once known is never dropped.
        self._unsettled: list[tuple[list[tuple[str, Outcome]], Mapping[str, Delivery]]] = []
        #: Claimed, perhaps marked, and not handed over.
        self._in_hand: list[Claimed] = []
        #: The provider's last words when it was away in this run; empty when it answered.
        self.away = ""
        #: Why nothing was sent in this run, and what to do; empty when all is well.
        self.held = ""

    def stop(self) -> None:
        """End a run after the mail in hand, for good; from any thread or signal handler."""
        self.stopping = True
        self._provider.break_off()

    def run_due(self, *, until_idle: bool = True) -> Counts:
        """Send everything due and return the counts; raises `DatabaseUnavailable`.

        Stops early, leaving the rest due, when the provider is away or when told to stop. Does
        nothing at all while a person has to look first: asked anew each time, so that agreeing
        needs no restart. A second thread waits until the first one's pass is over.
        """
        with self._turn:
            return self._run(until_idle)

    def _run(self, until_idle: bool) -> Counts:
        counts: Counter[str] = Counter()
        self.away = ""
        # What is known is written down whatever holds the rest: that is no sending.
        self._settle(counts)
        # What a failing database interrupted is ours still: nobody went silent over it.
        self._put_back(self._in_hand)
        if self._is_held() or not self._anything_waits():
            return Counts(counts)
        self._recoverer.sweep(counts)
        self._recoverer.resolve(counts)
        self._planner.look()
        while not self.stopping:
            planned = self._plan(counts)
            moved = planned + self._deliver_batch(counts)
            if not moved and not self.away:
                moved = self._deliver_batch(counts, suspect=True)
            if self.away or not moved or not until_idle:
                break
        return Counts(counts)

    def finish(self, patience_seconds: float, pause: Callable[[float], None] = sleep) -> bool:
        """Before a program ends: write down what is still known only here, and let go of claims.

        Tries again while the database is away, at most `patience_seconds` (by the pauses it
        makes); False when something could not be written, which its lease then makes uncertain.
        """
        waited = 0.0
        while True:
            try:
                with self._turn:
                    self._settle(Counter())
                    self._put_back(self._in_hand)
            except DatabaseUnavailable as error:
                if waited >= patience_seconds:
                    log.warning("outcomes_not_written", error=str(error))
                    return False
            else:
                return True
            pause(_FINISH_PAUSE_SECONDS)
            waited += _FINISH_PAUSE_SECONDS

    def _anything_waits(self) -> bool:
        """Most looks find nothing: one question answers that."""
        now = self._clock.now()
        with self._db.read() as tx:
            return claims.anything_waits(tx, now, now - EVIDENCE_WAIT)

    def _is_held(self) -> bool:
        """Is there a reason to send nothing? Said once, not at every look."""
        reason = self._held()
        if reason and reason != self.held:
            log.warning("nothing_is_sent", reason=reason)
        self.held = reason
        return bool(reason)

    def _plan(self, counts: Counter[str]) -> int:
        """Plan a batch; nothing while the provider rests, so that lateness shows when it ends."""
        now = self._clock.now()
        with self._db.read() as tx:
            allowed, resting = self._gate.outlook(tx, now)
        if allowed == 0:
            until = f"{resting.open_until:%H:%M:%S} UTC" if resting.open_until else "later"
            self.away = f"{resting.said or 'no details'} (left alone until {until})"
            return 0
        return self._planner.plan(counts, self._batch if allowed is None else allowed)

    def _deliver_batch(self, counts: Counter[str], *, suspect: bool = False) -> int:
        """Claim a batch and hand it over, window by window; returns how many were claimed.

        A suspect, over which a worker has gone silent before, is claimed alone.
        """
        if self.away:
            return 0
        now = self._clock.now()
        lease_until = now + LEASE
        with self._db.write("claim") as tx:
            admission = self._gate.admit(tx, 1 if suspect else self._batch, now)
            if not admission.limit:
                return 0
            batch = claims.claim(
                tx,
                now=now,
                owner=self.owner,
                lease_until=lease_until,
                provider=self._provider.name,
                limit=admission.limit,
                suspect=suspect,
            )
            # Noted before the commit, whose answer may be lost: what is not ours is not put back.
            self._in_hand = batch
            admitted = self._gate.claimed(tx, admission, batch, self.owner, now)
        by_id = {claimed.delivery.id: claimed.delivery for claimed in batch}
        self._in_hand = self._preparer.sift(admitted, counts)
        while self._in_hand:
            if self.stopping or self.away or self._clock.now() > lease_until - LEASE_RESERVE:
                self._put_back(self._in_hand)
                break
            window = self._in_hand[: self._provider.window]
            messages = self._preparer.compose(window, counts)
            marked = self._mark(messages, by_id, counts)
            del self._in_hand[: len(window)]
            self._send(marked, by_id, counts)
        return len(batch)

    def _put_back(self, unsent: Sequence[Claimed]) -> None:
        """Give back what was not handed over, as if it had never been claimed or marked."""
        if not unsent:
            return
        held = [(claimed.delivery.id, claimed.delivery.attempt) for claimed in unsent]
        with self._db.write("put back") as tx:
            regain(tx, owner=self.owner, unsent=held, now=self._clock.now())
        self._in_hand = []

    def _mark(
        self, messages: Sequence[Message], by_id: Mapping[str, Delivery], counts: Counter[str]
    ) -> list[Message]:
        """Note that these are about to be handed over; only what is returned may be."""
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
            for m in messages
        ]
        self._db.ensure_room(len(messages))
        with self._db.write("mark") as tx:
            marked = claims.mark(
                tx, now=now, owner=self.owner, lease_until=now + LEASE, marks=marks
            )
        counts["cancelled"] += len(marked.dropped)
        return [m for m in messages if m.delivery_id in marked.marked]

    def _send(
        self, marked: Sequence[Message], by_id: Mapping[str, Delivery], counts: Counter[str]
    ) -> None:
        """Hand a marked window over and settle it; notes when the provider is away."""
        outcomes = list(self._outcomes(marked))
        self._unsettled.append((outcomes, by_id))
        self._settle(counts)
        self._note_provider(outcomes)

    def _note_provider(self, outcomes: Sequence[tuple[str, Outcome]]) -> None:
        """Leave a provider alone that fails whoever the learner is; all workers hear of it."""
        if self.stopping:
            return  # what was left undone for that says nothing of the provider
        said = [outcome.detail for _, outcome in outcomes if _is_away(outcome)]
        if not self._gate.is_news(len(said)):
            return
        with self._db.write("breaker") as tx:
            rests = self._gate.report(
                tx,
                tried=len(outcomes),
                failed=len(said),
                said=said[-1] if said else "",
                now=self._clock.now(),
            )
        if rests and said:
            self.away = said[-1] or "no details"

    def _settle(self, counts: Counter[str]) -> None:
        """Write down what is known; what the database refuses is kept for the next pass."""
        while self._unsettled:
            outcomes, by_id = self._unsettled[0]
            try:
                self._settler.settle(outcomes, by_id, counts)
            except DatabaseFull:
                # There is still the room kept for this.
                if not self._db.use_reserve():
                    raise
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


def _is_away(outcome: Outcome) -> TypeGuard[Deferred | Refused]:
    """Is the provider itself, not this message, what failed?"""
    return isinstance(outcome, Deferred | Refused) and retry.is_ours(outcome.fault)
