"""Alembic's entry: runs on the connection it is handed, in the transaction it is handed."""

from __future__ import annotations

from alembic import context

from scheduler.store.tables import metadata

connection = context.config.attributes.get("connection")
if connection is None:
    raise SystemExit("migrations run through the program: use `course db upgrade`")
context.configure(
    connection=connection,
    target_metadata=metadata,
    # SQLite alters a table by building it anew.
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
