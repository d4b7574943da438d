"""A tiny school on disk, its real programs, and a real mail server that keeps the truth.

The server counts a mail before it says so, and can be told to make everybody wait. Time is
`--as-of`, so that mornings come and leases run out without anybody waiting for them.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import chdir, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from click.testing import CliRunner
from sqlalchemy import select, update

from course.cli.main import cli
from scheduler.store import Database
from scheduler.store.tables import deliveries, delivery_events, enrollments

ROOT = Path(__file__).resolve().parents[2]
MORNING = datetime(2031, 3, 3, 7, 0, tzinfo=UTC)
#: No answer within this is a failure of its own; nothing is measured by it.
PATIENCE = 60.0

COURSE = "title: Tiny\nlanguage: en\ntimezone: UTC\ncadence: {hour: '07:00'}\n"
LESSON = "---\ntitle: {0}\nsubject: {0}\n---\nOne morning, one lesson, and these are its words.\n"


@dataclass
class Sink:
    """What the mail server took, in order; written before it says so."""

    arrived: list[tuple[str, str]] = field(default_factory=list)
    taken: threading.Condition = field(default_factory=threading.Condition)
    #: Seconds each answer takes.
    slow: float = 0.0
    #: From so many mails on, the answer waits until `go_on` is set.
    stall_after: int | None = None
    go_on: threading.Event = field(default_factory=threading.Event)
    #: The connections that brought a mail.
    callers: set[Any] = field(default_factory=set)
    #: So many connections must have brought a mail before any gets an answer.
    callers_wanted: int = 1
    port: int = 0

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        message_id = str(message_from_bytes(envelope.content)["Message-ID"])
        with self.taken:
            self.arrived += [(address, message_id) for address in envelope.rcpt_tos]
            self.callers.add(session.peer)
            count = len(self.arrived)
            self.taken.notify_all()
        if self.slow:
            await asyncio.sleep(self.slow)
        while len(self.callers) < self.callers_wanted or (
            self.stall_after is not None and count >= self.stall_after and not self.go_on.is_set()
        ):
            await asyncio.sleep(0.01)
        return "250 taken"

    def wait_for(self, count: int, ended: Callable[[], bool] = lambda: False) -> bool:
        """True once `count` mails have arrived; False when `ended` or patience came first."""
        deadline = time.monotonic() + PATIENCE
        with self.taken:
            while len(self.arrived) < count:
                if ended() or time.monotonic() > deadline:
                    return False
                self.taken.wait(0.05)
        return True

    def copies(self) -> Counter[str]:
        """How often each address got the mail."""
        with self.taken:
            return Counter(address for address, _ in self.arrived)

    @contextmanager
    def listening(self) -> Iterator[Sink]:
        """Answer on a free port of this machine."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        server = Controller(self, hostname="127.0.0.1", port=self.port)
        server.start()
        try:
            yield self
        finally:
            self.go_on.set()
            self.callers_wanted = 0
            server.stop()


class School:
    """A folder with a few lessons, learners due at MORNING, and the programs of the school."""

    def __init__(
        self, folder: Path, database: str, smtp_url: str, *, lessons: int = 2, **env: str
    ) -> None:
        self.folder = folder
        self.database = database
        course = folder / "lessons" / "tiny"
        course.mkdir(parents=True)
        (course / "course.yaml").write_text(COURSE, "utf-8")
        for number in range(1, lessons + 1):
            lesson = LESSON.format(f"Lesson {number}")
            (course / f"{number}-lesson-{number}.md").write_text(lesson, "utf-8")
        (folder / "config.yaml").write_text("lessons: lessons\n", "utf-8")
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        self.environment = {
            **kept,
            "PYTHONPATH": str(ROOT),
            "DATABASE_URL": database,
            "DELIVERY": "smtp",
            "SMTP_URL": smtp_url,
            "EMAIL_FROM": "Tiny <course@example.com>",
            "POSTAL_ADDRESS": "1 Main Street",
            "SECRET_KEY": "x" * 40,
            "BASE_URL": "http://127.0.0.1:8000",
            "AUTO_MIGRATE": "1",
            **env,
        }
        self._started: list[subprocess.Popen[str]] = []

    def enroll(self, learners: int, due_at: datetime = MORNING) -> None:
        """Import that many people; their first lesson is due at `due_at`."""
        rows = "\n".join(f"p{n}@example.com,UTC" for n in range(learners))
        (self.folder / "people.csv").write_text(f"email,timezone\n{rows}\n", "utf-8")
        # Only what is tested needs a process of its own.
        words = ["import", "people.csv", "--consent", "asked"]
        with chdir(self.folder):
            done = CliRunner(env=self.environment).invoke(cli, words)
        assert done.exit_code == 0, done.output
        # The import lays the first lesson on the next real morning.
        with self.opened() as db, db.write() as tx:
            tx.execute(update(enrollments).values(next_due_at=due_at))

    def course(
        self, *args: str, codes: Collection[int] = (0,), **env: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, with one of these exit codes."""
        done = subprocess.run(
            [sys.executable, "-m", "course", *args],
            cwd=self.folder,
            env=self.environment | env,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
        assert done.returncode in codes, done
        return done

    def start(self, *args: str, prefix: tuple[str, ...] = (), **env: str) -> subprocess.Popen[str]:
        """Start a program; `end` ends all of them. Its talk is in `told`."""
        number = len(self._started)
        with (self.folder / f"told-{number}").open("w") as told:
            process = subprocess.Popen(
                [*prefix, sys.executable, "-m", "course", *args],
                cwd=self.folder,
                env=self.environment | env,
                stdout=told,
                stderr=subprocess.STDOUT,
                text=True,
            )
        self._started.append(process)
        return process

    def work_once(self, as_of: datetime, **more: Any) -> subprocess.Popen[str]:
        """Start `course work --once` at that instant."""
        return self.start("work", "--once", "--as-of", as_of.isoformat(), **more)

    def told(self, process: subprocess.Popen[str]) -> str:
        """What the program has written so far."""
        return (self.folder / f"told-{self._started.index(process)}").read_text()

    def end(self) -> None:
        """End every program that still runs."""
        for process in self._started:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
                process.wait(PATIENCE)

    @contextmanager
    def opened(self) -> Iterator[Database]:
        """The database, for looking at."""
        db = Database(self.database)
        try:
            yield db
        finally:
            db.close()

    def states(self, key: str = "lesson-1") -> Counter[str]:
        """How many deliveries of this lesson are in each state."""
        with self.opened() as db, db.read() as tx:
            rows = tx.execute(select(deliveries.c.state).where(deliveries.c.key == key))
            return Counter(rows.scalars())

    def senders(self) -> Counter[str]:
        """How many hand-overs each worker has marked."""
        e = delivery_events.c
        with self.opened() as db, db.read() as tx:
            return Counter(tx.execute(select(e.worker).where(e.to_state == "sending")).scalars())


def until(true: Callable[[], object], what: str) -> None:
    """Wait for something that must come true."""
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, f"it never came true: {what}"
        time.sleep(0.05)
