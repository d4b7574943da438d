"""`course learners enroll`: staff enrolls people by hand."""

from __future__ import annotations

from datetime import time

import click

from course.cli import doors, opening, table
from course.cli.operate import as_json_option
from course.cli.people import days_value, hour_value


@click.command(short_help="Enroll one or more addresses.")
@click.argument("addresses", nargs=-1, required=True, metavar="EMAIL...")
@click.option("--course", metavar="KEY", help="Which course; needed when there are several.")
@click.option("--first-name", default="", help="First name.")
@click.option("--timezone", help="IANA name such as Europe/Berlin; default the course's.")
@click.option("--hour", callback=hour_value, help="Local hour such as 7 or 07:30.")
@click.option("--days", callback=days_value, help="daily, weekdays or mon,wed,fri.")
@click.option("--language", default="en", show_default=True, help="Language tag such as en.")
@click.option(
    "--consent", metavar="TEXT",
    help="What they agreed to, and where. Without it they are asked to confirm by mail.",
)  # fmt: skip
@click.option("--welcome", is_flag=True, help="With --consent: send the welcome letter as well.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, change nothing.")
@as_json_option
@click.pass_context
def enroll(
    ctx: click.Context,
    addresses: tuple[str, ...],
    course: str | None,
    first_name: str,
    timezone: str | None,
    hour: time | None,
    days: frozenset[int] | None,
    language: str,
    consent: str | None,
    welcome: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Enroll one or more addresses.

    With --consent the first lesson falls on the next slot; without it a confirmation mail asks.
    """
    from course.cli import roster
    from course.cli.importing import foresee
    from scheduler import zones
    from scheduler.domain.learner import Consent
    from scheduler.enrolling import NewPerson
    from scheduler.errors import UnknownZone

    if welcome and not consent:
        raise click.UsageError("--welcome needs --consent: others are asked to confirm first.")
    try:
        if timezone:
            zones.zone(timezone)
        wanted = list(dict.fromkeys(roster.address(address) for address in addresses))
    except (UnknownZone, ValueError) as error:
        raise click.UsageError(str(error)) from None
    persons = [NewPerson(a, first_name, timezone, hour, days, language) for a in wanted]
    with opening.school(ctx) as school:
        key = opening.one_course(school.catalog, course).key
        if dry_run:
            outcomes = foresee(school, key, persons, consent is not None)
        else:
            agreed = (
                Consent("staff", consent, "course learners enroll", school.clock.now())
                if consent
                else None
            )
            enrolled = school.enrolling.enroll(key, persons, consent=agreed, welcome=welcome)
            outcomes = [one.outcome for one in enrolled]
    rows = list(zip(wanted, outcomes, strict=True))
    if as_json:
        table.print_json(
            {"course": key, "dry_run": dry_run,
             "rows": [{"email": address, "outcome": outcome} for address, outcome in rows]}
        )  # fmt: skip
    else:
        table.print_table(("email", "outcome"), rows)
    if dry_run:
        table.say("Nothing was changed.")
    ctx.exit(0 if any(o in ("new", "pending", "known") for o in outcomes) else doors.FAILED)
