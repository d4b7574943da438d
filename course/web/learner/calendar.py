"""A calendar file that keeps a quarter of an hour free at each lesson to come.

Writes floating local times (RFC 5545 3.3.5 form 1): 07:00 is 07:00 wherever the learner is.
"""

from __future__ import annotations

from datetime import timedelta

from course.web.learner.standing import Day, Standing
from course.web.speaking import gettext
from scheduler.zones import zone

_LOCAL = "%Y%m%dT%H%M%S"


def calendar(standing: Standing) -> str:
    """All lessons to come as events of 15 minutes; CRLF line ends."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//mini-email-course//EN"]
    tz = zone(standing.run.timezone)
    for day in standing.days():
        if day.sent or day.at is None or day.at <= standing.now:
            continue
        start = day.at.astimezone(tz)
        lines += [
            "BEGIN:VEVENT",
            f"UID:{standing.run.id}-{standing.run.round}-{day.number}@mini-email-course",
            f"DTSTAMP:{standing.now:{_LOCAL}}Z",
            f"DTSTART:{start:{_LOCAL}}",
            f"DTEND:{start + timedelta(minutes=15):{_LOCAL}}",
            f"SUMMARY:{_escaped(_summary(day))}",
            f"DESCRIPTION:{_escaped(standing.title)}",
            "END:VEVENT",
        ]
    lines.append("END:VCALENDAR")
    return "".join(_folded(line) + "\r\n" for line in lines)


def _summary(day: Day) -> str:
    return gettext("Lesson %(number)s: %(title)s", number=day.number, title=day.title)


def _escaped(text: str) -> str:
    text = text.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,")
    return " ".join(text.split())


def _folded(line: str) -> str:
    """At most 75 octets a line, never inside a letter (RFC 5545 3.1)."""
    parts: list[str] = []
    current = ""
    for letter in line:
        if len((current + letter).encode()) > (75 if not parts else 74):
            parts.append(current)
            current = ""
        current += letter
    return "\r\n ".join([*parts, current])
