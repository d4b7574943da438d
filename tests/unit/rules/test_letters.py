"""How often one letter may go to one person."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from scheduler.rules.letters import copy_key, may_owe

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
TEN = timedelta(minutes=10)


def ago(*minutes: float) -> list[datetime]:
    return [NOW - timedelta(minutes=m) for m in minutes]


@pytest.mark.parametrize(
    ("here", "allowed"),
    [([], True), ([9.99], False), ([10], True), ([300, 9.99], False), ([9.99, 300], False)],
)
def test_the_latest_copy_must_be_old_enough(here, allowed):
    assert may_owe(ago(*here), [], NOW, every=TEN) is allowed


@pytest.mark.parametrize(
    ("anywhere", "allowed"),
    [([], True), ([60, 120], True), ([60, 120, 1439], False), ([60, 120, 1440], True)],
)
def test_a_day_has_so_many_and_is_24_hours_long(anywhere, allowed):
    assert may_owe([], ago(*anywhere), NOW, every=TEN, per_day=3) is allowed


def test_without_a_limit_a_day_has_any_number():
    assert may_owe([], ago(*range(1, 60)), NOW, every=TEN)


def test_copies_are_counted_in_their_key():
    assert [copy_key("@confirm", before) for before in range(3)] == [
        "@confirm",
        "@confirm-2",
        "@confirm-3",
    ]
