"""What `course` alone says: the three likeliest next commands, for the state things are in."""

from __future__ import annotations

import click

from course.cli import opening, table


def say_next_steps(ctx: click.Context) -> None:
    """Print three commands. Never fails: a broken config is itself the first step."""
    for command, meaning in _steps(ctx):
        click.echo(f"  {command:<26} {meaning}")
    table.say("\nAll commands: course --help")


def _steps(ctx: click.Context) -> list[tuple[str, str]]:
    from course.errors import CourseError

    try:
        settings = opening.settings(ctx)
    except CourseError:
        return [
            ("course doctor", "say what is wrong with the configuration"),
            ("course init DIR", "begin a project of your own"),
            ("course --help", "list all commands"),
        ]
    started = settings.database_url.startswith("sqlite:///") and any(
        settings.var.glob("*.db") if settings.var.is_dir() else ()
    )
    if settings.delivery == "file" and not started:
        return [
            ("course serve --demo", "try it: web site, worker, and a button for the next morning"),
            ("course check", "look over the lessons"),
            ("course init DIR", "begin a project of your own"),
        ]
    if settings.delivery == "file":
        return [
            ("course serve", "run web site and worker"),
            ("course plan", "who would get what, and when"),
            ("course preview", "see the lessons as you write them"),
        ]
    return [
        ("course doctor", "is everything ready for real mail?"),
        ("course plan", "who would get what, and when"),
        ("course serve", "run web site and worker"),
    ]
