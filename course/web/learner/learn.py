"""The learner's own page: today's lesson, the checklists, what is done, dates to come, the plan.

Changes nothing on GET. The link in the mail is the key; there is no password.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from fastapi import APIRouter
from starlette.responses import PlainTextResponse, Response

from course.links import Purpose
from course.web.desk import LOOK, AtDesk, Desk
from course.web.learner.calendar import calendar
from course.web.learner.finished import finished_of
from course.web.learner.received import Received, of_key, received
from course.web.learner.standing import Day, Standing, opened, outlook
from course.web.learner.trouble import trouble
from scheduler.store import notes
from scheduler.zones import zone

router = APIRouter(include_in_schema=False)


@router.api_route("/learn/{token}", methods=LOOK)
def learn(desk: AtDesk, token: str, saved: str = "") -> Response:
    """Where I am, what I have had, what comes. `saved` is the lesson that was just written to."""
    standing = opened(desk, Purpose.LEARN, token)
    if standing is None:
        return trouble(desk, "learn")
    return own_page(desk, token, standing, saved=saved)


@router.api_route("/learn/{token}/plan", methods=LOOK)
def plan(desk: AtDesk, token: str) -> Response:
    """What the learner wrote down for the time after the course, on a page to be printed."""
    standing = opened(desk, Purpose.LEARN, token)
    if standing is None:
        return trouble(desk, "learn")
    pages = desk.pages
    return pages.page(
        "web/plan.html",
        standing=standing,
        written=[one for one in _received(desk, standing) if one.notes],
        ahead=_plan_ahead(standing),
        learn=pages.path(desk.school.links.learn(standing.run.id)),
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


def own_page(
    desk: Desk,
    token: str,
    standing: Standing,
    *,
    saved: str = "",
    wrong: Received | None = None,
) -> Response:
    """The page; with `wrong`, that lesson's fields as they were typed, each with what is amiss."""
    links, pages = desk.school.links, desk.pages
    days = standing.days()
    lessons = _received(desk, standing)
    if wrong is not None:
        lessons = [replace(o, notes=wrong.notes) if o.key == wrong.key else o for o in lessons]
    latest = max(lessons, key=_when, default=None)
    with desk.school.db.read() as tx:
        finish = finished_of(desk, tx, standing.run)
    return pages.page(
        "web/learn.html",
        status=422 if wrong else 200,
        standing=standing,
        outlook=outlook(standing),
        days=days,
        latest=latest,
        lessons=lessons,
        ahead=[day for day in days if not day.sent],
        sent_today=latest is not None and _is_today(standing, latest.at),
        read={one.key: pages.path(links.read(one.delivery_id)) for one in lessons},
        manage=pages.path(links.manage(standing.run.id)),
        finish=finish if finish.completed else None,
        finish_plan=_plan_path(desk, standing, lessons),
        saved=saved,
        wrong=wrong,
        token=token,
    )


def _plan_path(desk: Desk, standing: Standing, lessons: Sequence[Received]) -> str:
    """Where the plan is; empty where no lesson had anything to write down."""
    if not any(one.notes for one in lessons):
        return ""
    return f"{desk.pages.path(desk.school.links.learn(standing.run.id))}/plan"


def own_place(desk: Desk, standing: Standing, key: str) -> Received | None:
    """The lesson of that key, if this run has been sent it."""
    return of_key(_received(desk, standing), key)


def _received(desk: Desk, standing: Standing) -> list[Received]:
    with desk.school.db.read() as tx:
        own = notes.notes_of(tx, standing.run.id)
        return received(tx, standing, desk.school.links, own)


def _when(lesson: Received) -> tuple[str, int]:
    return (lesson.at.isoformat() if lesson.at else "", lesson.number)


def _is_today(standing: Standing, at: datetime | None) -> bool:
    tz = zone(standing.run.timezone)
    return at is not None and at.astimezone(tz).date() == standing.now.astimezone(tz).date()


def _plan_ahead(standing: Standing) -> Day | None:
    """The next lesson that has something to write down, while none has been sent."""
    course = standing.course
    for ref, day in zip(standing.lessons, standing.days(), strict=True):
        lesson = course.lessons.get(ref.key) if course else None
        if lesson is not None and lesson.notes and not (day.sent or day.skipped):
            return day
    return None
