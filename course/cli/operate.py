"""Small commands for whoever runs the machine: config, db, admin, adopt, healthcheck, version."""

from __future__ import annotations

import json
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import click

from course.cli import doors, opening, table

as_json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document.")


@click.group(cls=doors.Doors, short_help="Show every setting and where it came from.")
def config() -> None:
    """Show every setting and where it came from."""


@config.command("show")
@as_json_option
@click.pass_context
def config_show(ctx: click.Context, as_json: bool) -> None:
    """Print every setting, its value (secrets hidden) and its source."""
    settings = opening.settings(ctx)
    rows = settings.shown()
    if as_json:
        table.print_json(
            {
                "config_file": settings.config_file,
                "home": settings.home,
                "settings": [
                    {"key": key, "value": value, "source": source} for key, value, source in rows
                ],
            }
        )
        return
    table.say(f"Config: {settings.config_file or 'none'}; paths are relative to {settings.home}")
    table.print_table(("setting", "value", "from"), rows)


@click.group(cls=doors.Doors, short_help="Bring the database up to date, or check it.")
def db() -> None:
    """Bring the database up to date, or check it."""


@db.command("upgrade")
@click.pass_context
def db_upgrade(ctx: click.Context) -> None:
    """Bring the database up to date. Safe to repeat; SQLite files are copied first."""
    from scheduler.store import Database

    database = Database(opening.settings(ctx).database_url)
    try:
        changed = database.upgrade()
        table.say(f"{database.describe()} {'is now' if changed else 'was already'} up to date.")
    finally:
        database.close()


@db.command("check")
@as_json_option
@click.pass_context
def db_check(ctx: click.Context, as_json: bool) -> None:
    """Is the database sound and up to date? Exits with 1 when it is not."""
    from scheduler.store import Database

    database = Database(opening.settings(ctx).database_url)
    try:
        current = database.is_current()
        if current:
            database.check()
        if as_json:
            table.print_json({"database": database.describe(), "up_to_date": current})
        else:
            verdict = "sound and up to date" if current else "not up to date: course db upgrade"
            click.echo(f"{database.describe()}: {verdict}")
    finally:
        database.close()
    ctx.exit(0 if current else doors.FAILED)


@click.command(short_help="Let a restored or moved database send again.")
@click.pass_context
def adopt(ctx: click.Context) -> None:
    """Let a restored or moved database send again, for the BASE_URL in force.

    Do this only when the old place sends no more: two would write to everybody twice.
    """
    from course import adoption

    with opening.school(ctx) as school:
        url = school.settings.base_url
        with school.db.write() as tx:
            reason = adoption.held(tx, url)
            adoption.adopt(tx, url, school.clock.now())
            from scheduler.store import people

            people.add_audit(tx, school.clock.now(), "terminal", "adopt", reason or "nothing held")
        table.say(f"This database now sends for {adoption.identity(url)}.")
        if not reason:
            table.say("Nothing had held it back.")


@click.group(cls=doors.Doors, short_help="Get into the admin pages.")
def admin() -> None:
    """Get into the admin pages."""


@admin.command("login-link")
@as_json_option
@click.pass_context
def admin_login_link(ctx: click.Context, as_json: bool) -> None:
    """Print a link into the admin pages that works once, for ten minutes."""
    from course.cli.serve import admin_link

    with opening.school(ctx) as school:
        link = admin_link(school)
    if as_json:
        table.print_json({"url": link, "works_for_minutes": 10})
    else:
        click.echo(link)


@click.command(short_help="Ask a running server whether it is well.")
@click.option("--url", help="Its address; default from HOST and PORT.")
@click.option("--timeout", type=float, default=5.0, show_default=True, help="Seconds to wait.")
@click.pass_context
def healthcheck(ctx: click.Context, url: str | None, timeout: float) -> None:
    """Ask a running server whether it is well (/readyz). Exits with 0 or 1."""
    from course.config import local_address

    settings = opening.settings(ctx)
    base = (url or local_address(settings.host, settings.port)).rstrip("/")
    if not base.startswith(("http://", "https://")):
        raise click.BadParameter("must begin with http:// or https://", param_hint="--url")
    try:
        with urlopen(Request(f"{base}/readyz"), timeout=timeout) as answer:  # noqa: S310
            body = answer.read(4096).decode("utf-8", "replace")
    except HTTPError as error:
        body = error.read(4096).decode("utf-8", "replace").strip()
        raise click.ClickException(
            f"{base} answers {error.code}: {_reason(body)}. See its log, or run `course doctor`."
        ) from None
    except (URLError, OSError) as error:
        why = getattr(error, "reason", error)
        raise click.ClickException(
            f"nothing answers at {base} ({why}). Is `course serve` running there?"
        ) from None
    click.echo(f"{base} is well" + (f": {_reason(body)}" if body.strip() else ""))


@click.command(short_help="Say which version this is.")
@as_json_option
def version(as_json: bool) -> None:
    """Say which version this is, and the versions of its main parts."""
    from course.cli.versions import versions

    found = versions()
    if as_json:
        table.print_json(found)
        return
    for name, text in found.items():
        click.echo(f"{name} {text}")


def _reason(body: str) -> str:
    """The health page's words on one line, whether it speaks JSON or text."""
    try:
        document = json.loads(body)
    except ValueError:
        return " ".join(body.split())[:300]
    if not isinstance(document, dict):
        return str(document)[:300]
    checks = document.get("checks")
    troubles = {n: v for n, v in checks.items() if v != "ok"} if isinstance(checks, dict) else {}
    words = [str(document.get("status", "")), *(f"{n} {v}" for n, v in troubles.items())]
    return "; ".join(filter(None, words))[:300]
