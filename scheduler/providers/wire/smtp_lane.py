"""One connection at work on a batch: it draws the next message whenever it is free.

Any number of lanes may draw from one batch; each message leaves it once, and comes back only
untouched. Refuses to decide how many connections a batch is worth.
"""

from __future__ import annotations

import ssl
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence

from scheduler.domain.message import Message
from scheduler.domain.provider import Deferred, Fault, Outcome, Uncertain
from scheduler.providers.wire.kept import Kept
from scheduler.providers.wire.reach import Lost, left
from scheduler.providers.wire.smtp_session import Letter, Session
from scheduler.providers.wire.smtp_url import Server

Answer = tuple[str, Outcome]

#: This many troubles in a row mean that the next message would fare no better.
_TROUBLES = 2
_TOLD_TO_STOP = Deferred("told to stop before its turn", Fault.TRANSPORT)
_OUT_OF_TIME = Deferred("no time left in this batch", Fault.TRANSPORT)


class Batch:
    """Messages on their way out, and how many lanes still see to them; thread-safe."""

    def __init__(self, messages: Sequence[Message], until: float) -> None:
        self.until = until
        self._waiting = deque(messages)
        self._lock = threading.Lock()
        self._lanes = 1
        self._abandoned = False
        self._troubles = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def is_over(self) -> bool:
        """Does nothing wait? The lane that hears so has left with that."""
        with self._lock:
            if self._waiting:
                return False
            self._lanes -= 1
            return True

    def draw(self) -> Message | None:
        """The next one, now the caller's own; None when all are taken."""
        try:
            return self._waiting.popleft()
        except IndexError:
            return None

    def put_back(self, untouched: Sequence[Message]) -> None:
        """These were never handed over; they are next, in this order."""
        with self._lock:
            if not self._abandoned:
                self._waiting.extendleft(reversed(untouched))

    def abandon(self) -> None:
        """Nobody hears what becomes of these any more: whatever waits stays where it is."""
        with self._lock:
            self._abandoned = True
            self._waiting.clear()

    def join(self) -> None:
        """One more lane begins."""
        with self._lock:
            self._lanes += 1

    def leave(self) -> bool:
        """A lane leaves what waits to the others; False when it is the last, and must answer."""
        with self._lock:
            if self._lanes == 1:
                return False
            self._lanes -= 1
            return True

    def note(self, outcome: Outcome) -> None:
        """What became of the latest message, on whichever connection."""
        with self._lock:
            self._troubles = self._troubles + 1 if _is_trouble(outcome) else 0

    @property
    def is_hopeless(self) -> bool:
        """Would the next message fare no better than the latest ones?"""
        return self._troubles >= _TROUBLES

    def give_up(self, cause: Outcome, *, tried: bool = False) -> Iterator[Answer]:
        """All that wait were never handed over: they wait on, for the same cause."""
        fault = cause.fault if isinstance(cause, Deferred) else Fault.TRANSPORT
        detail = cause.detail if tried else f"not tried after: {cause.detail}"
        while (message := self.draw()) is not None:
            yield message.delivery_id, Deferred(detail, fault)


class Lane:
    """One connection, kept or new, and what became of the messages it drew."""

    def __init__(
        self,
        server: Server,
        context: ssl.SSLContext | None,
        kept: Kept[Session],
        broken_off: Callable[[], bool],
    ) -> None:
        self._server = server
        self._context = context
        self._kept = kept
        self._broken_off = broken_off
        #: It got no connection, and others were there to do its share.
        self.was_turned_away = False
        #: Drawn and without an answer: the one in hand, and at most one announced already.
        self._drawn: deque[Message] = deque()
        #: Answered before they were handed over, because they never can be.
        self._unfit: list[Answer] = []

    def work(self, batch: Batch) -> Iterator[Answer]:
        """Hand over until nothing waits; ends within the batch's time.

        A lane that finds no connection leaves the rest to the others, if there are any.
        """
        session = self._take(batch.until)
        while not batch.is_over():
            if self._broken_off():
                yield from batch.give_up(_TOLD_TO_STOP, tried=True)
            elif left(batch.until) < self._server.reserve:
                yield from batch.give_up(_OUT_OF_TIME, tried=True)
            else:
                is_fresh = session is None
                try:
                    session = session or Session(self._server, self._context, batch.until)
                except Lost as error:
                    if batch.leave():
                        self.was_turned_away = True
                        return
                    yield from batch.give_up(error.outcome, tried=True)
                else:
                    yield from self._use(session, is_fresh, batch)
                    session = None

    def _use(self, session: Session, is_fresh: bool, batch: Batch) -> Iterator[Answer]:
        """Hand over on this connection for as long as it lasts."""
        whole = False
        may_be_stale = not is_fresh
        try:
            for outcome in session.hand_over(self._letters(session, batch)):
                may_be_stale = True
                yield from self._answers(outcome, batch)
                if self._broken_off() or batch.is_hopeless:
                    # The server may be waiting for the next body: it never gets one.
                    break
            else:
                whole = True
        except Lost as error:
            # A connection that had worked before may just have ended: once more on a
            # fresh one. All kept ones are as old, so they go.
            self._kept.clear()
            if not (may_be_stale and isinstance(error.outcome, Deferred)):
                yield from self._answers(error.outcome, batch)
        finally:
            self._return_drawn(batch)
            if whole and session.is_usable:
                self._kept.give(session)
            else:
                session.hang_up()
        yield from self._told_unfit()

    def _letters(self, session: Session, batch: Batch) -> Iterator[Letter]:
        while not self._broken_off() and (message := batch.draw()) is not None:
            prepared = session.prepare(message)
            if isinstance(prepared, Letter):
                self._drawn.append(message)
                yield prepared
            else:
                self._unfit.append((message.delivery_id, prepared))

    def _answers(self, outcome: Outcome, batch: Batch) -> list[Answer]:
        """What became of the message in hand, and of all others if they would fare no better."""
        told = [(self._drawn.popleft().delivery_id, outcome)]
        batch.note(outcome)
        if batch.is_hopeless:
            self._return_drawn(batch)
            told += batch.give_up(outcome)
        return told + self._told_unfit()

    def _told_unfit(self) -> list[Answer]:
        told, self._unfit = self._unfit, []
        return told

    def _return_drawn(self, batch: Batch) -> None:
        batch.put_back(self._drawn)
        self._drawn.clear()

    def _take(self, until: float) -> Session | None:
        while (session := self._kept.take()) is not None:
            if session.is_usable:
                session.begin(until)
                return session
            session.hang_up()
        return None


def _is_trouble(outcome: Outcome) -> bool:
    """Not this message's doing, so probably the next one's fate too?"""
    if isinstance(outcome, Deferred):
        return outcome.fault in (Fault.TRANSPORT, Fault.CONFIG)
    return isinstance(outcome, Uncertain)
