"""Notices that the wall clock was moved far ahead while this program ran.

A clock a year ahead would make a whole school due at once. The wall clock is compared with
one that nobody can set; a machine that slept or was off for ten days passes both and trips
nothing. Refuses to judge a clock that stepped back: that only delays, and what was sent stays
sent.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from scheduler.clock import Clock

#: A step forward beyond this is nobody's summer time and no correction of a drifting clock.
FARTHEST_STEP = timedelta(hours=6)


class BurstBrake:
    """One for each running program."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._wall = clock.now()
        self._uptime = clock.uptime()

    def jumped(self) -> timedelta:
        """How far the wall clock has run ahead of the time that passed; zero if it did not.

        Says so again at each call until `agree`.
        """
        passed = timedelta(seconds=self._clock.uptime() - self._uptime)
        ahead = self._clock.now() - self._wall - passed
        if ahead < timedelta():
            # Set back: the way forward again is no jump.
            self.agree()
        return ahead if ahead > FARTHEST_STEP else timedelta()

    def since(self) -> datetime:
        """The wall clock's last reading that was believed (UTC)."""
        return self._wall

    def agree(self) -> None:
        """Believe the wall clock as it is now."""
        self._wall = self._clock.now()
        self._uptime = self._clock.uptime()
