"""What a provider is, and the four answers it can give."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, Protocol

from scheduler.domain.message import Message

if TYPE_CHECKING:
    from scheduler.domain.events import ProviderEvent


class Fault(StrEnum):
    """Whose fault a refusal or a delay is. Each member carries its meaning in the line above it."""

    #: This address cannot receive mail: suppress it.
    ADDRESS = "address"
    #: This mailbox cannot receive now (full, greylisted, rate limited).
    MAILBOX = "mailbox"
    #: The receiver dislikes our reputation or our content rules: never the learner's fault.
    POLICY = "policy"
    #: Our account, key, authentication or DNS: stop sending, tell the operator.
    CONFIG = "config"
    #: This very message (too large, malformed): the lesson's fault.
    CONTENT = "content"
    #: The provider or the way to it is down: burns no attempt.
    TRANSPORT = "transport"


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider took the message. `ref` is its own id for it, possibly empty."""

    ref: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Deferred:
    """Not taken, nothing was delivered: try again, not before `after` when given."""

    detail: str
    fault: Fault = Fault.MAILBOX
    after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """Not taken, and never will be."""

    detail: str
    fault: Fault = Fault.ADDRESS


@dataclass(frozen=True, slots=True)
class Uncertain:
    """The message was handed over but no answer came: it may or may not have been taken."""

    detail: str


Outcome = Accepted | Deferred | Refused | Uncertain


class Provider(Protocol):
    """Sends. One file each in `scheduler/providers/`; found by name."""

    #: The name in `DELIVERY`, in the ledger and of its block in `config.yaml`.
    name: str
    #: Which form of `Message` it needs.
    form: Literal["raw", "parts"]
    #: How many messages may be marked `sending` together; bounds what a crash leaves uncertain.
    window: int

    def send(self, messages: Sequence[Message]) -> Iterator[tuple[str, Outcome]]:
        """Yield (delivery_id, outcome) once for each message, as each becomes known.

        Never raises for what a network or a provider does; a message it did not get to
        is `Deferred(fault=TRANSPORT)`. Ends within `deadline` seconds of its settings.
        """
        ...

    def break_off(self) -> None:
        """From now on begin no hand-over, for good: `send` ends after the one in hand.

        What it does not get to any more is deferred, as above. May be called from any thread,
        while another sends, and from a signal handler.
        """
        ...

    def close(self) -> None:
        """Give back connections; safe to call twice."""
        ...


class Listener(Protocol):
    """Hears what a provider reports later. Made by the `listen` of its file, if it has one."""

    def hear(
        self, headers: Mapping[str, str], body: bytes, now: datetime
    ) -> Sequence[ProviderEvent]:
        """What a request to `/webhooks/NAME` reports; header names in lower case, `now` aware UTC.

        Raises `NotGenuine` for anything but the provider's own report.
        """
        ...
