"""The name on a certificate: what a learner writes there, and takes away again."""

from __future__ import annotations

from scheduler.enrolling.desk import Desk
from scheduler.store import notes
from scheduler.store.notes import CERTIFICATE, NAME


class Naming(Desk):
    """What a learner may say of a certificate. Whether it was earned is for the caller to know."""

    def name_certificate(self, enrollment_id: int, name: str) -> None:
        """Print this name from now on; an empty one takes the public page away.

        Raises `NotAllowed` when the run was erased.
        """
        now = self._clock.now()
        with self._db.write("name certificate") as tx:
            run = self._locked(tx, enrollment_id)
            notes.write(tx, run.id, CERTIFICATE, NAME, name, now)
