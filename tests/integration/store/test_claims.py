"""Claiming, marking, giving back, sweeping, resolving: nobody gets a mail they should not."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from scheduler.domain.delivery import DeliveryState
from scheduler.domain.enrollment import EnrollmentState
from scheduler.store import claims, ledger, people
from scheduler.store.claims import Mark, Release

if TYPE_CHECKING:
    from conftest import Room

SECOND = timedelta(seconds=1)
LEASE = timedelta(minutes=2)


# -- due runs --------------------------------------------------------------------------------


def test_due_runs_come_oldest_first_and_no_sooner(room: Room) -> None:
    with room.db.write() as tx:
        late = room.run(tx, next_due_at=room.now - SECOND)
        later = room.run(tx, next_due_at=room.now - 2 * SECOND)
        room.run(tx, next_due_at=room.now + SECOND)
        room.run(tx)
        exact = room.run(tx, next_due_at=room.now)
        found = claims.due_enrollments(tx, room.now, 10)
        assert [run.id for run in found] == [later.id, late.id, exact.id]
        assert claims.due_enrollments(tx, room.now, 1) == [later]


@pytest.mark.parametrize("state", ["pending", "paused", "completed", "stopped"])
def test_a_run_that_is_not_active_is_never_due(room: Room, state: str) -> None:
    with room.db.write() as tx:
        room.run(tx, state=EnrollmentState(state), next_due_at=room.now)
        assert claims.due_enrollments(tx, room.now, 10) == []


# -- claim -----------------------------------------------------------------------------------


def test_a_claim_brings_the_row_as_it_is_stored_with_run_and_learner(room: Room) -> None:
    with room.db.write() as tx:
        run = room.run(tx, "Ada@example.org")
        owed = room.owed(tx, run)
        [claimed] = room.claim(tx)
        assert claimed.delivery == room.look(tx, owed.id)
        assert claimed.enrollment == run
        assert claimed.learner.address == "Ada@example.org"
        assert claimed.delivery == replace(
            owed,
            state=DeliveryState.CLAIMED,
            attempt=1,
            dated_at=room.now,
            lease_owner="w1",
            lease_until=room.now + timedelta(minutes=2),
            provider="file",
        )


def test_what_is_claimed_is_not_claimed_again(room: Room) -> None:
    with room.db.write() as tx:
        room.owed(tx, room.run(tx))
        assert len(room.claim(tx, "w1")) == 1
        assert room.claim(tx, "w2") == []


def test_the_oldest_are_claimed_first_and_none_before_its_time(room: Room) -> None:
    with room.db.write() as tx:
        run = room.run(tx)
        for n, offset in enumerate((-1, -3, 0, +1, -2)):
            room.owed(tx, run, f"k{n}", not_before=room.now + offset * SECOND)
        claimed = room.claim(tx, limit=3)
        assert [c.delivery.key for c in claimed] == ["k1", "k4", "k0"]
        assert [c.delivery.key for c in room.claim(tx)] == ["k2"]


def test_of_one_instant_letters_come_before_lessons(room: Room) -> None:
    """ "You are in" arrives before lesson 1, in whatever order the database brings them."""
    with room.db.write() as tx:
        for _ in range(8):
            run = room.run(tx)
            room.owed(tx, run, "one")
            room.owed(tx, run, "@welcome")
        keys = [c.delivery.key for c in room.claim(tx)]
    assert keys == ["@welcome"] * 8 + ["one"] * 8


def test_a_retry_keeps_the_date_of_the_message(room: Room) -> None:
    with room.db.write() as tx:
        run = room.run(tx)
        sent = room.sending(tx, run)
        room.settle(tx, sent, "waiting", not_before=room.now)
        first_dated_at = room.look(tx, sent.id).dated_at
        room.now += timedelta(hours=1)
        [again] = room.claim(tx)
        assert again.delivery.attempt == 2
        assert again.delivery.dated_at == first_dated_at


@pytest.mark.parametrize("state", ["pending", "paused"])
def test_a_lesson_of_a_resting_run_stays_due_and_a_letter_goes(room: Room, state: str) -> None:
    with room.db.write() as tx:
        run = room.run(tx, state=EnrollmentState(state))
        lesson = room.owed(tx, run, "one")
        room.owed(tx, run, "@links")
        assert [c.delivery.key for c in room.claim(tx)] == ["@links"]
        assert room.look(tx, lesson.id).state == "due"


def test_two_concurrent_claimers_never_get_the_same_row(room: Room) -> None:
    with room.db.write() as tx:
        runs = [room.run(tx) for _ in range(120)]
        ledger.owe(tx, [room.new(run) for run in runs], room.now)
    got: dict[str, list[str]] = {f"w{n}": [] for n in range(4)}
    barrier = threading.Barrier(len(got))

    def work(owner: str) -> None:
        barrier.wait()
        while True:
            with room.db.write() as tx:
                batch = room.claim(tx, owner, limit=7)
            if not batch:
                return
            got[owner] += [c.delivery.id for c in batch]

    workers = [threading.Thread(target=work, args=(owner,)) for owner in got]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    everything = [number for numbers in got.values() for number in numbers]
    assert len(everything) == 120
    assert len(set(everything)) == 120


@pytest.mark.postgres
def test_postgresql_claimers_pass_by_what_another_holds(postgresql_room: Room) -> None:
    room = postgresql_room
    with room.db.write() as tx:
        for key in ("one", "two"):
            room.owed(tx, room.run(tx), key)
    with room.db.write() as first, room.db.write() as second:
        [mine] = room.claim(first, "w1", limit=1)
        [other] = room.claim(second, "w2", limit=2)
        assert mine.delivery.id != other.delivery.id


@pytest.mark.postgres
def test_postgresql_planners_pass_by_what_another_holds(postgresql_room: Room) -> None:
    room = postgresql_room
    with room.db.write() as tx:
        runs = [room.run(tx, next_due_at=room.now) for _ in range(2)]
    with room.db.write() as first, room.db.write() as second:
        mine = claims.due_enrollments(first, room.now, 1)
        others = claims.due_enrollments(second, room.now, 2)
        assert sorted(r.id for r in [*mine, *others]) == [r.id for r in runs]


# -- mark ------------------------------------------------------------------------------------


def test_a_marked_delivery_is_sending_with_version_message_id_and_instant(room: Room) -> None:
    with room.db.write() as tx:
        room.owed(tx, room.run(tx))
        [claimed] = room.claim(tx)
        room.now += SECOND
        assert room.mark(tx, claimed.delivery).marked == {claimed.delivery.id}
        stored = room.look(tx, claimed.delivery.id)
        assert stored == replace(
            claimed.delivery,
            state=DeliveryState.SENDING,
            sending_at=room.now,
            # Preparing may have used up most of the first lease.
            lease_until=room.now + LEASE,
            lesson_version="v1",
            message_id=f"<{stored.id}@x>",
        )
        assert room.path(tx, stored.id) == ["due", "sending"]


def test_nothing_is_marked_twice(room: Room) -> None:
    with room.db.write() as tx:
        sent = room.sending(tx, room.run(tx))
        again = room.mark(tx, sent)
        assert again.marked == set()
        assert again.dropped[sent.id] == "no longer ours: it is sending, attempt 1"
        assert room.look(tx, sent.id) == sent


def test_another_owner_cannot_mark(room: Room) -> None:
    with room.db.write() as tx:
        room.owed(tx, room.run(tx))
        [claimed] = room.claim(tx, "w1")
        answer = room.mark(tx, claimed.delivery, owner="w2")
        assert not answer.marked
        assert "no longer ours" in answer.dropped[claimed.delivery.id]
        assert room.look(tx, claimed.delivery.id) == claimed.delivery


def test_an_older_attempt_cannot_mark(room: Room) -> None:
    with room.db.write() as tx:
        room.owed(tx, room.run(tx))
        [first] = room.claim(tx)
        room.now += timedelta(minutes=3)
        assert claims.sweep(tx, room.now).freed == 1
        [second] = room.claim(tx, suspect=True)
        assert second.delivery.attempt == 2
        answer = room.mark(tx, first.delivery)
        assert "attempt 2" in answer.dropped[first.delivery.id]
        assert room.mark(tx, second.delivery).marked == {second.delivery.id}


@pytest.mark.parametrize("late", [timedelta(0), SECOND])
def test_nobody_marks_once_the_lease_has_run_out(room: Room, late: timedelta) -> None:
    with room.db.write() as tx:
        room.owed(tx, room.run(tx))
        [claimed] = room.claim(tx)
        room.now += timedelta(minutes=2) + late
        answer = room.mark(tx, claimed.delivery)
        assert answer.dropped == {claimed.delivery.id: "the lease ran out"}
        assert room.look(tx, claimed.delivery.id) == claimed.delivery


def test_after_leaving_nothing_is_marked(room: Room) -> None:
    with room.db.write() as tx:
        run = room.run(tx)
        room.owed(tx, run, "one")
        room.owed(tx, run, "@welcome")
        claimed = [c.delivery for c in room.claim(tx)]
        people.save_enrollment(tx, replace(run, state=EnrollmentState.STOPPED, reason="left"))
        answer = room.mark(tx, *claimed)
        assert not answer.marked
        assert set(answer.dropped.values()) == {"the enrollment is stopped: left"}
        for delivery in claimed:
            stored = room.look(tx, delivery.id)
            assert (stored.state, stored.settled_at) == ("cancelled", room.now)
            assert stored.verdict == "the enrollment is stopped: left"
            assert room.path(tx, delivery.id) == ["due", "cancelled"]


def test_a_suppressed_address_is_dropped_and_the_others_go(room: Room) -> None:
    with room.db.write() as tx:
        for _ in range(2):
            room.owed(tx, room.run(tx))
        blocked, free = (c.delivery for c in room.claim(tx))
        people.suppress(tx, "blocked", reason="complained", source="sendgrid", now=room.now)
        answer = claims.mark(
            tx,
            now=room.now,
            owner="w1",
            lease_until=room.now + LEASE,
            marks=[
                Mark(blocked.id, 1, "v", "<1@x>", "blocked"),
                Mark(free.id, 1, "v", "<2@x>", "free"),
            ],
        )
        assert answer.marked == {free.id}
        assert answer.dropped == {blocked.id: "the address is suppressed: complained"}
        assert room.look(tx, blocked.id).state == "cancelled"


def test_a_pause_puts_the_lesson_back_without_counting_the_attempt(room: Room) -> None:
    with room.db.write() as tx:
        run = room.run(tx)
        owed = room.owed(tx, run)
        [claimed] = room.claim(tx)
        people.save_enrollment(tx, replace(run, state=EnrollmentState.PAUSED))
        answer = room.mark(tx, claimed.delivery)
        assert answer.dropped == {owed.id: "the enrollment is paused"}
        stored = room.look(tx, owed.id)
        assert (stored.state, stored.attempt, stored.lease_until) == ("due", 0, None)
        assert stored.not_before == owed.not_before


def test_what_a_finished_round_still_owes_goes(room: Room) -> None:
    with room.db.write() as tx:
        run = room.run(tx)
        lesson = room.owed(tx, run, "one")
        letter = room.owed(tx, run, "@completed")
        claimed = [c.delivery for c in room.claim(tx)]
        people.save_enrollment(tx, replace(run, state=EnrollmentState.COMPLETED))
        assert room.mark(tx, *claimed).marked == {lesson.id, letter.id}


def test_once_a_later_round_began_a_lesson_is_dropped_but_a_letter_goes(room: Room) -> None:
    with room.db.write() as tx:
        run = room.run(tx, "ada@example.org")
        lesson = room.owed(tx, run, "one")
        letter = room.owed(tx, run, "@completed")
        claimed = [c.delivery for c in room.claim(tx)]
        people.save_enrollment(tx, replace(run, state=EnrollmentState.COMPLETED))
        room.run(tx, "ada@example.org", round=2)
        answer = room.mark(tx, *claimed)
        assert answer.marked == {letter.id}
        assert answer.dropped == {lesson.id: "a later round took its place"}


def test_a_delivery_of_an_earlier_round_is_dropped(room: Room) -> None:
    with room.db.write() as tx:
        run = room.run(tx, round=2)
        stray = replace(room.new(run), round=1)
        [number] = ledger.owe(tx, [stray], room.now)
        [claimed] = room.claim(tx)
        assert room.mark(tx, claimed.delivery).dropped == {number: "round 1 is over"}


def test_a_delivery_that_was_erased_is_dropped(room: Room) -> None:
    with room.db.write() as tx:
        run = room.run(tx)
        room.owed(tx, run)
        [claimed] = room.claim(tx)
        people.erase(tx, run.learner_id)
        answer = room.mark(tx, claimed.delivery)
        assert answer.dropped == {claimed.delivery.id: "there is no such delivery any more"}


def test_marking_nothing_is_nothing(room: Room) -> None:
    with room.db.write() as tx:
        assert room.mark(tx) == claims.Marked()


def test_leaving_and_marking_at_once_never_ends_with_both(room: Room) -> None:
    """Whoever commits first wins: either it was marked before, or it is cancelled."""
    for turn in range(6):
        with room.db.write() as tx:
            run = room.run(tx)
            room.owed(tx, run)
            [claimed] = room.claim(tx)
        barrier = threading.Barrier(2)
        marked: set[str] = set()
        cancelled: list[int] = []

        def leave(run=run, barrier=barrier, cancelled=cancelled) -> None:
            barrier.wait()
            with room.db.write() as tx:
                current = people.enrollment(tx, run.id, lock=True)
                assert current is not None
                people.save_enrollment(tx, replace(current, state=EnrollmentState.STOPPED))
                cancelled.append(ledger.cancel_open(tx, run.id, now=room.now, verdict="left"))

        leaver = threading.Thread(target=leave)
        leaver.start()
        barrier.wait()
        with room.db.write() as tx:
            marked |= room.mark(tx, claimed.delivery).marked
        leaver.join(10)
        with room.db.read() as tx:
            state = room.look(tx, claimed.delivery.id).state
        if marked:
            assert (state, cancelled) == ("sending", [0]), turn
        else:
            assert state == "cancelled", turn


# -- release ---------------------------------------------------------------------------------


def test_a_claim_given_back_is_as_if_it_had_never_been_claimed(room: Room) -> None:
    with room.db.write() as tx:
        owed = room.owed(tx, room.run(tx))
        [claimed] = room.claim(tx)
        back = Release(owed.id, 1, DeliveryState.DUE, burn_attempt=False)
        claims.release(tx, owner="w1", releases=[back], now=room.now)
        stored = room.look(tx, owed.id)
        assert (stored.state, stored.attempt, stored.lease_until) == ("due", 0, None)
        assert stored.not_before == owed.not_before
        assert [c.delivery.attempt for c in room.claim(tx, "w2")] == [1]
        assert claimed.delivery.attempt == 1


def test_a_claim_can_be_given_up_or_put_off(room: Room) -> None:
    later = room.now + timedelta(minutes=15)
    with room.db.write() as tx:
        for key in ("one", "two"):
            room.owed(tx, room.run(tx), key)
        dead, waiting = (c.delivery for c in room.claim(tx))
        claims.release(
            tx,
            owner="w1",
            releases=[
                Release(dead.id, 1, DeliveryState.DEAD, None, "no such lesson"),
                Release(waiting.id, 1, DeliveryState.WAITING, later, "a draft"),
            ],
            now=room.now,
        )
        dead, waiting = room.look(tx, dead.id), room.look(tx, waiting.id)
        assert (dead.state, dead.verdict, dead.settled_at, dead.attempt) == (
            "dead",
            "no such lesson",
            room.now,
            1,
        )
        assert (waiting.state, waiting.not_before, waiting.settled_at) == ("waiting", later, None)
        assert room.path(tx, dead.id) == ["due", "dead"]
        [_, event] = ledger.history(tx, waiting.id)
        assert (event.from_state, event.to_state, event.worker, event.detail) == (
            "claimed",
            "waiting",
            "w1",
            "a draft",
        )


@pytest.mark.parametrize(("owner", "attempt"), [("w2", 1), ("w1", 2)])
def test_a_stranger_cannot_give_back(room: Room, owner: str, attempt: int) -> None:
    with room.db.write() as tx:
        owed = room.owed(tx, room.run(tx))
        room.claim(tx, "w1")
        stranger = Release(owed.id, attempt, DeliveryState.DUE)
        claims.release(tx, owner=owner, releases=[stranger], now=room.now)
        assert room.look(tx, owed.id).state == "claimed"


def test_what_is_being_sent_cannot_be_given_back(room: Room) -> None:
    with room.db.write() as tx:
        sent = room.sending(tx, room.run(tx))
        back = Release(sent.id, sent.attempt, DeliveryState.DUE)
        claims.release(tx, owner="w1", releases=[back], now=room.now)
        assert room.look(tx, sent.id).state == "sending"


# -- sweep and resolve -----------------------------------------------------------------------


def test_a_dead_worker_s_claims_become_due_and_its_hand_overs_uncertain(room: Room) -> None:
    with room.db.write() as tx:
        sent = room.sending(tx, room.run(tx), "sent")
        held = room.owed(tx, room.run(tx), "held")
        room.claim(tx)
        assert claims.sweep(tx, room.now + timedelta(seconds=119)) == claims.Swept(0, [], [])
        room.now += timedelta(minutes=2)
        swept = claims.sweep(tx, room.now)
        assert swept.freed == 1
        assert [d.id for d in swept.uncertain] == [sent.id]
        assert swept.uncertain == [room.look(tx, sent.id)]
        assert swept.uncertain[0].settled_at == room.now
        assert room.look(tx, held.id).state == "due"
        assert room.look(tx, held.id).attempt == 1
        assert room.path(tx, sent.id) == ["due", "sending", "uncertain"]
        assert room.path(tx, held.id) == ["due", "due"]
        assert ledger.history(tx, sent.id)[-1].worker == "w1"
        assert claims.sweep(tx, room.now) == claims.Swept(0, [], [])


def test_what_a_worker_went_silent_over_is_claimed_alone_and_ended_after_three(room: Room) -> None:
    with room.db.write() as tx:
        suspect = room.owed(tx, room.run(tx))
        room.claim(tx)
        for deaths in (1, 2):
            room.now += LEASE
            assert claims.sweep(tx, room.now).freed == 1
            innocent = room.owed(tx, room.run(tx))
            [other] = room.claim(tx)
            assert other.delivery.id == innocent.id
            room.mark(tx, other.delivery)
            room.settle(tx, other.delivery, "accepted")
            [again] = room.claim(tx, suspect=True)
            assert (again.delivery.id, again.delivery.deaths) == (suspect.id, deaths)
        room.now += LEASE
        swept = claims.sweep(tx, room.now)
        assert [d.id for d in swept.dead] == [suspect.id]
        ended = room.look(tx, suspect.id)
        assert (ended.state, ended.settled_at) == ("dead", room.now)
        assert "3 workers went silent" in ended.verdict
        assert room.path(tx, suspect.id) == ["due", "due", "due", "dead"]


def test_the_suspect_that_cost_fewest_workers_goes_first(room: Room) -> None:
    with room.db.write() as tx:
        first = room.owed(tx, room.run(tx))
        room.claim(tx)
        room.now += LEASE
        claims.sweep(tx, room.now)
        room.claim(tx, suspect=True)
        second = room.owed(tx, room.run(tx))
        room.claim(tx)
        room.now += LEASE
        claims.sweep(tx, room.now)
        order = [room.claim(tx, limit=1, suspect=True)[0].delivery.id for _ in range(2)]
        assert order == [second.id, first.id]


def test_a_suspect_that_was_written_after_all_is_one_no_longer(room: Room) -> None:
    with room.db.write() as tx:
        room.owed(tx, room.run(tx))
        room.claim(tx)
        room.now += LEASE
        claims.sweep(tx, room.now)
        [claimed] = room.claim(tx, suspect=True)
        room.mark(tx, claimed.delivery)
        assert room.look(tx, claimed.delivery.id).deaths == 0


def uncertain(room: Room, tx, key: str = "one"):
    return room.in_state(tx, room.run(tx), "uncertain", key)


def test_uncertain_ones_are_listed_after_the_wait_oldest_first(room: Room) -> None:
    start: datetime = room.now
    with room.db.write() as tx:
        first = uncertain(room, tx)
        room.now += SECOND
        second = uncertain(room, tx)
        assert claims.uncertain_since(tx, start, 10) == []
        listed = claims.uncertain_since(tx, room.now + SECOND, 10)
        assert [d.id for d in listed] == [first.id, second.id]
        assert len(claims.uncertain_since(tx, room.now + SECOND, 1)) == 1


def test_one_more_copy_is_sent_once_and_never_twice(room: Room) -> None:
    with room.db.write() as tx:
        delivery = uncertain(room, tx)

        def once_more() -> bool:
            return claims.resolve(
                tx,
                delivery.id,
                to=DeliveryState.DUE,
                not_before=room.now,
                extra_copy=True,
                verdict="one more copy",
                now=room.now,
            )

        assert once_more()
        stored = room.look(tx, delivery.id)
        assert (stored.state, stored.extra_copy) == ("due", True)
        assert (stored.message_id, stored.dated_at) == (delivery.message_id, delivery.dated_at)
        [claimed] = room.claim(tx)
        assert claimed.delivery.attempt == 2
        room.mark(tx, claimed.delivery)
        room.settle(tx, claimed.delivery, "uncertain")
        [again] = claims.uncertain_since(tx, room.now + SECOND, 10)
        assert again.extra_copy
        assert not once_more()
        assert room.look(tx, delivery.id).state == "uncertain"


def test_holding_leaves_it_uncertain_and_off_the_list(room: Room) -> None:
    with room.db.write() as tx:
        delivery = uncertain(room, tx)
        assert claims.resolve(
            tx, delivery.id, to=DeliveryState.UNCERTAIN, verdict="held", now=room.now
        )
        assert claims.uncertain_since(tx, room.now + SECOND, 10) == []
        assert room.settle(tx, delivery, "accepted")[0].state == "accepted"


def test_only_the_uncertain_are_resolved(room: Room) -> None:
    with room.db.write() as tx:
        sent = room.in_state(tx, room.run(tx), "accepted")
        assert not claims.resolve(tx, sent.id, to=DeliveryState.SKIPPED, verdict="", now=room.now)
        assert room.look(tx, sent.id) == sent


def test_a_resolution_is_written_down(room: Room) -> None:
    with room.db.write() as tx:
        delivery = uncertain(room, tx)
        claims.resolve(
            tx, delivery.id, to=DeliveryState.SKIPPED, verdict="left as it is", now=room.now
        )
        event = ledger.history(tx, delivery.id)[-1]
        assert (event.from_state, event.to_state) == ("uncertain", "skipped")
        assert event.detail == "left as it is"
