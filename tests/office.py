"""A whole post office on a real database, with a letterbox instead of a provider."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from scheduler.clock import FixedClock
from scheduler.dispatch import Counts, Dispatcher, DispatchSettings
from scheduler.domain.delivery import Claimed, Delivery
from scheduler.domain.learner import Consent
from scheduler.domain.message import Message, Unfit
from scheduler.domain.provider import Accepted, Outcome
from scheduler.domain.syllabus import Cadence, FollowUp, LessonRef, Readiness, Syllabus
from scheduler.enrolling import Enrolling
from scheduler.feedback import Feedback
from scheduler.settling import Settler
from scheduler.store import Database, ledger, people, reports
from scheduler.upkeep import Upkeep
from scheduler.zones import zone
from tests.passing_time import TICK, instants, pass_time

SALT = "salt"
#: A Monday, 09:00 in Berlin.
MONDAY = datetime(2026, 11, 23, 8, tzinfo=UTC)


def agreed(action: str = "signup") -> Consent:
    return Consent(action=action, text="Send me the course.", source="test", at=MONDAY)


def a_syllabus(*keys: str, **readiness: Readiness) -> Syllabus:
    keys = keys or ("one", "two", "three")
    return Syllabus(
        course="c",
        lessons=tuple(
            LessonRef(key, n, readiness.get(key, Readiness.PUBLISHED))
            for n, key in enumerate(keys, 1)
        ),
        cadence=Cadence(),
        timezone="Europe/Berlin",
    )


@dataclass
class PlainComposer:
    """Writes the delivery's key as the whole message."""

    unfit: dict[str, Unfit] = field(default_factory=dict)

    def compose(self, claimed: Sequence[Claimed]) -> list[Message | Unfit]:
        return [self._one(one.delivery) for one in claimed]

    def _one(self, delivery: Delivery) -> Message | Unfit:
        if delivery.key in self.unfit:
            bad = self.unfit[delivery.key]
            return Unfit(delivery.id, bad.reason, bad.poison, bad.hold)
        return Message(
            delivery_id=delivery.id,
            to_addr=delivery.to_addr,
            envelope_from="bounces@example.com",
            message_id=f"<{delivery.id}@example.com>",
            version=f"v-{delivery.key}",
            raw=delivery.key.encode(),
        )

    def document(self, version: str) -> str:
        return f"{{{version!r}}}"


@dataclass(frozen=True)
class Posted:
    """One message as the letterbox saw it."""

    at: datetime
    to: str
    key: str
    message_id: str


@dataclass
class Letterbox:
    """Keeps what it is handed; `answers` may say otherwise for a key, or be a callable."""

    clock: FixedClock
    name: str = "letterbox"
    form: str = "raw"
    window: int = 50
    posted: list[Posted] = field(default_factory=list)
    answers: dict[str, Outcome] = field(default_factory=dict)
    before: Callable[[Sequence[Message]], Any] = lambda _: None

    def send(self, messages: Sequence[Message]) -> Iterator[tuple[str, Outcome]]:
        self.before(messages)
        for message in messages:
            outcome = self.answers.get(message.raw.decode(), Accepted("ref"))
            if isinstance(outcome, Accepted):
                self.posted.append(
                    Posted(
                        self.clock.now(), message.to_addr, message.raw.decode(), message.message_id
                    )
                )
            yield message.delivery_id, outcome

    def break_off(self) -> None:
        """A window here is all or nothing."""

    def close(self) -> None:
        """Nothing to give back."""


class Office:
    """Everything between a signup and a letterbox."""

    def __init__(
        self,
        db: Database,
        syllabus: Syllabus | None = None,
        clock: Any = None,
        **settings: Any,
    ) -> None:
        self.db = db
        self.clock = clock or FixedClock(MONDAY)
        self.syllabus = syllabus or a_syllabus()
        self.composer = PlainComposer()
        self.letterbox = Letterbox(self.clock)
        self.enrolling = Enrolling(db, self.clock, self._syllabi, salt=SALT)
        self.upkeep = Upkeep(db, self.clock, self._syllabi)
        self.settings = DispatchSettings(**settings)
        self.dispatcher = self.worker("worker")
        #: Why sending was stopped by what came back.
        self.stopped: list[str] = []
        self.reviewed_at: datetime | None = None
        self.feedback = Feedback(
            db,
            self.clock,
            Settler(
                db, self.clock, self._syllabi, provider="letterbox", salt=SALT,
                min_gap=self.settings.min_gap,
            ),
            salt=SALT,
            stop=lambda _, why: self.stopped.append(why),
            reviewed_at=lambda _: self.reviewed_at,
        )  # fmt: skip

    def worker(self, owner: str) -> Dispatcher:
        return Dispatcher(
            self.db,
            self.clock,
            self._syllabi,
            self.composer,
            self.letterbox,
            salt=SALT,
            settings=self.settings,
            owner=owner,
            jitter=lambda: 0.5,
        )

    def _syllabi(self, course: str) -> Syllabus | None:
        return self.syllabus if course == self.syllabus.course else None

    # -- what people do ------------------------------------------------------------------------

    def sign_up(self, address: str = "ada@example.com", **wishes: Any) -> int:
        answer = self.enrolling.sign_up("c", address, consent=agreed(), **wishes)
        assert answer.enrollment_id is not None
        return answer.enrollment_id

    def join(self, address: str = "ada@example.com", **wishes: Any) -> int:
        """Sign up and confirm; returns the enrollment."""
        run = self.sign_up(address, **wishes)
        self.enrolling.confirm(run, agreed("confirm"))
        return run

    # -- what time does ------------------------------------------------------------------------

    def work(self) -> Counts:
        return self.dispatcher.run_due()

    def pass_time(self, step: timedelta, *, tick: timedelta = TICK) -> None:
        """Let time pass as a running worker would see it, with a look every `tick` at least."""
        pass_time(self.db, self.clock, step, upkeep=self.upkeep, work=self.work, tick=tick)

    def next_instant(self) -> datetime:
        """The next instant at which a row says that something may happen."""
        return min(instants(self.db, self.clock.now()))

    def sleep(self, step: timedelta) -> None:
        """Let time pass with nobody at work."""
        self.clock.advance(step)

    # -- what can be seen ----------------------------------------------------------------------

    def mails(self, address: str = "ada@example.com") -> list[str]:
        return [posted.key for posted in self.letterbox.posted if posted.to == address]

    def lessons(self, address: str = "ada@example.com") -> list[str]:
        return [key for key in self.mails(address) if not key.startswith("@")]

    def mornings(self, address: str = "ada@example.com", name: str = "Europe/Berlin") -> list[str]:
        """Local date and hour of each lesson."""
        return [
            posted.at.astimezone(zone(name)).strftime("%a %d %H:%M")
            for posted in self.letterbox.posted
            if posted.to == address and not posted.key.startswith("@")
        ]

    def run(self, enrollment_id: int) -> Any:
        with self.db.read() as tx:
            return people.enrollment(tx, enrollment_id)

    def deliveries(self, enrollment_id: int) -> dict[str, Delivery]:
        with self.db.read() as tx:
            return {d.key: d for d in ledger.deliveries_of(tx, enrollment_id)}

    def overview(self) -> Any:
        now = self.clock.now()
        with self.db.read() as tx:
            return reports.overview(tx, now, now - timedelta(days=1), now)


def with_follow_up(syllabus: Syllabus, key: str, days: int) -> Syllabus:
    from dataclasses import replace

    return replace(syllabus, follow_ups=(FollowUp(key, days),))
