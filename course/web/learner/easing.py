"""The buttons of the settings page: a break, the next lesson now, more time, once more.

Every one is a POST that ends in a 303 to the page, and happens once however often it is pressed.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from course.language import N_
from course.links import Purpose
from course.web.desk import AtDesk, Desk, Posted, text
from course.web.learner.breaks import BREAKS, begins, break_ends, end_of_break
from course.web.learner.manage import STARTED, page_of
from course.web.learner.standing import Standing, opened
from course.web.learner.trouble import trouble
from course.web.speaking import gettext
from scheduler.errors import NotAllowed

router = APIRouter(include_in_schema=False)

#: What buttons say: stored in the language they were read in.
_RESUME = N_("Resume now")
_OVER = N_("Start over with lesson 1")

#: Days by which a lesson may be held back at once.
MORE_DAYS = (1, 2, 3)


@router.post("/manage/{token}/pause")
def pause(desk: AtDesk, request: Request, posted: Posted, token: str) -> Response:
    """A break of three days, of a week, until a day that was chosen, or until resumed."""
    standing = opened(desk, Purpose.MANAGE, token)
    if standing is None:
        return trouble(desk, "manage")
    length = text(posted, "for")
    if length == "until":
        typed = text(posted, "until")
        day, wrong = end_of_break(standing, typed)
        if wrong or day is None:
            return page_of(desk, token, standing, until=typed, break_wrong=wrong, status=422)
        until: datetime | None = begins(standing, day)
    else:
        until = break_ends(standing, BREAKS.get(length, BREAKS["1-week"]))

    def act(standing: Standing) -> str:
        consent = desk.visitors.consent(request, "pause", f"Pause: {length}", "web:/manage")
        desk.school.enrolling.pause(standing.run.id, until=until, consent=consent)
        return "paused"

    return _act(desk, token, act)


@router.post("/manage/{token}/resume")
def resume(desk: AtDesk, request: Request, token: str) -> Response:
    """The end of the break."""

    def act(standing: Standing) -> str:
        consent = desk.visitors.consent(request, "resume", gettext(_RESUME), "web:/manage")
        desk.school.enrolling.resume(standing.run.id, consent)
        return "resumed"

    return _act(desk, token, act)


@router.post("/manage/{token}/next")
def next_now(desk: AtDesk, request: Request, posted: Posted, token: str) -> Response:
    """The learner's own exception from one lesson a day."""

    def act(standing: Standing) -> str:
        consent = desk.visitors.consent(request, "next", "Send the next lesson now", "web:/manage")
        wanted = text(posted, "lesson") or None
        desk.school.enrolling.next_now(standing.run.id, consent, lesson=wanted)
        return "next"

    return _act(desk, token, act)


@router.post("/manage/{token}/later")
def later(desk: AtDesk, request: Request, posted: Posted, token: str) -> Response:
    """More time for the lesson in hand: the next one comes some days later."""

    def act(standing: Standing) -> str:
        days, planned_at = _whole(text(posted, "days")), _instant(text(posted, "planned"))
        if days not in MORE_DAYS or planned_at is None:
            return "not-now"
        consent = desk.visitors.consent(request, "later", f"{days} days more", "web:/manage")
        desk.school.enrolling.hold_back(standing.run.id, days, consent, planned_at=planned_at)
        return "later"

    return _act(desk, token, act)


@router.post("/manage/{token}/rhythm")
def rhythm(desk: AtDesk, request: Request, posted: Posted, token: str) -> Response:
    """A lesson every other day from now on, or as often as the course has it."""

    def act(standing: Standing) -> str:
        usual = standing.course.syllabus.cadence.every_days if standing.course else 1
        every = max(2, usual) if text(posted, "every") == "other-day" else usual
        consent = desk.visitors.consent(request, "rhythm", f"every {every} days", "web:/manage")
        desk.school.enrolling.set_pace(standing.run.id, every_days=every, consent=consent)
        return "saved"

    return _act(desk, token, act)


@router.post("/manage/{token}/skip")
def skip(desk: AtDesk, request: Request, posted: Posted, token: str) -> Response:
    """Passes over the next lesson, where the course lets its learners do so."""

    def act(standing: Standing) -> str:
        if standing.course is None or not standing.course.skip:
            return "not-now"
        consent = desk.visitors.consent(request, "skip", "Skip a lesson", "web:/manage")
        desk.school.enrolling.skip(standing.run.id, consent, lesson=text(posted, "lesson"))
        return "skipped"

    return _act(desk, token, act)


@router.post("/manage/{token}/again")
def again(desk: AtDesk, request: Request, token: str) -> Response:
    """The latest lesson once more."""

    def act(standing: Standing) -> str:
        consent = desk.visitors.consent(request, "again", "Send it once more", "web:/manage")
        desk.school.enrolling.again(standing.run.id, consent)
        return "again"

    return _act(desk, token, act)


@router.post("/manage/{token}/over")
def start_over(desk: AtDesk, request: Request, posted: Posted, token: str) -> Response:
    """A new round; the old one is kept."""

    def act(standing: Standing) -> str:
        if standing.run.state not in STARTED:  # whoever has left comes back by signing up
            return "not-now"
        if text(posted, "round") == str(standing.run.round):  # else it has begun already
            consent = desk.visitors.consent(request, "restart", gettext(_OVER), "web:/manage")
            desk.school.enrolling.restart(standing.run.id, consent)
        return "over"

    return _act(desk, token, act)


@router.post("/manage/{token}/nudges")
def nudges(desk: AtDesk, request: Request, posted: Posted, token: str) -> Response:
    """Write to me after days of silence, or never."""

    def act(standing: Standing) -> str:
        wanted = text(posted, "nudges") == "yes"
        said = "Write when it gets quiet" if wanted else "Do not write when it gets quiet"
        consent = desk.visitors.consent(request, "nudges", said, "web:/manage")
        desk.school.enrolling.want_nudges(standing.run.id, wanted, consent)
        return "nudges" if wanted else "no-nudges"

    return _act(desk, token, act)


def _whole(typed: str) -> int:
    return int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 4 else 0


def _instant(typed: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(typed)
    except ValueError:
        return None
    return at if at.tzinfo else None


def _act(desk: Desk, token: str, act: Callable[[Standing], str]) -> Response:
    standing = opened(desk, Purpose.MANAGE, token)
    if standing is None:
        return trouble(desk, "manage")
    try:
        did = act(standing)
    except NotAllowed:
        # The page was older than the facts: show them as they are now.
        did = "not-now"
    # Whoever presses a button here has come by: nothing is quiet that needs a nudge.
    desk.school.enrolling.come_by(standing.run.id)
    return desk.pages.go(f"/manage/{token}?did={did}")
