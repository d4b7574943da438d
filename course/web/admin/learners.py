"""The office's list of learners, and one learner's page with a timeline and buttons.

What is filtered and which page is shown stand in the URL. Every button is a POST.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from datetime import timedelta
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from course.pace_words import write_days
from course.web.admin.session import AdminOnly
from course.web.admin.telling import told
from course.web.behind import obstructed
from course.web.desk import LOOK, AtDesk, Desk, Posted, text
from course.web.why_left import SILENT, WHY
from scheduler.domain.delivery import DeliveryKind
from scheduler.domain.enrollment import OPEN_STATES, Enrollment, EnrollmentState
from scheduler.domain.learner import Consent
from scheduler.errors import NotAllowed
from scheduler.store import Tx, ledger, people, reports
from scheduler.store.reports import LearnerRow

router = APIRouter(include_in_schema=False, dependencies=[AdminOnly])

PAGE = 50
#: What `why` in the URL may be -> its words.
REASONS = {**WHY, SILENT: "Said nothing"}
STATES = tuple(str(state) for state in EnrollmentState)
#: Reason of a suppression -> who closed the address, and why.
CLOSED = {
    "bounced": "Mail to it came back for good.",
    "complained": "Its owner reported a mail as spam.",
    "left": "Its owner asked for no mail at all.",
    "never": "Its owner says they never signed up.",
}
_PROBLEM_LASTS = timedelta(minutes=10)


@router.api_route("/admin/learners", methods=LOOK)
def learners(
    desk: AtDesk,
    q: str = "",
    course: str = "",
    state: str = "",
    why: str = "",
    after: int = 0,
) -> Response:
    """People, newest first, fifty a page."""
    state = state if state in STATES else ""
    why = why if why in REASONS else ""
    q, course = (given.replace("\0", "") for given in (q, course))
    with desk.school.db.read() as tx:
        rows = reports.search_learners(
            tx,
            course=course or None,
            state=state or None,
            text=q or None,
            left_because=_because(why),
            limit=PAGE + 1,
            after=after or None,
        )
        waits = obstructed(tx, desk.school.catalog, (row.enrollment for row in rows))
    more = len(rows) > PAGE
    rows = rows[:PAGE]
    asked = (("q", q), ("course", course), ("state", state), ("why", why))
    chosen = {name: value for name, value in asked if value}
    last = rows[-1].enrollment.id if rows else 0
    return desk.pages.page(
        "admin/learners.html",
        here="learners",
        rows=rows,
        waits=waits,
        q=q,
        course=course,
        state=state,
        states=STATES,
        why=why,
        reasons=REASONS,
        courses=desk.school.catalog.courses(),
        older=f"?{urlencode({**chosen, 'after': last})}" if more else "",
        newest=f"?{urlencode(chosen)}" if after else "",
        export=f"?{urlencode(chosen)}",
    )


@router.api_route("/admin/learners.csv", methods=LOOK)
def export(desk: AtDesk, q: str = "", course: str = "", state: str = "", why: str = "") -> Response:
    """The same people as a file, all pages of them."""
    return StreamingResponse(
        _csv(
            desk,
            q.replace("\0", ""),
            course.replace("\0", ""),
            state if state in STATES else "",
            _because(why if why in REASONS else ""),
        ),
        media_type="text/csv; charset=utf-8",
        headers={"content-disposition": 'attachment; filename="learners.csv"'},
    )


@router.api_route("/admin/learners/{learner_id}", methods=LOOK)
def learner(desk: AtDesk, learner_id: int, did: str = "", problem: str = "") -> Response:
    """All there is to know about one person."""
    with desk.school.db.read() as tx:
        person = people.learner(tx, learner_id)
        if person is None:
            raise HTTPException(404)
        runs = people.enrollments_of(tx, learner_id)
        sent = {run.id: _sent_keys(run, tx) for run in runs}
        rows = reports.timeline(tx, learner_id)
        waits = obstructed(tx, desk.school.catalog, runs)
    closed = desk.school.enrolling.suppression_of(learner_id)
    said = desk.sealer.open("problem", problem, within=_PROBLEM_LASTS) if problem else None
    return desk.pages.page(
        "admin/learner.html",
        here="learners",
        person=person,
        runs=runs,
        waits=waits,
        sent=sent,
        open_states=OPEN_STATES,
        courses=desk.school.catalog.courses(),
        rows=told(rows, desk.school.catalog.courses()),
        now=desk.school.clock.now(),
        did=did,
        closed=closed,
        why_closed=CLOSED,
        problem=said.value if said else "",
    )


@router.post("/admin/learners/{learner_id}/allow")
def allow(desk: AtDesk, learner_id: int) -> Response:
    """Lift a suppression, because its owner asked for mail again."""
    done = desk.school.enrolling.allow_mail(learner_id)
    if done:
        with desk.school.db.write() as tx:
            people.add_audit(tx, desk.school.clock.now(), "admin", "allow", f"learner {learner_id}")
    return desk.pages.go(f"/admin/learners/{learner_id}{'?did=allow' if done else ''}")


@router.post("/admin/learners/{learner_id}/{action}")
def act(desk: AtDesk, request: Request, posted: Posted, learner_id: int, action: str) -> Response:
    """Pause, resume, next, skip, resend or stop one run of this person."""
    run = _run(desk, learner_id, text(posted, "run"))
    do = _actions(desk, run, posted).get(action)
    if do is None:
        raise HTTPException(404)
    consent = desk.visitors.consent(request, "staff", f"{action} by staff", "web:/admin")
    here = f"/admin/learners/{learner_id}"
    try:
        do(consent)
    except NotAllowed as problem:
        return desk.pages.go(f"{here}?problem={desk.sealer.seal('problem', str(problem))}")
    with desk.school.db.write() as tx:
        people.add_audit(tx, desk.school.clock.now(), "admin", action, f"enrollment {run.id}")
    return desk.pages.go(f"{here}?did={action}")


def _actions(desk: Desk, run: Enrollment, posted: Posted) -> dict[str, Callable[[Consent], object]]:
    enrolling = desk.school.enrolling
    return {
        "pause": lambda consent: enrolling.pause(run.id, consent=consent),
        "resume": lambda consent: enrolling.resume(run.id, consent),
        "next": lambda consent: enrolling.next_now(run.id, consent),
        "skip": lambda consent: enrolling.skip(run.id, consent),
        "resend": lambda _: enrolling.resend(run.id, text(posted, "key")),
        "stop": lambda consent: enrolling.remove(run.id, consent),
    }


def _run(desk: Desk, learner_id: int, run_id: str) -> Enrollment:
    with desk.school.db.read() as tx:
        run = people.enrollment(tx, int(run_id)) if run_id.isdecimal() else None
    if run is None or run.learner_id != learner_id:
        raise HTTPException(404)
    return run


def _sent_keys(run: Enrollment, tx: Tx) -> list[str]:
    return [
        d.key
        for d in ledger.deliveries_of(tx, run.id)
        if d.kind is DeliveryKind.LESSON and d.round == run.round and d.sending_at is not None
    ]


def _because(why: str) -> str | None:
    """The word stored with a run; None when the list is not about leaving."""
    return None if not why else "" if why == SILENT else why


def _csv(desk: Desk, q: str, course: str, state: str, because: str | None) -> Iterator[str]:
    yield (
        "email,first_name,course,state,reason,delivered,timezone,hour,days,next_due_at,"
        "left_because\r\n"
    )
    after: int | None = None
    while True:
        with desk.school.db.read() as tx:
            rows = reports.search_learners(
                tx, course=course or None, state=state or None, text=q or None,
                left_because=because, limit=500, after=after,
            )  # fmt: skip
        if not rows:
            return
        after = rows[-1].enrollment.id
        page = io.StringIO()
        csv.writer(page).writerows([_safe(cell) for cell in _cells(row)] for row in rows)
        yield page.getvalue()


def _cells(row: LearnerRow) -> list[str]:
    run = row.enrollment
    return [
        row.learner.address,
        row.learner.first_name,
        run.course,
        str(run.state),
        run.reason,
        str(row.delivered),
        run.timezone,
        f"{run.cadence.hour:%H:%M}",
        write_days(run.cadence.weekdays),
        run.next_due_at.isoformat() if run.next_due_at else "",
        row.left_because,
    ]


def _safe(cell: str) -> str:
    """A cell that a spreadsheet cannot take for a formula."""
    return f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t") else cell
