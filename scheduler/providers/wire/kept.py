"""Keeps idle connections for the next batch, newest first, and lets old ones go.

Refuses to judge whether a connection still works: its owner asks before using it.
"""

from __future__ import annotations

import threading
import time
from typing import Generic, Protocol, TypeVar


class Closable(Protocol):
    """Anything that can be given back."""

    def close(self) -> None:
        """Must not raise."""
        ...


C = TypeVar("C", bound=Closable)


class Kept(Generic[C]):
    """At most `most` idle connections, none idle for more than `idle_s` seconds; thread-safe."""

    def __init__(self, most: int, idle_s: float) -> None:
        self._most = most
        self._idle_s = idle_s
        self._lock = threading.Lock()
        self._idle: list[tuple[float, C]] = []

    def take(self) -> C | None:
        """The connection used last, now the caller's own; None when there is none."""
        with self._lock:
            oldest = time.monotonic() - self._idle_s
            expired = [kept for since, kept in self._idle if since < oldest]
            self._idle = [(since, kept) for since, kept in self._idle if since >= oldest]
            taken = self._idle.pop()[1] if self._idle else None
        for kept in expired:
            kept.close()
        return taken

    def give(self, connection: C) -> None:
        """Keep it for later, or close it when enough are kept."""
        with self._lock:
            if len(self._idle) < self._most:
                self._idle.append((time.monotonic(), connection))
                return
        connection.close()

    def clear(self) -> None:
        """Close all that are idle."""
        with self._lock:
            idle, self._idle = self._idle, []
        for _, kept in idle:
            kept.close()
