"""A mail server on a raw socket that misbehaves on demand and never lies to the test.

`accepted` is the truth: what the server took responsibility for, whatever it said. A fault is
a name; `at` is the number (from 0) of the MAIL command, or of the connection for faults before
MAIL, at which it strikes, and `times` how often. Recipients named in `_BY_RECIPIENT` always
get that answer; mail to `silent` is taken without a word.
"""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import struct
import threading
import time
from base64 import b64decode
from dataclasses import dataclass, field
from types import TracebackType

_BY_RECIPIENT = {
    "unknown": "550-5.1.1 The account you wrote to\r\n550 5.1.1 does not exist",
    "gone": "550 no such user here",
    "full": "552 5.2.2 Mailbox full",
    "grey": "451 4.7.1 Greylisted, please try again in 5 minutes",
    "busy": "452 4.2.2 Over quota",
    "relay": "554 5.7.1 Relay access denied",
}
_AFTER_DOT = {
    "spam": "550 5.7.1 Message content rejected",
    "huge": "552 5.3.4 Message too big for system",
    "odd": "554 5.6.0 Malformed message",
    "dmarc": "550 5.7.26 Unauthenticated sender",
    "later": "451 4.3.0 Try again later",
}


@dataclass
class Copy:
    """One message the server took."""

    sender: str
    to: str
    data: bytes
    #: With dots still doubled.
    on_the_wire: bytes = b""


@dataclass
class FaultServer:
    """Binds a free port of 127.0.0.1; a context manager."""

    fault: str = ""
    at: int = 0
    times: int = 1_000_000
    extensions: tuple[str, ...] = ("PIPELINING", "SIZE 10000000", "8BITMIME", "ENHANCEDSTATUSCODES")
    tls: ssl.SSLContext | None = None
    implicit_tls: bool = False
    credentials: tuple[str, str] | None = None
    #: Seconds from the end of a message to the answer.
    answers_after: float = 0.0
    #: Who comes while so many are connected is sent away.
    most_at_once: int = 1000
    accepted: list[Copy] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    #: Each read from the network, for counting round trips.
    reads: int = 0
    connections: int = 0
    messages: int = 0

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._stopped = threading.Event()
        self._open: set[socket.socket] = set()

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    def __enter__(self) -> FaultServer:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def at_once(self) -> int:
        """Open connections."""
        with self._lock:
            return len(self._open)

    def stop(self) -> None:
        """Refuse new connections and drop the open ones."""
        self._stopped.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self.drop_all()

    def drop_all(self) -> None:
        """End every open connection, as an idle limit would."""
        with self._lock:
            dropped, self._open = self._open, set()
        for sock in dropped:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def strikes(self, fault: str, number: int) -> bool:
        """Is it this fault's turn? Uses one of its `times`."""
        if self.fault != fault or number < self.at:
            return False
        with self._lock:
            if self.times <= 0:
                return False
            self.times -= 1
            return True

    def _serve(self) -> None:
        while not self._stopped.is_set():
            try:
                sock, _ = self._socket.accept()
            except OSError:
                return
            with self._lock:
                number = self.connections
                self.connections += 1
                self._open.add(sock)
            threading.Thread(target=self._talk, args=(sock, number), daemon=True).start()

    def _talk(self, sock: socket.socket, number: int) -> None:
        conversation = _Conversation(self, sock, number)
        with contextlib.suppress(OSError, EOFError):
            conversation.run()
        with self._lock:
            self._open.discard(sock)
        conversation.sock.close()


class _Conversation:
    def __init__(self, server: FaultServer, sock: socket.socket, number: int) -> None:
        self.server, self.sock, self.number = server, sock, number
        self.buffer = b""
        self.sender: str | None = None
        self.to: str | None = None
        self.message = -1

    def run(self) -> None:
        server = self.server
        if server.implicit_tls and server.tls:
            self.sock = server.tls.wrap_socket(self.sock, server_side=True)
        if self.greet():
            while self.obey(self.line()):
                pass

    def greet(self) -> bool:
        if self.server.at_once > self.server.most_at_once:
            return self.say("421 4.7.0 too many connections from your address", go_on=False)
        if self.strikes("drop before greeting"):
            return False
        if self.strikes("hang before greeting"):
            return self.hang()
        if self.strikes("trickle greeting"):
            return self.trickle("220 slow.example ready to serve you all day long")
        if self.strikes("421 at greeting"):
            return self.say("421 4.3.2 too many connections", go_on=False)
        if self.strikes("554 at greeting"):
            return self.say("554 5.7.1 your address is on a list", go_on=False)
        return self.say("220 fault.example ESMTP")

    def obey(self, line: str) -> bool:
        self.server.commands.append(line)
        verb = line.split(" ")[0].split(":")[0].upper()
        handler = getattr(self, f"on_{verb.lower()}", None)
        return bool(handler(line)) if handler else self.say("502 5.5.1 unknown command")

    # Commands; each returns whether the conversation goes on

    def on_ehlo(self, _line: str) -> bool:
        if self.strikes("drop at ehlo"):
            return False
        if self.strikes("no ehlo"):
            return self.say("502 5.5.1 what?")
        lines = ["fault.example", *self.server.extensions]
        if self.server.tls and not isinstance(self.sock, ssl.SSLSocket):
            lines.append("STARTTLS")
        if self.server.credentials:
            lines.append("AUTH PLAIN")
        return self.say(
            *(f"250{' ' if i == len(lines) - 1 else '-'}{text}" for i, text in enumerate(lines))
        )

    def on_helo(self, _line: str) -> bool:
        return self.say("250 fault.example")

    def on_starttls(self, _line: str) -> bool:
        if self.strikes("454 at starttls"):
            return self.say("454 4.7.0 TLS not available now")
        if self.strikes("injection after starttls"):
            self.say("220 go", "250-injected", "250 AUTH PLAIN")
            return self.hang()
        self.say("220 go ahead")
        assert self.server.tls is not None
        self.sock = self.server.tls.wrap_socket(self.sock, server_side=True)
        return True

    def on_auth(self, line: str) -> bool:
        if self.strikes("drop at auth"):
            return False
        if self.strikes("454 at auth"):
            return self.say("454 4.7.0 temporary failure")
        given = b64decode(line.split(" ")[2]).decode().split("\0")[1:]
        if self.server.credentials and tuple(given) == self.server.credentials:
            return self.say("235 2.7.0 welcome")
        if self.strikes("echo at auth"):
            return self.say(f"535 5.7.8 not {line} nor {given}")
        return self.say("535 5.7.8 bad credentials")

    def on_mail(self, line: str) -> bool:
        if self.sender is not None:
            return self.say("503 5.5.1 nested MAIL command")
        self.message = self.server.messages
        self.server.messages += 1
        for fault, answer in {
            "451 at mail": "451 4.3.0 try later",
            "550 at mail": "550 5.7.1 sender not allowed",
            "530 at mail": "530 5.7.0 authentication required",
            "503 at mail": "503 5.5.1 lost the thread",
        }.items():
            if self.strikes(fault):
                return self.say(answer)
        if self.strikes("421 at mail"):
            return self.say("421 4.7.0 too many messages in this session", go_on=False)
        if self.strikes("drop at mail"):
            return False
        self.sender = re.search(r"<(.*?)>", line)[1]  # type: ignore[index]
        return self.say("250 2.1.0 ok")

    def on_rcpt(self, line: str) -> bool:
        if self.sender is None:
            return self.say("503 5.5.1 need MAIL")
        if self.strikes("drop at rcpt"):
            return False
        to = re.search(r"<(.*?)>", line)[1]  # type: ignore[index]
        answer = _BY_RECIPIENT.get(to.partition("@")[0])
        if answer:
            return self.say(answer)
        self.to = to
        return self.say("250 2.1.5 ok")

    def on_data(self, _line: str) -> bool:
        if self.to is None and self.server.fault != "data without recipient":
            return self.say("503 5.5.1 need RCPT")
        if self.strikes("drop before 354"):
            return False
        if self.strikes("421 at data"):
            return self.say("421 4.3.2 going down", go_on=False)
        if self.strikes("554 at data"):
            return self.say("554 5.7.1 not today")
        if self.strikes("250 at data"):
            return self.say("250 ok")
        self.say("354 go ahead")
        return self.body()

    def body(self) -> bool:
        if self.strikes("drop in body"):
            self.sock.recv(1000)
            return self.reset()
        if self.strikes("552 in body"):
            self.sock.recv(1000)
            self.say("552 5.3.4 message too big")
            self.sock.shutdown(socket.SHUT_WR)
            time.sleep(0.05)
            return self.reset()
        while not (self.buffer.startswith(b".\r\n") or b"\r\n.\r\n" in self.buffer):
            self.fill()
        if self.buffer.startswith(b".\r\n"):
            data, self.buffer = b"", self.buffer[3:]
        else:
            data, self.buffer = self.buffer.split(b"\r\n.\r\n", 1)
            data += b"\r\n"
        sender, to = self.sender, self.to
        self.sender = self.to = None
        time.sleep(self.server.answers_after)
        return self.answer(sender, to, data)

    def answer(self, sender: str | None, to: str | None, wire: bytes) -> bool:
        if to is None:
            return self.say("554 5.5.1 no valid recipients")
        refusal = _AFTER_DOT.get(to.partition("@")[0])
        if refusal:
            return self.say(refusal)
        if self.strikes("drop after dot, not accepted"):
            return self.reset()
        if self.strikes("452 after dot"):
            return self.say("452 4.3.1 no space")
        if self.strikes("421 after dot"):
            return self.say("421 4.3.2 going down", go_on=False)
        data = re.sub(rb"(?m)^\.", b"", wire)
        self.server.accepted.append(Copy(sender or "", to, data, wire))
        if self.strikes("accept, then drop") or to.startswith("silent@"):
            return self.reset()
        if self.strikes("accept, then hang"):
            return self.hang()
        if self.strikes("accept, then trickle"):
            return self.trickle("250 2.0.0 queued as A1B2C3 and so on and so forth")
        if self.strikes("accept, then nonsense"):
            return self.say("fine by me")
        self.say(f"250 2.0.0 Ok: queued as Q{len(self.server.accepted)}")
        return not self.strikes("250, then drop")

    def on_rset(self, _line: str) -> bool:
        self.sender = self.to = None
        return self.say("250 2.0.0 flushed")

    def on_quit(self, _line: str) -> bool:
        return self.say("221 2.0.0 bye", go_on=False)

    # Plumbing

    def strikes(self, fault: str) -> bool:
        return self.server.strikes(
            fault, max(self.message, 0) if self.message >= 0 else self.number
        )

    def line(self) -> str:
        while b"\r\n" not in self.buffer:
            self.fill()
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line.decode("utf-8", "replace")

    def fill(self) -> None:
        chunk = self.sock.recv(65536)
        if not chunk:
            raise EOFError
        self.server.reads += 1
        self.buffer += chunk

    def say(self, *lines: str, go_on: bool = True) -> bool:
        self.sock.sendall("".join(f"{line}\r\n" for line in lines).encode())
        return go_on

    def trickle(self, text: str) -> bool:
        """One byte now and then: every single read is in time, the whole never."""
        for byte in text.encode():
            self.sock.sendall(bytes([byte]))
            time.sleep(0.05)
        return self.say("")

    def hang(self) -> bool:
        with contextlib.suppress(OSError):
            while self.sock.recv(65536):
                pass
        return False

    def reset(self) -> bool:
        """RST instead of FIN, as a crashing host does."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False
