"""How often one letter may go to one person: nobody's inbox is filled by a form."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

_DAY = timedelta(days=1)


def may_owe(
    here: Collection[datetime],
    anywhere: Collection[datetime],
    now: datetime,
    *,
    every: timedelta,
    per_day: int | None = None,
) -> bool:
    """May one more copy of a letter be owed now?

    `here`: when copies were owed in this round of this run; the latest must be `every` old.
    `anywhere`: the same for all that count towards `per_day` in the last 24 hours. Copies
    withdrawn since count too: leaving and signing up in a loop must not fill an inbox. All
    instants are aware.
    """
    if here and now - max(here) < every:
        return False
    return per_day is None or sum(1 for at in anywhere if now - at < _DAY) < per_day


def copy_key(letter: str, before: int) -> str:
    """What the ledger calls a letter of which so many copies were owed before."""
    return letter if not before else f"{letter}-{before + 1}"
