"""Two programs on one database: both are safe, and on SQLite the second is told of the first."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.acceptance.real_processes import MORNING, PATIENCE, School, Sink, until


@pytest.fixture
def sink() -> Iterator[Sink]:
    with Sink().listening() as sink:
        yield sink


def test_two_servers_on_one_file_send_each_mail_once_and_say_that_one_would_do(
    tmp_path: Path, sqlite_url: str, sink: Sink
) -> None:
    # Neither may finish before the other has begun.
    sink.callers_wanted = 2
    school = School(
        tmp_path / "school", sqlite_url, f"smtp://127.0.0.1:{sink.port}",
        LOG_FORMAT="json", SCHEDULER_TICK_SECONDS="0.5",
    )  # fmt: skip
    # More than one of them claims at once.
    school.enroll(550, datetime.now(UTC) - timedelta(minutes=1))
    servers = [school.start("serve", "--port", "0") for _ in range(2)]
    assert sink.wait_for(550), school.told(servers[0])
    until(lambda: school.states()["accepted"] == 550, "all are settled")
    assert set(sink.copies().values()) == {1}
    assert len(school.senders()) == 2
    for server, other in (servers, reversed(servers)):
        until(lambda: warnings(school.told(server)), "it says that there is another")  # noqa: B023
        (warning,) = warnings(school.told(server))
        assert warning["other"].endswith(f":{other.pid}")
        assert "course serve --no-worker" in warning["advice"]
    checks = json.loads(school.course("doctor", "--json", codes=(0, 3)).stdout)["checks"]
    (told,) = [check for check in checks if check["check"] == "workers"]
    assert all(f":{server.pid}" in told["found"] for server in servers)
    for server in servers:
        server.terminate()
        assert server.wait(PATIENCE) == 0
    # Whoever has ended is not there any more.
    checks = json.loads(school.course("doctor", "--json", codes=(0, 3)).stdout)["checks"]
    assert not [check for check in checks if check["check"] == "workers"]


def warnings(log: str) -> list[dict[str, str]]:
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    found = [line for line in lines if line["event"] == "another_worker"]
    assert all(line["level"] == "warning" for line in found)
    return found


@pytest.mark.postgres
def test_two_workers_share_a_thousand_mails_and_send_each_once(
    tmp_path: Path, postgresql_url: str, sink: Sink
) -> None:
    sink.callers_wanted = 2
    school = School(tmp_path / "school", postgresql_url, f"smtp://127.0.0.1:{sink.port}")
    school.enroll(1000)
    workers = [school.work_once(MORNING) for _ in range(2)]
    for worker in workers:
        assert worker.wait(PATIENCE) == 0, school.told(worker)
    assert school.states() == {"accepted": 1000}
    assert set(sink.copies().values()) == {1}
    assert len(sink.copies()) == 1000
    shares = school.senders()
    assert len(shares) == 2
    assert sum(shares.values()) == 1000
