"""No network and no DNS: everything waits, nobody is marked, and the next look sends."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from scheduler.store.tables import deliveries, enrollments
from tests.acceptance.real_processes import MORNING, PATIENCE, School, Sink

AWAY = 69
#: A network of its own, in which nothing is up, not even this machine itself.
ALONE = ("unshare", "--net") if os.geteuid() == 0 else ("unshare", "--net", "--map-root-user")


def _can_be_alone() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*ALONE, "true"], check=False, capture_output=True).returncode == 0


@pytest.fixture
def sink() -> Iterator[Sink]:
    with Sink().listening() as sink:
        yield sink


@pytest.mark.parametrize("url", ["smtp://127.0.0.1:{port}", "smtps://mail.invalid:465"])
def test_without_a_network_all_wait_and_the_next_look_sends(
    tmp_path: Path, sqlite_url: str, sink: Sink, url: str
) -> None:
    if not _can_be_alone():
        assert not os.environ.get("CI"), "this test needs `unshare --net`"
        pytest.skip("no process may have a network of its own here")
    here = f"smtp://127.0.0.1:{sink.port}"
    school = School(tmp_path / "school", sqlite_url, here)
    school.enroll(120)
    for look in range(2):
        worker = school.work_once(
            MORNING + timedelta(minutes=10 * look),
            prefix=ALONE,
            SMTP_URL=url.format(port=sink.port),
        )
        assert worker.wait(PATIENCE) == AWAY, school.told(worker)
        assert "Traceback" not in school.told(worker)
    assert sink.arrived == []
    assert nobody_is_marked(school)
    worker = school.work_once(MORNING + timedelta(hours=2))
    assert worker.wait(PATIENCE) == 0, school.told(worker)
    assert len(sink.copies()) > 0
    # Those that had not been tried yet are spread over a while, as after any outage.
    worker = school.work_once(MORNING + timedelta(hours=3))
    assert worker.wait(PATIENCE) == 0, school.told(worker)
    assert set(sink.copies().values()) == {1}
    assert len(sink.copies()) == 120


def nobody_is_marked(school: School) -> bool:
    """Is every learner active, and every mail one that waits, with nothing counted against it?"""
    d = deliveries.c
    with school.opened() as db, db.read() as tx:
        runs = set(tx.execute(select(enrollments.c.state)).scalars())
        mails = tx.execute(select(d.state, d.failures, d.deaths)).all()
    assert {row.state for row in mails} <= {"due", "waiting"}
    assert all((row.failures, row.deaths) == (0, 0) for row in mails)
    return runs == {"active"}
