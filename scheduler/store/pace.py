"""How fast and whether a provider may send, shared by all workers of one database.

Keeps what `scheduler.rules.pace` decides; refuses to decide itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from sqlalchemy import select

from scheduler.rules.pace import Breaker, BreakerState, Bucket
from scheduler.store import batch, upsert
from scheduler.store.database import Tx
from scheduler.store.tables import buckets, provider_states

_p, _b = provider_states.c, buckets.c


def breaker(tx: Tx, provider: str, *, lock: bool = False) -> Breaker:
    """What is known of this provider; with `lock`, other workers wait for this transaction."""
    query = select(_p.breaker, _p.open_until, _p.openings, _p.failure_share, _p.said).where(
        _p.provider == provider
    )
    if lock:
        query = query.with_for_update()
    row = tx.execute(query).one_or_none()
    if row is None:
        return Breaker()
    state, *rest = row
    return Breaker(BreakerState(state), *rest)


def save_breaker(tx: Tx, provider: str, known: Breaker) -> None:
    """Set or replace what is known of this provider."""
    values = {
        "breaker": str(known.state),
        "open_until": known.open_until,
        "openings": known.openings,
        "failure_share": known.failure_share,
        "said": batch.line(known.said),
    }
    statement = upsert.insert(tx.dialect.name, provider_states).values(
        values | {"provider": provider}
    )
    tx.execute(statement.on_conflict_do_update(index_elements=["provider"], set_=values))


def buckets_of(tx: Tx, names: Iterable[str]) -> dict[str, Bucket]:
    """These buckets as far as they exist, locked in the order of their names."""
    query = (
        select(_b.name, _b.tokens, _b.updated_at)
        .where(_b.name.in_(sorted(names)))
        .order_by(_b.name)
        .with_for_update()
    )
    return {name: Bucket(tokens, at) for name, tokens, at in tx.execute(query)}


def save_buckets(tx: Tx, filled: Mapping[str, Bucket]) -> None:
    """Set or replace these buckets."""
    if not filled:
        return
    statement = upsert.insert(tx.dialect.name, buckets)
    tx.execute(
        statement.on_conflict_do_update(
            index_elements=["name"],
            set_={"tokens": statement.excluded.tokens, "updated_at": statement.excluded.updated_at},
        ),
        [
            {"name": name, "tokens": bucket.tokens, "updated_at": bucket.updated_at}
            for name, bucket in sorted(filled.items())
        ],
    )


def forget_full_buckets(tx: Tx, before: datetime) -> int:
    """Drop buckets nobody drew from since then; a missing bucket is a full one."""
    return tx.execute(buckets.delete().where(_b.updated_at < before)).rowcount
