"""The page "check your inbox" and its resend button.

Shows the address from the browser's own cookie. Says nothing of whether it is known.
"""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from course.web.addresses import webmail
from course.web.desk import LOOK, AtDesk, Desk
from course.web.learner import signup, waiting

router = APIRouter(include_in_schema=False)


@router.api_route("/check-inbox", methods=LOOK)
def check_inbox(desk: AtDesk, request: Request, did: str = "") -> Response:
    """What to look for, and what to do when it does not come."""
    return page(desk, waiting.opened(desk, request), did=did)


@router.post("/check-inbox/resend")
async def resend(desk: AtDesk, request: Request) -> Response:
    """Another copy, at most one every ten minutes and a few a day."""
    person = waiting.opened(desk, request)
    if person is None:
        return desk.pages.go("/check-inbox")
    if waiting.too_soon(desk, request):
        return desk.pages.go("/check-inbox?did=wait")
    return await signup.again(desk, request, person)


def page(
    desk: Desk,
    person: waiting.Waiting | None,
    *,
    did: str = "",
    typed: str = "",
    wrong: str = "",
    status: int = 200,
) -> Response:
    """The page; `wrong` says what was wrong with a typed code: unreadable, code or often."""
    course = desk.school.catalog.course(person.course) if person else None
    return desk.pages.page(
        "web/check_inbox.html",
        status=status,
        person=person,
        course=course,
        sender=desk.school.settings.email_from,
        webmail=webmail(person.address) if person else None,
        outbox=desk.school.demo and desk.school.provider.name == "file",
        did=did,
        typed=typed,
        wrong=wrong,
    )
