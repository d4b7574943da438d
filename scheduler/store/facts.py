"""Facts about the installation (`meta`), and who did what to it (`audit`)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select

from scheduler.store import upsert
from scheduler.store.database import Tx
from scheduler.store.tables import audit, meta


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One thing staff did; `at` is aware UTC."""

    at: datetime
    who: str
    action: str
    detail: str


def get_meta(tx: Tx, key: str) -> str | None:
    """The fact under this name; None if it was never set."""
    return tx.execute(select(meta.c.value).where(meta.c.key == key)).scalar_one_or_none()


def set_meta(tx: Tx, key: str, value: str) -> None:
    """Set or replace the fact under this name."""
    statement = upsert.insert(tx.dialect.name, meta).values(key=key, value=value)
    tx.execute(statement.on_conflict_do_update(index_elements=["key"], set_={"value": value}))


def add_audit(tx: Tx, at: datetime, who: str, action: str, detail: str) -> None:
    """Write down what staff did."""
    tx.execute(insert(audit).values(at=at, who=who, action=action, detail=detail))


def audit_trail(tx: Tx, limit: int) -> list[AuditRow]:
    """What staff did, newest first."""
    a = audit.c
    rows = tx.execute(select(a.at, a.who, a.action, a.detail).order_by(a.id.desc()).limit(limit))
    return [AuditRow(*row) for row in rows]
