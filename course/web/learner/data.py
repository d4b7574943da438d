"""What is held about a learner: to take along as a file, or to have erased.

Both concern the whole person, every course of theirs; the link to the settings is the key.
Refuses to erase without the typed word.
"""

from __future__ import annotations

import json
import unicodedata
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from course.catalog import Catalog
from course.links import Purpose
from course.web import words
from course.web.desk import LOOK, AtDesk, Desk, Posted, text
from course.web.learner.standing import Standing, opened
from course.web.learner.trouble import trouble
from scheduler.store import people, reports
from scheduler.zones import zone

router = APIRouter(include_in_schema=False)


@router.api_route("/manage/{token}/data", methods=LOOK)
def look(desk: AtDesk, token: str) -> Response:
    """What is held, a file of it, and the way to have it erased."""
    standing = opened(desk, Purpose.MANAGE, token)
    if standing is None:
        return trouble(desk, "manage")
    return _page(desk, token, standing)


@router.api_route("/manage/{token}/data.json", methods=LOOK)
def download(desk: AtDesk, token: str) -> Response:
    """Everything held about this person, as a file that people and programs can read."""
    standing = opened(desk, Purpose.MANAGE, token)
    if standing is None:
        return trouble(desk, "manage")
    with desk.school.db.read() as tx:
        held = reports.export_person(tx, standing.learner.id)
    closed = desk.school.enrolling.suppression_of(standing.learner.id)
    day = standing.now.astimezone(zone(standing.run.timezone)).date()
    content = {
        "exported_at": standing.now.isoformat(timespec="seconds"),
        "held_by": desk.school.settings.organisation or desk.school.settings.email_from.name,
        "times": "All times are UTC.",
        **_named(held, desk.school.catalog),
        "no_mail_because": closed.reason if closed else None,
    }
    return Response(
        json.dumps(content, ensure_ascii=False, indent=2) + "\n",
        media_type="application/json; charset=utf-8",
        headers={"content-disposition": f'attachment; filename="my-course-data-{day}.json"'},
    )


@router.post("/manage/{token}/data/erase")
def erase(desk: AtDesk, posted: Posted, token: str) -> Response:
    """Erases the person behind this link, once the word is typed. Harmless when repeated."""
    link = desk.school.links.open(Purpose.MANAGE, token)
    if link is None:
        return trouble(desk, "manage")
    standing = opened(desk, Purpose.MANAGE, token)
    if standing is None:
        return _erased(desk)
    if not _same_word(text(posted, "typed"), text(posted, "word")):
        return _page(desk, token, standing, wrong=True, status=422)
    desk.school.enrolling.erase(standing.learner.id, "web:/manage")
    return _erased(desk)


def _same_word(typed: str, word: str) -> bool:
    """Is it the word of the page, however it is written? The page says it in its own language."""
    return bool(_plain(word)) and _plain(typed) == _plain(word)


def _plain(typed: str) -> str:
    return unicodedata.normalize("NFKC", typed).casefold().strip(" \t\r\n\"'.“”„‘’«»")


def _page(
    desk: Desk, token: str, standing: Standing, *, wrong: bool = False, status: int = 200
) -> Response:
    with desk.school.db.read() as tx:
        runs = people.enrollments_of(tx, standing.learner.id)
    catalog = desk.school.catalog
    titles = {run.course: _title(catalog, run.course) for run in reversed(runs)}
    return desk.pages.page(
        "web/data.html",
        status=status,
        token=token,
        standing=standing,
        titles=list(titles.values()),
        wrong=wrong,
        settings=desk.pages.path(desk.school.links.manage(standing.run.id)),
        leave=desk.pages.path(desk.school.links.leave(standing.run.id)),
    )


def _erased(desk: Desk) -> Response:
    return desk.pages.page("web/erased.html", courses=list(desk.school.catalog.courses().values()))


def _named(held: dict[str, Any], catalog: Catalog) -> dict[str, Any]:
    """The same, with titles beside the keys of courses, lessons and letters."""
    course_of = {run["id"]: run["course"] for run in held["enrollments"]}
    lesson_rows = {"deliveries": "key", "ticks": "lesson_key", "notes": "lesson_key"}

    def titled(row: dict[str, Any], key: str) -> dict[str, Any]:
        return {**row, "title": _lesson_title(catalog, course_of[row["enrollment_id"]], row[key])}

    return {
        **held,
        "enrollments": [
            {**run, "course_title": _title(catalog, run["course"])} for run in held["enrollments"]
        ],
        **{table: [titled(row, key) for row in held[table]] for table, key in lesson_rows.items()},
    }


def _title(catalog: Catalog, key: str) -> str:
    course = catalog.course(key)
    return course.title if course else key


def _lesson_title(catalog: Catalog, course_key: str, key: str) -> str:
    course = catalog.course(course_key)
    lesson = course.lessons.get(key) if course else None
    return lesson.title if lesson else words.mail_name(key)
