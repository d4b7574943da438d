"""The learner's own page: progress, lessons so far, dates to come; and "I did it".

Changes nothing on GET. The link in the mail is the key; there is no password.
"""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import PlainTextResponse, Response

from course.links import Purpose
from course.web.desk import LOOK, AtDesk
from course.web.learner.calendar import calendar
from course.web.learner.sample import as_article
from course.web.learner.standing import opened, outlook, standing_of
from course.web.learner.trouble import trouble
from scheduler.domain.delivery import original_key
from scheduler.store import ledger, people

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


@router.api_route("/done/{token}", methods=LOOK)
def done(desk: AtDesk, token: str) -> Response:
    """The action of the lesson this link came with, and what comes next."""
    link = desk.school.links.open(Purpose.DONE, token)
    if link is None:
        return trouble(desk, "done")
    with desk.school.db.read() as tx:
        claimed = ledger.claimed_view(tx, link.subject)
        if claimed is None:
            return trouble(desk, "gone")
        newest = people.latest_enrollment(
            tx, claimed.enrollment.learner_id, claimed.enrollment.course
        )
        standing = standing_of(desk, tx, newest or claimed.enrollment)
    if standing is None:
        return trouble(desk, "gone")
    key, links, pages = original_key(claimed.delivery.key), desk.school.links, desk.pages
    lesson = standing.lesson(key)
    return pages.page(
        "web/done.html",
        standing=standing,
        lesson_title=standing.lesson_title(key),
        number=lesson.number if lesson else 0,
        article=as_article(standing.course, lesson) if standing.course and lesson else None,
        outlook=outlook(standing),
        learn=pages.path(links.learn(standing.run.id)),
        read=pages.path(links.read(claimed.delivery.id)),
    )
