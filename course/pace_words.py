"""Reads and says days and hours as people write them: `weekdays`, `mon,wed,fri`, `7`, `07:30`.

One place for the CSV import, the terminal and the forms. Refuses what it does not understand.
"""

from __future__ import annotations

import re
from datetime import time

from course.language import ENGLISH, N_, Language
from scheduler.domain.syllabus import EVERY_DAY, WEEKDAYS

#: Monday first, as in `datetime.date.weekday`.
DAY_NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WEEKEND = frozenset({5, 6})
_SETS = {
    "daily": EVERY_DAY,
    "every day": EVERY_DAY,
    "everyday": EVERY_DAY,
    "all": EVERY_DAY,
    "weekdays": WEEKDAYS,
    "workdays": WEEKDAYS,
    "weekend": _WEEKEND,
    "weekends": _WEEKEND,
}
_LONG = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
#: The days on which something comes again and again.
_EACH = (
    N_("Mondays"), N_("Tuesdays"), N_("Wednesdays"), N_("Thursdays"), N_("Fridays"),
    N_("Saturdays"), N_("Sundays"),
)  # fmt: skip
_HOUR = re.compile(r"(\d{1,2})(?:[:.h](\d{2}))?(?::00)?\s*(am|pm)?", re.IGNORECASE)


class PaceError(ValueError):
    """Days or an hour that cannot be read; the message says what can."""


def parse_days(text: str) -> frozenset[int]:
    """`daily`, `weekdays`, `mon,wed,fri`, `mon-fri`; Monday is 0. Raises PaceError."""
    wanted = " ".join(text.strip().lower().split())
    if wanted in _SETS:
        return _SETS[wanted]
    days: set[int] = set()
    for part in re.split(r"[,;/+\s]+", re.sub(r"\s*[-–]\s*", "-", wanted)):
        first, dash, last = part.partition("-")
        start, end = _day(first, text), _day(last, text) if dash else None
        if end is None:
            days.add(start)
        else:  # fri-mon runs over the weekend
            days.update((start + step) % 7 for step in range((end - start) % 7 + 1))
    return frozenset(days)


def parse_hour(text: str) -> time:
    """`7`, `07:00`, `7:30`, `7.30`, `7pm`; local wall-clock time. Raises PaceError."""
    found = _HOUR.fullmatch(text.strip())
    if found:
        hour, minute = int(found[1]), int(found[2] or 0)
        if found[3] and 1 <= hour <= 12:
            hour = hour % 12 + (12 if found[3].lower() == "pm" else 0)
        elif found[3]:
            hour = 24
        if hour < 24 and minute < 60:
            return time(hour, minute)
    raise PaceError(f"{text.strip()!r} is not an hour: write 7, 07:00 or 18:30 (00:00 to 23:59)")


def write_days(days: frozenset[int]) -> str:
    """The shortest form `parse_days` reads back: `daily`, `weekdays` or `mon,wed,fri`."""
    if days == EVERY_DAY:
        return "daily"
    if days == WEEKDAYS:
        return "weekdays"
    return ",".join(DAY_NAMES[day] for day in sorted(days))


def say_days(days: frozenset[int], language: Language = ENGLISH) -> str:
    """The same in words: `every day`, `Monday to Friday`, `Mondays and Fridays`."""
    if days == EVERY_DAY:
        return language.gettext("every day")
    if days == WEEKDAYS:
        return language.gettext("Monday to Friday")
    return language.listed([language.gettext(_EACH[day]) for day in sorted(days)])


def _day(word: str, text: str) -> int:
    for day, name in enumerate(DAY_NAMES):
        if len(word) >= 2 and _LONG[day].lower().startswith(word.removesuffix("s")):
            return day
        if word == name:
            return day
    raise PaceError(
        f"{text.strip()!r} are no days: write daily, weekdays, or days such as mon,wed,fri"
    )
