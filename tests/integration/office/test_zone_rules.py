"""A country changes its clocks in the middle of a course; lessons keep their local hour."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from scheduler.rules import due
from scheduler.store import Database, enrollments
from tests.office import Office


def test_new_zone_rules_move_the_hour_of_what_was_planned(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    office = Office(db)
    run = office.join()
    office.work()
    office.upkeep.run()
    planned = office.run(run).next_due_at
    # From the next release of the zone data on, Berlin keeps the time of Athens.
    monkeypatch.setattr(due, "zone", lambda _: ZoneInfo("Europe/Athens"))
    monkeypatch.setattr(enrollments, "tzdata_version", lambda: "2099.1")
    assert office.upkeep.run()["rezoned"] == 1
    assert office.run(run).next_due_at == planned - timedelta(hours=1)
    assert office.upkeep.run()["rezoned"] == 0
    office.pass_time(timedelta(days=1))
    assert office.mornings(name="Europe/Athens")[1:] == ["Tue 24 07:00"]
