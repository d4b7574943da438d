"""Days and hours as people write them."""

from __future__ import annotations

from datetime import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from course.pace_words import PaceError, parse_days, parse_hour, say_days, write_days


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("daily", range(7)),
        ("Every day", range(7)),
        ("weekdays", range(5)),
        ("mon,wed,fri", (0, 2, 4)),
        (" Mon ; Wednesday ", (0, 2)),
        ("tue thu", (1, 3)),
        ("mon-fri", range(5)),
        ("fri-mon", (4, 5, 6, 0)),
        ("weekend", (5, 6)),
        ("sundays", (6,)),
    ],
)
def test_days_are_read(text: str, days: object) -> None:
    assert parse_days(text) == frozenset(days)  # type: ignore[call-overload]


@pytest.mark.parametrize("text", ["", "someday", "mon,xyz", "m", "1-5", "t", "daily,mon", "-"])
def test_what_are_no_days_is_refused_with_examples(text: str) -> None:
    with pytest.raises(PaceError, match="mon,wed,fri"):
        parse_days(text)


@given(st.frozensets(st.integers(0, 6), min_size=1))
def test_written_days_read_back_the_same(days: frozenset[int]) -> None:
    assert parse_days(write_days(days)) == days
    assert say_days(days)


@pytest.mark.parametrize(
    ("text", "hour"),
    [
        ("7", time(7)),
        ("07", time(7)),
        ("07:00", time(7)),
        ("7:30", time(7, 30)),
        ("7.30", time(7, 30)),
        ("18h45", time(18, 45)),
        ("07:15:00", time(7, 15)),
        ("7pm", time(19)),
        ("12 am", time(0)),
        ("12pm", time(12)),
        ("0", time(0)),
        ("23:59", time(23, 59)),
    ],
)
def test_hours_are_read(text: str, hour: time) -> None:
    assert parse_hour(text) == hour


@pytest.mark.parametrize("text", ["", "24", "7:60", "-1", "noon", "700", "13pm", "0am", "7:3"])
def test_what_is_no_hour_is_refused(text: str) -> None:
    with pytest.raises(PaceError, match="07:00"):
        parse_hour(text)


@given(st.times())
def test_every_time_of_day_reads_back(moment: time) -> None:
    assert parse_hour(f"{moment:%H:%M}") == time(moment.hour, moment.minute)
