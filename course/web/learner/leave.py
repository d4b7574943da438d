"""Leaving, for people (a page with a button) and for mail programs (RFC 8058 one-click).

Works for every mail ever sent and never asks who is calling: no cookie, no login, no limit,
no redirect. GET and HEAD change nothing.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from course.language import N_
from course.links import Purpose
from course.web.desk import LOOK, AtDesk, Desk, text
from course.web.learner.manage import BREAKS, break_ends
from course.web.learner.standing import Standing, opened
from course.web.speaking import gettext
from course.web.why_left import WHY
from scheduler.domain.enrollment import OPEN_STATES, EnrollmentState, StopReason
from scheduler.errors import NotAllowed
from scheduler.store import people

router = APIRouter(include_in_schema=False)

#: What the buttons say: stored in the language they were read in.
CONSENT = N_("Unsubscribe")
EVERYTHING = N_("Leave everything")
BREAK = N_("Pause for a week instead")
NEVER = N_("I never signed up")

#: Leaving can be undone this long, from the pages behind the link. After it the link only ever
#: leaves: old mails get forwarded, and nobody else may bring a learner back.
UNDO_LASTS = timedelta(hours=1)

#: What the consents call leaving, this course or all of them.
_LEAVING = frozenset({"leave", "leave-all"})
#: Pages that offer to take it back.
_UNDONE = frozenset({"done", "left", "all", "thanks", "never"})


async def _any_body(request: Request) -> FormData:
    """Whatever was posted, in whatever content type: a good token is enough."""
    try:
        return await request.form(max_files=0, max_fields=20)
    except Exception:  # a body that cannot be read is an empty one
        return FormData()


AnyBody = Annotated[FormData, Depends(_any_body)]


@router.api_route("/leave/{token}", methods=LOOK)
@router.api_route("/leave/{token}/", methods=LOOK)
def look(desk: AtDesk, token: str) -> Response:
    """The page for people: one button first, a pause second. Who has left is told so."""
    standing = opened(desk, Purpose.LEAVE, token)
    if standing is not None and standing.run.state is EnrollmentState.STOPPED:
        return _left(desk, token, standing, _how_it_ended(desk, standing))
    genuine = desk.school.links.open(Purpose.LEAVE, token) is not None
    return desk.pages.page("web/leave.html", token=token, standing=standing, genuine=genuine)


@router.post("/leave/{token}")
@router.post("/leave/{token}/")
def leave(desk: AtDesk, request: Request, posted: AnyBody, token: str) -> Response:
    """One POST ends it. A mail program gets a line of text, a person gets the page "Done"."""
    by_person = text(posted, "by") == "page"
    standing = opened(desk, Purpose.LEAVE, token)
    if standing is not None:
        source = "web:/leave" if by_person else "one-click"
        _leave_all(desk, standing, request, source)
    if not by_person:
        return PlainTextResponse("Unsubscribed.\n")
    return _done(desk, token, opened(desk, Purpose.LEAVE, token))


@router.post("/leave/{token}/undo")
def undo(desk: AtDesk, request: Request, posted: AnyBody, token: str) -> Response:
    """Takes it back, from the very page that said "Done"."""
    standing = opened(desk, Purpose.LEAVE, token)
    proof = desk.sealer.open("undo", text(posted, "undo"), within=UNDO_LASTS)
    if standing is None or proof is None or proof.value != token:
        return _done(desk, token, standing)
    consent = desk.visitors.consent(request, "restart", "Undo", "web:/leave/undo")
    with suppress(NotAllowed):  # a newer round exists, or the address wants no mail at all
        desk.school.enrolling.come_back(standing.learner.id, standing.run.id, consent)
    after = opened(desk, Purpose.LEAVE, token)
    return _left(desk, token, after, "back")


@router.post("/leave/{token}/pause")
def pause(desk: AtDesk, request: Request, token: str) -> Response:
    """A week off instead of leaving."""
    standing = opened(desk, Purpose.LEAVE, token)
    if standing is not None and standing.run.state is EnrollmentState.ACTIVE:
        consent = desk.visitors.consent(request, "pause", gettext(BREAK), "web:/leave")
        desk.school.enrolling.pause(
            standing.run.id, until=break_ends(standing, BREAKS["1-week"]), consent=consent
        )
        standing = opened(desk, Purpose.LEAVE, token)
    return _left(desk, token, standing, "paused")


@router.post("/leave/{token}/everything")
def leave_everything(desk: AtDesk, request: Request, token: str) -> Response:
    """Every course, and the address closed to all mail. The undo is the same."""
    standing = opened(desk, Purpose.LEAVE, token)
    if standing is None:
        return _done(desk, token, None)
    consent = desk.visitors.consent(request, "leave", gettext(EVERYTHING), "web:/leave")
    desk.school.enrolling.leave_everything(standing.learner.id, consent)
    return _left(desk, token, opened(desk, Purpose.LEAVE, token), "all")


@router.post("/leave/{token}/reason")
def reason(desk: AtDesk, request: Request, posted: AnyBody, token: str) -> Response:
    """Why, if they like to say. "I never signed up" also closes the address to all mail."""
    standing = opened(desk, Purpose.LEAVE, token)
    given = text(posted, "reason")
    if standing is not None and given in WHY:
        if given == "never":
            consent = desk.visitors.consent(request, "leave", gettext(NEVER), "web:/leave")
            desk.school.enrolling.leave_everything(standing.learner.id, consent, reason="never")
        desk.school.enrolling.say_why(standing.run.id, given)
        standing = opened(desk, Purpose.LEAVE, token)
    return _left(desk, token, standing, "never" if given == "never" else "thanks")


def _how_it_ended(desk: Desk, standing: Standing) -> str:
    if standing.run.reason != StopReason.LEFT:
        return "still"
    closed = desk.school.enrolling.suppression_of(standing.learner.id)
    return "all" if closed is not None and closed.reason in ("left", "never") else "left"


def _leave_all(desk: Desk, standing: Standing, request: Request, source: str) -> None:
    """Every running round of this course, so that no other one goes on sending."""
    consent = desk.visitors.consent(request, "leave", gettext(CONSENT), source)
    with desk.school.db.read() as tx:
        runs = people.enrollments_of(tx, standing.learner.id)
    for run in runs:
        mine = run.id == standing.run.id or run.state in OPEN_STATES
        if run.course == standing.run.course and mine:
            with suppress(NotAllowed):
                desk.school.enrolling.leave(run.id, consent)


def _done(desk: Desk, token: str, standing: Standing | None) -> Response:
    genuine = desk.school.links.open(Purpose.LEAVE, token) is not None
    return _left(desk, token, standing, "done" if genuine else "unknown")


def _left(desk: Desk, token: str, standing: Standing | None, state: str) -> Response:
    offered = state in _UNDONE and _left_just_now(desk, standing)
    return desk.pages.page(
        "web/left.html",
        token=token,
        standing=standing,
        state=state,
        undo=desk.sealer.seal("undo", token) if offered else "",
        reasons=tuple(WHY),
        reply_to=desk.school.settings.reply_to or desk.school.settings.email_from,
    )


def _left_just_now(desk: Desk, standing: Standing | None) -> bool:
    if standing is None or standing.run.reason != StopReason.LEFT:
        return False
    with desk.school.db.read() as tx:
        given = people.consents_of(tx, standing.learner.id)
    mine = (None, standing.run.id)
    left_at = [c.at for run_id, c in given if run_id in mine and c.action in _LEAVING]
    return bool(left_at) and standing.now - max(left_at) < UNDO_LASTS
