"""What every page handler is handed: the school and the web's own small tools, built once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from fastapi import Depends
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request

from course.catalog import Course
from course.paths import template_folders
from course.web.pages import Pages
from course.web.quotas import Quotas
from course.web.school import School
from course.web.sealing import Sealer
from course.web.together import Together
from course.web.visitors import Visitors
from scheduler.clock import OffsetClock
from scheduler.enrolling import Asked, SignUp

#: A page may be looked at either way; neither changes anything.
LOOK = ["GET", "HEAD"]


@dataclass(frozen=True, slots=True)
class Desk:
    """The tools on the desk."""

    school: School
    pages: Pages
    sealer: Sealer
    quotas: Quotas
    visitors: Visitors
    #: Signups that come at once share a transaction.
    signups: Together[Asked, SignUp]

    @property
    def secure(self) -> bool:
        """May cookies insist on https?"""
        return self.school.settings.base_url.startswith("https://")

    @property
    def office_now(self) -> datetime:
        """The time on the wall: in a demo a "next morning" logs nobody out of the office."""
        clock = self.school.clock
        return clock.now() - clock.offset if isinstance(clock, OffsetClock) else clock.now()


def build(school: School) -> Desk:
    """Everything a handler needs, from the school's settings."""
    settings = school.settings
    sealer = Sealer(settings.secret_key, school.clock)
    return Desk(
        school=school,
        pages=Pages(
            template_folders(settings.templates),
            base_url=settings.base_url,
            clock=school.clock,
            imprint=[
                line
                for line in (
                    settings.organisation or settings.email_from.name,
                    *settings.postal_address.splitlines(),
                )
                if line.strip()
            ],
            demo=school.demo,
        ),
        sealer=sealer,
        quotas=Quotas(
            per_address_per_day=settings.signup.per_address_per_day,
            per_ip_per_hour=settings.signup.per_ip_per_hour,
            monotonic=school.clock.monotonic,
        ),
        visitors=Visitors(settings.trusted_proxies, sealer, school.clock),
        signups=Together(school.enrolling.sign_up_all),
    )


async def _desk(request: Request) -> Desk:
    # Async, though it waits for nothing: a plain function would cost a change of threads.
    desk: Desk = request.app.state.desk
    return desk


async def _form(request: Request) -> FormData:
    """The fields of a posted form. A body that is no form at all has no fields."""
    try:
        return await request.form(max_files=0, max_fields=60, max_part_size=16_384)
    except (HTTPException, ValueError):
        return FormData()


AtDesk = Annotated[Desk, Depends(_desk)]
Posted = Annotated[FormData, Depends(_form)]


def text(form: FormData, name: str) -> str:
    """One field as text; empty when it is missing or a file."""
    value = form.get(name)
    return value if isinstance(value, str) else ""


def course_or_404(desk: Desk, key: str) -> Course:
    """The course of that key. Raises the friendly 404."""
    course = desk.school.catalog.course(key)
    if course is None:
        raise HTTPException(404)
    desk.pages.speak_of(course)
    return course
