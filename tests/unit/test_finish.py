"""What finishing means: every action that was sent is done, in any order and however late."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from course.finish import Mark, Task, as_tasks, judge
from scheduler.domain.delivery import Deeds

MONDAY = datetime(2026, 11, 23, 7, tzinfo=UTC)
FRIDAY = MONDAY + timedelta(days=4)
DAY = timedelta(days=1)


def tasks(*names: str, asks: bool = True) -> tuple[Task, ...]:
    return tuple(
        Task((name,), number, name, name, asks, minutes=10) for number, name in enumerate(names, 1)
    )


def deeds(done: dict[str, datetime], had: str = "a b c", skipped: str = "") -> Deeds:
    return Deeds(done, frozenset(had.split()), frozenset(skipped.split()))


THREE = tasks("a", "b", "c")
ALL = {"a": MONDAY, "b": FRIDAY + 20 * DAY, "c": FRIDAY}


def test_the_last_tick_finishes_a_course_in_whatever_order_it_comes() -> None:
    assert judge(THREE, deeds(ALL), FRIDAY).earned_at == FRIDAY + 20 * DAY


def test_one_open_action_is_enough_not_to_have_finished() -> None:
    found = judge(THREE, deeds({"a": MONDAY, "c": FRIDAY}), FRIDAY)
    assert found.earned_at is None
    assert [row.task.number for row in found.open] == [2]
    assert (len(found.done), found.counted) == (2, 3)


def test_nobody_finishes_before_the_last_lesson_was_sent() -> None:
    found = judge(THREE, deeds({"a": MONDAY, "b": MONDAY}, had="a b"), None)
    assert found.earned_at is None
    assert [row.mark for row in found.rows] == [Mark.DONE, Mark.DONE, Mark.TO_COME]


def test_a_lesson_that_was_passed_over_asks_for_nothing() -> None:
    found = judge(THREE, deeds({"a": MONDAY, "b": FRIDAY}, had="a b", skipped="c"), FRIDAY)
    assert found.earned_at == FRIDAY
    assert (len(found.done), found.counted) == (2, 2)


def test_a_lesson_that_was_passed_over_and_done_all_the_same_counts() -> None:
    found = judge(THREE, deeds(ALL, had="a b", skipped="c"), FRIDAY)
    assert (len(found.done), found.counted) == (3, 3)


def test_who_did_nothing_has_finished_nothing() -> None:
    assert judge(THREE, deeds({}, had="", skipped="a b c"), FRIDAY).earned_at is None


def test_a_lesson_appended_after_the_end_takes_nothing_away() -> None:
    found = judge(tasks("a", "b", "c", "d"), deeds(ALL), FRIDAY)
    assert found.earned_at is not None
    assert found.counted == 3
    assert found.minutes == 30


def test_a_renamed_lesson_stays_done() -> None:
    renamed = (Task(("new", "a"), 1, "A", "A", asks=True), *THREE[1:])
    assert judge(renamed, deeds(ALL), FRIDAY).earned_at is not None


def test_where_no_lesson_asks_for_anything_the_last_lesson_is_the_end() -> None:
    read = tasks("a", "b", asks=False)
    found = judge(read, deeds({}, had="a b"), FRIDAY)
    assert found.earned_at == FRIDAY
    assert not found.asks
    assert judge(read, deeds({}, had="a"), None).earned_at is None


def test_a_lesson_without_an_action_holds_nobody_up() -> None:
    mixed = (*tasks("a", "b"), Task(("c",), 3, "c", "c", asks=False, minutes=10))
    found = judge(mixed, deeds({"a": MONDAY, "b": FRIDAY}), FRIDAY)
    assert found.earned_at == FRIDAY
    assert (found.counted, found.minutes) == (2, 30)


def test_tasks_survive_being_kept_as_plain_data() -> None:
    import json
    from dataclasses import asdict

    kept = json.loads(json.dumps([asdict(task) for task in THREE]))
    assert as_tasks(kept) == THREE
