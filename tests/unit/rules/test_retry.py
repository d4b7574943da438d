"""Try again, when, or give up?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.domain.provider import Deferred, Fault
from scheduler.rules.retry import (
    GREYLIST_FLOOR,
    LONGEST_WAIT,
    MOST_ATTEMPTS,
    GiveUp,
    Retry,
    after_deferral,
)

NOW = datetime(2026, 11, 20, 7, tzinfo=UTC)
jitters = st.floats(0, 1, exclude_max=True)


def decide(fault=Fault.MAILBOX, attempt=1, failures=None, age=timedelta(), jitter=0.5, after=None):
    return after_deferral(
        Deferred("451 later", fault, after),
        attempt=attempt,
        failures=attempt if failures is None else failures,
        failing_since=NOW - age,
        now=NOW,
        jitter=jitter,
    )


@given(attempt=st.integers(1, MOST_ATTEMPTS - 1), jitter=jitters)
def test_a_mailbox_is_tried_again_after_minutes_and_within_hours(attempt, jitter):
    decision = decide(attempt=attempt, jitter=jitter)
    assert isinstance(decision, Retry)
    assert NOW + GREYLIST_FLOOR <= decision.at <= NOW + LONGEST_WAIT * 1.5


def test_waits_grow():
    waits = [decide(attempt=n).at for n in range(3, 9)]
    assert waits == sorted(waits)
    assert len(set(waits)) == len(waits)


@pytest.mark.parametrize("attempt", [MOST_ATTEMPTS, MOST_ATTEMPTS + 5])
def test_after_twelve_attempts_it_is_given_up(attempt):
    assert isinstance(decide(attempt=attempt), GiveUp)


@pytest.mark.parametrize("fault", [Fault.MAILBOX, Fault.POLICY, Fault.CONTENT])
def test_after_three_days_it_is_given_up(fault):
    decision = decide(fault, age=timedelta(hours=72))
    assert isinstance(decision, GiveUp)
    assert "451 later" in decision.reason


@pytest.mark.parametrize("fault", [Fault.TRANSPORT, Fault.CONFIG])
def test_what_is_ours_to_mend_is_never_given_up(fault):
    assert isinstance(decide(fault, age=timedelta(days=30)), Retry)


@given(attempt=st.integers(1, 100), jitter=jitters)
def test_a_provider_that_is_away_uses_up_nobodys_attempts(attempt, jitter):
    decision = decide(Fault.TRANSPORT, attempt=attempt, jitter=jitter)
    assert isinstance(decision, Retry)
    assert decision.at <= NOW + timedelta(minutes=15)


def test_attempts_made_while_the_provider_was_away_do_not_count():
    assert isinstance(decide(attempt=500, failures=1), Retry)
    assert isinstance(decide(attempt=500, failures=MOST_ATTEMPTS), GiveUp)


def test_a_provider_that_names_a_time_is_believed():
    decision = decide(Fault.TRANSPORT, after=timedelta(hours=2))
    assert decision == Retry(NOW + timedelta(hours=2))
