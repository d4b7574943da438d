"""When is the next lesson due? Properties over every zone there is, and the mornings that hurt."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.domain.syllabus import EVERY_DAY, WEEKDAYS, Cadence
from scheduler.rules.due import (
    MIN_GAP,
    at_wall_time,
    first_lesson_at,
    is_night,
    may_send,
    next_slot,
)
from scheduler.zones import zone

ZONES = sorted(zoneinfo.available_timezones())

zones = st.sampled_from(ZONES)
hours = st.times().map(lambda t: t.replace(second=0, microsecond=0, tzinfo=None, fold=0))
instants = st.datetimes(
    min_value=datetime(2007, 1, 1), max_value=datetime(2037, 1, 1), timezones=st.just(UTC)
)
weekdays = st.sets(st.integers(0, 6), min_size=1).map(frozenset)
cadences = st.builds(Cadence, hour=hours, weekdays=weekdays, every_days=st.integers(1, 7))


def local(instant: datetime, name: str) -> datetime:
    return instant.astimezone(ZoneInfo(name))


@settings(max_examples=400, deadline=None)
@given(cadence=cadences, name=zones, after=instants)
def test_a_first_slot_is_never_early_and_never_more_than_its_days_away(cadence, name, after):
    slot = next_slot(cadence, name, after=after)
    assert after <= slot <= after + timedelta(days=9, hours=12)


@settings(max_examples=400, deadline=None)
@given(cadence=cadences, name=zones, last=instants, hours_later=st.integers(0, 400))
def test_two_lessons_never_share_a_local_date_nor_come_within_six_hours(
    cadence, name, last, hours_later
):
    now = last + timedelta(hours=hours_later)
    slot = next_slot(cadence, name, after=now, last_sent_at=last)
    assert slot >= now
    assert slot - last >= MIN_GAP
    assert (local(slot, name).date() - local(last, name).date()).days >= cadence.every_days


@settings(max_examples=200, deadline=None)
@given(cadence=cadences, name=zones, start=instants)
def test_a_month_of_lessons_keeps_the_hour_wherever_the_clock_allows(cadence, name, start):
    last = None
    now = start
    for _ in range(12):
        slot = next_slot(cadence, name, after=now, last_sent_at=last)
        wall = local(slot, name)
        if wall.time().replace(fold=0) != cadence.hour:
            # Only a clock change excuses another hour: the wished one does not exist that day.
            before = local(slot - timedelta(seconds=1), name)
            assert before.utcoffset() != wall.utcoffset()
        else:
            assert wall.weekday() in cadence.weekdays
        last, now = slot, slot


def clock_changes(tz: ZoneInfo) -> tuple[tuple[datetime, timedelta | None], ...]:
    """The offset at the end of 2026 and each other one until 2028, with the minute it begins."""
    before = datetime(2026, 12, 29, tzinfo=UTC)
    found = [(before, before.astimezone(tz).utcoffset())]
    while before.year < 2028:
        after = before + timedelta(days=1)
        offset = after.astimezone(tz).utcoffset()
        if offset != found[-1][1]:
            same, other = before, after
            while other - same > timedelta(minutes=1):
                middle = same + (other - same) // 2
                if middle.astimezone(tz).utcoffset() == found[-1][1]:
                    same = middle
                else:
                    other = middle
            found.append((other.replace(second=0, microsecond=0), offset))
        before = after
    return tuple(found)


def test_each_hour_of_2027_exists_once_in_every_zone():
    # Most zones keep the clock of another one: each clock is looked at once.
    clocks = {clock_changes(zone(name)): name for name in ZONES}
    for name in clocks.values():
        tz = zone(name)
        for hour in (time(0, 30), time(1, 30), time(2, 30), time(7, 0)):
            day, previous = date(2027, 1, 1), None
            while day.year == 2027:
                instant = at_wall_time(day, hour, tz)
                wall = instant.astimezone(tz)
                assert wall.date() == day, name
                assert wall.time().replace(fold=0) >= hour, name
                assert previous is None or timedelta(hours=22) <= instant - previous, name
                previous, day = instant, day + timedelta(days=1)


def test_an_hour_the_clock_skips_becomes_the_first_instant_after_the_gap():
    tz = zone("America/New_York")
    assert at_wall_time(date(2027, 3, 14), time(2, 30), tz) == datetime(2027, 3, 14, 7, tzinfo=UTC)


def test_an_hour_that_occurs_twice_is_its_first_occurrence():
    tz = zone("Europe/Berlin")
    assert at_wall_time(date(2027, 10, 31), time(2, 30), tz) == datetime(
        2027, 10, 31, 0, 30, tzinfo=UTC
    )


def test_a_date_the_zone_skipped_brings_no_second_lesson():
    # Samoa went from Thursday 29 to Saturday 31 December 2011.
    cadence = Cadence(hour=time(7))
    thursday = at_wall_time(date(2011, 12, 29), time(7), zone("Pacific/Apia"))
    following = next_slot(cadence, "Pacific/Apia", after=thursday, last_sent_at=thursday)
    after_that = next_slot(cadence, "Pacific/Apia", after=following, last_sent_at=following)
    assert local(following, "Pacific/Apia").date() == date(2011, 12, 31)
    assert local(after_that, "Pacific/Apia").date() == date(2012, 1, 1)


def test_friday_is_followed_by_monday_for_weekday_learners():
    cadence = Cadence(hour=time(7), weekdays=WEEKDAYS)
    friday = datetime(2026, 11, 20, 6, tzinfo=UTC)
    assert next_slot(cadence, "Europe/Berlin", after=friday, last_sent_at=friday) == datetime(
        2026, 11, 23, 6, tzinfo=UTC
    )


def test_a_lesson_read_late_at_night_is_not_followed_by_one_at_dawn():
    cadence = Cadence(hour=time(4, 0))
    late = datetime(2026, 11, 20, 23, 30, tzinfo=UTC)
    assert next_slot(cadence, "UTC", after=late, last_sent_at=late) == datetime(
        2026, 11, 22, 4, tzinfo=UTC
    )


def test_ten_days_down_brings_one_lesson_now_and_the_next_tomorrow():
    now = datetime(2026, 11, 20, 12, tzinfo=UTC)
    assert may_send("UTC", now=now, last_sent_at=now - timedelta(days=11))
    assert next_slot(Cadence(), "UTC", after=now, last_sent_at=now) == datetime(
        2026, 11, 21, 7, tzinfo=UTC
    )


def test_lesson_one_comes_at_once_but_not_twice_a_day():
    now = datetime(2026, 11, 20, 15, tzinfo=UTC)
    cadence = Cadence(weekdays=EVERY_DAY)
    first = first_lesson_at(cadence, "UTC", now=now, at_once=True, last_sent_at=None)
    again = first_lesson_at(
        cadence, "UTC", now=now, at_once=True, last_sent_at=now - timedelta(hours=7)
    )
    patient = first_lesson_at(cadence, "UTC", now=now, at_once=False, last_sent_at=None)
    assert first == now
    assert again == patient == datetime(2026, 11, 21, 7, tzinfo=UTC)


def test_a_missed_morning_waits_for_daylight_but_a_punctual_night_owl_is_served():
    slot = datetime(2026, 11, 20, 7, tzinfo=UTC)
    assert is_night("UTC", slot + timedelta(hours=16), slot)
    assert not is_night("UTC", slot + timedelta(hours=5), slot)
    three_in_the_morning = datetime(2026, 11, 20, 3, tzinfo=UTC)
    assert not is_night("UTC", three_in_the_morning, three_in_the_morning)


def test_a_lesson_that_a_clock_set_back_brings_far_before_its_hour_wakes_nobody():
    slot = datetime(2026, 11, 20, 8, tzinfo=UTC)
    assert is_night("UTC", slot - timedelta(hours=4), slot)
    assert not is_night("UTC", slot - timedelta(hours=1), slot)
