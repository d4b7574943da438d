"""One morning of one worker on a school's database; called in a process of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from course.cli.opening import keep_what_is_loaded
from scheduler.dispatch import Dispatcher
from scheduler.providers import open_provider
from scheduler.store import Database
from tests.benchmarks.measuring import Cost, measured
from tests.benchmarks.school import mail_composer, morning


def send_due(database: str, provider: str, settings: Mapping[str, Any], day: int) -> Cost:
    """What sending everything due on that day cost; the answer is how many were accepted."""
    db, sender = Database(database), open_provider(provider, settings)
    with tempfile.TemporaryDirectory() as folder:
        composer = mail_composer(Path(folder), sender.form)
        dispatcher = Dispatcher(
            db, morning(day), composer.catalog.syllabus, composer, sender, salt="salt"
        )
        keep_what_is_loaded()  # as `course work` does
        cost = measured(dispatcher.run_due)
    sender.close()
    db.close()
    return Cost(cost.answer.as_dict()["accepted"], cost.seconds, cost.cpu, cost.peak)


def checked(cost: Cost, due: int) -> Cost:
    """The same, unless something that was due did not leave: that would be no measurement."""
    if cost.answer != due:
        raise RuntimeError(f"{cost.answer} of {due} were accepted: nothing was measured")
    return cost
