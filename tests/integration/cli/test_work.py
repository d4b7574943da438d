"""`course work --once`: everything due leaves, is counted, and the exit code says how it went."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time

import pytest

from course.cli.doors import AWAY, SOME_FAILED

MORNING = "2099-03-02T07:00Z"


def test_everything_due_leaves_once(project, enroll) -> None:
    enroll("ana@example.org", "ben@example.org", timezone="UTC")
    answer = project.run("work", "--once", "--as-of", MORNING, "--json").json
    assert (answer["planned"], answer["accepted"]) == (2, 2)
    assert answer["as_of"] == "2099-03-02T07:00:00+00:00"
    again = project.run("work", "--once", "--as-of", MORNING, "--json").json
    assert again["accepted"] == 0
    assert len(project.mails()) == 2


def test_counts_are_printed_one_outcome_a_line(project, enroll) -> None:
    enroll("ana@example.org", timezone="UTC")
    lines = project.run("work", "--once", "--as-of", MORNING).out.splitlines()
    counts = dict(line.split() for line in lines)
    assert counts["accepted"] == "1"
    assert set(counts) >= {"planned", "waiting", "refused", "dead", "uncertain"}


def test_before_the_hour_nothing_leaves(project, enroll) -> None:
    enroll("ana@example.org", timezone="Asia/Kolkata")
    slot = project.run("learners", "list", "--json").json[0]["next_at"]
    before = project.run("work", "--once", "--json").json
    assert before["accepted"] == 0
    assert project.run("work", "--once", "--as-of", slot, "--json").json["accepted"] == 1


@pytest.mark.parametrize(
    "wrong", [("--once", "--as-of", "soon"), ("--as-of", MORNING), ("--json",)]
)
def test_wrong_usage_is_exit_code_2(project, wrong) -> None:
    assert project.run("work", *wrong, ok=False).code == 2


def test_a_provider_that_is_away_is_exit_code_69_and_the_rest_stays_due(project, enroll) -> None:
    enroll("ana@example.org", timezone="UTC")
    port = _free_port()  # where nobody answers
    answer = project.real(
        "work", "--once", "--as-of", MORNING, "--json",
        DELIVERY="smtp", SMTP_URL=f"smtp://127.0.0.1:{port}", SECRET_KEY="x" * 20,
        EMAIL_FROM="school@school.example.net", POSTAL_ADDRESS="Here 1",
    )  # fmt: skip
    assert answer.code == AWAY, answer
    assert answer.json["accepted"] == 0
    assert "away" in answer.err
    later = project.run("work", "--once", "--as-of", "2099-03-02T09:00Z", "--json")
    assert later.json["accepted"] == 1


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


class _Refuses:
    """An SMTP server that knows nobody."""

    async def handle_RCPT(self, server, session, envelope, address, options) -> str:  # noqa: N802
        return "550 5.1.1 no such user"


def test_deliveries_that_failed_are_exit_code_4_and_are_listed(project, enroll) -> None:
    from aiosmtpd.controller import Controller

    enroll("ana@example.org", timezone="UTC")
    port = _free_port()
    server = Controller(_Refuses(), hostname="127.0.0.1", port=port)
    server.start()
    try:
        answer = project.real(
            "work", "--once", "--as-of", MORNING, "--json",
            DELIVERY="smtp", SMTP_URL=f"smtp://127.0.0.1:{port}", SECRET_KEY="x" * 20,
            EMAIL_FROM="school@school.example.net", POSTAL_ADDRESS="Here 1",
        )  # fmt: skip
    finally:
        server.stop()
    assert answer.code == SOME_FAILED, answer
    assert answer.json["refused"] == 1
    (failure,) = project.run("learners", "failures", "--json").json
    assert failure["email"] == "ana@example.org"
    assert "5.1.1" in failure["verdict"]


def test_the_worker_alone_sends_and_stops_on_sigterm(project, enroll) -> None:
    project.run("learners", "enroll", "ana@example.org")  # asks to confirm: due at once
    process = subprocess.Popen(
        [sys.executable, "-m", "course", "work"],
        cwd=project.folder,
        env=project.environment(),
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        deadline = time.monotonic() + 20
        while not project.mails() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert project.mails()
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        assert process.wait(timeout=15) == 0
        assert time.monotonic() - began < 10
    finally:
        process.kill()
        told = process.communicate()[1]
    assert "ana@example.org" not in told
