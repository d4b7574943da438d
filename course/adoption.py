"""The database remembers the deployment it belongs to; elsewhere it sends nothing until adopted.

A restored backup or a cloned machine must not write to people a second time on its own
(a copy cannot know what the original has sent since), and neither must a clock that was set
far ahead. A first start, an ordinary restart and any length of downtime hold nothing back.
"""

from __future__ import annotations

from datetime import datetime
from urllib.parse import urlsplit

from course.settings.kinds import is_loopback
from scheduler.brake import BurstBrake
from scheduler.clock import Clock
from scheduler.domain.enrollment import EnrollmentState
from scheduler.store import Database, Tx, people, reports

#: meta: the deployment (see `identity`) this database sends for.
DEPLOYMENT = "deployment"
#: meta: why sending waits for a person; empty or missing when it does not.
REVIEW = "review"
#: meta: when a person last looked and let it send.
REVIEWED_AT = "reviewed_at"

_WAITING_ON_US = (EnrollmentState.ACTIVE, EnrollmentState.PAUSED, EnrollmentState.PENDING)


def identity(base_url: str) -> str:
    """What makes a deployment the same one: host and path of its address.

    All loopback addresses are one deployment, whatever the port: they reach nobody else.
    """
    parts = urlsplit(base_url)
    if is_loopback(parts.hostname or ""):
        return "this machine only"
    port = f":{parts.port}" if parts.port and parts.port not in (80, 443) else ""
    return f"{parts.hostname}{port}{parts.path.rstrip('/')}"


def held(tx: Tx, base_url: str) -> str:
    """Why nothing may be sent, ending with the cure; empty when all is well."""
    if reason := people.get_meta(tx, REVIEW):
        return f"{reason}; look at `course plan`, then let it send with `course adopt`"
    owner = people.get_meta(tx, DEPLOYMENT)
    if not owner or owner == identity(base_url):
        return ""
    return (
        f"this database belongs to {owner}, and BASE_URL says {identity(base_url)}; if it moved"
        " here for good and the old place sends no more: `course adopt`"
    )


def settle_in(db: Database, base_url: str) -> str:
    """Remember the deployment at the first start, or when nobody would be written to.

    Returns why nothing may be sent, as `held` does.
    """
    with db.read() as tx:
        reason = held(tx, base_url)
        remembered = people.get_meta(tx, DEPLOYMENT)
        nobody = reason and not people.get_meta(tx, REVIEW) and not _anybody(tx)
    if not remembered or nobody:
        with db.write() as tx:
            people.set_meta(tx, DEPLOYMENT, identity(base_url))
            return held(tx, base_url)
    return reason


def adopt(tx: Tx, base_url: str, now: datetime) -> None:
    """From now on this database sends for this deployment, whatever it was before."""
    people.set_meta(tx, DEPLOYMENT, identity(base_url))
    people.set_meta(tx, REVIEW, "")
    people.set_meta(tx, REVIEWED_AT, now.isoformat())


def stop(tx: Tx, reason: str) -> None:
    """Send nothing more until a person has looked; the first reason stays."""
    if not people.get_meta(tx, REVIEW):
        people.set_meta(tx, REVIEW, reason)


def reviewed_at(tx: Tx) -> datetime | None:
    """When a person last let it send (aware UTC); None if nobody ever had to."""
    at = people.get_meta(tx, REVIEWED_AT)
    return datetime.fromisoformat(at) if at else None


class Hold:
    """Why nothing may be sent now; asked before each pass, so agreeing needs no restart.

    Watches the clock of the running program too: one set far ahead is not believed until a
    person has looked.
    """

    def __init__(self, db: Database, clock: Clock, base_url: str) -> None:
        self._db = db
        self._base_url = base_url
        self._brake = BurstBrake(clock)

    def __call__(self) -> str:
        """The reason, ending with the cure; empty when all is well."""
        if jump := self._brake.jumped():
            hours = f"{jump.total_seconds() / 3600:,.0f} hours"
            reason = (
                f"the clock was set {hours} ahead while the program ran"
                f" (last believed: {self._brake.since():%Y-%m-%d %H:%M} UTC)"
            )
            with self._db.write() as tx:
                people.set_meta(tx, REVIEW, reason)
            self._brake.agree()
        with self._db.read() as tx:
            return held(tx, self._base_url)


def _anybody(tx: Tx) -> bool:
    return any(reports.search_learners(tx, state=state, limit=1) for state in _WAITING_ON_US)
