"""A small school that lives through weeks in seconds, with everything going wrong.

The code under test is the real one, on a real SQLite file; time, luck, workers and the provider
are the world's. One seed gives one history.
"""

from __future__ import annotations

import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Any

from scheduler.domain.enrollment import EnrollmentState
from scheduler.domain.syllabus import EVERY_DAY, WEEKDAYS, LessonRef, Readiness, Syllabus
from scheduler.errors import NotAllowed
from scheduler.store import Database, ledger, people
from tests.memory_disk import memory_disk
from tests.new_database import new_sqlite
from tests.office import Office, a_syllabus, agreed
from tests.simulation.truth import Composer, Faults, Killed, Provider

#: Not handed over yet.
OPEN = ("due", "claimed", "sending", "waiting")
#: Zones whose days are odd: gaps, folds, half hours, a date line.
ZONES = (
    "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia",
    "Africa/Casablanca", "America/St_Johns", "Asia/Tokyo", "Pacific/Kiritimati", "UTC",
)  # fmt: skip
HOURS = (time(7), time(7, 30), time(2, 30), time(12), time(23), time(0), time(5, 45))
LESSONS = ("one", "two", "three", "four", "five")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass
class Wish:
    """What a person did to a run that excuses an unusual hand-over."""

    #: Lessons asked for at once, by delivery id.
    at_once: set[str] = field(default_factory=set)
    #: Began or changed pace at these instants.
    changed_at: list[datetime] = field(default_factory=list)


class World:
    """Learners, workers, a provider, and a clock that only this world moves."""

    def __init__(self, seed: int, *, days: int = 25, learners: int = 6) -> None:
        self.seed = seed
        self.luck = random.Random(seed)
        self.days = days
        self.happened: Counter[str] = Counter()
        self.folder = Path(tempfile.mkdtemp(prefix="sim-", dir=memory_disk()))
        # The ids of deliveries decide ties: a seed must bring the same ones again.
        self._chance = ledger.urandom
        ledger.urandom = random.Random(f"ids of {seed}").randbytes  # type: ignore[assignment]
        self.policy = self.luck.choice(("resend_once", "hold", "skip"))
        db = Database(new_sqlite(self.folder / "course.db"))
        self.office = Office(db, a_syllabus(*LESSONS), uncertain=self.policy)
        # Another year and season for each seed: clock changes are where the zones differ.
        self.office.clock.instant += timedelta(days=self.luck.randrange(365))
        self.faults = Faults.drawn(self.luck)
        self.provider = Provider(self.office.clock, self.luck, self.faults, self.happened)
        self.provider.meanwhile = self._while_frozen
        self.office.letterbox = self.provider  # type: ignore[assignment]
        self.office.composer = Composer(self.provider)  # type: ignore[assignment]
        self.edits = self.luck.random() < 0.5
        self.wishes: dict[int, Wish] = {}
        self.calm = False
        self._number = 0
        self._nested = False
        self._away_until = self._down_until = self.office.clock.now()
        self.office.db.crash_point = self._at_commit
        self.workers = [self._worker(), self._worker()]
        for n in range(learners):
            self._join(n)

    def close(self) -> None:
        """Leave nothing behind."""
        ledger.urandom = self._chance
        self.office.db.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def now(self) -> datetime:
        """The world's wall clock."""
        return self.office.clock.now()

    def live(self, days: float, check: Callable[[], None]) -> None:
        """Let time pass; `check` is asked after each step."""
        end = self.now + days * DAY
        while self.now < end:
            self._pass_a_while()
            if not self.calm:
                self._something_happens()
            if self.now >= self._down_until:
                self._everybody_works()
            check()

    def calm_down(self) -> None:
        """No further fault; people keep still and lessons stay as they are."""
        self.calm = True
        for name in self.faults.__dataclass_fields__:
            setattr(self.faults, name, 0.0)
        self.provider.away = False
        self._down_until = self.now
        ready = tuple(replace(ref, readiness=Readiness.PUBLISHED) for ref in self._lessons())
        self._teach(ready)
        for run in self.runs():
            if run.state is EnrollmentState.PAUSED:
                self._try(self.office.enrolling.resume, run.id, agreed("resume"))

    def runs(self) -> list[Any]:
        """Every run there is."""
        with self.office.db.read() as tx:
            return list(people.enrollments(tx, list(self.wishes)).values())

    # -- time ------------------------------------------------------------------------------------

    def _pass_a_while(self) -> None:
        ahead = self.office.next_instant() - self.now
        longest = HOUR * (24 if self.calm else self.luck.choice((1, 3, 8)))
        self.office.clock.advance(min(ahead, longest) + timedelta(seconds=self.luck.random()))
        if self.provider._strikes("clock_step"):
            step = timedelta(hours=self.luck.uniform(-5, 5))
            self.office.clock.instant += step
        if self.now >= self._away_until:
            self.provider.away = self.provider._strikes("outage")
            self._away_until = self.now + HOUR * self.luck.randint(1, 40)
        if self.provider._strikes("downtime"):
            self._down_until = self.now + HOUR * self.luck.randint(1, 120)

    # -- workers ---------------------------------------------------------------------------------

    def _worker(self) -> Any:
        self._number += 1
        return self.office.worker(f"w{self._number}")

    def _everybody_works(self) -> None:
        self._try(self.office.upkeep.run)
        for n in range(1 if self.calm else len(self.workers)):
            self._work(n)

    def _work(self, n: int) -> None:
        self.provider.unsettled.clear()
        try:
            self.workers[n].run_due()
        except Killed:
            self.happened["deaths"] += 1
            self.workers[n] = self._worker()
        self.provider.unsettled.clear()

    def _at_commit(self, point: str) -> None:
        step, _, moment = point.partition(": ")
        if step == "settle" and moment == "after commit":
            for one in self.provider.unsettled:
                one.known = True
            self.provider.unsettled.clear()
        if step == "mark" and moment == "after commit":
            runs = self.runs()
            self.provider.stopped = {r.id for r in runs if r.state is EnrollmentState.STOPPED}
        if self._nested or step not in _WORKERS_STEPS:
            return
        if self.provider._strikes("killed_at_commit"):
            raise Killed(point)

    def _while_frozen(self) -> None:
        """This worker is frozen past its lease; another does its work, people do theirs."""
        if self._nested:
            return
        self._nested = True
        mine, self.provider.unsettled = self.provider.unsettled, []
        faults, self.provider.faults = self.provider.faults, Faults()
        stopped = self.provider.stopped
        try:
            self.office.clock.advance(timedelta(minutes=3))
            self._worker().run_due()
            if not self.calm and self.luck.random() < 0.5:
                self._somebody_wishes()
        finally:
            self._nested = False
            self.provider.unsettled, self.provider.faults = mine, faults
            self.provider.stopped = stopped

    # -- people ----------------------------------------------------------------------------------

    def _join(self, n: int) -> None:
        run = self.office.sign_up(
            f"p{n}@example.com", timezone=self.luck.choice(ZONES), hour=self.luck.choice(HOURS)
        )
        self.wishes[run] = Wish(changed_at=[self.now])
        self.office.enrolling.confirm(run, agreed("confirm"))

    def _something_happens(self) -> None:
        if self.luck.random() < 0.15:
            self._somebody_wishes()
        if self.edits and self.luck.random() < 0.03:
            self._author_edits()

    def _somebody_wishes(self) -> None:
        run = self.luck.choice(sorted(self.wishes))
        wish = self.luck.choice(_WEIGHED)
        self.happened[f"wish: {wish}"] += 1
        self._try(_WISHES[wish], self, run)

    def _try(self, do: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        try:
            return do(*args, **kwargs)
        except NotAllowed:
            return None
        except Killed:
            self.happened["deaths"] += 1
            return None

    def changed(self, run: int) -> None:
        """This run's pace was touched just now."""
        self.wishes[run].changed_at.append(self.now)

    def owed(self, run: int, *states: str) -> list[Any]:
        """Deliveries of a run in these states."""
        with self.office.db.read() as tx:
            return [d for d in ledger.deliveries_of(tx, run) if d.state in states]

    # -- the author ------------------------------------------------------------------------------

    def _lessons(self) -> tuple[LessonRef, ...]:
        return self.office.syllabus.lessons

    def _teach(self, lessons: tuple[LessonRef, ...]) -> None:
        numbered = tuple(replace(ref, position=n) for n, ref in enumerate(lessons, 1))
        syllabus: Syllabus = self.office.syllabus
        self.office.syllabus = replace(syllabus, lessons=numbered)

    def _author_edits(self) -> None:
        lessons = list(self._lessons())
        edit = self.luck.choice(("insert", "remove", "reorder", "rename", "draft", "publish"))
        self.happened[f"edit: {edit}"] += 1
        place = self.luck.randrange(len(lessons))
        if edit == "insert":
            self._number += 1
            lessons.insert(place, LessonRef(f"new-{self._number}", 1))
        elif edit == "remove" and len(lessons) > 2:
            del lessons[place]
        elif edit == "reorder":
            self.luck.shuffle(lessons)
        elif edit == "rename":
            old = lessons[place]
            self._number += 1
            lessons[place] = replace(
                old, key=f"renamed-{self._number}", aliases=(*old.aliases, old.key)
            )
        elif edit == "draft":
            lessons[place] = replace(lessons[place], readiness=Readiness.DRAFT)
        else:
            lessons = [replace(ref, readiness=Readiness.PUBLISHED) for ref in lessons]
        self._teach(tuple(lessons))


#: Steps of a worker; the web's own writes are one transaction each and need no dying.
_WORKERS_STEPS = frozenset(
    (
        *("plan", "claim", "withdraw", "put off", "set aside", "keep versions", "mark", "settle"),
        *("put back", "breaker", "sweep", "resolve", "end pauses", "mend stranded"),
    )
)


def _pause(world: World, run: int) -> None:
    until = world.luck.choice((None, world.now + DAY * world.luck.randint(1, 5)))
    world.office.enrolling.pause(run, consent=agreed("pause"), until=until)


def _resume(world: World, run: int) -> None:
    world.changed(run)
    world.office.enrolling.resume(run, agreed("resume"))


def _set_pace(world: World, run: int) -> None:
    world.changed(run)
    world.office.enrolling.set_pace(
        run,
        consent=agreed("settings"),
        timezone=world.luck.choice(ZONES),
        hour=world.luck.choice(HOURS),
        weekdays=world.luck.choice((EVERY_DAY, WEEKDAYS, frozenset({2}))),
    )


def _next_now(world: World, run: int) -> None:
    world.office.enrolling.next_now(run, agreed("next"))
    world.wishes[run].at_once |= {d.id for d in world.owed(run, *OPEN) if d.kind == "lesson"}


def _leave(world: World, run: int) -> None:
    world.office.enrolling.leave(run, agreed("leave"))


def _undo(world: World, run: int) -> None:
    world.changed(run)
    world.office.enrolling.rejoin(run, agreed("rejoin"))


def _skip(world: World, run: int) -> None:
    world.office.enrolling.skip(run, agreed("skip"))


def _requeue(world: World, run: int) -> None:
    for delivery in world.owed(run, "dead", "refused"):
        world.changed(run)
        world.office.enrolling.requeue(delivery.id)


def _resend(world: World, run: int) -> None:
    for delivery in world.owed(run, "accepted")[:1]:
        world.office.enrolling.resend(run, delivery.key)


def _sign_up_again(world: World, run: int) -> None:
    with world.office.db.read() as tx:
        person = people.learner(tx, world.office.run(run).learner_id)
    answer = world.office.enrolling.sign_up("c", person.address, consent=agreed())
    if answer.enrollment_id is not None and answer.outcome in ("created", "again"):
        world.wishes.setdefault(answer.enrollment_id, Wish()).changed_at.append(world.now)
        world.office.enrolling.confirm(answer.enrollment_id, agreed("confirm"))


def _restart(world: World, run: int) -> None:
    fresh = world.office.enrolling.restart(run, agreed("restart"))
    world.wishes[fresh.id] = Wish(changed_at=[world.now])


_WISHES: dict[str, Callable[[World, int], None]] = {
    "pause": _pause,
    "resume": _resume,
    "set pace": _set_pace,
    "next now": _next_now,
    "leave": _leave,
    "undo": _undo,
    "skip": _skip,
    "requeue": _requeue,
    "resend": _resend,
    "sign up again": _sign_up_again,
    "restart": _restart,
}


#: Few leave and most of those come back, or a world would soon be empty.
_WEIGHED = [*sorted(_WISHES), *sorted(_WISHES.keys() - {"leave", "restart"}), "undo", "undo"]
