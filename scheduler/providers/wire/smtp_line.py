"""One SMTP connection with an end in time for every word, and a phase for every failure.

smtplib waits per `recv`, so a server that trickles bytes holds it forever; and it raises the
same error before and after a message was handed over. `Line` keeps smtplib's knowledge of
EHLO and AUTH and replaces how it reads and writes. Refuses to say what a failure means for a
message beyond this: before the last byte left, nothing was handed over.
"""

from __future__ import annotations

import re
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

#: The usual answer: one line with a text.
_ONE_LINE = re.compile(rb"([0-9]{3}) ([^\r\n]*)\r\n")
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
        #: What the socket was last told to wait.
        self._waits = -1.0
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
        self._waits = -1.0
        return secure(sock, self._context, server.host, timeout=server.timeout, until=self._until)

    # What smtplib calls

    def _get_socket(self, host: str, port: int, _timeout: float) -> socket.socket:
        server = self._server
        sock = reach(host, port, timeout=server.connect_timeout, until=self._until)
        self._waits = -1.0
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
        buffer = self._buffer
        if usual := _ONE_LINE.match(buffer):
            self._buffer = buffer[usual.end() :]
            return int(usual[1]), usual[2]
        wait_until = min(self._until, time.monotonic() + (within or self._server.timeout))
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

    def _ready(self, seconds: float, too_late: str) -> socket.socket:
        """The socket, told to wait no longer than this."""
        sock = self.sock
        if sock is None or seconds <= 0:
            raise self._gone(too_late)
        # To the quarter second below: nearly always it has been told that already, and a message
        # costs two system calls less.
        waits = seconds if seconds < 1 else int(seconds * 4 - 0.01) / 4
        if waits != self._waits:
            sock.settimeout(waits)
            self._waits = waits
        return sock

    def _receive(self, until: float) -> bytes:
        sock = self._ready(left(until), "no answer in time")
        try:
            if self._heard:
                # The rest of a group of answers is on its way. A server that writes each by
                # itself waits for our acknowledgement, which the kernel would delay by 40 ms.
                sock.setsockopt(socket.IPPROTO_TCP, _QUICK_ACK, 1)
            self._heard = _QUICK_ACK > 0
            chunk = sock.recv(65536)
        except OSError as error:
            raise self._gone(why(error)) from None
        if not chunk:
            raise self._gone("the server closed the connection")
        return chunk

    def write(self, data: bytes, handed_over_at: int | None = None) -> None:
        """Write all; once byte `handed_over_at` may have left, the phase is `ANSWER`.

        Raises `Lost`.
        """
        self._heard = False
        sock = self._ready(min(self._server.timeout, self.time_left), "no time left")
        sent, size = 0, len(data)
        while True:
            # A failing plain write has sent nothing of its piece; under TLS it may have sent
            # all of it, so the pieces are small and the doubt begins with the piece.
            end = min(sent + _RECORD, size) if self._secured else size
            may_have_left = end if self._secured else sent
            try:
                sent += sock.send(data if end - sent == size else memoryview(data)[sent:end])
            except OSError as error:
                if handed_over_at is not None and may_have_left > handed_over_at:
                    self.phase = Phase.ANSWER
                raise self._gone(why(error)) from None
            if sent >= size:
                break
            self._ready(max(min(self._server.timeout, self.time_left), 0.001), "no time left")
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
