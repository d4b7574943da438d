"""What learners write on their own page, and that they came by."""

from __future__ import annotations

from collections.abc import Mapping

from scheduler.enrolling.desk import Desk
from scheduler.errors import NotAllowed
from scheduler.store import notes, people, visits

#: Characters of one note.
NOTE_LIMIT = 2_000


class Noting(Desk):
    """Keeps a learner's own words. Reads nothing into them."""

    def write_notes(self, enrollment_id: int, lesson_key: str, texts: Mapping[str, str]) -> None:
        """Keep each text under its field of a lesson, in place of what stood there.

        An empty text takes the note away. In every state of the run. Raises `NotAllowed` for a
        text that is too long, and when the run was erased; then nothing is kept.
        """
        kept = {item: as_kept(text) for item, text in texts.items()}
        for item, text in kept.items():
            if len(text) > NOTE_LIMIT:
                raise NotAllowed(
                    f"the note {item!r} has {len(text)} characters: {NOTE_LIMIT} are kept, "
                    "shorten it"
                )
        now = self._clock.now()
        with self._db.write("keep notes") as tx:
            run = self._locked(tx, enrollment_id)
            name, *old_names = self._names(run, lesson_key)
            visits.record(tx, run.id, now)
            before = {
                note.item: note.text
                for note in notes.notes_of(tx, run.id)
                if note.lesson_key == name
            }
            for item, text in kept.items():
                if before.get(item, "") != text:
                    notes.write(tx, run.id, name, item, text, now)
                for old in old_names:
                    notes.write(tx, run.id, old, item, "", now)

    def come_by(self, enrollment_id: int) -> bool:
        """The person looked at their own page; True if that was written down.

        Once an hour at most. An erased run is nobody's: nothing happens.
        """
        now = self._clock.now()
        with self._db.read() as tx:
            if people.enrollment(tx, enrollment_id) is None:
                return False
            if not visits.is_news(visits.visited_at(tx, enrollment_id), now):
                return False
        with self._db.write("come by") as tx:
            return visits.record(tx, enrollment_id, now)


def as_kept(text: str) -> str:
    """The text as it is stored and counted: one kind of line end, no spaces at the ends.

    Without NUL, which PostgreSQL does not take, and without halves of letters.
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
    return lines.encode("utf-8", "replace").decode("utf-8").strip()
