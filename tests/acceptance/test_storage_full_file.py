"""A disk or a file that takes no more: nothing is sent whose outcome could not be written down."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, update

from scheduler.domain.delivery import DeliveryState
from scheduler.errors import DatabaseFull
from scheduler.store import Database
from scheduler.store.tables import enrollments
from tests.acceptance.real_processes import COURSE, LESSON, MORNING
from tests.office import Office

WINDOW = 5
LEARNERS = [f"p{n}@example.com" for n in range(12)]
LEASE_IS_OVER = timedelta(minutes=3)


def an_office(url: str) -> Office:
    office = Office(Database(url))
    office.letterbox.window = WINDOW
    office.runs = {address: office.join(address) for address in LEARNERS}
    return office


def lessons(office: Office) -> list[str]:
    return sorted(posted.to for posted in office.letterbox.posted if posted.key == "one")


def everything_is_right(office: Office) -> None:
    """Each lesson came once, the ledger says so, and the file is whole."""
    assert lessons(office) == sorted(LEARNERS)
    for run in office.runs.values():
        assert office.deliveries(run)["one"].state is DeliveryState.ACCEPTED
    office.db.check()


def during_the_first_hand_over(office: Office, happen: Callable[[], object]) -> None:
    def once(_: object) -> None:
        office.letterbox.before = lambda _: None
        happen()

    office.letterbox.before = once


@contextmanager
def a_limit(db: Database) -> Iterator[Callable[[int], None]]:
    """SQLite's own limit on the size of a file, on each connection at its next transaction."""
    most = [2**31 - 1]

    def limit(connection: Any) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count={most[0]}")

    event.listen(db._engine, "begin", limit)
    yield lambda pages: most.__setitem__(0, pages)
    event.remove(db._engine, "begin", limit)


def pages(db: Database) -> int:
    with db.read() as tx:
        return int(tx.exec_driver_sql("PRAGMA page_count").scalar_one())


def test_a_file_that_may_not_grow_sends_nothing(sqlite_url: str) -> None:
    office = an_office(sqlite_url)
    with a_limit(office.db) as limit:
        # Room for the plan, the claims and the marks, but not for what is kept free.
        limit(pages(office.db) + 20)
        with pytest.raises(DatabaseFull, match="is full: free some disk space"):
            office.work()
        assert office.letterbox.posted == []
        office.db.check()
        limit(2**31 - 1)
        office.work()
    everything_is_right(office)
    office.db.close()


def test_a_file_that_stops_growing_during_a_hand_over_still_takes_the_answers(
    sqlite_url: str,
) -> None:
    office = an_office(sqlite_url)
    with a_limit(office.db) as limit:
        during_the_first_hand_over(office, lambda: limit(pages(office.db)))
        office.dispatcher.run_due(until_idle=False)
        said = [d.state for run in office.runs.values() for d in office.deliveries(run).values()]
        assert said.count(DeliveryState.ACCEPTED) == len(office.letterbox.posted) >= WINDOW
        office.db.check()
        limit(2**31 - 1)
        office.work()
    everything_is_right(office)
    office.db.close()


def test_a_real_worker_whose_files_may_not_grow_says_so_and_sends_nothing(tmp_path: Path) -> None:
    """The kernel refuses the write (`RLIMIT_FSIZE`)."""
    environment = a_project(tmp_path)
    people = "\n".join(["email,timezone", *(f"{address},UTC" for address in LEARNERS)])
    (tmp_path / "people.csv").write_text(people, "utf-8")
    assert course(tmp_path, environment, "import", "people.csv", "--consent", "asked").ok
    file = tmp_path / "course.db"
    db = Database(f"sqlite:///{file}")
    with db.write() as tx:
        tx.execute(update(enrollments).values(next_due_at=MORNING))
    db.close()

    def work(now: datetime, **limit: int) -> Ended:
        return course(tmp_path, environment, "work", "--once", "--as-of", now.isoformat(), **limit)

    refused = work(MORNING, most=file.stat().st_size + 64 * 1024)
    assert refused.code == 69, refused.said
    assert "space" in refused.said
    assert "Traceback" not in refused.said
    assert list(tmp_path.rglob("*.eml")) == []

    # What the first worker had claimed is free again once its lease is over.
    assert work(MORNING + LEASE_IS_OVER).ok
    assert len(list(tmp_path.rglob("*.eml"))) == len(LEARNERS)
    db.check()
    db.close()


@dataclass(frozen=True)
class Ended:
    code: int
    said: str

    @property
    def ok(self) -> bool:
        assert self.code == 0, self.said
        return True


def a_project(folder: Path) -> dict[str, str]:
    lessons = folder / "lessons" / "tiny"
    lessons.mkdir(parents=True)
    (lessons / "course.yaml").write_text(COURSE, "utf-8")
    (lessons / "1-lesson-1.md").write_text(LESSON.format("Lesson 1"), "utf-8")
    (folder / "config.yaml").write_text("lessons: lessons\n", "utf-8")
    return os.environ | {
        "DATABASE_URL": f"sqlite:///{folder}/course.db",
        "DELIVERY": "file",
        "EMAIL_FROM": "Tiny <course@example.com>",
        "POSTAL_ADDRESS": "1 Main Street",
        "SECRET_KEY": "x" * 40,
    }


def course(
    folder: Path, environment: dict[str, str], *command: str, most: int = resource.RLIM_INFINITY
) -> Ended:
    """Run the program where no file may become larger than `most` bytes."""
    ended = subprocess.run(
        [sys.executable, "-m", "course", *command],
        cwd=folder,
        env=environment,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most)),
        capture_output=True,
        text=True,
        check=False,
    )
    return Ended(ended.returncode, ended.stdout + ended.stderr)
