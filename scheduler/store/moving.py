"""How a person moves to another address: the person, and the mail that has not left yet.

What was handed over keeps the address it went to. Refuses to take an address from another
learner: whoever has it keeps it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, case, null, or_, select, update
from sqlalchemy.exc import IntegrityError

from scheduler.domain.delivery import OWN_ADDRESS, DeliveryState
from scheduler.store.database import Tx
from scheduler.store.history import append
from scheduler.store.joining import address_key
from scheduler.store.tables import deliveries, learners, state_in

_d, _l = deliveries.c, learners.c
_CLAIMED, _DUE = str(DeliveryState.CLAIMED), str(DeliveryState.DUE)
#: Not handed over yet.
_NOT_LEFT = state_in(_d.state, "due", "claimed", "waiting")


def change_address(tx: Tx, learner_id: int, address: str) -> bool:
    """Write down where mail goes from now on; False if another learner has this address."""
    values = {"address": address, "address_key": address_key(address)}
    try:
        # A twin signup may take the address between any look and this write.
        with tx.begin_nested():
            tx.execute(update(learners).where(_l.id == learner_id).values(values))
    except IntegrityError:
        return False
    return True


def redirect_open(tx: Tx, enrollment_ids: Sequence[int], address: str, now: datetime) -> int:
    """Send what has not left yet to this address; returns how many mails that are.

    A claimed one is taken out of its worker's hands, which hold a message to the old address.
    Letters about the change itself keep theirs.
    """
    which = (_d.enrollment_id.in_(enrollment_ids), _NOT_LEFT, ~_letters(OWN_ADDRESS))
    found = tx.execute(select(_d.id, _d.state).where(*which).with_for_update()).all()
    numbers = [number for number, _ in found]
    if numbers:
        tx.execute(
            update(deliveries)
            .where(_d.id.in_(numbers))
            .values(
                to_addr=address,
                state=case((_d.state == _CLAIMED, _DUE), else_=_d.state),
                lease_until=null(),
            )
        )
        claimed = [number for number, state in found if state == _CLAIMED]
        append(
            tx,
            ((number, now, _CLAIMED, _DUE, "", "the address was changed") for number in claimed),
        )
    return len(numbers)


def withdraw(
    tx: Tx,
    enrollment_ids: Sequence[int],
    letters: Collection[str],
    *,
    now: datetime,
    verdict: str,
) -> int:
    """Cancel these letters where they have not left yet; returns how many."""
    which = (_d.enrollment_id.in_(enrollment_ids), _NOT_LEFT, _letters(letters))
    found = tx.execute(select(_d.id, _d.state).where(*which).with_for_update()).all()
    if found:
        cancelled = str(DeliveryState.CANCELLED)
        tx.execute(
            update(deliveries)
            .where(_d.id.in_([number for number, _ in found]))
            .values(state=cancelled, settled_at=now, verdict=verdict, lease_until=null())
        )
        append(tx, ((number, now, state, cancelled, "", verdict) for number, state in found))
    return len(found)


def _letters(keys: Collection[str]) -> ColumnElement[bool]:
    """These letters, whichever copy; a key is one of our own words and needs no escaping."""
    copies = [_d.key.like(f"{key}-%") for key in sorted(keys)]
    return or_(_d.key.in_(sorted(keys)), *copies)
