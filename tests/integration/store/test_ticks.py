"""What learners say they have done: once, in their own run, gone when they are erased."""

from __future__ import annotations

import json
import threading
from datetime import timedelta
from typing import TYPE_CHECKING

from scheduler.store import people, reports, ticks
from scheduler.store.ticks import Tick

if TYPE_CHECKING:
    from conftest import Room

HOUR = timedelta(hours=1)


def test_a_tick_is_kept_once_with_its_first_instant(room: Room) -> None:
    with room.db.write() as tx:
        run = room.run(tx)
        assert ticks.add(tx, run.id, "one", "action", room.now)
        assert not ticks.add(tx, run.id, "one", "action", room.now + HOUR)
        assert ticks.ticks_of(tx, run.id) == [Tick("one", "action", room.now)]


def test_runs_lessons_and_items_are_told_apart(room: Room) -> None:
    with room.db.write() as tx:
        run, other = room.run(tx), room.run(tx)
        ticks.add(tx, run.id, "two", "action", room.now + HOUR)
        ticks.add(tx, run.id, "one", "action", room.now)
        ticks.add(tx, run.id, "one", "calendar", room.now)
        ticks.add(tx, other.id, "one", "action", room.now)
        kept = [("one", "action"), ("one", "calendar"), ("two", "action")]
        assert [(t.lesson_key, t.item) for t in ticks.ticks_of(tx, run.id)] == kept
        assert ticks.remove(tx, run.id, ["one", "an old name"], "action")
        assert not ticks.remove(tx, run.id, ["one"], "action")
        assert [(t.lesson_key, t.item) for t in ticks.ticks_of(tx, run.id)] == kept[1:]
        assert len(ticks.ticks_of(tx, other.id)) == 1


def test_ten_presses_at_once_are_one_tick(room: Room) -> None:
    with room.db.write() as tx:
        run = room.run(tx)
    barrier = threading.Barrier(10)
    news: list[bool] = []

    def press() -> None:
        barrier.wait()
        with room.db.write() as tx:
            news.append(ticks.add(tx, run.id, "one", "action", room.now))

    threads = [threading.Thread(target=press) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(news) == [False] * 9 + [True]
    with room.db.read() as tx:
        assert room.rows(tx, "ticks") == 1


def test_erasing_takes_a_person_s_ticks_and_nobody_else_s(room: Room) -> None:
    with room.db.write() as tx:
        run, other = room.run(tx), room.run(tx)
        for whose in (run, other):
            ticks.add(tx, whose.id, "one", "action", room.now)
        assert people.erase(tx, run.learner_id) == 3  # tick, run, person
        assert ticks.ticks_of(tx, run.id) == []
        assert len(ticks.ticks_of(tx, other.id)) == 1


def test_what_is_held_on_a_person_includes_what_they_did(room: Room) -> None:
    with room.db.write() as tx:
        run, other = room.run(tx), room.run(tx)
        ticks.add(tx, run.id, "one", "action", room.now)
        ticks.add(tx, other.id, "two", "action", room.now)
        person = reports.export_person(tx, run.learner_id)
    json.dumps(person)
    assert person["ticks"] == [
        {
            "enrollment_id": run.id,
            "lesson_key": "one",
            "item": "action",
            "ticked_at": "2026-10-09T05:00:00.123456Z",
        }
    ]


def test_the_timeline_tells_what_was_done_in_its_place(room: Room) -> None:
    with room.db.write() as tx:
        run, other = room.run(tx), room.run(tx)
        ticks.add(tx, run.id, "one", "action", room.now - HOUR)
        ticks.add(tx, other.id, "two", "action", room.now)
        story = reports.timeline(tx, run.learner_id)
        assert [(row.what, row.detail, row.course) for row in story] == [
            ("one: done", "action", "c"),
            ("signed up", "round 1", "c"),
        ]
        assert story[0].at == room.now - HOUR
