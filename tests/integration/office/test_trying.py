"""How hard the post office tries: what is counted, what rests, what is given up, and how fast."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import time, timedelta

import pytest

from scheduler.dispatch import PaceSettings
from scheduler.domain.delivery import DeliveryState
from scheduler.domain.enrollment import EnrollmentState
from scheduler.domain.message import Unfit
from scheduler.domain.provider import Deferred, Fault, Uncertain
from scheduler.rules.pace import BURST, BreakerState
from scheduler.store import Database, pace, sessions
from tests.office import Office, a_syllabus, agreed

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def office(db: Database) -> Office:
    return Office(db)


def breaker(office: Office):
    with office.db.read() as tx:
        return pace.breaker(tx, "letterbox")


# -- a provider that is away ---------------------------------------------------------------------


@pytest.mark.parametrize("fault", [Fault.TRANSPORT, Fault.CONFIG])
def test_days_without_a_provider_and_one_greylisting_end_nobodys_lesson(office, fault):
    run = office.join()
    office.letterbox.answers["one"] = Deferred("away", fault)
    for _ in range(24):  # four days; every look but those at night is an attempt
        office.sleep(4 * HOUR)
        office.work()
    before = office.deliveries(run)["one"]
    assert before.attempt > 12
    assert before.failures == 0
    office.letterbox.answers["one"] = Deferred("451 greylisted", Fault.MAILBOX)
    office.pass_time(DAY, tick=HOUR)
    greylisted = office.deliveries(run)["one"]
    assert greylisted.state is DeliveryState.WAITING
    assert 0 < greylisted.failures < 12
    del office.letterbox.answers["one"]
    office.pass_time(DAY)
    assert office.lessons()[0] == "one"


def test_while_a_provider_rests_nothing_is_claimed_and_one_mail_tries_it(office):
    for n in range(30):
        office.join(f"p{n}@example.com")
    tried: list[int] = []
    office.letterbox.before = lambda messages: tried.append(len(messages))
    office.letterbox.answers |= dict.fromkeys(
        ("one", "@welcome", "@confirm"), Deferred("421 busy", Fault.TRANSPORT)
    )
    office.work()
    assert breaker(office).state is BreakerState.OPEN
    assert "421 busy" in office.dispatcher.away
    assert tried == [office.letterbox.window]
    office.work()
    assert len(tried) == 1
    office.pass_time(MINUTE, tick=MINUTE)
    assert tried[1:] == [1]
    assert breaker(office).openings == 2
    office.letterbox.answers.clear()
    office.pass_time(HOUR, tick=5 * MINUTE)
    assert breaker(office).state is BreakerState.CLOSED
    assert all(len(office.mails(f"p{n}@example.com")) == 3 for n in range(30))


def test_all_workers_hear_that_the_provider_rests(office):
    office.join()
    office.letterbox.answers["one"] = office.letterbox.answers["@welcome"] = Deferred(
        "535 wrong password", Fault.CONFIG
    )
    office.letterbox.answers["@confirm"] = office.letterbox.answers["one"]
    other = office.worker("other")
    other.run_due()
    office.join("bob@example.com")
    asked: list[object] = []
    office.letterbox.before = asked.append
    other.run_due()
    assert "535 wrong password" in other.away
    assert asked == []


def test_a_program_that_was_just_started_tries_at_once(office):
    office.join()
    for key in ("one", "@welcome", "@confirm"):
        office.letterbox.answers[key] = Deferred("535 wrong password", Fault.CONFIG)
    office.work()
    assert office.dispatcher.away
    office.letterbox.answers.clear()
    office.sleep(timedelta(seconds=1))
    office.join("bob@example.com")
    office.work()
    assert office.mails() == []
    office.dispatcher = office.worker("started after the password was mended")
    office.work()
    assert breaker(office).state is BreakerState.CLOSED
    assert "one" in office.mails("bob@example.com")


def test_a_trial_finds_something_to_try_although_nothing_was_planned(office):
    office.join()
    office.work()
    office.letterbox.answers["two"] = Deferred("421 away", Fault.TRANSPORT)
    office.pass_time(DAY, tick=HOUR)
    office.enrolling.skip(1, agreed("staff"))  # the only lesson it could try is gone
    office.letterbox.answers.clear()
    office.pass_time(2 * DAY, tick=HOUR)
    assert office.lessons() == ["one", "three"]


# -- what kills its worker -----------------------------------------------------------------------


def test_a_mail_that_kills_every_worker_is_given_up_and_takes_nobody_along(office):
    office.join("ada@example.com")
    poisoned = office.join("poison@example.com")
    office.join("bob@example.com")
    compose = office.composer.compose

    def dies(claimed):
        if any(one.delivery.to_addr.startswith("poison") for one in claimed):
            raise SystemExit("out of memory")
        return compose(claimed)

    office.composer.compose = dies
    deaths = 0
    for n in range(60):
        try:
            office.work()
        except SystemExit:
            deaths += 1
        office.dispatcher = office.worker(f"successor-{n}")
        office.sleep(3 * MINUTE)
    assert office.lessons("ada@example.com") == office.lessons("bob@example.com") == ["one"]
    for delivery in office.deliveries(poisoned).values():
        assert delivery.state is DeliveryState.DEAD
        assert "went silent" in delivery.verdict
    # One death for the batch, and then only its own.
    assert deaths <= 1 + 3 * len(office.deliveries(poisoned))
    assert office.run(poisoned).state is EnrollmentState.PAUSED
    assert office.overview().failures["dead"] >= 1


def test_a_composer_that_breaks_on_one_learner_writes_to_all_the_others(office):
    runs = {name: office.join(f"{name}@example.com") for name in ("ada", "odd", "bob")}
    compose = office.composer.compose

    def breaks(claimed):
        if any(one.delivery.to_addr == "odd@example.com" for one in claimed):
            raise ValueError("a name no template expected")
        return compose(claimed)

    office.composer.compose = breaks
    office.work()
    assert office.lessons("ada@example.com") == office.lessons("bob@example.com") == ["one"]
    odd = office.deliveries(runs["odd"])["one"]
    assert odd.state is DeliveryState.DEAD
    assert "a name no template expected" in odd.verdict
    assert office.run(runs["odd"]).state is EnrollmentState.PAUSED


def test_a_composer_that_breaks_on_one_lesson_holds_that_lesson_not_the_course(office):
    early = office.join("early@example.com")
    office.work()
    compose = office.composer.compose

    def breaks(claimed):
        if any(one.delivery.key == "two" for one in claimed):
            raise ValueError("this version cannot be written")
        return compose(claimed)

    office.composer.compose = breaks
    office.pass_time(DAY, tick=HOUR)
    office.join("late@example.com")
    office.work()
    assert office.lessons("late@example.com") == ["one"]
    held = office.deliveries(early)["two"]
    assert held.state is DeliveryState.WAITING
    assert "cannot be written" in held.verdict
    assert office.run(early).state is EnrollmentState.ACTIVE
    office.composer.compose = compose
    office.pass_time(DAY, tick=HOUR)
    assert "two" in office.lessons("early@example.com")


def test_a_composer_slower_than_the_lease_still_gets_everything_out(office):
    office.letterbox.window = 5
    for n in range(20):
        office.join(f"p{n}@example.com")
    compose = office.composer.compose

    def slow(claimed):
        office.clock.advance(timedelta(seconds=30) * len(claimed))
        return compose(claimed)

    office.composer.compose = slow
    for n in range(40):
        office.dispatcher = office.worker(f"w{n}")
        office.work()
        office.sleep(MINUTE)
    sent = Counter((p.to, p.key) for p in office.letterbox.posted)
    assert set(sent.values()) == {1}
    assert len(sent) == 20 * 3


# -- nights and bursts ---------------------------------------------------------------------------


def test_a_retry_that_would_fall_into_the_night_comes_the_next_morning(office):
    office.join()
    office.work()
    office.letterbox.answers["two"] = Deferred("452 full", Fault.MAILBOX, after=16 * HOUR)
    office.pass_time(DAY, tick=HOUR)  # Tuesday 07:00, then "not before 23:00"
    office.letterbox.answers.clear()
    office.pass_time(DAY, tick=HOUR)
    assert office.mornings()[1:] == ["Wed 25 07:00"]
    office.pass_time(2 * DAY, tick=HOUR)
    assert office.lessons() == ["one", "two", "three"]


def test_whoever_learns_at_night_gets_a_retried_lesson_at_their_own_hour(office):
    office.join(hour=time(23))
    office.work()
    office.letterbox.answers["two"] = Deferred("452 full", Fault.MAILBOX, after=3 * HOUR)
    office.pass_time(timedelta(hours=39), tick=HOUR)  # until midnight on Tuesday
    office.letterbox.answers.clear()
    office.pass_time(3 * DAY, tick=HOUR)
    assert office.mornings()[1:] == ["Wed 25 23:00", "Thu 26 23:00"]


def test_a_provider_that_comes_back_at_night_wakes_nobody(office):
    for n in range(3):
        office.join(f"p{n}@example.com")
    office.work()
    office.letterbox.answers["two"] = Deferred("away", Fault.TRANSPORT)
    office.pass_time(timedelta(hours=38), tick=HOUR)  # until Tuesday 23:00
    office.letterbox.answers.clear()
    office.pass_time(DAY, tick=HOUR)
    for n in range(3):
        assert office.mornings(f"p{n}@example.com")[1:] == ["Wed 25 07:00"]


def test_a_late_school_is_spread_also_when_each_batch_holds_few(sqlite_url, monkeypatch):
    monkeypatch.setattr("scheduler.dispatch.BATCH", 50)
    office = Office(Database(sqlite_url))
    people = BURST + 20
    for n in range(people):
        office.join(f"p{n}@example.com")
    office.work()
    office.sleep(timedelta(days=1, hours=3))  # Tuesday 12:00: five hours late
    office.work()
    at_once = sum(1 for p in office.letterbox.posted if p.key == "two")
    assert at_once < people / 5
    office.pass_time(office.settings.spread, tick=5 * MINUTE)
    assert sum(1 for p in office.letterbox.posted if p.key == "two") == people
    office.db.close()


# -- how fast ------------------------------------------------------------------------------------


def test_a_provider_with_a_rate_gets_no_more_a_second_from_two_workers(db):
    office = Office(db, pace=PaceSettings(per_second=5))
    for n in range(20):
        office.join(f"p{n}@example.com")
    workers = [office.worker("a"), office.worker("b")]
    per_second: list[int] = []
    for _ in range(20):
        before = len(office.letterbox.posted)
        for worker in workers:
            worker.run_due()
        per_second.append(len(office.letterbox.posted) - before)
        office.sleep(timedelta(seconds=1))
    assert max(per_second) == 5
    assert sum(per_second) == 60
    assert office.lessons("p0@example.com") == ["one"]


def test_one_recipient_domain_is_paced_and_the_others_are_not_held_up(db):
    office = Office(db, pace=PaceSettings(per_domain_per_second=2))
    for n in range(6):
        office.join(f"p{n}@slow.example")
    office.join("ada@fast.example")
    office.work()
    slow = [p for p in office.letterbox.posted if p.to.endswith("@slow.example")]
    assert len(slow) == 2
    assert len(office.mails("ada@fast.example")) == 2
    waiting = [d for run in range(1, 7) for d in office.deliveries(run).values()]
    assert any("at most 2 a second to slow.example" in d.verdict for d in waiting)
    office.pass_time(MINUTE / 4, tick=timedelta(seconds=1))
    assert all(len(office.mails(f"p{n}@slow.example")) == 3 for n in range(6))
    assert {d.attempt for d in office.deliveries(1).values()} == {1}


# -- policy --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "copies", "state"),
    [("hold", 0, "uncertain"), ("skip", 0, "skipped"), ("resend_once", 1, "accepted")],
)
def test_a_course_may_have_a_policy_of_its_own_for_silence(db, policy, copies, state):
    other = "hold" if policy != "hold" else "resend_once"
    office = Office(db, replace(a_syllabus(), uncertain=policy), uncertain=other)
    run = office.join()
    office.letterbox.answers["one"] = Uncertain("no answer")
    office.work()
    office.letterbox.answers.clear()
    office.pass_time(2 * HOUR, tick=HOUR)
    assert office.lessons().count("one") == copies
    assert office.deliveries(run)["one"].state == state


def test_a_held_lesson_is_decided_once_and_makes_room_for_others(db):
    office = Office(db, uncertain="hold")
    run = office.join()
    office.letterbox.answers["one"] = Uncertain("no answer")
    office.work()
    office.sleep(HOUR)
    assert office.work().by_outcome["resolved"] == 1
    assert office.work().by_outcome.get("resolved", 0) == 0
    assert office.deliveries(run)["one"].state is DeliveryState.UNCERTAIN


# -- nothing at all ------------------------------------------------------------------------------


def test_a_held_office_sends_nothing_and_tidies_nothing(office):
    office.sign_up()
    reasons = ["the clock was set ahead: `course adopt`"]
    office.dispatcher._held = office.upkeep._held = lambda: reasons[0] if reasons else ""
    office.sleep(30 * DAY)
    assert office.upkeep.run() == {}
    assert not any(office.work().as_dict().values())
    assert office.dispatcher.held == reasons[0]
    assert office.run(1).state is EnrollmentState.PENDING
    reasons.clear()
    assert office.upkeep.run()["expired"] == 1


def test_a_lesson_at_fault_waits_and_its_learners_stay_active(office):
    office.composer.unfit["one"] = Unfit("", "line 3: unknown name", poison=True)
    run = office.join()
    office.work()
    assert office.deliveries(run)["one"].state is DeliveryState.WAITING
    assert office.run(run).state is EnrollmentState.ACTIVE


def test_upkeep_forgets_full_buckets_and_logins_of_long_ago(db):
    office = Office(db, pace=PaceSettings(per_second=5))
    office.join()
    office.work()
    with db.write() as tx:
        sessions.add_session(tx, "a login", office.clock.now())
        assert sessions.use_link_once(tx, "a link", office.clock.now())
    assert office.upkeep.run()["forgotten"] == 0
    office.sleep(100 * DAY)
    assert office.upkeep.run()["forgotten"] == 2
    with db.write() as tx:
        assert sessions.session(tx, "a login") is None
        assert pace.buckets_of(tx, ["letterbox"]) == {}
        assert sessions.use_link_once(tx, "a link", office.clock.now())
