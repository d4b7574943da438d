"""What bad news about a mail does to its reader's runs: suppress, stop, pause.

The news may be a provider's answer or what comes back days later. Refuses to hold against
people what happened at an address that is not theirs any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from scheduler.domain.delivery import Delivery, Settled
from scheduler.domain.enrollment import DELIVERY_FAILED, EnrollmentEvent
from scheduler.rules import progress, suppression
from scheduler.store import Tx, ledger, people

_VERDICTS = {
    EnrollmentEvent.BOUNCED: "the address bounced",
    EnrollmentEvent.COMPLAINED: "a mail was reported as spam",
    EnrollmentEvent.LEFT: "the provider was asked for no more mail",
}


def suppress(
    tx: Tx, delivery: Delivery | Settled, *, salt: str, reason: str, source: str, now: datetime
) -> None:
    """Nothing more goes where this delivery went, in any course."""
    hashed = suppression.address_hash(salt, people.address_key(delivery.to_addr))
    people.suppress(tx, hashed, reason=reason, source=source, now=now)


def is_theirs(tx: Tx, delivery: Delivery | Settled) -> bool:
    """Did it go where this person is reached now? What another address says, a mistyped
    or a former one, is no word on them."""
    run = people.enrollment(tx, delivery.enrollment_id)
    learner = None if run is None else people.learner(tx, run.learner_id)
    return learner is not None and people.address_key(learner.address) == people.address_key(
        delivery.to_addr
    )


def stop_all_runs(
    tx: Tx, delivery: Delivery | Settled, event: EnrollmentEvent, now: datetime
) -> None:
    """End every run of this delivery's reader, and withdraw what is still owed."""
    run = people.enrollment(tx, delivery.enrollment_id, lock=True)
    if run is None:
        return
    for other in people.enrollments_of(tx, run.learner_id):
        if progress.allowed(other.state, event):
            people.save_enrollment(tx, progress.apply(other, event, now))
            ledger.cancel_open(tx, other.id, now=now, verdict=_VERDICTS[event])


def pause_runs(
    tx: Tx, enrollment_ids: Sequence[int], now: datetime, *, reason: str = DELIVERY_FAILED
) -> None:
    """These runs wait for a person."""
    if not enrollment_ids:
        return
    runs = people.enrollments(tx, enrollment_ids, lock=True)
    paused = [
        replace(progress.apply(run, EnrollmentEvent.PAUSED, now), reason=reason)
        for run in runs.values()
        if progress.allowed(run.state, EnrollmentEvent.PAUSED)
    ]
    people.save_enrollments(tx, paused)
