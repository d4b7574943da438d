"""Reads course.yaml: what a course is called, and when its lessons come.

Refuses to read lessons; says where a value is wrong and falls back to a sound default.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from datetime import time
from typing import cast, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from course.errors import Notes
from course.frontmatter import reading as frontmatter
from course.frontmatter.fields import Fields
from course.source.names import readable, slugify
from scheduler.domain.syllabus import EVERY_DAY, WEEKDAYS, Cadence, Policy

# fmt: off
_KEYS = (
    "title", "tagline", "description", "language", "author", "minutes", "cadence", "timezone",
    "first_lesson", "uncertain", "nudges", "skip", "outcomes", "credits", "reply_to_note",
    "consent_text", "certificate", "next", "lessons", "params", "check",
)
# fmt: on
#: What a lesson may take when the author names no target.
MINUTES = (5, 20)
_DAY_NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class NextCourse:
    """What to take next: a course of this school by its key, or another one by its address."""

    key: str = ""
    title: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Outline:
    """What course.yaml says."""

    title: str
    tagline: str = ""
    description: str = ""
    language: str = "en"
    author: str = ""
    minutes: tuple[int, int] = MINUTES
    cadence: Cadence = field(default_factory=Cadence)
    timezone: str = "UTC"
    first_lesson_at_once: bool = True
    #: None: as the installation has it.
    uncertain: Policy | None = None
    #: Whoever has gone quiet gets the short version of a lesson, at most twice.
    nudges: bool = True
    #: May a learner pass over a lesson?
    skip: bool = False
    outcomes: tuple[str, ...] = ()
    credits: str = ""
    reply_to_note: str = ""
    consent_text: str = ""
    certificate: bool = True
    next: tuple[NextCourse, ...] = ()
    next_at: tuple[int, int] = (1, 1)
    #: File names in order, when the author lists them; else the numbers decide.
    order: tuple[str, ...] = ()
    order_at: tuple[int, int] = (1, 1)
    ignore: frozenset[str] = frozenset()
    fingerprint: str = ""


def read_outline(text: str | None, folder_name: str, notes: Notes) -> Outline:
    """The outline; wrong values are errors in `notes` and defaults in the result."""
    fallback = Outline(title=readable(slugify(folder_name)))
    if text is None:
        return fallback
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    fields = frontmatter.read(text, 1, notes)
    if fields is None:
        return fallback
    if "title" not in fields:
        notes.warn(
            "no-title",
            (1, 1),
            f"the course has no title, so its folder's name is used: add `title: {fallback.title}`",
        )
    outline = Outline(
        title=fields.text("title") or fallback.title,
        tagline=fields.text("tagline"),
        description=fields.text("description"),
        language=fields.text("language") or "en",
        author=fields.text("author"),
        minutes=_minutes(fields),
        cadence=_cadence(fields),
        timezone=_timezone(fields),
        first_lesson_at_once=_first_lesson(fields),
        uncertain=_uncertain(fields),
        nudges=fields.flag("nudges", default=True),
        skip=fields.flag("skip"),
        outcomes=fields.texts("outcomes"),
        credits=fields.text("credits"),
        reply_to_note=fields.text("reply_to_note"),
        consent_text=fields.text("consent_text"),
        certificate=fields.flag("certificate", True),
        next=_next(fields),
        next_at=fields.at("next"),
        order=fields.texts("lessons"),
        order_at=fields.at("lessons"),
        ignore=frozenset(below.texts("ignore") if (below := fields.mapping("check")) else ()),
        fingerprint=hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest(),
    )
    fields.name_strangers(_KEYS)
    if any("{{" in taken.value or "{%" in taken.value for taken in fields.texts_taken):
        notes.error(
            "template-syntax",
            (1, 1),
            "course.yaml holds no `{{ }}` values, they work in lessons only: write plain text",
        )
    return outline


def _next(fields: Fields) -> tuple[NextCourse, ...]:
    """A list of course keys, and of `{title, url}` for courses elsewhere."""
    found = []
    for item in fields.texts_or_mappings("next"):
        if isinstance(item, str):
            found.append(NextCourse(key=item))
            continue
        item.need("title")
        item.need("url")
        course = NextCourse(title=item.text("title"), url=item.text("url"))
        item.name_strangers(("title", "url"))
        if course.url and not course.url.startswith(("https://", "http://")):
            item.error("bad-course", "`url` in `next` begins with https://: correct it", "url")
        elif course.title and course.url:
            found.append(course)
    return tuple(found)


def _minutes(fields: Fields) -> tuple[int, int]:
    words = fields.texts("minutes")
    if not words:
        return MINUTES
    if len(words) == 1 and (span := re.fullmatch(r"(\d+)\s*(?:-|–|to)\s*(\d+)", words[0])):
        words = (span.group(1), span.group(2))
    if len(words) == 2 and all(w.isdigit() for w in words) and 0 < int(words[0]) <= int(words[1]):
        return int(words[0]), int(words[1])
    fields.error("bad-course", "`minutes` is from and to: write `minutes: [15, 20]`", "minutes")
    return MINUTES


def _cadence(fields: Fields) -> Cadence:
    default = Cadence()
    below = fields.mapping("cadence")
    if below is None:
        return default
    hour = below.text("hour")
    cadence = Cadence(
        hour=_hour(below, hour) if hour else default.hour,
        weekdays=_weekdays(below),
        every_days=below.number("every_days", 1, 365) or 1,
    )
    below.name_strangers(("hour", "days", "every_days"))
    return cadence


def _hour(fields: Fields, text: str) -> time:
    match = re.fullmatch(r"([01]?[0-9]|2[0-3])(?::([0-5][0-9]))?(?::00)?", text)
    if match:
        return time(int(match.group(1)), int(match.group(2) or 0))
    fields.error("bad-course", f'`{text}` is no time of day: write `hour: "07:00"`', "hour")
    return time(7, 0)


def _weekdays(fields: Fields) -> frozenset[int]:
    words = [w for text in fields.texts("days") for w in re.split(r"[\s,]+", text.lower()) if w]
    if not words or words in (["daily"], ["every", "day"], ["everyday"], ["all"]):
        return EVERY_DAY
    if words in (["weekdays"], ["workdays"]):
        return WEEKDAYS
    days = {_DAY_NAMES.index(w[:3]) for w in words if w[:3] in _DAY_NAMES and w.isalpha()}
    if len(days) == len(words):
        return frozenset(days)
    fields.error(
        "bad-course",
        f"`{' '.join(words)}` are no days: write `daily`, `weekdays` or `mon,wed,fri`",
        "days",
    )
    return EVERY_DAY


def _timezone(fields: Fields) -> str:
    name = fields.text("timezone")
    if not name:
        return "UTC"
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        fields.error(
            "bad-course",
            f"`{name[:60]}` is no time zone: write one like `Europe/Berlin` or `UTC`",
            "timezone",
        )
        return "UTC"
    return name


def _first_lesson(fields: Fields) -> bool:
    word = fields.text("first_lesson", "at_once").lower().replace("-", "_").replace(" ", "_")
    if word not in {"at_once", "next_slot"}:
        fields.error(
            "bad-course", "`first_lesson` is `at_once` or `next_slot`: choose one", "first_lesson"
        )
    return word != "next_slot"


def _uncertain(fields: Fields) -> Policy | None:
    word = fields.text("uncertain").lower().replace("-", "_").replace(" ", "_")
    for policy in get_args(Policy):
        if word == policy:
            return cast("Policy", policy)
    if word:
        fields.error(
            "bad-course",
            "`uncertain` says what happens when no answer came for a lesson: `resend_once`,"
            " `hold` or `skip`",
            "uncertain",
        )
    return None
