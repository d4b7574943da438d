"""A course from signup to the completed letter, on both databases."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime, time, timedelta

import pytest

from scheduler.domain.delivery import DeliveryState
from scheduler.domain.enrollment import EnrollmentState
from scheduler.domain.message import Unfit
from scheduler.domain.provider import Deferred
from scheduler.domain.syllabus import WEEKDAYS, LessonRef, Readiness
from scheduler.enrolling import NewPerson
from scheduler.errors import NotAllowed
from scheduler.rules.suppression import address_hash
from scheduler.store import Database, ledger, people, ticks
from tests.office import SALT, Office, a_syllabus, agreed, with_follow_up

DAY = timedelta(days=1)


@pytest.fixture
def office(db: Database) -> Office:
    return Office(db)


def test_one_lesson_a_morning_at_the_learners_hour_until_the_completed_letter(office):
    run = office.sign_up(hour=time(7, 30))
    office.work()
    assert office.mails() == ["@confirm"]
    office.enrolling.confirm(run, agreed("confirm"))
    office.work()
    assert office.mails() == ["@confirm", "@welcome", "one"]
    office.pass_time(3 * DAY)
    assert office.mails()[2:] == ["one", "two", "three", "@completed"]
    assert office.mornings() == ["Mon 23 09:00", "Tue 24 07:30", "Wed 25 07:30"]
    assert office.run(run).state is EnrollmentState.COMPLETED


def test_an_unconfirmed_address_gets_nothing_but_the_confirmation(office):
    run = office.sign_up()
    office.pass_time(8 * DAY)
    assert office.mails() == ["@confirm"]
    assert (office.run(run).state, office.run(run).reason) == (EnrollmentState.STOPPED, "expired")


def test_confirming_twice_changes_nothing(office):
    run = office.join()
    office.work()
    assert office.enrolling.confirm(run, agreed("confirm")).already
    office.work()
    assert office.mails() == ["@confirm", "@welcome", "one"]


def test_each_learner_has_their_own_morning(office):
    for address, name in (("k@example.com", "Asia/Tokyo"), ("a@example.com", "America/Lima")):
        office.join(address, timezone=name, hour=time(7))
    office.pass_time(3 * DAY)
    assert [m[-5:] for m in office.mornings("k@example.com", "Asia/Tokyo")[1:]] == ["07:00"] * 2
    assert [m[-5:] for m in office.mornings("a@example.com", "America/Lima")[1:]] == ["07:00"] * 2


def test_friday_then_monday(office):
    office.sleep(4 * DAY)
    office.join(weekdays=WEEKDAYS)
    office.work()
    office.pass_time(4 * DAY)
    assert office.mornings() == ["Fri 27 09:00", "Mon 30 07:00", "Tue 01 07:00"]


def test_a_missed_morning_is_sent_once_at_noon(office):
    office.join()
    office.work()
    office.sleep(timedelta(hours=27))
    office.work()
    office.work()
    assert office.mornings() == ["Mon 23 09:00", "Tue 24 12:00"]


def test_ten_days_down_shift_the_course_and_never_burst(office):
    office.join()
    office.work()
    office.sleep(10 * DAY)
    office.work()
    office.pass_time(3 * DAY)
    assert office.mornings() == ["Mon 23 09:00", "Thu 03 09:00", "Fri 04 07:00"]


def test_a_morning_missed_until_midnight_does_not_wake_the_learner(office):
    office.join()
    office.work()
    office.sleep(timedelta(hours=38))  # Tuesday 23:00
    office.work()
    office.pass_time(DAY)
    assert office.mornings() == ["Mon 23 09:00", "Wed 25 07:00"]


@pytest.mark.parametrize("hours", [1, 5, 8, 14])
def test_a_slot_that_came_out_wrong_still_brings_no_second_lesson_that_day(office, hours):
    run = office.join()
    office.work()
    office.sleep(timedelta(hours=hours))
    with office.db.write() as tx:  # as a bug or a restored row would leave it
        people.save_enrollment(tx, replace(office.run(run), next_due_at=office.clock.now()))
    office.work()
    assert office.lessons() == ["one"]
    office.pass_time(DAY)
    assert office.mornings() == ["Mon 23 09:00", "Tue 24 07:00"]


def test_follow_ups_come_on_their_day_at_the_learners_hour(db):
    office = Office(db, with_follow_up(a_syllabus("one"), "@followup-day-12", 7))
    office.join()
    office.work()
    office.pass_time(8 * DAY)
    posted = office.letterbox.posted[-1]
    assert posted.key == "@followup-day-12"
    assert posted.at.isoformat() == "2026-11-30T06:00:00+00:00"


def test_a_follow_up_waits_for_one_of_the_learners_days(db):
    """Seven days after a Monday is no weekend; five days after it is."""
    office = Office(db, with_follow_up(a_syllabus("one"), "@followup-soon", 5))
    office.join(weekdays=frozenset(range(5)))
    office.work()
    office.pass_time(8 * DAY)
    assert office.letterbox.posted[-1].at.isoformat() == "2026-11-30T06:00:00+00:00"


# -- pausing, pace, leaving --------------------------------------------------------------------


def test_a_pause_holds_everything_and_resuming_waits_for_the_next_slot(office):
    run = office.join()
    office.work()
    office.enrolling.pause(run, consent=agreed("pause"))
    office.pass_time(5 * DAY)
    assert office.lessons() == ["one"]
    office.enrolling.resume(run, agreed("resume"))
    office.work()
    assert office.lessons() == ["one"]
    office.pass_time(DAY)
    assert office.mornings() == ["Mon 23 09:00", "Sun 29 07:00"]


def test_a_pause_until_a_date_ends_by_itself(office):
    run = office.join()
    office.work()
    office.enrolling.pause(
        run, consent=agreed("pause"), until=office.clock.now() + timedelta(days=3)
    )
    office.pass_time(4 * DAY)
    assert office.mornings() == ["Mon 23 09:00", "Fri 27 07:00"]


def test_a_lesson_already_owed_waits_out_the_pause(office):
    run = office.join()
    office.work()
    office.sleep(timedelta(hours=22, minutes=30))
    office.dispatcher.stopping = True  # planned, not sent
    office.dispatcher._planner.plan(Counter(), 500)
    office.dispatcher.stopping = False
    office.enrolling.pause(run, consent=agreed("pause"))
    office.pass_time(DAY)
    assert office.lessons() == ["one"]
    office.enrolling.resume(run, agreed("resume"))
    office.pass_time(2 * DAY)
    assert office.mornings()[1:] == ["Thu 26 07:00", "Fri 27 07:00"]


def test_changing_hour_and_zone_never_brings_a_second_lesson_that_day(office):
    run = office.join()
    office.work()
    office.enrolling.set_pace(
        run, consent=agreed("settings"), hour=time(18), timezone="Asia/Calcutta"
    )
    assert office.run(run).timezone == "Asia/Kolkata"
    office.pass_time(2 * DAY)
    assert office.mornings(name="Asia/Kolkata")[1:] == ["Tue 24 18:00"]


def test_next_lesson_now_is_the_learners_own_exception(office):
    run = office.join()
    office.work()
    office.enrolling.next_now(run, agreed("next"))
    office.work()
    assert office.lessons() == ["one", "two"]
    office.pass_time(DAY)
    assert office.mornings()[-1] == "Tue 24 07:00"


def test_after_leaving_nothing_starts_and_undo_goes_on_where_it_stopped(office):
    run = office.join()
    office.work()
    office.enrolling.leave(run, agreed("leave"))
    office.enrolling.leave(run, agreed("leave"))
    office.pass_time(3 * DAY)
    assert office.lessons() == ["one"]
    office.enrolling.rejoin(run, agreed("resume"))
    office.pass_time(DAY)
    assert office.lessons() == ["one", "two"]
    assert len([key for key in office.mails() if key == "@welcome"]) == 1


def test_leaving_between_marking_and_claiming_is_honoured(office):
    run = office.join()
    office.work()
    office.pass_time(timedelta(hours=21, minutes=50))

    def leave_while_composing(_):
        office.enrolling.leave(run, agreed("leave"))

    composed = office.composer.compose
    office.composer.compose = lambda claimed: (leave_while_composing(None), composed(claimed))[1]
    office.pass_time(timedelta(minutes=20))
    assert office.lessons() == ["one"]
    assert office.deliveries(run)["two"].state is DeliveryState.CANCELLED


def test_leaving_everything_suppresses_the_address(office):
    run = office.join()
    office.work()
    office.enrolling.leave_everything(office.run(run).learner_id, agreed("leave"))
    answer = office.enrolling.sign_up("c", "Ada@Example.com", consent=agreed())
    office.work()
    assert answer.outcome == "suppressed"
    assert office.mails() == ["@confirm", "@welcome", "one"]


def test_signing_up_again_after_leaving_resumes_at_the_next_unsent_lesson(office):
    run = office.join()
    office.work()
    office.enrolling.leave(run, agreed("leave"))
    office.pass_time(2 * DAY)
    again = office.join()
    office.work()
    assert again == run
    assert office.mails() == ["@confirm", "@welcome", "one", "@confirm-2", "two"]


def test_signing_up_again_after_completing_begins_a_new_round(db):
    office = Office(db, a_syllabus("one"))
    first = office.join()
    office.work()
    office.sleep(3 * DAY)
    second = office.join()
    office.work()
    assert second != first
    assert (office.run(second).round, office.run(first).state) == (2, EnrollmentState.COMPLETED)
    assert office.lessons() == ["one", "one"]


def test_signing_up_again_weeks_later_is_not_taken_for_an_old_unconfirmed_signup(office):
    run = office.join()
    office.work()
    office.enrolling.leave(run, agreed("leave"))
    office.sleep(timedelta(days=20))
    office.sign_up()
    office.pass_time(DAY)
    assert office.run(run).state is EnrollmentState.PENDING
    office.pass_time(8 * DAY)
    assert office.run(run).reason == "expired"


def test_leaving_a_second_round_also_ends_the_letters_of_the_first(db):
    office = Office(db, with_follow_up(a_syllabus("one"), "@followup-day-30", 30))
    office.join()
    office.work()
    office.sleep(3 * DAY)
    office.enrolling.leave(office.join(), agreed("leave"))
    office.pass_time(timedelta(days=40))
    assert "@followup-day-30" not in office.mails()


def test_who_completed_left_and_signs_up_again_gets_the_course_again(db):
    office = Office(db, a_syllabus("one"))
    run = office.join()
    office.work()
    office.enrolling.leave(run, agreed("leave"))
    office.sleep(3 * DAY)
    office.join()
    office.work()
    assert office.lessons() == ["one", "one"]


def test_restarting_keeps_the_old_round_and_todays_promise(office):
    run = office.join()
    office.work()
    fresh = office.enrolling.restart(run, agreed("restart"))
    office.work()
    assert office.lessons() == ["one"]
    office.pass_time(DAY)
    assert office.mornings() == ["Mon 23 09:00", "Tue 24 07:00"]
    assert office.lessons() == ["one", "one"]
    assert office.run(run).reason == "restarted"
    assert fresh.round == 2


def test_a_form_cannot_flood_a_mailbox(office):
    for _ in range(10):
        office.enrolling.sign_up("c", "victim@example.com", consent=agreed())
        office.pass_time(timedelta(minutes=5))
    office.pass_time(timedelta(hours=1))
    assert len(office.mails("victim@example.com")) == 3


def test_somebody_already_enrolled_is_mailed_their_links_once_an_hour(office):
    office.join()
    for _ in range(4):
        assert office.enrolling.sign_up("c", "ada@example.com", consent=agreed()).outcome in {
            "known",
            "limited",
        }
        office.work()
    assert office.mails().count("@links") == 1


# -- the course changes --------------------------------------------------------------------------


def test_an_inserted_lesson_reaches_those_before_it_and_nobody_twice(office):
    office.join()
    office.work()
    office.join("late@example.com")
    office.syllabus = a_syllabus("zero", "one", "new", "two", "three")
    office.pass_time(5 * DAY)
    assert office.lessons() == ["one", "new", "two", "three"]
    assert office.lessons("late@example.com") == ["zero", "one", "new", "two", "three"]


def test_removing_a_lesson_that_is_next_brings_the_one_after_it_the_same_day(office):
    office.join()
    office.work()
    office.syllabus = a_syllabus("one", "three")
    office.pass_time(DAY)
    assert office.mornings() == ["Mon 23 09:00", "Tue 24 07:00"]
    assert office.lessons() == ["one", "three"]


def test_a_lesson_removed_while_it_is_owed_gives_way_to_the_next_one_the_same_day(office):
    run = office.join()
    office.letterbox.answers["two"] = Deferred("451 later")
    office.pass_time(timedelta(hours=22, minutes=5))
    assert office.deliveries(run)["two"].state is DeliveryState.WAITING
    office.syllabus = a_syllabus("one", "three")
    office.pass_time(timedelta(hours=2))
    assert office.lessons() == ["one", "three"]
    assert office.deliveries(run)["two"].state is DeliveryState.CANCELLED
    assert {day[:6] for day in office.mornings()[1:]} == {"Tue 24"}


def test_a_lesson_renamed_while_it_is_owed_goes_out_under_its_new_name(office):
    office.join()
    office.letterbox.answers["two"] = Deferred("451 later")
    office.pass_time(timedelta(hours=22, minutes=5))
    one, _, three = office.syllabus.lessons
    renamed = LessonRef("zwei", 2, aliases=("two",))
    office.syllabus = replace(office.syllabus, lessons=(one, renamed, three))
    office.pass_time(3 * DAY)
    assert office.lessons() == ["one", "zwei", "three"]


def test_a_removed_lesson_that_comes_back_is_sent_to_those_who_never_had_it(office):
    run = office.join()
    office.letterbox.answers["two"] = Deferred("451 later")
    office.pass_time(timedelta(hours=22, minutes=5))
    office.syllabus = a_syllabus("one")
    office.pass_time(timedelta(minutes=30))
    office.letterbox.answers.clear()
    assert office.run(run).state is EnrollmentState.COMPLETED
    late = office.join("late@example.com")
    office.syllabus = a_syllabus()
    office.pass_time(4 * DAY)
    assert office.lessons("late@example.com") == ["one", "two", "three"]
    assert office.run(late).state is EnrollmentState.COMPLETED


def test_a_lesson_appended_after_completion_disturbs_nobody(office):
    run = office.join()
    office.pass_time(3 * DAY)
    office.syllabus = a_syllabus("one", "two", "three", "four")
    office.pass_time(3 * DAY)
    assert office.lessons() == ["one", "two", "three"]
    assert office.run(run).state is EnrollmentState.COMPLETED


def test_a_draft_makes_its_learner_wait_and_leaves_on_the_morning_after_publishing(office):
    office.join()
    office.syllabus = a_syllabus(two=Readiness.DRAFT)
    office.pass_time(4 * DAY)
    assert office.lessons() == ["one"]
    office.syllabus = a_syllabus()
    office.pass_time(DAY)
    assert office.lessons() == ["one", "two"]


def test_a_lesson_that_cannot_be_composed_waits_for_its_author_and_burns_no_attempt(office):
    run = office.join()
    office.composer.unfit["two"] = Unfit("", "lessons/2.md:3 broken", poison=True)
    office.pass_time(2 * DAY)
    waiting = office.deliveries(run)["two"]
    assert (waiting.state, waiting.attempt) == (DeliveryState.WAITING, 0)
    assert "broken" in waiting.verdict
    office.composer.unfit.clear()
    office.pass_time(timedelta(hours=1))
    assert office.lessons() == ["one", "two"]


# -- staff -----------------------------------------------------------------------------------------


def test_an_import_with_consent_starts_at_each_ones_next_slot_without_a_welcome(office):
    answers = office.enrolling.enroll(
        "c",
        [
            NewPerson("a@example.com", "Ana", "America/Sao_Paulo", time(8)),
            NewPerson("b@example.com"),
            NewPerson("A@Example.com"),
        ],
        consent=agreed("import"),
    )
    assert [a.outcome for a in answers] == ["new", "new", "known"]
    office.work()
    assert office.letterbox.posted == []
    office.pass_time(DAY)
    assert office.mornings("a@example.com", "America/Sao_Paulo") == ["Mon 23 08:00"]
    assert office.mornings("b@example.com") == ["Tue 24 07:00"]


def test_importing_the_same_file_again_enrolls_nobody_twice(office):
    rows = [NewPerson(f"p{n}@example.com") for n in range(50)]
    office.enrolling.enroll("c", rows, consent=agreed("import"))
    again = office.enrolling.enroll("c", rows, consent=agreed("import"))
    assert {a.outcome for a in again} == {"known"}
    assert office.overview().learners["active"] == 50


def test_an_import_without_consent_asks_each_one_first(office):
    answers = office.enrolling.enroll("c", [NewPerson("a@example.com")], consent=None)
    office.pass_time(2 * DAY)
    assert answers[0].outcome == "pending"
    assert office.mails("a@example.com") == ["@confirm"]


def test_a_suppressed_address_is_not_imported(office):
    with office.db.write() as tx:
        key = people.address_key("gone@example.com")
        people.suppress(
            tx, address_hash(SALT, key), reason="bounced", source="test", now=office.clock.now()
        )
    answers = office.enrolling.enroll(
        "c", [NewPerson("gone@example.com"), NewPerson("ok@example.com")], consent=agreed("import")
    )
    assert [a.outcome for a in answers] == ["suppressed", "new"]


def test_skipping_passes_over_one_lesson_and_keeps_the_morning(office):
    run = office.join()
    office.work()
    assert office.enrolling.skip(run, agreed("skip")) == "two"
    office.pass_time(DAY)
    assert office.lessons() == ["one", "three"]


def test_skipping_the_last_lesson_completes_the_course(db):
    office = Office(db, a_syllabus("one", "two"))
    run = office.join()
    office.work()
    office.enrolling.skip(run, agreed("skip"))
    office.work()
    assert office.run(run).state is EnrollmentState.COMPLETED
    assert office.mails()[-1] == "@completed"


def test_resending_sends_one_more_copy_and_moves_nothing(office):
    run = office.join()
    office.work()
    due_before = office.run(run).next_due_at
    office.enrolling.resend(run, "one")
    office.work()
    assert office.mails()[-1] == "@again-1:one"
    assert office.run(run).next_due_at == due_before
    with pytest.raises(NotAllowed, match="was not sent"):
        office.enrolling.resend(run, "two")


def done(office: Office, run: int) -> list[tuple[str, str]]:
    with office.db.read() as tx:
        return [(tick.lesson_key, tick.item) for tick in ticks.ticks_of(tx, run)]


def test_a_lesson_is_done_once_and_can_be_taken_back(office):
    run = office.join()
    office.work()
    assert office.enrolling.mark_done(run, "one")
    first = office.clock.now()
    office.clock.advance(DAY)
    assert not office.enrolling.mark_done(run, "one")
    assert office.enrolling.mark_done(run, "one", "calendar")
    with office.db.read() as tx:
        assert [tick.ticked_at for tick in ticks.ticks_of(tx, run)] == [first, first + DAY]
    assert office.enrolling.mark_done(run, "one", done=False)
    assert not office.enrolling.mark_done(run, "one", done=False)
    assert done(office, run) == [("one", "calendar")]


def test_doing_a_lesson_moves_nothing_and_wakes_nobody(office):
    run = office.join()
    office.work()
    before, mails = office.run(run), office.mails()
    office.enrolling.wake = lambda: pytest.fail("nothing is owed")
    office.enrolling.mark_done(run, "one")
    office.work()
    assert (office.run(run), office.mails()) == (before, mails)


@pytest.mark.parametrize("state", EnrollmentState)
def test_a_lesson_can_be_done_in_every_state_of_a_run(office, state):
    run = office.sign_up()
    if state is not EnrollmentState.PENDING:
        office.enrolling.confirm(run, agreed("confirm"))
        office.work()
    if state is EnrollmentState.PAUSED:
        office.enrolling.pause(run, consent=agreed("pause"))
    elif state is EnrollmentState.COMPLETED:
        office.pass_time(4 * DAY)
    elif state is EnrollmentState.STOPPED:
        office.enrolling.leave(run, agreed("leave"))
    assert office.run(run).state is state
    assert office.enrolling.mark_done(run, "one")
    assert office.run(run).state is state
    assert office.enrolling.mark_done(run, "one", done=False)


def test_nobody_who_was_erased_does_a_lesson_and_no_letter_can_be_done(office):
    run = office.join()
    with pytest.raises(NotAllowed, match="letter"):
        office.enrolling.mark_done(run, "@welcome")
    office.enrolling.mark_done(run, "one")
    office.enrolling.forget(office.run(run).learner_id)
    assert done(office, run) == []
    for wish in (True, False):
        with pytest.raises(NotAllowed, match="erased"):
            office.enrolling.mark_done(run, "one", done=wish)


def test_a_renamed_lesson_stays_done_and_can_be_undone_under_either_name(office):
    run = office.join()
    office.enrolling.mark_done(run, "one")
    renamed = replace(office.syllabus.lessons[0], key="first", aliases=("one",))
    office.syllabus = replace(office.syllabus, lessons=(renamed, *office.syllabus.lessons[1:]))
    for name in ("one", "first"):
        assert not office.enrolling.mark_done(run, name)
    assert office.enrolling.mark_done(run, "first", done=False)
    assert office.enrolling.mark_done(run, "one")
    assert done(office, run) == [("first", "action")]


def test_a_lesson_that_is_gone_or_whose_course_is_can_still_be_done(office):
    run = office.join()
    assert office.enrolling.mark_done(run, "no longer there")
    office.syllabus = a_syllabus("x")
    office.syllabus = replace(office.syllabus, course="another")
    assert office.enrolling.mark_done(run, "one")
    assert office.enrolling.mark_done(run, "one", done=False)


def test_forgetting_a_person_leaves_nothing_of_them(office):
    run = office.join()
    office.work()
    learner = office.run(run).learner_id
    assert office.enrolling.forget(learner) > 0
    assert office.run(run) is None
    office.pass_time(2 * DAY)
    assert office.lessons() == ["one"]


def test_what_was_sent_can_be_read_again(office):
    run = office.join()
    office.work()
    version = office.deliveries(run)["one"].lesson_version
    with office.db.read() as tx:
        assert ledger.version_document(tx, version) == "{'v-one'}"


def test_a_syllabus_that_vanished_sends_nothing_and_loses_nobody(office):
    run = office.join()
    office.work()
    kept, office.syllabus = office.syllabus, replace(office.syllabus, course="other")
    office.pass_time(2 * DAY)
    assert office.lessons() == ["one"]
    office.syllabus = kept
    office.pass_time(DAY)
    assert office.lessons() == ["one", "two"]
    assert isinstance(office.run(run).next_due_at, datetime)
