"""One kept HTTPS connection that asks and posts, ends in time, and is honest about failure.

Refuses redirects (a followed one turns the POST into a GET and takes the key along), the
environment's proxies, and a second try of its own: whether the request may have arrived is
for the caller to know.
"""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message as Headers

from scheduler.domain.provider import Uncertain
from scheduler.providers.wire.reach import Lost, has_gone_stale, left, lost, reach, secure, why

_PIECE = 65536
_LONGEST_BODY = 1 << 20
_LAST_WORDS = 0.2


@dataclass(frozen=True, slots=True)
class Host:
    """Where the API is. Times are seconds."""

    name: str
    port: int
    secure: bool
    connect_timeout: float = 10.0
    timeout: float = 30.0


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP answer, in the shape urllib's callers expect as well."""

    status: int
    headers: Headers
    body: bytes

    def getcode(self) -> int:
        return self.status

    def info(self) -> Headers:
        return self.headers

    def read(self) -> bytes:
        return self.body


class Channel:
    """Not thread-safe: one user at a time."""

    def __init__(self, host: Host, context: ssl.SSLContext) -> None:
        self._host = host
        self._context = context
        self._connection: http.client.HTTPConnection | None = None
        self._until = 0.0

    def begin(self, until: float) -> None:
        """All that follows must be over by `until`."""
        self._until = until

    def close(self) -> None:
        """Hang up; the next post connects again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def post(self, target: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """The answer, whatever its status. Raises `Lost`: `Deferred` while the request cannot
        have arrived whole, `Uncertain` from its last byte on.
        """
        return self._ask("POST", target, headers, body)

    def get(self, target: str, headers: Mapping[str, str]) -> Reply:
        """The same for a question that changes nothing."""
        return self._ask("GET", target, headers, b"")

    def _ask(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Reply:
        connection = self._connected()
        sock = connection.sock
        watch = threading.Timer(max(left(self._until), 0), _cut, [sock])
        watch.daemon = True
        watch.start()
        try:
            return self._exchange(connection, method, target, headers, body)
        except BaseException:
            self.close()
            raise
        finally:
            watch.cancel()

    def _exchange(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes,
    ) -> Reply:
        may_have_arrived = False
        try:
            connection.putrequest(method, target, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name, value)
            if method == "POST":
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders()
            for start in range(0, len(body), _PIECE):
                may_have_arrived = start + _PIECE >= len(body)
                connection.send(body[start : start + _PIECE])
        except (OSError, http.client.HTTPException) as error:
            # A server that says no early closes early; its reason may already be here.
            reply = self._last_words(connection)
            if reply is not None:
                return reply
            raise _failure("sending the request", error, may_have_arrived) from None
        try:
            return self._read(connection)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _failure("waiting for the answer", error, may_have_arrived=True) from None

    def _read(self, connection: http.client.HTTPConnection) -> Reply:
        with connection.getresponse() as response:
            body = response.read(_LONGEST_BODY)
            whole = response.isclosed() or response.read(1) == b""
            reply = Reply(response.status, response.headers, body)
        if response.will_close or not whole:
            self.close()
        return reply

    def _last_words(self, connection: http.client.HTTPConnection) -> Reply | None:
        try:
            if connection.sock is not None:
                connection.sock.settimeout(_LAST_WORDS)
            return self._read(connection)
        except (OSError, http.client.HTTPException, ValueError):
            return None
        finally:
            self.close()

    def _connected(self) -> http.client.HTTPConnection:
        host, connection = self._host, self._connection
        if connection is not None and (connection.sock is None or has_gone_stale(connection.sock)):
            self.close()
            connection = None
        if left(self._until) <= 0:
            raise lost("no time left in this batch")
        if connection is None:
            sock = reach(host.name, host.port, timeout=host.connect_timeout, until=self._until)
            if host.secure:
                sock = secure(
                    sock, self._context, host.name, timeout=host.timeout, until=self._until
                )
            # Only a carrier for our socket: it must never connect by itself.
            connection = http.client.HTTPConnection(host.name, host.port)
            connection.auto_open = 0
            connection.default_port = 443 if host.secure else 80  # kept out of the Host header
            connection.sock = sock
            self._connection = connection
        connection.sock.settimeout(max(min(host.timeout, left(self._until)), 0.001))
        return connection


def _failure(doing: str, error: Exception, may_have_arrived: bool) -> Lost:
    reason = why(error) if isinstance(error, OSError) else type(error).__name__
    detail = f"{doing}: {reason}"
    return Lost(Uncertain(detail)) if may_have_arrived else lost(detail)


def _cut(sock: socket.socket) -> None:
    """End a read that trickles on: per-read timeouts alone would never fire.

    The plain socket's method, because `SSLSocket.shutdown` pulls the TLS state from under
    the thread that is reading.
    """
    try:
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
    except OSError:
        return
