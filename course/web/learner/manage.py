"""The settings page: hour, days, zone, name; pause, resume, next lesson now; another address.

Every change is a POST that ends in a 303 back here. The link in the mail is the key.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, time, timedelta

from fastapi import APIRouter
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from course.links import Purpose
from course.pace_words import DAY_NAMES, parse_hour, say_days
from course.web import forms
from course.web.addresses import mailbox, suggestion
from course.web.desk import LOOK, AtDesk, Desk, Posted, text
from course.web.learner.standing import Standing, opened, outlook
from course.web.learner.trouble import trouble
from scheduler.domain.enrollment import EnrollmentState
from scheduler.enrolling import may_ask
from scheduler.errors import NotAllowed
from scheduler.rules import due
from scheduler.zones import zone

router = APIRouter(include_in_schema=False)

#: How long a break may be; the last one ends when the learner says so.
BREAKS = {"3-days": timedelta(days=3), "1-week": timedelta(days=7), "open": None}

_CHANGEABLE = (EnrollmentState.PENDING, EnrollmentState.ACTIVE, EnrollmentState.PAUSED)


@router.api_route("/manage/{token}", methods=LOOK)
def manage(desk: AtDesk, token: str, did: str = "") -> Response:
    """The page itself."""
    standing = opened(desk, Purpose.MANAGE, token)
    if standing is None:
        return trouble(desk, "manage")
    return _page(desk, token, standing, did=did)


@router.post("/manage/{token}")
def save(desk: AtDesk, request: Request, posted: Posted, token: str) -> Response:
    """Saves hour, days, zone and name together."""
    standing = opened(desk, Purpose.MANAGE, token)
    if standing is None:
        return trouble(desk, "manage")
    form = forms.PaceForm(posted)
    if not form.validate():
        return _page(desk, token, standing, form=form, status=422)
    said = f"{form.hour.data}, {say_days(form.chosen_days)}, {form.timezone.data}"
    desk.school.enrolling.set_pace(
        standing.run.id,
        timezone=form.timezone.data,
        hour=parse_hour(form.hour.data),
        weekdays=form.chosen_days,
        first_name=form.first_name.data,
        consent=desk.visitors.consent(request, "settings", said, "web:/manage"),
    )
    return desk.pages.go(f"/manage/{token}?did=saved")


@router.post("/manage/{token}/pause")
def pause(desk: AtDesk, request: Request, posted: Posted, token: str) -> Response:
    """A break of three days, of a week, or until resumed."""

    def act(standing: Standing) -> str:
        length = text(posted, "for")
        until = break_ends(standing, BREAKS.get(length, BREAKS["1-week"]))
        consent = desk.visitors.consent(request, "pause", f"Pause: {length}", "web:/manage")
        desk.school.enrolling.pause(standing.run.id, until=until, consent=consent)
        return "paused"

    return _act(desk, token, act)


@router.post("/manage/{token}/resume")
def resume(desk: AtDesk, request: Request, token: str) -> Response:
    """The end of the break."""

    def act(standing: Standing) -> str:
        consent = desk.visitors.consent(request, "resume", "Resume now", "web:/manage")
        desk.school.enrolling.resume(standing.run.id, consent)
        return "resumed"

    return _act(desk, token, act)


@router.post("/manage/{token}/next")
def next_now(desk: AtDesk, request: Request, token: str) -> Response:
    """The learner's own exception from one lesson a day."""

    def act(standing: Standing) -> str:
        consent = desk.visitors.consent(request, "next", "Send the next lesson now", "web:/manage")
        desk.school.enrolling.next_now(standing.run.id, consent)
        return "next"

    return _act(desk, token, act)


@router.post("/manage/{token}/address")
def ask_to_move(desk: AtDesk, request: Request, posted: Posted, token: str) -> Response:
    """Asks another address whether it is the learner's. The answer tells nothing about it."""
    standing = opened(desk, Purpose.MANAGE, token)
    if standing is None:
        return trouble(desk, "manage")
    use = text(posted, "use")
    form = forms.MoveForm(FormData([("email", use or text(posted, "email"))]))
    if not form.validate():
        return _page(desk, token, standing, move=form, status=422)
    address = str(form.email.data)
    meant = suggestion(address)
    if meant and text(posted, "keep") != address and not use:
        return _page(desk, token, standing, move=form, meant=meant)
    mailbox_key = desk.sealer.mark("mailbox", mailbox(address))
    if not desk.quotas.may_sign_up(desk.visitors.key(request), mailbox_key):
        return desk.pages.page("web/limited.html", status=429)
    try:
        answer = desk.school.enrolling.ask_to_move(standing.run.id, address)
    except NotAllowed:
        return desk.pages.go(f"/manage/{token}?did=not-now")
    return desk.pages.go(f"/manage/{token}?did=address{'' if answer == 'asked' else '-wait'}")


def break_ends(standing: Standing, length: timedelta | None) -> datetime | None:
    """The start of the local day on which a break of that many days is over; UTC."""
    if length is None:
        return None
    run = standing.run
    ends = standing.now + length
    tz = zone(run.timezone)
    # At the hour of the lesson itself the next one would come a day late: end it at midnight.
    day = ends.astimezone(tz).date()
    return due.at_wall_time(day, time(), tz)


def _act(desk: Desk, token: str, act: Callable[[Standing], str]) -> Response:
    standing = opened(desk, Purpose.MANAGE, token)
    if standing is None:
        return trouble(desk, "manage")
    try:
        did = act(standing)
    except NotAllowed:
        # The page was older than the facts: show them as they are now.
        did = "not-now"
    return desk.pages.go(f"/manage/{token}?did={did}")


def _says_it(did: str, standing: Standing) -> bool:
    """Does the outlook alone tell what the button did?"""
    if did == "paused":
        return standing.run.state is EnrollmentState.PAUSED
    return did == "next" and standing.next_at is not None and standing.next_at <= standing.now


def _page(
    desk: Desk,
    token: str,
    standing: Standing,
    *,
    form: forms.PaceForm | None = None,
    move: forms.MoveForm | None = None,
    meant: str = "",
    did: str = "",
    status: int = 200,
) -> Response:
    run = standing.run
    values = {
        "first_name": form.first_name.data if form else standing.learner.first_name,
        "hour": form.hour.data if form else f"{run.cadence.hour:%H:%M}",
        "days": form.days.data if form else [DAY_NAMES[d] for d in sorted(run.cadence.weekdays)],
        "timezone": form.timezone.data if form else run.timezone,
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
