"""Kills a real worker again and again, and counts at the far end of SMTP what arrived.

    python -m tests.acceptance.killing --learners 5000 --kills 200 --policy hold

The worker is `course work --once`, killed by SIGKILL in the middle of its hand-overs; the mail
server keeps the truth. Time moves three minutes a restart, so that leases run out without
anybody waiting for them.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from sqlalchemy import func, select, update

from scheduler.dispatch import EVIDENCE_WAIT
from scheduler.store import Database
from scheduler.store.tables import deliveries, enrollments

MORNING = datetime(2031, 3, 3, 7, 0, tzinfo=UTC)
RESTART = timedelta(minutes=3)
#: After the last kill: free what is claimed, resolve what is uncertain, spread what is late.
LAST_PASSES = 8
COURSE = "title: Tiny\nlanguage: en\ntimezone: UTC\ncadence: {hour: '07:00'}\n"
LESSON = "---\ntitle: {0}\nsubject: {0}\n---\nOne morning, one lesson, and these are its words.\n"


@dataclass
class Truth:
    """What the mail server took, in order; written before it says so."""

    arrived: list[tuple[str, str]] = field(default_factory=list)
    taken: threading.Condition = field(default_factory=threading.Condition)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        message_id = str(message_from_bytes(envelope.content)["Message-ID"])
        with self.taken:
            self.arrived += [(address, message_id) for address in envelope.rcpt_tos]
            self.taken.notify_all()
        return "250 taken"

    def wait_for(self, count: int, process: subprocess.Popen[bytes]) -> None:
        """Return once `count` mails have arrived or the process has ended by itself."""
        with self.taken:
            while len(self.arrived) < count and process.poll() is None:
                self.taken.wait(0.05)


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
    seconds: float


def kill_again_and_again(
    folder: Path, *, learners: int, kills: int, policy: str, database: str, seed: int
) -> Report:
    """Run the whole thing in `folder` and count."""
    luck = random.Random(seed)
    began = time.monotonic()
    truth = Truth()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = Controller(truth, hostname="127.0.0.1", port=port)
    server.start()
    try:
        environment = _project(folder, port, policy, database)
        _enroll(folder, environment, learners)
        done = 0
        now = MORNING
        while done < kills and len(truth.arrived) < learners:
            worker = _worker(folder, environment, now)
            step = max(1, (learners - len(truth.arrived)) // (kills - done + 1))
            truth.wait_for(len(truth.arrived) + luck.randint(1, 2 * step), worker)
            if worker.poll() is None:
                time.sleep(luck.random() * 0.01)
                worker.send_signal(signal.SIGKILL)
                done += 1
            worker.wait()
            now += RESTART
        for _ in range(LAST_PASSES):
            worker = _worker(folder, environment, now)
            if worker.wait(300) not in (0, 4):
                raise RuntimeError(f"the last passes failed with exit code {worker.returncode}")
            now += EVIDENCE_WAIT + RESTART
            if _all_said(database, policy):
                break
    finally:
        server.stop()
    return _count(truth, database, learners, done, policy, time.monotonic() - began)


def _project(folder: Path, port: int, policy: str, database: str) -> dict[str, str]:
    course = folder / "lessons" / "tiny"
    course.mkdir(parents=True)
    (course / "course.yaml").write_text(COURSE, "utf-8")
    for number in (1, 2):
        lesson = LESSON.format(f"Lesson {number}")
        (course / f"{number}-lesson-{number}.md").write_text(lesson, "utf-8")
    (folder / "config.yaml").write_text("lessons: lessons\n", "utf-8")
    return os.environ | {
        "DATABASE_URL": database,
        "DELIVERY": "smtp",
        "SMTP_URL": f"smtp://127.0.0.1:{port}",
        "EMAIL_FROM": "Tiny <course@example.com>",
        "POSTAL_ADDRESS": "1 Main Street",
        "SECRET_KEY": "x" * 40,
        "BASE_URL": "http://127.0.0.1:8000",
        "SCHEDULER_UNCERTAIN": policy,
        "AUTO_MIGRATE": "1",
    }


def _enroll(folder: Path, environment: dict[str, str], learners: int) -> None:
    rows = "\n".join(f"p{n}@example.com,UTC" for n in range(learners))
    (folder / "people.csv").write_text(f"email,timezone\n{rows}\n", "utf-8")
    command = [sys.executable, "-m", "course", "import", "people.csv", "--consent", "asked"]
    subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
    # The import lays the first lesson on the next real morning; this run lives in another year.
    db = Database(environment["DATABASE_URL"])
    with db.write() as tx:
        tx.execute(update(enrollments).values(next_due_at=MORNING))
    db.close()


def _all_said(database: str, policy: str) -> bool:
    """Is nothing owed any more that a further pass would move?"""
    moving = ["due", "claimed", "sending", "waiting"]
    if policy != "hold":
        moving.append("uncertain")
    db = Database(database)
    with db.read() as tx:
        owed = tx.execute(
            select(func.count()).where(
                deliveries.c.key == "lesson-1", deliveries.c.state.in_(moving)
            )
        ).scalar()
    db.close()
    return owed == 0


def _worker(folder: Path, environment: dict[str, str], now: datetime) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "course", "work", "--once", "--as-of", now.isoformat()]
    quiet = subprocess.DEVNULL
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=quiet, stderr=quiet)


def _count(
    truth: Truth, database: str, learners: int, kills: int, policy: str, seconds: float
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
        seconds=round(seconds, 1),
    )


def main() -> None:
    """Run once from the command line and print the report as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--learners", type=int, default=5000)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--policy", default="hold", choices=["hold", "resend_once", "skip"])
    parser.add_argument("--database", help="URL; default a SQLite file in a temporary folder")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        report = kill_again_and_again(
            folder,
            learners=given.learners,
            kills=given.kills,
            policy=given.policy,
            database=given.database or f"sqlite:///{folder}/course.db",
            seed=given.seed,
        )
    print(json.dumps(report.__dict__, indent=2))


if __name__ == "__main__":
    main()
