"""Takes in what becomes known about mails after they were taken: match, record, suppress, stop.

Every report may come twice, late, or before an earlier one: what it does is the same. Whoever
calls has proven that reports are genuine. Refuses to send, and to trust a report about an
address that is not its reader's any more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime

import structlog

from scheduler import consequences
from scheduler.clock import Clock
from scheduler.domain.delivery import Delivery
from scheduler.domain.enrollment import COMING_BACK, EnrollmentEvent
from scheduler.domain.events import EventKind, ProviderEvent
from scheduler.domain.provider import Fault
from scheduler.rules import reputation
from scheduler.settling import Settler
from scheduler.store import Database, Tx, ledger, people, reported
from scheduler.store.evidence import taken_after_all

#: Reports taken in with one transaction.
BATCH = 500

_log = structlog.get_logger(__name__)

#: What a report does to every run of a reader, and why their address is suppressed.
_ENDS = {
    EventKind.BOUNCED: (EnrollmentEvent.BOUNCED, "bounced"),
    EventKind.COMPLAINED: (EnrollmentEvent.COMPLAINED, "complained"),
    EventKind.LEFT: (EnrollmentEvent.LEFT, "left"),
}


class Feedback:
    """Any number may take reports in at once, beside any number of workers."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        settler: Settler,
        *,
        salt: str,
        stop: Callable[[Tx, str], None] = lambda _tx, _why: None,
        reviewed_at: Callable[[Tx], datetime | None] = lambda _: None,
    ) -> None:
        """`stop` holds all sending for the reason given, until a person has looked; nothing
        from before `reviewed_at` (aware UTC) is held against us again."""
        self._db = db
        self._clock = clock
        self._settler = settler
        self._salt = salt
        self._stop = stop
        self._reviewed_at = reviewed_at

    def take_in(self, events: Sequence[ProviderEvent], *, source: str) -> Counter[str]:
        """Write reports down and do what they ask for; `source` names who reported them.

        Returns how many were `new`, `known` before, and about `nothing` of ours. When this
        raises, nothing of the batch in hand was done: offer the same reports again.
        """
        counts: Counter[str] = Counter(new=0, known=0, nothing=0)
        for start in range(0, len(events), BATCH):
            part = events[start : start + BATCH]
            with self._db.write("take in") as tx:
                done = self._take_in(tx, part, source)
            counts.update(done)
        return counts

    def _take_in(self, tx: Tx, events: Sequence[ProviderEvent], source: str) -> Counter[str]:
        now = self._clock.now()
        # Whoever reports anything about a mail has had it.
        settled = taken_after_all(tx, [event.delivery_id for event in events], now)
        self._settler.advance(tx, settled, now)
        # In one order everywhere, so that two doors never wait for each other.
        kept = sorted(
            (event for event in events if event.kind is not EventKind.TAKEN),
            key=lambda event: (event.delivery_id, event.at, event.id),
        )
        new = reported.add_events(tx, kept, now)
        about = {
            event.delivery_id: ledger.delivery(tx, event.delivery_id)
            for event in kept
            if event.id in new and _asks_for_something(event)
        }
        for event in kept:
            delivery = about.get(event.delivery_id)
            if event.id in new and delivery is not None:
                self._follow(tx, event, delivery, source, now)
        if any(event.id in new and _is_about_us(event) for event in kept):
            self._judge(tx, now)
        ids = {event.id for event in kept}
        known = reported.known_deliveries(tx, {event.delivery_id for event in kept})
        nothing = len({event.id for event in kept if event.delivery_id not in known})
        return Counter(new=len(new), known=len(ids) - len(new) - nothing, nothing=nothing)

    def _follow(
        self, tx: Tx, event: ProviderEvent, delivery: Delivery, source: str, now: datetime
    ) -> None:
        if event.kind is EventKind.BOUNCED and event.fault is Fault.MAILBOX:
            self._count_days(tx, delivery, now)
            return
        end = _ENDS.get(event.kind)
        if end is None or (event.kind is EventKind.BOUNCED and event.fault is not Fault.ADDRESS):
            return
        ending, reason = end
        consequences.suppress(tx, delivery, salt=self._salt, reason=reason, source=source, now=now)
        if consequences.is_theirs(tx, delivery):
            consequences.stop_all_runs(tx, delivery, ending, now)

    def _count_days(self, tx: Tx, delivery: Delivery, now: datetime) -> None:
        """Pause whoever's mailbox sends mail back day after day; nobody is struck off for it."""
        if not consequences.is_theirs(tx, delivery):
            return
        run = people.enrollment(tx, delivery.enrollment_id)
        if run is None:
            return
        since = now - reputation.BOUNCE_SPAN
        handed_over = reported.handed_over_to(tx, run.learner_id, delivery.to_addr, since)
        if reputation.keeps_coming_back(handed_over):
            runs = [other.id for other in people.enrollments_of(tx, run.learner_id)]
            consequences.pause_runs(tx, runs, now, reason=COMING_BACK)

    def _judge(self, tx: Tx, now: datetime) -> None:
        """Stop everything when what comes back says that the next mail will do harm."""
        reviewed_at = self._reviewed_at(tx)
        seen = {
            span: reported.seen(tx, max(filter(None, (now - span, reviewed_at))))
            for span in reputation.SPANS
        }
        for span, counts in seen.items():
            days = reputation.in_words(span)
            if reputation.too_many_complaints(counts.complaints, counts.taken):
                self._hold(
                    tx,
                    f"{counts.complaints} of {counts.taken} mails of {days} were reported as spam"
                    " (mailbox providers refuse everything from 0.3 % on)",
                )
                return
            if reputation.many_complaints(counts.complaints, counts.taken):
                _log.warning(
                    "many complaints", complaints=counts.complaints, mails=counts.taken, span=days
                )
        day = seen[reputation.SPANS[0]]
        if reputation.too_disliked(day.disliked, day.taken):
            self._hold(
                tx,
                f"{day.disliked} of {day.taken} mails of the last 24 hours were sent back"
                " because of our reputation, content or DNS (see `course doctor`)",
            )

    def _hold(self, tx: Tx, why: str) -> None:
        _log.error("sending stopped", why=why)
        self._stop(tx, why)


def _asks_for_something(event: ProviderEvent) -> bool:
    return event.kind in _ENDS


def _is_about_us(event: ProviderEvent) -> bool:
    return event.kind is EventKind.COMPLAINED or (
        event.kind is EventKind.BOUNCED and event.fault in (Fault.POLICY, Fault.CONFIG)
    )
