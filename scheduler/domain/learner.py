"""Who learns, and what they agreed to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Learner:
    """A person: one row per address, whatever the number of courses."""

    id: int
    #: As the person typed it, domain lower-cased and in A-label form; mail goes here.
    address: str
    #: May be empty: a first name is never required.
    first_name: str
    #: IANA name; the zone a new enrollment starts with.
    timezone: str
    #: BCP 47 tag.
    language: str


@dataclass(frozen=True, slots=True)
class Consent:
    """What was agreed, when, where and in which wording; kept after leaving."""

    #: One of: `signup`, `confirm`, `import`, `staff`, `settings`, `pause`, `resume`, `leave`,
    #: `restart`, `next`, `skip`, `address`, `address-back` (a change of address was taken back).
    action: str
    #: The exact sentence the person saw, or the operator's statement for an import.
    text: str
    #: Page or command the action came from.
    source: str
    at: datetime
    #: Salted hash of the network address, never the address itself; empty when unknown.
    ip_hash: str = ""
    user_agent: str = ""
