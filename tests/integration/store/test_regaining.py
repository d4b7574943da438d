"""A worker gives back what it holds and has not handed over, however far the database got."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from scheduler.domain.delivery import DeliveryState
from scheduler.store import claims, ledger
from scheduler.store.regaining import NOT_HANDED_OVER, regain

if TYPE_CHECKING:
    from conftest import Room

    from scheduler.domain.delivery import Delivery
    from scheduler.store import Tx

PATIENCE = 20.0


def give_back(room: Room, tx: Tx, *held: Delivery, owner: str = "w1", attempt: int = 1) -> None:
    regain(tx, owner=owner, unsent=[(d.id, attempt) for d in held], now=room.now)


@pytest.mark.parametrize(
    ("state", "becomes"), [("claimed", "due"), ("sending", "waiting"), ("uncertain", "waiting")]
)
def test_what_was_not_handed_over_can_be_claimed_at_once_and_has_lost_no_attempt(
    room: Room, state: str, becomes: str
) -> None:
    with room.db.write() as tx:
        held = room.in_state(tx, room.run(tx), state)
        give_back(room, tx, held)
        back = room.look(tx, held.id)
        assert (back.state, back.attempt) == (DeliveryState(becomes), 0)
        assert (back.sending_at, back.settled_at, back.lease_until) == (None, None, None)
        assert back.verdict == ("" if becomes == "due" else NOT_HANDED_OVER)
        assert room.path(tx, held.id)[-1] == becomes
        [again] = room.claim(tx, owner="w2")
        assert (again.delivery.id, again.delivery.attempt) == (held.id, 1)


@pytest.mark.parametrize("state", ["due", "waiting", "accepted", "refused", "dead", "cancelled"])
def test_what_has_moved_on_stays_as_it_is(room: Room, state: str) -> None:
    with room.db.write() as tx:
        before = room.in_state(tx, room.run(tx), state)
        path = room.path(tx, before.id)
        give_back(room, tx, before, attempt=before.attempt)
        assert room.look(tx, before.id) == before
        assert room.path(tx, before.id) == path


def test_what_another_worker_or_a_later_attempt_holds_stays_as_it_is(room: Room) -> None:
    with room.db.write() as tx:
        held = room.in_state(tx, room.run(tx), "sending")
        give_back(room, tx, held, owner="w2")
        give_back(room, tx, held, attempt=2)
        assert room.look(tx, held.id) == held


def test_giving_back_twice_is_giving_back_once(room: Room) -> None:
    with room.db.write() as tx:
        held = room.in_state(tx, room.run(tx), "sending")
        give_back(room, tx, held)
        once, path = room.look(tx, held.id), room.path(tx, held.id)
        give_back(room, tx, held)
        assert (room.look(tx, held.id), room.path(tx, held.id)) == (once, path)


def test_a_mark_that_is_decided_and_held_by_policy_is_no_obstacle(room: Room) -> None:
    with room.db.write() as tx:
        held = room.in_state(tx, room.run(tx), "uncertain")
        claims.resolve(
            tx, held.id, to=DeliveryState.UNCERTAIN, verdict="held", now=room.now + timedelta(1)
        )
        give_back(room, tx, held)
        assert room.look(tx, held.id).state is DeliveryState.WAITING
        assert room.claim(tx)


@pytest.mark.postgres
def test_it_waits_for_a_mark_whose_commit_is_still_on_its_way(postgresql_room: Room) -> None:
    """A mere look would see the row as it was before that mark, and leave it marked for ever."""
    room = postgresql_room
    with room.db.write() as tx:
        claimed = room.in_state(tx, room.run(tx), "claimed")
    about_to_wait = threading.Event()

    def back() -> None:
        with room.db.write() as tx:
            about_to_wait.set()
            give_back(room, tx, claimed)

    thread = threading.Thread(target=back)
    with room.db.write() as marking:
        assert room.mark(marking, claimed).marked
        thread.start()
        assert about_to_wait.wait(PATIENCE)
        thread.join(0.3)
        assert thread.is_alive()
    thread.join(PATIENCE)
    with room.db.read() as tx:
        assert room.look(tx, claimed.id).state is DeliveryState.WAITING
        assert [row.to_state for row in ledger.history(tx, claimed.id)][-2:] == [
            "sending",
            "waiting",
        ]
