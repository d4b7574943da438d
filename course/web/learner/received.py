"""The lessons a learner has been sent, as their own page shows them: what to do, and what is done.

As each was sent, whatever has been edited since: the page and the mail agree, and a tick stays
with the words it was given to. Only the fields for notes are the present ones; no mail has them.
Refuses to show anything of a lesson that has not left yet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from itertools import groupby
from typing import Any

from markupsafe import Markup

from course.errors import CourseError
from course.frontmatter.parts import ACTION_ID
from course.lesson import NoteField
from course.links import Links
from course.mail.document import Document, describe, load
from course.web.learner.standing import Day, Standing
from course.web.learner.texts import Texts, for_learner
from scheduler.domain.delivery import Claimed, original_key
from scheduler.store import Tx, ledger, ticks
from scheduler.store.notes import Note

#: Behind a field's id: the note that holds its date.
BY = ":by"
#: What the two buttons after "I did it" say; anything else takes it back.
FELT = {"clear": ticks.CLEAR, "confusing": ticks.CONFUSING}


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do, with its tick."""

    id: str
    text: Markup
    minutes: int
    starred: bool
    ticked: bool


@dataclass(frozen=True, slots=True)
class Group:
    """What is for one role; `audience` is empty where everybody is meant."""

    audience: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """A field to write in, with what stands in it."""

    id: str
    ask: Markup
    hint: Markup
    lines: int
    text: str
    #: Is there a date beside it?
    dated: bool
    #: As written down: a date in figures, or nothing.
    by: str
    #: Characters beyond what is kept, of what was typed just now.
    too_long: int = 0
    #: What was typed just now is no date.
    no_date: bool = False

    @property
    def due(self) -> datetime | None:
        """Noon UTC of the date beside it, for saying it in words."""
        if not self.by or self.no_date:
            return None
        return datetime.combine(date.fromisoformat(self.by), time(12), UTC)


@dataclass(frozen=True, slots=True)
class Received:
    """One lesson that was sent."""

    #: Its place in the course; 0 once it has left the course.
    number: int
    #: As it was sent; may be a name the lesson no longer has.
    key: str
    #: All its names, the present one first.
    names: tuple[str, ...]
    delivery_id: str
    at: datetime | None
    title: str
    minutes: int
    idea: Markup
    #: What the starred action asks; empty when the lesson has none of its own.
    action: Markup
    action_minutes: int
    plan: Markup
    done: bool
    #: What its reader said of it, one of `ticks.FEELINGS`; else empty.
    felt: str
    #: For today, and for later in the week.
    now: tuple[Group, ...]
    later: tuple[Group, ...]
    questions: int
    notes_title: str
    notes: tuple[Asked, ...]

    @property
    def steps(self) -> tuple[Step, ...]:
        """Every item of the checklist, without the starred action."""
        return tuple(step for group in (*self.now, *self.later) for step in group.steps)

    @property
    def ids(self) -> frozenset[str]:
        """All that can be ticked here."""
        return frozenset({ACTION_ID, *(step.id for step in self.steps)})

    @property
    def ticked(self) -> tuple[str, ...]:
        """All that is ticked here, the starred action included."""
        own = (ACTION_ID,) if self.done else ()
        return own + tuple(step.id for step in self.steps if step.ticked)


def received(tx: Tx, standing: Standing, links: Links, notes: Sequence[Note]) -> list[Received]:
    """What this run was sent, in the order of the course; what has left the course at the end."""
    rows = {delivery.id: delivery for delivery in standing.deliveries}
    found = []
    for day in [*standing.days(), *standing.gone()]:
        if day.sent:
            claimed = Claimed(rows[day.delivery_id], standing.run, standing.learner)
            document = _document(tx, standing, claimed)
            found.append(_received(standing, day, claimed, document, links, notes))
    return found


def asked_by(tx: Tx, standing: Standing, claimed: Claimed, links: Links) -> tuple[Markup, Markup]:
    """The starred action of this very mail and its if-then line; empty where it has none."""
    document = _document(tx, standing, claimed)
    fields = document["lesson"] if document else {}
    texts = for_learner(claimed, links, document["course"] if document else {}, fields)
    action = fields.get("action") or {}
    return texts.line(action.get("do", "")), texts.line(action.get("plan", ""))


def felt(standing: Standing, key: str) -> str:
    """What this learner said of that lesson, one of `ticks.FEELINGS`; else empty."""
    names = standing.names(key)
    said = {tick.item for tick in standing.ticks if tick.lesson_key in names}
    return next((feeling for feeling in ticks.FEELINGS if feeling in said), "")


def of_key(lessons: Sequence[Received], key: str) -> Received | None:
    """The one with that name, old names included."""
    return next((one for one in lessons if key == one.key or key in one.names), None)


def _document(tx: Tx, standing: Standing, claimed: Claimed) -> Document | None:
    """As it was sent; the lesson as it stands now where no readable version was kept."""
    kept = ledger.version_document(tx, claimed.delivery.lesson_version)
    try:
        if kept is not None and "lesson" in (document := load(kept)):
            return document
    except CourseError:
        pass
    lesson = standing.lesson(original_key(claimed.delivery.key))
    return describe(standing.course, lesson) if standing.course and lesson else None


def _received(
    standing: Standing,
    day: Day,
    claimed: Claimed,
    document: Document | None,
    links: Links,
    notes: Sequence[Note],
) -> Received:
    key = claimed.delivery.key
    names = tuple(dict.fromkeys((*standing.names(key), key)))
    fields: Mapping[str, Any] = document["lesson"] if document else {}
    texts = for_learner(claimed, links, document["course"] if document else {}, fields)
    ticked = {tick.item for tick in standing.ticks if tick.lesson_key in names}
    action = fields.get("action") or {}
    items = fields.get("checklist", ())
    lesson = standing.lesson(key)
    return Received(
        number=day.number,
        key=key,
        names=names,
        delivery_id=day.delivery_id,
        at=day.at,
        title=fields.get("title") or day.title,
        minutes=fields.get("minutes", 0),
        idea=texts.line(fields.get("idea", "")),
        action=texts.line(action.get("do", "")),
        action_minutes=action.get("minutes", 0),
        plan=texts.line(action.get("plan", "")),
        done=day.done,
        felt=felt(standing, key),
        now=_groups([item for item in items if not item["later"]], ticked, texts),
        later=_groups([item for item in items if item["later"]], ticked, texts),
        questions=len(fields.get("quiz", ())),
        notes_title=lesson.notes_title if lesson else "",
        notes=tuple(
            _asked(field, _written(notes, names), texts)
            for field in (lesson.notes if lesson else ())
        ),
    )


def _groups(
    items: Sequence[Mapping[str, Any]], ticked: set[str], texts: Texts
) -> tuple[Group, ...]:
    """By role, in the order in which the roles first appear; everybody's come first."""
    roles = list(dict.fromkeys(str(item["audience"]) for item in items))
    roles.sort(key=lambda role: not _everybody(role))
    ordered = sorted(items, key=lambda item: roles.index(item["audience"]))
    return tuple(
        Group(
            "" if _everybody(role) else role,
            tuple(
                Step(
                    item["id"],
                    texts.line(item["text"]),
                    item["minutes"],
                    item["starred"],
                    item["id"] in ticked,
                )
                for item in members
            ),
        )
        for role, members in groupby(ordered, key=lambda item: str(item["audience"]))
    )


def _everybody(role: str) -> bool:
    return role.casefold() in ("", "all")


def _written(notes: Sequence[Note], names: tuple[str, ...]) -> dict[str, str]:
    """What stands in each field; what was kept under the present name counts before the others."""
    ranked = {name: place for place, name in enumerate(names)}
    own = [note for note in notes if note.lesson_key in ranked]
    own.sort(key=lambda note: ranked[note.lesson_key], reverse=True)
    return {note.item: note.text for note in own}


def _asked(field: NoteField, written: Mapping[str, str], texts: Texts) -> Asked:
    return Asked(
        id=field.id,
        ask=texts.line(field.ask),
        hint=texts.line(field.hint),
        lines=field.lines,
        text=written.get(field.id, ""),
        dated=field.by,
        by=written.get(field.id + BY, "") if field.by else "",
    )
