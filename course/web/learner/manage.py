"""The settings page: hour, days, zone, name, language; the next dates; another address.

Every change is a POST that ends in a 303 back here. The link in the mail is the key. The page's
other buttons are in `easing`.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from fastapi import APIRouter
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from course.links import Purpose
from course.pace_words import DAY_NAMES, parse_hour, say_days
from course.web import forms
from course.web.addresses import mailbox, suggestion
from course.web.desk import LOOK, AtDesk, Desk, Posted, text
from course.web.learner.breaks import BREAKS as BREAKS
from course.web.learner.breaks import LONGEST, first_day
from course.web.learner.breaks import break_ends as break_ends
from course.web.learner.foreseen import foreseen, slot_after
from course.web.learner.standing import Standing, opened, outlook
from course.web.learner.trouble import trouble
from scheduler import zones
from scheduler.domain.enrollment import Enrollment, EnrollmentState
from scheduler.enrolling import may_ask
from scheduler.enrolling.easing import HELD_AT_MOST, later_slot, latest_lesson
from scheduler.errors import NotAllowed
from scheduler.store import nudges

router = APIRouter(include_in_schema=False)

_CHANGEABLE = (EnrollmentState.PENDING, EnrollmentState.ACTIVE, EnrollmentState.PAUSED)
STARTED = (EnrollmentState.ACTIVE, EnrollmentState.PAUSED, EnrollmentState.COMPLETED)


@router.api_route("/manage/{token}", methods=LOOK)
def manage(desk: AtDesk, token: str, did: str = "") -> Response:
    """The page itself."""
    standing = opened(desk, Purpose.MANAGE, token)
    if standing is None:
        return trouble(desk, "manage")
    return page_of(desk, token, standing, did=did)


@router.api_route("/manage/{token}/dates", methods=LOOK)
def dates(desk: AtDesk, request: Request, token: str) -> Response:
    """The next dates as the pace in the query would have them: a piece of the page, for its
    script. Empty for a pace that cannot be."""
    standing = opened(desk, Purpose.MANAGE, token)
    form = forms.PaceForm(FormData(list(request.query_params.multi_items())))
    if standing is None or not form.validate():
        return HTMLResponse("")
    asked = _with_pace(standing.run, form)
    return desk.pages.page("web/_foreseen.html", **_dates(standing, asked))


@router.post("/manage/{token}")
def save(desk: AtDesk, request: Request, posted: Posted, token: str) -> Response:
    """Saves hour, days, zone, name and language together, or shows the dates they would bring."""
    standing = opened(desk, Purpose.MANAGE, token)
    if standing is None:
        return trouble(desk, "manage")
    form, language = forms.PaceForm(posted), text(posted, "language")
    offered = _languages(desk)
    if not form.validate():
        return page_of(desk, token, standing, form=form, language=language, status=422)
    if text(posted, "show"):
        return page_of(desk, token, standing, form=form, language=language)
    said = f"{form.hour.data}, {say_days(form.chosen_days)}, {form.timezone.data}"
    try:
        desk.school.enrolling.set_pace(
            standing.run.id,
            timezone=form.timezone.data,
            hour=parse_hour(form.hour.data),
            weekdays=form.chosen_days,
            first_name=form.first_name.data,
            language=language if language in offered else None,
            consent=desk.visitors.consent(request, "settings", said, "web:/manage"),
        )
    except NotAllowed:  # erased a moment ago
        return trouble(desk, "manage")
    desk.school.enrolling.come_by(standing.run.id)
    return desk.pages.go(f"/manage/{token}?did=saved")


@router.post("/manage/{token}/address")
def ask_to_move(desk: AtDesk, request: Request, posted: Posted, token: str) -> Response:
    """Asks another address whether it is the learner's. The answer tells nothing about it."""
    standing = opened(desk, Purpose.MANAGE, token)
    if standing is None:
        return trouble(desk, "manage")
    use = text(posted, "use")
    form = forms.MoveForm(FormData([("email", use or text(posted, "email"))]))
    if not form.validate():
        return page_of(desk, token, standing, move=form, status=422)
    address = str(form.email.data)
    meant = suggestion(address)
    if meant and text(posted, "keep") != address and not use:
        return page_of(desk, token, standing, move=form, meant=meant)
    mailbox_key = desk.sealer.mark("mailbox", mailbox(address))
    if not desk.quotas.may_sign_up(desk.visitors.key(request), mailbox_key):
        return desk.pages.page("web/limited.html", status=429)
    try:
        answer = desk.school.enrolling.ask_to_move(standing.run.id, address)
    except NotAllowed:
        return desk.pages.go(f"/manage/{token}?did=not-now")
    return desk.pages.go(f"/manage/{token}?did=address{'' if answer == 'asked' else '-wait'}")


def _languages(desk: Desk) -> dict[str, str]:
    """The languages to choose from, each in its own words."""
    return {language.tag: language.name for language in desk.pages.languages.read()}


def _says_it(did: str, standing: Standing) -> bool:
    """Does the outlook alone tell what the button did?"""
    if did == "paused":
        return standing.run.state is EnrollmentState.PAUSED
    return did == "next" and standing.next_at is not None and standing.next_at <= standing.now


def _with_pace(run: Enrollment, form: forms.PaceForm) -> Enrollment:
    """The run as saving the form would leave it, apart from the next instant."""
    cadence = replace(run.cadence, hour=parse_hour(form.hour.data), weekdays=form.chosen_days)
    return replace(run, cadence=cadence, timezone=zones.canonical(form.timezone.data, run.timezone))


def _may_skip(standing: Standing) -> bool:
    """Does the course let its learners pass over the lesson that is next?"""
    return (
        standing.course is not None
        and standing.course.skip
        and standing.run.state in (EnrollmentState.ACTIVE, EnrollmentState.PAUSED)
        and standing.next_lesson is not None
    )


def _dates(standing: Standing, run: Enrollment) -> dict[str, Any]:
    return {"foreseen": foreseen(standing, run), "zone_of_dates": run.timezone}


def _later_options(standing: Standing) -> list[tuple[int, object]]:
    """(days, instant) of each way to hold the next lesson back that leads to a day of its own."""
    run, at = standing.run, standing.next_at
    if at is None or at <= standing.now or standing.next_lesson is None:
        return []
    options: dict[object, int] = {}
    for days in (1, 2, 3):
        slot = later_slot(run, at, days)
        if slot - standing.now <= HELD_AT_MOST:
            options.setdefault(slot, days)
    return [(days, slot) for slot, days in options.items()]


def _last_position(standing: Standing) -> int:
    """The number of the lesson that left last; 0 when none has, or it is in the course no more."""
    rows = [d for d in standing.deliveries if d.round == standing.run.round]
    last = latest_lesson(rows)
    names = [ref for ref in standing.lessons if last and last.key in (ref.key, *ref.aliases)]
    return names[0].position if names else 0


def page_of(
    desk: Desk,
    token: str,
    standing: Standing,
    *,
    form: forms.PaceForm | None = None,
    language: str = "",
    move: forms.MoveForm | None = None,
    meant: str = "",
    until: str = "",
    break_wrong: str = "",
    did: str = "",
    status: int = 200,
) -> Response:
    """The settings page, with what was typed and what was wrong with it."""
    run = standing.run
    spoken, offered = language or standing.learner.language, _languages(desk)
    asked = _with_pace(run, form) if form and not form.errors else run
    with desk.school.db.read() as tx:
        wants_nudges = nudges.wanted(tx, run.id)
    tomorrow = first_day(standing)
    usual = standing.course.syllabus.cadence.every_days if standing.course else 1
    values = {
        "first_name": form.first_name.data if form else standing.learner.first_name,
        "hour": form.hour.data if form else f"{run.cadence.hour:%H:%M}",
        "days": form.days.data if form else [DAY_NAMES[d] for d in sorted(run.cadence.weekdays)],
        "timezone": form.timezone.data if form else run.timezone,
        "language": spoken,
        "until": until,
    }
    failed = forms.problems(form) if form else []
    failed_move = forms.problems(move) if move else []
    links = desk.school.links
    return desk.pages.page(
        "web/manage.html",
        status=status,
        token=token,
        standing=standing,
        outlook=outlook(standing),
        # The outlook of a pause says itself that it is one, and a lesson on its way as well.
        said="" if _says_it(did, standing) else did,
        changeable=run.state in _CHANGEABLE,
        started=run.state in STARTED,
        languages=offered if spoken in offered else {spoken: spoken, **offered},
        **_dates(standing, asked),
        ahead=foreseen(standing),
        later=_later_options(standing),
        after_now=slot_after(run, standing.now),
        after_next=standing.after_next(),
        usual=usual,
        may_skip=_may_skip(standing),
        last=_last_position(standing),
        nudges=wants_nudges,
        nudging=desk.school.settings.scheduler.nudges
        and (standing.course is None or standing.course.syllabus.nudges),
        break_wrong=break_wrong,
        tomorrow=tomorrow,
        latest_day=tomorrow + LONGEST - timedelta(days=1),
        values=values,
        hours=forms.hours_with(run.cadence.hour),
        zones=forms.zone_groups(run.timezone),
        day_names=DAY_NAMES,
        problems=failed,
        wrong=dict([*failed, *failed_move]),
        movable=may_ask(run),
        new_address=move.email.data if move else "",
        move_problems=failed_move,
        meant=meant,
        did=did,
        learn=desk.pages.path(links.learn(run.id)),
        leave=desk.pages.path(links.leave(run.id)),
    )
