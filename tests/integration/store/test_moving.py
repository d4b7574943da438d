"""A change of address in the store: what has not left follows, what has left stays as it was."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from scheduler.domain.delivery import OWN_ADDRESS
from scheduler.store import claims, moving, people

if TYPE_CHECKING:
    from conftest import Room

NEW = "New@example.org"


def test_a_person_is_found_at_the_new_address_and_no_longer_at_the_old(room: Room) -> None:
    with room.db.write() as tx:
        who = room.run(tx, "ada@example.org").learner_id
        assert moving.change_address(tx, who, NEW)
        found = people.find_learner(tx, "new@EXAMPLE.org")
        assert found is not None
        assert (found.id, found.address) == (who, NEW)
        assert people.find_learner(tx, "ada@example.org") is None


def test_an_address_that_is_anothers_is_left_to_them(room: Room) -> None:
    with room.db.write() as tx:
        who = room.run(tx, "ada@example.org").learner_id
        other = room.run(tx, "new@example.org").learner_id
        assert not moving.change_address(tx, who, NEW)
        # The transaction goes on, with both as they were.
        assert people.addresses(tx, [who, other]) == {
            who: "ada@example.org",
            other: "new@example.org",
        }


@pytest.mark.parametrize("state", ["due", "claimed", "waiting"])
def test_what_has_not_left_yet_goes_to_the_new_address(room: Room, state: str) -> None:
    with room.db.write() as tx:
        run = room.run(tx)
        owed = room.in_state(tx, run, state)
        assert moving.redirect_open(tx, [run.id], NEW, room.now) == 1
        after = room.look(tx, owed.id)
        assert (after.to_addr, after.lease_until) == (NEW, None)
        assert after.state == ("due" if state == "claimed" else state)


@pytest.mark.parametrize(
    "state",
    ["sending", "accepted", "uncertain", "refused", "dead", "cancelled", "skipped"],
)
def test_what_was_handed_over_keeps_the_address_it_went_to(room: Room, state: str) -> None:
    with room.db.write() as tx:
        run = room.run(tx)
        before = room.in_state(tx, run, state)
        assert moving.redirect_open(tx, [run.id], NEW, room.now) == 0
        assert room.look(tx, before.id) == before


def test_a_worker_that_had_claimed_it_sends_nothing_to_the_old_address(room: Room) -> None:
    with room.db.write() as tx:
        run = room.run(tx)
        claimed = room.in_state(tx, run, "claimed")
        moving.redirect_open(tx, [run.id], NEW, room.now)
        assert room.path(tx, claimed.id) == ["due", "due"]  # taking it in hand is no event
        assert room.mark(tx, claimed).marked == set()
        [again] = room.claim(tx)
        assert again.delivery.to_addr == NEW
        # Its attempt is another one, so that the first claim stays shut.
        assert room.mark(tx, claimed).marked == set()
        assert room.mark(tx, again.delivery).marked == {claimed.id}


def test_letters_about_the_change_itself_keep_their_own_address(room: Room) -> None:
    with room.db.write() as tx:
        run = room.run(tx)
        for key in OWN_ADDRESS:
            room.owed(tx, run, key)
            room.owed(tx, run, f"{key}-2")
        room.owed(tx, run, "@welcome")
        assert moving.redirect_open(tx, [run.id], NEW, room.now) == 1
        moved = {c.delivery.key for c in room.claim(tx) if c.delivery.to_addr == NEW}
        assert moved == {"@welcome"}


def test_nobody_elses_mail_is_redirected(room: Room) -> None:
    with room.db.write() as tx:
        run, other = room.run(tx), room.run(tx)
        theirs = room.owed(tx, other)
        room.owed(tx, run)
        assert moving.redirect_open(tx, [run.id], NEW, room.now) == 1
        assert room.look(tx, theirs.id) == theirs


def test_an_older_letter_is_withdrawn_only_while_it_has_not_left(room: Room) -> None:
    with room.db.write() as tx:
        run = room.run(tx)
        sent = room.sending(tx, run, "@address")
        open_one = room.owed(tx, run, "@address-2")
        other = room.owed(tx, run, "@welcome")
        asked = moving.withdraw(tx, [run.id], {"@address"}, now=room.now, verdict="a newer one")
        assert asked == 1
        assert room.look(tx, open_one.id).state == "cancelled"
        assert room.path(tx, open_one.id) == ["due", "cancelled"]
        assert room.look(tx, sent.id) == sent
        assert room.look(tx, other.id) == other


def test_a_mark_and_a_move_at_the_same_time_agree_on_one_address(postgresql_room: Room) -> None:
    """Whoever comes second sees what the first one did."""
    room = postgresql_room
    with room.db.write() as tx:
        run = room.run(tx)
        claimed = room.in_state(tx, run, "claimed")
    marked: list[claims.Marked] = []

    def mark() -> None:
        with room.db.write() as tx:
            marked.append(room.mark(tx, claimed))

    with room.db.write() as tx:
        moving.redirect_open(tx, [run.id], NEW, room.now)
        worker = threading.Thread(target=mark)
        worker.start()
        worker.join(0.3)  # it waits for this transaction, or has not begun: both are fine
    worker.join()
    assert marked[0].marked == set()
    with room.db.read() as tx:
        after = room.look(tx, claimed.id)
    assert (after.state, after.to_addr) == ("due", NEW)
