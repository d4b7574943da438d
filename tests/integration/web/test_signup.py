"""The course page and its form: one required field, one answer for everybody."""

from __future__ import annotations

from datetime import time, timedelta

import pytest

from course.config import SignupSettings
from course.web.forms import read_first_name
from scheduler.domain.enrollment import EnrollmentState
from scheduler.domain.syllabus import WEEKDAYS
from scheduler.store import people
from tests.little_browser import Browser, forms, heading
from tests.little_school import COURSE, agreed, build, write_course


def test_a_signup_writes_down_a_pending_run_and_owes_the_confirmation(school, browser):
    answer = browser.fill_in(first_name="Zoë", hour="08:30", days="weekdays")
    assert (answer.status_code, answer.headers["location"]) == (303, "/check-inbox")
    run = school.run_of("zoe@example.com")
    assert run.state is EnrollmentState.PENDING
    assert (run.cadence.hour, run.cadence.weekdays) == (time(8, 30), WEEKDAYS)
    school.work()
    assert [mail["Subject"] for mail in school.mails()] == [
        "Please confirm: Three Days of Clear Writing"
    ]


def test_the_waiting_page_names_address_sender_and_the_very_subject_of_the_mail(school, browser):
    page = browser.follow(browser.fill_in("zoe@gmail.com")).text
    school.work()
    mail = school.mails("zoe@gmail.com")[0]
    assert "zoe@gmail.com" in page
    assert str(mail["Subject"]) in page
    assert "hello@course.example" in page
    assert 'href="https://mail.google.com/"' in page


def test_the_address_never_stands_in_a_url(browser):
    answer = browser.fill_in()
    assert "zoe" not in answer.headers["location"]
    again = browser.post("/check-inbox/resend")
    assert "zoe" not in again.headers["location"]


def test_a_bad_address_keeps_what_was_typed_and_says_how_to_fix_it(school, browser):
    answer = browser.fill_in("zoe@@example", first_name="Zoë", hour="09:00")
    page = answer.text
    assert answer.status_code == 422
    assert "<title>Error: " in page
    assert 'role="alert"' in page
    assert '<a href="#email">' in page
    assert 'aria-invalid="true" aria-describedby="email-error"' in page
    assert 'value="zoe@@example"' in page
    assert 'value="Zoë"' in page
    assert "<option selected>09:00" in page
    assert school.run_of("zoe@@example") is None


@pytest.mark.parametrize(
    "typed", ["", "zoe", "zoe@", "@example.com", "zoe@localhost", '"zoe"@example.com', "a@b@c.com"]
)
def test_what_mail_cannot_reach_is_refused_with_a_message(browser, typed):
    answer = browser.fill_in(typed)
    assert answer.status_code == 422
    assert "example.com" in answer.text


@pytest.mark.parametrize("wish", [{"hour": "25:00"}, {"days": "someday"}, {"first_name": "x" * 61}])
def test_a_wish_that_cannot_be_read_is_said_beside_its_field(browser, wish):
    answer = browser.fill_in(**wish)
    (name,) = wish
    assert answer.status_code == 422
    assert f'id="{name}-error"' in answer.text


def test_the_email_field_is_made_for_thumbs_and_password_managers(browser):
    page = browser.get("/").text
    field = page[page.index('<input id="email"') :].partition(">")[0]
    for wanted in (
        'type="email"', 'autocomplete="email"', 'spellcheck="false"', 'maxlength="254"',
        'autocapitalize="off"', 'size="30"',
    ):  # fmt: skip
        assert wanted in field
    assert '<label for="email">' in page
    assert "placeholder" not in page


@pytest.mark.parametrize(
    "zone", ["Asia/Calcutta", "Europe/Kyiv", "Atlantis/Capital", "", "x" * 500]
)
def test_a_wrong_zone_never_fails_the_signup(school, browser, zone):
    assert browser.fill_in(timezone=zone).status_code == 303
    got = school.run_of("zoe@example.com").timezone
    assert got == {"Asia/Calcutta": "Asia/Kolkata", "Europe/Kyiv": "Europe/Kyiv"}.get(
        zone, "Europe/Berlin"
    )


def test_a_likely_typo_is_asked_about_never_refused(school, browser):
    page = browser.fill_in("zoe@gmial.com").text
    assert 'name="use" value="zoe@gmail.com"' in page
    assert 'name="keep" value="zoe@gmial.com"' in page
    assert school.run_of("zoe@gmial.com") is None
    form = forms(page)[0]
    school.clock.advance(timedelta(seconds=5))
    used = browser.post(form.action, **form.fields, use="zoe@gmail.com")
    assert used.status_code == 303
    assert school.run_of("zoe@gmail.com") is not None
    kept = browser.post(form.action, **form.fields, keep="zoe@gmial.com")
    assert kept.status_code == 303
    assert school.run_of("zoe@gmial.com") is not None


@pytest.mark.parametrize(
    "name", ["Zoë", "Anne-Marie O’Neil", "می\u200cترا", "李小龍", "Nguyễn Thị Bích", "क्\u200dष"]
)
def test_no_name_loses_a_letter_on_its_way_in(name):
    assert read_first_name(f"  {name} ") == name


def test_a_bot_that_fills_in_everything_sees_success_and_changes_nothing(school, browser):
    good = browser.follow(browser.fill_in("real@example.com")).text
    before = school.everything()
    trapped = browser.fill_in("bot@example.com", lantern="http://spam.example")
    assert trapped.headers["location"] == "/check-inbox"
    assert browser.follow(trapped).text == good.replace("real@", "bot@")
    assert school.everything() == before


def test_faster_than_a_person_counts_as_a_bot(school, browser):
    before = school.everything()
    assert browser.fill_in(after=1).headers["location"] == "/check-inbox"
    assert school.everything() == before


def test_a_person_caught_by_the_traps_gets_the_mail_by_asking_again(school, browser):
    browser.fill_in(after=1, hour="06:30")
    school.clock.advance(timedelta(minutes=2))
    assert browser.post("/check-inbox/resend").headers["location"] == "/check-inbox?did=again"
    assert school.run_of("zoe@example.com").cadence.hour == time(6, 30)


def test_in_a_demo_everybody_may_be_in_a_hurry(demo):
    Browser(demo).fill_in(after=0)
    assert demo.run_of("zoe@example.com") is not None


@pytest.mark.parametrize("stamp", ["", "forged", "old"])
def test_without_a_fresh_stamp_the_form_comes_back_filled_in(school, browser, stamp):
    form = forms(browser.get("/").text)[0]
    if stamp == "old":
        school.clock.advance(timedelta(days=2))
        stamp = form.fields["stamp"]
    answer = browser.post(
        form.action, **{**form.fields, "stamp": stamp, "email": "zoe@example.com"}
    )
    assert answer.status_code == 200
    assert "press the button once more" in answer.text
    assert 'value="zoe@example.com"' in answer.text
    assert school.run_of("zoe@example.com") is None
    school.clock.advance(timedelta(seconds=5))
    again = forms(answer.text)[0]
    assert browser.post(again.action, **again.fields).status_code == 303


def test_the_form_may_stand_on_another_site(school):
    stranger = Browser(
        school, **{"sec-fetch-site": "cross-site", "origin": "https://other.example"}
    )
    answer = stranger.post(f"/courses/{COURSE}/signup", email="zoe@example.com")
    assert answer.status_code == 200
    assert "press the button once more" in answer.text


def test_new_waiting_learning_left_and_suppressed_addresses_get_one_answer(school, browser):
    school.sign_up("waiting@example.com")
    school.join("learning@example.com")
    school.enrolling.leave(school.join("left@example.com"), agreed("leave"))
    gone = school.join("closed@example.com")
    school.enrolling.leave_everything(school.run(gone).learner_id, agreed("leave"))
    answers = []
    for name in ("new", "waiting", "learning", "left", "closed"):
        fresh = Browser(school)
        posted = fresh.fill_in(f"{name}@example.com")
        cookies = sorted((c.name, len(c.value or "")) for c in fresh.client.cookies.jar)
        page = fresh.follow(posted).text.replace(f"{name}@", "x@")
        widths = [(n, w) for n, w in cookies if n == "course_here"]
        answers.append((posted.status_code, posted.headers["location"], page, widths))
    assert all(answer == answers[0] for answer in answers)


def test_the_cookies_do_not_tell_the_number_of_the_enrollment(school, browser):
    school.join("zoe@example.com")
    browser.fill_in("zoe@example.com")
    first = browser.client.cookies["course_here"]
    browser.client.cookies.clear()
    browser.fill_in("new@example.com")
    import base64

    for value in (first, browser.client.cookies["course_here"]):
        inside = base64.urlsafe_b64decode(value.partition(".")[0] + "==").decode()
        assert len(inside.strip('"')) == 32


def test_too_many_signups_for_one_mailbox_however_it_is_spelled(tmp_path):
    school = build(tmp_path, signup=SignupSettings(per_address_per_day=2, min_fill_seconds=0))
    browser = Browser(school)
    spellings = ["a.b@gmail.com", "ab+x@gmail.com", "A.B+y@gmail.com"]
    codes = [browser.fill_in(address).status_code for address in spellings]
    assert codes == [303, 303, 429]
    assert browser.fill_in("other@gmail.com").status_code == 303


def test_too_many_signups_from_one_network(tmp_path):
    school = build(tmp_path, signup=SignupSettings(per_ip_per_hour=3, min_fill_seconds=0))
    browser = Browser(school)
    answers = [browser.fill_in(f"p{n}@example.com") for n in range(4)]
    assert [answer.status_code for answer in answers] == [303, 303, 303, 429]
    assert heading(answers[-1].text) == "A little too often"


def test_people_whose_network_is_unknown_do_not_share_one_limit(tmp_path):
    school = build(tmp_path, signup=SignupSettings(per_ip_per_hour=2, min_fill_seconds=0))
    browser = Browser(school, ip="unknown")
    codes = {browser.fill_in(f"p{n}@example.com").status_code for n in range(5)}
    assert codes == {303}


def test_consent_keeps_the_sentence_that_was_shown_and_only_a_hash_of_the_network(school, browser):
    page = browser.get("/").text
    browser.fill_in()
    with school.db.read() as tx:
        learner = people.find_learner(tx, "zoe@example.com")
        (_, consent), *_ = people.consents_of(tx, learner.id)
    assert consent.action == "signup"
    assert consent.text in page
    assert len(consent.ip_hash) == 32
    assert "198.51.100" not in str(school.everything())
    assert consent.at == school.clock.now()


def test_one_course_is_the_front_page_two_are_a_list(tmp_path, school, browser):
    assert heading(browser.get("/").text) == "Three Days of Clear Writing"
    write_course(tmp_path / "lessons", key="second-course", title="Two")
    school.catalog.refresh()
    page = browser.get("/").text
    assert heading(page) == "Courses by email"
    assert f'href="/courses/{COURSE}"' in page
    assert 'href="/courses/second-course"' in page
    assert heading(browser.get("/courses/second-course").text) == "Two"


def test_the_address_can_be_changed_on_the_waiting_page(browser):
    page = browser.follow(browser.fill_in("zoe@example.com")).text
    assert f'href="/courses/{COURSE}?change=1#join"' in page
    assert 'value="zoe@example.com"' in browser.get(f"/courses/{COURSE}?change=1").text


def test_asking_again_within_a_minute_is_answered_with_patience(school, browser):
    browser.fill_in()
    assert browser.post("/check-inbox/resend").headers["location"] == "/check-inbox?did=wait"


def test_reloading_the_answer_leads_back_to_the_form(browser):
    answer = browser.get(f"/courses/{COURSE}/signup")
    assert answer.headers["location"] == f"/courses/{COURSE}"
