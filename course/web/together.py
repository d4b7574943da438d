"""What many requests ask for at the same time is done by one thread, for all, in one go.

Nobody waits for company: a wish that comes alone is served alone and at once; while one batch is
being written the next gathers. Refuses to answer before the work is done.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

from starlette.concurrency import run_in_threadpool

from scheduler.errors import DatabaseUnavailable

Wish = TypeVar("Wish")
Answer = TypeVar("Answer")

#: Wishes that are served in one go.
MOST = 200


@dataclass
class _Queue(Generic[Wish, Answer]):
    """Who waits, in the order they came, and the task that serves them."""

    waiting: list[tuple[Wish, asyncio.Future[Answer]]] = field(default_factory=list)
    server: asyncio.Task[None] | None = None


class Together(Generic[Wish, Answer]):
    """Serves wishes in batches, from `async` handlers."""

    def __init__(self, work: Callable[[Sequence[Wish]], Sequence[Answer]]) -> None:
        """`work` answers a batch in its order: all of it is done, or none when it raises.

        It runs in a thread of its own, one batch after the other.
        """
        self._work = work
        self._queues: WeakKeyDictionary[asyncio.AbstractEventLoop, _Queue[Wish, Answer]] = (
            WeakKeyDictionary()
        )

    async def ask(self, wish: Wish) -> Answer:
        """The answer to this wish; raises what `work` raises for it."""
        loop = asyncio.get_running_loop()
        queue: _Queue[Wish, Answer] = self._queues.setdefault(loop, _Queue())
        answer: asyncio.Future[Answer] = loop.create_future()
        queue.waiting.append((wish, answer))
        if queue.server is None:
            queue.server = loop.create_task(self._serve(queue))
        return await answer

    async def _serve(self, queue: _Queue[Wish, Answer]) -> None:
        try:
            while queue.waiting:
                batch, queue.waiting = queue.waiting[:MOST], queue.waiting[MOST:]
                found = await run_in_threadpool(self._answers, [wish for wish, _ in batch])
                for (_, answer), one in zip(batch, found, strict=True):
                    if answer.done():  # whoever asked has gone
                        continue
                    if isinstance(one, Exception):
                        answer.set_exception(one)
                    else:
                        answer.set_result(one)
        finally:
            queue.server = None

    def _answers(self, wishes: Sequence[Wish]) -> Sequence[Answer | Exception]:
        try:
            return self._work(wishes)
        except DatabaseUnavailable as error:
            # Each would wait for the same, one after the other.
            return [error] * len(wishes)
        except Exception as error:
            # One of them is to blame, and only that one is to hear of it.
            return [error] if len(wishes) == 1 else [self._answers([w])[0] for w in wishes]
