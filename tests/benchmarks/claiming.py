"""G4: what a due lesson costs the database, in small schools and in large ones."""

from __future__ import annotations

import tempfile

from scheduler.dispatch import Dispatcher
from scheduler.domain.syllabus import LessonRef, Syllabus
from scheduler.store import Database
from tests.benchmarks.measuring import ROUNDS, Cost, measured, middle
from tests.benchmarks.school import founded, morning
from tests.benchmarks.table import Row
from tests.benchmarks.worker import checked
from tests.office import Letterbox, PlainComposer

_LOOKS = 20


def rows(full: bool) -> list[Row]:
    due = 10_000 if full else 2_000
    sizes = (10_000, 100_000, 1_000_000) if full else (10_000, 100_000)
    costs: dict[int, list[float]] = {size: [] for size in sizes}
    looks: dict[int, list[float]] = {size: [] for size in sizes}
    idle: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        schools = {s: founded(f"sqlite:///{folder}/{s}.db", size=s, due=due) for s in sizes}
        for day in range(ROUNDS):
            for size, school in schools.items():
                sent, looked = _morning(school, day)
                costs[size].append(checked(sent, due).cpu / due)
                looks[size].append(middle(look.seconds for look in looked))
                idle.append(middle(look.cpu for look in looked))
    smallest = middle(costs[sizes[0]])
    most = max(middle(looks[size]) for size in sizes)
    return [
        *(_row(size, due, middle(costs[size]), smallest, first=size == sizes[0]) for size in sizes),
        Row(
            "G4",
            "an empty look, in the slowest of these schools",
            f"{most * 1e3:.2f} ms, {middle(idle) * 1e3:.2f} ms CPU",
            wanted="< 2 ms",
            met=most < 0.002,
        ),
    ]


def _row(size: int, due: int, cost: float, smallest: float, *, first: bool) -> Row:
    what = f"plan, claim, mark, settle: {due:,} due among {size:,}"
    shown = f"{cost * 1e6:.0f} µs CPU a lesson"
    if first:
        return Row("G4", what, shown)
    ratio = cost / smallest
    met = 1 / 1.3 <= ratio <= 1.3
    return Row("G4", what, shown, f"{smallest * 1e6:.0f} µs", f"{ratio:.2f}", "within 1.3", met)


def _morning(school: str, day: int) -> tuple[Cost, list[Cost]]:
    """What sending everything due cost without composing and without a network, and what
    looking again cost."""
    db, clock = Database(school), morning(day)
    keys = ("bed", "sow", "grow", "copy-4", "copy-5", "copy-6")
    syllabus = Syllabus("garden", tuple(LessonRef(key, n) for n, key in enumerate(keys, 1)))
    letterbox = Letterbox(clock)
    dispatcher = Dispatcher(db, clock, lambda _: syllabus, PlainComposer(), letterbox, salt="salt")
    cost = measured(dispatcher.run_due)
    looks = [measured(dispatcher.run_due) for _ in range(_LOOKS)]
    db.close()
    return Cost(len(letterbox.posted), cost.seconds, cost.cpu), looks
