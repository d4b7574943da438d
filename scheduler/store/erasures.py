"""Who is to be erased, here or elsewhere: signups nobody ever confirmed, and the addresses of
people who are erased here already and not yet at a provider.

Refuses to ask a provider itself.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

from sqlalchemy import delete, exists, func, select

from scheduler.store import people, tables, upsert
from scheduler.store.database import Tx
from scheduler.store.tables import consents, deliveries, enrollments, erasures

_d, _e, _x = deliveries.c, enrollments.c, erasures.c

#: What somebody agreed to who is not merely an address typed into a form.
_SOMEBODY = ("confirm", "import", "staff")


def lapsed_signups(tx: Tx, before: datetime, limit: int) -> list[int]:
    """Learners who never confirmed anything and began nothing since then (aware UTC)."""
    other = enrollments.alias("other")
    has_other = exists().where(
        other.c.learner_id == _e.learner_id,
        (other.c.state != "stopped")
        | (other.c.reason != "expired")
        | (other.c.created_at >= before),
    )
    was_somebody = exists().where(
        consents.c.learner_id == _e.learner_id, consents.c.action.in_(_SOMEBODY)
    )
    rows = tx.execute(
        select(_e.learner_id)
        .where(tables.RUN_HAS_LAPSED, _e.created_at < before, ~has_other, ~was_somebody)
        .order_by(_e.created_at)
        .limit(limit)
        .with_for_update(skip_locked=True, of=enrollments)
    )
    return list(dict.fromkeys(rows.scalars()))


def erase_everywhere(tx: Tx, learner_id: int, providers: Collection[str], now: datetime) -> int:
    """Erase a person here, and note where copies of their mail may lie, among `providers`.

    Returns how many rows went. An address that is another learner's is not noted: a letter told
    that person it is taken.
    """
    _note_copies(tx, learner_id, providers, now)
    return people.erase(tx, learner_id)


def _note_copies(tx: Tx, learner_id: int, providers: Collection[str], now: datetime) -> None:
    went_to = tx.execute(
        select(_d.provider, _d.to_addr, func.max(_d.dated_at))
        .join_from(deliveries, enrollments, _e.id == _d.enrollment_id)
        .where(_e.learner_id == learner_id, _d.provider.in_(sorted(providers)))
        .group_by(_d.provider, _d.to_addr)
    ).all()
    statement = upsert.insert(tx.dialect.name, erasures)
    statement = statement.on_conflict_do_update(
        index_elements=["provider", "address"], set_={"at": statement.excluded.at}
    )
    for provider, address, dated_at in went_to:
        owner = people.find_learner(tx, address)
        if owner is not None and owner.id != learner_id:
            continue
        # A mail may be dated ahead of our clock, if it was sent as of a later day.
        at = max(now, dated_at or now)
        tx.execute(statement, {"provider": provider, "address": address, "at": at})


def pending_erasures(tx: Tx, limit: int) -> list[tuple[str, str, datetime]]:
    """Provider, address and when the person was erased here (aware UTC), oldest first."""
    rows = tx.execute(
        select(_x.provider, _x.address, _x.at).order_by(_x.at, _x.address).limit(limit)
    )
    return [(provider, address, at) for provider, address, at in rows]


def erasures_done(tx: Tx, provider: str, done: Iterable[tuple[str, datetime]]) -> None:
    """These are erased there; an address erased once more meanwhile stays."""
    for address, at in done:
        tx.execute(
            delete(erasures).where(_x.provider == provider, _x.address == address, _x.at == at)
        )


def drop_erasures(tx: Tx, before: datetime) -> dict[str, int]:
    """Give up what a provider has not erased since then; how many, by provider."""
    late = tx.execute(delete(erasures).where(_x.at < before).returning(_x.provider)).scalars().all()
    return {provider: late.count(provider) for provider in sorted(set(late))}
