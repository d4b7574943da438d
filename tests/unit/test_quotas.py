"""Counting who asks how often: enough is enough, and time forgives."""

from __future__ import annotations

import threading

from course.web.quotas import Limit


class Watch:
    def __init__(self) -> None:
        self.seconds = 7_200.0

    def __call__(self) -> float:
        return self.seconds


def test_so_many_and_no_more_each_for_itself() -> None:
    limit = Limit(3, 3_600, Watch())
    assert [limit.hit("a") for _ in range(5)] == [True, True, True, False, False]
    assert limit.hit("b")


def test_time_forgives_little_by_little() -> None:
    watch = Watch()
    limit = Limit(4, 3_600, watch)
    for _ in range(4):
        limit.hit("a")
    watch.seconds += 3_600  # a new hour has just begun: the last one still counts in full
    assert not limit.hit("a")
    watch.seconds += 1_800
    assert [limit.hit("a") for _ in range(3)] == [True, True, False]
    watch.seconds += 7_200
    assert [limit.hit("a") for _ in range(5)] == [True, True, True, True, False]


def test_a_refusal_is_not_counted() -> None:
    watch = Watch()
    limit = Limit(1, 3_600, watch)
    for _ in range(100):
        limit.hit("a")
    watch.seconds += 7_200
    assert limit.hit("a")


def test_what_lies_two_spans_back_is_forgotten() -> None:
    watch = Watch()
    limit = Limit(1, 60, watch)
    for number in range(50):
        limit.hit(f"k{number}")
        watch.seconds += 60
    assert len(limit._before) + len(limit._counted) <= 2


def test_threads_at_once_are_all_counted() -> None:
    limit = Limit(100, 3_600, Watch())
    taken: list[bool] = []
    threads = [
        threading.Thread(target=lambda: taken.extend(limit.hit("a") for _ in range(50)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert taken.count(True) == 100
