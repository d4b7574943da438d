"""The only place that asks what time it is.

Refuses to guess: every instant is aware and UTC. `RealClock` for life, `OffsetClock` for the
demo's "next morning" button, `FixedClock` for tests and `--as-of`.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """What the rest of the house knows of time."""

    def now(self) -> datetime:
        """The current instant, aware, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never step back; only differences mean anything."""
        ...


class RealClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


class OffsetClock(RealClock):
    """The machine's clock plus an offset that can grow; the demo's time machine."""

    def __init__(self, offset: timedelta = timedelta()) -> None:
        self.offset = offset

    def now(self) -> datetime:
        return super().now() + self.offset

    def advance_to(self, instant: datetime) -> None:
        """Move forward so that `now()` is `instant`; never backward."""
        self.offset = max(self.offset, self.offset + (instant - self.now()))


class FixedClock:
    """Stands still until told to move."""

    def __init__(self, instant: datetime) -> None:
        if instant.tzinfo is None:
            raise ValueError("FixedClock needs an aware datetime: add tzinfo=UTC")
        self.instant = instant.astimezone(UTC)
        self.ticks = 0.0

    def now(self) -> datetime:
        return self.instant

    def monotonic(self) -> float:
        return self.ticks

    def advance(self, step: timedelta) -> None:
        self.instant += step
        self.ticks += step.total_seconds()
