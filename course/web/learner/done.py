"""The "I did it" of every lesson: one button, then how far one has come, and a way back.

Records nothing on GET: mail scanners open every link. The link in the mail is the key.
"""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter
from starlette.responses import Response

from course.links import Purpose
from course.web import words
from course.web.desk import LOOK, AtDesk, Desk, Posted, text
from course.web.learner.received import FELT, asked_by, felt
from course.web.learner.standing import Standing, newest_begun, outlook, standing_of
from course.web.learner.trouble import trouble
from course.web.speaking import gettext
from scheduler.domain.delivery import Claimed, original_key
from scheduler.errors import NotAllowed
from scheduler.store import ledger

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class _Lesson:
    """What a link is about."""

    standing: Standing
    #: As it was sent; may be a name the lesson no longer has.
    key: str
    claimed: Claimed


@router.api_route("/done/{token}", methods=LOOK)
def look(desk: AtDesk, token: str) -> Response:
    """The lesson's action with its button; once it is done, what has been done so far."""
    found = _opened(desk, token)
    return _page(desk, token, found) if isinstance(found, _Lesson) else found


@router.post("/done/{token}")
def did_it(desk: AtDesk, token: str) -> Response:
    """The button. Harmless when pressed twice."""
    return _mark(desk, token, done=True)


@router.post("/done/{token}/undo")
def undo(desk: AtDesk, token: str) -> Response:
    """Not done after all."""
    return _mark(desk, token, done=False)


@router.post("/done/{token}/felt")
def say_felt(desk: AtDesk, form: Posted, token: str) -> Response:
    """Clear or confusing; said again it replaces what was said, and empty it takes it back."""
    found = _opened(desk, token)
    if not isinstance(found, _Lesson):
        return found
    feeling = FELT.get(text(form, "felt"), "")
    try:
        desk.school.enrolling.say_felt(found.standing.run.id, found.key, feeling)
    except NotAllowed:  # erased a moment ago
        return trouble(desk, "gone")
    return desk.pages.go(f"/done/{token}")


def _mark(desk: Desk, token: str, *, done: bool) -> Response:
    found = _opened(desk, token)
    if not isinstance(found, _Lesson):
        return found
    try:
        desk.school.enrolling.mark_done(found.standing.run.id, found.key, done=done)
    except NotAllowed:  # erased a moment ago
        return trouble(desk, "gone")
    return desk.pages.go(f"/done/{token}")


def _opened(desk: Desk, token: str) -> _Lesson | Response:
    """Whose link this is and for which lesson; else the friendly page that says why not."""
    link = desk.school.links.open(Purpose.DONE, token)
    if link is None:
        return trouble(desk, "done")
    with desk.school.db.read() as tx:
        claimed = ledger.claimed_view(tx, link.subject)
        if claimed is None:
            return trouble(desk, "gone")
        # A signup that nobody has confirmed, perhaps a stranger's, takes no progress away.
        standing = standing_of(desk, tx, newest_begun(tx, claimed.enrollment))
    key = original_key(claimed.delivery.key)
    if standing is None or key.startswith("@"):  # a letter asks for nothing
        return trouble(desk, "gone" if standing is None else "done")
    return _Lesson(standing, key, claimed)


def _page(desk: Desk, token: str, found: _Lesson) -> Response:
    standing, links, pages = found.standing, desk.school.links, desk.pages
    lesson = standing.lesson(found.key)
    days = standing.days()
    with desk.school.db.read() as tx:
        action, if_then = asked_by(tx, standing, found.claimed, links)
    return pages.page(
        "web/done.html",
        standing=standing,
        days=days,
        done=standing.is_done(found.key),
        heading=_heading(standing.done_count, len(days)),
        lesson_title=lesson.title if lesson else standing.lesson_title(found.key),
        number=lesson.number if lesson else 0,
        action=action,
        if_then=if_then,
        writes=bool(lesson and lesson.notes),
        key=found.key,
        felt=felt(standing, found.key),
        outlook=outlook(standing),
        learn=pages.path(links.learn(standing.run.id)),
        read=pages.path(links.read(found.claimed.delivery.id)),
        token=token,
    )


def _heading(done: int, total: int) -> str:
    """Says "Three down.", and at the end "All five done."."""
    if done == 0 or total == 1:  # the lesson has left the course, or is all of it
        return gettext("Done.")
    if done == total:
        if total == 2:
            return gettext("Both done.")
        return gettext("All %(number)s done.", number=words.number(total))
    return gettext("%(number)s down.", number=words.number(done).capitalize())
