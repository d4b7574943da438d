"""SIGTERM in the middle of real SMTP: the mail in hand is finished, the rest goes back."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.acceptance.real_processes import MORNING, PATIENCE, School, Sink

IN_HAND = ("claimed", "sending", "uncertain")


@pytest.fixture
def sink() -> Iterator[Sink]:
    with Sink().listening() as sink:
        yield sink


def a_school(folder: Path, database: str, sink: Sink, learners: int, **env: str) -> School:
    school = School(folder / "school", database, f"smtp://127.0.0.1:{sink.port}", **env)
    # A moment ago by the real clock, for programs that know no other.
    school.enroll(learners, datetime.now(UTC) - timedelta(minutes=1))
    return school


def stopped_in_the_middle(
    school: School, sink: Sink, *args: str, after: int, by: signal.Signals = signal.SIGTERM
) -> subprocess.Popen[str]:
    process = school.start(*args)
    assert sink.wait_for(after, lambda: process.poll() is not None), school.told(process)
    process.send_signal(by)
    assert process.wait(PATIENCE) == 0, school.told(process)
    assert "Traceback" not in school.told(process)
    return process


@pytest.mark.parametrize(
    ("program", "by"),
    [
        (("serve", "--port", "0"), signal.SIGTERM),
        (("work",), signal.SIGINT),
        (("work", "--once"), signal.SIGTERM),
    ],
)
def test_told_to_stop_it_finishes_the_mail_in_hand_and_puts_the_rest_back(
    tmp_path: Path, sqlite_url: str, sink: Sink, program: tuple[str, ...], by: signal.Signals
) -> None:
    sink.slow = 0.02
    school = a_school(tmp_path, sqlite_url, sink, 120)
    stopped_in_the_middle(school, sink, *program, after=20, by=by)
    states = school.states()
    assert not any(states[state] for state in IN_HAND), states
    # What arrived is known to have arrived, and nothing else is.
    assert states["accepted"] == len(sink.arrived) < 120
    school.course("work", "--once", "--as-of", f"{datetime.now(UTC) + timedelta(hours=1):%FT%TZ}")
    assert set(sink.copies().values()) == {1}
    assert len(sink.copies()) == 120


def test_a_slow_mail_server_does_not_hold_it_up_for_a_whole_window(
    tmp_path: Path, sqlite_url: str, sink: Sink
) -> None:
    # A window of fifty would take this server longer than the half minute that is promised.
    sink.slow = 1.0
    school = a_school(tmp_path, sqlite_url, sink, 60)
    stopped_in_the_middle(school, sink, "work", after=2)
    states = school.states()
    assert not any(states[state] for state in IN_HAND), states
    assert states["accepted"] == len(sink.arrived) < 10


def test_stopped_again_and_again_it_leaves_nothing_in_doubt(
    tmp_path: Path, database_url: str, sink: Sink
) -> None:
    sink.slow = 0.003
    school = School(tmp_path / "school", database_url, f"smtp://127.0.0.1:{sink.port}")
    school.enroll(200)
    now = MORNING
    stops = 0
    while len(sink.arrived) < 200:
        had = len(sink.arrived)
        worker = school.work_once(now)
        # Somewhere else in a window each time.
        sink.wait_for(min(had + 31 + 17 * stops, 200), lambda: worker.poll() is not None)  # noqa: B023
        stops += worker.poll() is None
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(PATIENCE) == 0, school.told(worker)
        states = school.states()
        assert not any(states[state] for state in IN_HAND), (stops, states)
        assert states["accepted"] == len(sink.arrived)
        now += timedelta(minutes=5)
    assert stops >= 3
    assert set(sink.copies().values()) == {1}


def test_a_second_signal_ends_it_at_once(tmp_path: Path, sqlite_url: str, sink: Sink) -> None:
    sink.stall_after = 3
    school = a_school(tmp_path, sqlite_url, sink, 10)
    process = school.start("work")
    assert sink.wait_for(3)
    process.send_signal(signal.SIGTERM)
    time.sleep(1)
    assert process.poll() is None  # one mail is in hand
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == -signal.SIGTERM
    # What the ledger calls begun is looked into at the next start.
    assert school.states()["sending"] >= 1
