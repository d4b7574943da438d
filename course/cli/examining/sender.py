"""Is the sender one's own, and does the mail say who is behind it?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from course.cli.examining.finding import Result

if TYPE_CHECKING:
    from course.config import Settings

#: Mailbox domains whose owners forbid others to send as them.
_FREEMAIL = (
    "gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "live.com", "yahoo.com",
    "icloud.com", "aol.com", "gmx.de", "gmx.net", "web.de", "proton.me",
)  # fmt: skip
_EXAMPLES = (".example", "example.org", "example.com", "example.net", ".test", ".invalid")


def is_own(settings: Settings) -> bool:
    """Can the sender's domain be the operator's own?"""
    domain = settings.email_from.address.rpartition("@")[2].lower()
    return domain not in _FREEMAIL and not domain.endswith(_EXAMPLES)


def sender_checks(settings: Settings) -> Iterator[Result]:
    """Who carries the mail, who sends it, and who is named in its footer."""
    if settings.delivery == "file":
        yield Result("delivery", "ok", f"file: mail stays in {settings.file.outbox}")
        return
    yield Result("delivery", "ok", f"{settings.delivery}: mail leaves this machine")
    domain = settings.email_from.address.rpartition("@")[2].lower()
    cure = "set EMAIL_FROM to an address at a domain of your own"
    if is_own(settings):
        yield Result("sender", "ok", str(settings.email_from))
    elif domain in _FREEMAIL:
        found = f"{settings.email_from}: {domain} forbids others to send as it"
        yield Result("sender", "problem", found, cure)
    else:
        yield Result("sender", "problem", f"{settings.email_from} is an example", cure)
    address = ", ".join(settings.postal_address.splitlines())
    yield Result("postal address", "ok", address)
