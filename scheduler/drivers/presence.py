"""Tells the operator when a second worker runs on the same database.

Both are safe, claims keep them apart. On SQLite a second one is mostly a mistake and worth a
warning; on PostgreSQL it is how one grows.
"""

from __future__ import annotations

from datetime import datetime

import structlog

from scheduler.clock import Clock
from scheduler.store import Database, presence

log = structlog.get_logger(__name__)


class Presence:
    """One for each worker; call `renew` about once a tick."""

    def __init__(self, db: Database, clock: Clock, owner: str) -> None:
        self._db = db
        self._clock = clock
        self._owner = owner
        #: When each other note was first seen; one that is never renewed belongs to the dead.
        self._first_seen: dict[str, datetime] = {}
        self._told: set[str] = set()

    def renew(self) -> None:
        """Renew our note, and say once of each other worker that it lives."""
        with self._db.write("presence") as tx:
            presence.renew(tx, self._owner, self._clock.now())
            others = [w for w in presence.workers(tx) if w.owner != self._owner]
        for other in others:
            first = self._first_seen.setdefault(other.owner, other.seen_at)
            if other.seen_at != first and other.owner not in self._told:
                self._told.add(other.owner)
                self._tell(other.place)

    def withdraw(self) -> None:
        """We end."""
        with self._db.write("presence") as tx:
            presence.withdraw(tx, self._owner)

    def _tell(self, place: str) -> None:
        if self._db.dialect == "sqlite":
            log.warning(
                "another_worker",
                other=place,
                advice="both are safe, no mail goes out twice; one is enough for this file:"
                " start the other web server with `course serve --no-worker`",
            )
        else:
            log.info("another_worker", other=place)
