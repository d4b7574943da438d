"""Reaches a server: name, address, TCP, TLS, all inside a deadline.

A deadline is a `time.monotonic()` reading, called `until`. Refuses to wait without one:
`getaddrinfo` has no timeout of its own and a host may have many dead addresses.
"""

from __future__ import annotations

import ipaddress
import select
import socket
import ssl
import threading
import time
from pathlib import Path

from scheduler.domain.provider import Deferred, Fault, Refused, Uncertain
from scheduler.errors import ProviderMisconfigured


class Lost(Exception):
    """A connection failed; `outcome` says what that means for the message in hand.

    `Deferred`: nothing was handed over. `Refused`: its last words were a no to this message.
    `Uncertain`: the last byte may have arrived.
    """

    def __init__(self, outcome: Deferred | Refused | Uncertain) -> None:
        super().__init__(outcome.detail)
        self.outcome = outcome


def lost(detail: str, fault: Fault = Fault.TRANSPORT) -> Lost:
    """A failure before anything was handed over."""
    return Lost(Deferred(detail, fault))


def reach(host: str, port: int, *, timeout: float, until: float) -> socket.socket:
    """A connected TCP socket; each address of the host gets `timeout` seconds.

    Raises `Lost`; the whole never takes longer than `until`.
    """
    where = f"{host}:{port}"
    reason = "no address"
    for family, address in _resolve(host, port, min(timeout, left(until))):
        wait = min(timeout, left(until))
        if wait <= 0:
            raise lost(f"connecting to {where}: no time left ({reason})")
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.settimeout(wait)
            sock.connect(address)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except TimeoutError:
            sock.close()
            reason = f"no answer within {wait:.3g} s"
        except OSError as error:
            sock.close()
            reason = why(error)
        else:
            return sock
    raise lost(f"connecting to {where}: {reason}")


def secure(
    sock: socket.socket, context: ssl.SSLContext, host: str, *, timeout: float, until: float
) -> ssl.SSLSocket:
    """The same connection under TLS, the certificate checked; closes it and raises `Lost`."""
    sock.settimeout(max(min(timeout, left(until)), 0.001))
    try:
        return context.wrap_socket(sock, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        sock.close()
        raise lost(
            f"TLS with {host}: certificate not accepted: {error.verify_message}. "
            "Use the host name in the certificate, or set ca_file to your own authority",
            Fault.CONFIG,
        ) from None
    except ssl.SSLError as error:
        sock.close()
        raise lost(f"TLS with {host}: {error.reason or why(error)}") from None
    except OSError as error:
        sock.close()
        raise lost(f"TLS with {host}: {why(error)}") from None


def tls_context(ca_file: str, block: str) -> ssl.SSLContext:
    """Certificates and host names checked; `ca_file` adds an authority of one's own."""
    context = ssl.create_default_context()
    if ca_file:
        try:
            context.load_verify_locations(cafile=ca_file)
        except OSError as error:  # includes ssl.SSLError
            raise ProviderMisconfigured(
                f"{block}.ca_file {Path(ca_file).name} cannot be used ({why(error)}); "
                "give a readable PEM file with the authority's certificate"
            ) from None
    return context


def is_loopback(host: str) -> bool:
    """Does this host never leave the machine?"""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def has_gone_stale(sock: socket.socket) -> bool:
    """Has an idle connection something to say? An idle peer only ever says goodbye."""
    try:
        poll = select.poll()
        poll.register(sock, select.POLLIN | select.POLLPRI)
        return bool(poll.poll(0))
    except (OSError, ValueError):
        return True


def left(until: float) -> float:
    """Seconds until the deadline; negative when it has passed."""
    return until - time.monotonic()


def why(error: OSError) -> str:
    """The system's own words for an error, in one line."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return error.strerror or str(error) or type(error).__name__


def _resolve(
    host: str, port: int, timeout: float
) -> list[tuple[socket.AddressFamily, tuple[str, int] | tuple[str, int, int, int]]]:
    found: list[tuple[socket.AddressFamily, tuple[str, int] | tuple[str, int, int, int]]] = []
    failed: list[str] = []

    def look_up() -> None:
        try:
            answers = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found.extend((family, address) for family, _, _, _, address in answers)  # type: ignore[misc]
        except (OSError, UnicodeError) as error:
            failed.append(why(error) if isinstance(error, OSError) else "not a host name")

    try:
        ipaddress.ip_address(host)
    except ValueError:
        # A thread, because the resolver cannot be interrupted: it is left behind if it hangs.
        thread = threading.Thread(target=look_up, name="resolve", daemon=True)
        thread.start()
        thread.join(max(timeout, 0))
        if thread.is_alive():
            raise lost(f"looking up {host}: no answer in time") from None
    else:
        look_up()
    if failed:
        raise lost(f"looking up {host}: {failed[0]}")
    return found
