"""Command groups that import a command only when it is called, and turn faults into exit codes.

Refuses to show a stack trace for what an operator can cure: each such message says what to do.
"""

from __future__ import annotations

import keyword
import os
import sys
import traceback
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import click

FAILED, USAGE, FINDINGS, SOME_FAILED, AWAY, CONFIG = 1, 2, 3, 4, 69, 78


def remember_config(ctx: click.Context, _option: click.Parameter, value: Path | None) -> None:
    """Keep --config for `opening`, whether it stands before or after the command's name."""
    if value is not None:
        ctx.find_root().meta["config"] = value


def config_option(*, hidden: bool) -> click.Option:
    """`--config PATH`; every command takes it, the front door shows it."""
    return click.Option(
        ["--config"],
        type=click.Path(path_type=Path),
        expose_value=False,
        callback=remember_config,
        hidden=hidden,
        metavar="PATH",
        help="The config.yaml to read; default ./config.yaml, else the checkout's.",
    )


class Doors(click.Group):
    """A group whose commands are named in `lazy`: name -> (module, one line of help)."""

    def __init__(
        self, *args: Any, lazy: Mapping[str, tuple[str, str]] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.lazy = dict(lazy or {})

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*self.lazy, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in self.lazy:
            module, _ = self.lazy[cmd_name]
            name = cmd_name.replace("-", "_")
            name += "_" * keyword.iskeyword(name)  # `import` is Python's own word
            found = getattr(import_module(f"course.cli.{module}"), name)
            assert isinstance(found, click.Command)
            command: click.Command | None = found
        else:
            command = super().get_command(ctx, cmd_name)
        if command is not None and not any(p.name == "config" for p in command.params):
            command.params.append(config_option(hidden=True))
        return command

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(name, text) for name, (_, text) in self.lazy.items()]
        rows += [
            (name, command.get_short_help_str(80))
            for name, command in self.commands.items()
            if not command.hidden
        ]
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            import difflib

            near = difflib.get_close_matches(args[0], self.list_commands(ctx), 1)
            if near:
                hint = f"{error.message} Did you mean `{ctx.command_path} {near[0]}`?"
                raise click.UsageError(hint, ctx) from None
            raise


class FrontDoor(Doors):
    """The outermost group: faults become a message on stderr and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.exceptions.Exit, click.Abort, click.ClickException):
            raise
        except BrokenPipeError:
            # The reader (head, less) went away: no fault of anybody.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(0)
        except Exception as error:
            ctx.exit(tell(error))


def tell(error: Exception) -> int:
    """Say on stderr what went wrong and what to do; returns the exit code."""
    from course.errors import ConfigError, CourseError
    from scheduler import errors as post_office

    if isinstance(error, ConfigError):
        count = len(error.problems)
        click.echo(f"Configuration: {count} problem{'s' if count > 1 else ''}", err=True)
        for problem in error.problems:
            click.echo(f"  {problem}", err=True)
        click.echo("Correct these, then try again.", err=True)
        return CONFIG
    if isinstance(error, post_office.ProviderMisconfigured):
        click.echo(f"Configuration: {error}", err=True)
        return CONFIG
    if isinstance(error, (post_office.DatabaseUnavailable, post_office.DatabaseDamaged)):
        click.echo(f"Database: {error}", err=True)
        return AWAY
    if isinstance(error, (CourseError, post_office.SchedulerError)):
        click.echo(f"Error: {error}", err=True)
        return FAILED
    if isinstance(error, OSError) and error.filename is not None:
        click.echo(
            f"Error: {error.filename}: {error.strerror}. Check the path and its permissions.",
            err=True,
        )
        return FAILED
    traceback.print_exception(error)
    click.echo(
        "This is a fault of the program, not yours. Please report it with the lines above and"
        " with `course version`.",
        err=True,
    )
    return FAILED
