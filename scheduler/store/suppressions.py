"""Addresses nothing may be sent to, as keyed hashes only. Checked again when a delivery is marked.

The caller hashes (`rules.suppression.address_hash`); the address itself never comes here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Delete, Select, String, bindparam, delete, select

from scheduler.store import batch
from scheduler.store.database import Tx
from scheduler.store.tables import suppressions
from scheduler.store.upsert import insert


@dataclass(frozen=True, slots=True)
class Suppression:
    """Why nothing may be sent to an address; `at` is aware UTC."""

    #: bounced, complained, left, staff, never or erased.
    reason: str
    #: Who said so: a provider, a page, a command.
    source: str
    at: datetime


def suppress(tx: Tx, address_hash: str, *, reason: str, source: str, now: datetime) -> None:
    """Send nothing to this address from now on; the first reason stays, unless people object.

    Whatever the order of the news: a complaint or a departure outlasts a mailbox that is mended.
    """
    row = {"address_hash": address_hash, "reason": reason, "source": source, "at": now}
    added = insert(tx.dialect.name, suppressions).values(row)
    if reason == "bounced":
        tx.execute(added.on_conflict_do_nothing())
        return
    tx.execute(
        added.on_conflict_do_update(
            index_elements=[suppressions.c.address_hash],
            set_={"reason": reason, "source": source, "at": now},
            where=suppressions.c.reason == "bounced",
        )
    )


def suppressed(tx: Tx, hashes: Sequence[str]) -> set[str]:
    """Those of the hashes that are suppressed."""
    if not hashes:
        return set()
    dialect = tx.dialect.name
    packed = batch.pack(dialect, ("address_hash",), ((h,) for h in set(hashes)))
    return set(tx.execute(_suppressed(dialect), packed).scalars())


def suppression(tx: Tx, address_hash: str) -> Suppression | None:
    """Why nothing may be sent to this address; None if it may."""
    s = suppressions.c
    row = tx.execute(
        select(s.reason, s.source, s.at).where(s.address_hash == address_hash)
    ).one_or_none()
    return None if row is None else Suppression(*row)


def unsuppress(tx: Tx, address_hash: str) -> bool:
    """Allow this address again; False if it was not suppressed."""
    where = suppressions.c.address_hash == address_hash
    return tx.execute(delete(suppressions).where(where)).rowcount > 0


def lift(tx: Tx, hashes: Sequence[str], *, reason: str) -> None:
    """Allow those of these addresses again that are suppressed for this reason alone."""
    dialect = tx.dialect.name
    packed = batch.pack(dialect, ("address_hash",), ((h,) for h in set(hashes)))
    tx.execute(_lift(dialect), packed | {"reason": reason})


@cache
def _lift(dialect: str) -> Delete:
    b = batch.table(dialect, {"address_hash": String()})
    return delete(suppressions).where(
        suppressions.c.address_hash.in_(select(b.c.address_hash)),
        suppressions.c.reason == bindparam("reason", type_=String()),
    )


@cache
def _suppressed(dialect: str) -> Select[Any]:
    b = batch.table(dialect, {"address_hash": String()})
    hashed = suppressions.c.address_hash
    return select(hashed).where(hashed.in_(select(b.c.address_hash)))
