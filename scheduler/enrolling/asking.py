"""People ask for a course at the form: new, waiting, learning, gone, or never to be written to.

All get the same answer for the same work: one transaction that asks the database the same
questions and reaches the disk, whoever they are. Signups that come at once share one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, time, timedelta
from typing import Literal

from scheduler import zones
from scheduler.domain.delivery import CONFIRM, LINKS, original_key
from scheduler.domain.enrollment import Enrollment, EnrollmentEvent, EnrollmentState
from scheduler.domain.learner import Consent, Learner
from scheduler.domain.syllabus import Cadence
from scheduler.enrolling.desk import ERASED, Desk, new_letter, with_pace
from scheduler.rules import letters, progress
from scheduler.store import Tx, asking, ledger, people
from scheduler.store.asking import Letter, Newcomer, NewRound
from scheduler.store.ledger import NewDelivery

_LEARNING = (EnrollmentState.ACTIVE, EnrollmentState.PAUSED)


@dataclass(frozen=True, slots=True)
class SignUp:
    """What a signup came to. The public answer is the same for all of them."""

    enrollment_id: int | None
    outcome: Literal["created", "again", "known", "suppressed", "limited"]


@dataclass(frozen=True, slots=True)
class Asked:
    """One form that was sent; None takes the course's own."""

    course: str
    address: str
    consent: Consent
    first_name: str = ""
    timezone: str | None = None
    hour: time | None = None
    weekdays: frozenset[int] | None = None
    language: str = "en"


@dataclass(frozen=True, slots=True)
class _Wish:
    """The same, made ready for the database."""

    address: str
    #: The address made comparable, and its keyed hash.
    key: str
    hashed: str
    course: str
    first_name: str
    timezone: str
    cadence: Cadence
    language: str
    consent: Consent


@dataclass(slots=True)
class _Batch:
    """What one transaction knows of its people, and what it is to write for them."""

    now: datetime
    learners: dict[str, Learner]
    runs: dict[int, list[Enrollment]] = field(default_factory=dict)
    letters: dict[int, list[Letter]] = field(default_factory=dict)
    changed: list[Enrollment] = field(default_factory=list)
    owed: list[NewDelivery] = field(default_factory=list)

    @property
    def ids(self) -> list[int]:
        """The learners."""
        return [learner.id for learner in self.learners.values()]

    def take(self, runs: Sequence[Enrollment]) -> None:
        """Sort these runs to their learners."""
        for run in runs:
            self.runs.setdefault(run.learner_id, []).append(run)

    def latest(self, wish: _Wish) -> Enrollment | None:
        """The newest run of that person through that course."""
        found = [
            run
            for run in self.runs.get(self.learners[wish.key].id, [])
            if run.course == wish.course
        ]
        return max(found, key=lambda run: run.round, default=None)


class Asking(Desk):
    """How people ask for a course."""

    def sign_up(
        self,
        course: str,
        address: str,
        *,
        consent: Consent,
        first_name: str = "",
        timezone: str | None = None,
        hour: time | None = None,
        weekdays: frozenset[int] | None = None,
        language: str = "en",
    ) -> SignUp:
        """Begin a run that waits for confirmation, or remind the person of the one they have.

        A wrong zone never fails a signup: the course's own is taken. Raises
        `NotAllowed` only for a course that does not exist.
        """
        asked = Asked(course, address, consent, first_name, timezone, hour, weekdays, language)
        return self.sign_up_all([asked])[0]

    def sign_up_all(self, asked: Sequence[Asked]) -> list[SignUp]:
        """The same for many at once, in one transaction, unless somebody is among them twice."""
        answers: dict[int, SignUp] = {}
        waiting = list(enumerate(map(self._ready, asked)))
        while waiting:
            turn = {wish.key: (number, wish) for number, wish in reversed(waiting)}
            numbers, wishes = zip(*turn.values(), strict=True)
            answers |= zip(numbers, self._take_in(wishes), strict=True)
            waiting = [(number, wish) for number, wish in waiting if number not in answers]
        self.wake()
        return [answers[number] for number in range(len(asked))]

    def _ready(self, asked: Asked) -> _Wish:
        syllabus = self._syllabus(asked.course)
        return _Wish(
            address=asked.address,
            key=people.address_key(asked.address),
            hashed=self._hash(asked.address),
            course=asked.course,
            first_name=asked.first_name,
            timezone=zones.canonical(asked.timezone or "", syllabus.timezone),
            cadence=with_pace(syllabus.cadence, asked.hour, asked.weekdays),
            language=asked.language,
            consent=asked.consent,
        )

    def _take_in(self, wishes: Sequence[_Wish]) -> list[SignUp]:
        """Every statement is made whoever asks; only the rows differ."""
        now = self._clock.now()
        with self._db.write("sign up") as tx:
            hashes = [wish.hashed for wish in wishes]
            # Whoever was erased and signs up anew is let in again.
            people.lift(tx, hashes, reason=ERASED)
            barred = people.suppressed(tx, hashes)
            heard = [wish for wish in wishes if wish.hashed not in barred]
            known = self._meet(tx, heard, now)
            begun = self._begin(tx, known, heard)
            answers = {wish.key: self._answer(known, wish, begun) for wish in heard}
            people.save_enrollments(tx, known.changed, always=True)
            ledger.owe(tx, known.owed, now, always=True)
            people.add_consents(
                tx,
                [
                    (known.learners[wish.key].id, answers[wish.key].enrollment_id, wish.consent)
                    for wish in heard
                ],
                always=True,
            )
            # Else only a signup that may not be heard would leave the disk alone, and be quicker.
            people.set_meta(tx, "last signup", now.isoformat())
        return [answers.get(wish.key, SignUp(None, "suppressed")) for wish in wishes]

    def _meet(self, tx: Tx, wishes: Sequence[_Wish], now: datetime) -> _Batch:
        """Who they are, with all their runs and letters; newcomers are written down."""
        newcomers = {
            w.key: Newcomer(w.address, w.first_name, w.timezone, w.language) for w in wishes
        }
        known = _Batch(now, asking.come_in(tx, newcomers, now))
        known.take(asking.runs_of(tx, known.ids))
        numbers = [run.id for runs in known.runs.values() for run in runs]
        for letter in asking.letters_of(tx, numbers):
            known.letters.setdefault(letter.enrollment_id, []).append(letter)
        names = {}
        for wish in wishes:
            learner, run = known.learners[wish.key], known.latest(wish)
            # A name typed by a stranger does not rename somebody who learns.
            theirs = run is None or run.state not in _LEARNING
            if theirs and wish.first_name and wish.first_name != learner.first_name:
                names[learner.id] = wish.first_name
        asking.rename(tx, names)
        return known

    def _begin(self, tx: Tx, known: _Batch, wishes: Sequence[_Wish]) -> set[int]:
        """The ids of the runs begun here, for those who have none that could go on."""
        rounds = []
        for wish in wishes:
            run = known.latest(wish)
            if run is None or (run.completed_at is not None and run.state not in _LEARNING):
                rounds.append(
                    NewRound(
                        learner_id=known.learners[wish.key].id,
                        course=wish.course,
                        round=1 if run is None else run.round + 1,
                        timezone=wish.timezone,
                        cadence=wish.cadence,
                        last_sent_at=None if run is None else run.last_sent_at,
                    )
                )
        begun = asking.begin(tx, rounds, known.now)
        if len(begun) < len(rounds):  # a twin in another program was faster: its run is ours
            known.runs.clear()
            known.take(asking.runs_of(tx, known.ids))
        else:
            known.take(begun)
        return {one.id for one in begun}

    def _answer(self, known: _Batch, wish: _Wish, begun: set[int]) -> SignUp:
        run = known.latest(wish)
        if run is None:  # pragma: no cover - either it was begun here, or a twin has begun it
            return SignUp(None, "again")
        if run.state in _LEARNING:
            sent = self._letter(known, wish, run, LINKS, every=self._settings.links_every)
            return SignUp(run.id, "known" if sent else "limited")
        if run.id not in begun:
            if run.state is EnrollmentState.STOPPED:
                run = progress.apply(run, EnrollmentEvent.SIGNED_UP, known.now)
            run = replace(run, timezone=wish.timezone, cadence=wish.cadence)
            known.changed.append(run)
        if not self._letter(
            known,
            wish,
            run,
            CONFIRM,
            every=self._settings.confirm_every,
            per_day=self._settings.confirms_per_day,
        ):
            return SignUp(run.id, "limited")
        return SignUp(run.id, "created" if run.id in begun else "again")

    def _letter(
        self,
        known: _Batch,
        wish: _Wish,
        run: Enrollment,
        letter: str,
        *,
        every: timedelta,
        per_day: int | None = None,
    ) -> bool:
        """Owe one more copy, within the limits of this run and of the address; False beyond."""
        learner = known.learners[wish.key]
        all_runs = known.runs.get(learner.id, [])
        sent = [
            one
            for other in all_runs
            for one in known.letters.get(other.id, [])
            if original_key(one.key) == letter
        ]
        here = [
            one.created_at for one in sent if (one.enrollment_id, one.round) == (run.id, run.round)
        ]
        anywhere = [one.created_at for one in sent]
        if not letters.may_owe(here, anywhere, known.now, every=every, per_day=per_day):
            return False
        key = letters.copy_key(letter, len(here))
        known.owed.append(new_letter(run, learner, key, known.now))
        return True
