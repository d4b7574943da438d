"""A person moves to another address: confirmed there, told here, and nobody is merged."""

from __future__ import annotations

from datetime import timedelta

import pytest

from scheduler.domain.delivery import DeliveryState, original_key
from scheduler.domain.enrollment import EnrollmentState
from scheduler.domain.provider import Deferred, Fault, Refused
from scheduler.enrolling import NewPerson
from scheduler.errors import NotAllowed
from scheduler.rules.suppression import address_hash
from scheduler.store import Database, people
from tests.office import SALT, Office, agreed

DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
OLD, NEW = "ada@example.com", "ada@example.net"


@pytest.fixture
def office(db: Database) -> Office:
    return Office(db)


@pytest.fixture
def run(office: Office) -> int:
    """Somebody who has had the first lesson."""
    number = office.join()
    office.work()
    return number


def ask(office: Office, run: int, address: str = NEW) -> str:
    """Ask for another address; the id of the letter that went there."""
    office.clock.advance(MINUTE)
    office.enrolling.ask_to_move(run, address)
    office.work()
    return newest(office, run, "@address")


def newest(office: Office, run: int, letter: str) -> str:
    found = [d for d in office.deliveries(run).values() if original_key(d.key) == letter]
    return max(found, key=lambda d: (d.created_at, len(d.key), d.key)).id


def press(office: Office, letter: str) -> str:
    """The button behind the link in a letter; how things stand then."""
    office.clock.advance(MINUTE)
    done = office.enrolling.move(letter, agreed("address"))
    office.work()
    assert done is not None
    return done.standing


def standing(office: Office, letter: str) -> str:
    found = office.enrolling.look_at_move(letter)
    assert found is not None
    return found.standing


def address(office: Office, run: int) -> str:
    with office.db.read() as tx:
        person = people.learner(tx, office.run(run).learner_id)
    assert person is not None
    return person.address


def suppress(office: Office, which: str) -> None:
    hashed = address_hash(SALT, people.address_key(which))
    with office.db.write() as tx:
        people.suppress(tx, hashed, reason="bounced", source="test", now=office.clock.now())


def consents(office: Office, run: int) -> list[tuple[str, str]]:
    with office.db.read() as tx:
        given = people.consents_of(tx, office.run(run).learner_id)
    return [(c.action, c.text) for _, c in given]


# -- the usual way -----------------------------------------------------------------------------


def test_the_course_goes_on_at_the_new_address_and_the_old_one_is_told(office, run):
    letter = ask(office, run)
    assert office.mails(NEW) == ["@address"]
    assert address(office, run) == OLD
    assert press(office, letter) == "already"
    assert office.mails(OLD)[-1] == "@moved"
    office.pass_time(3 * DAY)
    assert office.mails(NEW) == ["@address", "two", "three", "@completed"]
    assert office.lessons(OLD) == ["one"]
    assert office.mornings(NEW) == ["Tue 24 07:00", "Wed 25 07:00"]


def test_until_it_is_confirmed_everything_stays_as_it_was(office, run):
    before = office.run(run)
    letter = ask(office, run)
    assert standing(office, letter) == "open"
    office.pass_time(DAY)
    assert office.lessons(OLD) == ["one", "two"]
    assert office.mails(NEW) == ["@address"]
    assert office.run(run).state is before.state


def test_pressing_twice_changes_nothing_more_and_tells_nobody_again(office, run):
    letter = ask(office, run)
    press(office, letter)
    assert press(office, letter) == "already"
    assert office.mails(OLD).count("@moved") == 1
    assert [action for action, _ in consents(office, run)].count("address") == 1


def test_the_change_is_written_down_with_both_addresses(office, run):
    press(office, ask(office, run))
    assert consents(office, run)[-1] == ("address", f"Send me the course. {OLD} -> {NEW}")


def test_a_lesson_already_owed_goes_to_the_new_address(office, run):
    office.letterbox.answers["two"] = Deferred("451 later")
    office.pass_time(timedelta(hours=22, minutes=5))
    assert office.deliveries(run)["two"].state is DeliveryState.WAITING
    letter = ask(office, run)
    office.letterbox.answers.clear()
    press(office, letter)
    office.pass_time(timedelta(hours=2))
    assert office.lessons(NEW) == ["two"]


def test_a_lesson_in_a_workers_hands_goes_to_the_new_address_and_only_there(office, run):
    letter = ask(office, run)
    composed = office.composer.compose
    moved: list[str] = []

    def move_while_composing(claimed):
        if not moved and any(c.delivery.key == "two" for c in claimed):
            moved.append(press_now(office, letter))
        return composed(claimed)

    office.composer.compose = move_while_composing
    office.pass_time(DAY)
    assert moved == ["already"]
    assert (office.lessons(OLD), office.lessons(NEW)) == (["one"], ["two"])


def press_now(office: Office, letter: str) -> str:
    done = office.enrolling.move(letter, agreed("address"))
    assert done is not None
    return done.standing


def test_what_is_being_handed_over_keeps_the_address_it_goes_to(office, run):
    letter = ask(office, run)
    moved: list[str] = []

    def move_while_sending(messages):
        if not moved and any(m.raw == b"two" for m in messages):
            moved.append(press_now(office, letter))

    office.letterbox.before = move_while_sending
    office.pass_time(DAY)
    assert moved == ["already"]
    assert office.lessons(OLD) == ["one", "two"]
    assert office.deliveries(run)["two"].to_addr == OLD
    office.pass_time(DAY)
    assert office.lessons(NEW) == ["three"]


def test_another_spelling_of_ones_own_address_tells_nobody(office, run):
    assert press(office, ask(office, run, "Ada@Example.com")) == "already"
    assert address(office, run) == "Ada@Example.com"
    assert "@moved" not in office.mails(OLD) + office.mails("Ada@Example.com")


def test_every_course_of_a_person_follows(db):
    office = Office(db)
    run = office.join()
    office.syllabus, first = _other(office), office.syllabus
    answer = office.enrolling.enroll("d", [NewPerson(OLD)], consent=agreed("import"))
    office.syllabus = first
    letter = ask(office, run)
    press(office, letter)
    office.syllabus = _other(office)
    office.pass_time(DAY)
    assert answer[0].enrollment_id is not None
    assert "uno" in office.lessons(NEW)
    assert office.mails(OLD).count("@moved") == 1


def _other(office: Office):
    from dataclasses import replace

    from tests.office import a_syllabus

    return replace(a_syllabus("uno", "due"), course="d")


# -- what a form must not do ---------------------------------------------------------------------


def test_a_form_cannot_flood_a_mailbox_with_questions(office, run):
    for _ in range(10):
        office.enrolling.ask_to_move(run, "victim@example.com")
        office.pass_time(5 * MINUTE)
    office.pass_time(timedelta(hours=1))
    assert len(office.mails("victim@example.com")) == 3


def test_one_question_in_ten_minutes_but_a_slip_is_corrected_at_once(office, run):
    assert office.enrolling.ask_to_move(run, "slip@example.net") == "asked"
    office.clock.advance(MINUTE)
    assert office.enrolling.ask_to_move(run, "Slip@example.net") == "limited"
    assert office.enrolling.ask_to_move(run, NEW) == "asked"
    office.clock.advance(11 * MINUTE)
    assert office.enrolling.ask_to_move(run, NEW) == "asked"
    office.clock.advance(11 * MINUTE)
    assert office.enrolling.ask_to_move(run, NEW) == "limited"  # three a day
    office.clock.advance(DAY)
    assert office.enrolling.ask_to_move(run, NEW) == "asked"


def test_only_the_newest_wish_counts_so_that_a_slip_takes_nobody_away(office, run):
    slip = ask(office, run, "stranger@example.net")
    right = ask(office, run)
    assert press(office, slip) == "outdated"
    assert address(office, run) == OLD
    assert press(office, right) == "already"
    assert press(office, slip) == "outdated"
    assert address(office, run) == NEW


def test_an_older_question_that_has_not_left_is_withdrawn(office, run):
    office.enrolling.ask_to_move(run, "stranger@example.net")
    office.clock.advance(MINUTE)
    office.enrolling.ask_to_move(run, NEW)
    office.work()
    assert office.mails("stranger@example.net") == []
    assert office.mails(NEW) == ["@address-2"]


@pytest.mark.parametrize("whose", ["nobody's", "a learner's", "suppressed"])
def test_the_answer_is_the_same_whosever_the_address_is(office, run, whose):
    if whose == "a learner's":
        office.join(NEW)
    elif whose == "suppressed":
        suppress(office, NEW)
    office.clock.advance(MINUTE)
    assert office.enrolling.ask_to_move(run, NEW) == "asked"
    assert office.enrolling.ask_to_move(run, NEW) == "limited"


def test_another_learner_is_told_and_never_merged(office, run):
    theirs = office.join(NEW)
    office.work()
    ask_id = len(office.mails(NEW))
    office.clock.advance(MINUTE)
    office.enrolling.ask_to_move(run, NEW)
    office.work()
    assert office.mails(NEW)[ask_id:] == ["@taken"]
    letter = newest(office, run, "@taken")
    assert office.enrolling.look_at_move(letter) is None
    assert office.enrolling.move(letter, agreed("address")) is None
    assert (address(office, run), address(office, theirs)) == (OLD, NEW)


def test_who_comes_to_the_address_before_it_is_confirmed_keeps_it(office, run):
    letter = ask(office, run)
    theirs = office.join(NEW)
    assert press(office, letter) == "taken"
    assert (address(office, run), address(office, theirs)) == (OLD, NEW)


def test_a_signup_nobody_confirmed_is_no_owner_and_is_forgotten(office, run):
    ghost = office.sign_up(NEW)
    assert press(office, ask(office, run)) == "already"
    assert office.run(ghost) is None
    office.pass_time(DAY)
    assert office.lessons(NEW) == ["two"]


def test_a_suppressed_address_gets_nothing_and_nobody_moves_there(office, run):
    letter = ask(office, run)
    suppress(office, NEW)
    assert press(office, letter) == "suppressed"
    office.clock.advance(DAY)
    office.enrolling.ask_to_move(run, NEW)
    office.work()
    assert office.mails(NEW) == ["@address"]
    assert address(office, run) == OLD


@pytest.mark.parametrize("when", ["before confirming", "after leaving"])
def test_only_a_course_that_runs_can_be_moved(office, when):
    run = office.sign_up()
    if when == "after leaving":
        office.enrolling.confirm(run, agreed("confirm"))
        office.enrolling.leave(run, agreed("leave"))
    with pytest.raises(NotAllowed, match="sign up with the other"):
        office.enrolling.ask_to_move(run, NEW)


def test_a_mistyped_address_that_bounces_stops_nobodys_course(office, run):
    office.letterbox.answers["@address"] = Refused("550 5.1.1 no such user", Fault.ADDRESS)
    ask(office, run, "nobody@example.net")
    assert office.run(run).state is EnrollmentState.ACTIVE
    office.letterbox.answers["@address-2"] = Refused("550 5.7.1 no", Fault.POLICY)
    ask(office, run)
    assert office.run(run).state is EnrollmentState.ACTIVE
    office.pass_time(DAY)
    assert office.lessons(OLD) == ["one", "two"]


def test_no_letter_about_an_address_is_sent_once_more(office, run):
    ask(office, run)
    with pytest.raises(NotAllowed, match="went to another address"):
        office.enrolling.resend(run, "@address")


# -- taking it back --------------------------------------------------------------------------------


def test_the_old_address_can_take_it_back_and_then_every_older_link_is_shut(office, run):
    asked = ask(office, run)
    press(office, asked)
    objection = newest(office, run, "@moved")
    assert press(office, objection) == "already"
    assert address(office, run) == OLD
    assert [action for action, _ in consents(office, run)][-2:] == ["address", "address-back"]
    assert press(office, asked) == "outdated"
    assert office.mails(NEW) == ["@address"]  # whoever it was is not written to again
    office.pass_time(DAY)
    assert office.lessons(OLD) == ["one", "two"]


def test_moving_on_quickly_does_not_shut_the_old_address_out(office, run):
    """Somebody with a forwarded mail moves the course twice, to lose its owner."""
    press(office, ask(office, run, "thief@example.net"))
    objection = newest(office, run, "@moved")
    press(office, ask(office, run, "thief@example.org"))
    thiefs_objection = newest(office, run, "@moved")
    assert thiefs_objection != objection
    assert press(office, objection) == "already"
    assert address(office, run) == OLD
    assert press(office, thiefs_objection) == "outdated"
    assert address(office, run) == OLD


# -- bounces ---------------------------------------------------------------------------------------


def test_away_from_a_dead_address_the_course_can_be_taken_up_where_it_stopped(office, run):
    office.letterbox.answers["two"] = Refused("550 5.1.1 no such user", Fault.ADDRESS)
    office.pass_time(DAY)
    assert office.run(run).reason == "bounced"
    office.letterbox.answers.clear()
    assert press(office, ask(office, run)) == "already"
    assert office.mails(OLD).count("@moved") == 0
    again = office.join(NEW)
    office.pass_time(2 * DAY)
    assert again == run
    assert office.mails(NEW) == ["@address", "@confirm-2", "three", "@completed"]
    # The old address itself stays shut.
    assert office.enrolling.sign_up("c", OLD, consent=agreed()).outcome == "suppressed"


def test_a_late_bounce_of_the_old_address_does_not_stop_who_has_moved(office, run):
    letter = ask(office, run)
    office.letterbox.answers["two"] = Refused("550 5.1.1 no such user", Fault.ADDRESS)
    office.letterbox.before = lambda messages: (
        press_now(office, letter) if any(m.raw == b"two" for m in messages) else None
    )
    office.pass_time(DAY)
    refused = office.deliveries(run)["two"]
    assert (refused.state, refused.to_addr) == (DeliveryState.REFUSED, OLD)
    assert office.run(run).state is EnrollmentState.ACTIVE
    office.letterbox.before = lambda _: None
    office.letterbox.answers.clear()
    assert office.enrolling.requeue(refused.id)
    assert office.deliveries(run)["two"].to_addr == NEW
    office.pass_time(DAY)
    assert office.lessons(NEW)[:1] == ["two"]


# -- staff -----------------------------------------------------------------------------------------


def learner(office: Office, run: int) -> int:
    return int(office.run(run).learner_id)


def test_staff_changes_an_address_at_once_and_the_old_one_is_told(office, run):
    after = office.enrolling.readdress(learner(office, run), NEW, agreed("address"))
    assert after.address == address(office, run) == NEW
    office.work()
    assert office.mails(OLD)[-1] == "@moved"
    assert consents(office, run)[-1] == ("address", f"Send me the course. {OLD} -> {NEW}")
    office.pass_time(DAY)
    assert office.lessons(NEW) == ["two"]


@pytest.mark.parametrize(
    ("whose", "said"),
    [("same", "already"), ("learner", "learners forget"), ("suppressed", "suppressed")],
)
def test_staff_is_told_why_an_address_will_not_do(office, run, whose, said):
    wanted = OLD if whose == "same" else NEW
    if whose == "learner":
        office.sign_up(NEW)
    elif whose == "suppressed":
        suppress(office, NEW)
    for attempt in (
        lambda: office.enrolling.may_readdress(learner(office, run), wanted),
        lambda: office.enrolling.readdress(learner(office, run), wanted, agreed("address")),
    ):
        with pytest.raises(NotAllowed, match=said):
            attempt()
    assert address(office, run) == OLD


def test_an_unconfirmed_signup_with_a_slip_is_asked_again_at_the_right_address(office):
    run = office.sign_up("ada@exmaple.com")
    office.work()
    office.enrolling.readdress(learner(office, run), NEW, agreed("address"))
    office.work()
    assert office.mails(NEW) == ["@confirm-2"]
    assert office.mails("ada@exmaple.com") == ["@confirm"]  # and no word of the new one


def test_a_question_that_has_not_left_is_asked_once_at_the_right_address(office):
    run = office.sign_up("ada@exmaple.com")
    office.enrolling.readdress(learner(office, run), NEW, agreed("address"))
    office.work()
    assert office.mails(NEW) == ["@confirm"]
    assert office.mails("ada@exmaple.com") == []
