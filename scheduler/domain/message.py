"""A finished email, ready for any provider, and the protocol of whoever writes one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from scheduler.domain.delivery import Claimed


@dataclass(frozen=True, slots=True)
class Shared:
    """What all learners of one version have in common, with substitution tags for the rest.

    Two messages of one version hold the very same object: group by identity.
    """

    subject: str
    text: str
    html: str
    from_addr: str
    from_name: str
    reply_to: str = ""
    categories: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """One email to one person, in the form the provider asked for (`Provider.form`)."""

    delivery_id: str
    #: Envelope recipient; ASCII domain.
    to_addr: str
    #: Envelope sender (bounce address).
    envelope_from: str
    #: With angle brackets; the same on every attempt.
    message_id: str
    #: Content hash of the lesson or letter it was made from.
    version: str
    #: The whole message, CRLF line ends, 7-bit: form "raw". Empty in form "parts".
    raw: bytes = b""
    #: No line of `raw` begins with a dot: SMTP, which doubles those, need not look for any.
    dotless: bool = False
    #: Form "parts".
    shared: Shared | None = None
    substitutions: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unfit:
    """A delivery that could not be composed, and why. `poison` = the lesson is at fault."""

    delivery_id: str
    reason: str
    #: True: every learner would fail (a broken lesson); False: only this one (a bad address).
    poison: bool
    #: True: wait instead of giving up (the lesson is a draft or broken; an edit will cure it).
    hold: bool = False


class Composer(Protocol):
    """Turns claimed deliveries into messages. Never raises for one bad delivery."""

    def compose(self, claimed: Sequence[Claimed]) -> list[Message | Unfit]:
        """One answer per claimed delivery, in the same order."""
        ...

    def document(self, version: str) -> str:
        """The text to keep so that this version can be read again later (opaque JSON)."""
        ...
