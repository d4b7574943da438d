"""What a call costs this process: seconds, seconds of CPU, and the most memory it ever held."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

#: A short run is repeated this often, and its median counts.
ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Cost:
    """What one call came to."""

    answer: Any
    seconds: float
    cpu: float
    #: Bytes, of the whole process and since its start.
    peak: int = 0


def measured(call: Callable[[], Any]) -> Cost:
    """Call it once."""
    seconds, cpu = time.perf_counter(), time.process_time()
    answer = call()
    cpu, seconds = time.process_time() - cpu, time.perf_counter() - seconds
    return Cost(answer, seconds, cpu, peak())


def middle(values: Iterable[float]) -> float:
    """The median of some rounds."""
    return median(list(values))


def peak() -> int:
    """The most memory this process ever held, in bytes.

    Not `ru_maxrss` where it can be helped: a child inherits that from its parent.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
