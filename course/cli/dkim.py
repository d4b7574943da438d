"""`course dkim`: makes a key that signs mail, and says what the DNS must hold for it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from course.cli import doors, opening, table
from course.cli.operate import as_json_option

if TYPE_CHECKING:
    from course.config import Settings
    from scheduler.providers.wire.dkim_keys import SigningKey


@click.group(cls=doors.Doors, short_help="Make keys that sign mail, and their DNS records.")
def dkim() -> None:
    """Make keys that sign mail, and their DNS records."""


@dkim.command("new")
@click.argument("selector")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--ed25519", is_flag=True, help="A key of the newer kind, beside an RSA key.")
@click.pass_context
def dkim_new(ctx: click.Context, selector: str, file: Path, ed25519: bool) -> None:
    """Write a new key to FILE, and print the DNS record to add.

    SELECTOR names the key in the DNS; take a new one for each key, such as mail2026.
    """
    from scheduler.providers.wire import dkim_keys

    settings = opening.settings(ctx)
    if not dkim_keys.is_selector(selector):
        raise click.BadParameter(
            "must be made of letters, digits and hyphens, such as mail2026", param_hint="SELECTOR"
        )
    try:
        key = dkim_keys.write_new_key(file, selector, "ed25519" if ed25519 else "rsa")
    except FileExistsError:
        raise click.ClickException(
            f"{file} exists and is kept: mail on its way may be signed with it. Take another name."
        ) from None
    table.say(f"{file} written; only its owner can read it. Add this TXT record to the DNS:")
    _print_record(settings, key)
    after = ", after the RSA key and a comma" if ed25519 else ""
    entry = f"{selector}:{_as_in_config(settings, file)}"
    table.say(f"Once it is published, name it in SMTP_DKIM{after}: {entry}")


@dkim.command("show")
@as_json_option
@click.pass_context
def dkim_show(ctx: click.Context, as_json: bool) -> None:
    """Print the DNS records of the keys in force."""
    from scheduler.providers.wire import dkim_keys

    settings = opening.settings(ctx)
    keys = dkim_keys.read_keys(settings.smtp.dkim)
    if as_json:
        records = [
            {"name": _record_name(settings, key), "type": "TXT", "value": dkim_keys.dns_record(key)}
            for key in keys
        ]
        table.print_json({"records": records})
        return
    if not keys:
        table.say("SMTP_DKIM is not set: mail leaves unsigned, and the mail server may sign it.")
    for key in keys:
        _print_record(settings, key)


def _print_record(settings: Settings, key: SigningKey) -> None:
    from scheduler.providers.wire.dkim_keys import dns_record

    click.echo(f"name   {_record_name(settings, key)}")
    click.echo(f"value  {dns_record(key)}")


def _record_name(settings: Settings, key: SigningKey) -> str:
    from scheduler.providers.wire.dkim_keys import record_name

    return record_name(key.selector, settings.email_from.address.rpartition("@")[2])


def _as_in_config(settings: Settings, file: Path) -> Path:
    """Relative to the folder of config.yaml when it lies there, as other paths in it are."""
    whole, home = file.resolve(), settings.home.resolve()
    return whole.relative_to(home) if whole.is_relative_to(home) else whole
