"""Try again, when, or give up?

Decisions are values. Refuses to draw its own luck: the caller passes the jitter,
so a test can say what happens.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from scheduler.domain.provider import Deferred, Fault

FIRST_WAIT = timedelta(seconds=60)
LONGEST_WAIT = timedelta(hours=6)
#: A greylisting server wants to see the same sender again after minutes, not seconds.
GREYLIST_FLOOR = timedelta(minutes=5)
MOST_ATTEMPTS = 12
GIVE_UP_AFTER = timedelta(hours=72)
#: While the provider itself is away, nothing is counted against anybody.
TRANSPORT_WAIT = timedelta(seconds=30)
LONGEST_TRANSPORT_WAIT = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again, not before `at` (UTC)."""

    at: datetime


@dataclass(frozen=True, slots=True)
class GiveUp:
    """No further attempt; `reason` is for a person."""

    reason: str


def after_deferral(
    outcome: Deferred,
    *,
    attempt: int,
    failures: int,
    failing_since: datetime,
    now: datetime,
    jitter: float,
) -> Retry | GiveUp:
    """What to do with a message the provider did not take this time.

    `attempt` counts every hand-over from 1; `failures` and `failing_since` only those that the
    other side put off, this one included. `jitter` lies in [0, 1) and spreads the wait from
    half to one and a half times its nominal length.
    """
    if is_ours(outcome.fault):
        # Ours to mend, however long it takes: no learner is marked for it.
        wait = _doubled(TRANSPORT_WAIT, attempt - 1, LONGEST_TRANSPORT_WAIT)
    elif now - failing_since >= GIVE_UP_AFTER:
        hours = int(GIVE_UP_AFTER.total_seconds() // 3600)
        return GiveUp(f"not delivered within {hours} hours: {outcome.detail}")
    elif failures >= MOST_ATTEMPTS:
        return GiveUp(f"not delivered in {MOST_ATTEMPTS} attempts: {outcome.detail}")
    else:
        wait = max(_doubled(FIRST_WAIT, failures, LONGEST_WAIT), GREYLIST_FLOOR)
    wait = wait * (0.5 + jitter)
    if outcome.fault is Fault.MAILBOX:
        wait = max(wait, GREYLIST_FLOOR)
    if outcome.after is not None:
        wait = max(wait, outcome.after)
    return Retry(now + wait)


def is_ours(fault: Fault) -> bool:
    """Is it the provider, the way to it or our account that failed, whoever the learner is?"""
    return fault in (Fault.TRANSPORT, Fault.CONFIG)


def _doubled(first: timedelta, times: int, longest: timedelta) -> timedelta:
    # Beyond 20 doublings a minute is years: cap the power before it overflows.
    return min(first * (1 << min(max(times, 0), 20)), longest)
