"""`course learners pause|resume|restart|reopen|skip|resend|stop|forget`: one shape for all of them.

Says first whom it concerns. More than one person is only touched when somebody agrees.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from course.cli import doors, opening, picking, table
from course.cli.operate import as_json_option
from course.cli.people import course_option, local, state_option, until_option
from scheduler.domain.enrollment import Enrollment
from scheduler.domain.learner import Consent, Learner
from scheduler.errors import NotAllowed

if TYPE_CHECKING:
    from course.wiring import School


@dataclass(frozen=True, slots=True)
class Act:
    """What to do to one run; returns what came of it, in a few words."""

    name: str
    does: Callable[[School, Enrollment, Consent], str]
    #: Always ask, even for one person.
    drastic: bool = False
    #: States a filter without --state means.
    states: tuple[str, ...] = ("active", "paused", "pending")


def _whom(command: Callable[..., None]) -> Callable[..., None]:
    """The arguments all of these share."""
    for decorate in (
        click.pass_context,
        as_json_option,
        click.option("--yes", is_flag=True, help="Do not ask."),
        click.option("--dry-run", is_flag=True, help="Say whom it concerns, change nothing."),
        state_option,
        course_option,
        click.argument("addresses", nargs=-1, metavar="[EMAIL...]"),
    ):
        command = decorate(command)
    return command


@click.command(short_help="Hold a run; nothing is lost.")
@click.option("--until", metavar="DATE", help="Resume by itself on this local date.")
@_whom
def pause(ctx: click.Context, until: str | None, **whom: Any) -> None:
    """Hold a run. What is owed waits, until `resume` or --until."""

    def does(school: School, run: Enrollment, consent: Consent) -> str:
        end = until_option(until, run, school.clock.now()) if until else None
        school.enrolling.pause(run.id, consent=consent, until=end)
        return f"paused{f' until {until}' if until else ''}"

    _care(ctx, Act("pause", does, states=("active",)), **whom)


@click.command(short_help="End a pause; the next lesson comes on the next slot.")
@_whom
def resume(ctx: click.Context, **whom: Any) -> None:
    """End a pause. The next lesson comes on the learner's next slot."""

    def does(school: School, run: Enrollment, consent: Consent) -> str:
        after = school.enrolling.resume(run.id, consent)
        return f"resumed, next lesson {local(after.next_due_at, after.timezone)}"

    _care(ctx, Act("resume", does, states=("paused",)), **whom)


@click.command(short_help="Begin the course again, as a new round.")
@_whom
def restart(ctx: click.Context, **whom: Any) -> None:
    """Begin the course again at the next slot, as a new round. What was sent stays on record."""

    def does(school: School, run: Enrollment, consent: Consent) -> str:
        after = school.enrolling.restart(run.id, consent)
        return f"round {after.round}, lesson 1 {local(after.next_due_at, after.timezone)}"

    _care(ctx, Act("restart", does, states=("active", "paused", "completed")), **whom)


@click.command(short_help="Go on with a completed course that has new lessons.")
@_whom
def reopen(ctx: click.Context, **whom: Any) -> None:
    """Go on with a completed course to which lessons were appended, at the next slot.

    Without this, a completed run stays completed. The closing letter is not sent again.
    """

    def does(school: School, run: Enrollment, consent: Consent) -> str:
        after = school.enrolling.reopen(run.id, consent)
        return f"reopened, next lesson {local(after.next_due_at, after.timezone)}"

    _care(ctx, Act("reopen", does, states=("completed",)), **whom)


@click.command(short_help="Pass over the next lesson.")
@_whom
def skip(ctx: click.Context, **whom: Any) -> None:
    """Pass over the next lesson. The one after it takes its slot."""

    def does(school: School, run: Enrollment, consent: Consent) -> str:
        return f"skipped {school.enrolling.skip(run.id, consent)}"

    _care(ctx, Act("skip", does, states=("active",)), **whom)


@click.command(short_help="Send a lesson once more.")
@click.option("--lesson", "key", metavar="KEY", help="Which; default the last one sent.")
@_whom
def resend(ctx: click.Context, key: str | None, **whom: Any) -> None:
    """Send a lesson once more. Progress and the next slot stay as they are."""
    from scheduler.domain.delivery import DeliveryKind, DeliveryState
    from scheduler.store import ledger

    def does(school: School, run: Enrollment, _consent: Consent) -> str:
        wanted = key
        if wanted is None:
            with school.db.read() as tx:
                sent = [
                    delivery.key
                    for delivery in ledger.deliveries_of(tx, run.id)
                    if delivery.round == run.round
                    and delivery.kind is DeliveryKind.LESSON
                    and delivery.state not in (DeliveryState.CANCELLED, DeliveryState.SKIPPED)
                ]
            if not sent:
                raise NotAllowed("no lesson was sent yet: wait for the first, or use --lesson")
            wanted = sent[-1]
        school.enrolling.resend(run.id, wanted)
        return f"{wanted} will be sent once more"

    _care(ctx, Act("resend", does, states=("active", "paused", "completed")), **whom)


@click.command(short_help="End a run for good.")
@_whom
def stop(ctx: click.Context, **whom: Any) -> None:
    """End a run for good, on behalf of staff. Nothing is sent any more."""

    def does(school: School, run: Enrollment, consent: Consent) -> str:
        return f"{school.enrolling.remove(run.id, consent).state}"

    _care(ctx, Act("stop", does, drastic=True), **whom)


@click.command(short_help="Erase a person and all that is held about them.")
@click.argument("addresses", nargs=-1, required=True, metavar="EMAIL...")
@click.option("--dry-run", is_flag=True, help="Say whom it concerns, change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@as_json_option
@click.pass_context
def forget(
    ctx: click.Context, addresses: tuple[str, ...], dry_run: bool, yes: bool, as_json: bool
) -> None:
    """Erase a person and all that is held about them. This cannot be undone.

    A suppression stays, as a keyed hash: an address that asked for no mail gets none.
    """
    from scheduler.store import people

    with opening.school(ctx) as school:
        with school.db.read() as tx:
            persons = [picking.learner(tx, address) for address in addresses]
        if not dry_run:
            opening.agreed(f"Erase {table.counted(len(persons), 'person', 'people')}?", yes=yes)
        rows = []
        for person in persons:
            erased = 0 if dry_run else school.enrolling.forget(person.id)
            outcome = "would be erased" if dry_run else f"erased, {erased} rows"
            rows.append({"email": person.address, "outcome": outcome})
        if not dry_run:
            with school.db.write() as tx:
                detail = f"learners {', '.join(str(person.id) for person in persons)}"
                people.add_audit(tx, school.clock.now(), "terminal", "forget", detail)
    if as_json:
        table.print_json({"dry_run": dry_run, "rows": rows})
    else:
        table.print_table(("email", "outcome"), [tuple(row.values()) for row in rows])


def _care(
    ctx: click.Context,
    act: Act,
    *,
    addresses: tuple[str, ...],
    course: str | None,
    state: str | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
) -> None:
    from scheduler.store import people

    if not addresses and not course and not state:
        raise click.UsageError("Say whom: an address, or --course and --state.")
    with opening.school(ctx) as school:
        with school.db.read() as tx:
            picked = picking.runs(tx, addresses, course=course, state=state)
        if not state and not addresses:
            picked = [(who, run) for who, run in picked if run.state in act.states]
        if not picked:
            raise click.ClickException("nobody fits. See: course learners list")
        if not dry_run and (act.drastic or len(picked) > 1):
            opening.agreed(f"{act.name} {table.counted(len(picked), 'run')}?", yes=yes)
        rows, failed = _each(school, act, picked, dry_run)
        if not dry_run:
            with school.db.write() as tx:
                ids = ", ".join(str(run.id) for _, run in picked[:50])
                detail = f"{len(picked)} enrollments: {ids}"
                people.add_audit(tx, school.clock.now(), "terminal", act.name, detail)
    if as_json:
        table.print_json({"action": act.name, "dry_run": dry_run, "rows": rows})
    else:
        table.print_table(
            ("email", "course", "state", "outcome"), [tuple(row.values()) for row in rows]
        )
    if dry_run:
        table.say(f"{table.counted(len(rows), 'run')}. Nothing was changed.")
    ctx.exit(doors.FAILED if failed else 0)


def _each(
    school: School, act: Act, picked: list[tuple[Learner, Enrollment]], dry_run: bool
) -> tuple[list[dict[str, str]], int]:
    rows, failed = [], 0
    consent = Consent(
        "staff", f"{act.name} by staff", f"course learners {act.name}", school.clock.now()
    )
    for who, run in picked:
        try:
            outcome = f"would {act.name}" if dry_run else act.does(school, run, consent)
        except NotAllowed as refusal:
            outcome, failed = f"not done: {refusal}", failed + 1
        rows.append(
            {"email": who.address, "course": run.course, "state": str(run.state),
             "outcome": outcome}
        )  # fmt: skip
    return rows, failed
