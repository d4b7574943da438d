"""Says instants, cadences and addresses the way a person would.

Refuses to know the present: `now` is always handed in, aware and UTC.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from babel.dates import format_date

from course.mail.person import masked as masked
from course.pace_words import say_days
from scheduler.domain.delivery import nudge_of, original_key
from scheduler.domain.syllabus import Cadence
from scheduler.zones import zone


def day_in_words(instant: datetime, timezone: str, now: datetime, *, locale: str = "en") -> str:
    """The local date: "today", "tomorrow, Tuesday", "Friday" or "Friday, 5 December".

    The year is named when it is not this one. Raises `UnknownZone`.
    """
    tz = zone(timezone)
    day, today = instant.astimezone(tz).date(), now.astimezone(tz).date()
    name = format_date(day, "EEEE", locale=locale)
    match (day - today).days:
        case 0:
            return "today"
        case 1:
            return f"tomorrow, {name}"
        case -1:
            return f"yesterday, {name}"
        case days if 1 < days < 7:
            return f"{name}"
    pattern = "d MMMM" if day.year == today.year else "d MMMM y"
    return f"{name}, {format_date(day, pattern, locale=locale)}"


def in_words(instant: datetime, timezone: str, now: datetime, *, locale: str = "en") -> str:
    """The local date and hour: "tomorrow, Tuesday, at 07:00"."""
    day = day_in_words(instant, timezone, now, locale=locale)
    comma = "," if "," in day else ""
    return f"{day}{comma} at {instant.astimezone(zone(timezone)):%H:%M}"


def stamp(instant: datetime, timezone: str, *, locale: str = "en") -> str:
    """The local date and hour, short and always with the date: "Tue 25 November, 07:00"."""
    local = instant.astimezone(zone(timezone))
    return f"{format_date(local.date(), 'EEE d MMMM', locale=locale)}, {local:%H:%M}"


def zone_in_words(timezone: str) -> str:
    """Says "Kolkata time" for `Asia/Kolkata`; "UTC" stays."""
    if "/" not in timezone:
        return timezone
    return f"{timezone.rsplit('/', 1)[1].replace('_', ' ')} time"


def pace_in_words(cadence: Cadence, timezone: str) -> str:
    """Says "07:00, Berlin time, every day"; slower cadences say so."""
    gap = "" if cadence.every_days == 1 else f", one lesson every {cadence.every_days} days"
    days = say_days(cadence.weekdays)
    return f"{cadence.hour:%H:%M}, {zone_in_words(timezone)}, {days}{gap}"


def listed(words: Collection[str]) -> str:
    """Says "a", "a and b" or "a, b and c"."""
    *front, last = list(words) or [""]
    return f"{', '.join(front)} and {last}" if front else last


def counted(number: int, one: str, many: str | None = None) -> str:
    """Says "1 lesson" or "5 lessons"; thousands are parted by a thin space."""
    return f"{number:,} {one if number == 1 else many or one + 's'}".replace(",", "\u202f")


_NUMBERS = (
    *("zero", "one", "two", "three", "four", "five", "six"),
    *("seven", "eight", "nine", "ten", "eleven", "twelve"),
)


def number(count: int) -> str:
    """Says "three"; from 13 on in figures."""
    return _NUMBERS[count] if count < len(_NUMBERS) else str(count)


def duration_in_words(span: timedelta) -> str:
    """The two largest units: "9 h 12 min", "3 days", "40 s"."""
    seconds = max(0, int(span.total_seconds()))
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, seconds = divmod(rest, 60)
    if days:
        return counted(days, "day") + (f" {hours} h" if hours and days < 3 else "")
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{minutes} min" if minutes else f"{seconds} s"


#: Letters by key, as the office calls them.
_LETTERS = {
    "@confirm": "confirmation",
    "@links": "reminder of links",
    "@welcome": "welcome",
    "@completed": "closing letter",
    "@address": "confirmation of a new address",
    "@moved": "notice of a new address",
    "@taken": "note on a wish for this address",
}


def mail_name(key: str) -> str:
    """A lesson's or letter's key for people: "confirmation", "second-lesson (again)"."""
    own = original_key(key)
    if nudge_of(key):
        return own.removeprefix("@nudge").partition(":")[2].replace("-", " ") + " (short version)"
    again = " (again)" if own != key else ""
    return _LETTERS.get(own, own.removeprefix("@").replace("-", " ")) + again
