"""Live through many small worlds and report what broke.

python -m tests.simulation --seeds 1..200
python -m tests.simulation --seeds 17 --mode safety
"""

from __future__ import annotations

import argparse
import logging
import sys
import traceback
from collections import Counter
from dataclasses import dataclass, field

import structlog

from tests.simulation.promises import Broken, Promises
from tests.simulation.world import World


@dataclass
class Sum:
    """What a number of worlds came to."""

    worlds: int = 0
    learner_days: int = 0
    lessons: int = 0
    happened: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)


def simulate(seed: int, mode: str, total: Sum) -> None:
    """One world: faults all the way (`safety`), or an end to them (`liveness`)."""
    world = World(seed)
    promises = Promises(world)
    try:
        world.live(world.days, promises.check)
        if mode == "liveness":
            world.calm_down()
            # Five lessons on one weekday, after the longest wait of a retry.
            world.live(60, promises.check)
            promises.check_end()
    finally:
        total.worlds += 1
        total.learner_days += world.days * len(world.wishes)
        total.lessons += sum(1 for one in world.provider.taken if not one.key.startswith("@"))
        total.happened += world.happened
        world.close()


def seeds(text: str) -> range:
    """`7` or `1..200`, both ends included."""
    first, _, last = text.partition("..")
    return range(int(first), int(last or first) + 1)


def main() -> int:
    """Run from the command line; exit code 1 when a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=seeds, default=seeds("1..100"))
    parser.add_argument("--mode", choices=["safety", "liveness"], default="liveness")
    given = parser.parse_args()
    # The bugs a world plants on purpose are no news.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    total = Sum()
    for seed in given.seeds:
        try:
            simulate(seed, given.mode, total)
        except Broken as broken:
            total.broken.append(str(broken))
            print(broken, flush=True)
        except Exception:
            total.broken.append(f"seed {seed}")
            print(f"seed {seed}: a bug, not a broken promise", flush=True)
            traceback.print_exc(limit=-6)
    print(
        f"{total.worlds} worlds, {total.learner_days:,} learner-days, {total.lessons:,} lessons,"
        f" {len(total.broken)} failures"
    )
    print("  " + ", ".join(f"{name} {n}" for name, n in sorted(total.happened.items())))
    return 1 if total.broken else 0


if __name__ == "__main__":
    sys.exit(main())
