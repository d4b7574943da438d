"""What each answer of a provider does to a delivery and to its learner."""

from __future__ import annotations

from datetime import timedelta

import pytest

from scheduler.domain.delivery import MOVES, DeliveryState
from scheduler.domain.enrollment import EnrollmentState
from scheduler.domain.provider import Accepted, Deferred, Fault, Refused, Uncertain
from scheduler.errors import DatabaseUnavailable
from scheduler.store import Database, ledger
from tests.office import Office, a_syllabus, agreed

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


@pytest.fixture
def office(db: Database) -> Office:
    return Office(db)


def test_a_greylisted_lesson_is_tried_again_after_minutes_under_the_same_message_id(office):
    run = office.join()
    office.letterbox.answers["one"] = Deferred("451 4.7.1 come back later")
    office.work()
    waiting = office.deliveries(run)["one"]
    assert waiting.state is DeliveryState.WAITING
    del office.letterbox.answers["one"]
    office.pass_time(timedelta(minutes=4), tick=timedelta(minutes=1))
    assert office.lessons() == []
    office.pass_time(timedelta(minutes=6), tick=timedelta(minutes=1))
    assert office.lessons() == ["one"]
    assert office.letterbox.posted[-1].message_id == waiting.message_id


def test_a_lesson_nobody_takes_for_three_days_is_dead_and_its_learner_waits_for_a_person(office):
    run = office.join()
    office.letterbox.answers["one"] = Deferred("452 mailbox full")
    office.pass_time(4 * DAY)
    assert office.deliveries(run)["one"].state is DeliveryState.DEAD
    assert office.run(run).state is EnrollmentState.PAUSED
    assert office.lessons() == []


def test_a_dead_lesson_can_be_requeued_and_the_course_goes_on(office):
    run = office.join()
    office.letterbox.answers["one"] = Deferred("452 mailbox full")
    office.pass_time(4 * DAY)
    office.letterbox.answers.clear()
    assert office.enrolling.requeue(office.deliveries(run)["one"].id)
    assert not office.enrolling.requeue(office.deliveries(run)["one"].id)
    office.pass_time(3 * DAY)
    assert office.lessons() == ["one", "two", "three"]


def test_an_unknown_address_is_suppressed_and_all_its_courses_stop(office):
    run = office.join()
    office.letterbox.answers["one"] = Refused("550 5.1.1 no such user", Fault.ADDRESS)
    office.work()
    assert office.deliveries(run)["one"].state is DeliveryState.REFUSED
    assert (office.run(run).state, office.run(run).reason) == (EnrollmentState.STOPPED, "bounced")
    assert office.enrolling.sign_up("c", "ada@example.com", consent=agreed()).outcome == (
        "suppressed"
    )


def test_a_policy_refusal_is_not_held_against_the_address(office):
    run = office.join()
    office.letterbox.answers["one"] = Refused("554 5.7.1 spam", Fault.POLICY)
    office.work()
    assert office.run(run).state is EnrollmentState.PAUSED
    assert office.enrolling.sign_up("c", "ada@example.com", consent=agreed()).outcome == "known"


@pytest.mark.parametrize("fault", [Fault.TRANSPORT, Fault.CONFIG])
def test_a_provider_that_is_away_loses_nothing_and_blames_nobody(office, fault):
    for n in range(120):
        office.join(f"p{n}@example.com")
    office.letterbox.answers = dict.fromkeys(("@confirm", "@welcome", "one"), Deferred("x", fault))
    office.pass_time(6 * HOUR)
    assert office.letterbox.posted == []
    assert office.overview().learners["active"] == 120
    office.letterbox.answers.clear()
    office.pass_time(HOUR)
    assert sum(1 for p in office.letterbox.posted if p.key == "one") == 120


def test_silence_is_uncertain_counts_for_the_pace_and_is_sent_once_more_after_half_an_hour(office):
    run = office.join()
    office.letterbox.answers["one"] = Uncertain("no answer after the final dot")
    office.work()
    uncertain = office.deliveries(run)["one"]
    assert uncertain.state is DeliveryState.UNCERTAIN
    del office.letterbox.answers["one"]
    office.pass_time(timedelta(minutes=20))
    assert office.lessons() == []
    office.pass_time(timedelta(minutes=20))
    assert office.lessons() == ["one"]
    assert office.letterbox.posted[-1].message_id == uncertain.message_id
    office.pass_time(DAY)
    assert office.mornings()[-1] == "Tue 24 07:00"


def test_an_uncertain_lesson_gets_one_extra_copy_and_never_a_second(office):
    run = office.join()
    handed_over = []
    office.letterbox.answers["one"] = Uncertain("silence")
    office.letterbox.before = lambda ms: handed_over.extend(m for m in ms if m.raw == b"one")
    office.pass_time(DAY)
    assert len(handed_over) == 2
    assert office.deliveries(run)["one"].state is DeliveryState.SKIPPED
    assert office.lessons() == ["two"]


@pytest.mark.parametrize(
    ("policy", "state"), [("hold", DeliveryState.UNCERTAIN), ("skip", DeliveryState.SKIPPED)]
)
def test_a_course_may_choose_never_to_send_an_extra_copy(db, policy, state):
    office = Office(db, uncertain=policy)
    run = office.join()
    office.letterbox.answers["one"] = Uncertain("silence")
    office.pass_time(DAY)
    assert office.deliveries(run)["one"].state is state
    assert office.lessons() == ["two"]


def test_a_provider_that_breaks_in_the_middle_leaves_nothing_unsaid(office):
    for n in range(5):
        office.sign_up(f"p{n}@example.com")

    def broken(messages):
        yield messages[0].delivery_id, Accepted()
        raise RuntimeError("bug")

    office.letterbox.send = broken
    counts = office.work().as_dict()
    assert (counts["accepted"], counts["uncertain"]) == (1, 4)


def test_a_worker_that_died_with_a_claim_is_replaced_after_its_lease(office):
    office.join()
    office.composer.compose = _die
    with pytest.raises(SystemExit):
        office.work()
    del office.composer.compose
    office.dispatcher = office.worker("successor")
    office.work()
    assert office.lessons() == []
    office.sleep(timedelta(minutes=3))
    office.work()
    assert office.lessons() == ["one"]


def test_a_worker_that_died_while_sending_leaves_the_window_uncertain_and_nothing_else(office):
    office.letterbox.window = 2
    runs = [office.join(f"p{n}@example.com") for n in range(3)]
    office.letterbox.before = _die
    with pytest.raises(SystemExit):
        office.work()
    office.letterbox.before = lambda _: None
    office.sleep(timedelta(minutes=3))
    office.work()
    states = [d.state for run in runs for d in office.deliveries(run).values()]
    assert states.count(DeliveryState.UNCERTAIN) == 2
    office.pass_time(HOUR)
    assert sorted(p.to for p in office.letterbox.posted if p.key == "one") == [
        f"p{n}@example.com" for n in range(3)
    ]


def test_two_workers_share_a_morning_without_sending_anything_twice(office):
    for n in range(60):
        office.join(f"p{n}@example.com")
    office.letterbox.window = 10
    other = office.worker("other")

    def second_worker(_):
        office.letterbox.before = lambda _: None
        other.run_due()

    office.letterbox.before = second_worker
    office.work()
    lessons = [p.to for p in office.letterbox.posted if p.key == "one"]
    assert len(lessons) == len(set(lessons)) == 60


def test_a_known_answer_survives_a_database_that_fails_when_it_is_written_down(office):
    run = office.join()
    settle, failures = office.dispatcher._settler.settle, [DatabaseUnavailable("locked: wait")]

    def fails_once(*args):
        if failures:
            raise failures.pop()
        settle(*args)

    office.dispatcher._settler.settle = fails_once
    with pytest.raises(DatabaseUnavailable):
        office.work()
    office.sleep(timedelta(minutes=10))
    office.pass_time(2 * HOUR)
    assert office.deliveries(run)["one"].state is DeliveryState.ACCEPTED
    assert office.lessons() == ["one"]


def test_the_last_lesson_is_not_over_while_nobody_knows_whether_it_arrived(db):
    office = Office(db, a_syllabus("one", "two"))
    run = office.join()
    office.work()
    office.letterbox.answers["two"] = Uncertain("silence")
    office.pass_time(timedelta(hours=22, minutes=5))
    assert office.lessons() == ["one"]
    office.letterbox.answers.clear()
    office.pass_time(2 * DAY)
    assert office.mails()[-2:] == ["two", "@completed"]
    assert office.run(run).state is EnrollmentState.COMPLETED


def test_an_extra_copy_that_is_delayed_never_meets_the_next_lesson_on_one_day(office):
    office.join()
    office.letterbox.answers["one"] = Uncertain("silence")
    office.work()
    office.letterbox.answers["one"] = Deferred("451 later", after=timedelta(hours=22))
    office.pass_time(3 * HOUR)
    office.letterbox.answers.clear()
    office.pass_time(4 * DAY)
    days = [morning[:6] for morning in office.mornings()]
    assert len(days) == len(set(days)) == 3
    assert office.lessons() == ["one", "two", "three"]


def test_every_move_in_the_ledger_is_one_of_the_drawn_ones(office):
    run = office.join()
    office.letterbox.answers["one"] = Deferred("later")
    office.pass_time(timedelta(minutes=1))
    office.letterbox.answers["one"] = Uncertain("silence")
    office.pass_time(2 * HOUR)
    office.letterbox.answers.clear()
    office.pass_time(DAY)
    office.enrolling.leave(run, agreed("leave"))
    seen = 0
    with office.db.read() as tx:
        for delivery in ledger.deliveries_of(tx, run):
            for event in ledger.history(tx, delivery.id):
                if event.from_state:
                    # Claims leave no event: a move out of `due` may be one out of `claimed`.
                    starts = {DeliveryState(event.from_state)}
                    if starts & {DeliveryState.DUE, DeliveryState.WAITING}:
                        starts.add(DeliveryState.CLAIMED)
                    assert any(DeliveryState(event.to_state) in MOVES[s] for s in starts)
                    seen += 1
    assert seen >= 8


def test_a_broken_syllabus_change_while_sending_never_repeats_a_lesson(office):
    office.join()
    office.syllabus = a_syllabus("one", "two", "three", "four")
    office.letterbox.before = lambda _: setattr(
        office, "syllabus", a_syllabus("four", "three", "two", "one")
    )
    office.pass_time(3 * DAY)
    assert len(office.lessons()) == len(set(office.lessons()))


def _die(_):
    raise SystemExit("kill -9, as far as the database can tell")
