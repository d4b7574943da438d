"""Counts signups per network address and per mailbox, and says when it is enough.

Keeps only keyed hashes, and only in this process: the database's own limit on
confirmation mails per address (`Enrolling`) holds across processes and restarts.
"""

from __future__ import annotations

from limits import RateLimitItemPerDay, RateLimitItemPerHour, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter


class Quotas:
    """How often one network address or one mailbox may do what costs somebody a mail."""

    def __init__(self, *, per_address_per_day: int, per_ip_per_hour: int) -> None:
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._address = RateLimitItemPerDay(per_address_per_day, namespace="mailbox")
        self._ip = RateLimitItemPerHour(per_ip_per_hour, namespace="ip")
        self._links = RateLimitItemPerHour(per_ip_per_hour, namespace="links")
        self._enter = RateLimitItemPerMinute(20, namespace="enter")

    def may_sign_up(self, ip_key: str, mailbox_key: str) -> bool:
        """Counts one signup against both; False when either is over its limit.

        An unknown network (an empty key) is not counted: it would be everybody's.
        """
        if ip_key and not self._limiter.hit(self._ip, ip_key):
            return False
        return self._limiter.hit(self._address, mailbox_key)

    def may_ask_for_links(self, ip_key: str) -> bool:
        """Counts one wish for lost links; False when it is too many an hour.

        Not counted by mailbox: nobody may use up the wishes of somebody else.
        """
        return not ip_key or self._limiter.hit(self._links, ip_key)

    def may_enter(self, ip_key: str) -> bool:
        """Counts one attempt to log in; False when it is too many a minute."""
        return self._limiter.hit(self._enter, ip_key)
