"""The course page with its form, and what happens when the form is sent.

Gives one and the same answer for new, waiting, learning and unsubscribed addresses, and
to machines that fill in every field they find.
"""

from __future__ import annotations

from datetime import timedelta

from fastapi import APIRouter
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from course.catalog import Course
from course.pace_words import parse_days, parse_hour
from course.web import forms
from course.web.addresses import mailbox, suggestion
from course.web.desk import LOOK, AtDesk, Desk, Posted, course_or_404, text
from course.web.learner import waiting
from course.web.speaking import asked_for

router = APIRouter(include_in_schema=False)

#: A field no person sees. Not named like anything a browser fills in by itself.
HONEYPOT = "lantern"

#: How long a form may stand open before we ask for one more press of its button.
STAMP_LASTS = timedelta(days=1)


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


@router.api_route("/courses/{key}/signup", methods=LOOK)
def reloaded(desk: AtDesk, key: str) -> Response:
    """A reload of the answer to a form: back to the form."""
    return desk.pages.go(f"/courses/{course_or_404(desk, key).key}")


@router.post("/courses/{key}/signup")
def sign_up(desk: AtDesk, request: Request, posted: Posted, key: str) -> Response:
    """Takes the form; answers 303 to "check your inbox", or the form again."""
    course = course_or_404(desk, key)
    posted = _with_choice(posted)
    form = _form(course, posted)
    if not form.validate():
        return course_page(desk, course, form=form, status=422)
    stamp = desk.sealer.open("signup", text(posted, "stamp"), within=STAMP_LASTS)
    if stamp is None:
        # Open for more than a day, or sent from another site: one more press, nothing lost.
        return course_page(desk, course, form=form, notice="once-more")
    address = str(form.email.data)
    person = waiting.Waiting(
        address=address,
        course=course.key,
        first_name=form.first_name.data,
        hour=form.hour.data,
        days=form.days.data,
        timezone=form.timezone.data,
    )
    if text(posted, HONEYPOT) or stamp.age < minimum_fill(desk):
        return waiting.remember(desk, desk.pages.go("/check-inbox"), person, enrollment_id=None)
    meant = suggestion(address)
    if meant and text(posted, "keep") != address:
        return course_page(desk, course, form=form, meant=meant)
    if not desk.quotas.may_sign_up(desk.visitors.key(request), _mailbox_key(desk, address)):
        return desk.pages.page("web/limited.html", status=429)
    enrollment_id = enter(desk, request, course, person)
    return waiting.remember(desk, desk.pages.go("/check-inbox"), person, enrollment_id)


def enter(desk: Desk, request: Request, course: Course, person: waiting.Waiting) -> int | None:
    """Write the signup down. The enrollment's id stays inside: it would tell who is known."""
    done = desk.school.enrolling.sign_up(
        course.key,
        person.address,
        first_name=person.first_name,
        timezone=person.timezone or None,
        hour=parse_hour(person.hour),
        weekdays=parse_days(person.days),
        language=asked_for() or course.language,
        consent=desk.visitors.consent(
            request, "signup", consent_text(desk, course), f"web:{request.url.path}"
        ),
    )
    return done.enrollment_id


def again(desk: Desk, request: Request, person: waiting.Waiting) -> bool:
    """The same signup once more, from the waiting page. False when it is one too many."""
    course = desk.school.catalog.course(person.course)
    if course is None:
        return True
    if not desk.quotas.may_sign_up(desk.visitors.key(request), _mailbox_key(desk, person.address)):
        return False
    enter(desk, request, course, person)
    return True


def consent_text(desk: Desk, course: Course) -> str:
    """What stands above the button, and is stored with the signup."""
    if course.consent_text:
        return course.consent_text
    sender = desk.school.settings.organisation or desk.school.settings.email_from.name
    count = len(course.syllabus.lessons)
    return (
        f"With this button you ask {sender or 'us'} to send you the {count} lessons of "
        f"“{course.title}” by email, and the few letters that go with them."
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
) -> Response:
    """The course page, with whatever was typed still in its fields."""
    if form is None:
        form = _form(course, FormData([("email", email)] if email else []))
    failed = forms.problems(form)
    return desk.pages.page(
        "web/course.html",
        status=status,
        course=course,
        lessons=[lesson for lesson in course.lessons.values() if not lesson.draft],
        form=form,
        zones=forms.zone_groups(form.timezone.data),
        problems=failed,
        wrong=dict(failed),
        meant=meant,
        notice=notice,
        stamp=desk.sealer.seal("signup", ""),
        honeypot=HONEYPOT,
        consent=consent_text(desk, course),
        sender=desk.school.settings.email_from,
    )


def minimum_fill(desk: Desk) -> timedelta:
    """Faster than this is not a person; in a demo everybody is in a hurry."""
    seconds = 0.0 if desk.school.demo else desk.school.settings.signup.min_fill_seconds
    return timedelta(seconds=seconds)


def _form(course: Course, posted: FormData) -> forms.SignupForm:
    return forms.SignupForm(posted, course.syllabus.cadence, course.syllabus.timezone)


def _with_choice(posted: FormData) -> FormData:
    """The button "use gmail.com" counts as having typed that."""
    use = text(posted, "use")
    if not use:
        return posted
    others = [(name, value) for name, value in posted.multi_items() if name != "email"]
    return FormData([*others, ("email", use), ("keep", use)])


def _mailbox_key(desk: Desk, address: str) -> str:
    return desk.sealer.mark("mailbox", mailbox(address))
