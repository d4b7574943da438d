"""G3: two workers on PostgreSQL, against one on SQLite.

Two cores carry the workers, the database server and the sink; how full they were stands beside.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from tests.benchmarks import sink
from tests.benchmarks.measuring import Cost, middle
from tests.benchmarks.processes import apart, at_once, beside
from tests.benchmarks.school import founded
from tests.benchmarks.table import Row
from tests.benchmarks.worker import checked, send_due
from tests.postgresql import Server

_ROUNDS = 3
_GOAL = 1.5
_STAT = Path("/proc/stat")


def rows(full: bool) -> list[Row]:
    due = 20_000 if full else 6_000
    one, two, cpu, full_cores = [], [], [], []
    server = Server()
    try:
        server.start()
        with tempfile.TemporaryDirectory() as folder, beside(sink.serve) as (address, _):
            small = founded(f"sqlite:///{folder}/school.db", size=due, due=due)
            large = founded(server.create("school"), size=due, due=due)
            url = {"url": f"smtp://{address}"}
            for day in range(_ROUNDS):
                alone = checked(apart(send_due, small, "smtp", url, day), due)
                one.append(due / alone.seconds)
                began, before = time.perf_counter(), _busy_seconds()
                shares: list[Cost] = at_once(2, send_due, large, "smtp", url, day)
                full_cores.append((_busy_seconds() - before) / (time.perf_counter() - began))
                if sum(share.answer for share in shares) != due:
                    raise RuntimeError(f"{shares} do not make {due}: nothing was measured")
                two.append(due / max(share.seconds for share in shares))
                cpu.append(sum(share.cpu for share in shares) / due)
    finally:
        server.remove()
    rate, yardstick = middle(two), middle(one)
    return [
        Row(
            "G3",
            f"two workers, {due:,} due, PostgreSQL",
            f"{rate:,.0f} msg/s",
            f"one, SQLite {yardstick:,.0f}",
            f"{rate / yardstick:.2f}",
            f">= {_GOAL}",
            rate >= _GOAL * yardstick,
        ),
        Row("", "the workers' own CPU", f"{middle(cpu) * 1e6:.0f} µs a message"),
        *_how_full(full_cores),
    ]


def _how_full(cores: list[float]) -> list[Row]:
    if not _STAT.exists():
        return []
    what = "cores busy meanwhile, from the start of the workers"
    return [Row("", what, f"{middle(cores):.2f} of {os.cpu_count()}")]


def _busy_seconds() -> float:
    """Seconds of CPU this whole machine has spent, waiting left out; 0 where it cannot be read."""
    if not _STAT.exists():
        return 0.0
    user, nice, system, _, _, irq, softirq, *_ = (
        int(word) for word in _STAT.read_text().split("\n")[0].split()[1:]
    )
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")
