"""Read online what was sent, and lesson 1 before signing up.

A sent mail is shown as it was then, whatever has been edited since, and all of the page speaks
the language of that mail.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from course.language import Language
from course.links import Purpose
from course.mail.document import Document, load
from course.web.desk import LOOK, AtDesk, Desk, course_or_404
from course.web.guard import CSP_READ
from course.web.learner.checking import tried
from course.web.learner.sample import as_article
from course.web.learner.standing import SENT, Day, Standing, newest_begun, standing_of
from course.web.learner.texts import for_learner
from course.web.learner.trouble import trouble
from scheduler.domain.delivery import Claimed, Delivery, original_key
from scheduler.store import ledger

router = APIRouter(include_in_schema=False)

#: The button of the mail's template, between its marks; and its questions.
_DID = re.compile(r"<!--did-->.*?<!--/did-->", re.DOTALL)
_QUIZ = re.compile(r"<!--quiz-->.*?<!--/quiz-->", re.DOTALL)


@router.api_route("/read/{token}", methods=LOOK)
def read(desk: AtDesk, request: Request, token: str) -> Response:
    """The very text that was sent, filled in for the person it was sent to.

    Answers to its self-check may stand in the query: then it says what is right about them.
    """
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
    was = load(document)
    language = desk.pages.languages.of(was["language"] or "en")
    page = _at_home(desk, page, standing, claimed.delivery, language)
    page = _to_try(desk, page, was, claimed, request.query_params, language)
    return HTMLResponse(page, headers={"content-security-policy": CSP_READ})


def _at_home(
    desk: Desk, page: str, standing: Standing, delivery: Delivery, language: Language
) -> str:
    """The mail's page with the site around it: a way home, what is done, the lessons beside it."""
    pages, links = desk.pages, desk.school.links
    key = original_key(delivery.key)
    learn = pages.path(links.learn(standing.run.id))
    page = page.replace(
        "<!--site-->",
        pages.piece("web/_read_site.html", language=language, title=standing.title, learn=learn),
    )
    if key.startswith("@"):  # a letter stands in no row and asks for nothing
        return page
    if standing.is_done(key):
        done = pages.path(links.done(delivery.id))
        did = pages.piece("web/_read_did.html", language=language, done=done)
        page = _DID.sub(lambda _: did, page)
    lesson = standing.lesson(key)
    here = lesson.number if lesson and lesson.number else 0
    sent = [day for day in standing.days() if day.sent] if here else []
    before = [_beside(desk, day) for day in sent if day.number < here]
    after = [_beside(desk, day) for day in sent if day.number > here]
    beside = pages.piece(
        "web/_read_neighbours.html",
        language=language,
        before=before[-1] if before else None,
        after=after[0] if after else None,
    )
    return page.replace("<!--neighbours-->", beside)


def _to_try(
    desk: Desk,
    page: str,
    document: Document,
    claimed: Claimed,
    given: Mapping[str, str],
    language: Language,
) -> str:
    """The mail's questions with buttons to choose by, and what is right about the choice."""
    lesson = document["lesson"]
    texts = for_learner(claimed, desk.school.links, document["course"], lesson, language)
    here = desk.pages.path(desk.school.links.read(claimed.delivery.id))
    quiz = desk.pages.piece(
        "web/_read_quiz.html",
        language=language,
        questions=tried(lesson["quiz"], texts, given),
        here=here,
    )
    return _QUIZ.sub(lambda _: quiz, page)


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
