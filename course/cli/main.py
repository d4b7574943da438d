"""The front door: lists the commands and imports only the one that is called."""

from __future__ import annotations

import click

from course.cli.doors import FrontDoor, config_option

#: Name -> (module in course.cli, one line of help). Tests compare the lines with the commands.
COMMANDS = {
    "init": ("author", "Make a project of your own: lessons, templates, config."),
    "new": ("author", "Add a lesson or a course that already passes `check`."),
    "check": ("author", "Find mistakes in lessons before a learner does."),
    "preview": ("preview", "Show the lessons in the browser; reload as you save."),
    "send": ("author", "Send one copy of a lesson, marked [TEST]."),
    "serve": ("serve", "Run web site and worker in one process."),
    "work": ("work", "Run the worker alone, or send what is due and exit."),
    "demo": ("demo", "Play five days in seconds, with sample learners."),
    "plan": ("plan", "Say who would get what, and when; sends nothing."),
    "explain": ("explain", "Tell one learner's story, and what comes next."),
    "learners": ("people", "List, enroll, pause and care for learners."),
    "import": ("importing", "Take in learners from a CSV file."),
    "export": ("people", "Write learners or deliveries to stdout."),
    "bounces": ("bounces", "Take in bounces and complaints that came back by mail."),
    "doctor": ("doctor", "Look for trouble and say how to cure it."),
    "dkim": ("dkim", "Make keys that sign mail, and their DNS records."),
    "config": ("operate", "Show every setting and where it came from."),
    "db": ("operate", "Bring the database up to date, or check it."),
    "backup": ("keeping", "Copy the database to a file, also while running."),
    "restore": ("keeping", "Put a backup in place of the database."),
    "adopt": ("operate", "Let a restored or moved database send again."),
    "admin": ("operate", "Get into the admin pages."),
    "healthcheck": ("operate", "Ask a running server whether it is well."),
    "version": ("operate", "Say which version this is."),
}

_EPILOG = (
    "Exit codes: 0 done, 1 failed, 2 usage, 3 checks found problems, 4 some deliveries failed,"
    " 69 provider or database away, 78 configuration."
)


def _print_version(ctx: click.Context, _option: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from course.cli.versions import program_version

        click.echo(f"course {program_version()}")
        ctx.exit()


def _no_color(ctx: click.Context, _option: click.Parameter, value: bool) -> None:
    if value:
        ctx.color = False


@click.group(
    cls=FrontDoor,
    lazy=COMMANDS,
    invoke_without_command=True,
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Print the version and exit.",
)
@click.option(
    "--no-color", is_flag=True, expose_value=False, is_eager=True, callback=_no_color,
    help="Plain text, as with NO_COLOR=1.",
)  # fmt: skip
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Mini email courses: one lesson each morning, at each learner's own hour."""
    import os

    if os.environ.get("NO_COLOR"):
        ctx.color = False
    if ctx.invoked_subcommand is None:
        from course.cli.next_steps import say_next_steps

        say_next_steps(ctx)


cli.params.append(config_option(hidden=False))
