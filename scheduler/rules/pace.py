"""How many may leave now?

Three answers: after an outage late lessons are spread, so that no provider sees a burst; a
bucket lets out so many a second and no more; a breaker rests a provider that fails. Refuses
to hold anybody back on an ordinary morning.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from scheduler.rules.due import LATE_AFTER

#: Fewer late lessons than this leave at once: a small school needs no spreading.
BURST = 200

#: A breaker's first rest; each further one is twice as long, up to the longest.
FIRST_REST = timedelta(seconds=30)
LONGEST_REST = timedelta(minutes=10)
#: So many hand-overs are remembered when a share of failures is taken.
REMEMBERED = 20
#: A provider that fails more often than this is left alone for a while.
TOO_MANY_FAILURES = 0.5
#: A share below this is forgotten, so that a provider that is well costs no further writes.
_NEGLIGIBLE = 0.01
#: A trial that nobody reported may be repeated after this: its worker is gone.
TRIAL = timedelta(minutes=2)


def catch_up_delay(
    enrollment_id: int, *, late_by: timedelta, late_count: int, spread: timedelta
) -> timedelta:
    """How long one late lesson waits after a restart: evenly spread over `spread`.

    `late_count` is how many lessons of the whole school are late. The same enrollment always
    gets the same place, so planning again changes nothing.
    """
    if late_by <= LATE_AFTER or late_count <= BURST:
        return timedelta()
    digest = hashlib.blake2b(str(enrollment_id).encode(), digest_size=8).digest()
    return spread * (int.from_bytes(digest, "big") / 2**64)


@dataclass(frozen=True, slots=True)
class Bucket:
    """How many may leave at once, as of `updated_at` (UTC)."""

    tokens: float
    updated_at: datetime


def take(
    bucket: Bucket | None, wanted: int, *, per_second: float, now: datetime
) -> tuple[int, Bucket]:
    """How many of `wanted` may leave now, and the bucket afterwards.

    It holds one second's worth, at least one; a missing bucket is a full one. A clock that
    stepped back brings nothing in and takes nothing away.
    """
    full = max(1.0, per_second)
    tokens = full
    if bucket is not None:
        passed = max(0.0, (now - bucket.updated_at).total_seconds())
        tokens = min(full, bucket.tokens + passed * per_second)
    granted = min(wanted, int(tokens))
    return granted, Bucket(tokens - granted, now)


class BreakerState(StrEnum):
    """Whether a provider is used. Each member carries its meaning in the line above it."""

    #: Mail is handed over.
    CLOSED = "closed"
    #: The provider failed and is left alone; nothing is claimed, nobody's attempts are used up.
    OPEN = "open"
    #: The rest is over and one mail is tried.
    HALF = "half"


@dataclass(frozen=True, slots=True)
class Breaker:
    """How a provider has been doing."""

    state: BreakerState = BreakerState.CLOSED
    #: Until when an open breaker rests, or a trial may take (UTC).
    open_until: datetime | None = None
    #: Openings since the provider last took something.
    openings: int = 0
    #: Recent share of hand-overs that failed for the provider's own reasons, 0 to 1.
    failure_share: float = 0.0
    #: The provider's last words when it opened.
    said: str = ""


def passage(breaker: Breaker, now: datetime) -> tuple[int | None, Breaker]:
    """How many may be tried now (None: no limit), and the breaker after asking.

    While a provider rests none, then one; whoever gets that one must report it.
    """
    if breaker.state is BreakerState.CLOSED:
        return None, breaker
    if breaker.open_until is not None and now < breaker.open_until:
        return 0, breaker
    return 1, replace(breaker, state=BreakerState.HALF, open_until=now + TRIAL)


def after_hand_overs(
    breaker: Breaker, *, tried: int, failed: int, said: str, now: datetime
) -> Breaker:
    """The breaker once `failed` of `tried` hand-overs failed for the provider's own reasons.

    Opens when none got through, or at least half of the last twenty failed.
    """
    if tried == 0:
        return breaker
    weight = min(1.0, tried / REMEMBERED)
    share = breaker.failure_share * (1 - weight) + failed / tried * weight
    if failed == tried or (share >= TOO_MANY_FAILURES and failed):
        rest = min(FIRST_REST * (1 << min(breaker.openings, 20)), LONGEST_REST)
        return Breaker(BreakerState.OPEN, now + rest, breaker.openings + 1, share, said)
    return Breaker(failure_share=share if share > _NEGLIGIBLE else 0.0)
