"""What many threads ask for at the same time is done by one of them, for all, in one go.

Nobody waits for company: a wish that comes alone is served alone and at once. While one batch is
being written the next gathers. Refuses to answer before the work is done.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

from scheduler.errors import DatabaseUnavailable

Wish = TypeVar("Wish")
Answer = TypeVar("Answer")

#: Wishes that are served in one go.
MOST = 200


class _Place(Generic[Wish, Answer]):
    """One wish in the queue, and what became of it."""

    def __init__(self, wish: Wish) -> None:
        self.wish = wish
        self.done = False
        self.answer: Answer | None = None
        self.error: Exception | None = None


class Together(Generic[Wish, Answer]):
    """Serves wishes in batches. Two wishes with the same key never meet in one batch."""

    def __init__(
        self,
        work: Callable[[Sequence[Wish]], Sequence[Answer]],
        key: Callable[[Wish], Hashable],
    ) -> None:
        """`work` answers a batch in its order; all of it is done, or none when it raises."""
        self._work = work
        self._key = key
        self._waiting: list[_Place[Wish, Answer]] = []
        self._door = threading.Lock()
        self._turn = threading.Lock()

    def ask(self, wish: Wish) -> Answer:
        """The answer to this wish; raises what `work` raises for it."""
        place: _Place[Wish, Answer] = _Place(wish)
        with self._door:
            self._waiting.append(place)
        with self._turn:
            if not place.done:  # else somebody has served us while we waited for our turn
                self._serve(place)
        if place.error is not None:
            raise place.error
        assert place.answer is not None
        return place.answer

    def _serve(self, own: _Place[Wish, Answer]) -> None:
        batch = self._next(own)
        try:
            self._settle(batch)
        except DatabaseUnavailable as error:
            # The others would wait for the same, one after the other.
            for place in batch:
                place.done, place.error = True, error
        except Exception as error:
            if len(batch) == 1:
                own.done, own.error = True, error
                return
            # One of them is to blame: each is served alone, by its own thread.
            try:
                self._settle([own])
            except Exception as own_error:
                own.done, own.error = True, own_error

    def _next(self, own: _Place[Wish, Answer]) -> list[_Place[Wish, Answer]]:
        batch, keys, rest = [own], {self._key(own.wish)}, []
        with self._door:
            for place in self._waiting:
                if place is own:
                    continue
                key = self._key(place.wish)
                if len(batch) < MOST and key not in keys:
                    keys.add(key)
                    batch.append(place)
                else:
                    rest.append(place)
            self._waiting = rest
        return batch

    def _settle(self, batch: Sequence[_Place[Wish, Answer]]) -> None:
        answers = self._work([place.wish for place in batch])
        for place, answer in zip(batch, answers, strict=True):
            place.done, place.answer = True, answer
