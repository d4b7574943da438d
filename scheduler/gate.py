"""How many may leave now, by all workers of one database together.

Asks the rules of pace and keeps their answers in the claim's own transaction, so that two
workers never spend the same token. Refuses to choose which mails those are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from scheduler.domain.delivery import Claimed, DeliveryState
from scheduler.rules import pace
from scheduler.rules.pace import Breaker, BreakerState
from scheduler.store import Tx, claims
from scheduler.store import pace as kept
from scheduler.store.claims import Release


@dataclass(frozen=True, slots=True)
class PaceSettings:
    """Limits on how fast mail leaves; 0 is no limit."""

    #: Mails a second to the provider, over all workers.
    per_second: float = 0.0
    #: Mails a second to one recipient domain, over all workers.
    per_domain_per_second: float = 0.0


@dataclass(frozen=True, slots=True)
class Admission:
    """What the gate lets through; `claimed` must be told how many used it."""

    limit: int
    breaker: Breaker
    #: One mail is tried to see whether the provider is back.
    trial: bool


class Gate:
    """Breaker and buckets of one provider, for one worker."""

    def __init__(self, provider: str, settings: PaceSettings) -> None:
        self._provider = provider
        self._settings = settings
        #: A program that was just started may try at once: somebody has probably mended it.
        self._fresh = True
        self._calm = False

    def outlook(self, tx: Tx, now: datetime) -> tuple[int | None, Breaker]:
        """How many could be tried now (None: no limit), and what is known of the provider."""
        known = self._known(tx)
        return pace.passage(known, now)[0], known

    def admit(self, tx: Tx, wanted: int, now: datetime) -> Admission:
        """How many of `wanted` may be claimed in this transaction."""
        known = self._known(tx)
        if known.state is not BreakerState.CLOSED:
            # Two workers must not both get the one trial.
            known = self._known(tx, lock=True)
        self._calm = known == Breaker()
        allowed, after = pace.passage(known, now)
        limit = wanted if allowed is None else min(wanted, allowed)
        if limit and self._settings.per_second:
            bucket = kept.buckets_of(tx, [self._provider]).get(self._provider)
            limit, _ = pace.take(bucket, limit, per_second=self._settings.per_second, now=now)
        return Admission(limit, after, trial=allowed is not None)

    def _known(self, tx: Tx, *, lock: bool = False) -> Breaker:
        known = kept.breaker(tx, self._provider, lock=lock)
        if self._fresh and known.state is BreakerState.OPEN:
            return replace(known, open_until=None)
        return known

    def claimed(
        self, tx: Tx, admission: Admission, batch: Sequence[Claimed], owner: str, now: datetime
    ) -> list[Claimed]:
        """Take note of what was claimed; returns what of it may leave now.

        Mails beyond a recipient domain's limit are given back for the second they may leave in.
        """
        if not batch:
            return []
        self._fresh = False
        if admission.trial:
            kept.save_breaker(tx, self._provider, admission.breaker)
        if self._settings.per_second:
            bucket = kept.buckets_of(tx, [self._provider]).get(self._provider)
            _, filled = pace.take(bucket, len(batch), per_second=self._settings.per_second, now=now)
            kept.save_buckets(tx, {self._provider: filled})
        if self._settings.per_domain_per_second:
            return self._by_domain(tx, batch, owner, now)
        return list(batch)

    def _by_domain(
        self, tx: Tx, batch: Sequence[Claimed], owner: str, now: datetime
    ) -> list[Claimed]:
        rate = self._settings.per_domain_per_second
        domains: defaultdict[str, list[Claimed]] = defaultdict(list)
        for one in batch:
            domain = one.delivery.to_addr.rpartition("@")[2].lower()
            domains[f"{self._provider}@{domain}"].append(one)
        known = kept.buckets_of(tx, domains)
        filled: dict[str, pace.Bucket] = {}
        leave: set[str] = set()
        releases: list[Release] = []
        for name, mails in domains.items():
            granted, filled[name] = pace.take(known.get(name), len(mails), per_second=rate, now=now)
            leave.update(one.delivery.id for one in mails[:granted])
            releases += [
                Release(
                    one.delivery.id,
                    one.delivery.attempt,
                    DeliveryState.DUE,
                    now + timedelta(seconds=place / rate),
                    f"at most {rate:g} a second to {name.rpartition('@')[2]}",
                    burn_attempt=False,
                )
                for place, one in enumerate(mails[granted:], 1)
            ]
        kept.save_buckets(tx, filled)
        claims.release(tx, owner=owner, releases=releases, now=now)
        return [one for one in batch if one.delivery.id in leave]

    def is_news(self, failed: int) -> bool:
        """Would `report` change anything? Not on an ordinary morning, which writes nothing."""
        return bool(failed) or not self._calm

    def report(self, tx: Tx, *, tried: int, failed: int, said: str, now: datetime) -> bool:
        """Note how a window of hand-overs went; True if the provider is now left alone."""
        known = kept.breaker(tx, self._provider, lock=True)
        after = pace.after_hand_overs(known, tried=tried, failed=failed, said=said, now=now)
        if after != known:
            kept.save_breaker(tx, self._provider, after)
        self._calm = after == Breaker()
        return after.state is BreakerState.OPEN
