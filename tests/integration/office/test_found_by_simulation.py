"""What chance found in simulated worlds, as small as it could be made."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import time, timedelta

import pytest

from scheduler.domain.delivery import DeliveryState
from scheduler.domain.enrollment import EnrollmentState
from scheduler.domain.provider import Deferred, Fault, Refused, Uncertain
from scheduler.domain.syllabus import LessonRef
from scheduler.errors import NotAllowed
from scheduler.store import Database
from scheduler.zones import zone
from tests.office import Office, a_syllabus, agreed


def test_restarting_an_older_round_keeps_one_rounds_hour_and_zone_together(db: Database):
    office = Office(db, a_syllabus("one", "two"))
    first = office.join(timezone="Pacific/Apia", hour=time(8))
    office.pass_time(timedelta(days=3))
    second = office.enrolling.restart(first, agreed("restart"))
    office.enrolling.set_pace(
        second.id, consent=agreed("settings"), timezone="Europe/Berlin", hour=time(7)
    )
    office.pass_time(timedelta(days=4))
    third = office.enrolling.restart(first, agreed("restart"))
    office.pass_time(timedelta(days=2))
    run = office.run(third.id)
    arrived = office.mornings(name=run.timezone)[-2]
    assert arrived.endswith(f"{run.cadence.hour:%H:%M}"), arrived


def test_who_left_gets_no_copy_because_somebody_typed_their_address_into_the_form(db: Database):
    office = Office(db)
    run = office.join()
    office.work()
    office.enrolling.leave(run, agreed("leave"))
    office.sleep(timedelta(days=2))
    assert office.sign_up() == run
    with pytest.raises(NotAllowed):
        office.enrolling.resend(run, "one")


def test_undoing_a_departure_brings_nothing_back_into_an_older_round_that_was_left(db: Database):
    office = Office(db)
    first = office.join()
    office.enrolling.leave(first, agreed("leave"))  # before its welcome left
    second = office.enrolling.restart(first, agreed("restart"))
    office.enrolling.leave(second.id, agreed("leave"))
    office.enrolling.rejoin(second.id, agreed("rejoin"))
    assert {row.state for row in office.deliveries(first).values()} == {"cancelled"}


def test_an_extra_copy_whose_lesson_was_renamed_does_not_come_under_the_new_name(db: Database):
    office = Office(db)
    run = office.join()
    office.letterbox.answers["one"] = Uncertain("it did arrive")
    office.work()
    office.sleep(timedelta(minutes=31))
    office.dispatcher.stopping = True
    office.work()  # decides: one more copy, and stops before sending it
    office.dispatcher.stopping = False
    assert office.deliveries(run)["one"].state is DeliveryState.DUE
    renamed = LessonRef("uno", 1, aliases=("one",))
    office.syllabus = replace(office.syllabus, lessons=(renamed, *office.syllabus.lessons[1:]))
    office.pass_time(timedelta(days=3))
    assert office.lessons() == ["two", "three"]
    assert office.deliveries(run)["one"].state is DeliveryState.SKIPPED


def test_an_extra_copy_withdrawn_by_leaving_keeps_its_date_and_name_when_it_comes_back(
    db: Database,
):
    office = Office(db)
    run = office.join()
    office.letterbox.answers["one"] = Uncertain("it did arrive")
    office.work()
    first = office.deliveries(run)["one"]
    office.sleep(timedelta(minutes=31))
    office.dispatcher.stopping = True
    office.work()
    office.dispatcher.stopping = False
    office.enrolling.leave(run, agreed("leave"))
    office.enrolling.rejoin(run, agreed("rejoin"))
    office.letterbox.answers.clear()
    office.pass_time(timedelta(days=2))
    again = office.deliveries(run)["one"]
    assert again.state is DeliveryState.ACCEPTED
    assert (again.dated_at, again.message_id) == (first.dated_at, first.message_id)


def test_a_refused_lesson_owed_again_comes_although_the_course_is_over_by_then(db: Database):
    office = Office(db, a_syllabus("one", "two"))
    run = office.join()
    office.letterbox.answers["one"] = Refused("5xx", Fault.POLICY)
    office.work()
    office.enrolling.skip(run, agreed("skip"))
    assert office.run(run).state is EnrollmentState.COMPLETED
    del office.letterbox.answers["one"]
    office.enrolling.requeue(office.deliveries(run)["one"].id)
    office.pass_time(timedelta(days=2))
    assert office.lessons() == ["one"]


def test_an_extra_copy_comes_although_the_course_is_over_by_then(db: Database):
    office = Office(db, a_syllabus("one", "two"))
    run = office.join()
    office.letterbox.answers["one"] = Uncertain("it was lost")
    office.work()
    office.enrolling.skip(run, agreed("skip"))
    assert office.run(run).state is EnrollmentState.COMPLETED
    del office.letterbox.answers["one"]
    office.pass_time(timedelta(days=1))
    assert office.lessons() == ["one"]


def test_a_lesson_of_a_finished_round_never_comes_beside_those_of_a_later_one(db: Database):
    office = Office(db, a_syllabus("one", "two"))
    run = office.join()
    office.letterbox.answers["one"] = Uncertain("it was lost")
    office.work()
    office.enrolling.skip(run, agreed("skip"))
    office.enrolling.restart(run, agreed("restart"))
    del office.letterbox.answers["one"]
    office.pass_time(timedelta(days=3))
    assert office.lessons() == ["one", "two"]
    old = office.deliveries(run)["one"]
    assert (old.state, old.verdict) == (DeliveryState.CANCELLED, "a later round took its place")
    with pytest.raises(NotAllowed, match="later round"):
        office.enrolling.requeue(old.id)


def test_who_resumes_after_a_lesson_failed_gets_that_lesson_next(db: Database):
    office = Office(db, a_syllabus("one", "two"))
    run = office.join()
    office.letterbox.answers["one"] = Refused("5xx", Fault.POLICY)
    office.work()
    assert office.run(run).state is EnrollmentState.PAUSED
    del office.letterbox.answers["one"]
    office.enrolling.resume(run, agreed("resume"))
    office.pass_time(timedelta(days=3))
    assert office.lessons() == ["one", "two"]


@pytest.fixture
def refused_late(db: Database) -> tuple[Office, int]:
    """Lesson one was in doubt, the next was asked for, and then one turned out not taken."""
    office = Office(db)
    run = office.join()
    office.letterbox.answers["one"] = Uncertain("the worker was frozen")
    office.work()
    del office.letterbox.answers["one"]
    office.sleep(timedelta(minutes=1))
    office.enrolling.next_now(run, agreed("next"))
    frozen = office.deliveries(run)["one"]
    answer = Deferred("421 not taken", after=timedelta(minutes=5))
    office.dispatcher._settler.settle([(frozen.id, answer)], {frozen.id: frozen}, Counter())
    states = {key: row.state for key, row in office.deliveries(run).items()}
    assert (states["one"], states["two"]) == (DeliveryState.WAITING, DeliveryState.DUE)
    return office, run


def test_a_lesson_that_was_not_taken_after_all_gives_way_to_the_one_asked_for_meanwhile(
    refused_late: tuple[Office, int],
):
    office, _ = refused_late
    office.work()
    office.pass_time(timedelta(days=4))
    assert office.lessons() == ["two", "one", "three"]
    assert office.mornings() == ["Mon 23 09:01", "Tue 24 07:00", "Wed 25 07:00"]


def test_of_two_lessons_that_may_leave_at_once_the_earlier_does(
    refused_late: tuple[Office, int],
):
    office, run = refused_late
    office.enrolling.next_now(run, agreed("next"))
    office.work()
    assert office.lessons() == ["one"]
    office.pass_time(timedelta(days=4))
    assert office.lessons() == ["one", "two", "three"]
    assert office.mornings() == ["Mon 23 09:01", "Tue 24 07:00", "Wed 25 07:00"]


def test_what_takes_the_place_of_a_lesson_renamed_while_it_waited_wakes_nobody(db: Database):
    office = Office(db)
    office.join()
    office.work()
    office.letterbox.answers["two"] = Deferred("451 later", after=timedelta(hours=20))
    office.pass_time(timedelta(hours=30))  # Tuesday 15:00: two waits until Wednesday 03:00
    renamed = LessonRef("zwei", 2, aliases=("two",))
    office.syllabus = replace(
        office.syllabus, lessons=(office.syllabus.lessons[0], renamed, office.syllabus.lessons[2])
    )
    office.pass_time(timedelta(days=3))
    assert office.lessons() == ["one", "zwei", "three"]
    assert office.mornings() == ["Mon 23 09:00", "Wed 25 07:00", "Thu 26 07:00"]


def stop_after(office: Office, point: str) -> None:
    """The worker is told to stop once it has got so far."""

    def passed(reached: str) -> None:
        if reached == point:
            office.dispatcher.stopping = True

    office.db.crash_point = passed


def back_an_hour_later(office: Office) -> None:
    office.sleep(timedelta(hours=1))
    office.dispatcher.stopping = False
    office.db.crash_point = lambda _: None
    office.work()


def until_half_past_nine_in_the_evening(office: Office) -> timedelta:
    local = office.clock.now().astimezone(zone("Europe/Berlin"))
    return local.replace(hour=21, minute=30) - local


def test_what_takes_the_place_of_a_lesson_removed_in_the_evening_wakes_nobody(db: Database):
    office = Office(db)
    office.join()
    office.work()
    office.letterbox.answers["two"] = Deferred("451 later", Fault.MAILBOX)
    office.pass_time(timedelta(days=1))
    office.sleep(until_half_past_nine_in_the_evening(office))
    one, _, three = office.syllabus.lessons
    office.syllabus = replace(office.syllabus, lessons=(one, replace(three, position=2)))
    stop_after(office, "withdraw: after commit")
    office.work()
    back_an_hour_later(office)
    assert office.lessons() == ["one"]
    office.pass_time(timedelta(days=1))
    assert office.mornings() == ["Mon 23 09:00", "Wed 25 07:00"]


def test_a_lesson_planned_late_in_the_evening_wakes_nobody_later_on(db: Database):
    office = Office(db)
    office.join()
    office.work()
    office.sleep(timedelta(days=1))
    office.sleep(until_half_past_nine_in_the_evening(office))
    stop_after(office, "plan: after commit")
    office.work()
    assert [d.state for d in office.deliveries(1).values() if d.key == "two"] == ["due"]
    back_an_hour_later(office)
    assert office.lessons() == ["one"]
    office.pass_time(timedelta(days=1))
    assert office.mornings() == ["Mon 23 09:00", "Wed 25 07:00"]


def test_an_extra_copy_decided_on_in_the_evening_wakes_nobody_later_on(db: Database):
    office = Office(db)
    run = office.join()
    office.letterbox.answers["one"] = Uncertain("it was lost")
    office.work()
    office.sleep(until_half_past_nine_in_the_evening(office))
    stop_after(office, "resolve: after commit")
    office.work()
    assert office.deliveries(run)["one"].state is DeliveryState.DUE
    office.letterbox.answers.clear()
    back_an_hour_later(office)
    assert office.lessons() == []
    office.pass_time(timedelta(days=1))
    assert office.mornings() == ["Tue 24 07:00"]
