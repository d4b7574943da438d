"""The enrolling desk: all that people, staff and imports may do to an enrollment.

Writes down what is owed and never sends: a letter or lesson is a row in the
ledger, and whoever drives the dispatcher is woken after the commit. Every method
is one transaction. Raises `NotAllowed` where an enrollment's state forbids the wish.
"""

from scheduler.enrolling.asking import Asked, Asking, SignUp
from scheduler.enrolling.desk import EnrollingSettings
from scheduler.enrolling.easing import Easing
from scheduler.enrolling.joining import Confirmed, Enrolled, Joining, NewPerson
from scheduler.enrolling.leaving import Leaving
from scheduler.enrolling.moving import Move, Moving, may_ask
from scheduler.enrolling.naming import Naming
from scheduler.enrolling.noting import NOTE_LIMIT, Noting, as_kept
from scheduler.enrolling.pacing import Pacing
from scheduler.enrolling.reminding import Reminding
from scheduler.enrolling.rounds import Rounds
from scheduler.enrolling.ticking import Ticking

__all__ = [
    "NOTE_LIMIT",
    "Asked",
    "Confirmed",
    "Enrolled",
    "Enrolling",
    "EnrollingSettings",
    "Move",
    "NewPerson",
    "SignUp",
    "as_kept",
    "may_ask",
]


class Enrolling(
    Asking, Joining, Pacing, Easing, Rounds, Ticking, Noting, Naming, Moving, Leaving, Reminding
):
    """One desk, eleven clerks."""
