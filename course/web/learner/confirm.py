"""The link in the confirmation mail.

GET confirms nobody: mail scanners open every link. The one exception is the very browser
that signed up, told by a short-lived cookie.
"""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from course.language import N_
from course.links import Opened, Purpose
from course.web.desk import LOOK, AtDesk, Desk
from course.web.learner import waiting
from course.web.learner.standing import Standing, opened
from course.web.learner.trouble import trouble
from course.web.speaking import gettext
from scheduler.domain.enrollment import EnrollmentState, StopReason
from scheduler.errors import NotAllowed

router = APIRouter(include_in_schema=False)

#: What the buttons say: stored in the language they were read in.
CONSENT = N_("Yes, send me the lessons")
ONCE_MORE = N_("Send me a new link")

_CONFIRMED = (EnrollmentState.ACTIVE, EnrollmentState.PAUSED, EnrollmentState.COMPLETED)


@router.api_route("/confirm/{token}", methods=LOOK)
def look(desk: AtDesk, request: Request, token: str) -> Response:
    """A page with one button; or the good news, when it is already done."""
    link = desk.school.links.open(Purpose.CONFIRM, token)
    if link is None:
        return trouble(desk, "confirm")
    standing = opened(desk, Purpose.CONFIRM, token)
    if standing is None:
        return trouble(desk, "gone")
    if standing.run.state in _CONFIRMED:
        return _page(desk, token, standing, "already")
    # A signup that was given up is taken up again while its link lasts: the mail says how long.
    if link.expired or _left(standing):
        return _page(desk, token, standing, _ending(standing))
    if waiting.signed_up_here(desk, request, int(link.subject)):
        return _confirm(desk, request, token, link)
    return _page(desk, token, standing, "ask")


@router.post("/confirm/{token}")
def confirm(desk: AtDesk, request: Request, token: str) -> Response:
    """The button. Harmless when pressed twice."""
    link = desk.school.links.open(Purpose.CONFIRM, token)
    if link is None:
        return trouble(desk, "confirm")
    standing = opened(desk, Purpose.CONFIRM, token)
    if standing is None:
        return trouble(desk, "gone")
    if link.expired and standing.run.state not in _CONFIRMED:
        return _page(desk, token, standing, "expired")
    return _confirm(desk, request, token, link)


@router.api_route("/confirm/{token}/welcome", methods=LOOK)
def welcome(desk: AtDesk, token: str) -> Response:
    """You are in: what is on its way, and what comes next."""
    link = desk.school.links.open(Purpose.CONFIRM, token)
    standing = opened(desk, Purpose.CONFIRM, token)
    if link is None or link.expired or standing is None or standing.run.state not in _CONFIRMED:
        return desk.pages.go(f"/confirm/{token}")
    return _page(desk, token, standing, "in")


@router.post("/confirm/{token}/again")
def send_again(desk: AtDesk, request: Request, token: str) -> Response:
    """A new confirmation mail, to the address the old one went to."""
    standing = opened(desk, Purpose.CONFIRM, token)
    if standing is None or standing.course is None:
        return trouble(desk, "gone")
    if not desk.quotas.may_sign_up(desk.visitors.key(request), f"run:{standing.run.id}"):
        return desk.pages.page("web/limited.html", status=429)
    run = standing.run
    desk.school.enrolling.sign_up(
        run.course,
        standing.learner.address,
        timezone=run.timezone,
        hour=run.cadence.hour,
        weekdays=run.cadence.weekdays,
        language=standing.learner.language,
        consent=desk.visitors.consent(request, "signup", gettext(ONCE_MORE), "web:/confirm/again"),
    )
    return _page(desk, token, standing, "sent")


def _confirm(desk: Desk, request: Request, token: str, link: Opened) -> Response:
    consent = desk.visitors.consent(request, "confirm", gettext(CONSENT), "web:/confirm")
    try:
        done = desk.school.enrolling.confirm(int(link.subject), consent)
    except NotAllowed:
        return desk.pages.go(f"/confirm/{token}")
    return desk.pages.go(f"/confirm/{token}" if done.already else f"/confirm/{token}/welcome")


def _left(standing: Standing) -> bool:
    run = standing.run
    return run.state is EnrollmentState.STOPPED and run.reason != StopReason.EXPIRED


def _ending(standing: Standing) -> str:
    return "left" if _left(standing) else "expired"


def _page(desk: Desk, token: str, standing: Standing, state: str) -> Response:
    links = desk.school.links
    return desk.pages.page(
        "web/confirm.html",
        state=state,
        token=token,
        standing=standing,
        # Whoever has just confirmed may see their page; an old link opens nothing.
        learn=desk.pages.path(links.learn(standing.run.id)) if state == "in" else "",
        manage=desk.pages.path(links.manage(standing.run.id)) if state == "in" else "",
        sender=desk.school.settings.email_from,
    )
