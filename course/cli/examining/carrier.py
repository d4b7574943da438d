"""Does the provider let us in? Asks it as sending would, and sends nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from course.cli.examining.finding import Result

if TYPE_CHECKING:
    from course.config import Settings

#: Seconds: for a connection, for each answer, and in all.
_LIMITS = {"connect_timeout": 5.0, "timeout": 10.0, "deadline": 17.0}


def settings_only(settings: Settings) -> Result:
    """Can the provider's settings work? Nothing is connected."""
    from scheduler.errors import ProviderMisconfigured
    from scheduler.providers import open_provider

    try:
        open_provider(settings.delivery, settings.provider()).close()
    except ProviderMisconfigured as error:
        return Result("provider", "problem", str(error))
    return Result("provider", "ok", f"the settings of {settings.delivery} can work (not tried)")


def carrier_checks(settings: Settings) -> Iterator[Result]:
    """Log in at the provider and say what it offers."""
    from scheduler.domain.probed import Probed
    from scheduler.domain.provider import Fault
    from scheduler.providers import probe

    sound = settings_only(settings)
    if sound.level != "ok":
        yield sound
        return
    answer = probe(settings.delivery, {**settings.provider(), **_LIMITS})
    if answer is None:
        yield sound
    elif isinstance(answer, Probed):
        yield Result(
            "provider", "warning" if answer.lacking else "ok", answer.found, answer.lacking
        )
    elif answer.fault is Fault.CONFIG:
        yield Result("provider", "problem", answer.detail, _cure(settings.delivery))
    else:
        yield Result(
            "provider", "warning", f"could not be asked: {answer.detail}",
            f"check {_address(settings.delivery)}, and that nothing between blocks the way;"
            " if it is only away for now, mail waits",
        )  # fmt: skip


def _cure(delivery: str) -> str:
    cures = {
        "smtp": "SMTP_URL must say what the server knows; @ : / # ? in user and password are"
        " percent-encoded",
        "sendgrid": "make a key with the permission Mail Send at SendGrid and set SENDGRID_API_KEY",
    }
    return cures.get(delivery, f"correct the block {delivery}: in config.yaml")


def _address(delivery: str) -> str:
    return {"smtp": "host and port in SMTP_URL", "sendgrid": "SENDGRID_API_URL"}.get(
        delivery, f"the block {delivery}: in config.yaml"
    )
