"""`course doctor`: looks for trouble, here and outside, and says how to cure it.

Lists only what it really looked at. Sends no mail and changes nothing, anywhere.
"""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from course.cli import doors, opening, table
from course.cli.examining.finding import Result
from course.cli.operate import as_json_option

if TYPE_CHECKING:
    from course.config import Settings

_MARKS = {"ok": "✓", "warning": "!", "problem": "✗"}
_COLOURS = {"ok": "green", "warning": "yellow", "problem": "red"}
_NARROWEST = 40


@click.command(short_help="Look for trouble and say how to cure it.")
@as_json_option
@click.option("--offline", is_flag=True, help="Ask nothing of the network.")
@click.option(
    "--resolver", default="", metavar="HOST[:PORT]",
    help="The DNS server to ask; default this machine's own.",
)  # fmt: skip
@click.option(
    "--selector", "selectors", multiple=True, metavar="NAME",
    help="A DKIM selector that mail is signed with; may be given several times.",
)  # fmt: skip
@click.option("--strict", is_flag=True, help="Exit with 3 on warnings, too.")
@click.pass_context
def doctor(
    ctx: click.Context,
    as_json: bool,
    offline: bool,
    resolver: str,
    selectors: tuple[str, ...],
    strict: bool,
) -> None:
    """Look for trouble and say how to cure it. Exits with 3 when there is a problem.

    With real delivery it also asks DNS about the sender's domain, the site about its certificate
    and one-click leaving, and the provider whether it lets us in. No mail is sent.
    """
    results = list(_look(ctx, offline, resolver, selectors))
    problems = sum(result.level == "problem" for result in results)
    warnings = sum(result.level == "warning" for result in results)
    if as_json:
        table.print_json(
            {"problems": problems, "warnings": warnings, "checks": [asdict(r) for r in results]}
        )
    else:
        _print(results)
        table.say(f"{table.counted(problems, 'problem')}, {table.counted(warnings, 'warning')}.")
    ctx.exit(doors.FINDINGS if problems or (strict and warnings) else 0)


def _look(
    ctx: click.Context, offline: bool, resolver: str, selectors: Sequence[str]
) -> Iterator[Result]:
    from course.cli.examining import carrier, ledger, machine, sender
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
    yield machine.address(settings)
    yield from sender.sender_checks(settings)
    if offline or settings.delivery == "file":
        yield carrier.settings_only(settings)
    yield from _outside(settings, offline, resolver, selectors)
    yield from ledger.database_checks(settings)
    yield machine.zones()
    yield machine.space(settings)
    yield machine.lessons(settings)


def _outside(
    settings: Settings, offline: bool, resolver: str, selectors: Sequence[str]
) -> Iterator[Result]:
    from course.cli.examining import outside
    from course.cli.examining.names import Names

    asked = outside.left_out(settings)
    if not asked:
        return
    if offline:
        yield Result("network", "ok", f"not asked, because of --offline: {', '.join(asked)}")
        return
    try:
        names = Names(resolver)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--resolver") from None
    table.say(f"Asking about {', '.join(asked)}: at most {outside.ALL_S:.0f} s.")
    yield from outside.examine(settings, names, selectors)


def _print(results: Sequence[Result]) -> None:
    """Words are wrapped for a terminal; a record never is, so that it can be copied whole."""
    width = max(len(result.check) for result in results)
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
    indent = " " * (width + 4)
    for result in results:
        mark = click.style(_MARKS[result.level], fg=_COLOURS[result.level])
        first, *others = _wrapped(result.found, columns - len(indent)) or [""]
        click.echo(f"{mark} {result.check:<{width}}  {first}")
        for line in others:
            click.echo(f"{indent}{line}")
        for place, line in enumerate(_wrapped(result.fix, columns - len(indent) - 2)):
            click.echo(f"{indent}{' ' if place else '→'} {line}")
        if result.record:
            click.echo(f"\n{result.record}\n")


def _wrapped(text: str, columns: int) -> list[str]:
    if columns < _NARROWEST:
        return [text] if text else []
    return textwrap.wrap(text, columns, break_long_words=False, break_on_hyphens=False)
