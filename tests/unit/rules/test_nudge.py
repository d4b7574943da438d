"""A nudge is for silence on both sides, and never comes at a bad moment."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.domain.enrollment import Enrollment, EnrollmentState
from scheduler.domain.syllabus import WEEKDAYS, Cadence
from scheduler.rules import due
from scheduler.rules.nudge import MOST, Quiet, is_timely, nudge_at

BERLIN = ZoneInfo("Europe/Berlin")


def local(day: int, hour: int = 7, minute: int = 0, month: int = 11) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=BERLIN).astimezone(UTC)


#: A Friday; the next lesson comes on Monday.
FRIDAY, MONDAY = local(27), local(30)


def a_run(**changes: object) -> Enrollment:
    run = Enrollment(
        1, 1, "c", 1, EnrollmentState.ACTIVE, "", "Europe/Berlin",
        Cadence(weekdays=WEEKDAYS), local(1), next_due_at=MONDAY,
    )  # fmt: skip
    return replace(run, **changes)


def quiet(run: Enrollment | None = None, **changes: object) -> Quiet:
    sent = FRIDAY + timedelta(seconds=5)
    return replace(Quiet(run or a_run(), sent, mails=(sent,)), **changes)


def test_after_fridays_lesson_it_comes_on_sunday_at_the_learners_hour():
    assert nudge_at(quiet(), FRIDAY + timedelta(hours=47)) == local(29)


def test_whoever_looks_an_hour_late_still_sends_it_that_day():
    assert nudge_at(quiet(), local(29, 8)) == local(29)
    assert nudge_at(quiet(), local(29, 9, 1)) is None  # and on Monday comes the next lesson


def test_before_a_lesson_of_the_same_day_there_is_none():
    assert nudge_at(quiet(a_run(next_due_at=local(29))), local(29, 6)) is None


def test_while_the_next_lesson_is_on_its_way_there_is_none():
    assert nudge_at(quiet(a_run(next_due_at=None)), local(29, 6)) is None


def test_after_the_last_lesson_nothing_stands_in_its_way():
    run = a_run(state=EnrollmentState.COMPLETED, next_due_at=None)
    assert nudge_at(quiet(run), local(29, 6)) == local(29)


@pytest.mark.parametrize("state", ["pending", "paused", "stopped"])
def test_in_any_other_state_there_is_none(state):
    assert nudge_at(quiet(a_run(state=EnrollmentState(state))), local(29, 6)) is None


def test_a_visit_before_the_lesson_counts_for_two_full_days():
    visited = FRIDAY - timedelta(seconds=30)
    run = a_run(next_due_at=local(30, month=11) + timedelta(days=7))
    assert nudge_at(quiet(run, visited_at=visited), local(29, 6)) == local(29)
    assert nudge_at(quiet(run, visited_at=FRIDAY + timedelta(seconds=1)), local(29, 6)) == local(30)


def test_a_second_comes_two_days_after_the_first_and_a_third_never():
    run = a_run(state=EnrollmentState.COMPLETED, next_due_at=None)
    assert nudge_at(quiet(run, nudges=(local(28),)), local(29, 6)) == local(30)
    assert nudge_at(quiet(run, nudges=(local(1), local(8))[:MOST]), local(29, 6)) is None


def test_a_day_with_another_mail_is_left_out():
    run = a_run(state=EnrollmentState.COMPLETED, next_due_at=None)
    assert nudge_at(quiet(run, mails=(FRIDAY, local(29, 20))), local(29, 6)) == local(30)


def test_after_a_week_there_is_none():
    run = a_run(state=EnrollmentState.COMPLETED, next_due_at=None)
    assert nudge_at(quiet(run), FRIDAY + timedelta(days=8)) is None


@pytest.mark.parametrize("hour", [time(23, 50), time(3, 0)])
def test_whoever_reads_at_night_is_written_to_at_noon(hour):
    run = a_run(cadence=Cadence(hour=hour, weekdays=WEEKDAYS))
    assert nudge_at(quiet(run), local(29, 3)) == local(29, 12)


def test_over_a_clock_change_two_days_are_two_mornings():
    run = a_run(state=EnrollmentState.COMPLETED, next_due_at=None)
    before = datetime(2026, 3, 28, 6, 0, 5, tzinfo=UTC)  # 07:00 on the day before
    sunday = nudge_at(Quiet(run, before, mails=(before,)), before + timedelta(hours=40))
    assert sunday == datetime(2026, 3, 30, 5, 0, tzinfo=UTC)  # 07:00, not quite 47 hours later


def test_two_hours_late_or_in_the_night_it_does_not_leave():
    slot = local(29)
    assert is_timely(quiet(), slot, slot + timedelta(minutes=90))
    assert not is_timely(quiet(), slot, slot + timedelta(hours=2, minutes=1))
    late = local(29, 21, 30)
    assert not is_timely(quiet(), late, late + timedelta(minutes=45))
    assert not is_timely(quiet(mails=(local(29, 6),)), slot, slot)
    assert not is_timely(quiet(a_run(next_due_at=local(29, 20))), slot, slot)


zones_tried = st.sampled_from(["Asia/Kolkata", "America/Los_Angeles", "Pacific/Apia", "UTC"])


@given(
    zones_tried, st.integers(0, 23), st.integers(0, 24 * 360), st.integers(0, 9 * 24),
    st.integers(1, 6),
)  # fmt: skip
def test_whatever_the_zone_it_waits_two_days_and_stands_on_a_day_of_its_own(
    name, hour, began, looked, gap
):
    tz = ZoneInfo(name)
    sent = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=began)
    cadence = Cadence(hour=time(hour, 0))
    lesson = due.at_wall_time(sent.astimezone(tz).date() + timedelta(days=gap), cadence.hour, tz)
    run = a_run(timezone=name, cadence=cadence, next_due_at=lesson)
    at = nudge_at(Quiet(run, sent, mails=(sent,)), sent + timedelta(hours=looked))
    if at is None:
        return
    day: date = at.astimezone(tz).date()
    assert sent.astimezone(tz).date() < day < lesson.astimezone(tz).date()
    assert timedelta(hours=46) <= at - sent <= timedelta(days=7)
    assert due.QUIET_ENDS <= at.astimezone(tz).time() < due.QUIET_BEGINS
    assert at >= sent + timedelta(hours=looked - 2)
