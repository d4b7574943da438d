"""Which workers run on this database: each leaves a note and renews it while it lives.

Only for people to see. Refuses to decide anything: claims keep workers apart, also those that
nobody knows of.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select

from scheduler.store.database import Tx
from scheduler.store.facts import set_meta
from scheduler.store.tables import meta

_PREFIX = "worker "
#: A note this old was left behind by a program that was killed.
_FORGOTTEN = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Worker:
    """One worker's note; `seen_at` (UTC) is when it was last renewed."""

    #: host:pid:random, as in the ledger.
    owner: str
    seen_at: datetime

    @property
    def place(self) -> str:
        """host:pid, for a person."""
        return self.owner.rpartition(":")[0] or self.owner


def renew(tx: Tx, owner: str, now: datetime) -> None:
    """Say that this worker lives, and tidy up after those that are long gone."""
    set_meta(tx, _PREFIX + owner, now.isoformat())
    gone = [w.owner for w in workers(tx) if now - w.seen_at > _FORGOTTEN]
    if gone:
        tx.execute(delete(meta).where(meta.c.key.in_([_PREFIX + name for name in gone])))


def withdraw(tx: Tx, owner: str) -> None:
    """This worker has ended."""
    tx.execute(delete(meta).where(meta.c.key == _PREFIX + owner))


def workers(tx: Tx, since: datetime | None = None) -> list[Worker]:
    """All that left a note, or only those that have renewed it since."""
    rows = tx.execute(select(meta.c.key, meta.c.value).where(meta.c.key.startswith(_PREFIX)))
    found = [Worker(key.removeprefix(_PREFIX), datetime.fromisoformat(at)) for key, at in rows]
    return sorted(
        (w for w in found if since is None or w.seen_at >= since), key=lambda worker: worker.owner
    )
