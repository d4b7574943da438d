"""How many may leave now?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.rules.pace import (
    BURST,
    FIRST_REST,
    LONGEST_REST,
    REMEMBERED,
    TRIAL,
    Breaker,
    BreakerState,
    Bucket,
    after_hand_overs,
    catch_up_delay,
    passage,
    take,
)

NOW = datetime(2026, 11, 20, 7, tzinfo=UTC)
HALF_HOUR = timedelta(minutes=30)


def failing(breaker=None, *, tried=1, failed=1, now=NOW):
    breaker = breaker or Breaker()
    return after_hand_overs(breaker, tried=tried, failed=failed, said="421 no", now=now)


# -- spreading -----------------------------------------------------------------------------------


@given(st.integers(1, 10**9))
def test_late_lessons_are_spread_and_keep_their_place(enrollment_id):
    def delay():
        return catch_up_delay(
            enrollment_id, late_by=timedelta(hours=9), late_count=BURST + 1, spread=HALF_HOUR
        )

    assert timedelta() <= delay() < HALF_HOUR
    assert delay() == delay()


def test_the_spread_is_even():
    places = [
        catch_up_delay(n, late_by=timedelta(days=1), late_count=999, spread=HALF_HOUR)
        for n in range(3000)
    ]
    tenths = [int(place / HALF_HOUR * 10) for place in places]
    assert all(200 < tenths.count(tenth) < 400 for tenth in range(10))


def test_a_small_school_and_an_ordinary_morning_wait_for_nobody():
    few = catch_up_delay(7, late_by=timedelta(days=1), late_count=BURST, spread=HALF_HOUR)
    on_time = catch_up_delay(7, late_by=timedelta(minutes=5), late_count=9999, spread=HALF_HOUR)
    assert few == on_time == timedelta()


# -- bucket --------------------------------------------------------------------------------------


@given(
    rate=st.floats(0.1, 1000),
    steps=st.lists(st.tuples(st.floats(0, 30), st.integers(1, 500)), min_size=1, max_size=60),
)
def test_a_bucket_never_lets_out_more_than_its_rate_and_one_second_s_worth(rate, steps):
    now, bucket, out = NOW, None, 0
    for seconds, wanted in steps:
        now += timedelta(seconds=seconds)
        granted, bucket = take(bucket, wanted, per_second=rate, now=now)
        assert 0 <= granted <= wanted
        out += granted
    passed = (now - NOW).total_seconds()
    assert out <= max(1.0, rate) + rate * passed + 1e-6


def test_a_slow_bucket_lets_one_out_at_a_time():
    granted, bucket = take(None, 10, per_second=0.5, now=NOW)
    assert granted == 1
    assert take(bucket, 10, per_second=0.5, now=NOW + timedelta(seconds=1))[0] == 0
    assert take(bucket, 10, per_second=0.5, now=NOW + timedelta(seconds=2))[0] == 1


def test_a_clock_that_stepped_back_neither_fills_nor_drains_a_bucket():
    granted, bucket = take(Bucket(3.5, NOW), 2, per_second=10, now=NOW - timedelta(hours=2))
    assert granted == 2
    assert bucket.tokens == 1.5


# -- breaker -------------------------------------------------------------------------------------


def test_an_ordinary_morning_has_no_limit():
    assert passage(Breaker(), NOW) == (None, Breaker())
    assert after_hand_overs(Breaker(), tried=50, failed=0, said="", now=NOW) == Breaker()


def test_a_provider_that_takes_nothing_rests_and_each_rest_is_longer():
    breaker, rests = Breaker(), []
    now = NOW
    for _ in range(8):
        breaker = failing(breaker, now=now)
        assert breaker.state is BreakerState.OPEN
        assert passage(breaker, now)[0] == 0
        rests.append(breaker.open_until - now)
        now = breaker.open_until
    assert rests[0] == FIRST_REST
    assert rests[1] == 2 * FIRST_REST
    assert rests[-1] == LONGEST_REST


def test_after_its_rest_one_mail_is_tried_and_no_second_before_the_answer():
    rested = failing().open_until
    allowed, trying = passage(failing(), rested)
    assert (allowed, trying.state) == (1, BreakerState.HALF)
    assert passage(trying, rested)[0] == 0
    # Whoever tried it may have died: another may try.
    assert passage(trying, rested + TRIAL)[0] == 1


def test_a_trial_that_gets_through_closes_it_and_one_that_fails_opens_it_for_longer():
    _, trying = passage(failing(), NOW + FIRST_REST)
    back = after_hand_overs(trying, tried=1, failed=0, said="", now=NOW + FIRST_REST)
    assert (back.state, back.openings, back.said) == (BreakerState.CLOSED, 0, "")
    still_away = failing(trying, now=NOW + FIRST_REST)
    assert still_away.open_until == NOW + FIRST_REST + 2 * FIRST_REST


def test_half_of_the_last_twenty_failing_opens_it_and_a_few_do_not():
    assert failing(tried=REMEMBERED, failed=REMEMBERED // 2).state is BreakerState.OPEN
    assert failing(tried=REMEMBERED, failed=REMEMBERED // 2 - 1).state is BreakerState.CLOSED
    assert failing(tried=5, failed=3).state is BreakerState.CLOSED
    breaker = Breaker()
    for _ in range(20):
        breaker = failing(breaker, tried=5, failed=3)
    assert breaker.state is BreakerState.OPEN


def test_it_remembers_why():
    assert failing().said == "421 no"


@pytest.mark.parametrize("tried", [1, 7, 50])
def test_success_is_forgiven_in_time(tried):
    breaker = Breaker(failure_share=0.49)
    for _ in range(200):
        breaker = after_hand_overs(breaker, tried=tried, failed=0, said="", now=NOW)
    assert breaker.failure_share < 0.01
