"""How many may leave now?

After an outage a whole school is late at once; this spreads the restart so that
no provider sees a burst. Refuses to hold anybody back on an ordinary morning.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta

from scheduler.rules.due import LATE_AFTER

#: Fewer late lessons than this leave at once: a small school needs no spreading.
BURST = 200


def catch_up_delay(
    enrollment_id: int, *, late_by: timedelta, late_count: int, spread: timedelta
) -> timedelta:
    """How long one late lesson waits after a restart: evenly spread over `spread`.

    The same enrollment always gets the same place, so planning again changes nothing.
    """
    if late_by <= LATE_AFTER or late_count <= BURST:
        return timedelta()
    digest = hashlib.blake2b(str(enrollment_id).encode(), digest_size=8).digest()
    return spread * (int.from_bytes(digest, "big") / 2**64)
