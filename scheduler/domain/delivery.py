"""One message owed to one person, and its life."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from scheduler.domain.enrollment import Enrollment
from scheduler.domain.learner import Learner


class DeliveryState(StrEnum):
    """Where a delivery stands. Each member carries its meaning in the line above it."""

    #: Owed; may be claimed once `not_before` has passed.
    DUE = "due"
    #: A worker holds it for a limited time; nothing was handed over yet.
    CLAIMED = "claimed"
    #: The hand-over has begun; never blindly sent again from here.
    SENDING = "sending"
    #: The provider took it.
    ACCEPTED = "accepted"
    #: The provider said "later"; will be retried after `not_before`.
    WAITING = "waiting"
    #: Nobody knows whether the provider took it; resolved by evidence or policy.
    UNCERTAIN = "uncertain"
    #: The provider or the recipient's server said no for good.
    REFUSED = "refused"
    #: Given up: too many attempts, too old, or it could not be composed; staff can requeue.
    DEAD = "dead"
    #: Withdrawn before it was handed over (left, lesson removed, round restarted).
    CANCELLED = "cancelled"
    #: Passed over on purpose by staff or by the learner.
    SKIPPED = "skipped"


class DeliveryKind(StrEnum):
    """Lesson or letter."""

    #: Counts as progress and keeps the pace rules.
    LESSON = "lesson"
    #: Any other mail; its key starts with `@`.
    LETTER = "letter"


#: Letters and the keys they carry in the ledger; a repeatable letter adds `-N`.
CONFIRM, WELCOME, COMPLETED, LINKS = "@confirm", "@welcome", "@completed", "@links"

#: Letters about another address: asks the new one, tells the old one, tells one that is taken.
ADDRESS, MOVED, TAKEN = "@address", "@moved", "@taken"

#: A word after two quiet days, about one lesson: `@nudge:names`, the second `@nudge-2:names`.
NUDGE = "@nudge"

#: Letters that go to an address of their own, whatever the learner's is by then.
OWN_ADDRESS = frozenset({ADDRESS, MOVED, TAKEN})

#: Letters that may be owed more than once in a round.
REPEATABLE = frozenset({CONFIRM, LINKS}) | OWN_ADDRESS


@dataclass(frozen=True, slots=True)
class Delivery:
    """One row of the ledger. All `_at` and `not_before` are aware UTC."""

    #: Random 128-bit hex; opaque outside.
    id: str
    enrollment_id: int
    round: int
    kind: DeliveryKind
    #: Lesson key, or `@letter`; unique per enrollment and round.
    key: str
    to_addr: str
    state: DeliveryState
    #: Hand-over attempts so far; 0 until first claimed.
    attempt: int
    not_before: datetime
    created_at: datetime
    #: The instant it was owed for; a retry keeps it, a requeue by staff begins anew.
    first_due_at: datetime | None = None
    #: True once the one extra copy after an uncertain hand-over was spent.
    extra_copy: bool = False
    #: Fixed when first composed, reused on every retry, so a copy can be told by receivers.
    dated_at: datetime | None = None
    lesson_version: str = ""
    message_id: str = ""
    lease_owner: str = ""
    lease_until: datetime | None = None
    provider: str = ""
    provider_ref: str = ""
    #: The provider's last words, or ours; one line.
    verdict: str = ""
    sending_at: datetime | None = None
    settled_at: datetime | None = None
    #: Attempts that the other side put off; giving up counts these, not an outage of ours.
    failures: int = 0
    #: When the other side first put it off.
    failing_since: datetime | None = None
    #: Workers that went silent while they prepared it.
    deaths: int = 0

    @property
    def slot(self) -> datetime:
        """What its lateness is measured from; aware UTC."""
        return self.first_due_at or self.not_before


class Settled(NamedTuple):
    """A delivery whose outcome is recorded, as far as its run is concerned."""

    id: str
    enrollment_id: int
    round: int
    kind: DeliveryKind
    to_addr: str
    state: DeliveryState
    #: When the hand-over began; aware UTC.
    sending_at: datetime | None


@dataclass(frozen=True, slots=True)
class Deeds:
    """What a learner was sent and has done in one round, by lesson key as it was then."""

    #: When the lesson's action was done; aware UTC.
    done: Mapping[str, datetime]
    #: Lessons that have left the house.
    had: frozenset[str] = frozenset()
    #: Lessons passed over on purpose.
    skipped: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery under claim, with all a composer needs to write it."""

    delivery: Delivery
    enrollment: Enrollment
    learner: Learner
    #: Only for letters that may speak of them: see `tells_deeds`.
    deeds: Deeds | None = None


def tells_deeds(delivery: Delivery) -> bool:
    """May this mail say what its learner has done? Letters at the end of a course may."""
    if delivery.kind is not DeliveryKind.LETTER:
        return False
    key = original_key(delivery.key)
    return key.startswith("@") and key != WELCOME and key not in REPEATABLE


def original_key(key: str) -> str:
    """The lesson or letter a delivery is a copy of.

    `@again-2:names` is `names` (sent once more); `@confirm-3` is `@confirm`; `@nudge:names`
    is about `names`.
    """
    if key.startswith("@again-"):
        return key.partition(":")[2]
    if nudge := nudge_of(key):
        return nudge[1]
    if key.startswith("@"):
        stem, dash, count = key.rpartition("-")
        if dash and count.isdigit() and stem in REPEATABLE:
            return stem
    return key


def nudge_key(lesson_key: str, turn: int) -> str:
    """What the ledger calls the nudge about a lesson; `turn` counts those of a round from 1."""
    return f"{NUDGE}:{lesson_key}" if turn == 1 else f"{NUDGE}-{turn}:{lesson_key}"


def nudge_of(key: str) -> tuple[int, str] | None:
    """The turn and the lesson of a nudge, or of a copy of one; None for any other mail."""
    if key.startswith("@again-"):
        key = key.partition(":")[2]
    stem, colon, lesson_key = key.partition(":")
    if not colon or not stem.startswith(NUDGE):
        return None
    turn = stem.removeprefix(NUDGE).removeprefix("-")
    return (int(turn) if turn.isdigit() else 1), lesson_key


_D = DeliveryState

#: From each state, the states a delivery may move to; every other move is a defect.
MOVES: dict[DeliveryState, frozenset[DeliveryState]] = {
    # Due for an extra copy, or given up as unknown, a report may prove that it was taken.
    _D.DUE: frozenset({_D.CLAIMED, _D.CANCELLED, _D.ACCEPTED}),
    _D.CLAIMED: frozenset({_D.SENDING, _D.DUE, _D.WAITING, _D.DEAD, _D.CANCELLED, _D.SKIPPED}),
    _D.SENDING: frozenset({_D.ACCEPTED, _D.WAITING, _D.REFUSED, _D.DEAD, _D.UNCERTAIN}),
    _D.ACCEPTED: frozenset(),
    _D.WAITING: frozenset({_D.CLAIMED, _D.CANCELLED, _D.ACCEPTED}),
    _D.UNCERTAIN: frozenset({_D.ACCEPTED, _D.WAITING, _D.REFUSED, _D.DEAD, _D.DUE, _D.SKIPPED}),
    _D.REFUSED: frozenset({_D.DUE}),
    _D.DEAD: frozenset({_D.DUE}),
    _D.CANCELLED: frozenset({_D.DUE}),
    _D.SKIPPED: frozenset({_D.ACCEPTED}),
}
