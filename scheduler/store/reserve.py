"""Space kept free beside a SQLite file, so that what was handed over can always be written down.

A full disk must not turn known outcomes into doubt. The file is taken before a hand-over begins
and given up when the disk is full; until it can be taken again, nothing further is handed over.
Refuses to judge how full a disk may get.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from scheduler.errors import DatabaseFull

#: What settling writes: measured among 20,000 learners who get their last lesson (two letters
#: are owed with it), 12 MB for a window of a thousand, 2.7 MB for one of fifty.
_BYTES, _BYTES_A_MAIL = 2 * 1024 * 1024, 20 * 1024


class Reserve:
    """The file `DATABASE.reserve`; any number of programs share it."""

    def __init__(self, database: Path) -> None:
        self._file = database.with_name(database.name + ".reserve")

    def take(self, mails: int) -> None:
        """Make sure that space for so many mails is kept; `DatabaseFull` when there is none."""
        size = _BYTES + _BYTES_A_MAIL * mails
        with suppress(OSError):
            if self._file.stat().st_size >= size:
                return
        try:
            handle = os.open(self._file, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                _fill(handle, size)
            finally:
                os.close(handle)
        except OSError as error:
            self.give_up()
            raise DatabaseFull(
                f"nothing is sent: {self._file.parent} has no room to write down what was sent"
                f" ({error.strerror}): free some disk space"
            ) from error

    def give_up(self) -> bool:
        """Free the space for the rows that need it now; False when it was free already."""
        try:
            self._file.unlink()
        except OSError:
            return False
        return True


def _fill(handle: int, size: int) -> None:
    # A file with a hole in it keeps nothing free.
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(handle, 0, size)
    else:
        os.write(handle, b"\0" * size)
        os.fsync(handle)
