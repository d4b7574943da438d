"""Follows one SPF record through all it includes (RFC 7208): what it allows, and what breaks it.

Counts as a receiver in doubt would: every term that needs a look-up, matched or not. Refuses to
guess at macros, `exists` and `ptr`: they are named as unknowable.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from course.cli.examining.names import Address, Names

#: More terms that ask DNS than this are a permanent error (RFC 7208, 4.6.4).
MOST_LOOKUPS = 10
#: More questions that come back empty than this may be one, too.
MOST_EMPTY = 2
#: Far enough to say by how many a record is over, near enough to end loops.
_LOST = 30

_TERM = re.compile(r"(?P<sign>[+?~-]?)(?P<name>[a-z0-9]+)(?P<rest>[:/].*)?", re.IGNORECASE)
_MODIFIER = re.compile(r"(?P<name>[a-z][a-z0-9._-]*)=(?P<value>.*)", re.IGNORECASE)
_LENGTHS = re.compile(r"(?P<domain>[^/]*)(?:/(?P<four>\d{1,2}))?(?://(?P<six>\d{1,3}))?")
_ASKS = frozenset({"include", "a", "mx", "ptr", "exists", "redirect"})


@dataclass(slots=True)
class Walk:
    """What came of it."""

    lookups: int = 0
    empty: int = 0
    #: Why receivers must treat the record as broken.
    faults: list[str] = field(default_factory=list)
    included: set[str] = field(default_factory=set)
    #: What may send; only what is allowed with certainty.
    networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network] = field(default_factory=list)
    #: Whose record lets everybody send ("" for nobody's).
    open_at: str = ""
    #: Terms that depend on the mail itself.
    unknowable: list[str] = field(default_factory=list)

    def covers(self, address: Address) -> bool:
        """Is this address among those that may send?"""
        return any(address in network for network in self.networks)


def spf_of(texts: Iterable[str]) -> list[str]:
    """Those of a name's TXT records that are SPF."""
    return [text for text in texts if text.lower() == "v=spf1" or text.lower()[:7] == "v=spf1 "]


def walk(domain: str, record: str, names: Names) -> Walk:
    """Raises `NotAsked` when a part of it could not be asked."""
    found = Walk()
    _read(found, domain, record, names, allows=True)
    if found.lookups > MOST_LOOKUPS:
        count = f"{found.lookups}" if found.lookups <= _LOST else f"more than {_LOST}"
        found.faults.insert(0, f"it needs {count} look-ups, {MOST_LOOKUPS} are allowed")
    return found


def _read(found: Walk, domain: str, record: str, names: Names, *, allows: bool) -> None:
    redirect = ""
    for term in record.split()[1:]:
        if found.lookups > _LOST:
            return
        modifier = _MODIFIER.fullmatch(term)
        if modifier is not None:
            if modifier["name"].lower() == "redirect":
                redirect = modifier["value"]
            continue
        parsed = _TERM.fullmatch(term)
        name = parsed["name"].lower() if parsed else ""
        if parsed is None or name not in _ASKS - {"redirect"} | {"all", "ip4", "ip6"}:
            found.faults.append(f"{term!r} is no word of SPF")
            continue
        passes = allows and parsed["sign"] in ("", "+")
        found.lookups += name in _ASKS
        value = (parsed["rest"] or "").removeprefix(":")
        if name == "all":
            if passes:
                found.open_at = domain
            return  # what stands behind it is never read, nor is a redirect
        if "%" in value or name in ("ptr", "exists"):
            found.unknowable.append(term)
        elif name == "include":
            found.included.add(value.lower())
            _follow(found, value, names, term, allows=passes)
        elif name in ("ip4", "ip6"):
            _literal(found, name, value, term, passes)
        else:
            _hosts(found, name, value, domain, names, term, passes)
    if redirect:
        found.lookups += 1
        if "%" in redirect:
            found.unknowable.append(f"redirect={redirect}")
        else:
            _follow(found, redirect, names, f"redirect={redirect}", allows=allows)


def _follow(found: Walk, domain: str, names: Names, term: str, *, allows: bool) -> None:
    records = spf_of(names.texts(domain)) if domain else []
    if len(records) == 1:
        _read(found, domain.lower(), records[0], names, allows=allows)
        return
    found.empty += not records
    found.faults.append(
        f"{term}: {domain} has {f'{len(records)} SPF records' if records else 'no SPF record'}"
    )


def _literal(found: Walk, name: str, value: str, term: str, passes: bool) -> None:
    try:
        network = ipaddress.ip_network(value, strict=False)
    except ValueError:
        network = None
    if network is None or network.version != (4 if name == "ip4" else 6):
        found.faults.append(f"{term!r} names no IPv{name[-1]} address")
    elif passes:
        found.networks.append(network)
        if network.prefixlen == 0:
            found.open_at = found.open_at or term


def _hosts(
    found: Walk, name: str, value: str, domain: str, names: Names, term: str, passes: bool
) -> None:
    lengths = _LENGTHS.fullmatch(value)
    four, six = (int(lengths[part] or most) for part, most in (("four", 32), ("six", 128))) \
        if lengths else (99, 999)  # fmt: skip
    if lengths is None or four > 32 or six > 128:
        found.faults.append(f"{term!r} has a wrong length behind its /")
        return
    where = lengths["domain"] or domain
    hosts = [where]
    if name == "mx":
        hosts = [host for _, host in names.mail_hosts(where) if host][:MOST_LOOKUPS]
    addresses = [address for host in hosts for address in names.addresses(host)]
    found.empty += not addresses
    if passes:
        for address in addresses:
            length = four if address.version == 4 else six
            found.networks.append(ipaddress.ip_network(f"{address}/{length}", strict=False))
