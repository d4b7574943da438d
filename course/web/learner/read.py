"""Read online what was sent, and lesson 1 before signing up.

A sent mail is shown as it was then, whatever has been edited since.
"""

from __future__ import annotations

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response

from course.links import Purpose
from course.web.desk import LOOK, AtDesk, course_or_404
from course.web.guard import CSP_MAIL
from course.web.learner.sample import as_article
from course.web.learner.standing import SENT
from course.web.learner.trouble import trouble
from scheduler.store import ledger

router = APIRouter(include_in_schema=False)


@router.api_route("/read/{token}", methods=LOOK)
def read(desk: AtDesk, token: str) -> Response:
    """The very text that was sent, filled in for the person it was sent to."""
    link = desk.school.links.open(Purpose.READ, token)
    if link is None:
        return trouble(desk, "read")
    with desk.school.db.read() as tx:
        claimed = ledger.claimed_view(tx, link.subject)
        if claimed is None:
            return trouble(desk, "gone")
        document = ledger.version_document(tx, claimed.delivery.lesson_version)
    if document is None or claimed.delivery.state not in SENT:
        return trouble(desk, "unsent")
    page = desk.school.composer.read_online(document, claimed)
    return HTMLResponse(page, headers={"content-security-policy": CSP_MAIL})


@router.api_route("/courses/{key}/lessons/1", methods=LOOK)
def sample(desk: AtDesk, key: str) -> Response:
    """The first lesson, for whoever wants to see one before signing up."""
    course = course_or_404(desk, key)
    lesson = next((one for one in course.lessons.values() if not one.draft), None)
    if lesson is None:
        raise HTTPException(404)
    return desk.pages.page(
        "web/sample.html", course=course, lesson=lesson, article=as_article(course, lesson)
    )
