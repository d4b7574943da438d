"""Whoever goes quiet gets one kind word, at the right moment or not at all."""

from __future__ import annotations

from datetime import timedelta

import pytest

from scheduler.domain.delivery import nudge_key, nudge_of, original_key
from scheduler.domain.provider import Deferred, Fault
from scheduler.domain.syllabus import WEEKDAYS, LessonRef, Syllabus
from scheduler.store import Database
from scheduler.store import nudges as store
from scheduler.upkeep import Upkeep, UpkeepSettings
from tests.integration.office.test_crash_points import Fuse, Killed
from tests.office import Office, agreed

DAY = timedelta(days=1)
ADA = "ada@example.com"


def a_course(**changes: object) -> Syllabus:
    keys = ("one", "two", "three", "four", "five", "six", "seven")
    lessons = tuple(LessonRef(key, n, has_short=True) for n, key in enumerate(keys, 1))
    return Syllabus(**{"course": "c", "lessons": lessons, "timezone": "Europe/Berlin"} | changes)


@pytest.fixture
def office(sqlite_url) -> Office:
    made = Office(Database(sqlite_url), a_course())
    made.upkeep.run()  # from here on lessons are looked at
    return made


def of_weekdays(office: Office, address: str = ADA) -> int:
    """Joined on Monday; lesson one at once, at 09:00 in Berlin, then at 07:00 on weekdays."""
    run = office.join(address, weekdays=WEEKDAYS)
    office.work()
    return run


def nudges(office: Office, address: str = ADA) -> list[tuple[str, str]]:
    return [
        (f"{post.at:%a %H:%M}", post.key)
        for post in office.letterbox.posted
        if post.to == address and nudge_of(post.key)
    ]


def visit(office: Office, run: int) -> None:
    from sqlalchemy import update

    from scheduler.store.tables import enrollments

    with office.db.write("visit") as tx:
        at = {"visited_at": office.clock.now()}
        tx.execute(update(enrollments).where(enrollments.c.id == run).values(at))


def test_a_weekend_of_silence_brings_fridays_lesson_in_short_on_sunday(office):
    of_weekdays(office)
    office.pass_time(8 * DAY)
    assert nudges(office) == [("Sun 06:00", "@nudge:five")]  # 07:00 in Berlin


def test_a_daily_course_nudges_after_its_last_lesson_only(office):
    office.join(ADA)
    office.pass_time(12 * DAY)
    assert office.lessons(ADA)[-1] == "seven"
    assert nudges(office) == [("Tue 06:00", "@nudge:seven")]


def test_there_are_two_in_a_round_at_most_and_one_for_each_lesson(office):
    office.syllabus = a_course()
    office.join(ADA, weekdays=frozenset({0}))
    office.pass_time(18 * DAY)
    assert [key for _, key in nudges(office)] == ["@nudge:one", "@nudge-2:two"]


def test_whoever_did_the_lesson_or_came_by_is_left_in_peace(office):
    did, came = of_weekdays(office), of_weekdays(office, "bob@example.com")
    office.pass_time(5 * DAY)
    office.enrolling.mark_done(did, "five", done=True)
    visit(office, came)
    office.pass_time(2 * DAY)
    assert nudges(office) == nudges(office, "bob@example.com") == []


@pytest.mark.parametrize("late", ["done", "visit", "pause", "leave", "switched off"])
def test_what_happens_between_the_look_and_the_hour_still_counts(office, late):
    """Lesson one was sent at 09:00, so its nudge is owed from Wednesday 08:00 on."""
    run = office.join(ADA, weekdays=frozenset({0}))
    office.work()
    office.pass_time(timedelta(hours=47, minutes=30))
    assert office.deliveries(run)["@nudge:one"].state == "due"
    if late == "done":
        office.enrolling.mark_done(run, "one", done=True)
    elif late == "visit":
        visit(office, run)
    elif late == "pause":
        office.enrolling.pause(run, consent=agreed("pause"))
    elif late == "leave":
        office.enrolling.leave(run, agreed("leave"))
    else:
        office.enrolling.want_nudges(run, False, agreed("nudges"))
    office.pass_time(2 * DAY)
    assert nudges(office) == []
    assert office.deliveries(run)["@nudge:one"].state == "cancelled"


def test_undoing_the_leave_does_not_bring_it_back(office):
    run = office.join(ADA, weekdays=frozenset({0}))
    office.work()
    office.pass_time(timedelta(hours=47, minutes=30))
    office.enrolling.leave(run, agreed("leave"))
    office.enrolling.rejoin(run, agreed("rejoin"))
    office.pass_time(2 * DAY)
    assert nudges(office) == []


def test_a_pause_between_the_last_look_and_the_hand_over_stops_it(office):
    run = office.join(ADA, weekdays=frozenset({0}))
    office.work()
    office.pass_time(timedelta(hours=47, minutes=30))
    compose = office.composer.compose

    def pausing(claimed):
        if any(nudge_of(one.delivery.key) for one in claimed):
            office.enrolling.pause(run, consent=agreed("pause"))
        return compose(claimed)

    office.composer.compose = pausing
    office.pass_time(2 * DAY)
    assert nudges(office) == []


def test_one_that_an_outage_holds_back_for_long_never_leaves(office):
    run = office.join(ADA, weekdays=frozenset({0}))
    office.work()
    office.letterbox.answers["@nudge:one"] = Deferred("421 not now", Fault.TRANSPORT)
    office.pass_time(timedelta(days=3), tick=timedelta(hours=2))
    office.letterbox.answers.clear()
    office.pass_time(2 * DAY)
    assert nudges(office) == []
    assert office.deliveries(run)["@nudge:one"].state == "cancelled"


def test_the_author_and_the_operator_can_do_without(office):
    office.syllabus = a_course(nudges=False)
    of_weekdays(office)
    office.pass_time(8 * DAY)
    assert nudges(office) == []
    settings = UpkeepSettings(nudges=False)
    assert Upkeep(office.db, office.clock, office._syllabi, settings).run()["nudged"] == 0


def test_a_lesson_with_nothing_to_shorten_brings_none(office):
    office.syllabus = a_course(lessons=tuple(LessonRef(k, n) for n, k in enumerate("abcdefg", 1)))
    of_weekdays(office)
    office.pass_time(8 * DAY)
    assert nudges(office) == []


def test_lessons_from_before_it_was_switched_on_are_let_rest(sqlite_url):
    office = Office(Database(sqlite_url), a_course())
    office.upkeep = Upkeep(office.db, office.clock, office._syllabi, UpkeepSettings(nudges=False))
    office.join(ADA, weekdays=frozenset({0}))
    office.pass_time(timedelta(hours=60))
    office.upkeep = Upkeep(office.db, office.clock, office._syllabi)
    office.pass_time(3 * DAY)
    assert nudges(office) == []


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("step", ["nudge", "let go"])
def test_a_worker_that_dies_over_a_nudge_neither_loses_nor_repeats_it(office, step, moment):
    run = office.join(ADA, weekdays=frozenset({0}))
    office.work()
    if step == "let go":  # two hours late, when it is at last possible
        office.pass_time(timedelta(hours=47, minutes=30))
        office.clock.advance(timedelta(hours=26))
    fuse = Fuse(f"{step}: {moment} commit", 1)
    if step == "nudge":
        office.pass_time(timedelta(hours=45))
        fuse.left = 2
    office.db.crash_point = fuse
    deaths = 0
    for _ in range(6):
        try:
            office.pass_time(timedelta(hours=12))
        except Killed:
            deaths += 1
            office.dispatcher = office.worker("successor")
    assert deaths == 1, fuse.reached
    assert nudges(office) == ([] if step == "let go" else [("Thu 06:00", "@nudge:one")])
    state = office.deliveries(run)["@nudge:one"].state
    assert state == ("cancelled" if step == "let go" else "accepted")


def test_two_workers_that_look_at_once_owe_one(office):
    office.join(ADA, weekdays=frozenset({0}))
    office.work()
    office.clock.advance(timedelta(hours=48))
    twin = Upkeep(office.db, office.clock, office._syllabi)
    assert [office.upkeep.run()["nudged"], twin.run()["nudged"]] == [1, 0]


def test_a_lesson_looked_at_twice_is_written_about_once(office):
    """A slow worker may put the mark back to where it was."""
    office.join(ADA, weekdays=frozenset({0}))
    office.pass_time(5 * DAY)
    assert len(nudges(office)) == 1
    with office.db.write("mark") as tx:
        store.set_looked_at(tx, "0")
    assert office.upkeep.run()["nudged"] == 0


def test_a_look_goes_on_where_the_last_one_ended(office, monkeypatch):
    monkeypatch.setattr("scheduler.nudging.BATCH", 2)
    monkeypatch.setattr("scheduler.nudging.MOST_BATCHES", 2)
    people = [f"p{n}@example.com" for n in range(5)]
    for address in people:
        office.join(address, weekdays=frozenset({0}))
    office.work()
    office.clock.advance(timedelta(hours=48))
    assert [office.upkeep.run()["nudged"] for _ in range(3)] == [4, 1, 0]


@pytest.mark.parametrize("key", ["names", "lesson-2", "a:b"])
@pytest.mark.parametrize("turn", [1, 2])
def test_a_key_names_its_lesson_and_its_turn(key, turn):
    letter = nudge_key(key, turn)
    assert nudge_of(letter) == nudge_of(f"@again-1:{letter}") == (turn, key)
    assert original_key(letter) == key
    assert nudge_of(key) is None


def test_it_never_comes_twice_in_a_round_that_is_left_and_taken_up_again(office):
    run = office.join(ADA, weekdays=frozenset({0}))
    office.pass_time(3 * DAY)
    office.enrolling.leave(run, agreed("leave"))
    office.enrolling.rejoin(run, agreed("rejoin"))
    office.pass_time(3 * DAY)
    assert nudges(office) == [("Thu 06:00", "@nudge:one")]
