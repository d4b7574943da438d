"""Owing, settling, withdrawing: every row ends in one visible state and none is lost."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from scheduler.domain.delivery import DeliveryKind, DeliveryState
from scheduler.domain.enrollment import EnrollmentState
from scheduler.store import ledger
from scheduler.store.ledger import Settlement

if TYPE_CHECKING:
    from conftest import Room

HOUR = timedelta(hours=1)
EVERY_STATE = [str(state) for state in DeliveryState]
SETTLED = ["accepted", "waiting", "uncertain", "refused", "dead"]


# -- owe -------------------------------------------------------------------------------------


def test_what_is_owed_is_due(room: Room) -> None:
    with room.db.write() as tx:
        run = room.run(tx)
        row = room.new(run, "one", not_before=room.now + HOUR)
        [number] = ledger.owe(tx, [row], room.now)
        stored = room.look(tx, number)
        assert (stored.enrollment_id, stored.round, stored.kind) == (run.id, 1, "lesson")
        assert (stored.key, stored.to_addr) == ("one", "ada@example.org")
        assert (stored.state, stored.attempt, stored.extra_copy) == ("due", 0, False)
        assert (stored.not_before, stored.created_at) == (room.now + HOUR, room.now)
        assert stored.first_due_at == room.now + HOUR
        assert stored.dated_at is None
        assert len(number) == 32
        [event] = ledger.history(tx, number)
        assert (event.at, event.from_state, event.to_state) == (room.now, "", "due")


@pytest.mark.parametrize("state", EVERY_STATE)
def test_owing_again_changes_nothing_but_revives_what_was_cancelled(room: Room, state: str) -> None:
    with room.db.write() as tx:
        run = room.run(tx)
        before = room.in_state(tx, run, state)
        room.now += HOUR
        again = replace(room.new(run), to_addr="new@example.org")
        due = ledger.owe(tx, [again], room.now)
        after = room.look(tx, before.id)
        if state == "cancelled":
            assert due == [before.id]
            assert (after.state, after.attempt, after.to_addr) == ("due", 0, "new@example.org")
            assert (after.not_before, after.first_due_at) == (room.now, room.now)
            assert (after.verdict, after.settled_at, after.dated_at) == ("", None, None)
            assert room.path(tx, before.id) == ["due", "cancelled", "due"]
        else:
            assert due == []
            assert after == before


def test_a_replayed_plan_owes_nothing_twice(room: Room) -> None:
    with room.db.write() as tx:
        rows = [room.new(room.run(tx)) for _ in range(5)]
        first = ledger.owe(tx, [*rows, *rows], room.now)
        assert len(first) == 5
        assert ledger.owe(tx, rows, room.now) == []
        assert room.rows(tx, "deliveries") == 5
        assert room.rows(tx, "delivery_events") == 5


def test_owing_nothing_is_nothing(room: Room) -> None:
    with room.db.write() as tx:
        assert ledger.owe(tx, [], room.now) == []


def test_thousands_are_owed_in_one_call(room: Room) -> None:
    """No limit on bound variables is met: SQLite's is 32,766, PostgreSQL's 65,535."""
    with room.db.write() as tx:
        run = room.run(tx)
        rows = [room.new(run, f"k{n}") for n in range(9000)]
        assert len(set(ledger.owe(tx, rows, room.now))) == 9000


# -- settle ----------------------------------------------------------------------------------


@pytest.mark.parametrize("state", SETTLED)
def test_an_outcome_is_recorded_on_what_is_being_sent(room: Room, state: str) -> None:
    with room.db.write() as tx:
        sent = room.sending(tx, room.run(tx))
        room.now += HOUR
        later = room.now + HOUR
        [settled] = room.settle(
            tx,
            sent,
            state,
            verdict="250 2.0.0 Ok\r\n queued\x00 as 1",
            provider="smtp",
            provider_ref="1",
            not_before=later if state == "waiting" else None,
        )
        assert settled == room.look(tx, sent.id)
        assert settled.state == state
        assert settled.settled_at == room.now
        assert settled.verdict == "250 2.0.0 Ok queued as 1"
        assert (settled.provider, settled.provider_ref) == ("smtp", "1")
        assert settled.not_before == (later if state == "waiting" else sent.not_before)
        assert (settled.sending_at, settled.lease_until) == (sent.sending_at, None)
        event = ledger.history(tx, sent.id)[-1]
        assert (event.from_state, event.to_state, event.worker) == ("sending", state, "w1")


@pytest.mark.parametrize("state", ["accepted", "refused", "waiting"])
def test_a_late_truthful_answer_beats_uncertain(room: Room, state: str) -> None:
    with room.db.write() as tx:
        delivery = room.in_state(tx, room.run(tx), "uncertain")
        [settled] = room.settle(tx, delivery, state)
        assert settled.state == state
        assert room.path(tx, delivery.id) == ["due", "sending", "uncertain", state]


@pytest.mark.parametrize("state", sorted(set(EVERY_STATE) - {"sending", "uncertain"}))
def test_nothing_else_can_be_settled(room: Room, state: str) -> None:
    with room.db.write() as tx:
        delivery = room.in_state(tx, room.run(tx), state)
        assert room.settle(tx, delivery, "accepted") == []
        assert room.look(tx, delivery.id) == delivery


def test_the_answer_to_another_attempt_is_ignored(room: Room) -> None:
    with room.db.write() as tx:
        sent = room.sending(tx, room.run(tx))
        assert room.settle(tx, sent, "refused", attempt=sent.attempt + 1) == []
        assert room.settle(tx, sent, "refused", attempt=sent.attempt - 1) == []
        assert room.look(tx, sent.id) == sent


def test_outcomes_of_a_batch_are_recorded_together(room: Room) -> None:
    with room.db.write() as tx:
        sent = [room.sending(tx, room.run(tx)) for _ in range(4)]
        unsure = room.in_state(tx, room.run(tx), "uncertain")
        due = room.owed(tx, room.run(tx))
        states = ["accepted", "refused", "waiting", "dead", "accepted", "accepted"]
        answers = [
            Settlement(d.id, d.attempt, DeliveryState(state), verdict=f"it is {state}")
            for d, state in zip([*sent, unsure, due], states, strict=True)
        ]
        settled = [room.look(tx, d.id) for d in ledger.settle(tx, answers, at=room.now)]
        assert {d.id: (d.state, d.verdict) for d in settled} == {
            d.id: (state, f"it is {state}")
            for d, state in zip([*sent, unsure], states[:5], strict=True)
        }
        assert ledger.settle(tx, answers[:1], at=room.now) == []
        assert ledger.settle(tx, [], at=room.now) == []


def test_a_provider_that_has_no_name_for_it_keeps_what_is_known(room: Room) -> None:
    with room.db.write() as tx:
        sent = room.sending(tx, room.run(tx))
        room.settle(tx, sent, "uncertain", provider_ref="abc")
        [settled] = room.settle(tx, sent, "accepted")
        assert (settled.provider, settled.provider_ref) == ("file", "abc")


# -- withdrawing, postponing, skipping, owing anew -------------------------------------------


@pytest.mark.parametrize("state", EVERY_STATE)
def test_only_what_was_not_handed_over_is_withdrawn(room: Room, state: str) -> None:
    with room.db.write() as tx:
        run = room.run(tx)
        before = room.in_state(tx, run, state)
        room.now += HOUR
        withdrawn = ledger.cancel_open(tx, run.id, now=room.now, verdict="the learner left")
        after = room.look(tx, before.id)
        if state in ("due", "claimed", "waiting"):
            assert withdrawn == 1
            assert (after.state, after.verdict) == ("cancelled", "the learner left")
            assert (after.settled_at, after.lease_until) == (room.now, None)
            event = ledger.history(tx, before.id)[-1]
            assert (event.from_state, event.detail) == (state, "the learner left")
        else:
            assert withdrawn == 0
            assert after == before


def test_lessons_can_be_withdrawn_and_letters_left(room: Room) -> None:
    with room.db.write() as tx:
        run, other = room.run(tx), room.run(tx)
        lesson, letter = room.owed(tx, run, "one"), room.owed(tx, run, "@welcome")
        bystander = room.owed(tx, other)
        only = {DeliveryKind.LESSON}
        assert ledger.cancel_open(tx, run.id, now=room.now, verdict="", kinds=only) == 1
        states = [room.look(tx, d.id).state for d in (lesson, letter, bystander)]
        assert states == ["cancelled", "due", "due"]


def test_an_open_lesson_moves_to_another_instant(room: Room) -> None:
    with room.db.write() as tx:
        run = room.run(tx)
        sent = room.in_state(tx, run, "accepted", "zero")
        waiting = room.in_state(tx, room.run(tx), "waiting")
        due, letter = room.owed(tx, run, "one"), room.owed(tx, run, "@welcome")
        assert ledger.postpone_open(tx, run.id, not_before=room.now + HOUR) == 1
        assert ledger.postpone_open(tx, waiting.enrollment_id, not_before=room.now - HOUR) == 1
        assert room.look(tx, due.id).not_before == room.now + HOUR
        assert room.look(tx, waiting.id).not_before == room.now - HOUR
        assert room.look(tx, letter.id) == letter
        assert room.look(tx, sent.id) == sent


@pytest.mark.parametrize("state", ["", *EVERY_STATE])
def test_a_lesson_is_passed_over_unless_it_was_handed_over(room: Room, state: str) -> None:
    with room.db.write() as tx:
        run = room.run(tx)
        before = room.in_state(tx, run, state) if state else None
        number = ledger.add_skipped(tx, room.new(run), room.now)
        if state in ("", "due", "claimed", "waiting", "cancelled", "dead"):
            assert number is not None
            after = room.look(tx, number)
            assert (after.state, after.settled_at) == ("skipped", room.now)
            assert before is None or before.id == number
            assert ledger.history(tx, number)[-1].from_state == state
            assert room.claim(tx) == []
        else:
            assert number is None
            assert before is not None
            assert room.look(tx, before.id) == before


@pytest.mark.parametrize("state", EVERY_STATE)
def test_staff_can_owe_anew_what_failed_for_good(room: Room, state: str) -> None:
    with room.db.write() as tx:
        before = room.in_state(tx, room.run(tx), state)
        room.now += HOUR
        done = ledger.requeue(tx, before.id, room.now)
        after = room.look(tx, before.id)
        if state in ("dead", "refused"):
            assert done
            assert (after.state, after.attempt, after.verdict) == ("due", 0, "")
            assert (after.not_before, after.first_due_at) == (room.now, room.now)
            assert room.path(tx, before.id)[-1] == "due"
        else:
            assert not done
            assert after == before


# -- reading ---------------------------------------------------------------------------------


def test_progress_is_the_lessons_of_this_round_that_were_not_cancelled(room: Room) -> None:
    with room.db.write() as tx:
        run, empty = room.run(tx), room.run(tx)
        room.in_state(tx, run, "cancelled", "key-cancelled")  # first: it withdraws all the rest
        for state in reversed(EVERY_STATE):
            if state != "cancelled":
                room.in_state(tx, run, state, f"key-{state}")
        room.owed(tx, run, "@welcome")
        keys = ledger.lesson_keys(tx, [run, empty])
        assert keys[run.id] == {f"key-{s}" for s in EVERY_STATE if s != "cancelled"}
        assert keys[empty.id] == set()
        next_round = replace(run, round=2)
        assert ledger.lesson_keys(tx, [next_round]) == {run.id: set()}
        assert ledger.lesson_keys(tx, []) == {}


def test_letters_are_counted_apart_and_by_round(room: Room) -> None:
    with room.db.write() as tx:
        run = room.run(tx)
        room.owed(tx, run, "one")
        room.owed(tx, run, "@welcome")
        room.in_state(tx, run, "accepted", "@links")
        assert ledger.letter_keys(tx, run.id, 1) == {"@welcome", "@links"}
        assert ledger.letter_keys(tx, run.id, 2) == set()


def test_open_lessons_are_those_still_to_go(room: Room) -> None:
    with room.db.write() as tx:
        runs = {state: room.run(tx) for state in EVERY_STATE}
        for state, run in reversed(runs.items()):
            room.in_state(tx, run, state)
        found = ledger.open_lessons(tx, [run.id for run in runs.values()])
        still_to_go = {state for state, run in runs.items() if found[run.id]}
        assert still_to_go == {"due", "claimed", "sending", "waiting"}
        assert ledger.open_lessons(tx, []) == {}


def test_all_of_a_run_is_listed_oldest_first(room: Room) -> None:
    with room.db.write() as tx:
        run = room.run(tx)
        for key in ("@confirm", "two", "one"):
            room.owed(tx, run, key)
            room.now += HOUR
        assert [d.key for d in ledger.deliveries_of(tx, run.id)] == ["@confirm", "two", "one"]
        assert ledger.delivery(tx, "nothing") is None


def test_a_sent_delivery_can_be_read_again_as_the_composer_saw_it(room: Room) -> None:
    with room.db.write() as tx:
        run = room.run(tx, state=EnrollmentState.COMPLETED)
        sent = room.in_state(tx, run, "accepted", "@completed")
        view = ledger.claimed_view(tx, sent.id)
        assert view is not None
        assert (view.delivery, view.enrollment) == (sent, run)
        assert view.learner.id == run.learner_id
        assert ledger.claimed_view(tx, "nothing") is None


def test_a_version_is_kept_once_and_never_changes(room: Room) -> None:
    with room.db.write() as tx:
        for document in ("first", "second"):
            ledger.keep_version(
                tx, version="v1", course="c", key="one", document=document, now=room.now
            )
        assert ledger.version_document(tx, "v1") == "first"
        assert ledger.version_document(tx, "v2") is None
        assert ledger.known_versions(tx, ["v1", "v2"]) == {"v1"}
        assert ledger.known_versions(tx, []) == set()
