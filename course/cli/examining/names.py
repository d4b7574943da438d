"""Asks DNS, with an end in time for every question and for all of them together.

Tells "there is none" from "could not be asked": the first is an answer, the second never is.
Refuses to believe in clean answers: whatever strangers publish is made printable.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Iterator
from typing import Any

import dns.exception
import dns.name
import dns.rcode
import dns.resolver
import dns.reversename

#: Seconds for one question, and for all of one `course doctor`.
EACH_S = 5.0
ALL_S = 18.0
_PORT = 53
_LONGEST_TEXT = 4096

#: Addresses of either family.
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class NotAsked(Exception):
    """No answer could be had; the message says why."""


class Names:
    """Any number of threads may ask at once; the same question is asked once."""

    def __init__(
        self, server: str = "", *, each_s: float = EACH_S, until: float | None = None
    ) -> None:
        """`server`: HOST or HOST:PORT to ask instead of the machine's own resolver.
        `until`: a `time.monotonic()` reading after which nothing is asked any more.

        Raises `ValueError` for a server that cannot be meant.
        """
        self._until = time.monotonic() + ALL_S if until is None else until
        self._each_s = each_s
        self._known: dict[tuple[str, str], list[Any]] = {}
        self._exists: dict[str, bool] = {}
        self._resolver: dns.resolver.Resolver | None
        self._none_because = ""
        #: The resolver has said something, whatever it was.
        self._heard = False
        if server:
            self._resolver = dns.resolver.Resolver(configure=False)
            host, self._resolver.port = _host_and_port(server)
            self._resolver.nameservers = [host]
            return
        try:
            self._resolver = dns.resolver.Resolver()
        except (dns.exception.DNSException, OSError):
            self._resolver = None
            self._none_because = "this machine has no DNS resolver"

    @staticmethod
    def upward(name: str) -> Iterator[str]:
        """The name, then those above it, down to two labels."""
        labels = name.split(".")
        for start in range(max(len(labels) - 1, 1)):
            yield ".".join(labels[start:])

    def exists(self, name: str) -> bool:
        """Is there such a name, with whatever records?"""
        self._ask(name, "TXT")
        return self._exists[name.lower()]

    def texts(self, name: str) -> list[str]:
        """The TXT records, each joined from its strings (RFC 7208, 3.3).

        Sorted, because DNS gives them in any order and the same zone must read the same.
        """
        return sorted(_printable(b"".join(r.strings)) for r in self._ask(name, "TXT"))

    def mail_hosts(self, name: str) -> list[tuple[int, str]]:
        """(preference, host) of the MX records, best first; a null MX has the host ""."""
        return sorted((r.preference, _text(r.exchange)) for r in self._ask(name, "MX"))

    def addresses(self, name: str) -> list[Address]:
        """Of both families."""
        found = [*self._ask(name, "A"), *self._ask(name, "AAAA")]
        return [ipaddress.ip_address(r.address) for r in found]

    def alias(self, name: str) -> str:
        """Where a CNAME leads; "" when there is none."""
        return next((_text(r.target) for r in self._ask(name, "CNAME")), "")

    def names_of(self, address: Address) -> list[str]:
        """The names an address is said to have (PTR)."""
        return [_text(r.target) for r in self._ask(_text(_reverse(address)), "PTR")]

    def _ask(self, name: str, kind: str) -> list[Any]:
        asked = (name.lower(), kind)
        if asked not in self._known:
            self._known[asked] = self._look_up(name.lower(), kind)
        return self._known[asked]

    def _look_up(self, name: str, kind: str) -> list[Any]:
        time_left = self._until - time.monotonic()
        resolver = self._resolver
        if resolver is None:
            raise NotAsked(self._none_because)
        if time_left <= 0:
            raise NotAsked("no time left")
        lifetime = min(self._each_s, time_left)
        try:
            answer = resolver.resolve(
                dns.name.from_text(name), kind, search=False, lifetime=lifetime,
                raise_on_no_answer=False,
            )  # fmt: skip
        except dns.resolver.NXDOMAIN:
            self._heard = True
            self._exists[name] = False
            return []
        except dns.resolver.LifetimeTimeout:
            if not self._heard:  # nobody is there: the next question need not wait as long
                self._none_because = f"the resolver gives no answer within {lifetime:.3g} s"
                self._resolver = None
            raise NotAsked(f"no answer about {name} within {lifetime:.3g} s") from None
        except dns.resolver.NoNameservers as error:
            self._heard = True
            raise NotAsked(f"the resolver says {_said(error)} about {name}") from None
        except (dns.exception.DNSException, OSError, UnicodeError, ValueError) as error:
            raise NotAsked(f"{_printable(name.encode())}: {type(error).__name__}") from None
        self._heard = True
        self._exists[name] = True
        return list(answer.rrset or ())


def _host_and_port(server: str) -> tuple[str, int]:
    host, mark, port = server.rpartition(":")
    if not mark or "]" in port or (":" in host and not host.startswith("[")):
        host, port = server, str(_PORT)
    host = host.strip("[]")
    if not port.isdigit() or not 0 < int(port) < 65536 or not host:
        raise ValueError(f"{server!r} is no HOST or HOST:PORT")
    try:
        return str(ipaddress.ip_address(host)), int(port)
    except ValueError:
        pass
    try:
        return str(socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0][4][0]), int(port)
    except (OSError, UnicodeError):
        raise ValueError(f"the name {host!r} of the resolver is not known here") from None


def _said(error: dns.resolver.NoNameservers) -> str:
    """The last server's reason: a response code, or what went wrong on the way to it."""
    errors = error.kwargs.get("errors") or [(None, None, None, "nothing", None)]
    *_, reason, response = errors[-1]
    if response is not None:
        return dns.rcode.to_text(response.rcode())
    return type(reason).__name__ if isinstance(reason, Exception) else _printable(str(reason))


def _reverse(address: Address) -> dns.name.Name:
    return dns.reversename.from_address(str(address))


def _text(name: dns.name.Name) -> str:
    return _printable(name.to_text(omit_final_dot=True).encode()).removesuffix(".").lower()


def _printable(raw: bytes | str) -> str:
    text = raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw
    return "".join(c if c.isprintable() else "?" for c in text[:_LONGEST_TEXT])
