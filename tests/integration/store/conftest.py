"""Builders for the store's contract suite: a room in which a run or a delivery is one call."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from sqlalchemy import text

from scheduler.domain.delivery import Claimed, Delivery, DeliveryKind, DeliveryState
from scheduler.domain.enrollment import Enrollment, EnrollmentState
from scheduler.domain.learner import Consent
from scheduler.domain.syllabus import Cadence
from scheduler.store import Database, Tx, asking, claims, ledger, people
from scheduler.store.asking import Newcomer
from scheduler.store.claims import Mark, Marked
from scheduler.store.ledger import NewDelivery, Settlement

NOW = datetime(2026, 10, 9, 5, 0, 0, 123456, tzinfo=UTC)
LEASE = timedelta(minutes=2)


@dataclass
class Room:
    """The database of one test, and short ways to put it into a state."""

    db: Database
    now: datetime = NOW
    numbers: Any = field(default_factory=lambda: count(1))

    def run(
        self,
        tx: Tx,
        address: str = "",
        *,
        course: str = "c",
        round: int = 1,  # noqa: A002 - the word of the glossary
        state: EnrollmentState = EnrollmentState.ACTIVE,
        **fields: Any,
    ) -> Enrollment:
        """A person (a new one if no address is given) and a run."""
        address = address or f"p{next(self.numbers)}@example.org"
        who = Newcomer(address, "Ada", "Europe/Berlin", "en")
        [person] = asking.come_in(tx, {people.address_key(address): who}, self.now).values()
        run = people.add_enrollment(
            tx,
            learner_id=person.id,
            course=course,
            round=round,
            state=state,
            timezone="Europe/Berlin",
            cadence=Cadence(),
            now=self.now,
            **fields,
        )
        assert run is not None
        return run

    def new(
        self,
        run: Enrollment,
        key: str = "one",
        *,
        not_before: datetime | None = None,
        position: int = 1,
    ) -> NewDelivery:
        """A message to be owed; a letter if its key says so."""
        return NewDelivery(
            enrollment_id=run.id,
            round=run.round,
            kind=DeliveryKind.LETTER if key.startswith("@") else DeliveryKind.LESSON,
            key=key,
            to_addr="ada@example.org",
            not_before=not_before or self.now,
            position=position,
        )

    def owed(self, tx: Tx, run: Enrollment, key: str = "one", **fields: Any) -> Delivery:
        """A delivery in state due."""
        [number] = ledger.owe(tx, [self.new(run, key, **fields)], self.now)
        return self.look(tx, number)

    def claim(
        self, tx: Tx, owner: str = "w1", limit: int = 500, *, suspect: bool = False
    ) -> list[Claimed]:
        """Whatever is due, claimed for two minutes."""
        return claims.claim(
            tx,
            now=self.now,
            owner=owner,
            lease_until=self.now + LEASE,
            provider="file",
            limit=limit,
            suspect=suspect,
        )

    def mark(self, tx: Tx, *deliveries: Delivery, owner: str = "w1", hashed: str = "h") -> Marked:
        """Mark these as about to be handed over."""
        marks = [Mark(d.id, d.attempt, "v1", f"<{d.id}@x>", hashed) for d in deliveries]
        return claims.mark(tx, now=self.now, owner=owner, lease_until=self.now + LEASE, marks=marks)

    def sending(self, tx: Tx, run: Enrollment, key: str = "one") -> Delivery:
        """A delivery in state sending."""
        owed = self.owed(tx, run, key)
        [claimed] = [c.delivery for c in self.claim(tx) if c.delivery.id == owed.id]
        assert self.mark(tx, claimed).marked == {claimed.id}
        return self.look(tx, owed.id)

    def settle(self, tx: Tx, delivery: Delivery, state: str, **fields: Any) -> list[Delivery]:
        """Record this outcome for the delivery's present attempt."""
        provider = fields.pop("provider", "")
        fields = {"attempt": delivery.attempt} | fields
        settlement = Settlement(delivery.id, state=DeliveryState(state), **fields)
        settled = ledger.settle(tx, [settlement], at=self.now, provider=provider)
        found = [self.look(tx, one.id) for one in settled]
        for one, row in zip(settled, found, strict=True):
            assert one == (
                *(row.id, row.enrollment_id, row.round, row.kind),
                *(row.to_addr, row.state, row.sending_at),
            )
        return found

    def in_state(self, tx: Tx, run: Enrollment, state: str, key: str = "one") -> Delivery:
        """A delivery in any state, reached the way life reaches it."""
        if state in ("accepted", "waiting", "uncertain", "refused", "dead"):
            sent = self.sending(tx, run, key)
            self.settle(tx, sent, state)
            return self.look(tx, sent.id)
        if state == "sending":
            return self.sending(tx, run, key)
        if state == "skipped":
            number = ledger.add_skipped(tx, self.new(run, key), self.now)
            assert number is not None
            return self.look(tx, number)
        owed = self.owed(tx, run, key)
        if state == "claimed":
            self.claim(tx)
        if state == "cancelled":
            ledger.cancel_open(tx, run.id, now=self.now, verdict="withdrawn")
        return self.look(tx, owed.id)

    def look(self, tx: Tx, delivery_id: str) -> Delivery:
        """The delivery as it is stored now."""
        found = ledger.delivery(tx, delivery_id)
        assert found is not None
        return found

    def path(self, tx: Tx, delivery_id: str) -> list[str]:
        """The states a delivery went through, by its events."""
        return [row.to_state for row in ledger.history(tx, delivery_id)]

    def rows(self, tx: Tx, table: str) -> int:
        """How many rows a table has."""
        return int(tx.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())

    def agreed(self, action: str = "signup") -> Consent:
        """Somebody's consent."""
        return Consent(action, "Send me the course.", "/signup", self.now, "ip", "Firefox")


@pytest.fixture
def room(db: Database) -> Room:
    """An empty store, on each of the two databases."""
    return Room(db)


@pytest.fixture
def sqlite_room(sqlite_url: str) -> Iterator[Room]:
    """For what only SQLite is asked."""
    db = Database(sqlite_url)
    yield Room(db)
    db.close()


@pytest.fixture
def postgresql_room(postgresql_url: str) -> Iterator[Room]:
    """For what only PostgreSQL is asked."""
    db = Database(postgresql_url, busy_seconds=1)
    yield Room(db)
    db.close()
