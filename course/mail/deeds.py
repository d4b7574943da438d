"""Says what a learner has done, as small values for the holes of a letter that tells it.

The sentences around them stand in the templates; here are only dates and yes or no. Values are
the learner's present ones, as the name is: a letter read online months later tells what is done
by then. Refuses to look anything up.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from course.finish import NOTHING, Mark, Task, judge
from scheduler.domain.delivery import Claimed, Deeds

if TYPE_CHECKING:
    from babel import Locale

#: What the names of these values begin with; no author can write them.
PREFIX = "deeds."


def deed_values(tasks: Sequence[Task], claimed: Claimed, language: str) -> dict[str, str]:
    """Every value of a letter about these tasks; yes is `yes`, no is nothing.

    `deeds.count` of `deeds.total` are done; `deeds.finished` is yes once all are. For each task
    `deeds.done_N` is the day it was done on, `deeds.passed_N` and `deeds.sent_N` are yes or no.
    """
    run = claimed.enrollment
    found = judge(tasks, claimed.deeds or NOTHING, run.completed_at)
    rows = {row.task.number: row for row in found.rows}
    values = {
        "deeds.count": str(len(found.done)),
        "deeds.total": str(found.counted),
        "deeds.finished": "yes" if found.earned_at else "",
    }
    for task in tasks:
        row = rows.get(task.number)
        day = day_in_full(row.done_at, run.timezone, language) if row and row.done_at else ""
        values[f"deeds.done_{task.number}"] = day
        values[f"deeds.passed_{task.number}"] = "yes" if row and row.mark is Mark.PASSED else ""
        values[f"deeds.sent_{task.number}"] = "yes" if row and row.mark is Mark.OPEN else ""
    return values


def sample_deeds(tasks: Sequence[Task], now: datetime) -> Deeds:
    """What a sample person has done: all but the last two fifths, one a day."""
    keys = [task.names[0] for task in tasks]
    done = keys[: max(1, len(keys) * 3 // 5)]
    return Deeds(
        {key: now - timedelta(days=len(keys) - place) for place, key in enumerate(done)},
        frozenset(keys),
    )


def day_in_full(instant: datetime, timezone: str, language: str) -> str:
    """`24 November 2026`, the local date in the words of that language."""
    from babel.dates import format_date  # slow to load, and most mails need no date

    day = instant.astimezone(ZoneInfo(timezone)).date()
    locale = _locale(language)
    # English knows two orders: ours is the one of all our dates.
    return str(format_date(day, "d MMMM y" if locale.language == "en" else "long", locale=locale))


@lru_cache(maxsize=100)
def _locale(language: str) -> Locale:
    from babel import Locale, UnknownLocaleError

    try:
        return Locale.parse(language.replace("-", "_"))
    except (ValueError, UnknownLocaleError):
        return Locale("en")
