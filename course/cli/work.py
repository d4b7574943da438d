"""`course work`: the worker alone."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from course.cli import doors, opening, table
from course.cli.stopping import Stop

if TYPE_CHECKING:
    from course.wiring import School


def instant(text: str) -> datetime:
    """An ISO 8601 instant; without an offset it is read as UTC. Raises a usage error."""
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(
            f"{text!r} is no instant: write 2026-11-24T07:00Z or 2026-11-24T07:00+05:30",
            param_hint="--as-of",
        ) from None
    return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)


@click.command(short_help="Run the worker alone, or send what is due and exit.")
@click.option("--once", is_flag=True, help="Send everything due, print the counts, and exit.")
@click.option("--as-of", metavar="ISO", help="With --once: what is due at this instant.")
@click.option("--json", "as_json", is_flag=True, help="With --once: the counts as JSON.")
@click.pass_context
def work(ctx: click.Context, once: bool, as_of: str | None, as_json: bool) -> None:
    """Run the worker alone, or send what is due and exit.

    At SIGTERM or Ctrl-C the mail in hand is finished, within 30 seconds, and the rest stays due;
    a second signal ends at once.

    Exits with 4 when some deliveries failed, and 69 when the provider or the database is away.
    """
    if (as_of or as_json) and not once:
        raise click.UsageError("--as-of and --json need --once.")
    from scheduler.clock import FixedClock

    clock = FixedClock(instant(as_of)) if as_of else None
    with opening.school(ctx, worker=True, clock=clock, quiet=once) as school:
        stop = Stop(school.dispatcher.stop)
        stop.listen()
        opening.keep_what_is_loaded()
        if once:
            ctx.exit(_send_due(school, as_json, stop))
        _run(school, stop)


def _send_due(school: School, as_json: bool, stop: Stop) -> int:
    from course import wiring

    upkeep = school.upkeep.run()
    try:
        counts = school.dispatcher.run_due()
    finally:
        # A database that failed in the middle may take the last outcomes a moment later.
        school.dispatcher.finish(wiring.DRAIN_SECONDS)
    numbers = counts.as_dict()
    now = school.clock.now()
    with school.db.read() as tx:
        from course import adoption

        held = adoption.held(tx, school.settings.base_url)
    if as_json:
        table.print_json({"as_of": now, **numbers, "upkeep": upkeep, "held": held})
    else:
        for name, number in numbers.items():
            click.echo(f"{name:<10} {number}")
    if stop.asked:
        table.say("Stopped: the mail in hand was finished, the rest stays due.")
        return 0
    if held:
        table.say(f"Nothing was sent: {held}")
        return doors.FAILED
    if away := school.dispatcher.away:
        table.say(f"The provider {school.provider.name} is away: {away}. The rest stays due.")
        return doors.AWAY
    if counts.failed:
        table.say("Some deliveries failed: see `course learners failures`.")
        return doors.SOME_FAILED
    return 0


def _run(school: School, stop: Stop) -> None:
    from course import wiring

    if school.held:
        table.say(f"Nothing is sent: {school.held}")
    school.start_driver()
    table.say(
        f"Working on {school.db.describe()}, sending by {school.provider.name}. Ctrl-C stops."
    )
    # Not a lock's wait: a signal handler that set it could find it held by the very same thread.
    while not stop.asked:
        time.sleep(0.5)
    table.say("Stopping: the mail in hand is finished, the rest stays due.")
    if not school.stop_driver(stop.left(wiring.DRAIN_SECONDS)):
        table.say("A mail was still in hand; it is looked into at the next start.")
