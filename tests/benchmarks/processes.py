"""Functions in fresh processes: `apart` runs one to its end, `at_once` several side by side, and
`beside` one that serves meanwhile.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

_SPAWN = multiprocessing.get_context("spawn")


def apart(function: Callable[..., Any], *args: Any) -> Any:
    """What the function returns, computed in a process that knows nothing of this one."""
    return at_once(1, function, *args)[0]


def at_once(count: int, function: Callable[..., Any], *args: Any) -> list[Any]:
    """The same from so many processes that run side by side."""
    started = []
    for _ in range(count):
        ours, theirs = _SPAWN.Pipe()
        process = _SPAWN.Process(target=_answer, args=(theirs, function, args), daemon=True)
        process.start()
        theirs.close()
        started.append((process, ours))
    try:
        return [ours.recv() for _, ours in started]
    except EOFError:
        raise RuntimeError(f"{function.__name__} failed: its words are above") from None
    finally:
        for process, _ in started:
            process.join()


@contextmanager
def beside(function: Callable[..., None]) -> Iterator[tuple[str, Callable[[], Any]]]:
    """A server's address, and a call that asks it how it fares.

    The server answers each `True` on its pipe, and ends when the pipe does: with this block,
    or with this process, however that ends.
    """
    ours, theirs = _SPAWN.Pipe()
    process = _SPAWN.Process(target=function, args=(theirs,), daemon=True)
    process.start()
    theirs.close()

    def ask() -> Any:
        ours.send(True)
        return ours.recv()

    try:
        yield ours.recv(), ask
    finally:
        ours.close()
        process.join(5)
        if process.is_alive():
            process.terminate()


def _answer(pipe: Connection, function: Callable[..., Any], args: tuple[Any, ...]) -> None:
    pipe.send(function(*args))
