"""What becomes known later about a message that was taken: from a provider, or by return mail."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from scheduler.domain.provider import Fault


class EventKind(StrEnum):
    """Each member carries its meaning in the line above it."""

    #: The provider took it, and will try to deliver it.
    TAKEN = "taken"
    #: The receiving server took it.
    DELIVERED = "delivered"
    #: The receiving server said "later"; whoever has the message keeps trying.
    DEFERRED = "deferred"
    #: It will not arrive; the fault tells whose doing that is.
    BOUNCED = "bounced"
    #: The learner pressed "this is spam".
    COMPLAINED = "complained"
    #: The learner told the provider to send no more.
    LEFT = "left"


@dataclass(frozen=True, slots=True)
class ProviderEvent:
    """One report on one delivery, proven genuine by whoever took it in."""

    #: Tells repeats: the same report always has the same id.
    id: str
    kind: EventKind
    delivery_id: str
    #: When it happened, aware UTC.
    at: datetime
    #: Whose fault a bounce or a deferral is; None for the other kinds.
    fault: Fault | None = None
    #: The other side's words, one line.
    detail: str = ""
