"""What a returned mail turned out to be. Nouns only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from scheduler.domain.provider import Fault


class Nature(StrEnum):
    """What kind of mail came back. Each member carries its meaning in the line above it."""

    #: A machine says that a mail will not arrive.
    BOUNCE = "bounce"
    #: A machine says that a mail is late and that it goes on trying.
    DELAY = "delay"
    #: A mailbox provider passes on that somebody called a mail spam or wants no more.
    COMPLAINT = "complaint"
    #: A machine answers for a person: out of office, thank you for your mail.
    AUTO_REPLY = "auto-reply"
    #: Anything else: a person, a newsletter, a success report, rubbish.
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Failure:
    """One recipient a mail did not reach, and whose fault that is."""

    #: As the report names it; "" when it names none.
    recipient: str
    fault: Fault
    #: The enhanced status code, or "".
    status: str
    #: The other side's words, one printable line.
    words: str


@dataclass(frozen=True, slots=True)
class Returned:
    """One returned mail, read. Nothing in it is proven."""

    nature: Nature
    #: BOUNCE: who was not reached; DELAY: who is waited for; else empty.
    failures: tuple[Failure, ...]
    #: Every address this mail itself was sent to, outermost first.
    sent_to: tuple[str, ...]
    #: Message-IDs, with angle brackets, of the mail it speaks of; never its own.
    message_ids: tuple[str, ...]
    #: Its own Message-ID, or the SHA-256 of its bytes when it has none that could serve.
    id: str
    #: When it says it was written, aware UTC.
    at: datetime | None
    #: For a COMPLAINT what it is about, in lower case: "abuse", "fraud", "opt-out"; a report of
    #: failed authentication ("auth-failure") is a machine's, not a person's.
    feedback: str = ""
