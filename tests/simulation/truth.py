"""The far end: a provider that misbehaves on purpose and writes down what it really took.

Nobody else in a simulated world knows the truth; the promises are checked against this log.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from scheduler.clock import FixedClock
from scheduler.domain.delivery import Claimed
from scheduler.domain.message import Message, Unfit
from scheduler.domain.provider import Accepted, Deferred, Fault, Outcome, Refused, Uncertain


class Killed(BaseException):
    """A worker is gone: nothing it would have done afterwards happens."""


@dataclass(slots=True)
class Taken:
    """One mail that really arrived."""

    at: datetime
    #: When its window was handed to the provider: a worker may be frozen after that.
    begun_at: datetime
    delivery_id: str
    enrollment_id: int
    round: int
    key: str
    to: str
    message_id: str
    dated_at: datetime | None
    #: True when its run had been stopped before the hand-over was marked.
    stopped_before: bool = False
    #: True once the worker that handed it over has its acceptance on disk.
    known: bool = False


@dataclass
class Faults:
    """How often each thing goes wrong; drawn anew for each seed, so that few mix in one world."""

    deferred: float = 0.0
    refused: float = 0.0
    silent: float = 0.0
    breaks: float = 0.0
    killed_sending: float = 0.0
    killed_at_commit: float = 0.0
    frozen: float = 0.0
    composer: float = 0.0
    outage: float = 0.0
    downtime: float = 0.0
    clock_step: float = 0.0

    @classmethod
    def drawn(cls, luck: random.Random) -> Faults:
        """Each fault is absent in half of all worlds."""
        rates = {
            "deferred": 0.3, "refused": 0.01, "silent": 0.1, "breaks": 0.05,
            "killed_sending": 0.03, "killed_at_commit": 0.004, "frozen": 0.05, "composer": 0.03,
            "outage": 0.03, "downtime": 0.02, "clock_step": 0.04,
        }  # fmt: skip
        return cls(**{name: rate * luck.choice((0, 0.3, 1)) for name, rate in rates.items()})


@dataclass
class Provider:
    """Takes mail, refuses it, goes silent, kills its caller; keeps the truth."""

    clock: FixedClock
    luck: random.Random
    faults: Faults
    happened: Counter[str]
    #: Called in the middle of a hand-over: what other workers do while this one is frozen.
    meanwhile: Callable[[], None] = lambda: None
    name: str = "truth"
    form: str = "raw"
    window: int = 3
    away: bool = False
    taken: list[Taken] = field(default_factory=list)
    #: Runs that were stopped when the window in hand was marked.
    stopped: set[int] = field(default_factory=set)
    claims: dict[str, Claimed] = field(default_factory=dict)
    #: Handed over by the running worker, its acceptance not on disk yet.
    unsettled: list[Taken] = field(default_factory=list)

    def send(self, messages: Sequence[Message]) -> Iterator[tuple[str, Outcome]]:
        """One outcome a message, truthful or not."""
        begun_at = self.clock.now()
        for message in messages:
            if self._strikes("frozen"):
                self.meanwhile()
            if self._strikes("breaks"):
                raise RuntimeError("the provider's own bug")
            if self._strikes("killed_sending"):
                if self.luck.random() < 0.5:
                    self._take(message, begun_at)
                raise Killed("sending")
            yield message.delivery_id, self._outcome(message, begun_at)

    def close(self) -> None:
        """Nothing to give back."""

    def _outcome(self, message: Message, begun_at: datetime) -> Outcome:
        if self.away:
            return Deferred("421 away", self.luck.choice((Fault.TRANSPORT, Fault.CONFIG)))
        if self._strikes("deferred"):
            after = self.luck.choice((None, timedelta(hours=self.luck.randint(1, 20))))
            return Deferred("451 later", self.luck.choice((Fault.MAILBOX, Fault.POLICY)), after)
        if self._strikes("refused"):
            return Refused("5xx", self.luck.choice((Fault.ADDRESS, Fault.POLICY, Fault.CONTENT)))
        if self._strikes("silent"):
            if self.luck.random() < 0.5:
                self._take(message, begun_at)
            return Uncertain("no answer")
        self.unsettled.append(self._take(message, begun_at))
        return Accepted()

    def _take(self, message: Message, begun_at: datetime) -> Taken:
        claimed = self.claims[message.delivery_id]
        one = Taken(
            self.clock.now(),
            begun_at,
            message.delivery_id,
            claimed.enrollment.id,
            claimed.delivery.round,
            claimed.delivery.key,
            message.to_addr,
            message.message_id,
            claimed.delivery.dated_at,
            stopped_before=claimed.enrollment.id in self.stopped,
        )
        self.taken.append(one)
        return one

    def _strikes(self, fault: str) -> bool:
        if self.luck.random() >= getattr(self.faults, fault):
            return False
        self.happened[fault] += 1
        return True


@dataclass
class Composer:
    """Writes the key; sometimes freezes, breaks, or dies."""

    provider: Provider

    def compose(self, claimed: Sequence[Claimed]) -> list[Message | Unfit]:
        """One message a delivery."""
        provider = self.provider
        provider.claims |= {one.delivery.id: one for one in claimed}
        if provider._strikes("frozen"):
            provider.meanwhile()
        if provider._strikes("composer"):
            raise provider.luck.choice((Killed("composing"), ValueError("a bug")))
        return [
            Message(
                delivery_id=one.delivery.id,
                to_addr=one.delivery.to_addr,
                envelope_from="bounces@example.com",
                message_id=f"<{one.delivery.id}@example.com>",
                version=f"v-{one.delivery.key}",
                raw=one.delivery.key.encode(),
            )
            for one in claimed
        ]

    def document(self, version: str) -> str:
        """Nothing is read online here."""
        return version
