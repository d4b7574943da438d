"""Erases who never confirmed a signup, and has providers erase who is erased here.

A provider may be away, or refuse for want of a right: then it is asked again for thirty days,
and after that even the wish is forgotten, because it is an address. Refuses to know how a
provider erases.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter

import structlog

from scheduler.domain.provider import Deferred
from scheduler.store import Database, erasures

log = structlog.get_logger(__name__)

#: Addresses asked for at once.
BATCH = 500
#: Who has not confirmed by then, counted from the signup, was perhaps never asked by themselves.
UNCONFIRMED_KEPT = timedelta(days=30)
#: Nobody's address stays here longer for want of an answer.
GIVE_UP_AFTER = timedelta(days=30)

#: Name of a provider, addresses with the instant of their erasure (aware UTC) -> why not, or None.
Forget = Callable[[str, Mapping[str, datetime]], Deferred | None]


class Forgetting:
    """Run it every few minutes; running it twice at once is harmless."""

    def __init__(
        self, db: Database, forget: Forget, *, remembering: Collection[str] = frozenset()
    ) -> None:
        """`remembering` are the providers that `forget` can be asked about."""
        self._db = db
        self._forget = forget
        self._remembering = remembering

    def erase_lapsed(self, now: datetime) -> int:
        """Erase people whose signup nobody confirmed for a month; returns how many."""
        with self._db.write("erase lapsed") as tx:
            lapsed = erasures.lapsed_signups(tx, now - UNCONFIRMED_KEPT, BATCH)
            for learner_id in lapsed:
                erasures.erase_everywhere(tx, learner_id, self._remembering, now)
        return len(lapsed)

    def look(self, now: datetime) -> int:
        """Ask for what is still to be erased; returns how many addresses are gone everywhere."""
        with self._db.read() as tx:
            pending = erasures.pending_erasures(tx, BATCH)
        if not pending:
            return 0
        gone = 0
        for provider, rows in groupby(sorted(pending), key=itemgetter(0)):
            erased = {address: at for _, address, at in rows}
            refusal = self._forget(provider, erased)
            if refusal is not None:
                log.warning(
                    "not_erased_there", provider=provider, people=len(erased), said=refusal.detail
                )
                continue
            with self._db.write("erased there") as tx:
                erasures.erasures_done(tx, provider, erased.items())
            gone += len(erased)
        with self._db.write("give up erasing") as tx:
            given_up = erasures.drop_erasures(tx, now - GIVE_UP_AFTER)
        for provider, count in given_up.items():
            log.warning("never_erased_there", provider=provider, people=count)
        return gone
