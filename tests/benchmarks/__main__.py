"""The speed table: each figure beside a yardstick taken in the same run on the same machine.

`--full` takes the sizes of the goals, which needs much longer; names such as `G2 G4` choose rows.
Refuses to fail: a goal that is missed is printed as missed, for a person to read.
"""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import time

#: One file a group of rows, in the order of the goals.
GROUPS = {
    "G1": "composing",
    "G2": "sending",
    "G3": "sharing",
    "G4": "claiming",
    "G5": "requesting",
    "G6": "remembering",
    "G7": "importing",
    "G8": "signing_up",
    "G9": "starting",
}


def main() -> None:
    # Inside, because every process that is started for a measurement reads this file again.
    from scheduler.store import sqlite
    from tests.benchmarks import table

    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=f"of {', '.join(GROUPS)}")
    parser.add_argument("--full", action="store_true", help="the sizes of the goals")
    chosen = parser.parse_args()
    if unknown := set(chosen.groups) - set(GROUPS):
        parser.error(f"no such group: {', '.join(sorted(unknown))}")
    started = time.monotonic()
    print(
        f"Python {platform.python_version()}, {sqlite.describe()}, {os.cpu_count()} cores, "
        f"load before {table.load()}\n"
    )
    table.head()
    missed = 0
    for name, module in GROUPS.items():
        if not chosen.groups or name in chosen.groups:
            found = importlib.import_module(f"tests.benchmarks.{module}").rows(chosen.full)
            table.show(found)
            missed += sum(row.met is False for row in found)
    print(
        f"{missed or 'no'} goal{'' if missed == 1 else 's'} missed; took "
        f"{time.monotonic() - started:.0f} s, load after {table.load()}"
    )
    print("G10 (a peer) is not measured here.")


if __name__ == "__main__":
    main()
