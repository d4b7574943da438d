"""One morning from the command line, compared with the far end mail by mail.

    python -m tests.acceptance.one_morning --learners 20000

A CSV is imported with `course import` and everything due is sent with `course work --once`, by
SMTP into a server and by SendGrid's API into a local one that checks what the real one checks.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import func, select

from scheduler.store import Database
from scheduler.store.tables import deliveries, enrollments
from tests.acceptance.real_processes import MORNING, ROOT, School, Sink
from tests.integration.providers.fake_sendgrid import KEY, FakeSendGrid


@dataclass(frozen=True, slots=True)
class Morning:
    """What the far end took against what the ledger says; all sets of (address, Message-ID)."""

    learners: int
    missing: int
    surplus: int
    twice: int
    #: States of all deliveries, and of all runs.
    states: dict[str, int]
    runs: dict[str, int]
    requests: int
    seconds: float

    @property
    def exact(self) -> bool:
        """Did each learner get one mail, and does the ledger say just that?"""
        return (
            not (self.missing or self.surplus or self.twice)
            and self.states == {"accepted": self.learners}
            and self.runs == {"active, next one planned": self.learners}
        )


def one_morning(folder: Path, provider: str, learners: int) -> Morning:
    """Import, send, compare."""
    sink, fake = Sink(), FakeSendGrid()
    with sink.listening(), fake:
        school = School(
            folder / "school",
            f"sqlite:///{folder}/course.db",
            f"smtp://127.0.0.1:{sink.port}",
            LESSONS=str(ROOT / "lessons"),
            DELIVERY=provider,
            SENDGRID_API_URL=fake.url,
            SENDGRID_API_KEY=KEY,
        )
        school.enroll(learners)
        began = time.perf_counter()
        worker = school.work_once(MORNING)
        if worker.wait():
            raise RuntimeError(f"the worker failed: {school.told(worker)}")
        seconds = time.perf_counter() - began
    arrived = Counter(sink.arrived) + Counter(
        (one.to, one.personalization["headers"]["Message-ID"]) for one in fake.sent
    )
    return _compared(folder, learners, arrived, len(fake.requests), seconds)


def _compared(
    folder: Path, learners: int, arrived: Counter[tuple[str, str]], requests: int, seconds: float
) -> Morning:
    d, e = deliveries.c, enrollments.c
    db = Database(f"sqlite:///{folder}/course.db")
    with db.read() as tx:
        said = set(map(tuple, tx.execute(select(d.to_addr, d.message_id))))
        states = dict(map(tuple, tx.execute(select(d.state, func.count()).group_by(d.state))))
        planned = e.next_due_at > MORNING
        runs = {
            f"{state}, {'next one planned' if ahead else 'nothing planned'}": count
            for state, ahead, count in tx.execute(
                select(e.state, planned, func.count()).group_by(e.state, planned)
            )
        }
    db.close()
    return Morning(
        learners=learners,
        missing=len(said - arrived.keys()),
        surplus=len(arrived.keys() - said),
        twice=sum(count > 1 for count in arrived.values()),
        states=states,
        runs=runs,
        requests=requests,
        seconds=seconds,
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.acceptance.one_morning")
    parser.add_argument("--learners", type=int, default=20_000)
    chosen = parser.parse_args()
    for provider in ("smtp", "sendgrid"):
        with tempfile.TemporaryDirectory() as folder:
            found = one_morning(Path(folder), provider, chosen.learners)
        print(f"{provider}: {'exact' if found.exact else 'NOT EXACT'}: {found}")


if __name__ == "__main__":
    main()
