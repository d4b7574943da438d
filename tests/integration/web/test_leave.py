"""Leaving: one click for mail programs, one button for people, for every mail ever sent."""

from __future__ import annotations

from datetime import timedelta

import pytest
from starlette.testclient import TestClient

from course.web.app import create_app
from scheduler.domain.enrollment import EnrollmentState, StopReason
from tests.little_browser import Browser, forms, heading
from tests.little_school import agreed


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
    assert [form.action for form in forms(page)] == [link, f"{link}/pause"]
    assert page.index(">Unsubscribe<") < page.index("Pause for a week instead")


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
    assert forms(browser.get(link).text) == []
    assert heading(browser.post(undo.action, **undo.fields).text) != "Welcome back."
    school.clock.advance(timedelta(minutes=-2))
    page = browser.post(undo.action, **undo.fields).text
    assert heading(page) == "Welcome back."
    assert 'href="/courses/clear-writing"' in page
    assert heading(browser.get(link).text) == "Unsubscribe?"


def test_a_reason_keeps_the_undo_unless_they_never_signed_up(school, browser, run, link):
    browser.post(link, by="page")
    page = browser.post(f"{link}/reason", reason="often").text
    assert heading(page) == "Thank you."
    undo = forms(page)[0]
    assert heading(browser.post(undo.action, **undo.fields).text) == "Welcome back."
    browser.post(link, by="page")
    assert forms(browser.post(f"{link}/reason", reason="never").text) == []


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


def test_a_reason_is_counted_without_a_name(school, browser, link):
    browser.post(f"{link}/reason", reason="often")
    audit = [row for row in school.everything()["audit"] if "leave-reason" in row]
    assert [row[-1] for row in audit] == ["clear-writing: often"]


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
