"""Hands a batch over on one connection, or on several where waiting is what takes the time.

Most mail servers answer after many milliseconds: then a second connection doubles the pace. One
that answers at once is kept busy by one, and more would only cost. Refuses to hand anything
over itself: `smtp_lane` does.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from queue import SimpleQueue
from threading import Thread

from scheduler.domain.message import Message
from scheduler.providers.wire.kept import Kept
from scheduler.providers.wire.smtp_lane import Answer, Batch, Lane
from scheduler.providers.wire.smtp_session import Session
from scheduler.providers.wire.smtp_url import Server

#: Seconds a message from which on another connection pays for its thread and its greeting.
_WORTH_A_CONNECTION = 0.001
#: A connection for fewer messages than this does not.
_LEAST_SHARE = 2


class Crew:
    """The connections to one server; any number of threads may ask for work at once."""

    def __init__(self, server: Server, context: ssl.SSLContext | None) -> None:
        self._server = server
        self._context = context
        self._kept: Kept[Session] = Kept(server.pool, server.idle)
        #: Seconds a message took on one connection, lately.
        self._pace = 0.0
        #: The server wanted no second connection: until then (monotonic) none is tried.
        self._alone_until = 0.0
        self._broken_off = False

    def break_off(self) -> None:
        """Begin no further hand-over, for good."""
        self._broken_off = True

    def close(self) -> None:
        """Say goodbye on all idle connections."""
        self._kept.clear()

    def work(self, messages: Sequence[Message], until: float) -> Iterator[Answer]:
        """One answer per message, as each becomes known; over by `until` (monotonic)."""
        batch = Batch(messages, until)
        others = _Others()
        if self._pace > _WORTH_A_CONNECTION:
            self._call_others(others, batch)
        try:
            yield from self._work(batch, others)
        finally:
            batch.abandon()

    def _work(self, batch: Batch, others: _Others) -> Iterator[Answer]:
        begun = 0.0
        for count, answer in enumerate(self._lane().work(batch)):
            yield answer
            now = time.monotonic()
            if count == 0:
                begun = now  # what came before may have been the greeting
            else:
                self._pace = (now - begun) / count
                if self._pace > _WORTH_A_CONNECTION and not others.were_called:
                    self._call_others(others, batch)
            yield from others.answers()
        yield from others.last_answers()

    def _call_others(self, others: _Others, batch: Batch) -> None:
        if time.monotonic() < self._alone_until:
            return
        others.were_called = True
        for _ in range(min(self._server.pool - 1, len(batch) // _LEAST_SHARE)):
            batch.join()
            others.begin(self._lane(), batch, self._was_turned_away)

    def _was_turned_away(self) -> None:
        self._alone_until = time.monotonic() + self._server.idle

    def _lane(self) -> Lane:
        return Lane(self._server, self._context, self._kept, lambda: self._broken_off)


class _Others:
    """The lanes beside the first, each in a thread of its own."""

    def __init__(self) -> None:
        self.were_called = False
        self._at_work = 0
        #: None: a lane has ended.
        self._told: SimpleQueue[Answer | Exception | None] = SimpleQueue()

    def begin(self, lane: Lane, batch: Batch, turned_away: Callable[[], None]) -> None:
        """Let one more lane draw from the batch; `turned_away` if it found no connection."""

        def work() -> None:
            try:
                for answer in lane.work(batch):
                    self._told.put(answer)
            except Exception as error:  # raised where the batch was asked for
                self._told.put(error)
            if lane.was_turned_away:
                turned_away()
            self._told.put(None)

        self._at_work += 1
        Thread(target=work, name="smtp", daemon=True).start()

    def answers(self) -> Iterator[Answer]:
        """What they have told so far."""
        while not self._told.empty():
            yield from self._next()

    def last_answers(self) -> Iterator[Answer]:
        """What they tell until all have ended."""
        while self._at_work:
            yield from self._next()

    def _next(self) -> Iterator[Answer]:
        told = self._told.get()
        if told is None:
            self._at_work -= 1
        elif isinstance(told, Exception):
            raise told
        else:
            yield told
