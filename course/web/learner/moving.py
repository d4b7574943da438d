"""The links in the two letters about another address: yes, send it here; no, it was not me.

GET changes nothing: mail scanners open every link. Refuses to say on these pages where mail goes
so far, or whose another address is: a mistyped letter is read by a stranger.
"""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from course.language import N_
from course.links import Opened, Purpose
from course.web import words
from course.web.desk import LOOK, AtDesk, Desk
from course.web.learner.standing import newest_begun, outlook, standing_of
from course.web.learner.trouble import trouble
from course.web.speaking import gettext
from scheduler.enrolling import Move

router = APIRouter(include_in_schema=False)

#: What the buttons say: stored in the language they were read in.
CONSENT = N_("Yes, send it here")
OBJECTION = N_("Send it here again")


@router.api_route("/address/{token}", methods=LOOK)
def look(desk: AtDesk, token: str) -> Response:
    """A page with one button, or how things stand."""
    link = desk.school.links.open(Purpose.ADDRESS, token)
    if link is None:
        return trouble(desk, "address")
    wish = desk.school.enrolling.look_at_move(link.subject)
    if wish is None:
        return trouble(desk, "gone")
    return _page(desk, token, link, wish)


@router.post("/address/{token}")
def move(desk: AtDesk, request: Request, token: str) -> Response:
    """The button. Harmless when pressed twice."""
    link = desk.school.links.open(Purpose.ADDRESS, token)
    if link is None:
        return trouble(desk, "address")
    wish = desk.school.enrolling.look_at_move(link.subject)
    if wish is None:
        return trouble(desk, "gone")
    if not link.expired:
        said = OBJECTION if wish.back else CONSENT
        consent = desk.visitors.consent(request, "address", gettext(said), "web:/address")
        desk.school.enrolling.move(link.subject, consent)
    return desk.pages.go(f"/address/{token}")


def _page(desk: Desk, token: str, link: Opened, wish: Move) -> Response:
    state = "expired" if wish.standing == "open" and link.expired else wish.standing
    run = wish.enrollment
    with desk.school.db.read() as tx:
        standing = standing_of(desk, tx, newest_begun(tx, run))
    return desk.pages.page(
        "web/address.html",
        state=state,
        back=wish.back,
        token=token,
        address=words.masked(wish.address),
        title=standing.title if standing else run.course,
        # Only whoever has shown that the address is theirs, a short while ago.
        outlook=outlook(standing) if standing and state == "already" and not link.expired else "",
        run=standing.run if standing else run,
        reply_to=desk.school.settings.reply_to or desk.school.settings.email_from,
    )
