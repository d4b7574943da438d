"""A wall clock set far ahead is noticed; time that really passed is not mistaken for it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from scheduler.brake import FARTHEST_STEP, BurstBrake
from scheduler.clock import FixedClock, OffsetClock, RealClock

HOUR = timedelta(hours=1)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(datetime(2026, 11, 23, 8, tzinfo=UTC))


@pytest.mark.parametrize("step", [timedelta(hours=7), timedelta(days=365)])
def test_a_clock_set_far_ahead_is_noticed_until_somebody_agrees(clock, step):
    brake = BurstBrake(clock)
    clock.advance(HOUR)
    clock.instant += step
    assert brake.jumped() == brake.jumped() == step
    brake.agree()
    assert brake.jumped() == timedelta()


def test_small_steps_add_up(clock):
    brake = BurstBrake(clock)
    for _ in range(3):
        assert not brake.jumped()
        clock.instant += timedelta(hours=3)
    assert brake.jumped() == timedelta(hours=9)


@pytest.mark.parametrize("passed", [HOUR, timedelta(days=10), timedelta(days=400)])
def test_sleep_and_downtime_trip_nothing(clock, passed):
    brake = BurstBrake(clock)
    clock.advance(passed)
    assert not brake.jumped()


def test_a_step_of_six_hours_is_believed(clock):
    brake = BurstBrake(clock)
    clock.instant += FARTHEST_STEP
    assert not brake.jumped()


def test_a_clock_set_back_and_put_right_trips_nothing(clock):
    brake = BurstBrake(clock)
    clock.instant -= timedelta(hours=9)
    assert not brake.jumped()
    clock.instant += timedelta(hours=5)
    assert not brake.jumped()


def test_the_demos_next_morning_is_no_jump():
    clock = OffsetClock()
    brake = BurstBrake(clock)
    clock.advance_to(clock.now() + timedelta(days=3))
    assert not brake.jumped()


def test_the_real_clock_counts_on():
    clock = RealClock()
    assert clock.uptime() <= clock.uptime()
    assert not BurstBrake(clock).jumped()
