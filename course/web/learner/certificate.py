"""The certificate: the learner's own page about it, and the public page that is the proof.

The public page shows what its owner decided to show and nothing else: no address, no score, no
way to the owner's own pages. It is there while it is true: an action taken back, a name taken
away or a person erased, and it is gone.
"""

from __future__ import annotations

import unicodedata

from fastapi import APIRouter
from starlette.responses import Response

from course.links import Purpose
from course.mail.deeds import day_in_full
from course.mail.mime import clean
from course.web.desk import LOOK, AtDesk, Desk, Posted, text
from course.web.learner.finished import Finished, best_round, finished_of
from course.web.learner.standing import Standing, opened
from course.web.learner.trouble import trouble
from scheduler.errors import NotAllowed
from scheduler.store import people

router = APIRouter(include_in_schema=False)

#: Characters of a name on a certificate. The longest are set smaller, and in several lines.
MAX_NAME = 120


@router.api_route("/learn/{token}/certificate", methods=LOOK)
def mine(desk: AtDesk, token: str, did: str = "") -> Response:
    """What is missing for it; once it is earned, the name on it and its link."""
    standing = opened(desk, Purpose.LEARN, token)
    if standing is None:
        return trouble(desk, "learn")
    return _mine(desk, token, standing, did=did)


@router.post("/learn/{token}/certificate")
def name_it(desk: AtDesk, posted: Posted, token: str) -> Response:
    """Print this name from now on; the button "take it away" prints none."""
    standing = opened(desk, Purpose.LEARN, token)
    if standing is None:
        return trouble(desk, "learn")
    taken_away = bool(text(posted, "none"))
    name = "" if taken_away else clean(text(posted, "name"))
    if not taken_away and (problem := _problem(name)):
        return _mine(desk, token, standing, typed=name, problem=problem)
    finish = _finish(desk, standing)
    try:
        if taken_away or finish.may_be_named:
            desk.school.enrolling.name_certificate(finish.run.id, name)
    except NotAllowed:  # erased a moment ago
        return trouble(desk, "gone")
    did = "away" if taken_away else "named"
    return desk.pages.go(f"/learn/{token}/certificate?did={did}")


@router.api_route("/certificate/{token}", methods=LOOK)
def public(desk: AtDesk, token: str) -> Response:
    """The certificate itself, for whoever its owner has given the link."""
    finish = _shown(desk, token)
    if finish is None:
        return desk.pages.page("web/certificate_none.html", status=404)
    course = desk.school.catalog.course(finish.run.course)
    assert finish.earned_at is not None
    return desk.pages.page(
        "web/certificate.html",
        finish=finish,
        size=_size(finish.name),
        finished_on=day_in_full(
            finish.earned_at, finish.run.timezone, course.language if course else "en"
        ),
        address=desk.school.links.certificate(finish.run.id),
    )


def _shown(desk: Desk, token: str) -> Finished | None:
    """The certificate behind this link, if there is one now."""
    link = desk.school.links.open(Purpose.CERTIFICATE, token)
    if link is None:
        return None
    with desk.school.db.read() as tx:
        run = people.enrollment(tx, int(link.subject))
        if run is None:
            return None
        finish = finished_of(desk, tx, run)
    return finish if finish.is_public else None


def _finish(desk: Desk, standing: Standing) -> Finished:
    with desk.school.db.read() as tx:
        return best_round(desk, tx, standing.run)


def _mine(
    desk: Desk, token: str, standing: Standing, *, typed: str = "", problem: str = "", did: str = ""
) -> Response:
    finish = _finish(desk, standing)
    links, pages = desk.school.links, desk.pages
    return pages.page(
        "web/certificate_mine.html",
        status=422 if problem else 200,
        standing=standing,
        finish=finish,
        token=token,
        address=links.certificate(finish.run.id) if finish.is_public else "",
        name=typed or finish.name or standing.learner.first_name,
        most=MAX_NAME,
        problem=problem,
        did=did,
        learn=pages.path(links.learn(standing.run.id)),
    )


def _problem(name: str) -> str:
    """What is wrong with a name: `empty`, `long` or nothing. Letters of every script are fine."""
    if not any(_can_be_seen(letter) for letter in name):
        return "empty"
    return "long" if len(name) > MAX_NAME else ""


def _can_be_seen(letter: str) -> bool:
    return unicodedata.category(letter)[0] in "LNPS"


def _size(name: str) -> str:
    """How large the name is set, by the room it takes: Chinese letters are twice as wide."""
    room = sum(
        2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in name
        if not unicodedata.combining(letter)
    )
    if room <= 22:
        return "large"
    return "middle" if room <= 48 else "small"
