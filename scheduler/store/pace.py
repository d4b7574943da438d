"""How fast and whether a provider may send, shared by all workers of one database."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import select

from scheduler.store import upsert
from scheduler.store.database import Tx
from scheduler.store.tables import provider_states

_p = provider_states.c


@dataclass(frozen=True, slots=True)
class ProviderState:
    """A provider's bucket and breaker; `_at` and `_until` are aware UTC."""

    provider: str
    #: Messages that may leave at once, as of `updated_at`.
    tokens: float
    updated_at: datetime
    #: `closed` (sending), `open` (resting) or `half` (trying one).
    breaker: str = "closed"
    open_until: datetime | None = None
    #: Recent share of hand-overs that failed for the provider's own reasons, 0 to 1.
    failure_share: float = 0.0


def provider_state(tx: Tx, provider: str, *, lock: bool = False) -> ProviderState | None:
    """What is known of this provider; with `lock`, other workers wait for this transaction."""
    query = select(
        *(_p.provider, _p.tokens, _p.updated_at, _p.breaker, _p.open_until, _p.failure_share)
    ).where(_p.provider == provider)
    if lock:
        query = query.with_for_update()
    row = tx.execute(query).one_or_none()
    return None if row is None else ProviderState(*row)


def save_provider_state(tx: Tx, state: ProviderState) -> None:
    """Set or replace what is known of this provider."""
    values = asdict(state)
    statement = upsert.insert(tx.dialect.name, provider_states).values(values)
    values.pop("provider")
    tx.execute(statement.on_conflict_do_update(index_elements=["provider"], set_=values))
