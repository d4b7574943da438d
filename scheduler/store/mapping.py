"""Rows become nouns of `scheduler.domain`, and back. Refuses to decide anything."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import time
from functools import lru_cache
from typing import Any

from scheduler.domain.delivery import Claimed, Delivery, DeliveryKind, DeliveryState
from scheduler.domain.enrollment import Enrollment, EnrollmentState
from scheduler.domain.learner import Consent, Learner
from scheduler.domain.syllabus import Cadence
from scheduler.store import tables

_l, _e, _d, _c = (
    tables.learners.c,
    tables.enrollments.c,
    tables.deliveries.c,
    tables.consents.c,
)

#: Columns in the order `to_learner` takes them.
LEARNER = (_l.id, _l.address, _l.first_name, _l.timezone, _l.language)
#: Columns in the order `to_enrollment` takes them.
ENROLLMENT = (
    *(_e.id, _e.learner_id, _e.course, _e.round, _e.state, _e.reason, _e.timezone),
    *(_e.hour, _e.weekdays, _e.every_days),
    *(_e.created_at, _e.confirmed_at, _e.completed_at, _e.last_sent_at),
    *(_e.next_due_at, _e.paused_until),
)
#: Columns in the order `to_delivery` takes them.
DELIVERY = (
    *(_d.id, _d.enrollment_id, _d.round, _d.kind, _d.key, _d.to_addr, _d.state, _d.attempt),
    *(_d.not_before, _d.created_at, _d.first_due_at, _d.extra_copy, _d.dated_at),
    *(_d.lesson_version, _d.message_id, _d.lease_owner, _d.lease_until),
    *(_d.provider, _d.provider_ref, _d.verdict, _d.sending_at, _d.settled_at),
    *(_d.failures, _d.failing_since, _d.deaths),
)
#: Columns in the order `to_claimed` takes them.
CLAIMED = (*DELIVERY, *ENROLLMENT, *LEARNER)
#: Columns in the order `to_consent` takes them.
CONSENT = (_c.action, _c.text, _c.source, _c.at, _c.ip_hash, _c.user_agent)

_RUN_STATES = {str(state): state for state in EnrollmentState}
#: Of deliveries, by what the ledger calls them.
STATES = {str(state): state for state in DeliveryState}
KINDS = {str(kind): kind for kind in DeliveryKind}
_AFTER_DELIVERY = len(DELIVERY)
_AFTER_ENROLLMENT = _AFTER_DELIVERY + len(ENROLLMENT)


def to_learner(row: Sequence[Any]) -> Learner:
    """From the columns in `LEARNER`."""
    return Learner(*row)


def to_enrollment(row: Sequence[Any]) -> Enrollment:
    """From the columns in `ENROLLMENT`."""
    number, learner_id, course, round_, state, reason, timezone, *rest = row
    hour, weekdays, every_days, *instants = rest
    return Enrollment(
        number,
        learner_id,
        course,
        round_,
        _RUN_STATES[state],
        reason,
        timezone,
        _cadence(hour, weekdays, every_days),
        *instants,
    )


def to_delivery(row: Sequence[Any]) -> Delivery:
    """From the columns in `DELIVERY`."""
    number, enrollment_id, round_, kind, key, to_addr, state, *rest = row
    return Delivery(
        number,
        enrollment_id,
        round_,
        KINDS[kind],
        key,
        to_addr,
        STATES[state],
        *rest,
    )


def to_claimed(row: Sequence[Any]) -> Claimed:
    """From the columns in `CLAIMED`."""
    return Claimed(
        to_delivery(row[:_AFTER_DELIVERY]),
        to_enrollment(row[_AFTER_DELIVERY:_AFTER_ENROLLMENT]),
        to_learner(row[_AFTER_ENROLLMENT:]),
    )


def to_consent(row: Sequence[Any]) -> Consent:
    """From the columns in `CONSENT`."""
    return Consent(*row)


@lru_cache(maxsize=4096)
def from_cadence(cadence: Cadence) -> tuple[str, str, int]:
    """The columns hour, weekdays and every_days."""
    days = "".join("1" if day in cadence.weekdays else "0" for day in range(7))
    return cadence.hour.isoformat("minutes"), days, cadence.every_days


@lru_cache(maxsize=4096)
def _cadence(hour: str, weekdays: str, every_days: int) -> Cadence:
    days = frozenset(day for day, allowed in enumerate(weekdays) if allowed == "1")
    return Cadence(time.fromisoformat(hour), days, every_days)
