"""What learners write for themselves, how a lesson felt, and when they came by."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING

from scheduler.store import notes, people, ticks, visits
from scheduler.store.notes import Note

if TYPE_CHECKING:
    from conftest import Room

HOUR = timedelta(hours=1)


def test_a_note_is_kept_in_place_of_the_one_before(room: Room) -> None:
    with room.db.write() as tx:
        run = room.run(tx)
        notes.write(tx, run.id, "five", "line-1", "If it rains,\nthen I read.", room.now)
        notes.write(tx, run.id, "five", "line-1", "If it snows ❄ \u202e", room.now + HOUR)
        kept = Note("five", "line-1", "If it snows ❄ \u202e", room.now + HOUR)
        assert notes.notes_of(tx, run.id) == [kept]


def test_an_empty_note_is_none(room: Room) -> None:
    with room.db.write() as tx:
        run = room.run(tx)
        notes.write(tx, run.id, "five", "line-1", "One", room.now)
        notes.write(tx, run.id, "five", "line-2", "Two", room.now)
        notes.write(tx, run.id, "five", "line-1", "", room.now)
        notes.write(tx, run.id, "five", "line-3", "", room.now)
        assert [note.item for note in notes.notes_of(tx, run.id)] == ["line-2"]


def test_notes_are_told_apart_by_run_lesson_and_field_and_erased_with_their_owner(
    room: Room,
) -> None:
    with room.db.write() as tx:
        run, other = room.run(tx), room.run(tx)
        for one, key, item in (
            (run, "b", "x"),
            (run, "a", "y"),
            (run, "a", "x"),
            (other, "a", "x"),
        ):
            notes.write(tx, one.id, key, item, f"{one.id} {key} {item}", room.now)
        assert [note.text for note in notes.notes_of(tx, run.id)] == [
            f"{run.id} a x",
            f"{run.id} a y",
            f"{run.id} b x",
        ]
        people.erase(tx, run.learner_id)
        assert notes.notes_of(tx, run.id) == []
        assert len(notes.notes_of(tx, other.id)) == 1


def test_ten_saves_at_once_leave_one_note(room: Room) -> None:
    with room.db.write() as tx:
        run = room.run(tx)
    barrier = threading.Barrier(10)

    def save(number: int) -> None:
        barrier.wait()
        with room.db.write() as tx:
            notes.write(tx, run.id, "five", "line-1", f"text {number}", room.now)

    threads = [threading.Thread(target=save, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    with room.db.read() as tx:
        assert room.rows(tx, "notes") == 1


def test_how_a_lesson_felt_is_counted_by_course(room: Room) -> None:
    with room.db.write() as tx:
        runs = [room.run(tx) for _ in range(3)] + [room.run(tx, course="other")]
        for run in runs:
            ticks.add(tx, run.id, "one", ticks.CLEAR, room.now)
            ticks.add(tx, run.id, "one", "action", room.now)
        ticks.add(tx, runs[0].id, "two", ticks.CONFUSING, room.now)
        assert ticks.felt(tx, "c") == {("one", ticks.CLEAR): 3, ("two", ticks.CONFUSING): 1}
        assert ticks.felt(tx, "nowhere") == {}


def test_a_visit_is_written_once_an_hour(room: Room) -> None:
    with room.db.write() as tx:
        run, other = room.run(tx), room.run(tx)
        assert visits.visited_at(tx, run.id) is None
        assert visits.record(tx, run.id, room.now)
        assert not visits.record(tx, run.id, room.now + HOUR - timedelta(seconds=1))
        assert visits.visited_at(tx, run.id) == room.now
        assert visits.record(tx, run.id, room.now + HOUR)
        assert visits.visited_at(tx, run.id) == room.now + HOUR
        assert visits.visited_at(tx, other.id) is None


def test_a_visit_dated_by_a_clock_that_ran_ahead_is_put_right(room: Room) -> None:
    with room.db.write() as tx:
        run = room.run(tx)
        visits.record(tx, run.id, room.now + 1000 * HOUR)
        assert visits.record(tx, run.id, room.now)
        assert visits.visited_at(tx, run.id) == room.now
