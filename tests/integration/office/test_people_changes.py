"""People change their minds: leave and come back, begin again, go on after the end."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from scheduler.domain.delivery import DeliveryState
from scheduler.domain.enrollment import EnrollmentState
from scheduler.domain.provider import Deferred
from scheduler.enrolling import NewPerson
from scheduler.errors import NotAllowed
from scheduler.rules.suppression import address_hash
from scheduler.store import Database, people
from tests.office import SALT, Office, a_syllabus, agreed, with_follow_up

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
LATER = "@followup-day-12"


@pytest.fixture
def office(db: Database) -> Office:
    return Office(db)


def leave(office: Office, run: int) -> None:
    office.enrolling.leave(run, agreed("leave"))


def undo(office: Office, run: int) -> None:
    office.enrolling.rejoin(run, agreed("restart"))
    office.work()


def suppress(office: Office, which: str = "ada@example.com") -> None:
    hashed = address_hash(SALT, people.address_key(which))
    with office.db.write() as tx:
        people.suppress(tx, hashed, reason="left", source="test", now=office.clock.now())


# -- leaving, and taking it back -----------------------------------------------------------------


def test_a_welcome_that_had_not_left_comes_after_all(office):
    run = office.join()
    leave(office, run)
    office.work()
    assert office.mails() == []
    undo(office, run)
    office.pass_time(DAY)
    assert office.mails()[:1] == ["@welcome"]
    assert office.lessons() == ["one"]
    assert office.mails().count("@welcome") == 1


def test_undoing_without_a_welcome_writes_none(office):
    """An import brings no welcome; leaving and undoing must not make one up."""
    person = NewPerson("ada@example.com")
    [answer] = office.enrolling.enroll("c", [person], consent=agreed("import"))
    leave(office, answer.enrollment_id)
    undo(office, answer.enrollment_id)
    office.pass_time(2 * DAY)
    assert office.mails() == ["one", "two"]


def test_a_closing_letter_that_had_not_left_comes_after_all(db):
    office = Office(db, with_follow_up(a_syllabus("one"), LATER, 12))
    office.letterbox.answers["@completed"] = Deferred("451 later")
    run = office.join()
    office.work()
    assert office.run(run).state is EnrollmentState.COMPLETED
    leave(office, run)
    office.letterbox.answers.clear()
    office.clock.advance(HOUR)
    undo(office, run)
    assert office.mails()[-1] == "@completed"
    office.pass_time(13 * DAY)
    assert office.mails()[-1] == LATER
    assert office.letterbox.posted[-1].at.isoformat() == "2026-12-05T06:00:00+00:00"


def test_a_follow_up_whose_day_has_passed_is_left_out(db):
    office = Office(db, with_follow_up(a_syllabus("one"), LATER, 12))
    run = office.join()
    office.work()
    leave(office, run)
    office.sleep(20 * DAY)
    undo(office, run)
    office.pass_time(DAY)
    assert LATER not in office.mails()


def test_a_follow_up_gives_way_to_that_of_a_new_round(db):
    """Three questions about a course that is being taken again would come too early."""
    office = Office(db, with_follow_up(a_syllabus("one", "two"), LATER, 12))
    office.join()
    office.pass_time(2 * DAY)
    second = office.join()
    office.pass_time(12 * DAY)
    assert office.run(second).state is EnrollmentState.COMPLETED
    assert LATER not in office.mails()
    office.pass_time(2 * DAY)
    assert office.mails().count(LATER) == 1


def test_a_follow_up_gives_way_when_staff_begin_a_new_round(db):
    office = Office(db, with_follow_up(a_syllabus("one", "two"), LATER, 12))
    first = office.join()
    office.pass_time(2 * DAY)
    office.enrolling.restart(first, agreed("restart"))
    assert office.deliveries(first)[LATER].state is DeliveryState.CANCELLED
    assert office.deliveries(first)["@completed"].state is DeliveryState.ACCEPTED


def test_a_signup_nobody_confirms_takes_no_follow_up_away(db):
    office = Office(db, with_follow_up(a_syllabus("one"), LATER, 12))
    office.join()
    office.work()
    office.sign_up()
    office.pass_time(13 * DAY)
    assert LATER in office.mails()


def test_a_copy_that_staff_had_asked_for_comes_after_all(office):
    run = office.join()
    office.work()
    office.enrolling.resend(run, "one")
    leave(office, run)
    undo(office, run)
    assert office.mails()[-1] == "@again-1:one"


def test_answers_to_an_old_form_do_not_come_back(office):
    run = office.join()
    office.work()
    office.sign_up()
    leave(office, run)
    undo(office, run)
    assert "@links" not in office.mails()


def test_what_was_withdrawn_for_another_reason_stays_withdrawn(office):
    run = office.join()
    office.enrolling.remove(run, agreed("staff"))
    assert office.deliveries(run)["@welcome"].state is DeliveryState.CANCELLED
    with pytest.raises(NotAllowed, match="only leaving can be undone"):
        undo(office, run)
    office.join()
    office.work()
    assert office.mails().count("@welcome") == 1


def test_an_unconfirmed_signup_that_leaves_and_undoes_is_asked_once(office):
    run = office.sign_up()
    leave(office, run)
    undo(office, run)
    assert office.mails() == ["@confirm"]
    leave(office, run)
    undo(office, run)
    assert office.mails() == ["@confirm"]
    assert office.run(run).state is EnrollmentState.PENDING


# -- signing up again ------------------------------------------------------------------------------


def test_who_left_and_signs_up_again_gets_nothing_before_confirming_anew(office):
    run = office.join()
    office.work()
    leave(office, run)
    office.sleep(DAY)
    assert office.sign_up() == run
    office.pass_time(3 * DAY)
    assert office.lessons() == ["one"]
    assert office.mails()[-1] == "@confirm-2"
    office.enrolling.confirm(run, agreed("confirm"))
    office.pass_time(3 * DAY)
    assert office.lessons() == ["one", "two", "three"]
    assert office.run(run).round == 1


def test_who_finished_and_signs_up_again_is_asked_first_and_keeps_the_first_round(office):
    first = office.join()
    office.pass_time(3 * DAY)
    second = office.sign_up()
    office.pass_time(3 * DAY)
    assert second != first
    assert office.lessons() == ["one", "two", "three"]
    assert office.mails()[-1] == "@confirm"
    office.enrolling.confirm(second, agreed("confirm"))
    office.pass_time(DAY)
    assert office.lessons()[3:] == ["one", "two"]
    assert (office.run(second).round, office.run(first).state) == (2, EnrollmentState.COMPLETED)


# -- beginning again -------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["active", "completed", "stopped"])
def test_a_suppressed_address_is_not_restarted_and_the_cure_is_named(office, state):
    run = office.join()
    office.work()
    if state == "completed":
        office.pass_time(3 * DAY)
    elif state == "stopped":
        leave(office, run)
    suppress(office)
    before = office.run(run)
    with pytest.raises(NotAllowed, match="course learners readdress"):
        office.enrolling.restart(run, agreed("restart"))
    assert office.run(run) == before


def test_after_moving_away_from_a_suppressed_address_restarting_works(office):
    run = office.join()
    office.work()
    suppress(office)
    learner = office.run(run).learner_id
    office.enrolling.readdress(learner, "ada@example.net", agreed("address"))
    office.enrolling.restart(run, agreed("restart"))
    office.pass_time(DAY)
    assert office.lessons("ada@example.net") == ["one"]


# -- lessons after the end -------------------------------------------------------------------------


@pytest.fixture
def finished(db: Database) -> tuple[Office, int]:
    """A completed run whose follow-up is still to come."""
    office = Office(db, with_follow_up(a_syllabus("one", "two"), LATER, 12))
    run = office.join()
    office.pass_time(3 * DAY)
    assert office.run(run).state is EnrollmentState.COMPLETED
    return office, run


def append(office: Office, *keys: str) -> None:
    office.syllabus = replace(office.syllabus, lessons=a_syllabus(*keys).lessons)


def test_reopening_brings_the_new_lessons_one_a_morning_and_then_the_end_again(finished):
    office, run = finished
    append(office, "one", "two", "three", "four")
    office.pass_time(DAY)
    assert office.lessons() == ["one", "two"]
    office.enrolling.reopen(run, agreed("staff"))
    office.pass_time(3 * DAY)
    assert office.lessons() == ["one", "two", "three", "four"]
    assert office.mornings()[2:] == ["Sat 28 07:00", "Sun 29 07:00"]
    assert office.run(run).state is EnrollmentState.COMPLETED
    assert office.mails().count("@completed") == 1


def test_a_follow_up_counts_from_the_new_end(finished):
    office, run = finished
    append(office, "one", "two", "three")
    office.enrolling.reopen(run, agreed("staff"))
    office.pass_time(20 * DAY)
    assert office.mails().count(LATER) == 1
    last = office.letterbox.posted[-1]
    assert (last.key, last.at.isoformat()) == (LATER, "2026-12-09T06:00:00+00:00")


def test_a_reopened_run_that_leaves_and_undoes_is_not_taken_for_completed(finished):
    office, run = finished
    append(office, "one", "two", "three")
    office.enrolling.reopen(run, agreed("staff"))
    leave(office, run)
    undo(office, run)
    assert office.run(run).state is EnrollmentState.ACTIVE
    # Reopening has withdrawn it, not leaving: it waits for the new end.
    assert office.deliveries(run)[LATER].state is DeliveryState.CANCELLED
    office.pass_time(DAY)
    assert office.lessons()[-1] == "three"


@pytest.mark.parametrize("why", ["nothing new", "a later round", "suppressed", "not completed"])
def test_what_cannot_be_reopened_is_told_why(finished, why):
    office, run = finished
    append(office, "one", "two", "three")
    said = {
        "nothing new": "no lesson was appended",
        "a later round": "a later round",
        "suppressed": "readdress",
        "not completed": "completed",
    }[why]
    match why:
        case "nothing new":
            append(office, "one", "two")
        case "a later round":
            office.join()
        case "suppressed":
            suppress(office)
        case "not completed":
            run = office.join("bea@example.com")
    before = office.run(run)
    with pytest.raises(NotAllowed, match=said):
        office.enrolling.reopen(run, agreed("staff"))
    assert office.run(run) == before


# -- lessons that go away --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "state"), [("plan", DeliveryState.DUE), ("claim", DeliveryState.CLAIMED)]
)
def test_a_lesson_removed_once_it_is_due_gives_way_the_same_morning(office, step, state):
    run = office.join()
    office.work()
    found: list[DeliveryState] = []

    def remove(at: str) -> None:
        two = office.deliveries(run).get("two")
        if at == f"{step}: after commit" and two is not None and not found:
            found.append(two.state)
            office.syllabus = a_syllabus("one", "three")

    office.db.crash_point = remove
    office.pass_time(DAY)
    assert found == [state]
    assert office.deliveries(run)["two"].state is DeliveryState.CANCELLED
    assert office.lessons() == ["one", "three"]
    assert office.mornings()[1:] == ["Tue 24 07:00"]
