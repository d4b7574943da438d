"""Another address for a person: asked for at the old one, confirmed from the new one.

The signed link of a letter names its delivery, and that row says which address it went to: so
the wish needs no table of its own. Refuses to merge two people, and to move anybody to an
address that asked for no mail.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from scheduler.domain.delivery import (
    ADDRESS,
    CONFIRM,
    MOVED,
    TAKEN,
    Delivery,
    DeliveryKind,
    DeliveryState,
    original_key,
)
from scheduler.domain.enrollment import Enrollment, EnrollmentState, StopReason
from scheduler.domain.learner import Consent, Learner
from scheduler.enrolling.desk import Desk
from scheduler.errors import NotAllowed
from scheduler.store import Tx, ledger, moving, people
from scheduler.store.ledger import NewDelivery

#: What a wish for another address may bring to that address, and nothing else.
_ASKS = frozenset({ADDRESS, TAKEN})
#: What the consents call a change, and a change taken back.
_CHANGED, _TAKEN_BACK = "address", "address-back"

_NOT_LEFT = (DeliveryState.DUE, DeliveryState.CLAIMED, DeliveryState.WAITING)
_RUNNING = (EnrollmentState.ACTIVE, EnrollmentState.PAUSED, EnrollmentState.COMPLETED)

#: open: may be confirmed. already: mail goes there. outdated: a later wish or change took its
#: place. taken: the address is another learner's. suppressed: it asked for no mail.
Standing = Literal["open", "already", "outdated", "taken", "suppressed"]


@dataclass(frozen=True, slots=True)
class Move:
    """What the link in one letter stands for."""

    #: Where mail would go.
    address: str
    learner: Learner
    enrollment: Enrollment
    standing: Standing
    #: True for the link in the letter to the old address: it takes a change back.
    back: bool


class Moving(Desk):
    """How a person moves to another address."""

    def ask_to_move(self, enrollment_id: int, address: str) -> Literal["asked", "limited"]:
        """Write to another address and ask whether this person may be reached there.

        The answer is the same for an address that is another learner's (it is told so, and
        nothing can be confirmed) and for one that asked for no mail (it gets nothing). Only
        the newest wish counts. Raises `NotAllowed` for a run that has ended.
        """
        now = self._clock.now()
        with self._db.write("ask to move") as tx:
            run = self._locked(tx, enrollment_id)
            if not may_ask(run):
                raise NotAllowed(f"this enrollment is {run.state}: sign up with the other address")
            learner = self._learner(tx, run)
            runs = [each.id for each in people.enrollments_of(tx, learner.id)]
            if not self._may_write_to(address, self._asks(tx, runs), now):
                return "limited"
            moving.withdraw(tx, runs, _ASKS, now=now, verdict="a newer wish took its place")
            is_theirs = self._owner(tx, learner, address) is not None
            self._owe_to(tx, run, TAKEN if is_theirs else ADDRESS, address, now)
        self.wake()
        return "asked"

    def look_at_move(self, delivery_id: str) -> Move | None:
        """What the link in this letter may do now; None if there is no such letter any more."""
        with self._db.read() as tx:
            return self._move(tx, delivery_id)

    def move(self, delivery_id: str, consent: Consent) -> Move | None:
        """Do what the link in this letter is for, if it is still open; then it is `already`.

        The old address is told. Idempotent; None as in `look_at_move`.
        """
        now = self._clock.now()
        with self._db.write("move") as tx:
            wish = self._move(tx, delivery_id)
            if wish is None or wish.standing != "open":
                return wish
            runs = self._lock_all(tx, wish.learner.id)
            wish = self._move(tx, delivery_id)  # a twin may have been faster
            if wish is None or wish.standing != "open":
                return wish
            learner = wish.learner
            unconfirmed = people.find_learner(tx, wish.address)
            if unconfirmed is not None and unconfirmed.id != learner.id:
                # Nobody ever confirmed that signup, and its address has just proved to be ours.
                people.erase(tx, unconfirmed.id)
            if not self._change(tx, learner, runs, wish.address, now):
                return replace(wish, standing="taken")
            action = _TAKEN_BACK if wish.back else _CHANGED
            self._write_down(tx, wish.enrollment.id, learner, wish.address, action, consent, now)
            if not wish.back:
                self._tell_the_old(tx, runs, learner, wish.address, now)
            done = self._move(tx, delivery_id)
        self.wake()
        return done

    def readdress(self, learner_id: int, address: str, consent: Consent) -> Learner:
        """Staff changes an address at once; the old one is told. Returns the person as they are.

        Raises `NotAllowed`, with the cure, where the address is another learner's or suppressed.
        """
        now = self._clock.now()
        with self._db.write("readdress") as tx:
            runs = self._lock_all(tx, learner_id)
            learner = self._movable(tx, learner_id, address)
            if not self._change(tx, learner, runs, address, now):
                raise NotAllowed(_taken(address))
            self._write_down(tx, None, learner, address, _CHANGED, consent, now)
            self._tell_the_old(tx, runs, learner, address, now)
        self.wake()
        return replace(learner, address=address)

    def may_readdress(self, learner_id: int, address: str) -> None:
        """Raise `NotAllowed` where `readdress` would; changes nothing."""
        with self._db.read() as tx:
            self._movable(tx, learner_id, address)

    def _movable(self, tx: Tx, learner_id: int, address: str) -> Learner:
        learner = people.learner(tx, learner_id)
        if learner is None:
            raise NotAllowed("there is no such learner any more: they may have been erased")
        if learner.address == address:
            raise NotAllowed(f"{address} is the address mail goes to already")
        if self._suppressed(tx, address):
            raise NotAllowed(f"{address} is suppressed, nothing is sent to it: use another one")
        other = people.find_learner(tx, address)
        if other is not None and other.id != learner.id:
            raise NotAllowed(_taken(address))
        return learner

    def _move(self, tx: Tx, delivery_id: str) -> Move | None:
        letter = ledger.delivery(tx, delivery_id)
        key = original_key(letter.key) if letter is not None else ""
        if letter is None or key not in (ADDRESS, MOVED):
            return None
        run = people.enrollment(tx, letter.enrollment_id)
        if run is None:
            return None
        learner = self._learner(tx, run)
        standing = self._stands(tx, letter, key, learner)
        return Move(letter.to_addr, learner, run, standing, back=key == MOVED)

    def _stands(self, tx: Tx, letter: Delivery, key: str, learner: Learner) -> Standing:
        if letter.to_addr == learner.address:
            return "already"
        # A change taken back shuts every link older than that; a change, every older wish.
        shut_by = {_TAKEN_BACK} if key == MOVED else {_TAKEN_BACK, _CHANGED}
        if any(
            given.action in shut_by and given.at >= letter.created_at
            for _, given in people.consents_of(tx, learner.id)
        ):
            return "outdated"
        if key == ADDRESS:
            runs = [run.id for run in people.enrollments_of(tx, learner.id)]
            newest = max(self._asks(tx, runs), key=lambda d: (d.created_at, d.id))
            if newest.id != letter.id:
                return "outdated"
        if self._suppressed(tx, letter.to_addr):
            return "suppressed"
        if self._owner(tx, learner, letter.to_addr) is not None:
            return "taken"
        return "open"

    def _owner(self, tx: Tx, learner: Learner, address: str) -> Learner | None:
        """Another learner who ever confirmed this address. An unconfirmed signup is nobody's."""
        other = people.find_learner(tx, address)
        if other is None or other.id == learner.id:
            return None
        runs = people.enrollments_of(tx, other.id)
        return other if any(run.confirmed_at is not None for run in runs) else None

    def _asks(self, tx: Tx, enrollment_ids: Sequence[int]) -> list[Delivery]:
        return [
            delivery
            for number in enrollment_ids
            for delivery in ledger.deliveries_of(tx, number)
            if original_key(delivery.key) in _ASKS
        ]

    def _may_write_to(self, address: str, asks: Sequence[Delivery], now: datetime) -> bool:
        """The signup's limits, counted per person: a slip may be corrected at once."""
        recent = [d for d in asks if now - d.created_at < timedelta(days=1)]
        key = people.address_key(address)
        to_it = [d.created_at for d in recent if people.address_key(d.to_addr) == key]
        too_soon = bool(to_it) and now - max(to_it) < self._settings.confirm_every
        return not too_soon and len(recent) < self._settings.confirms_per_day

    def _change(
        self, tx: Tx, learner: Learner, runs: Sequence[Enrollment], address: str, now: datetime
    ) -> bool:
        if not moving.change_address(tx, learner.id, address):
            return False
        ids = [run.id for run in runs]
        moving.withdraw(tx, ids, _ASKS, now=now, verdict="the address was changed")
        moving.redirect_open(tx, ids, address, now)
        for run in runs:
            if run.state is EnrollmentState.PENDING and not self._will_ask(tx, run):
                # The question lies in the old mailbox: ask it again where the person is now.
                self._owe_letter(tx, run, replace(learner, address=address), CONFIRM, now)
        return True

    def _will_ask(self, tx: Tx, run: Enrollment) -> bool:
        return any(
            original_key(delivery.key) == CONFIRM and delivery.state in _NOT_LEFT
            for delivery in ledger.deliveries_of(tx, run.id)
        )

    def _write_down(
        self,
        tx: Tx,
        enrollment_id: int | None,
        learner: Learner,
        address: str,
        action: str,
        consent: Consent,
        now: datetime,
    ) -> None:
        said = replace(
            consent,
            action=action,
            text=f"{consent.text} {learner.address} -> {address}",
            at=now,  # by the clock of the letters: which links are shut hangs on the order
        )
        people.add_consent(tx, learner.id, enrollment_id, said)

    def _tell_the_old(
        self, tx: Tx, runs: Sequence[Enrollment], learner: Learner, address: str, now: datetime
    ) -> None:
        """One letter, whatever the number of courses; none where nothing was confirmed or all
        has ended."""
        same = people.address_key(learner.address) == people.address_key(address)
        told = [run for run in runs if run.state in _RUNNING and run.confirmed_at is not None]
        if told and not same:
            newest = max(told, key=lambda run: run.id)
            self._owe_to(tx, newest, MOVED, learner.address, now)

    def _owe_to(self, tx: Tx, run: Enrollment, letter: str, address: str, now: datetime) -> None:
        copies = sum(
            1
            for delivery in ledger.deliveries_of(tx, run.id)
            if delivery.round == run.round and original_key(delivery.key) == letter
        )
        owed = NewDelivery(
            enrollment_id=run.id,
            round=run.round,
            kind=DeliveryKind.LETTER,
            key=letter if not copies else f"{letter}-{copies + 1}",
            to_addr=address,
            not_before=now,
        )
        ledger.owe(tx, [owed], now)


def may_ask(run: Enrollment) -> bool:
    """May a run's owner ask for another address? Not before confirming, nor after leaving.

    A run that a dead address has stopped may: that is the very cure.
    """
    bounced = (EnrollmentState.STOPPED, StopReason.BOUNCED)
    return run.state in _RUNNING or (run.state, run.reason) == bounced


def _taken(address: str) -> str:
    return (
        f"{address} is another learner's: two people are never merged. If it is the same person, "
        f"run `course learners forget {address}` first"
    )
