"""Tells a learner's timeline the way a colleague would: no machine states, no repeats.

Leaves out what only matters inside the machine; invents nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from course.catalog import Course
from course.web.words import mail_name
from scheduler.domain.delivery import DeliveryState
from scheduler.store.reports import TimelineRow
from scheduler.store.ticks import ACTION, CLEAR, CONFUSING

_CONSENTS = {
    "signup": "asked to join",
    "confirm": "confirmed the address",
    "import": "was imported",
    "staff": "was changed by staff",
    "settings": "changed the settings",
    "pause": "paused",
    "resume": "resumed",
    "leave": "left the course",
    "leave-all": "asked for no mail at all",
    "address": "changed the address",
    "address-back": "took a change of address back",
    "restart": "came back",
    "next": "asked for the next lesson at once",
    "skip": "skipped a lesson",
}

_STATES = {
    DeliveryState.DUE: "is to be sent",
    DeliveryState.ACCEPTED: "sent",
    DeliveryState.WAITING: "was put off by the other side",
    DeliveryState.UNCERTAIN: "handed over, no answer came",
    DeliveryState.REFUSED: "refused",
    DeliveryState.DEAD: "given up",
    DeliveryState.CANCELLED: "withdrawn",
    DeliveryState.SKIPPED: "skipped",
}
_FELT = {CLEAR: "clear", CONFUSING: "confusing"}
_KNOWN = frozenset(str(state) for state in DeliveryState)


@dataclass(frozen=True, slots=True)
class Told:
    """One line of the timeline; `at` is aware UTC."""

    at: datetime
    what: str
    detail: str


def told(rows: Sequence[TimelineRow], courses: Mapping[str, Course]) -> list[Told]:
    """Newest first. "Is to be sent" stays only while it is the last word on a mail."""
    lines: list[Told] = []
    spoken_of: set[tuple[str, str]] = set()
    for row in reversed(rows):
        name, _, state = row.what.rpartition(": ")
        if name == "consent":
            lines.append(Told(row.at, _CONSENTS.get(state, state), row.detail))
        elif name and state in _KNOWN:
            mail = (row.course, name)
            words = _STATES.get(DeliveryState(state), "")
            passing = state == DeliveryState.DUE and mail in spoken_of
            if words and not passing:
                title = _title(name, courses.get(row.course))
                lines.append(Told(row.at, f"{title} {words}", row.detail))
            spoken_of.add(mail)
        elif name and state == "done":
            item = "" if row.detail == ACTION else row.detail
            said = _FELT.get(row.detail)
            what = f"was found {said}" if said else "done"
            title = _title(name, courses.get(row.course))
            lines.append(Told(row.at, f"{title} {what}", "" if said else item))
        elif row.what != "signed up":  # the consent says so in the person's own words
            lines.append(Told(row.at, row.what, row.detail))
    return lines


def _title(key: str, course: Course | None) -> str:
    lesson = course.lessons.get(key) if course else None
    if lesson is None:
        return mail_name(key).capitalize()
    return f"Lesson {lesson.number}, “{lesson.title}”,"
