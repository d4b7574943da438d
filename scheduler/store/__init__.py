"""The only room that speaks SQL: people, claims, the ledger, reports, and the door to them."""

from scheduler.store.database import Database, Tx

__all__ = ["Database", "Tx"]
