"""Does what comes back ask us to stop?

One mailbox that sends mail back day after day waits for its owner; complaints and refusals that
pile up stop all sending until a person has looked, because every further mail makes it worse.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta

#: So many days of mail in a row, each with mail sent back, and the run waits for its owner.
DAYS_IN_A_ROW = 5
#: The same, spread over `BOUNCE_SPAN`.
DAYS_IN_ALL = 10
BOUNCE_SPAN = timedelta(days=30)

#: Mailbox providers judge a day, and a week.
SPANS = (timedelta(days=1), timedelta(days=7))
#: Mailbox providers measure complaints by the day; above this they refuse everything.
MOST_COMPLAINTS = 0.003
#: From here a person should be told.
MANY_COMPLAINTS = 0.001
#: Fewer mails than this say nothing of a share of complaints.
ENOUGH_FOR_COMPLAINTS = 1000
#: Mails sent back for our reputation, content or DNS.
MOST_DISLIKED = 0.05
ENOUGH_FOR_DISLIKED = 20


def in_words(span: timedelta) -> str:
    """A span of `SPANS` for people."""
    return f"the last {span.days} days" if span.days > 1 else "the last 24 hours"


def keeps_coming_back(handed_over: Mapping[datetime, bool]) -> bool:
    """Should a run wait, because its mailbox keeps sending mail back?

    `handed_over`: each hand-over to the address in the last 30 days (aware UTC), and whether it
    came back. A day on which one mail came back counts as such; days after the latest of them
    do not count yet, because their mail may still come back. The order of the news is all one.
    """
    days: dict[date, bool] = {}
    for at, came_back in handed_over.items():
        days[at.date()] = days.get(at.date(), False) or came_back
    bad = [day for day, came_back in days.items() if came_back]
    if not bad:
        return False
    latest = max(bad)
    in_a_row = 0
    for day in sorted((day for day in days if day <= latest), reverse=True):
        if not days[day]:
            break
        in_a_row += 1
    return in_a_row >= DAYS_IN_A_ROW or len(bad) >= DAYS_IN_ALL


def too_many_complaints(complaints: int, taken: int) -> bool:
    """Of `taken` mails, have so many been reported as spam that sending must stop?"""
    return taken >= ENOUGH_FOR_COMPLAINTS and complaints >= MOST_COMPLAINTS * taken


def many_complaints(complaints: int, taken: int) -> bool:
    """The same, but only worth a warning."""
    return taken >= ENOUGH_FOR_COMPLAINTS and complaints >= MANY_COMPLAINTS * taken


def too_disliked(disliked: int, taken: int) -> bool:
    """Of `taken` mails, have so many been sent back for our own sake that sending must stop?"""
    return taken >= ENOUGH_FOR_DISLIKED and disliked > MOST_DISLIKED * taken
