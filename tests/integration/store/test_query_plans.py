"""No question of the daily round reads a whole table, so a school of millions stays fast."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import event

from scheduler.domain.delivery import DeliveryState
from scheduler.domain.enrollment import EnrollmentState
from scheduler.store import claims, erasures, ledger, nudges, pace, people, reports, ticks
from scheduler.store.claims import Release

if TYPE_CHECKING:
    from conftest import Room

    from scheduler.store import Tx

LARGE = ("learners", "enrollments", "deliveries", "delivery_events", "consents")
#: Indexes over the few rows that need attention; walking one of these is meant.
PARTIAL = ("ix_enrollments_unplanned", "ix_deliveries_failed")
Asked = list[tuple[str, Any]]


def the_daily_round(room: Room, tx: Tx) -> None:
    run = room.run(tx, next_due_at=room.now)
    claims.anything_waits(tx, room.now, room.now)
    [due] = claims.due_enrollments(tx, room.now, 500)
    ledger.lesson_keys(tx, [due])
    people.addresses(tx, [due.learner_id])
    ledger.owe(tx, [room.new(due, key) for key in ("one", "two", "three")], room.now)
    people.save_enrollments(tx, [replace(due, next_due_at=None)])
    first, second, third = (claimed.delivery for claimed in room.claim(tx))
    back = Release(third.id, third.attempt, DeliveryState.DUE)
    claims.release(tx, owner="w1", releases=[back], now=room.now)
    room.mark(tx, first, second)
    room.settle(tx, first, "accepted")
    people.enrollments(tx, [run.id], lock=True)
    claims.sweep(tx, room.now)
    room.claim(tx, suspect=True)
    claims.late_runs(tx, room.now, 201)
    pace.breaker(tx, "smtp")
    pace.save_buckets(tx, pace.buckets_of(tx, ["smtp"]))
    claims.uncertain_since(tx, room.now, 500)
    people.suppressed(tx, ["h"])


def the_upkeep(room: Room, tx: Tx) -> None:
    room.run(tx, state=EnrollmentState.PAUSED)
    people.pauses_ended(tx, room.now, 500)
    people.signups_expired(tx, room.now, 500)
    people.stranded(tx, 500)
    erasures.lapsed_signups(tx, room.now, 500)
    run = room.run(tx, "quiet@example.org")
    now = nudges.place_of(room.now)
    nudges.quiet_lessons(tx, nudges.place_of(room.now - timedelta(hours=1)), now, 500)
    nudges.still_quiet(tx, [(run.id, "one")])
    nudges.mails_of(tx, [(run.id, 1)])
    nudges.want(tx, run.id, nudges.wanted(tx, run.id))


def a_person_s_own_pages(room: Room, tx: Tx) -> None:
    run = room.run(tx, "ada@example.org")
    owed = room.owed(tx, run)
    people.find_learner(tx, "ada@example.org")
    people.latest_enrollment(tx, run.learner_id, "c")
    people.enrollments_of(tx, run.learner_id)
    people.consents_of(tx, run.learner_id)
    ledger.deliveries_of(tx, run.id)
    ledger.claimed_view(tx, owed.id)
    ledger.open_lessons(tx, [run.id])
    ledger.letter_keys(tx, run.id, 1)
    ledger.history(tx, owed.id)
    ledger.postpone_open(tx, run.id, not_before=room.now)
    ledger.cancel_open(tx, run.id, now=room.now, verdict="")
    ticks.add(tx, run.id, "one", "action", room.now)
    ticks.ticks_of(tx, run.id)
    ticks.remove(tx, run.id, ["one", "an old name"], "action")
    reports.export_person(tx, run.learner_id)
    reports.timeline(tx, run.learner_id)
    reports.next_due_at(tx)
    reports.failures(tx, 10)
    list(reports.planned(tx, room.now + timedelta(days=1)))
    erasures.erase_everywhere(tx, run.learner_id, ["file"], room.now)


@pytest.mark.parametrize("do", [the_daily_round, the_upkeep, a_person_s_own_pages])
def test_no_whole_table_is_read(room: Room, do: Callable[[Room, Tx], None]) -> None:
    asked: Asked = []

    def listen(_c: Any, _k: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        asked.append((statement, parameters))

    with room.db.write() as tx:
        event.listen(tx, "before_cursor_execute", listen)
        do(room, tx)
        event.remove(tx, "before_cursor_execute", listen)
        explain = explain_sqlite if room.db.dialect == "sqlite" else explain_postgresql
        whole = {line: statement for statement, line in explain(tx, asked)}
    assert len(asked) >= 5
    assert whole == {}


#: What is asked at every tick, and the partial index that must answer it.
TICK: dict[str, Callable[[Room, Tx], object]] = {
    "ix_enrollments_planned": lambda room, tx: claims.due_enrollments(tx, room.now, 500),
    "ix_deliveries_claimable": lambda room, tx: room.claim(tx),
    "ix_deliveries_in_hand": lambda room, tx: claims.sweep(tx, room.now),
    "ix_deliveries_unresolved": lambda room, tx: claims.uncertain_since(tx, room.now, 500),
    "ix_enrollments_pause_ends": lambda room, tx: people.pauses_ended(tx, room.now, 500),
    "ix_enrollments_pending": lambda room, tx: people.signups_expired(tx, room.now, 500),
    "ix_enrollments_lapsed": lambda room, tx: erasures.lapsed_signups(tx, room.now, 500),
    "ix_enrollments_unplanned": lambda room, tx: people.stranded(tx, 500),
    "ix_enrollments_planned ": lambda room, tx: reports.next_due_at(tx),
}


@pytest.mark.parametrize("index", TICK)
def test_an_empty_look_is_answered_by_the_index_made_for_it(sqlite_room: Room, index: str) -> None:
    """SQLite has no statistics: with a wider index to choose from it once read all active runs."""
    room = sqlite_room
    asked: Asked = []

    def listen(_c: Any, _k: Any, statement: str, parameters: Any, *_rest: Any) -> None:
        asked.append((statement, parameters))

    with room.db.write() as tx:
        event.listen(tx, "before_cursor_execute", listen)
        TICK[index](room, tx)
        event.remove(tx, "before_cursor_execute", listen)
        for statement, parameters in asked:
            plan = tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
            lines = [line for *_, line in plan]
            assert index.strip() in lines[0], lines
            assert not [line for line in lines if "TEMP B-TREE" in line]


def explain_sqlite(tx: Tx, asked: Asked) -> list[tuple[str, str]]:
    """The lines of the plans that walk a large table, other than along a partial index."""
    found = []
    for statement, parameters in asked:
        plan = tx.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
        for *_, line in plan:
            if line.startswith(tuple(f"SCAN {table}" for table in LARGE)):
                found.append((statement, line))
    return [(s, line) for s, line in found if not line.endswith(PARTIAL)]


def explain_postgresql(tx: Tx, asked: Asked) -> list[tuple[str, str]]:
    """Likewise; the planner is told that walking a table is dear, or a test's few rows would do."""
    tx.exec_driver_sql("SET LOCAL enable_seqscan = off")
    found = []
    for statement, parameters in asked:
        plan = tx.exec_driver_sql(f"EXPLAIN {statement}", parameters).scalars()
        found += [(statement, line.strip()) for line in plan if "Seq Scan" in line]
    return [(s, line) for s, line in found if any(f" on {table}" in line for table in LARGE)]
