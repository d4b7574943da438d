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

    def uptime(self) -> float:
        """As `monotonic`, counting also the time this machine was asleep."""
        ...


class RealClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def uptime(self) -> float:
        # Linux's monotonic clock stands still in suspend; its boot-time clock does not. macOS
        # has it the other way round: there CLOCK_MONOTONIC counts sleep, Python's own does not.
        asleep_too = getattr(time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC", None))
        return time.monotonic() if asleep_too is None else time.clock_gettime(asleep_too)


class OffsetClock(RealClock):
    """The machine's clock plus an offset that can grow; the demo's time machine."""

    def __init__(self, offset: timedelta = timedelta()) -> None:
        self.offset = offset

    def now(self) -> datetime:
        return super().now() + self.offset

    def uptime(self) -> float:
        # The demo's days pass for everybody: a "next morning" is no clock set wrong.
        return super().uptime() + self.offset.total_seconds()

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

    def uptime(self) -> float:
        return self.ticks

    def advance(self, step: timedelta) -> None:
        """Let time pass."""
        self.instant += step
        self.ticks += step.total_seconds()
