"""Kills a real worker again and again, and counts at the far end of SMTP what arrived.

    python -m tests.acceptance.killing --learners 5000 --kills 200 --policy hold
    python -m tests.acceptance.killing --learners 5000 --kills 50 --postgresql

The worker is `course work --once`, killed by SIGKILL in the middle of its hand-overs; the mail
server keeps the truth. Each is a process of its own, forked from one that has everything
imported already, because two hundred starts are most of the time. Between two of them a lease
and one tick pass, so that whatever a kill left in hand must be free at the very next look.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from sqlalchemy import func, select

from scheduler.dispatch import EVIDENCE_WAIT, LEASE
from scheduler.store import Database
from scheduler.store.sweeping import LAPSED
from scheduler.store.tables import deliveries, delivery_events, enrollments
from tests.acceptance.real_processes import MORNING, School, Sink
from tests.postgresql import NOT_DURABLE, Server

TICK = timedelta(seconds=20)
RESTART = LEASE + TICK
#: After the last kill: free what is claimed, resolve what is uncertain, spread what is late.
LAST_PASSES = 8
#: What a worker imports; whatever is missing here only costs time.
_PRELOADED = [
    "tests.acceptance.real_processes",
    "course.__main__",
    "course.cli.main",
    "course.cli.work",
    "course.adoption",
    "course.log",
    "course.wiring",
    "scheduler.providers.smtp",
    "alembic.script",
    "psycopg",
]


class Kills:
    """Starts workers and notes what each kill left in hand."""

    def __init__(self, school: School) -> None:
        self._school = school
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(_PRELOADED)
        self._db = Database(school.database)
        self.in_hand: list[tuple[datetime, set[str]]] = []

    def start(self, now: datetime) -> ForkServerProcess:
        """A worker at that instant."""
        school = self._school
        worker = self._context.Process(
            target=_work, args=(str(school.folder), school.environment, now)
        )
        worker.start()
        return worker

    def kill(self, worker: ForkServerProcess, now: datetime) -> None:
        """SIGKILL; notes what it held."""
        worker.kill()
        worker.join()
        d = deliveries.c
        with self._db.read() as tx:
            held = tx.execute(select(d.id).where(d.state.in_(["claimed", "sending"]))).scalars()
            self.in_hand.append((now, set(held)))

    def recovery(self) -> list[timedelta]:
        """For each kill, how long something it had left in hand stayed so."""
        e = delivery_events.c
        with self._db.read() as tx:
            rows = tx.execute(select(e.delivery_id, e.at).where(e.detail == LAPSED)).all()
        freed: dict[str, list[datetime]] = {}
        for number, at in rows:
            freed.setdefault(number, []).append(at)
        never = datetime.max.replace(tzinfo=MORNING.tzinfo)
        return [
            max(
                min((at for at in freed.get(number, []) if at > killed), default=never) - killed
                for number in held
            )
            for killed, held in self.in_hand
            if held
        ]

    def close(self) -> None:
        """Give the connections back."""
        self._db.close()


def _work(folder: str, environment: dict[str, str], now: datetime) -> None:
    # The process that forks may have been started for another school.
    os.environ.clear()
    os.environ.update(environment)
    from course.__main__ import main

    os.chdir(folder)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    sys.argv = ["course", "work", "--once", "--as-of", now.isoformat()]
    main()


@dataclass(frozen=True)
class Report:
    """What the server saw against what the ledger says."""

    learners: int
    kills: int
    policy: str
    #: The ledger says it was accepted, or says nothing, and it never arrived: must be 0.
    lost: int
    #: Never arrived, and the ledger says that nobody knows (the policy sends no copy).
    withheld: int
    #: Arrived more than once.
    duplicated: int
    #: Arrived more than once although the policy allows no extra copy, or more than twice: 0.
    forbidden: int
    #: Extra copies that came under another Message-ID: must be 0.
    renamed: int
    #: Deliveries that end uncertain (hold) or were once (resend_once).
    uncertain: int
    states: dict[str, int]
    #: Kills that left something in hand, and the longest that any of it stayed so, in the
    #: worker's own time. Must not exceed a lease and a tick.
    kills_with_mail_in_hand: int
    slowest_recovery_seconds: float
    seconds: float


def kill_again_and_again(
    folder: Path, *, learners: int, kills: int, policy: str, database: str, seed: int
) -> Report:
    """Run the whole thing in `folder` and count."""
    luck = random.Random(seed)
    began = time.monotonic()
    with ExitStack() as stack:
        truth = stack.enter_context(Sink().listening())
        # One lesson, so that whatever arrives is that lesson, however long the run takes.
        school = School(
            folder,
            database,
            f"smtp://127.0.0.1:{truth.port}",
            lessons=1,
            SCHEDULER_UNCERTAIN=policy,
        )
        school.enroll(learners)
        workers = Kills(school)
        stack.callback(workers.close)
        now = MORNING
        while len(workers.in_hand) < kills and not _all_said(database, "hold"):
            worker = workers.start(now)
            left = kills - len(workers.in_hand)
            step = max(1, (learners - len(truth.arrived)) // (left + 1))
            truth.wait_for(
                len(truth.arrived) + luck.randint(1, 2 * step),
                lambda: not worker.is_alive(),  # noqa: B023
            )
            if worker.is_alive():
                time.sleep(luck.random() * 0.01)
                workers.kill(worker, now)
            worker.join()
            _is_sound(worker)
            now += RESTART
        for _ in range(LAST_PASSES):
            worker = workers.start(now)
            worker.join(600)
            _is_sound(worker)
            now += EVIDENCE_WAIT + RESTART
            if _all_said(database, policy):
                break
        slow = workers.recovery()
    seconds = time.monotonic() - began
    return _count(truth, database, learners, len(workers.in_hand), policy, slow, seconds)


def _is_sound(worker: ForkServerProcess) -> None:
    """Did it end well, or by our hand?"""
    if worker.exitcode not in (0, 4, -signal.SIGKILL):
        raise RuntimeError(f"a worker failed with exit code {worker.exitcode}")


def _all_said(database: str, policy: str) -> bool:
    """Is nothing owed or planned any more that a further pass would move?"""
    moving = ["due", "claimed", "sending", "waiting"]
    if policy != "hold":
        moving.append("uncertain")
    db = Database(database)
    with db.read() as tx:
        owed = tx.execute(select(func.count()).where(deliveries.c.state.in_(moving))).scalar()
        planned = tx.execute(
            select(func.count()).where(enrollments.c.next_due_at.is_not(None))
        ).scalar()
    db.close()
    return owed == planned == 0


def _count(
    truth: Sink,
    database: str,
    learners: int,
    kills: int,
    policy: str,
    recovery: list[timedelta],
    seconds: float,
) -> Report:
    db = Database(database)
    with db.read() as tx:
        rows = tx.execute(
            select(deliveries.c.to_addr, deliveries.c.state, deliveries.c.extra_copy).where(
                deliveries.c.key == "lesson-1"
            )
        ).all()
    db.close()
    copies = Counter(address for address, _ in truth.arrived)
    names: dict[str, set[str]] = {}
    for address, message_id in truth.arrived:
        names.setdefault(address, set()).add(message_id)
    unsure = {row.to_addr for row in rows if row.state in ("uncertain", "skipped")}
    allowed = 2 if policy == "resend_once" else 1
    missing = {row.to_addr for row in rows} - set(copies)
    return Report(
        learners=learners,
        kills=kills,
        policy=policy,
        lost=len(missing - unsure) + learners - len(rows),
        withheld=len(missing & unsure),
        duplicated=sum(1 for count in copies.values() if count > 1),
        forbidden=sum(1 for count in copies.values() if count > allowed),
        renamed=sum(1 for ids in names.values() if len(ids) > 1),
        uncertain=len(unsure | {row.to_addr for row in rows if row.extra_copy}),
        states=dict(Counter(row.state for row in rows)),
        kills_with_mail_in_hand=len(recovery),
        slowest_recovery_seconds=max(recovery, default=timedelta()).total_seconds(),
        seconds=round(seconds, 1),
    )


def main() -> None:
    """Run once from the command line and print the report as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--learners", type=int, default=5000)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--policy", default="hold", choices=["hold", "resend_once", "skip"])
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--database", help="URL of an empty database; default a new SQLite file")
    where.add_argument("--postgresql", action="store_true", help="on a server of its own")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if given.postgresql:
            server = Server(**NOT_DURABLE)
            stack.callback(server.remove)
            server.start()
            given.database = server.create("killing")
        report = kill_again_and_again(
            folder / "school",
            learners=given.learners,
            kills=given.kills,
            policy=given.policy,
            database=given.database or f"sqlite:///{folder}/course.db",
            seed=given.seed,
        )
    print(json.dumps(report.__dict__, indent=2))


if __name__ == "__main__":
    main()
