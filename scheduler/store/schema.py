"""Which schema the database has, and how it gets to the newest one.

Alembic is imported only here and only when asked. Refuses a database newer than the program.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text

from scheduler.errors import DatabaseOutdated

if TYPE_CHECKING:
    from alembic.config import Config

FOLDER = Path(__file__).parent / "migrations"


def head() -> str:
    """The newest revision this program knows."""
    from alembic.script import ScriptDirectory

    revision = ScriptDirectory(str(FOLDER)).get_current_head()
    assert revision is not None
    return revision


def revision(tx: Connection) -> str | None:
    """The revision the database has; None if it is empty."""
    if not inspect(tx).has_table("alembic_version"):
        return None
    return tx.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()


def upgrade(tx: Connection) -> None:
    """Bring the schema to the newest revision, inside the caller's transaction."""
    from alembic import command
    from alembic.util import CommandError

    before = revision(tx)
    try:
        command.upgrade(_config(tx), "head")
    except CommandError as error:
        raise DatabaseOutdated(
            f"the database is at revision {before}, which this program does not know: "
            "it was written by a newer version; install that version or restore a backup"
        ) from error


def _config(tx: Connection) -> Config:
    from alembic.config import Config

    config = Config()
    # The file format behind this reads % as the start of a reference.
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.attributes["connection"] = tx
    return config
