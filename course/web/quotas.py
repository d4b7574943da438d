"""Counts signups and typed codes per network address and per mailbox, and says when it is enough.

Keeps only keyed hashes, and only in this process: the database's own limit on
confirmation mails per address (`Enrolling`) holds across processes and restarts.
"""

from __future__ import annotations

from limits import RateLimitItemPerDay, RateLimitItemPerHour, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

#: Codes that may be typed in an hour for one signup. In the two hours that a waiting page lasts,
#: guessing finds one in thirty thousand.
CODES_PER_HOUR = 5


class Quotas:
    """How often one network address or one mailbox may do what costs somebody a mail."""

    def __init__(self, *, per_address_per_day: int, per_ip_per_hour: int) -> None:
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._address = RateLimitItemPerDay(per_address_per_day, namespace="mailbox")
        self._ip = RateLimitItemPerHour(per_ip_per_hour, namespace="ip")
        self._enter = RateLimitItemPerMinute(20, namespace="enter")
        self._code = RateLimitItemPerHour(CODES_PER_HOUR, namespace="code")
        self._codes = RateLimitItemPerHour(CODES_PER_HOUR * per_ip_per_hour, namespace="codes")

    def may_sign_up(self, ip_key: str, mailbox_key: str) -> bool:
        """Counts one signup against both; False when either is over its limit.

        An unknown network (an empty key) is not counted: it would be everybody's.
        """
        if ip_key and not self._limiter.hit(self._ip, ip_key):
            return False
        return self._limiter.hit(self._address, mailbox_key)

    def may_guess(self, ip_key: str, signup_key: str) -> bool:
        """Counts one code typed for this signup; False when it is too many an hour."""
        if ip_key and not self._limiter.hit(self._codes, ip_key):
            return False
        return self._limiter.hit(self._code, signup_key)

    def may_enter(self, ip_key: str) -> bool:
        """Counts one attempt to log in; False when it is too many a minute."""
        return self._limiter.hit(self._enter, ip_key)
