"""What becomes of deliveries whose worker went silent, and of hand-overs nobody answered.

A claim is freed, a begun hand-over is called uncertain, and what stays uncertain is decided
by the course's policy. Refuses to send again what may have arrived, more than once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta

from scheduler.clock import Clock
from scheduler.domain.delivery import Delivery, DeliveryState
from scheduler.domain.syllabus import Policy, Syllabus
from scheduler.settling import Settler
from scheduler.store import Database, Tx, claims, people

#: How long evidence (a webhook) may still settle an uncertain hand-over.
EVIDENCE_WAIT = timedelta(minutes=30)
#: Rows decided about in one transaction.
BATCH = 500


class Recoverer:
    """Run it before each pass; any number may do so on one database."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        syllabi: Callable[[str], Syllabus | None],
        settler: Settler,
        policy: Policy,
    ) -> None:
        self._db = db
        self._clock = clock
        self._syllabi = syllabi
        self._settler = settler
        self._policy = policy

    def sweep(self, counts: Counter[str]) -> None:
        """Free claims whose worker died; call hand-overs it had begun uncertain."""
        now = self._clock.now()
        with self._db.write("sweep") as tx:
            swept = claims.sweep(tx, now)
            self._settler.advance(tx, [*swept.dead, *swept.uncertain], now)
        counts["freed"] += swept.freed
        counts["dead"] += len(swept.dead)
        counts["uncertain"] += len(swept.uncertain)

    def resolve(self, counts: Counter[str]) -> None:
        """Settle by policy what no evidence has settled in half an hour."""
        now = self._clock.now()
        with self._db.write("resolve") as tx:
            for delivery in claims.uncertain_since(tx, now - EVIDENCE_WAIT, BATCH):
                self._decide(tx, delivery, now)
                counts["resolved"] += 1

    def _decide(self, tx: Tx, delivery: Delivery, now: datetime) -> None:
        policy = self._policy_for(tx, delivery)
        if policy == "resend_once" and not delivery.extra_copy:
            claims.resolve(
                tx,
                delivery.id,
                to=DeliveryState.DUE,
                not_before=self._settler.when_again(tx, delivery, now),
                extra_copy=True,
                verdict="no answer came: one more copy, under the same Message-ID",
                now=now,
            )
            return
        held = policy == "hold"
        claims.resolve(
            tx,
            delivery.id,
            # Held, only evidence may still settle it.
            to=DeliveryState.UNCERTAIN if held else DeliveryState.SKIPPED,
            verdict="no answer came: " + ("held, no copy is sent" if held else "left as it is"),
            now=now,
        )

    def _policy_for(self, tx: Tx, delivery: Delivery) -> Policy:
        run = people.enrollment(tx, delivery.enrollment_id)
        syllabus = self._syllabi(run.course) if run is not None else None
        return (syllabus.uncertain if syllabus else None) or self._policy
