"""Asks several questions at once and waits for none of them longer than it was told.

A question that hangs (a name look-up of the system has no end of its own) is left behind.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from course.cli.examining.finding import Result

Question = Callable[[], Iterable[Result]]


@dataclass(slots=True)
class _Asked:
    check: str
    thread: threading.Thread | None = None
    results: list[Result] = field(default_factory=list)
    fault: BaseException | None = None


def together(questions: Sequence[tuple[str, Question]], seconds: float) -> list[Result]:
    """All results in the order of the questions, each after at most `seconds` in all."""
    until = time.monotonic() + seconds
    asked = [_begin(check, question) for check, question in questions]
    found: list[Result] = []
    for one in asked:
        assert one.thread is not None
        one.thread.join(max(until - time.monotonic(), 0))
        if one.thread.is_alive():
            found += [*one.results, _no_answer(one.check, seconds)]
        elif one.fault is not None:
            raise one.fault
        else:
            found += one.results
    return found


def _begin(check: str, question: Question) -> _Asked:
    asked = _Asked(check)

    def ask() -> None:
        try:
            for result in question():
                asked.results.append(result)
        except BaseException as error:  # a fault of the program: told by whoever asked
            asked.fault = error

    asked.thread = threading.Thread(target=ask, name=f"doctor: {check}", daemon=True)
    asked.thread.start()
    return asked


def _no_answer(check: str, seconds: float) -> Result:
    return Result(
        check, "warning", f"could not be asked: no answer within {seconds:.0f} s",
        "look at the network of this machine, then try again",
    )  # fmt: skip
