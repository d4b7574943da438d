"""A worker frozen past its lease (SIGSTOP): a peer takes over, and the one that wakes is fenced."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from scheduler.dispatch import LEASE
from scheduler.store.tables import deliveries, delivery_events
from tests.acceptance.real_processes import MORNING, PATIENCE, School, Sink, until

WINDOW = 50
LEARNERS = 80
#: Where the mail server makes the first worker wait: in the middle of its first window.
STALLED_AT = 10


@pytest.fixture
def sink() -> Iterator[Sink]:
    with Sink(stall_after=STALLED_AT).listening() as sink:
        yield sink


@pytest.fixture
def school(tmp_path: Path, database_url: str, sink: Sink) -> Iterator[School]:
    school = School(
        tmp_path / "school", database_url, f"smtp://127.0.0.1:{sink.port}",
        SCHEDULER_UNCERTAIN="hold", SMTP_POOL="1",
    )  # fmt: skip
    school.enroll(LEARNERS)
    yield school
    school.end()


def is_frozen(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def test_a_worker_that_wakes_after_its_lease_sends_nothing_and_still_tells_the_truth(
    school: School, sink: Sink
) -> None:
    # Its clock stands still: only the database can tell it that its lease is over.
    frozen = school.work_once(MORNING)
    assert sink.wait_for(STALLED_AT, lambda: frozen.poll() is not None), school.told(frozen)
    frozen.send_signal(signal.SIGSTOP)
    until(lambda: is_frozen(frozen.pid), "it stands still")
    assert school.states() == {"sending": WINDOW, "claimed": LEARNERS - WINDOW}

    sink.go_on.set()
    peer = school.work_once(MORNING + LEASE + timedelta(seconds=1))
    # 4: some deliveries need a look, those nobody knows about.
    assert peer.wait(PATIENCE) == 4, school.told(peer)
    # The peer sent what was only claimed, and nothing of what may have been handed over.
    assert school.states() == {"uncertain": WINDOW, "accepted": LEARNERS - WINDOW}
    begun = addresses(school, "uncertain")
    assert not begun & {address for address, _ in sink.arrived[STALLED_AT:]}

    frozen.send_signal(signal.SIGCONT)
    assert frozen.wait(PATIENCE) == 0, school.told(frozen)
    # Its late answers are true, and it began nothing new.
    assert school.states() == {"accepted": LEARNERS}
    assert set(sink.copies().values()) == {1}
    assert len(sink.copies()) == LEARNERS
    assert sorted(school.senders().values()) == [LEARNERS - WINDOW, WINDOW]
    assert repaired(school) == WINDOW


def addresses(school: School, state: str) -> set[str]:
    with school.opened() as db, db.read() as tx:
        d = deliveries.c
        return set(tx.execute(select(d.to_addr).where(d.state == state)).scalars())


def repaired(school: School) -> int:
    e = delivery_events.c
    with school.opened() as db, db.read() as tx:
        found = select(e.id).where(e.from_state == "uncertain", e.to_state == "accepted")
        return len(tx.execute(found).all())
