"""What happens when the signup form is sent.

Gives one and the same answer for new, waiting, learning and unsubscribed addresses, and
to machines that fill in every field they find.
"""

from __future__ import annotations

from datetime import timedelta

from fastapi import APIRouter
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from course.catalog import Course
from course.pace_words import parse_days, parse_hour
from course.web.addresses import mailbox, suggestion
from course.web.desk import LOOK, AtDesk, Desk, Posted, course_or_404, text
from course.web.learner import front, returning, waiting
from course.web.learner.front import Seen, course_page

router = APIRouter(include_in_schema=False)


@router.api_route("/courses/{key}/signup", methods=LOOK)
def reloaded(desk: AtDesk, key: str) -> Response:
    """A reload of the answer to a form: back to the form."""
    return desk.pages.go(f"/courses/{course_or_404(desk, key).key}")


@router.post("/courses/{key}/signup")
def sign_up(desk: AtDesk, request: Request, posted: Posted, key: str) -> Response:
    """Takes the form; answers 303 to "check your inbox", or the form again."""
    course = course_or_404(desk, key)
    posted = _with_choice(posted)
    back = returning.wanted(desk, posted)
    form = front.form_of(course, posted)
    sound = form.validate()
    if text(posted, "show"):
        return course_page(desk, course, form=form, notice="dates", return_to=back)
    if not sound:
        return course_page(desk, course, form=form, status=422, return_to=back)
    stamp = desk.sealer.open("signup", text(posted, "stamp"), within=front.STAMP_LASTS)
    if stamp is None:
        # Open for more than a day, or sent from another site: one more press, nothing lost.
        return course_page(desk, course, form=form, notice="once-more", return_to=back)
    address = str(form.email.data)
    person = waiting.Waiting(
        address=address,
        course=course.key,
        first_name=form.first_name.data,
        hour=form.hour.data,
        days=form.days.data,
        timezone=form.timezone.data,
    )
    if text(posted, front.HONEYPOT) or stamp.age < minimum_fill(desk):
        return waiting.remember(desk, _thanks(desk, back), person, enrollment_id=None)
    meant = suggestion(address)
    if meant and text(posted, "keep") != address:
        return course_page(desk, course, form=form, meant=meant, return_to=back)
    if not desk.quotas.may_sign_up(desk.visitors.key(request), _mailbox_key(desk, address)):
        return desk.pages.page("web/limited.html", status=429)
    enrollment_id = _enter(desk, request, course, person, Seen(*stamp.value))
    return waiting.remember(desk, _thanks(desk, back), person, enrollment_id)


def again(desk: Desk, request: Request, person: waiting.Waiting) -> Response:
    """The same signup once more, from the waiting page."""
    course = desk.school.catalog.course(person.course)
    if course is None:
        return desk.pages.go("/check-inbox?did=again")
    if not desk.quotas.may_sign_up(desk.visitors.key(request), _mailbox_key(desk, person.address)):
        return desk.pages.page("web/limited.html", status=429)
    run = _enter(desk, request, course, person, front.seen_now(desk, course))
    return waiting.remember(desk, desk.pages.go("/check-inbox?did=again"), person, run)


def minimum_fill(desk: Desk) -> timedelta:
    """Faster than this is not a person; in a demo everybody is in a hurry."""
    seconds = 0.0 if desk.school.demo else desk.school.settings.signup.min_fill_seconds
    return timedelta(seconds=seconds)


def _enter(
    desk: Desk, request: Request, course: Course, person: waiting.Waiting, seen: Seen
) -> int | None:
    """Write the signup down. The enrollment's id stays inside: it would tell who is known."""
    done = desk.school.enrolling.sign_up(
        course.key,
        person.address,
        first_name=person.first_name,
        timezone=person.timezone or None,
        hour=parse_hour(person.hour),
        weekdays=parse_days(person.days),
        language=course.language,
        consent=desk.visitors.consent(
            request, "signup", seen.text, f"web:{request.url.path} page {seen.version}"
        ),
    )
    return done.enrollment_id


def _thanks(desk: Desk, back: str) -> Response:
    """On to "check your inbox", or back to the site where the form stands."""
    return RedirectResponse(back, status_code=303) if back else desk.pages.go("/check-inbox")


def _with_choice(posted: FormData) -> FormData:
    """The button "use gmail.com" counts as having typed that."""
    use = text(posted, "use")
    if not use:
        return posted
    others = [(name, value) for name, value in posted.multi_items() if name != "email"]
    return FormData([*others, ("email", use), ("keep", use)])


def _mailbox_key(desk: Desk, address: str) -> str:
    return desk.sealer.mark("mailbox", mailbox(address))
