"""`course doctor`: looks for trouble on this machine and says how to cure it.

Lists only what it really checks. Asks nothing of the network.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

import click

from course.cli import doors, opening, table
from course.cli.operate import as_json_option

if TYPE_CHECKING:
    from course.config import Settings
    from scheduler.store import Database

#: Mailbox domains whose owners forbid others to send as them.
_FREEMAIL = (
    "gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "live.com", "yahoo.com",
    "icloud.com", "aol.com", "gmx.de", "gmx.net", "web.de", "proton.me",
)  # fmt: skip
#: A worker that has not said so for this many ticks is no longer there.
_MISSED_TICKS = 3
_LITTLE_SPACE = 200 * 1024 * 1024
_MARKS = {"ok": "✓", "warning": "!", "problem": "✗"}


@dataclass(frozen=True, slots=True)
class Result:
    """One thing looked at."""

    check: str
    level: Literal["ok", "warning", "problem"]
    found: str
    fix: str = ""


@click.command(short_help="Look for trouble and say how to cure it.")
@as_json_option
@click.option("--offline", is_flag=True, help="Ask nothing of the network (the default so far).")
@click.option("--strict", is_flag=True, help="Exit with 3 on warnings, too.")
@click.pass_context
def doctor(ctx: click.Context, as_json: bool, offline: bool, strict: bool) -> None:  # noqa: ARG001
    """Look for trouble and say how to cure it. Exits with 3 when there is a problem."""
    results = list(_look(ctx))
    problems = sum(result.level == "problem" for result in results)
    warnings = sum(result.level == "warning" for result in results)
    if as_json:
        table.print_json(
            {"problems": problems, "warnings": warnings, "checks": [asdict(r) for r in results]}
        )
    else:
        colours = {"ok": "green", "warning": "yellow", "problem": "red"}
        width = max(len(result.check) for result in results)
        for result in results:
            mark = click.style(_MARKS[result.level], fg=colours[result.level])
            click.echo(f"{mark} {result.check:<{width}}  {result.found}")
            if result.fix:
                click.echo(f"  {'':<{width}}  {result.fix}")
        table.say(f"{table.counted(problems, 'problem')}, {table.counted(warnings, 'warning')}.")
    ctx.exit(doors.FINDINGS if problems or (strict and warnings) else 0)


def _look(ctx: click.Context) -> Iterator[Result]:
    from course.errors import ConfigError

    try:
        settings = opening.settings(ctx)
    except ConfigError as error:
        for problem in error.problems:
            yield Result("config", "problem", problem)
        return
    from_environment = sum(s.startswith(("environment", ".env")) for s in settings.sources.values())
    yield Result(
        "config", "ok",
        f"{settings.config_file or 'none'}: {len(settings.sources)} settings,"
        f" {from_environment} from the environment",
    )  # fmt: skip
    yield _address(settings)
    yield from _sender(settings)
    yield _provider(settings)
    yield from _database(settings)
    yield _zones()
    yield _space(settings)
    yield _lessons(settings)


def _address(settings: Settings) -> Result:
    parts = urlsplit(settings.base_url)
    if settings.is_local:
        if settings.delivery == "file":
            return Result("base URL", "ok", f"{settings.base_url} (this machine only)")
        return Result(
            "base URL", "warning", f"{settings.base_url} opens on this machine only",
            "set BASE_URL to the https address learners can reach",
        )  # fmt: skip
    if parts.scheme != "https":
        return Result(
            "base URL", "warning", f"{settings.base_url} is not encrypted",
            f"put a reverse proxy with TLS in front and set BASE_URL=https://{parts.netloc}",
        )  # fmt: skip
    return Result("base URL", "ok", settings.base_url)


def _sender(settings: Settings) -> Iterator[Result]:
    if settings.delivery == "file":
        yield Result("delivery", "ok", f"file: mail stays in {settings.file.outbox}")
        return
    yield Result("delivery", "ok", f"{settings.delivery}: mail leaves this machine")
    domain = settings.email_from.address.rpartition("@")[2]
    if domain in _FREEMAIL:
        yield Result(
            "sender", "problem", f"{settings.email_from}: {domain} forbids others to send as it",
            "set EMAIL_FROM to an address at a domain of your own",
        )  # fmt: skip
    elif domain.endswith((".example", "example.org", "example.com", ".test", ".invalid")):
        yield Result(
            "sender", "problem", f"{settings.email_from} is an example",
            "set EMAIL_FROM to an address at a domain of your own",
        )  # fmt: skip
    else:
        yield Result("sender", "ok", str(settings.email_from))
    address = ", ".join(settings.postal_address.splitlines())
    yield Result("postal address", "ok", address)


def _provider(settings: Settings) -> Result:
    from scheduler.errors import ProviderMisconfigured
    from scheduler.providers import open_provider

    try:
        open_provider(settings.delivery, settings.provider()).close()
    except ProviderMisconfigured as error:
        return Result("provider", "problem", str(error))
    return Result("provider", "ok", f"the settings of {settings.delivery} can work (not tried)")


def _database(settings: Settings) -> Iterator[Result]:
    from course.cli.keeping import no_database_yet
    from scheduler.errors import SchedulerError
    from scheduler.store import Database

    if no_database_yet(settings.database_url):
        yield Result("database", "ok", "there is none yet; `course serve` makes it")
        return
    database = Database(settings.database_url)
    try:
        if not database.is_current():
            yield Result(
                "database", "problem", f"{database.describe()} is not up to date",
                "back it up, then: course db upgrade",
            )  # fmt: skip
            return
        database.check()
        yield Result("database", "ok", f"{database.describe()}, sound, up to date")
        if database.dialect == "sqlite" and "rollback journal" in database.describe():
            yield Result(
                "SQLite", "warning", "this library has the WAL-reset bug, so a slower mode is used",
                "install the package pysqlite3 (Linux), or a Python with SQLite 3.51.3 or later",
            )  # fmt: skip
        yield from _people(settings, database)
    except SchedulerError as error:
        yield Result("database", "problem", str(error))
    finally:
        database.close()


def _people(settings: Settings, database: Database) -> Iterator[Result]:
    from course import adoption, wiring
    from scheduler.clock import RealClock
    from scheduler.rules.pace import BreakerState
    from scheduler.store import pace, people, presence, reports

    now = RealClock().now()
    with database.read() as tx:
        held = adoption.held(tx, settings.base_url)
        last = wiring.parse_tick(people.get_meta(tx, "last_tick_at"))
        offset = people.get_meta(tx, wiring.DEMO_OFFSET)
        seen = reports.overview(tx, now, now - timedelta(days=1), now)
        resting = pace.breaker(tx, settings.delivery)
        ticks = timedelta(seconds=settings.scheduler.tick_seconds * _MISSED_TICKS)
        workers = [worker.place for worker in presence.workers(tx, since=now - ticks)]
    if held:
        yield Result("sending", "problem", "nothing is sent", held)
    if resting.state is not BreakerState.CLOSED:
        yield Result(
            "provider", "problem", f"{settings.delivery} takes no mail: {resting.said}",
            "mend what it names, then restart; the next mail due tries it again",
        )  # fmt: skip
    if offset is not None:
        ahead = timedelta(seconds=round(float(offset)))
        yield Result("demo", "warning", f"this is a demo's database, {ahead} ahead of the clock")
    if len(workers) > 1 and database.dialect == "sqlite":
        yield Result(
            "workers", "warning", f"{len(workers)} on one file, safe but needless: "
            + ", ".join(workers),
            "keep one: start the others with `course serve --no-worker`",
        )  # fmt: skip
    failures = sum(seen.failures.values())
    if failures:
        yield Result(
            "deliveries", "warning", f"{table.counted(failures, 'delivery', 'deliveries')} failed",
            "look at: course learners failures",
        )  # fmt: skip
    late = timedelta(seconds=round(seen.oldest_due_seconds))
    if offset is None and seen.due_now and late > timedelta(minutes=15):
        yield Result(
            "worker", "problem",
            f"{table.counted(seen.due_now, 'delivery', 'deliveries')} due, the oldest for {late}",
            "is `course serve` or `course work` running?"
            + (f" The last look was at {last:%Y-%m-%d %H:%M} UTC." if last else ""),
        )  # fmt: skip
    elif offset is None and last is not None:
        seconds = timedelta(seconds=round(max((now - last).total_seconds(), 0)))
        yield Result("worker", "ok", f"the last look at who is due was {seconds} ago")


def _zones() -> Result:
    from scheduler import zones

    return Result("time zones", "ok", f"{len(zones.places())} places, tzdata {zones.version()}")


def _space(settings: Settings) -> Result:
    folder = settings.var if settings.var.is_dir() else settings.home
    free = shutil.disk_usage(folder).free
    words = f"{free / 1024**3:,.1f} GB free in {folder}"
    if not os.access(folder, os.W_OK):
        return Result("disk", "problem", f"{folder} is not writable", "change its owner or rights")
    if free < _LITTLE_SPACE:
        return Result("disk", "problem", words, "free some space: what cannot be noted is not sent")
    return Result("disk", "ok", words)


def _lessons(settings: Settings) -> Result:
    from course.catalog import Catalog

    catalog = Catalog(settings.lessons)
    courses = catalog.courses()
    errors = sum(finding.level == "error" for finding in catalog.findings)
    words = f"{table.counted(len(courses), 'course')} in {settings.lessons}"
    if errors:
        return Result(
            "lessons", "problem", f"{words}, {table.counted(errors, 'error')}", "see: course check"
        )
    if not courses:
        return Result("lessons", "warning", words, "add one: course new course NAME")
    return Result("lessons", "ok", words)
