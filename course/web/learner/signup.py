"""What happens when the signup form is sent.

Gives one and the same answer for new, waiting, learning and unsubscribed addresses, and
to machines that fill in every field they find.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from course.catalog import Course
from course.pace_words import parse_days, parse_hour
from course.web.addresses import mailbox, suggestion
from course.web.desk import LOOK, AtDesk, Desk, Posted, course_or_404, text
from course.web.learner import front, returning, waiting
from course.web.learner.front import Seen, course_page
from course.web.speaking import asked_for
from scheduler.enrolling import Asked

router = APIRouter(include_in_schema=False)


@router.api_route("/courses/{key}/signup", methods=LOOK)
def reloaded(desk: AtDesk, key: str) -> Response:
    """A reload of the answer to a form: back to the form."""
    return desk.pages.go(f"/courses/{course_or_404(desk, key).key}")


@router.post("/courses/{key}/signup")
async def sign_up(desk: AtDesk, request: Request, posted: Posted, key: str) -> Response:
    """Takes the form; answers 303 to "check your inbox", or the form again.

    Async, unlike other handlers: many signups at once are then written by one thread, in one
    transaction, instead of each in a thread of its own that waits for all the others.
    """
    course = course_or_404(desk, key)
    posted = _with_choice(posted)
    back = returning.wanted(desk, posted)
    form = front.form_of(course, posted)
    sound = form.validate()
    if text(posted, "show"):
        return await _page(desk, course, form=form, notice="dates", return_to=back)
    if not sound:
        return await _page(desk, course, form=form, status=422, return_to=back)
    stamp = desk.sealer.open("signup", text(posted, "stamp"), within=front.STAMP_LASTS)
    if stamp is None:
        # Open for more than a day, or sent from another site: one more press, nothing lost.
        return await _page(desk, course, form=form, notice="once-more", return_to=back)
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
        return await _page(desk, course, form=form, meant=meant, return_to=back)
    if not desk.quotas.may_sign_up(desk.visitors.key(request), _mailbox_key(desk, address)):
        return await run_in_threadpool(desk.pages.page, "web/limited.html", status=429)
    asked = _asked(desk, request, course, person, Seen(*stamp.value))
    done = await desk.signups.ask(asked)
    return waiting.remember(desk, _thanks(desk, back), person, done.enrollment_id)


async def again(desk: Desk, request: Request, person: waiting.Waiting) -> Response:
    """The same signup once more, from the waiting page."""
    course = desk.school.catalog.course(person.course)
    if course is None:
        return desk.pages.go("/check-inbox?did=again")
    if not desk.quotas.may_sign_up(desk.visitors.key(request), _mailbox_key(desk, person.address)):
        return await run_in_threadpool(desk.pages.page, "web/limited.html", status=429)
    asked = _asked(desk, request, course, person, front.seen_now(desk, course))
    done = await desk.signups.ask(asked)
    here = desk.pages.go("/check-inbox?did=again")
    return waiting.remember(desk, here, person, done.enrollment_id)


def minimum_fill(desk: Desk) -> timedelta:
    """Faster than this is not a person; in a demo everybody is in a hurry."""
    seconds = 0.0 if desk.school.demo else desk.school.settings.signup.min_fill_seconds
    return timedelta(seconds=seconds)


async def _page(desk: Desk, course: Course, **values: Any) -> Response:
    """The form again. Made in a thread: a page takes longer to write than a signup to read."""
    return await run_in_threadpool(course_page, desk, course, **values)


def _asked(
    desk: Desk, request: Request, course: Course, person: waiting.Waiting, seen: Seen
) -> Asked:
    return Asked(
        course=course.key,
        address=person.address,
        first_name=person.first_name,
        timezone=person.timezone or None,
        hour=parse_hour(person.hour),
        weekdays=parse_days(person.days),
        language=asked_for() or course.language,
        consent=desk.visitors.consent(
            request, "signup", seen.text, f"web:{request.url.path} page {seen.version}"
        ),
    )


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
