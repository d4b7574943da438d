"""What came back, for the office: from whom, what it means, and how many complain.

Reads only. What follows from a report has been done already, by `scheduler.feedback`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from scheduler.domain.events import EventKind
from scheduler.domain.provider import Fault
from scheduler.rules import reputation
from scheduler.store import Tx, reported
from scheduler.store.reported import CameBack

#: The longest span that mailbox providers judge.
SPAN = max(reputation.SPANS)
_SHOWN = 30

#: What a report means, for the person who reads the page.
_MEANS = {
    EventKind.COMPLAINED: "Reported as spam. Nothing more goes to this address.",
    EventKind.LEFT: "Unsubscribed at the mail provider. Nothing more goes to this address.",
}
_BOUNCED: Mapping[Fault | None, str] = {
    Fault.ADDRESS: "No such mailbox. Nothing more goes to this address.",
    Fault.MAILBOX: "The mailbox could not take it; it may be full. The course goes on.",
    Fault.POLICY: "Turned away for our reputation, or for what we write.",
    Fault.CONFIG: "Turned away for how our domain is set up: run `course doctor`.",
    Fault.CONTENT: "Turned away for this very mail.",
}


@dataclass(frozen=True, slots=True)
class Returned:
    """What the page shows."""

    #: Newest first, at most `_SHOWN`.
    rows: tuple[CameBack, ...]
    #: How many complained, in a sentence; empty when nobody did.
    complaints: str
    #: So many that somebody should act on it.
    alarming: bool

    @staticmethod
    def means(row: CameBack) -> str:
        """What one report means, in words."""
        return _MEANS.get(row.kind) or _BOUNCED.get(row.fault, "It did not arrive.")


def returned(tx: Tx, now: datetime) -> Returned:
    """What came back by `now` (aware UTC), within `SPAN`."""
    rows = tuple(reported.came_back(tx, now - SPAN, _SHOWN))
    # Sums over every mail of a week are for a day on which somebody complained.
    if all(row.kind is not EventKind.COMPLAINED for row in rows) and len(rows) < _SHOWN:
        return Returned(rows, "", alarming=False)
    seen = {span: reported.seen(tx, now - span) for span in reputation.SPANS}
    many = [s for s, it in seen.items() if reputation.many_complaints(it.complaints, it.taken)]
    span = many[0] if many else SPAN
    return Returned(rows, _sentence(span, seen[span].complaints, seen[span].taken), bool(many))


def _sentence(span: timedelta, complaints: int, taken: int) -> str:
    if not complaints:
        return ""
    share = f" ({complaints / taken:.2%})" if taken else ""
    return (
        f"{complaints} of {taken:,} mails of {reputation.in_words(span)} were reported as spam"
        f"{share}. From {reputation.MOST_COMPLAINTS:.1%} on sending stops until you have looked."
    )
