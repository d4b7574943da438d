"""What a provider reports later about a message it took."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class EventKind(StrEnum):
    """Each member carries its meaning in the line above it."""

    #: The receiving server took it.
    DELIVERED = "delivered"
    #: The receiving server said "later"; the provider keeps trying.
    DEFERRED = "deferred"
    #: The receiving server said no; `permanent` tells whether for good.
    BOUNCED = "bounced"
    #: The learner pressed "this is spam".
    COMPLAINED = "complained"
    #: The provider never tried (its own suppression list).
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class ProviderEvent:
    """One report. `id` is the provider's own, for telling repeats."""

    id: str
    kind: EventKind
    delivery_id: str
    at: datetime
    permanent: bool = False
    detail: str = ""
