"""How long a break lasts: some days, a week, until a day that was chosen, or until resumed."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from course.web.learner.standing import Standing
from scheduler.rules import due
from scheduler.zones import zone

#: How long a break may be; `open` ends when the learner says so, `until` on a day of their own.
BREAKS = {"3-days": timedelta(days=3), "1-week": timedelta(days=7), "open": None}
#: The last day a break may end on, counted from today.
LONGEST = timedelta(days=180)


def break_ends(standing: Standing, length: timedelta | None) -> datetime | None:
    """The start of the local day on which a break of that many days is over; UTC."""
    if length is None:
        return None
    ends = standing.now + length
    # At the hour of the lesson itself the next one would come a day late: end it at midnight.
    return begins(standing, ends.astimezone(zone(standing.run.timezone)).date())


def begins(standing: Standing, day: date) -> datetime:
    return due.at_wall_time(day, time(), zone(standing.run.timezone))


def end_of_break(standing: Standing, typed: str) -> tuple[date | None, str]:
    """The day that was typed, and why it cannot be one; a word for the page, or empty."""
    today = standing.now.astimezone(zone(standing.run.timezone)).date()
    try:
        day = date.fromisoformat(typed.strip())
    except ValueError:
        return None, "unread"
    if day <= today:
        return day, "past"
    return day, "far" if day - today > LONGEST else ""


def first_day(standing: Standing) -> date:
    """Tomorrow, where the learner is: the first day a break may end on."""
    return standing.now.astimezone(zone(standing.run.timezone)).date() + timedelta(days=1)
