"""Hands messages over on one SMTP connection and says what became of each.

With PIPELINING one write carries a message's end and the next message's MAIL, RCPT and DATA,
and one read usually brings all four answers (RFC 2920, 3.1). Without it the same words go
one by one. Refuses to change a message: only a dot at the start of a line is doubled, as the
protocol demands, and the receiver takes it off again.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from scheduler.domain.message import Message
from scheduler.domain.provider import Accepted, Deferred, Fault, Outcome, Refused, Uncertain
from scheduler.providers.wire.reach import Lost, lost
from scheduler.providers.wire.replies import Phase, one_line, verdict
from scheduler.providers.wire.smtp_opening import open_line
from scheduler.providers.wire.smtp_url import Server

#: No spaces, brackets, quotes or controls: nothing that could be a second command.
_ADDRESS = re.compile(r'[^\x00-\x20\x7f<>()\[\]\\,;:"@]+@[^\x00-\x20\x7f-\U0010ffff<>()\\,;:"@]+')
_LONGEST_ADDRESS = 254
#: A search for the same two bytes with `in` takes three times as long: 23 us in 26 kB, not 8.
_DOT_AT_START = re.compile(rb"\n\.")
_QUEUED_AS = re.compile(rb"queued as <?([^\s>;,]{1,100})", re.IGNORECASE)

_RSET = b"RSET\r\n"
_END = b".\r\n"


_QUESTIONS = (Phase.MAIL, Phase.RCPT, Phase.DATA)


@dataclass(frozen=True, slots=True)
class _No:
    """A command was refused."""

    code: int
    outcome: Deferred | Refused


@dataclass(frozen=True, slots=True)
class Letter:
    """A message ready for this connection."""

    message: Message
    #: MAIL, RCPT and DATA, a line each.
    commands: bytes
    #: Dots doubled, ends with CRLF, without the terminator.
    body: bytes


class Session:
    """An open connection; after `Lost` from any method it can only be hung up."""

    def __init__(self, server: Server, context: ssl.SSLContext | None, until: float) -> None:
        self._server = server
        self._line = open_line(server, context, until)
        #: The server said or did something after which only a goodbye makes sense.
        self._closing = False
        self._pipelining = self._line.has_extn("pipelining")
        size = self._line.esmtp_features.get("size", "")
        self._says_size = "size" in self._line.esmtp_features
        self._most_bytes = int(size) if size.isdigit() else 0

    def begin(self, until: float) -> None:
        """A kept connection starts a new batch."""
        self._line.begin(Phase.MAIL, until)

    @property
    def is_usable(self) -> bool:
        """May another batch begin here? Ask only between transactions."""
        return not self._closing and not self._line.is_stale

    def close(self) -> None:
        """Say QUIT and hang up; never raises."""
        self._line.leave()

    def hang_up(self) -> None:
        """Drop the connection as it is."""
        self._line.close()

    def prepare(self, message: Message) -> Letter | Refused | Deferred:
        """The message as this server takes it, or why it never can."""
        raw, to, sender = message.raw, message.to_addr, message.envelope_from
        if not _is_address(to):
            return Refused("the recipient is not a plain address", Fault.ADDRESS)
        if sender and not _is_address(sender):
            return Deferred("the sender is not a plain address; check EMAIL_FROM", Fault.CONFIG)
        if not raw:
            return Refused("the message is empty", Fault.CONTENT)
        mail = f"MAIL FROM:<{sender}>"
        if self._says_size:
            if 0 < self._most_bytes < len(raw):
                return Refused(
                    f"the message has {len(raw)} bytes, the server takes {self._most_bytes}",
                    Fault.CONTENT,
                )
            mail += f" SIZE={len(raw)}"
        if not raw.isascii():
            if not self._line.has_extn("8bitmime"):
                return Refused("the message has 8-bit bytes, the server takes 7", Fault.CONTENT)
            mail += " BODY=8BITMIME"
        if not (to.isascii() and sender.isascii()):
            if not self._line.has_extn("smtputf8"):
                return Refused("the server takes ASCII addresses only", Fault.ADDRESS)
            mail += " SMTPUTF8"
        commands = f"{mail}\r\nRCPT TO:<{to}>\r\nDATA\r\n".encode()
        return Letter(message, commands, raw if message.dotless else dot_stuffed(raw))

    def hand_over(self, letters: Iterable[Letter]) -> Iterator[Outcome]:
        """One outcome per letter, in order, as each becomes known; takes a letter ahead at most.

        Raises `Lost` for the first letter without an outcome; all after it are untouched.
        """
        return self._pipelined(letters) if self._pipelining else self._one_by_one(letters)

    def _pipelined(self, letters: Iterable[Letter]) -> Iterator[Outcome]:
        line = self._line
        coming = iter(letters)
        upcoming = next(coming, None)
        if upcoming is not None:
            self._write(Phase.MAIL, upcoming.commands)
        while (letter := upcoming) is not None:
            upcoming = next(coming, None)
            following = upcoming.commands if upcoming else b""
            self._stop_if_closing()
            mail, rcpt, data = self._ask(Phase.MAIL), self._ask(Phase.RCPT), self._ask(Phase.DATA)
            refusal = mail or rcpt or data
            if refusal is None:
                outcome = self._message(letter.body, following)
            elif data is None:
                if rcpt is None:
                    # A recipient stands although MAIL was refused: end nothing here.
                    raise lost(f"{Phase.DATA}: the server contradicts itself")
                # DATA was accepted without a recipient: an empty message ends it, and the
                # answer to that says nothing new.
                self._write(Phase.DATA, _END + following)
                line.read_reply()
                outcome = self._unless_muddled(refusal)
            else:
                outcome = self._unless_muddled(refusal)
                self._reset(following)
            line.phase = Phase.MAIL
            yield outcome

    def _one_by_one(self, letters: Iterable[Letter]) -> Iterator[Outcome]:
        for letter in letters:
            self._stop_if_closing()
            refusal: _No | None = None
            commands = letter.commands.splitlines(keepends=True)
            for phase, command in zip(_QUESTIONS, commands, strict=True):
                self._write(phase, command)
                refusal = self._ask(phase)
                if refusal is not None:
                    break
            if refusal is None:
                outcome = self._message(letter.body, b"")
            else:
                outcome = self._unless_muddled(refusal)
                self._reset(b"")
            self._line.phase = Phase.MAIL
            yield outcome

    def _stop_if_closing(self) -> None:
        if self._closing:
            raise lost(f"{Phase.MAIL}: the server ended the session")

    def _write(self, phase: Phase, data: bytes) -> None:
        self._line.phase = phase
        self._line.write(data)

    def _ask(self, phase: Phase) -> _No | None:
        """Read the answer to a command; None: yes. Raises `Lost` when the server is leaving."""
        self._line.phase = phase
        code, text = self._line.read_reply()
        if code == 354 if phase is Phase.DATA else 250 <= code < 260:
            return None
        outcome = verdict(phase, code, text)
        if code == 421 or not 400 <= code < 600 or isinstance(outcome, Uncertain):
            raise Lost(outcome)
        return _No(code, outcome)

    def _unless_muddled(self, no: _No) -> Outcome:
        if no.code == 503:  # "bad sequence": we disagree about where we are
            raise Lost(no.outcome)
        return no.outcome

    def _reset(self, following: bytes) -> None:
        """Without this the next MAIL would be a nested one."""
        self._write(Phase.MAIL, _RSET + following)
        code, text = self._line.read_reply()
        if not 200 <= code < 300:
            raise lost(f"RSET: {code} {one_line(text)}")

    def _message(self, body: bytes, following: bytes) -> Outcome:
        line = self._line
        if line.has_unread:
            raise lost(f"{Phase.DATA}: the server said more than it was asked")
        if line.time_left < self._server.reserve:
            raise lost(f"{Phase.DATA}: no time left in this batch")
        line.phase = Phase.BODY
        try:
            line.write(body + _END + following, handed_over_at=len(body))
        except Lost as error:
            return self._last_words(error)
        return self._final(*line.read_reply())

    def _last_words(self, error: Lost) -> Outcome:
        """The connection broke while writing; the server's reason may already be here."""
        self._closing = True
        words = self._line.last_words()
        if words is None:
            raise error
        if self._line.phase is Phase.ANSWER:
            return self._final(*words)
        if not 400 <= words[0] < 600:
            raise error
        return verdict(Phase.BODY, *words)

    def _final(self, code: int, text: bytes) -> Outcome:
        if 200 <= code < 300:
            found = _QUEUED_AS.search(text)
            return Accepted(found[1].decode("ascii", "replace") if found else "", one_line(text))
        self._closing = self._closing or code == 421 or not 400 <= code < 600
        return verdict(Phase.ANSWER, code, text)


def dot_stuffed(raw: bytes) -> bytes:
    """RFC 5321, 4.5.2; also after a bare line feed, which must not end a message anywhere."""
    body = raw.replace(b"\n.", b"\n..") if _DOT_AT_START.search(raw) else raw
    if body.startswith(b"."):
        body = b"." + body
    return body if body.endswith(b"\r\n") else body + b"\r\n"


def _is_address(address: str) -> bool:
    return len(address) <= _LONGEST_ADDRESS and _ADDRESS.fullmatch(address) is not None
