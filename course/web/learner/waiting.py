"""Check your inbox: the page between the form and the confirmation.

What it knows stands in a sealed cookie for two hours, never in a URL. The cookie tells
nothing that its owner did not type.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response

from course.web.desk import Desk

#: What was typed, for the waiting page.
TYPED = "course_waiting"
#: Which confirmation link this browser may follow without pressing a button.
HERE = "course_here"
LASTS = timedelta(hours=2)
#: A mail takes a moment: no second copy before this.
RESEND_AFTER = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A signup as it was typed."""

    address: str
    course: str
    first_name: str
    hour: str
    days: str
    timezone: str


def remember(
    desk: Desk, response: Response, person: Waiting, enrollment_id: int | None
) -> Response:
    """Let this browser see the waiting page, and confirm without a button."""
    _set(desk, response, TYPED, desk.sealer.seal("waiting", asdict(person)))
    # A mark, not the id: a low number would tell that the address was known before.
    mark = desk.sealer.mark("here", enrollment_id or 0)
    _set(desk, response, HERE, desk.sealer.seal("here", mark))
    return response


def opened(desk: Desk, request: Request) -> Waiting | None:
    """What this browser typed in the last two hours."""
    found = desk.sealer.open("waiting", request.cookies.get(TYPED, ""), within=LASTS)
    return Waiting(**found.value) if found else None


def too_soon(desk: Desk, request: Request) -> bool:
    """Was the form sent less than a minute ago?"""
    found = desk.sealer.open("waiting", request.cookies.get(TYPED, ""), within=LASTS)
    return found is not None and found.age < RESEND_AFTER


def signed_up_here(desk: Desk, request: Request, enrollment_id: int) -> bool:
    """Is this the browser in which this very enrollment was asked for, a short while ago?

    Only for a plain page load: never for HEAD, nor for a browser that merely looks ahead.
    """
    if request.method != "GET" or "prefetch" in request.headers.get("sec-purpose", ""):
        return False
    return is_here(desk, request, enrollment_id)


def is_here(desk: Desk, request: Request, enrollment_id: int) -> bool:
    """Does this browser carry the mark of that very enrollment?"""
    found = desk.sealer.open("here", request.cookies.get(HERE, ""), within=LASTS)
    return found is not None and desk.sealer.marks("here", enrollment_id, str(found.value))


def _set(desk: Desk, response: Response, name: str, value: str) -> None:
    response.set_cookie(
        name,
        value,
        max_age=int(LASTS.total_seconds()),
        path=desk.pages.root or "/",
        secure=desk.secure,
        httponly=True,
        samesite="lax",
    )
