"""The door for programs: which courses there are, and sign somebody up.

Answers a signup the same for known and unknown addresses. There are no keys: it can do what
the form on the web page can do, within the same limits.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field, field_validator
from starlette.exceptions import HTTPException
from starlette.requests import Request

from course.pace_words import parse_days, parse_hour, write_days
from course.web.addresses import mailbox, read_address
from course.web.desk import AtDesk
from course.web.forms import read_first_name

router = APIRouter(prefix="/api/v1", tags=["courses"])


class LessonOut(BaseModel):
    """One lesson of a course."""

    number: int
    title: str
    minutes: int


class CourseOut(BaseModel):
    """One course, as its page describes it."""

    key: str
    title: str
    tagline: str
    language: str
    #: Lessons in all, those still being written included.
    total: int
    hour: str
    days: str
    lessons: list[LessonOut]
    url: str


class SignupIn(BaseModel):
    """Who wants which course. Only the address is needed when there is one course."""

    email: Annotated[str, Field(max_length=320, examples=["zoe@example.com"])]
    course: Annotated[str | None, Field(max_length=200)] = None
    first_name: Annotated[str, Field(max_length=60)] = ""
    #: IANA name; an unknown one is replaced by the course's own.
    timezone: Annotated[str, Field(max_length=64)] = ""
    hour: Annotated[str | None, Field(max_length=8, examples=["07:00"])] = None
    days: Annotated[str | None, Field(max_length=40, examples=["daily", "mon,wed,fri"])] = None
    #: The sentence the person agreed to on your page; kept as proof.
    consent: Annotated[str, Field(max_length=2000)] = "Asked for through the API."

    @field_validator("email")
    @classmethod
    def _reachable(cls, typed: str) -> str:
        return read_address(typed)

    @field_validator("first_name")
    @classmethod
    def _one_line(cls, name: str) -> str:
        return read_first_name(name)

    @field_validator("consent")
    @classmethod
    def _storable(cls, text: str) -> str:
        # A NUL or half a surrogate pair is no text a database would keep.
        return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")

    @field_validator("hour")
    @classmethod
    def _an_hour(cls, text: str | None) -> str | None:
        return None if text is None else f"{parse_hour(text):%H:%M}"

    @field_validator("days")
    @classmethod
    def _some_days(cls, text: str | None) -> str | None:
        return None if text is None else write_days(parse_days(text))


class SignupOut(BaseModel):
    """The same for everybody."""

    status: str = "accepted"
    message: str = "If this address may be written to, a mail to confirm is on its way."


@router.get("/courses", summary="All courses")
def courses(desk: AtDesk) -> list[CourseOut]:
    """Every course that can be signed up for, with its finished lessons."""
    base = desk.school.settings.base_url.rstrip("/")
    return [
        CourseOut(
            key=course.key,
            title=course.title,
            tagline=course.tagline,
            language=course.language,
            total=course.total,
            hour=f"{course.syllabus.cadence.hour:%H:%M}",
            days=write_days(course.syllabus.cadence.weekdays),
            lessons=[
                LessonOut(number=lesson.number or 0, title=lesson.title, minutes=lesson.minutes())
                for lesson in course.lessons.values()
                if not lesson.draft
            ],
            url=f"{base}/courses/{course.key}",
        )
        for course in desk.school.catalog.courses().values()
    ]


@router.post(
    "/signups",
    status_code=202,
    summary="Sign somebody up",
    responses={
        404: {"description": "No such course."},
        429: {"description": "Too many signups for this address, or from this network."},
    },
)
def sign_up(desk: AtDesk, request: Request, signup: SignupIn) -> SignupOut:
    """Sends the person a mail to confirm. Nothing else is sent before they do."""
    every = desk.school.catalog.courses()
    key = signup.course or (next(iter(every)) if len(every) == 1 else "")
    course = every.get(key)
    if course is None:
        raise HTTPException(404, f"there is no course {key!r}: GET /api/v1/courses lists them")
    box = desk.sealer.mark("mailbox", mailbox(signup.email))
    if not desk.quotas.may_sign_up(desk.visitors.key(request), box):
        raise HTTPException(429, "too many signups for this address or from this network: wait")
    desk.school.enrolling.sign_up(
        course.key,
        signup.email,
        first_name=signup.first_name,
        timezone=signup.timezone or None,
        hour=parse_hour(signup.hour) if signup.hour else None,
        weekdays=parse_days(signup.days) if signup.days else None,
        language=course.language,
        consent=desk.visitors.consent(request, "signup", signup.consent, "api:/api/v1/signups"),
    )
    return SignupOut()
