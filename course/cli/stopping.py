"""SIGTERM and SIGINT: at the first the mail in hand is finished, at the second all ends at once.

Refuses to do anything in the handler but set flags: it may interrupt any line of the program.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Stop:
    """The wish to end, as signals bring it."""

    def __init__(self, *calls: Callable[[], None]) -> None:
        """`calls` are made at the first signal, in its handler."""
        self._calls = calls
        self._asked_at: float | None = None

    def listen(self) -> None:
        """From now on signals come here. Main thread only."""
        for name in _SIGNALS:
            signal.signal(name, self.handle)

    @property
    def asked(self) -> bool:
        """Was there a signal?"""
        return self._asked_at is not None

    def left(self, seconds: float) -> float:
        """How many of these seconds are left since the first signal."""
        began = self._asked_at
        return seconds if began is None else max(seconds - (time.monotonic() - began), 0.0)

    def handle(self, number: int, _frame: FrameType | None) -> None:
        """What the operating system calls."""
        if self._asked_at is not None:
            # Somebody will not wait. What is in hand is looked into at the next start.
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        self._asked_at = time.monotonic()
        for call in self._calls:
            call()
