"""Who is logged in to the admin pages, and which one-time links were used; hashes only."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, insert, select, update

from scheduler.store import upsert
from scheduler.store.database import Tx
from scheduler.store.tables import admin_sessions, used_links

_s = admin_sessions.c


@dataclass(frozen=True, slots=True)
class Session:
    """One login; both `_at` are aware UTC."""

    id_hash: str
    created_at: datetime
    last_seen_at: datetime


def add_session(tx: Tx, id_hash: str, now: datetime) -> None:
    """Somebody logged in."""
    tx.execute(insert(admin_sessions).values(id_hash=id_hash, created_at=now, last_seen_at=now))


def session(tx: Tx, id_hash: str) -> Session | None:
    """The login under this hash; whether it is too old is the caller's question."""
    row = tx.execute(
        select(_s.id_hash, _s.created_at, _s.last_seen_at).where(_s.id_hash == id_hash)
    ).one_or_none()
    return None if row is None else Session(*row)


def touch_session(tx: Tx, id_hash: str, now: datetime) -> None:
    """The login was used."""
    tx.execute(update(admin_sessions).where(_s.id_hash == id_hash).values(last_seen_at=now))


def end_session(tx: Tx, id_hash: str) -> bool:
    """Log out; False if there was no such login."""
    return tx.execute(delete(admin_sessions).where(_s.id_hash == id_hash)).rowcount > 0


def end_all_sessions(tx: Tx) -> int:
    """Log everybody out; returns how many were."""
    return tx.execute(delete(admin_sessions)).rowcount


def prune_sessions(tx: Tx, *, idle_since: datetime, created_before: datetime) -> int:
    """End logins unused since, or begun before; returns how many. Forgets old used links too."""
    tx.execute(delete(used_links).where(used_links.c.at < created_before))
    too_old = (_s.last_seen_at < idle_since) | (_s.created_at < created_before)
    return tx.execute(delete(admin_sessions).where(too_old)).rowcount


def use_link_once(tx: Tx, link_hash: str, now: datetime) -> bool:
    """True the first time a link is used, False ever after, also under concurrent use."""
    statement = upsert.insert(tx.dialect.name, used_links).values(link_hash=link_hash, at=now)
    first = statement.on_conflict_do_nothing().returning(used_links.c.link_hash)
    return tx.execute(first).one_or_none() is not None
