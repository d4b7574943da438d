"""G6: the most memory a worker holds, with few and with many lessons due."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.benchmarks import sink
from tests.benchmarks.processes import apart, beside
from tests.benchmarks.school import founded
from tests.benchmarks.table import Row
from tests.benchmarks.worker import checked, send_due

_MIB = 1 << 20
#: What counts as flat: ten times the work, so much more memory.
_FLAT = 1.1


def rows(full: bool) -> list[Row]:
    few, many, size = (10_000, 100_000, 1_000_000) if full else (1_000, 10_000, 50_000)
    with tempfile.TemporaryDirectory() as folder, beside(sink.serve) as (address, _):
        url = {"url": f"smtp://{address}"}

        def peak(due: int) -> int:
            file = Path(folder, f"{due}.db")
            school = founded(f"sqlite:///{file}", size=size, due=due)
            held: int = checked(apart(send_due, school, "smtp", url, 0), due).peak
            file.unlink()
            return held

        least, most = peak(few), peak(many)
    return [
        Row(
            "G6",
            f"peak memory, {many:,} due among {size:,}",
            f"{most / _MIB:.0f} MiB",
            f"{few:,} due: {least / _MIB:.0f} MiB",
            f"{most / least:.2f}",
            f"< 150 MiB, flat (<= {_FLAT})",
            most < 150 * _MIB and most <= _FLAT * least,
        )
    ]
