"""One SMTP connection with an end in time for every word, and a phase for every failure.

smtplib waits per `recv`, so a server that trickles bytes holds it forever; and it raises the
same error before and after a message was handed over. `Line` keeps smtplib's knowledge of
EHLO and AUTH and replaces how it reads and writes. Refuses to say what a failure means for a
message beyond this: before the last byte left, nothing was handed over.
"""

from __future__ import annotations

import smtplib
import socket
import ssl
import time
from typing import Any

from scheduler.domain.provider import Uncertain
from scheduler.providers.wire.reach import (
    Lost,
    has_gone_stale,
    left,
    lost,
    reach,
    secure,
    why,
)
from scheduler.providers.wire.replies import Phase
from scheduler.providers.wire.smtp_url import Server

_LONGEST_LINE = 8192
_MOST_LINES = 200
#: The largest TLS record: what one failing write may have sent.
_RECORD = 16384
#: After a failed write the server's reason may already be waiting for us.
_LAST_WORDS = 0.2
_GOODBYE = 1.0
#: Linux only; elsewhere 0.
_QUICK_ACK: int = getattr(socket, "TCP_QUICKACK", 0)


class Line(smtplib.SMTP):
    """Not thread-safe: one user at a time."""

    def __init__(self, server: Server, context: ssl.SSLContext | None) -> None:
        # A name of our own keeps smtplib from asking DNS, without a timeout, for one.
        super().__init__(local_hostname="localhost", timeout=server.timeout)
        self.phase = Phase.CONNECT
        self._server = server
        self._context = context
        self._until = 0.0
        self._buffer = b""
        self._secured = False
        #: Something was read since the last write.
        self._heard = False

    def begin(self, phase: Phase, until: float) -> None:
        """All that follows must be over by `until`."""
        self.phase = phase
        self._until = until

    @property
    def time_left(self) -> float:
        """Seconds until this batch must be over."""
        return left(self._until)

    @property
    def is_stale(self) -> bool:
        """Did the server hang up, or say something unasked, while we were idle?"""
        return self.sock is None or bool(self._buffer) or has_gone_stale(self.sock)

    @property
    def has_unread(self) -> bool:
        """Is there more of an answer than was asked for?"""
        return bool(self._buffer)

    def start_tls(self) -> None:
        """Go on under TLS; what was said before is forgotten (RFC 3207)."""
        assert self.sock is not None and self._context is not None
        self.sock = self._under_tls(self.sock)
        self.esmtp_features = {}

    def _under_tls(self, sock: socket.socket) -> ssl.SSLSocket:
        assert self._context is not None
        server = self._server
        self._secured = True
        return secure(sock, self._context, server.host, timeout=server.timeout, until=self._until)

    # What smtplib calls

    def _get_socket(self, host: str, port: int, _timeout: float) -> socket.socket:
        server = self._server
        sock = reach(host, port, timeout=server.connect_timeout, until=self._until)
        if server.tls == "implicit":
            sock = self._under_tls(sock)
        self.phase = Phase.GREETING
        return sock

    def send(self, s: Any) -> None:
        """smtplib's way to write a command."""
        self.write(s.encode(self.command_encoding) if isinstance(s, str) else bytes(s))

    def getreply(self) -> tuple[int, bytes]:
        """smtplib's way to read one reply; bytes beyond it were smuggled in."""
        reply = self.read_reply()
        if self._buffer:
            raise lost(f"{self.phase}: the server said more than it was asked")
        return reply

    # What a transaction calls

    def read_reply(self, within: float | None = None) -> tuple[int, bytes]:
        """One whole reply as (code, its lines without the code); code -1 if unreadable.

        Raises `Lost` when none comes in time (`within` seconds; else the usual limits).
        """
        wait_until = min(self._until, time.monotonic() + (within or self._server.timeout))
        buffer = self._buffer
        start = 0
        lines: list[bytes] = []
        while True:
            end = buffer.find(b"\n", start)
            if end < 0:
                if len(buffer) - start > _LONGEST_LINE or len(lines) > _MOST_LINES:
                    raise self._gone("the server's answer has no end")
                buffer = buffer[start:] + self._receive(wait_until)
                start = 0
                continue
            line = buffer[start:end]
            start = end + 1
            lines.append(line[4:].rstrip(b"\r"))
            if line[3:4] != b"-" or not line[:3].isdigit():
                self._buffer = buffer[start:]
                return (int(line[:3]) if line[:3].isdigit() else -1), b"\n".join(lines)

    def _receive(self, until: float) -> bytes:
        wait = left(until)
        if self.sock is None or wait <= 0:
            raise self._gone("no answer in time")
        try:
            self.sock.settimeout(wait)
            if self._heard:
                # The rest of a group of answers is on its way. A server that writes each by
                # itself waits for our acknowledgement, which the kernel would delay by 40 ms.
                self.sock.setsockopt(socket.IPPROTO_TCP, _QUICK_ACK, 1)
            self._heard = _QUICK_ACK > 0
            chunk = self.sock.recv(65536)
        except OSError as error:
            raise self._gone(why(error)) from None
        if not chunk:
            raise self._gone("the server closed the connection")
        return chunk

    def write(self, data: bytes, handed_over_at: int | None = None) -> None:
        """Write all; once byte `handed_over_at` may have left, the phase is `ANSWER`.

        Raises `Lost`.
        """
        sock = self.sock
        wait = min(self._server.timeout, self.time_left)
        if sock is None or wait <= 0:
            raise self._gone("no time left")
        self._heard = False
        sent = 0
        view = memoryview(data)
        while sent < len(data):
            # A failing plain write has sent nothing of its piece; under TLS it may have sent
            # all of it, so the pieces are small and the doubt begins with the piece.
            piece = view[sent : sent + _RECORD] if self._secured else view[sent:]
            may_have_left = sent + len(piece) if self._secured else sent
            try:
                sock.settimeout(wait)
                sent += sock.send(piece)
            except OSError as error:
                if handed_over_at is not None and may_have_left > handed_over_at:
                    self.phase = Phase.ANSWER
                raise self._gone(why(error)) from None
            wait = max(min(self._server.timeout, self.time_left), 0.001)
        if handed_over_at is not None:
            self.phase = Phase.ANSWER

    def last_words(self) -> tuple[int, bytes] | None:
        """The reply that may explain a failed write, if it is already there."""
        try:
            return self.read_reply(_LAST_WORDS)
        except Lost:
            return None

    def _gone(self, reason: str) -> Lost:
        detail = f"{self.phase}: {reason}"
        if self.phase is Phase.ANSWER:
            return Lost(Uncertain(detail))
        return lost(detail)

    # Closing

    def leave(self) -> None:
        """Say goodbye, briefly, and hang up; never raises."""
        self.begin(Phase.MAIL, time.monotonic() + _GOODBYE)
        try:
            self.write(b"QUIT\r\n")
            self.read_reply()
        except Lost:
            pass
        self.close()

    def close(self) -> None:
        """Drop the connection as it is; smtplib calls this too."""
        sock, self.sock = self.sock, None
        if sock is not None:
            sock.close()
