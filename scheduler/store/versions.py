"""What was sent, kept once per content version, so that it can be read again as it was."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import String, select

from scheduler.store import batch, upsert
from scheduler.store.database import Tx
from scheduler.store.tables import lesson_versions

_v = lesson_versions.c


def keep_version(
    tx: Tx, *, version: str, course: str, key: str, document: str, now: datetime
) -> None:
    """Keep this version; once it is kept it never changes."""
    statement = upsert.insert(tx.dialect.name, lesson_versions).values(
        version=version, course=course, key=key, document=document, at=now
    )
    tx.execute(statement.on_conflict_do_nothing())


def version_document(tx: Tx, version: str) -> str | None:
    """The document kept for this version; None if it was never sent."""
    return tx.execute(select(_v.document).where(_v.version == version)).scalar_one_or_none()


def known_versions(tx: Tx, versions: Sequence[str]) -> set[str]:
    """Those of the versions that are kept."""
    if not versions:
        return set()
    b = batch.table(tx.dialect.name, {"version": String()})
    packed = batch.pack(tx.dialect.name, ("version",), ((v,) for v in set(versions)))
    query = select(_v.version).where(_v.version.in_(select(b.c.version)))
    return set(tx.execute(query, packed).scalars())
