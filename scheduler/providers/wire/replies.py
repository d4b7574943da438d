"""Reads an SMTP reply: whose fault is it, and is it for good?

Pure. Asks `scheduler.rules.bounces` whose fault a refusal is, and knows besides how far the
transaction had come. What is our own fault (account, authentication, DNS) is always a
`Deferred`: no learner pays for it.
"""

from __future__ import annotations

import re
from datetime import timedelta
from enum import StrEnum

from scheduler.domain.provider import Deferred, Fault, Refused, Uncertain
from scheduler.rules.bounces import whose


class Phase(StrEnum):
    """How far a transaction had come. Values are what a person reads."""

    CONNECT = "connecting"
    GREETING = "greeting"
    EHLO = "EHLO"
    TLS = "STARTTLS"
    AUTH = "AUTH"
    MAIL = "MAIL FROM"
    RCPT = "RCPT TO"
    DATA = "DATA"
    #: The message is on its way, its terminator not yet.
    BODY = "message body"
    #: The terminator may have arrived: from here silence is uncertainty.
    ANSWER = "answer to the message"


#: Phases that concern the recipient or the message; all earlier ones concern us.
_THEIRS = (Phase.RCPT, Phase.DATA, Phase.BODY, Phase.ANSWER)

#: Asked of us before anything else: we are not logged in as we should be.
_LOGIN_CODES = frozenset({530, 534, 535, 538})
#: The same as details of X.7 (RFC 4954); in return mail some mean other things by them.
_LOGIN_DETAILS = frozenset({8, 9, 10, 11, 12, 14})

#: A server that greylists wants minutes, whatever else it says.
GREYLIST_WAIT = timedelta(minutes=5)

_ENHANCED = re.compile(r"\s*([245])\.(\d{1,3})\.(\d{1,3})(?!\S)")
_GREYLISTED = re.compile(r"gr[ae]y[- ]?list", re.IGNORECASE)
_RELAY = re.compile(
    r"relay|authentication (is )?required|(must|please) (be )?authenticat|authenticate first",
    re.IGNORECASE,
)

_LONGEST_DETAIL = 300


def verdict(phase: Phase, code: int, text: bytes | str) -> Deferred | Refused | Uncertain:
    """What a reply that is not the hoped-for one means for the message in hand."""
    words = one_line(text)
    detail = f"{phase}: {code} {words}".rstrip()
    found = _ENHANCED.match(words)
    subject, number = (int(found[2]), int(found[3])) if found else (-1, -1)
    if 400 <= code < 500:
        return _later(phase, code, subject, number, words, detail)
    if 500 <= code < 600:
        if phase in _THEIRS:
            return _no(phase, code, subject, number, words, detail)
        return _no_to_us(phase, code, subject, number, words, detail)
    if phase is Phase.ANSWER:
        return Uncertain(f"{detail} (not an answer the protocol knows)")
    return Deferred(f"{detail} (not an answer the protocol knows)", Fault.TRANSPORT)


def one_line(text: bytes | str) -> str:
    """A server's words as one printable line of limited length."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    if text.isprintable():
        return " ".join(text.split())[:_LONGEST_DETAIL]
    printable = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(printable.split())[:_LONGEST_DETAIL]


def _later(phase: Phase, code: int, subject: int, number: int, words: str, detail: str) -> Deferred:
    if _GREYLISTED.search(words) and phase in _THEIRS:
        return Deferred(detail, Fault.MAILBOX, GREYLIST_WAIT)
    if phase not in _THEIRS:
        return Deferred(detail, Fault.TRANSPORT)
    fault = whose(status=f"4.{subject}.{number}" if subject >= 0 else "", reply=code, words=words)
    if fault is not Fault.POLICY and (code == 421 or words.startswith("4.3.2")):
        return Deferred(detail, Fault.TRANSPORT)
    return Deferred(detail, fault or Fault.MAILBOX)


def _no_to_us(
    phase: Phase, code: int, subject: int, number: int, words: str, detail: str
) -> Deferred | Refused:
    """A refusal before any recipient was named is the relay's or ours, never the learner's."""
    if phase is Phase.MAIL and ((subject, number) == (3, 4) or (code == 552 and subject < 0)):
        return Refused(detail, Fault.CONTENT)
    if phase is Phase.AUTH:
        return Deferred(f"{detail}. Check user and password in SMTP_URL", Fault.CONFIG)
    if subject == 3 or (code == 503 and not _RELAY.search(words)):
        return Deferred(detail, Fault.TRANSPORT)
    return Deferred(f"{detail}. Ask the operator of the mail server", Fault.CONFIG)


def _no(
    phase: Phase, code: int, subject: int, number: int, words: str, detail: str
) -> Deferred | Refused:
    fault = _by_what_it_asks_of_us(code, subject, number, words)
    if fault is None:
        status = f"5.{subject}.{number}" if subject >= 0 else ""
        fault = whose(status=status, reply=code, words=words) or _by_phase(phase, code)
    # Ours to mend, or a muddle between two programs: nothing is lost, it waits.
    if fault in (Fault.CONFIG, Fault.TRANSPORT):
        return Deferred(detail, fault)
    return Refused(detail, fault)


def _by_what_it_asks_of_us(code: int, subject: int, number: int, words: str) -> Fault | None:
    """Only the server we speak to can ask us to log in; in return mail these words mean little."""
    if code in _LOGIN_CODES or (subject == 7 and number in _LOGIN_DETAILS):
        return Fault.CONFIG
    if subject in (-1, 0, 5):
        if code in (500, 502, 504):
            return Fault.CONFIG
        if code == 503:
            return Fault.TRANSPORT
    open_question = subject in (-1, 0, 5) or (subject == 7 and number <= 1)
    return Fault.CONFIG if open_question and _RELAY.search(words) else None


def _by_phase(phase: Phase, code: int) -> Fault:
    if phase is not Phase.RCPT:
        return Fault.POLICY
    # A plain no to this very recipient, and not a word of why.
    return Fault.ADDRESS if code in (501, 510, 511, 513, 550, 551, 553, 556) else Fault.MAILBOX
