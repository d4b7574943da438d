"""Has the sender's domain a DMARC record, and will this mail pass it (RFC 9989)?

It passes when one domain that was proven, by SPF or by DKIM, belongs to the sender's. Refuses to
ask for tags that are gone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from course.cli.examining.dmarc_walk import Found, Record, look
from course.cli.examining.finding import Result, txt
from course.cli.examining.names import Names, NotAsked

_GONE = ("pct", "rf", "ri")


@dataclass(frozen=True, slots=True)
class Identifiers:
    """The domains that receivers check a mail by."""

    #: The envelope sender's domain; "" when it is not ours to choose.
    spf: str
    #: The domain whose key signs; "" for none, None when that is not known.
    dkim: str | None


def dmarc_checks(domain: str, address: str, ours: Identifiers, names: Names) -> Iterator[Result]:
    """`address` gets the reports in the record that is proposed."""
    try:
        found = look(domain, names)
        yield from _record(domain, address, found)
        yield from _aligned(domain, ours, found, names)
    except NotAsked as error:
        where = f"_dmarc.{domain}"
        yield Result(
            "DMARC", "warning", f"{where} could not be asked: {error}",
            f"look yourself: dig +short TXT {where}; or ask another server with --resolver",
        )  # fmt: skip


def _record(domain: str, address: str, found: Found) -> Iterator[Result]:
    proposed = txt(f"_dmarc.{domain}", f"v=DMARC1; p=none; rua=mailto:{address}")
    for name, texts in found.doubled:
        yield Result(
            "DMARC", "problem", f"_dmarc.{name} has {len(texts)} records, so none of them counts",
            "leave one of them, such as:", txt(f"_dmarc.{name}", texts[0]),
        )  # fmt: skip
    record = found.record
    if record is None:
        if not found.doubled:
            yield Result(
                "DMARC", "problem", f"no record at _dmarc.{domain}",
                "Gmail and Yahoo ask bulk senders for it; add:", proposed,
            )  # fmt: skip
        return
    where = f"_dmarc.{record.domain}"
    if not record.policy:
        yield Result(
            "DMARC", "problem", f"{where} is ignored, as it has no valid p= and no rua="
            f" address: {record.text}", "put this in its place:",
            txt(where, f"v=DMARC1; p=none; rua=mailto:{address}"),
        )  # fmt: skip
        return
    yield Result("DMARC", "ok", f"{where}: {_said(domain, record)}{_notes(record)}")


def _said(domain: str, record: Record) -> str:
    inherited = record.tags.get("sp", "").lower() if record.domain != domain else ""
    if inherited in ("none", "quarantine", "reject"):
        return f"sp={inherited}"
    return f"p={record.policy}" + ("" if "p" in record.tags else " (as it has no p=)")


def _notes(record: Record) -> str:
    gone = [tag for tag in _GONE if tag in record.tags]
    notes = f"; {' and '.join(gone)} no longer count{'s' if len(gone) == 1 else ''}" if gone else ""
    if record.tags.get("t", "").lower() == "y":
        notes += "; t=y asks receivers to be milder"
    return notes


def _aligned(domain: str, ours: Identifiers, found: Found, names: Names) -> Iterator[Result]:
    tags = found.record.tags if found.record else {}
    ways = (("SPF", ours.spf, "aspf"), ("DKIM", ours.dkim, "adkim"))
    passing = []
    for way, other, tag in ways:
        strict = tags.get(tag, "r").lower() == "s"
        if other and _belongs(domain, other, found, names, strict=strict):
            passing.append(f"{way} ({other})")
    if passing:
        yield Result("alignment", "ok", f"{domain} is aligned with {' and '.join(passing)}")
    elif ours.dkim is not None:
        yield Result(
            "alignment", "problem", f"nothing proves that mail comes from {domain}: it fails DMARC",
            f"authenticate {domain} at your provider, or send from a domain that is",
        )  # fmt: skip
    elif ours.spf:
        yield Result(
            "alignment", "warning", f"bounces go to {ours.spf}, which is not of {domain}:"
            f" only a DKIM signature of {domain} lets mail pass DMARC",
            f"set BOUNCE_ADDRESS to an address at {domain}, or see that mail is signed with"
            f" d={domain}",
        )  # fmt: skip


def _belongs(domain: str, other: str, found: Found, names: Names, *, strict: bool) -> bool:
    if other == domain:
        return True
    return not strict and look(other, names).organisation == found.organisation
