"""The six figures of a confirmation mail, typed where the signup was made.

For people who read mail on another device. Takes them only from the browser that signed up, and
only a few an hour: they are short. Says nothing of whether an address is known.
"""

from __future__ import annotations

import unicodedata

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from course.links import LIFETIMES, Purpose
from course.web.desk import AtDesk, Desk, Posted, text
from course.web.learner import inbox, waiting
from scheduler.domain.delivery import CONFIRM, Delivery, original_key
from scheduler.domain.enrollment import Enrollment
from scheduler.errors import NotAllowed
from scheduler.store import ledger, people

router = APIRouter(include_in_schema=False)

CONSENT = "The code from the mail, typed to say: yes, send me the lessons."

#: The newest mails of a signup whose code is taken: as many as may be asked for in a day.
NEWEST = 3


@router.post("/check-inbox/code")
def enter_code(desk: AtDesk, request: Request, posted: Posted) -> Response:
    """Confirms the signup that this browser made, or shows the page again with what is wrong."""
    person = waiting.opened(desk, request)
    if person is None:
        return desk.pages.go("/check-inbox")
    typed = text(posted, "code")
    code = figures(typed)
    if code is None:
        return inbox.page(desk, person, typed=typed[:20], wrong="unreadable", status=422)
    # Counted by what was typed, not by run: no run, or a run of somebody else's, counts alike.
    guesser = desk.sealer.mark("code", f"{person.course}\0{people.address_key(person.address)}")
    if not desk.quotas.may_guess(desk.visitors.key(request), guesser):
        return inbox.page(desk, person, wrong="often", status=429)
    run = _run(desk, person, code)
    if run is None or not waiting.is_here(desk, request, run.id):
        return inbox.page(desk, person, typed=code, wrong="code", status=422)
    token = desk.school.links.confirm(run.id).rpartition("/")[2]
    consent = desk.visitors.consent(request, "confirm", CONSENT, f"web:{request.url.path}")
    try:
        done = desk.school.enrolling.confirm(run.id, consent)
    except NotAllowed:  # left in the meantime: the page behind the link says so
        return desk.pages.go(f"/confirm/{token}")
    return desk.pages.go(f"/confirm/{token}" if done.already else f"/confirm/{token}/welcome")


def figures(typed: str) -> str | None:
    """The six figures, of any script and however spaced; None when it is something else."""
    kept = [letter for letter in typed if not letter.isspace() and letter not in "-–"]
    found = [unicodedata.decimal(letter, None) for letter in kept]
    if len(found) != 6 or None in found:
        return None
    return "".join(str(figure) for figure in found)


def _run(desk: Desk, person: waiting.Waiting, code: str) -> Enrollment | None:
    """The newest run of that person, if one of its newest mails carries this code."""
    with desk.school.db.read() as tx:
        learner = people.find_learner(tx, person.address)
        run = people.latest_enrollment(tx, learner.id if learner else 0, person.course)
        owed = ledger.deliveries_of(tx, run.id if run else 0)
    if run is None:
        return None
    fresh = desk.school.clock.now() - LIFETIMES[Purpose.CONFIRM]
    mails = [d for d in owed if _asks(d, run) and d.created_at > fresh][-NEWEST:]
    # Each is compared, so that the answer takes as long for the first as for the last.
    matches = [desk.school.links.is_code(mail.id, code) for mail in mails]
    return run if any(matches) else None


def _asks(mail: Delivery, run: Enrollment) -> bool:
    return mail.round == run.round and original_key(mail.key) == CONFIRM
