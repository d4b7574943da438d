"""The demo's driver: moves an offset clock from one due instant to the next and sends.

Never used for real mail: it makes time pass faster than it does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from scheduler.clock import OffsetClock
from scheduler.dispatch import Dispatcher
from scheduler.store import Database, reports

#: Safety against a clock that would never arrive; far above what any demo needs.
MOST_STEPS = 10_000


@dataclass(frozen=True, slots=True)
class NextMorning:
    """What one press of the button did. Both instants are UTC on the demo's clock."""

    began_at: datetime
    ended_at: datetime
    sent: int


def next_morning(
    clock: OffsetClock,
    dispatcher: Dispatcher,
    db: Database,
    *,
    after_step: Callable[[], object] = lambda: None,
) -> NextMorning:
    """Let time pass until every active learner has had their next lesson.

    Stops at each due instant on the way, so that each mail carries its own hour.
    Does nothing when no lesson is ahead.
    """
    began_at = clock.now()
    sent = dispatcher.run_due().by_outcome.get("accepted", 0)
    with db.read() as tx:
        target = reports.latest_due_at(tx)
    steps = 0
    while target is not None and steps < MOST_STEPS:
        with db.read() as tx:
            instant = reports.next_due_at(tx)
        if instant is None or instant > target:
            break
        clock.advance_to(instant)
        sent += dispatcher.run_due().by_outcome.get("accepted", 0)
        after_step()
        steps += 1
    return NextMorning(began_at, clock.now(), sent)
