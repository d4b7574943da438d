"""Reads an SMTP reply: whose fault is it, and is it for good?

Pure. Reads the enhanced status code first, then the three digits, then the words
(RFC 3463, RFC 5248, the table of bounce classes). What is our own fault (account,
authentication, DNS) is always a `Deferred`: no learner pays for it.
"""

from __future__ import annotations

import re
from datetime import timedelta
from enum import StrEnum

from scheduler.domain.provider import Deferred, Fault, Refused, Uncertain


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

#: Our authentication or DNS: RFC 5248 and 7372 codes, and Microsoft's 5.7.515.
_OUR_AUTHENTICATION = frozenset({8, 9, 10, 11, 12, 14, *range(20, 30), 515})
_OUR_AUTHENTICATION_CODES = frozenset({530, 534, 535, 538})

#: A server that greylists wants minutes, whatever else it says.
GREYLIST_WAIT = timedelta(minutes=5)

_ENHANCED = re.compile(r"\s*([245])\.(\d{1,3})\.(\d{1,3})(?!\S)")
_GREYLISTED = re.compile(r"gr[ae]y[- ]?list", re.IGNORECASE)
_FULL = re.compile(
    r"over ?quota|quota exceeded|mailbox (is )?full|insufficient storage", re.IGNORECASE
)
_RELAY = re.compile(
    r"relay|authentication (is )?required|(must|please) (be )?authenticat|authenticate first",
    re.IGNORECASE,
)
_DISLIKED = re.compile(
    r"spam|block|black ?list|deny ?list|reputation|policy|prohibited", re.IGNORECASE
)
_TOO_LARGE = re.compile(r"size|too (large|big|long)|exceeds", re.IGNORECASE)

_LONGEST_DETAIL = 300


def verdict(phase: Phase, code: int, text: bytes | str) -> Deferred | Refused | Uncertain:
    """What a reply that is not the hoped-for one means for the message in hand."""
    words = one_line(text)
    detail = f"{phase}: {code} {words}".rstrip()
    found = _ENHANCED.match(words)
    subject, number = (int(found[2]), int(found[3])) if found else (-1, -1)
    if 400 <= code < 500:
        return _later(phase, code, subject, words, detail)
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
    printable = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(printable.split())[:_LONGEST_DETAIL]


def _later(phase: Phase, code: int, subject: int, words: str, detail: str) -> Deferred:
    if _GREYLISTED.search(words) and phase in _THEIRS:
        return Deferred(detail, Fault.MAILBOX, GREYLIST_WAIT)
    if phase not in _THEIRS:
        return Deferred(detail, Fault.TRANSPORT)
    if subject == 7:
        return Deferred(detail, Fault.POLICY)
    if code == 421 or words.startswith("4.3.2"):
        return Deferred(detail, Fault.TRANSPORT)
    return Deferred(detail, Fault.MAILBOX)


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
    fault = _by_enhanced_code(subject, number, words) if subject >= 0 else None
    if code in _OUR_AUTHENTICATION_CODES:
        fault = Fault.CONFIG
    fault = fault or _by_code_and_words(phase, code, words)
    # Ours to mend, or a muddle between two programs: nothing is lost, it waits.
    if fault in (Fault.CONFIG, Fault.TRANSPORT):
        return Deferred(detail, fault)
    return Refused(detail, fault)


def _by_enhanced_code(subject: int, number: int, words: str) -> Fault | None:
    if subject == 1:
        # X.1.7 and X.1.8 speak of the sender's address.
        return Fault.CONFIG if number in (7, 8) else Fault.ADDRESS
    if subject == 2:
        return {1: Fault.ADDRESS, 3: Fault.CONTENT}.get(number, Fault.MAILBOX)
    if subject == 6 or (subject, number) == (3, 4):
        return Fault.CONTENT
    if subject == 7:
        if number in _OUR_AUTHENTICATION or (number <= 1 and _RELAY.search(words)):
            return Fault.CONFIG
        return Fault.POLICY
    if subject in (3, 4):
        return Fault.MAILBOX
    # X.0.x and X.5.x say nothing of whose fault it is: read on.
    return None


def _by_code_and_words(phase: Phase, code: int, words: str) -> Fault:
    if code in (500, 502, 504):
        return Fault.CONFIG
    if code == 503:
        return Fault.TRANSPORT
    if code == 552 and _TOO_LARGE.search(words) and not _FULL.search(words):
        return Fault.CONTENT
    if code == 552 or _FULL.search(words):
        return Fault.MAILBOX
    if _RELAY.search(words):
        return Fault.CONFIG
    if _DISLIKED.search(words):
        return Fault.POLICY
    if phase is Phase.RCPT and code in (501, 510, 511, 513, 550, 551, 553, 556):
        return Fault.ADDRESS
    return Fault.MAILBOX if phase is Phase.RCPT else Fault.POLICY
