"""Read online what was sent, and lesson 1 before signing up.

A sent mail is shown as it was then, whatever has been edited since.
"""

from __future__ import annotations

import re

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response

from course.links import Purpose
from course.web.desk import LOOK, AtDesk, Desk, course_or_404
from course.web.guard import CSP_MAIL
from course.web.learner.sample import as_article
from course.web.learner.standing import SENT, Day, Standing, newest_begun, standing_of
from course.web.learner.trouble import trouble
from scheduler.domain.delivery import Delivery, original_key
from scheduler.store import ledger

router = APIRouter(include_in_schema=False)

#: The button of the mail's template, between its marks.
_DID = re.compile(r"<!--did-->.*?<!--/did-->", re.DOTALL)


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
        standing = standing_of(desk, tx, newest_begun(tx, claimed.enrollment))
    if document is None or standing is None or claimed.delivery.state not in SENT:
        return trouble(desk, "unsent")
    page = desk.school.composer.read_online(document, claimed)
    page = _at_home(desk, page, standing, claimed.delivery)
    return HTMLResponse(page, headers={"content-security-policy": CSP_MAIL})


def _at_home(desk: Desk, page: str, standing: Standing, delivery: Delivery) -> str:
    """The mail's page with the site around it: a way home, what is done, the lessons beside it."""
    pages, links = desk.pages, desk.school.links
    key = original_key(delivery.key)
    learn = pages.path(links.learn(standing.run.id))
    page = page.replace(
        "<!--site-->", pages.piece("web/_read_site.html", title=standing.title, learn=learn)
    )
    if key.startswith("@"):  # a letter stands in no row and asks for nothing
        return page
    if standing.is_done(key):
        did = pages.piece("web/_read_did.html", done=pages.path(links.done(delivery.id)))
        page = _DID.sub(lambda _: did, page)
    lesson = standing.lesson(key)
    here = lesson.number if lesson and lesson.number else 0
    sent = [day for day in standing.days() if day.sent] if here else []
    before = [_beside(desk, day) for day in sent if day.number < here]
    after = [_beside(desk, day) for day in sent if day.number > here]
    beside = pages.piece(
        "web/_read_neighbours.html",
        before=before[-1] if before else None,
        after=after[0] if after else None,
    )
    return page.replace("<!--neighbours-->", beside)


def _beside(desk: Desk, day: Day) -> dict[str, object]:
    url = desk.pages.path(desk.school.links.read(day.delivery_id))
    return {"number": day.number, "title": day.title, "url": url}


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
