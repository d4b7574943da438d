"""A school whose whole roll is due at the same minute, with little memory to send it from."""

from __future__ import annotations

import resource
import tempfile
from pathlib import Path

from scheduler.dispatch import BATCH, Dispatcher
from scheduler.domain.provider import Accepted
from scheduler.store import Database
from tests.benchmarks.processes import apart
from tests.benchmarks.school import founded, mail_composer, morning

DUE = 100_000
#: What a worker may take beyond what it has when it has been built. A tenth of these runs as
#: objects would not fit.
ROOM = 24 << 20


class Nowhere:
    """Takes everything and keeps nothing."""

    name, form, window = "smtp", "raw", 50

    def send(self, messages):
        for message in messages:
            yield message.delivery_id, Accepted("ok")

    def break_off(self) -> None:
        """Nothing is under way."""

    def close(self) -> None:
        """Nothing to give back."""


def test_a_whole_school_due_at_once_is_sent_in_batches_from_little_memory(tmp_path: Path) -> None:
    school = founded(f"sqlite:///{tmp_path}/school.db", size=DUE, due=DUE)
    accepted, left = apart(_two_batches, school)
    assert (accepted, left) == (2 * BATCH, DUE - 2 * BATCH)


def _two_batches(school: str) -> tuple[int, int]:
    """Send two batches; the kernel refuses the memory that all would need."""
    db = Database(school)
    with tempfile.TemporaryDirectory() as folder:
        composer = mail_composer(Path(folder))
        dispatcher = Dispatcher(
            db, morning(0), composer.catalog.syllabus, composer, Nowhere(), salt="salt"
        )
        first = dispatcher.run_due(until_idle=False).as_dict()["accepted"]
        used = int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_DATA, (used + ROOM, used + ROOM))
        second = dispatcher.run_due(until_idle=False).as_dict()["accepted"]
    with db.read() as tx:
        left = tx.exec_driver_sql(
            "SELECT count(*) FROM enrollments WHERE state = 'active' AND next_due_at < '2026-11-24'"
        ).scalar_one()
    db.close()
    return first + second, left
