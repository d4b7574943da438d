"""When is the next lesson due?

Intent is stored (zone, hour, weekdays), the instant is derived here. Refuses to
know the present: every function is given the instants it needs, aware and UTC.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from scheduler.domain.syllabus import Cadence
from scheduler.zones import zone

#: Two lessons of one course are never closer than this, whatever the clocks do.
MIN_GAP = timedelta(hours=6)

#: A lesson later than this is no longer "this morning's" and must not wake anybody.
LATE_AFTER = timedelta(hours=2)

#: A late lesson goes out between these local hours only.
QUIET_ENDS, QUIET_BEGINS = time(6, 0), time(22, 0)


def at_wall_time(day: date, hour: time, tz: ZoneInfo) -> datetime:
    """The instant (UTC) of a local date and hour.

    An hour that a clock change skips moves to the first instant after the gap;
    an hour that occurs twice is its first occurrence. A date that the zone
    skipped altogether becomes the midnight that followed it.
    """
    wall = datetime.combine(day, hour)
    first = wall.replace(tzinfo=tz, fold=0).astimezone(UTC)
    if first.astimezone(tz).replace(tzinfo=None) == wall:
        return first
    # In a gap the two readings straddle the clock change: fold=1 lies before it, fold=0 after.
    return _clock_change(wall.replace(tzinfo=tz, fold=1).astimezone(UTC), first, tz)


def _clock_change(before: datetime, after: datetime, tz: ZoneInfo) -> datetime:
    """The first whole second in (before, after] that has the later offset."""
    later_offset = after.astimezone(tz).utcoffset()
    seconds = int((after - before).total_seconds())
    low, high = 0, seconds
    while high - low > 1:
        middle = (low + high) // 2
        if (before + timedelta(seconds=middle)).astimezone(tz).utcoffset() == later_offset:
            high = middle
        else:
            low = middle
    return before + timedelta(seconds=high)


def next_slot(
    cadence: Cadence,
    timezone: str,
    *,
    after: datetime,
    last_sent_at: datetime | None = None,
    min_gap: timedelta = MIN_GAP,
) -> datetime:
    """The first slot at or after `after`, as UTC.

    It falls on an allowed weekday, on a later local date than the last lesson (by
    at least `cadence.every_days`), and at least `min_gap` after it. Raises
    `UnknownZone` for a zone that does not exist.
    """
    tz = zone(timezone)
    earliest = after
    first_day = after.astimezone(tz).date()
    last_day: date | None = None
    if last_sent_at is not None:
        last_day = last_sent_at.astimezone(tz).date()
        first_day = max(first_day, last_day + timedelta(days=cadence.every_days))
        earliest = max(after, last_sent_at + min_gap)
    # Start a day early: a slot of "yesterday" may fall after midnight when the zone skipped it.
    day = first_day - timedelta(days=1)
    while True:
        if day.weekday() in cadence.weekdays:
            slot = at_wall_time(day, cadence.hour, tz)
            falls_on = slot.astimezone(tz).date()
            if slot >= earliest and falls_on >= first_day:
                return slot
        day += timedelta(days=1)


def first_lesson_at(
    cadence: Cadence,
    timezone: str,
    *,
    now: datetime,
    at_once: bool,
    last_sent_at: datetime | None,
    min_gap: timedelta = MIN_GAP,
) -> datetime:
    """When a run that has just been confirmed gets its first lesson, as UTC.

    At once when the course says so, unless an earlier round already sent one
    on this local date or less than `min_gap` ago.
    """
    if at_once and may_send(timezone, now=now, last_sent_at=last_sent_at, min_gap=min_gap):
        return now
    return next_slot(cadence, timezone, after=now, last_sent_at=last_sent_at, min_gap=min_gap)


def may_send(
    timezone: str, *, now: datetime, last_sent_at: datetime | None, min_gap: timedelta = MIN_GAP
) -> bool:
    """False while a lesson now would be the second on its local date, or too soon."""
    if last_sent_at is None:
        return True
    tz = zone(timezone)
    return (
        now - last_sent_at >= min_gap
        and now.astimezone(tz).date() > last_sent_at.astimezone(tz).date()
    )


def awake(
    cadence: Cadence,
    timezone: str,
    at: datetime,
    *,
    slot: datetime,
    last_sent_at: datetime | None = None,
    min_gap: timedelta = MIN_GAP,
) -> datetime:
    """`at` itself, or the next slot when a lesson owed for `slot` would wake its reader then."""
    if not is_night(timezone, at, slot):
        return at
    return next_slot(cadence, timezone, after=at, last_sent_at=last_sent_at, min_gap=min_gap)


def is_night(timezone: str, now: datetime, slot: datetime) -> bool:
    """True when a lesson missed at `slot` should wait for the next one, not wake its reader.

    Far before its slot as well: the clock may have been set back since.
    """
    if abs(now - slot) <= LATE_AFTER:
        return False
    local = now.astimezone(zone(timezone)).time()
    return local < QUIET_ENDS or local >= QUIET_BEGINS
