"""Does the sender's domain let the server that carries its mail do so (SPF, RFC 7208)?

A receiver asks the domain of the envelope sender, where bounces go. From which address a relay
sends is its own affair: one that is not covered is doubtful, never certainly wrong.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from course.cli.examining import spf_record
from course.cli.examining.finding import Result, txt
from course.cli.examining.names import Address, Names, NotAsked
from course.cli.examining.spf_walk import MOST_EMPTY, MOST_LOOKUPS, Walk, spf_of, walk

_SENDGRID = "sendgrid.net"


@dataclass(frozen=True, slots=True)
class _Sound:
    record: str
    walked: Walk

    @property
    def counted(self) -> str:
        return f"{self.walked.lookups} of {MOST_LOOKUPS} look-ups"


@dataclass(frozen=True, slots=True)
class _Missing:
    #: A TXT record that was meant to be one.
    odd: str
    #: Is there such a domain at all?
    exists: bool


def of_relay(domains: Sequence[str], relay: str, names: Names) -> Iterator[Result]:
    """`domains`: where bounces go, then the sender's own if it is another one."""
    asked, *others = domains
    looked = _examined(asked, names)
    if isinstance(looked, _Missing):
        yield _missing(
            asked, looked, "add this, or what your provider tells you:", _for_relay(relay, names)
        )
    elif isinstance(looked, Result):
        yield looked
    else:
        yield _covered(asked, looked, relay, names)
    for domain in others:
        looked = _examined(domain, names)
        if isinstance(looked, Result):
            yield looked
        elif isinstance(looked, _Missing):
            yield Result("SPF", "ok", f"{domain} has none; receivers ask {asked}, the bounces' own")
        else:
            yield Result("SPF", "ok", f"{domain}: {looked.counted}")


def of_sendgrid(domain: str, authenticated_at: str | None, names: Names) -> Iterator[Result]:
    """`authenticated_at`: the domain whose DKIM records lead to SendGrid; "" for none, None when
    that is not known.
    """
    looked = _examined(domain, names)
    include = f"include:{_SENDGRID}"
    authenticate = (
        "authenticate the domain at SendGrid (Sender Authentication), which needs no such record;"
        " without that,"
    )
    needless = f"{authenticated_at} is authenticated, so SendGrid keeps the record receivers ask"
    if isinstance(looked, Result):
        yield looked
    elif isinstance(looked, _Sound) and _SENDGRID in looked.walked.included:
        yield Result("SPF", "ok", f"{domain}: {include} found, {looked.counted}")
    elif authenticated_at:
        yield Result("SPF", "ok", f"{domain} needs no {include}: {needless}")
    elif authenticated_at is None:
        yield Result(
            "SPF", "warning", f"{domain} has no {include}; whether it needs one could not be asked",
            "see the line about DKIM",
        )  # fmt: skip
    elif isinstance(looked, _Missing):
        yield _missing(domain, looked, f"{authenticate} add:", f"v=spf1 {include} ~all")
    else:
        yield Result(
            "SPF", "problem", f"{domain} does not let SendGrid send",
            f"{authenticate} put this in the place of the one there is:",
            txt(domain, spf_record.with_term(looked.record, include)),
        )  # fmt: skip


def _examined(domain: str, names: Names) -> _Sound | _Missing | Result:
    try:
        texts = names.texts(domain)
        records = spf_of(texts)
        if len(records) == 1:
            walked = walk(domain, records[0], names)
            return _fault(domain, records[0], walked) or _Sound(records[0], walked)
    except NotAsked as error:
        return Result(
            "SPF", "warning", f"{domain} could not be asked: {error}",
            f"look yourself: dig +short TXT {domain}; or ask another server with --resolver",
        )  # fmt: skip
    if not records:
        odd = next((text for text in texts if "v=spf1" in text.lower()), "")
        # A name below one's own domain needs no more than the record to be there.
        return _Missing(odd, any(names.exists(name) for name in names.upward(domain)))
    return Result(
        "SPF", "problem", f"{domain} has {len(records)} SPF records, so none of them counts",
        "put one in their place:", txt(domain, spf_record.merged(records)),
    )  # fmt: skip


def _missing(domain: str, looked: _Missing, cure: str, proposed: str) -> Result:
    if not looked.exists:
        return Result(
            "SPF", "problem", f"DNS knows no {domain}, so nobody takes mail from it",
            "register the domain, or correct EMAIL_FROM (and BOUNCE_ADDRESS)",
        )  # fmt: skip
    odd = f", only this, which is none: {looked.odd}" if looked.odd else ""
    return Result(
        "SPF", "problem", f"{domain} has no SPF record{odd}",
        cure, txt(domain, proposed),
    )  # fmt: skip


def _fault(domain: str, record: str, walked: Walk) -> Result | None:
    if walked.open_at:
        through = "" if walked.open_at == domain else f", through {walked.open_at}"
        return Result(
            "SPF", "problem", f"{domain} lets everybody send in its name{through}: {record}",
            "take out what opens it" + (" and put this in its place:" if not through else ""),
            txt(domain, spf_record.closed(record)) if not through else "",
        )  # fmt: skip
    if walked.faults:
        return Result(
            "SPF", "problem", f"{domain} is broken for receivers: {'; '.join(walked.faults)}",
            f"correct that in the record, which is now: {record}",
        )  # fmt: skip
    if walked.empty > MOST_EMPTY:
        return Result(
            "SPF", "warning",
            f"{domain}: {walked.empty} of its look-ups find nothing, {MOST_EMPTY} may",
            f"take those out of the record, which is now: {record}",
        )  # fmt: skip
    return None


def _covered(domain: str, looked: _Sound, relay: str, names: Names) -> Result:
    try:
        addresses = _public_addresses(relay, names)
    except NotAsked as error:
        return Result(
            "SPF", "warning", f"{domain}: {looked.counted}; {relay} could not be asked: {error}",
            "try again, or ask another server with --resolver",
        )  # fmt: skip
    if not addresses:
        return Result(
            "SPF", "ok", f"{domain}: {looked.counted}; from which address {relay} sends is not"
            f" known here: {looked.record}",
        )  # fmt: skip
    strange = [str(address) for address in addresses if not looked.walked.covers(address)]
    if not strange:
        return Result("SPF", "ok", f"{domain}: {relay} may send, {looked.counted}")
    unsure = ", ".join(looked.walked.unknowable)
    return Result(
        "SPF", "warning", f"{domain} does not name {relay} ({', '.join(strange)})"
        + (f", unless {unsure} does" if unsure else ""),
        "a relay may send from other addresses: add what its owner tells you, or put this in"
        " the place of the record there is:",
        txt(domain, spf_record.with_term(looked.record, _term(relay))),
    )  # fmt: skip


def _public_addresses(relay: str, names: Names) -> list[Address]:
    try:
        found = [ipaddress.ip_address(relay)]
    except ValueError:
        found = [] if relay.lower() == "localhost" else names.addresses(relay)
    return [address for address in found if address.is_global]


def _for_relay(relay: str, names: Names) -> str:
    try:
        sends_from_elsewhere = not _public_addresses(relay, names)
    except NotAsked:
        sends_from_elsewhere = False
    if sends_from_elsewhere:  # such as a relay on this very machine
        return "v=spf1 mx ip4:ITS-PUBLIC-ADDRESS ~all"
    return f"v=spf1 {_term(relay)} ~all"


def _term(relay: str) -> str:
    try:
        return f"ip{ipaddress.ip_address(relay).version}:{relay}"
    except ValueError:
        return f"a:{relay}"
