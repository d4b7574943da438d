"""The course page: what the course is, the form to sign up, and when the lessons would come.

Takes no form: that is `signup`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from fastapi import APIRouter
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from course.catalog import Course
from course.pace_words import PaceError, parse_days, parse_hour
from course.web import forms
from course.web.desk import LOOK, AtDesk, Desk, course_or_404
from course.web.learner import returning, waiting
from course.web.learner.dates import Coming, coming
from course.web.speaking import gettext, ngettext

router = APIRouter(include_in_schema=False)

#: A field no person sees. Not named like anything a browser fills in by itself.
HONEYPOT = "lantern"

#: How long a form may stand open before we ask for one more press of its button.
STAMP_LASTS = timedelta(days=1)

_TEMPLATE = "web/course.html"


@dataclass(frozen=True, slots=True)
class Seen:
    """What a person saw above the button, and on which version of the page."""

    text: str
    version: str


@router.api_route("/", methods=LOOK)
def front(desk: AtDesk) -> Response:
    """The only course, or the list of courses."""
    courses = list(desk.school.catalog.courses().values())
    if len(courses) == 1:
        return course_page(desk, courses[0])
    return desk.pages.page("web/courses.html", courses=courses)


@router.api_route("/courses/{key}", methods=LOOK)
def show(desk: AtDesk, request: Request, key: str, change: str = "") -> Response:
    """One course; with `?change` the address just typed stands in the field again."""
    course = course_or_404(desk, key)
    typed = waiting.opened(desk, request) if change else None
    return course_page(desk, course, email=typed.address if typed else "")


@router.api_route("/courses/{key}/dates", methods=LOOK)
def dates(desk: AtDesk, request: Request, key: str) -> Response:
    """When the lessons would come at this hour, on these days, in this zone: a piece of a page."""
    course = course_or_404(desk, key)
    form = form_of(course, FormData(dict(request.query_params)))
    values = {"coming": _coming(desk, course, form), "timezone": form.timezone.data}
    return desk.pages.page("web/_dates.html", **values)


def form_of(course: Course, posted: FormData) -> forms.SignupForm:
    """The form, with the course's own pace where nothing was chosen."""
    return forms.SignupForm(posted, course.syllabus.cadence, course.syllabus.timezone)


def seen_now(desk: Desk, course: Course) -> Seen:
    """What the course page shows just now; the version changes with the page and the course."""
    text = consent_text(desk, course)
    shown = (
        desk.pages.source(_TEMPLATE), text, course.title, course.tagline, course.description,
        len(course.syllabus.lessons), tuple(course.minutes), tuple(course.outcomes),
    )  # fmt: skip
    return Seen(text, hashlib.sha256(repr(shown).encode()).hexdigest()[:12])


def consent_text(desk: Desk, course: Course) -> str:
    """What stands above the button, in the words of the page, and is stored with the signup."""
    if course.consent_text:
        return course.consent_text
    sender = desk.school.settings.organisation or desk.school.settings.email_from.name
    return ngettext(
        "With this button you ask %(sender)s to send you the %(n)s lesson of “%(course)s” by "
        "email, and the few letters that go with it.",
        "With this button you ask %(sender)s to send you the %(n)s lessons of “%(course)s” by "
        "email, and the few letters that go with them.",
        len(course.syllabus.lessons),
        sender=sender or gettext("us"),
        course=course.title,
    )


def course_page(
    desk: Desk,
    course: Course,
    *,
    form: forms.SignupForm | None = None,
    email: str = "",
    status: int = 200,
    meant: str = "",
    notice: str = "",
    return_to: str = "",
) -> Response:
    """The course page, with whatever was typed still in its fields."""
    if form is None:
        form = form_of(course, FormData([("email", email)] if email else []))
    # Who only asks for the dates has not finished typing.
    failed = [] if notice == "dates" else forms.problems(form)
    seen = seen_now(desk, course)
    values: dict[str, Any] = {
        "course": course,
        "lessons": [lesson for lesson in course.lessons.values() if not lesson.draft],
        "form": form,
        "zones": forms.zone_groups(form.timezone.data),
        "problems": failed,
        "wrong": dict(failed),
        "meant": meant,
        "notice": notice,
        "coming": _coming(desk, course, form),
        # What was agreed to is what this page showed, whatever it says when the form comes back.
        "stamp": desk.sealer.seal("signup", [seen.text, seen.version]),
        "honeypot": HONEYPOT,
        "return_to": return_to,
        "consent": seen.text,
        "sender": desk.school.settings.email_from,
    }
    page = desk.pages.page(_TEMPLATE, status=status, **values)
    return returning.let_go(page, return_to)


def _coming(desk: Desk, course: Course, form: forms.SignupForm) -> list[Coming]:
    """Empty when the hour or the days cannot be read."""
    try:
        hour, weekdays = parse_hour(form.hour.data), parse_days(form.days.data)
    except PaceError:
        return []
    return coming(
        course.syllabus,
        replace(course.syllabus.cadence, hour=hour, weekdays=weekdays),
        form.timezone.data,
        now=desk.school.clock.now(),
        min_gap=timedelta(hours=desk.school.settings.scheduler.min_gap_hours),
    )
