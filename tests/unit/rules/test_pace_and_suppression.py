"""How many may leave now, and whom may we still write to?"""

from __future__ import annotations

from datetime import timedelta

import pytest

from scheduler.domain.provider import Fault, Refused
from scheduler.rules.pace import BURST, catch_up_delay
from scheduler.rules.suppression import address_hash, after_refusal

SPREAD = timedelta(minutes=30)


def delays(late_by: timedelta, count: int) -> list[timedelta]:
    return [
        catch_up_delay(n, late_by=late_by, late_count=count, spread=SPREAD) for n in range(count)
    ]


def test_a_restart_after_days_is_spread_over_half_an_hour():
    spread_out = delays(timedelta(days=10), 5000)
    assert all(timedelta() <= delay < SPREAD for delay in spread_out)
    for minute in range(30):
        share = sum(1 for d in spread_out if minute <= d.total_seconds() / 60 < minute + 1)
        assert 0.5 < share / (5000 / 30) < 1.5


def test_an_ordinary_morning_and_a_small_school_are_not_held_back():
    assert set(delays(timedelta(minutes=5), 5000)) == {timedelta()}
    assert set(delays(timedelta(days=10), BURST)) == {timedelta()}


def test_planning_again_gives_everybody_the_same_place():
    assert delays(timedelta(days=1), 1000) == delays(timedelta(days=1), 1000)


@pytest.mark.parametrize("fault", list(Fault))
def test_only_a_bad_address_is_held_against_the_learner(fault):
    consequence = after_refusal(Refused("no", fault))
    assert consequence.suppress == consequence.stop == (fault is Fault.ADDRESS)
    assert consequence.pause == (fault is not Fault.ADDRESS)


def test_an_address_hash_depends_on_the_installation_and_tells_nothing():
    one, other = (
        address_hash("salt-a", "ada@example.com"),
        address_hash("salt-b", "ada@example.com"),
    )
    assert one != other
    assert "ada" not in one
    assert one == address_hash("salt-a", "ada@example.com")
