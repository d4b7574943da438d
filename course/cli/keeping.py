"""`course backup` and `course restore`: the database as one file."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import click

from course.cli import opening, table

_PG_DUMP = (
    'PostgreSQL is kept with its own tools: pg_dump --format=custom --file={file} "$DATABASE_URL"'
)
_PG_RESTORE = (
    "PostgreSQL is restored with its own tools: pg_restore --clean --if-exists"
    ' --dbname="$DATABASE_URL" {file}   (then `course db upgrade`, and `course adopt`)'
)


@click.command(short_help="Copy the database to a file, also while running.")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Overwrite FILE.")
@click.pass_context
def backup(ctx: click.Context, file: Path, force: bool) -> None:
    """Copy the database to FILE, also while it is in use. Keep lessons, templates and
    config.yaml in version control, and SECRET_KEY in a safe place, beside it."""
    from scheduler.store import Database

    settings = opening.settings(ctx)
    if not settings.database_url.startswith("sqlite:"):
        raise click.ClickException(_PG_DUMP.format(file=file))
    if file.exists() and not force:
        raise click.ClickException(f"{file} exists. Choose another name, or add --force.")
    if no_database_yet(settings.database_url):
        raise click.ClickException("there is no database yet. Start with `course serve`.")
    database = Database(settings.database_url)
    try:
        database.backup(file)
    finally:
        database.close()
    size = file.stat().st_size / 1024
    table.say(f"{file} written ({size:,.0f} KB). Put back with: course restore {file}")
    if (key := settings.var / "secret.key").is_file():
        table.say(f"Keep {key} as well: links in mails already sent need it.")


@click.command(short_help="Put a backup in place of the database.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Replace a database that holds something.")
@click.pass_context
def restore(ctx: click.Context, file: Path, force: bool) -> None:
    """Put a backup in place of the database. Stop `serve` and `work` first.

    Nothing is sent afterwards until `course adopt`: what left since the backup was made is not
    in it. The database that was there before is kept beside it.
    """
    from course import adoption
    from scheduler.store import Database, people

    settings = opening.settings(ctx)
    if not settings.database_url.startswith("sqlite:"):
        raise click.ClickException(_PG_RESTORE.format(file=file))
    target = sqlite_file(settings.database_url)
    if target.exists() and target.samefile(file):
        raise click.ClickException(f"{file} is the database itself. Name a backup.")
    _must_be_ours(file)
    kept = None
    if target.exists() and target.stat().st_size:
        if not force:
            raise click.ClickException(
                f"{target} holds a database. Add --force to replace it; it is kept as"
                f" {_aside(target).name}."
            )
        kept = _aside(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f"{target.name}.restoring")
    source = Database(f"sqlite:///{file.resolve()}")
    try:
        source.backup(fresh)
    finally:
        source.close()
    if kept is not None:
        _keep(target, kept)
    for leftover in ("-wal", "-shm", "-journal"):
        target.with_name(target.name + leftover).unlink(missing_ok=True)
    os.replace(fresh, target)  # noqa: PTH105 - says what it does
    database = Database(settings.database_url)
    try:
        database.upgrade()
        with database.write() as tx:
            people.set_meta(tx, adoption.REVIEW, f"this database was restored from {file.name}")
    finally:
        database.close()
    table.say(f"{target} is now what {file} holds.")
    if kept is not None:
        table.say(f"What was there before: {kept}")
    table.say("Nothing is sent until you have looked (course plan) and said so: course adopt")


def _keep(target: Path, kept: Path) -> None:
    """A consistent copy of what is there; of a damaged file the files as they are, for whoever
    may still get something out of them."""
    from scheduler.errors import DatabaseDamaged
    from scheduler.store import Database

    old = Database(f"sqlite:///{target.resolve()}")
    try:
        old.backup(kept)
    except DatabaseDamaged:
        for ending in ("", "-wal", "-journal"):
            part = target.with_name(target.name + ending)
            if part.exists():
                shutil.copy2(part, kept.with_name(kept.name + ending))
    finally:
        old.close()


def _must_be_ours(file: Path) -> None:
    """A sound SQLite file with our tables; else exit code 1, before anything is touched."""
    with file.open("rb") as start:
        if start.read(16) != b"SQLite format 3\x00":
            raise click.ClickException(f"{file} is no SQLite database. Name a `course backup`.")
    from scheduler.store.sqlite import driver

    module = driver()
    try:
        connection = module.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)
        try:
            verdict = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
        finally:
            connection.close()
    except module.Error as error:
        raise click.ClickException(f"{file} cannot be read ({error}). Use another.") from None
    if verdict != "ok":
        raise click.ClickException(f"{file} is damaged ({verdict}). Use an earlier backup.")
    if not {"learners", "deliveries"} <= tables:
        raise click.ClickException(f"{file} is another program's database. Name a `course backup`.")


def no_database_yet(url: str) -> bool:
    """A SQLite file that was never made, or is empty still; opening it would make one."""
    if not url.startswith("sqlite:"):
        return False
    file = sqlite_file(url)
    return not file.exists() or not file.stat().st_size


def sqlite_file(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///").partition("?")[0])


def _aside(target: Path) -> Path:
    number = 1
    while (aside := target.with_name(f"{target.name}.before-restore-{number}")).exists():
        number += 1
    return aside
