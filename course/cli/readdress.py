"""`course learners readdress`: staff moves one person to another address, at once.

Asks nobody for confirmation: whoever runs it knows the person. Refuses to merge two learners.
"""

from __future__ import annotations

import click

from course.cli import opening, picking, table
from course.cli.operate import as_json_option
from scheduler.domain.learner import Consent


@click.command(short_help="Move a person to another address.")
@click.argument("address", metavar="EMAIL")
@click.argument("new", metavar="NEW")
@click.option("--dry-run", is_flag=True, help="Say what would be done, change nothing.")
@as_json_option
@click.pass_context
def readdress(ctx: click.Context, address: str, new: str, dry_run: bool, as_json: bool) -> None:
    """Move a person to another address: every course, and all mail that has not left yet.

    It takes effect at once, and the old address is told. Links in older mails keep working.
    """
    from course.cli import roster
    from scheduler.store import people

    try:
        wanted = roster.address(new)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="NEW") from None
    with opening.school(ctx) as school:
        with school.db.read() as tx:
            person = picking.learner(tx, address)
        if dry_run:
            school.enrolling.may_readdress(person.id, wanted)
        else:
            now = school.clock.now()
            consent = Consent("address", "Changed by staff.", "course learners readdress", now)
            school.enrolling.readdress(person.id, wanted, consent)
            with school.db.write() as tx:
                people.add_audit(tx, now, "terminal", "readdress", f"learner {person.id}")
    row = {
        "email": person.address,
        "new": wanted,
        "outcome": "would be changed" if dry_run else "changed",
    }
    if as_json:
        table.print_json({"action": "readdress", "dry_run": dry_run, "rows": [row]})
    else:
        table.print_table(tuple(row), [tuple(row.values())])
    if dry_run:
        table.say("Nothing was changed.")
