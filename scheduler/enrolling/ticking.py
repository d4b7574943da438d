"""Done and not done: what learners say of a lesson's action and its checklist."""

from __future__ import annotations

from collections.abc import Collection

from scheduler.domain.enrollment import Enrollment
from scheduler.enrolling.desk import Desk
from scheduler.errors import NotAllowed
from scheduler.store import Tx, ticks, visits


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
        changed = (item,) if done else ()
        return self.tick(enrollment_id, lesson_key, changed, () if done else (item,))

    def tick(
        self,
        enrollment_id: int,
        lesson_key: str,
        done: Collection[str],
        undone: Collection[str] = (),
    ) -> bool:
        """The same for several items of one lesson at once."""
        _only_lessons(lesson_key)
        now = self._clock.now()
        with self._db.write("mark done") as tx:
            run = self._locked(tx, enrollment_id)
            names = self._names(run, lesson_key)
            visits.record(tx, run.id, now)
            standing = {t.item for t in ticks.ticks_of(tx, run.id) if t.lesson_key in names}
            news = [
                i for i in done if i not in standing and ticks.add(tx, run.id, names[0], i, now)
            ]
            gone = [i for i in undone if i not in done and ticks.remove(tx, run.id, names, i)]
            return bool(news or gone)

    def say_felt(self, enrollment_id: int, lesson_key: str, feeling: str) -> None:
        """Note how a lesson felt, one of `ticks.FEELINGS`, in place of what was said before.

        An empty one takes it back. Raises `NotAllowed` like `tick`.
        """
        _only_lessons(lesson_key)
        if feeling and feeling not in ticks.FEELINGS:
            raise NotAllowed(f"{feeling!r} is no feeling: it is one of {', '.join(ticks.FEELINGS)}")
        now = self._clock.now()
        with self._db.write("say how it felt") as tx:
            run = self._locked(tx, enrollment_id)
            names = self._names(run, lesson_key)
            visits.record(tx, run.id, now)
            for other in ticks.FEELINGS:
                if other != feeling:
                    ticks.remove(tx, run.id, names, other)
            if feeling and not _said(tx, run, names, feeling):
                ticks.add(tx, run.id, names[0], feeling, now)


def _said(tx: Tx, run: Enrollment, names: Collection[str], item: str) -> bool:
    return any(t.item == item and t.lesson_key in names for t in ticks.ticks_of(tx, run.id))


def _only_lessons(lesson_key: str) -> None:
    if lesson_key.startswith("@"):
        raise NotAllowed(f"{lesson_key!r} is a letter: only a lesson can be done")
