"""Done and not done: what learners say of a lesson's action and its checklist."""

from __future__ import annotations

from scheduler.domain.enrollment import Enrollment
from scheduler.enrolling.desk import Desk
from scheduler.errors import NotAllowed
from scheduler.store import ticks


class Ticking(Desk):
    """What a learner may say of a lesson. Moves no slot and owes nothing."""

    def mark_done(
        self, enrollment_id: int, lesson_key: str, item: str = ticks.ACTION, done: bool = True
    ) -> bool:
        """Note that this item of a lesson was done, or take that back; True if it changed.

        Harmless when repeated, in every state of the run: people do a lesson weeks later. A
        renamed lesson stays done under its new key. Raises `NotAllowed` for a letter, and when
        the run was erased.
        """
        if lesson_key.startswith("@"):
            raise NotAllowed(f"{lesson_key!r} is a letter: only a lesson can be done")
        now = self._clock.now()
        with self._db.write("mark done") as tx:
            run = self._locked(tx, enrollment_id)
            names = self._names(run, lesson_key)
            if not done:
                return ticks.remove(tx, run.id, names, item)
            ticked = {tick.lesson_key for tick in ticks.ticks_of(tx, run.id) if tick.item == item}
            return ticked.isdisjoint(names) and ticks.add(tx, run.id, names[0], item, now)

    def _names(self, run: Enrollment, lesson_key: str) -> tuple[str, ...]:
        """The lesson's present key and its old ones; a lesson that is gone has only this one."""
        syllabus = self._syllabi(run.course)
        for ref in syllabus.lessons if syllabus else ():
            if lesson_key == ref.key or lesson_key in ref.aliases:
                return (ref.key, *ref.aliases)
        return (lesson_key,)
