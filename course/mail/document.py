"""Writes down all that one version of a mail is made of, as plain data that can be kept.

The same data makes the mail today and the page "read online" years later, when the lesson may
have been edited or deleted. It refuses anything of a learner's: a document holds no person.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal

from course.errors import CourseError
from course.finish import Task, as_tasks, tasks_of
from course.mail.mime import clean
from scheduler.domain.delivery import ADDRESS, COMPLETED, CONFIRM, LINKS, MOVED, TAKEN
from scheduler.domain.syllabus import Readiness

if TYPE_CHECKING:
    from course.catalog import Course, Offer
    from course.lesson import Action, Lesson

Notice = Literal["confirm", "links", "address", "moved", "taken"]
Kind = Literal["lesson", "letter", "nudge"] | Notice
Document = dict[str, Any]

#: Raised when the shape changes, so that an old document can still be told apart.
FORMAT = 1

#: Letters that are ours, by their key in the ledger.
NOTICES: dict[str, Notice] = {
    CONFIRM: "confirm", LINKS: "links", ADDRESS: "address", MOVED: "moved", TAKEN: "taken",
}  # fmt: skip

_LESSON_FIELDS = (
    "key", "title", "subject", "preheader", "idea", "body", "short", "reply", "tomorrow",
    "quiz_minutes",
)  # fmt: skip


def describe(course: Course, lesson: Lesson, offers: Sequence[Offer] = ()) -> Document:
    """The document of a lesson, or of a letter that the author wrote.

    `offers` are what the letter at the end names to take next.
    """
    number = _number(course, lesson)
    fields = {name: getattr(lesson, name) or "" for name in _LESSON_FIELDS}
    return (
        _document("lesson" if number else "letter", course)
        | _at_the_end(course, lesson, offers)
        | {
            "language": lesson.language or course.language,
            "lesson": fields
            | {
                "number": number,
                "minutes": lesson.minutes(),
                "recall": asdict(lesson.recall) if lesson.recall else None,
                "action": _action(lesson.action) if lesson.action else None,
                "checklist": [asdict(item) for item in lesson.checklist],
                "resources": [asdict(resource) for resource in lesson.resources],
                "quiz": [asdict(question) for question in lesson.quiz],
                "sources": [asdict(source) for source in lesson.sources],
            },
        }
    )


def _action(action: Action) -> dict[str, Any]:
    fields = asdict(action)
    fields.pop("leaves")  # said at the end of the course, not here
    return fields


def _at_the_end(course: Course, lesson: Lesson, offers: Sequence[Offer]) -> Document:
    """What only the letters after the last lesson are made of; nothing for all others."""
    added: Document = {}
    if lesson.show_done:
        added["deeds"] = {
            "tasks": [asdict(task) for task in tasks_of(course)],
            "certificate": course.certificate,
        }
    if lesson.key == COMPLETED and offers:
        added["next"] = [asdict(offer) for offer in offers]
    return added


def tasks_in(document: Document) -> tuple[Task, ...]:
    """The lessons of which this letter says whether they are done; none for most mails."""
    return as_tasks(document["deeds"]["tasks"]) if "deeds" in document else ()


def describe_nudge(course: Course, lesson: Lesson, turn: int) -> Document:
    """The document of a word about a lesson: what it has said already, in short.

    `turn` is 1 for the first in a round and 2 for the second.
    """
    whole = describe(course, lesson)
    return whole | {"kind": "nudge", "turn": turn, "lesson": whole["lesson"] | _LEFT_OUT}


#: What a nudge does not repeat, so that an edit of it makes no new version.
_LEFT_OUT: dict[str, Any] = {
    "subject": "", "preheader": "", "body": "", "reply": "", "tomorrow": "", "minutes": 0,
    "quiz_minutes": 0, "recall": None, "checklist": [], "resources": [], "quiz": [], "sources": [],
}  # fmt: skip


def describe_notice(kind: Notice, course: Course, language: str) -> Document:
    """The document of a letter that is ours: it has no file in the course's folder.

    `language` is its reader's, where we can write in it.
    """
    return _document(kind, course) | {"language": language}


def version_of(document: Document) -> str:
    """32 hex figures that change whenever anything in the document does."""
    return hashlib.sha256(dump(document).encode()).hexdigest()[:32]


def dump(document: Document) -> str:
    """Canonical JSON: the same document always gives the same text."""
    return json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def load(text: str) -> Document:
    """A kept document. Raises CourseError for one that this program cannot read."""
    try:
        document = json.loads(text)
        known = document["format"] == FORMAT and document["kind"] and document["course"]
    except (ValueError, KeyError, TypeError):
        known = False
    if not known:
        raise CourseError(
            "this kept version was written by another release of the program and cannot be "
            "shown: read the lesson on the learner's page instead"
        )
    assert isinstance(document, dict)
    return document


def sound_lesson(course: Course, key: str) -> Lesson:
    """The lesson or letter with this key, or with this former key, ready to be sent.

    Raises CourseError, with what the author can do, when there is nothing sound to send.
    """
    if key.startswith("@"):
        letter = course.letters.get(key)
        if letter is None:
            raise CourseError(
                f"{course.key} has no sound letter {key}: add {key[1:]}.md, or run `course check`"
            )
        return letter
    ref = next((r for r in course.syllabus.lessons if key == r.key or key in r.aliases), None)
    if ref is None:
        raise CourseError(f"{course.key} has no lesson {key} any more: put it back or skip it")
    lesson = course.lessons.get(ref.key)
    if lesson is None or ref.readiness is Readiness.BROKEN:
        raise CourseError(f"{key} has a mistake in it: `course check` shows where")
    if ref.readiness is Readiness.DRAFT:
        raise CourseError(f"{key} is still a draft: take `draft: true` out when it is ready")
    return lesson


def _document(kind: Kind, course: Course) -> Document:
    return {
        "format": FORMAT,
        "kind": kind,
        "language": course.language,
        "course": {
            "key": course.key,
            "title": clean(course.title),
            "total": course.total,
            "unit": "Day" if course.syllabus.cadence.every_days == 1 else "Lesson",
            "credits": clean(course.credits or ""),
            "reply_to_note": clean(course.reply_to_note or ""),
        },
    }


def _number(course: Course, lesson: Lesson) -> int:
    """Place in the course, counted from 1; 0 for a letter."""
    if lesson.key in course.letters:
        return 0
    for ref in course.syllabus.lessons:
        if ref.key == lesson.key:
            return ref.position
    # A file being previewed that is not in the course (yet): its own number, if it has one.
    return lesson.number or 0
