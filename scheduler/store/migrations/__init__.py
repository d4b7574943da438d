"""Schema revisions, oldest first; run by `scheduler.store.schema`."""
