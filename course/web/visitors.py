"""Who is calling: the network address behind trusted proxies, and the consent they give.

Refuses to keep a network address: what is stored is a keyed hash of it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from starlette.requests import Request

from course.web.sealing import Sealer
from scheduler.clock import Clock
from scheduler.domain.learner import Consent

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Visitors:
    """Reads callers' addresses; believes `X-Forwarded-For` only from `trusted` networks."""

    def __init__(self, trusted: Sequence[str], sealer: Sealer, clock: Clock) -> None:
        self._trusted: list[_Network] = [
            ipaddress.ip_network(text.strip(), strict=False) for text in trusted if text.strip()
        ]
        self._sealer = sealer
        self._clock = clock

    def ip(self, request: Request) -> str:
        """The nearest address that is not one of our proxies; empty when unknown."""
        peer = request.client.host if request.client else ""
        hops = [hop.strip() for hop in request.headers.get("x-forwarded-for", "").split(",")]
        while self._is_proxy(peer) and hops and hops[-1]:
            peer = hops.pop()
        return peer

    def is_local(self, request: Request) -> bool:
        """True for this very machine; False as soon as an unknown proxy stands between."""
        if "forwarded" in request.headers:
            return False
        if "x-forwarded-for" in request.headers and not self._trusted:
            return False
        address = _parsed(self.ip(request))
        return address is not None and address.is_loopback

    def key(self, request: Request) -> str:
        """A keyed hash of the network (IPv4 address, IPv6 /64): for counting and for consent."""
        address = _parsed(self.ip(request))
        if address is None:
            return ""
        if address.version == 6:
            network = ipaddress.ip_network(f"{address}/64", strict=False)
            return self._sealer.mark("ip", network.network_address)
        return self._sealer.mark("ip", address)

    def consent(self, request: Request, action: str, text: str, source: str) -> Consent:
        """What this caller agreed to just now, in the wording they saw."""
        return Consent(
            action=action,
            text=text,
            source=source,
            at=self._clock.now(),
            ip_hash=self.key(request),
            user_agent=request.headers.get("user-agent", "")[:200],
        )

    def _is_proxy(self, host: str) -> bool:
        if not self._trusted:
            return False
        if not host:  # a Unix socket: only a proxy of our own can reach it
            return True
        address = _parsed(host)
        return address is not None and any(address in network for network in self._trusted)


def _parsed(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address
