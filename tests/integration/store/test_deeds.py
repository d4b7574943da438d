"""What a learner was sent and has done, for the letters that tell it: theirs, in this round."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from scheduler.domain.delivery import Deeds, tells_deeds
from scheduler.store import ledger, notes, people, ticks
from scheduler.store.deeds import deeds_of, with_deeds

if TYPE_CHECKING:
    from conftest import Room

HOUR = timedelta(hours=1)


def test_deeds_are_a_runs_own(room: Room) -> None:
    with room.db.write() as tx:
        run, other = room.run(tx), room.run(tx)
        ticks.add(tx, run.id, "one", "action", room.now)
        ticks.add(tx, run.id, "two", "calendar", room.now)
        ticks.add(tx, other.id, "two", "action", room.now + HOUR)
        ledger.add_skipped(tx, room.new(run, "four"), room.now)
        ledger.owe(tx, [room.new(run, "three"), room.new(other, "two")], room.now)
        found = deeds_of(tx, [run, other, run])
        assert found[run.id] == Deeds({"one": room.now}, frozenset(), frozenset({"four"}))
        assert found[other.id] == Deeds({"two": room.now + HOUR})
        assert deeds_of(tx, []) == {}


@pytest.mark.parametrize(
    ("state", "had"),
    [
        ("due", False),
        ("claimed", False),
        ("waiting", False),
        ("refused", False),
        ("dead", False),
        ("cancelled", False),
        ("sending", True),
        ("uncertain", True),
        ("accepted", True),
    ],
)
def test_a_lesson_is_had_once_it_has_left(room: Room, state: str, had: bool) -> None:
    with room.db.write() as tx:
        run = room.run(tx)
        room.in_state(tx, run, state)
        assert (deeds_of(tx, [run])[run.id].had == {"one"}) is had


@pytest.mark.parametrize(
    ("key", "tells"),
    [
        ("one", False),
        ("@again-1:one", False),
        ("@welcome", False),
        ("@confirm-2", False),
        ("@links", False),
        ("@moved-3", False),
        ("@completed", True),
        ("@again-2:@completed", True),
        ("@followup-day-12", True),
    ],
)
def test_only_letters_at_the_end_are_given_deeds(room: Room, key: str, tells: bool) -> None:
    with room.db.write() as tx:
        run = room.run(tx)
        ticks.add(tx, run.id, "one", "action", room.now)
        room.owed(tx, run, key)
        [claimed] = room.claim(tx)
        assert claimed.deeds is None
        assert tells_deeds(claimed.delivery) is tells
        [given] = with_deeds(tx, [claimed])
        assert (given.deeds is not None) is tells
        seen = ledger.claimed_view(tx, claimed.delivery.id)
        assert seen is not None
        assert (seen.deeds is not None) is tells


def test_withdrawing_can_spare_what_may_leave_already(room: Room) -> None:
    with room.db.write() as tx:
        run = room.run(tx)
        room.owed(tx, run, "@now")
        room.owed(tx, run, "@later", not_before=room.now + HOUR)
        assert ledger.cancel_open(tx, run.id, now=room.now, verdict="v", after=room.now) == 1
        states = {d.key: str(d.state) for d in ledger.deliveries_of(tx, run.id)}
        assert states == {"@now": "due", "@later": "cancelled"}


def test_the_name_of_a_certificate_is_kept_changed_taken_away_and_erased(room: Room) -> None:
    with room.db.write() as tx:
        run = room.run(tx)
        assert notes.certificate_name(tx, run.id) == ""
        for name in ("Zo\u00eb", "\u0645\u062d\u0645\u062f"):
            notes.write(tx, run.id, notes.CERTIFICATE, notes.NAME, name, room.now)
            assert notes.certificate_name(tx, run.id) == name
        people.erase(tx, run.learner_id)
        assert room.rows(tx, "notes") == 0
