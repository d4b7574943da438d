"""How a run that goes on gets its next lesson: at the next slot of its pace, never at once.

Refuses to plan: it names the instant, and the planner looks then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from scheduler.domain.enrollment import Enrollment
from scheduler.rules import due
from scheduler.store import Tx, ledger, people


def set_going(
    tx: Tx, runs: Sequence[Enrollment], now: datetime, min_gap: timedelta
) -> list[Enrollment]:
    """Give each active run its next slot, or move the lesson it is already owed there; saved."""
    owed = ledger.open_lessons(tx, [run.id for run in runs])
    going = []
    for run in runs:
        slot = next_slot(run, now, min_gap)
        if owed[run.id]:
            ledger.postpone_open(tx, run.id, not_before=slot)
        else:
            run = replace(run, next_due_at=slot)
        going.append(run)
    people.save_enrollments(tx, going)
    return going


def next_slot(run: Enrollment, now: datetime, min_gap: timedelta) -> datetime:
    """When the next lesson of this run falls, from now on; UTC."""
    return due.next_slot(
        run.cadence, run.timezone, after=now, last_sent_at=run.last_sent_at, min_gap=min_gap
    )
