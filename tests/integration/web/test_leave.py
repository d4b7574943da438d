"""Leaving: one click for mail programs, one button for people, for every mail ever sent."""

from __future__ import annotations

from datetime import timedelta

import pytest
from starlette.testclient import TestClient

from course.web.app import create_app
from course.web.why_left import WHY
from scheduler.domain.enrollment import EnrollmentState, StopReason
from scheduler.rules.suppression import address_hash
from scheduler.store import people, reports
from tests.little_browser import Browser, forms, heading
from tests.little_school import agreed, build, write_course
from tests.naughty import NAMES

#: What still fits into a form; more is refused before anybody reads it.
TYPED = [name for name in NAMES if len(name.encode("utf-8", "replace")) < 20_000]


@pytest.fixture
def run(school) -> int:
    number = school.join()
    school.work()
    return number


@pytest.fixture
def link(school, run) -> str:
    return school.link_path(school.links.leave(run))


@pytest.fixture
def mail_program(school) -> TestClient:
    """As bare as they come: no cookies, no redirects, no headers of a browser."""
    return TestClient(create_app(school), follow_redirects=False, raise_server_exceptions=False)


def because(school, run: int) -> str:
    with school.db.read() as tx:
        (row,) = [r for r in reports.search_learners(tx) if r.enrollment.id == run]
    return row.left_because


ONE_CLICK = "List-Unsubscribe=One-Click"
MULTIPART = (
    '--x\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--x--\r\n'
)


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (ONE_CLICK, "application/x-www-form-urlencoded"),
        (MULTIPART, "multipart/form-data; boundary=x"),
        (MULTIPART, "multipart/form-data"),
        (MULTIPART, "multipart/form-data; boundary=y"),
        (ONE_CLICK, None),
        (ONE_CLICK, "text/plain"),
        ("{}", "application/json"),
        ("", "application/x-www-form-urlencoded"),
        ("\xff\xfe", "application/x-www-form-urlencoded; charset=utf-16"),
    ],
)
def test_one_post_of_a_mail_program_ends_it(
    school, mail_program, run, link, body, content_type, slash
):
    headers = {} if content_type is None else {"content-type": content_type}
    answer = mail_program.post(link + slash, content=body.encode(), headers=headers)
    assert answer.status_code == 200
    assert len(answer.content) < 100
    assert "set-cookie" not in answer.headers
    assert school.run(run).state is EnrollmentState.STOPPED
    assert school.run(run).reason == StopReason.LEFT


def test_a_mail_program_that_names_a_strange_origin_is_served_all_the_same(
    school, mail_program, run, link
):
    headers = {"origin": "https://mail.example", "sec-fetch-site": "cross-site"}
    assert mail_program.post(
        link, data={"List-Unsubscribe": "One-Click"}, headers=headers
    ).is_success
    assert school.run(run).state is EnrollmentState.STOPPED


def test_no_limit_is_ever_put_on_leaving(mail_program, link):
    codes = {mail_program.post(link, content=ONE_CLICK).status_code for _ in range(60)}
    assert codes == {200}


def test_a_hundred_looks_change_nothing(school, browser, link):
    before = school.everything()
    for _ in range(50):
        assert browser.get(link).status_code == 200
        assert browser.head(link + "/").status_code == 200
    assert school.everything() == before


def test_a_second_post_changes_nothing_more(school, mail_program, link):
    mail_program.post(link, content=ONE_CLICK)
    before = school.everything()
    assert mail_program.post(link, content=ONE_CLICK).status_code == 200
    assert school.everything() == before


def test_the_first_button_leaves_and_the_second_is_a_pause(browser, link):
    page = browser.get(link).text
    assert [form.action for form in forms(page)] == [
        link, f"{link}/pause", f"{link}/everything",
    ]  # fmt: skip
    assert page.index(">Unsubscribe<") < page.index("Pause for a week instead")
    assert page.index("Pause for a week instead") < page.index("Leave everything")


def test_a_person_sees_done_with_an_undo_that_brings_everything_back(school, browser, run, link):
    form = forms(browser.get(link).text)[0]
    page = browser.post(form.action, **form.fields).text
    assert heading(page) == "Done."
    assert "z••@example.com gets nothing more" in page
    assert school.run(run).state is EnrollmentState.STOPPED
    undo = forms(page)[0]
    page = browser.post(undo.action, **undo.fields).text
    assert heading(page) == "Welcome back."
    assert "Lesson 2 comes tomorrow, Tuesday, at 07:00" in page
    assert school.run(run).state is EnrollmentState.ACTIVE


def test_who_has_left_is_told_so_and_can_take_it_back_for_an_hour(
    school, browser, mail_program, run, link
):
    mail_program.post(link, content=ONE_CLICK)
    page = browser.get(link).text
    assert heading(page) == "You have left."
    assert "Unsubscribe?" not in page
    undo = forms(page)[0]
    school.clock.advance(timedelta(minutes=61))
    assert [form.action for form in forms(browser.get(link).text)] == [f"{link}/everything"]
    assert heading(browser.post(undo.action, **undo.fields).text) != "Welcome back."
    school.clock.advance(timedelta(minutes=-2))
    page = browser.post(undo.action, **undo.fields).text
    assert heading(page) == "Welcome back."
    assert 'href="/courses/clear-writing"' in page
    assert heading(browser.get(link).text) == "Unsubscribe?"


@pytest.mark.parametrize("word", WHY)
def test_a_reason_is_kept_with_the_run_and_keeps_the_undo(school, browser, run, link, word):
    browser.post(link, by="page")
    page = browser.post(f"{link}/reason", reason=word).text
    assert heading(page) == "Thank you."
    assert because(school, run) == word
    undo = forms(page)[0]
    assert heading(browser.post(undo.action, **undo.fields).text) == "Welcome back."
    assert because(school, run) == ""
    assert school.run(run).state is EnrollmentState.ACTIVE


def test_an_old_reason_is_forgotten_when_they_leave_again_without_one(school, browser, run, link):
    browser.post(link, by="page")
    browser.post(f"{link}/reason", reason="long")
    school.clock.advance(timedelta(hours=2))
    school.join()
    browser.post(link, by="page")
    assert because(school, run) == ""


def test_a_reason_of_somebodys_own_making_is_not_kept(school, browser, run, link):
    browser.post(link, by="page")
    before = school.everything()
    for given in (*TYPED, "", "OFTEN", "left"):
        typed = given.encode("utf-8", "replace")
        answer = browser.client.post(f"{link}/reason", data={"reason": typed})
        assert heading(answer.text) == "Thank you.", given[:40]
    assert school.everything() == before


def test_who_has_not_left_gives_no_reason_for_it(school, browser, run, link):
    browser.post(f"{link}/reason", reason="often")
    assert because(school, run) == ""
    assert school.run(run).state is EnrollmentState.ACTIVE


@pytest.mark.parametrize("proof", ["missing", "forged", "of another", "too old"])
def test_the_link_alone_cannot_bring_anybody_back(school, browser, run, link, proof):
    other = school.link_path(school.links.leave(school.join("other@example.com")))
    page = browser.post(other if proof == "of another" else link, by="page").text
    browser.post(link, by="page")
    sealed = forms(page)[0].fields["undo"]
    if proof == "too old":
        school.clock.advance(timedelta(hours=2))
    fields = {"missing": {}, "forged": {"undo": sealed[:-2]}}.get(proof, {"undo": sealed})
    browser.post(f"{link}/undo", **fields)
    assert school.run(run).state is EnrollmentState.STOPPED


def test_pausing_instead_holds_the_course_for_a_week(school, browser, run, link):
    page = browser.post(f"{link}/pause").text
    assert heading(page) == "Paused."
    assert "Monday, 30 November" in page
    assert school.run(run).state is EnrollmentState.PAUSED


def test_i_never_signed_up_closes_the_address_to_all_mail(school, browser, run, link):
    page = browser.post(link, by="page").text
    assert "I never signed up" in page
    browser.post(f"{link}/reason", reason="never")
    assert school.enrolling.sign_up(
        "clear-writing", "zoe@example.com", consent=agreed()
    ).outcome == ("suppressed")


# -- leaving everything --------------------------------------------------------------------------


@pytest.fixture
def two(tmp_path):
    """A school with a second course, and somebody who takes both."""
    write_course(tmp_path / "lessons", key="second", title="The Second Course")
    write_course(tmp_path / "lessons")
    school = build(tmp_path)
    first, second = school.join(), second_run(school)
    school.work()
    yield school, first, second
    school.close()


def second_run(school) -> int:
    done = school.enrolling.sign_up("second", "zoe@example.com", consent=agreed())
    school.enrolling.confirm(done.enrollment_id, agreed("confirm"))
    return done.enrollment_id


def test_leaving_one_course_leaves_the_other_alone(two):
    school, first, second = two
    Browser(school).post(school.link_path(school.links.leave(first)), by="page")
    assert school.run(first).state is EnrollmentState.STOPPED
    assert school.run(second).state is EnrollmentState.ACTIVE


def test_leaving_everything_ends_every_course_and_all_mail(two):
    school, first, second = two
    link = school.link_path(school.links.leave(first))
    page = Browser(school).post(f"{link}/everything").text
    assert heading(page) == "Done."
    assert "z••@example.com gets nothing more, from any course here" in page
    assert {school.run(n).reason for n in (first, second)} == {StopReason.LEFT}
    again = school.enrolling.sign_up("second", "zoe@example.com", consent=agreed())
    assert again.outcome == "suppressed"
    before = len(school.mails())
    school.pass_time(timedelta(days=3))
    assert len(school.mails()) == before


@pytest.mark.parametrize("way", ["everything", "never"])
def test_undo_brings_back_every_course_that_ended_with_it_and_no_other(two, way):
    school, first, second = two
    browser, link = Browser(school), school.link_path(school.links.leave(second))
    browser.post(school.link_path(school.links.leave(first)), by="page")
    school.clock.advance(timedelta(minutes=5))
    if way == "never":
        browser.post(link, by="page")
        page = browser.post(f"{link}/reason", reason="never").text
    else:
        page = browser.post(f"{link}/everything").text
    assert heading(browser.get(link).text) == "Done."
    undo = forms(page)[0]
    assert heading(browser.post(undo.action, **undo.fields).text) == "Welcome back."
    assert school.run(second).state is EnrollmentState.ACTIVE
    assert school.run(first).state is EnrollmentState.STOPPED
    before = len(school.mails())
    school.pass_time(timedelta(days=1))
    assert len(school.mails()) == before + 1


def test_undo_brings_both_courses_back_when_both_ended_at_once(two):
    school, first, second = two
    browser, link = Browser(school), school.link_path(school.links.leave(second))
    undo = forms(browser.post(f"{link}/everything").text)[0]
    browser.post(undo.action, **undo.fields)
    assert {school.run(n).state for n in (first, second)} == {EnrollmentState.ACTIVE}


def test_a_complaint_is_not_lifted_by_an_undo(school, browser, run, link):
    page = browser.post(f"{link}/everything").text
    hashed = address_hash("salt", people.address_key("zoe@example.com"))
    with school.db.write() as tx:
        people.unsuppress(tx, hashed)
        school.clock.advance(timedelta(seconds=1))
        people.suppress(tx, hashed, reason="complained", source="x", now=school.clock.now())
    undo = forms(page)[0]
    assert heading(browser.post(undo.action, **undo.fields).text) == "As it was."
    assert school.run(run).state is EnrollmentState.STOPPED


# -- as it was -----------------------------------------------------------------------------------


@pytest.mark.parametrize("until", [timedelta(days=9), None])
def test_undo_brings_back_a_break_as_a_break(school, browser, run, link, until):
    ends = None if until is None else school.clock.now() + until
    school.enrolling.pause(run, until=ends, consent=agreed("pause"))
    undo = forms(browser.post(link, by="page").text)[0]
    assert heading(browser.post(undo.action, **undo.fields).text) == "Welcome back."
    after = school.run(run)
    assert (after.state, after.paused_until) == (EnrollmentState.PAUSED, ends)
    before = len(school.mails())
    school.pass_time(timedelta(days=2))
    assert len(school.mails()) == before


def test_a_break_that_ended_meanwhile_is_over_after_the_undo(school, browser, run, link):
    ends = school.clock.now() + timedelta(minutes=10)
    school.enrolling.pause(run, until=ends, consent=agreed("pause"))
    undo = forms(browser.post(link, by="page").text)[0]
    school.clock.advance(timedelta(minutes=20))
    browser.post(undo.action, **undo.fields)
    assert school.run(run).state is EnrollmentState.ACTIVE


def test_a_lesson_owed_meanwhile_comes_at_the_next_slot_of_the_same_pace(
    school, browser, run, link
):
    pace = school.run(run).cadence
    school.clock.advance(timedelta(hours=21, minutes=59))  # Tuesday, a minute to seven
    undo = forms(browser.post(link, by="page").text)[0]
    school.clock.advance(timedelta(minutes=2))
    school.work()
    browser.post(undo.action, **undo.fields)
    before = len(school.mails())
    school.pass_time(timedelta(hours=23))
    assert len(school.mails()) == before
    school.pass_time(timedelta(hours=1, minutes=20))
    assert [str(mail["Subject"])[-11:] for mail in school.mails()[before:]] == ["Plain words"]
    assert school.run(run).cadence == pace


def test_each_step_on_the_way_out_and_back_is_on_record(school, browser, run, link):
    browser.post(f"{link}/pause")
    undo = forms(browser.post(link, by="page").text)[0]
    browser.post(undo.action, **undo.fields)
    browser.post(f"{link}/everything")
    with school.db.read() as tx:
        given = [c for _, c in people.consents_of(tx, school.run(run).learner_id)][2:]
    assert [(c.action, c.text, c.source) for c in given] == [
        ("pause", "Pause for a week instead", "web:/leave"),
        ("leave", "Unsubscribe", "web:/leave"),
        ("restart", "Undo", "web:/leave/undo"),
        ("leave", "Leave everything", "web:/leave"),
        ("leave-all", "Leave everything", "web:/leave"),
    ]
    assert all(c.ip_hash and "198.51" not in c.ip_hash for c in given)


def test_a_forged_link_gets_the_same_page_and_no_learners_data(school, browser, link):
    real = browser.get(link)
    for damaged in (link[:-3], "/leave/abc", "/leave/%F0%9F%A6%86"):
        before = school.everything()
        looked, posted = browser.get(damaged), browser.post(damaged, by="page")
        clicked = browser.client.post(damaged, content=ONE_CLICK)
        assert {looked.status_code, posted.status_code, clicked.status_code} == {200}
        assert heading(looked.text) == heading(real.text)
        assert heading(posted.text) == "Done."
        assert "••" not in looked.text + posted.text
        assert school.everything() == before


def test_the_link_of_an_erased_person_still_says_done(school, browser, run, link):
    school.enrolling.forget(school.run(run).learner_id)
    assert heading(browser.post(link, by="page").text) == "Done."
    assert browser.client.post(link, content=ONE_CLICK).status_code == 200


def test_the_link_of_an_old_round_ends_the_round_that_is_running(school, browser, run, link):
    later = school.enrolling.restart(run, agreed("restart"))
    browser.client.post(link, content=ONE_CLICK)
    assert school.run(later.id).state is EnrollmentState.STOPPED


def test_it_works_years_later_and_after_the_key_was_changed(tmp_path, school, run, link):
    from tests.little_school import build

    school.clock.advance(timedelta(days=2000))
    rotated = build(
        tmp_path, clock=school.clock, secret_key=("a new key", *school.settings.secret_key)
    )
    assert Browser(rotated).client.post(link, content=ONE_CLICK).status_code == 200
    assert school.run(run).state is EnrollmentState.STOPPED


def test_nothing_at_all_is_sent_after_leaving(school, browser, link):
    school.clock.advance(timedelta(days=1))  # the next lesson is due now
    browser.client.post(link, content=ONE_CLICK)
    before = len(school.mails())
    school.pass_time(timedelta(days=3))
    assert len(school.mails()) == before
