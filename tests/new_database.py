"""A new SQLite file: brought up through every revision once a process, then copied.

For tests in which a database only has to be there; those of the revisions make their own.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from scheduler.store import Database


def new_sqlite(file: Path) -> str:
    """The URL of a database with the newest schema and nobody in it."""
    file.touch(mode=0o600)
    file.write_bytes(_migrated())
    return f"sqlite:///{file}"


@cache
def _migrated() -> bytes:
    with TemporaryDirectory() as folder:
        file = Path(folder) / "new.db"
        db = Database(f"sqlite:///{file}")
        db.upgrade()
        db.close()
        return file.read_bytes()
