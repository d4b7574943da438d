"""Counts signups and typed codes per network address and per mailbox, and says when it is enough.

Keeps only keyed hashes, and only in this process: the database's own limit on
confirmation mails per address (`Enrolling`) holds across processes and restarts.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

#: Codes that may be typed in an hour for one signup. In the two hours that a waiting page lasts,
#: guessing finds one in thirty thousand.
CODES_PER_HOUR = 5

_MINUTE, _HOUR, _DAY = 60.0, 3_600.0, 86_400.0


class Quotas:
    """How often one network address or one mailbox may do what costs somebody a mail.

    `monotonic` gives seconds that never step back.
    """

    def __init__(
        self,
        *,
        per_address_per_day: int,
        per_ip_per_hour: int,
        monotonic: Callable[[], float],
    ) -> None:
        self._address = Limit(per_address_per_day, _DAY, monotonic)
        self._ip = Limit(per_ip_per_hour, _HOUR, monotonic)
        self._links = Limit(per_ip_per_hour, _HOUR, monotonic)
        self._enter = Limit(20, _MINUTE, monotonic)
        self._code = Limit(CODES_PER_HOUR, _HOUR, monotonic)
        # As many as all the signups of one network may need.
        self._codes = Limit(CODES_PER_HOUR * per_ip_per_hour, _HOUR, monotonic)

    def may_sign_up(self, ip_key: str, mailbox_key: str) -> bool:
        """Counts one signup against both; False when either is over its limit.

        An unknown network (an empty key) is not counted: it would be everybody's.
        """
        if ip_key and not self._ip.hit(ip_key):
            return False
        return self._address.hit(mailbox_key)

    def may_guess(self, ip_key: str, signup_key: str) -> bool:
        """Counts one code typed for this signup; False when it is too many an hour."""
        if ip_key and not self._codes.hit(ip_key):
            return False
        return self._code.hit(signup_key)

    def may_ask_for_links(self, ip_key: str) -> bool:
        """Counts one wish for lost links; False when it is too many an hour.

        Not counted by mailbox: nobody may use up the wishes of somebody else.
        """
        return not ip_key or self._links.hit(ip_key)

    def may_enter(self, ip_key: str) -> bool:
        """Counts one attempt to log in; False when it is too many a minute."""
        return self._enter.hit(ip_key)


class Limit:
    """At most so many in any span of time, by key.

    What was counted in the span before this one weighs less the further this one has gone on, so
    no more than two spans are ever remembered.
    """

    def __init__(self, most: int, seconds: float, monotonic: Callable[[], float]) -> None:
        self._most = most
        self._seconds = seconds
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._span = -1
        self._before: dict[str, int] = {}
        self._counted: dict[str, int] = {}

    def hit(self, key: str) -> bool:
        """Count one; False, and not counted, when it would be one too many."""
        with self._lock:
            spans = self._monotonic() / self._seconds
            self._turn(int(spans))
            counted = self._counted.get(key, 0)
            fading = self._before.get(key, 0) * (1 - spans % 1)
            if counted + fading + 1 > self._most:
                return False
            self._counted[key] = counted + 1
            return True

    def _turn(self, span: int) -> None:
        if span != self._span:
            self._before = self._counted if span == self._span + 1 else {}
            self._counted, self._span = {}, span
