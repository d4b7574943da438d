"""Real workers killed with SIGKILL in the middle of real SMTP, on both databases."""

from __future__ import annotations

from pathlib import Path

import pytest

from scheduler.dispatch import LEASE
from tests.acceptance.killing import TICK, kill_again_and_again


@pytest.mark.parametrize(
    ("url", "policy"),
    [
        ("sqlite_url", "hold"),
        ("sqlite_url", "resend_once"),
        pytest.param("postgresql_url", "hold", marks=pytest.mark.postgres),
    ],
)
def test_killed_again_and_again_it_loses_nothing_and_repeats_only_what_it_may(
    request: pytest.FixtureRequest, tmp_path: Path, url: str, policy: str
) -> None:
    database = request.getfixturevalue(url)
    report = kill_again_and_again(
        tmp_path / "project", learners=250, kills=3, policy=policy, database=database, seed=7
    )
    assert report.kills == 3
    assert report.lost == 0
    assert report.forbidden == 0
    assert report.renamed == 0
    # Whatever a kill left in hand was free one tick after its lease.
    assert report.kills_with_mail_in_hand >= 1
    assert report.slowest_recovery_seconds <= (LEASE + TICK).total_seconds()
    # At most one marked window a kill may be in doubt.
    assert report.uncertain <= 3 * 50
    if policy == "hold":
        assert report.duplicated == 0
