"""What learners write for themselves, one row per run, lesson and field of its page.

Refuses to judge: what a field is for, and how long its text may be, is for the caller to know.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select

from scheduler.store.database import Tx
from scheduler.store.tables import notes
from scheduler.store.upsert import insert

_n = notes.c

#: Where the name stands that a certificate shows; with it the certificate is public.
CERTIFICATE, NAME = "@certificate", "name"


@dataclass(frozen=True, slots=True)
class Note:
    """One thing written down; `written_at` is aware UTC."""

    lesson_key: str
    item: str
    text: str
    written_at: datetime


def write(tx: Tx, enrollment_id: int, lesson_key: str, item: str, text: str, now: datetime) -> None:
    """Keep this text in place of what stood there; an empty one takes it away."""
    if not text:
        tx.execute(
            delete(notes).where(
                _n.enrollment_id == enrollment_id, _n.lesson_key == lesson_key, _n.item == item
            )
        )
        return
    row = {
        "enrollment_id": enrollment_id,
        "lesson_key": lesson_key,
        "item": item,
        "text": text,
        "written_at": now,
    }
    statement = insert(tx.dialect.name, notes).values(row)
    tx.execute(
        statement.on_conflict_do_update(
            index_elements=["enrollment_id", "lesson_key", "item"],
            set_={"text": text, "written_at": now},
        )
    )


def notes_of(tx: Tx, enrollment_id: int) -> list[Note]:
    """All that was written in one run, by lesson and field."""
    rows = tx.execute(
        select(_n.lesson_key, _n.item, _n.text, _n.written_at)
        .where(_n.enrollment_id == enrollment_id)
        .order_by(_n.lesson_key, _n.item)
    )
    return [Note(*row) for row in rows]


def certificate_name(tx: Tx, enrollment_id: int) -> str:
    """The name a certificate shows; empty when its owner has chosen none."""
    found = tx.execute(
        select(_n.text).where(
            _n.enrollment_id == enrollment_id, _n.lesson_key == CERTIFICATE, _n.item == NAME
        )
    ).scalar_one_or_none()
    return found or ""
