"""The learner's own page: progress, lessons so far, what is done, dates to come.

Changes nothing on GET. The link in the mail is the key; there is no password.
"""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import PlainTextResponse, Response

from course.links import Purpose
from course.web.desk import LOOK, AtDesk
from course.web.learner.calendar import calendar
from course.web.learner.standing import opened, outlook
from course.web.learner.trouble import trouble

router = APIRouter(include_in_schema=False)


@router.api_route("/learn/{token}", methods=LOOK)
def learn(desk: AtDesk, token: str) -> Response:
    """Where I am, what I have had, what comes."""
    standing = opened(desk, Purpose.LEARN, token)
    if standing is None:
        return trouble(desk, "learn")
    links, pages = desk.school.links, desk.pages
    days = standing.days()
    return pages.page(
        "web/learn.html",
        standing=standing,
        outlook=outlook(standing),
        days=days,
        read={d.delivery_id: pages.path(links.read(d.delivery_id)) for d in days if d.sent},
        did={d.delivery_id: pages.path(links.done(d.delivery_id)) for d in days if d.sent},
        manage=pages.path(links.manage(standing.run.id)),
        token=token,
    )


@router.api_route("/learn/{token}/calendar.ics", methods=LOOK)
def hold_time(desk: AtDesk, token: str) -> Response:
    """Fifteen minutes a day for the lessons still to come, for any calendar program."""
    standing = opened(desk, Purpose.LEARN, token)
    if standing is None:
        return trouble(desk, "learn")
    return PlainTextResponse(
        calendar(standing),
        media_type="text/calendar",
        headers={"content-disposition": 'attachment; filename="course.ics"'},
    )
