"""Takes in what learners do on their own page: tick, say how a lesson felt, write, come by.

The link is the key. Every one of these is a POST, so that no mail scanner does any of them.
A script that saves as one goes sends `quietly` and gets a bare 204; a form gets the page again.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from urllib.parse import quote

from fastapi import APIRouter
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.responses import Response

from course.links import Purpose
from course.web.desk import AtDesk, Desk, Posted, text
from course.web.learner.learn import own_page, own_place
from course.web.learner.received import BY, FELT, Asked, Received
from course.web.learner.standing import Standing, opened
from course.web.learner.trouble import trouble
from scheduler.enrolling import NOTE_LIMIT, as_kept
from scheduler.errors import NotAllowed

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class _Place:
    """Whose page, and which of its lessons."""

    standing: Standing
    lesson: Received


@router.post("/learn/{token}/ticks/{key}")
def tick(desk: AtDesk, form: Posted, token: str, key: str) -> Response:
    """What is ticked now and was not, and the other way round; the rest stays as it is.

    So a page that was opened yesterday takes back nothing that was ticked since. The buttons that
    ask how the lesson felt send the ticks along.
    """
    found = _place(desk, token, key)
    if not isinstance(found, _Place):
        return found
    if "was" not in form and "ticked" not in form:
        raise HTTPException(413)
    was = frozenset(text(form, "was").split()) & found.lesson.ids
    now = frozenset(str(value) for value in form.getlist("ticked")) & found.lesson.ids
    try:
        enrolling, run = desk.school.enrolling, found.standing.run.id
        enrolling.tick(run, found.lesson.key, sorted(now - was), sorted(was - now))
        if "felt" in form:
            enrolling.say_felt(run, found.lesson.key, FELT.get(text(form, "felt"), ""))
    except NotAllowed:  # erased a moment ago
        return trouble(desk, "gone")
    return _kept(desk, form, token, found.lesson)


@router.post("/learn/{token}/notes/{key}")
def write(desk: AtDesk, form: Posted, token: str, key: str) -> Response:
    """Keep what was written. What cannot be kept is shown again as it was typed."""
    found = _place(desk, token, key)
    if not isinstance(found, _Place):
        return found
    fields = [_typed(field, form) for field in found.lesson.notes]
    if not any(_name(field) in form for field in fields):
        raise HTTPException(413)
    texts: dict[str, str] = {}
    for field in fields:
        if _name(field) in form and not field.too_long:
            texts[field.id] = field.text
        if field.dated and f"{_name(field)}{BY}" in form and not field.no_date:
            texts[field.id + BY] = field.by
    try:
        desk.school.enrolling.write_notes(found.standing.run.id, found.lesson.key, texts)
    except NotAllowed:  # erased a moment ago
        return trouble(desk, "gone")
    if any(field.too_long or field.no_date for field in fields):
        lesson = replace(found.lesson, notes=tuple(fields))
        return own_page(desk, token, found.standing, wrong=lesson)
    return _kept(desk, form, token, found.lesson)


@router.post("/learn/{token}/here")
def here(desk: AtDesk, token: str) -> Response:
    """The page is open in front of a person: scripts say so, and mail scanners run none."""
    standing = opened(desk, Purpose.LEARN, token)
    if standing is not None:
        desk.school.enrolling.come_by(standing.run.id)
    return Response(status_code=204)


def _place(desk: Desk, token: str, key: str) -> _Place | Response:
    """Whose link this is and which lesson of theirs; else the friendly page that helps on."""
    standing = opened(desk, Purpose.LEARN, token)
    if standing is None:
        return trouble(desk, "learn")
    lesson = own_place(desk, standing, key)
    return _Place(standing, lesson) if lesson else trouble(desk, "unsent")


def _kept(desk: Desk, form: FormData, token: str, lesson: Received) -> Response:
    if "quietly" in form:
        return Response(status_code=204)
    key = quote(lesson.key)
    return desk.pages.go(f"/learn/{token}?saved={key}#lesson-{key}")


def _name(field: Asked) -> str:
    return f"note.{field.id}"


def _typed(field: Asked, form: FormData) -> Asked:
    """The field with what was typed into it; as it was where nothing was sent for it."""
    name, by = _name(field), f"{_name(field)}{BY}"
    if name in form:
        words = as_kept(text(form, name))
        field = replace(field, text=words, too_long=max(0, len(words) - NOTE_LIMIT))
    if field.dated and by in form:
        day = as_kept(text(form, by))
        field = replace(field, by=day, no_date=bool(day) and not _is_date(day))
    return field


def _is_date(words: str) -> bool:
    try:
        return date.fromisoformat(words).isoformat() == words
    except ValueError:
        return False
