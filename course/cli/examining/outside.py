"""Which questions to the world outside apply, from the settings; asks them all at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from course.cli.examining import carrier, dkim, receiving, reverse, sender, site, spf
from course.cli.examining.dmarc import Identifiers, dmarc_checks
from course.cli.examining.finding import Result
from course.cli.examining.names import Names
from course.cli.examining.together import Question, together

if TYPE_CHECKING:
    from course.config import Settings

#: Seconds for everything together.
ALL_S = 20.0


def left_out(settings: Settings) -> list[str]:
    """What `--offline` leaves unasked."""
    names = ["SPF", "DKIM", "DMARC", "MX"] if _has_names(settings) else []
    place = ["the site"] if _has_site(settings) else []
    way = ["the provider"] if settings.delivery != "file" else []
    return names + place + way


def examine(settings: Settings, names: Names, selectors: Sequence[str]) -> list[Result]:
    """Everything that applies, in at most `ALL_S` seconds."""
    questions: list[tuple[str, Question]] = []
    if _has_site(settings):
        questions.append(("site", lambda: site.site_checks(settings.base_url)))
    if settings.delivery != "file":
        questions.append(("provider", lambda: carrier.carrier_checks(settings)))
    if _has_names(settings):
        asked = _of_sendgrid if settings.delivery == "sendgrid" else _of_relay
        questions += asked(settings, names, selectors)
    return together(questions, ALL_S)


def _has_site(settings: Settings) -> bool:
    """An address on this machine without TLS is somebody trying things out."""
    return settings.base_url.startswith("https://") or not settings.is_local


def _has_names(settings: Settings) -> bool:
    """A domain that is not the operator's own has nothing to mend in its records."""
    return settings.delivery in ("smtp", "sendgrid") and sender.is_own(settings)


def _of_sendgrid(
    settings: Settings, names: Names, selectors: Sequence[str]
) -> list[tuple[str, Question]]:
    address = settings.email_from.address
    domain = _domain(address)
    chosen = tuple(selectors) or dkim.SENDGRID_SELECTORS

    def authentication() -> Iterator[Result]:
        # One after the other: a domain that SendGrid signs for needs no record that names it.
        at, keys = dkim.sendgrid_checks(domain, chosen, names)
        yield from spf.of_sendgrid(domain, at, names)
        yield from keys
        yield from dmarc_checks(domain, address, Identifiers("", at), names)

    return [("sender's domain", authentication), ("MX", lambda: _mx(settings, names))]


def _of_relay(
    settings: Settings, names: Names, selectors: Sequence[str]
) -> list[tuple[str, Question]]:
    address = settings.email_from.address
    domain, bounces = _domain(address), _bounce_domain(settings)
    relay = urlsplit(settings.smtp.url).hostname or ""
    published = [*_own_keys(settings), *((one, None) for one in selectors)]

    def authorship() -> Iterator[Result]:
        yield from spf.of_relay(list(dict.fromkeys((bounces, domain))), relay, names)

    def keys() -> list[Result]:
        if not published:
            return [dkim.unknown(domain)]
        return list(dkim.dkim_checks(domain, published, names))

    def policy() -> Iterator[Result]:
        signed = published and all(key.level != "problem" for key in keys())
        yield from dmarc_checks(
            domain, address, Identifiers(bounces, domain if signed else None), names
        )

    return [
        ("SPF", authorship), ("DKIM", keys), ("DMARC", policy),
        ("MX", lambda: _mx(settings, names)), ("PTR", lambda: reverse.ptr_checks(relay, names)),
    ]  # fmt: skip


def _own_keys(settings: Settings) -> list[tuple[str, str | None]]:
    """The selectors we sign with, and the record each needs; a key that cannot be read is the
    provider's line."""
    from scheduler.errors import ProviderMisconfigured
    from scheduler.providers.wire.dkim_keys import dns_record, read_keys

    try:
        return [(key.selector, dns_record(key)) for key in read_keys(settings.smtp.dkim)]
    except ProviderMisconfigured:
        return []


def _mx(settings: Settings, names: Names) -> Iterator[Result]:
    replies = _domain((settings.reply_to or settings.email_from).address)
    wanted = {_domain(settings.email_from.address): ["replies"], replies: ["replies"]}
    if settings.delivery == "smtp":
        wanted.setdefault(_bounce_domain(settings), []).append("bounces")
    yield from receiving.mx_checks(
        [(domain, " and ".join(what)) for domain, what in wanted.items()], names
    )


def _bounce_domain(settings: Settings) -> str:
    return _domain((settings.bounce_address or settings.email_from).address)


def _domain(address: str) -> str:
    return address.rpartition("@")[2].lower()
