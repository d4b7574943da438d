"""Everything that can go wrong between due and delivered; each message ends with the cure."""

from __future__ import annotations


class SchedulerError(Exception):
    """Base of this family: catch it to tell ours from a stranger's."""


class DatabaseUnavailable(SchedulerError):
    """The database cannot be reached, is locked, full or read-only. Exit code 69."""


class DatabaseFull(DatabaseUnavailable):
    """There is no room for what should be written down."""


class DatabaseOutdated(SchedulerError):
    """The schema is older or newer than this program. `course db upgrade` cures the first."""


class DatabaseDamaged(SchedulerError):
    """SQLite's own check found damage. Restore a backup."""


class ProviderMisconfigured(SchedulerError):
    """A provider's settings cannot work. Exit code 78."""


class NotGenuine(SchedulerError):
    """A report that whoever it names did not send, or not so; nothing of it is believed."""


class NotAllowed(SchedulerError):
    """An action that the enrollment's state does not allow; says which states do."""


class UnknownZone(SchedulerError):
    """No such time zone; the message names near ones."""
