"""The admin pages: one-time login, what today looks like, one learner's page with buttons."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from sqlalchemy import update

from course import adoption
from course.web.admin.returned import Returned
from scheduler.domain.delivery import DeliveryKind
from scheduler.domain.enrollment import EnrollmentState
from scheduler.domain.events import EventKind, ProviderEvent
from scheduler.domain.provider import Fault
from scheduler.rules import reputation
from scheduler.rules.pace import Breaker, BreakerState
from scheduler.store import ledger, pace, people, reported
from scheduler.store.reported import CameBack
from scheduler.store.tables import deliveries
from tests.little_browser import Browser, forms, heading
from tests.little_school import COURSE, MONDAY, LittleSchool, agreed, build


def log_in(browser: Browser, nonce: str = "nonce") -> None:
    link = browser.school.link_path(browser.school.links.admin_enter(nonce))
    form = forms(browser.get(link).text)[0]
    assert browser.post(form.action, **form.fields).headers["location"] == "/admin/"


@pytest.fixture
def office(browser: Browser) -> Browser:
    log_in(browser)
    return browser


@pytest.fixture
def learner(school: LittleSchool) -> int:
    run = school.join(first_name="Zoë")
    school.work()
    return school.run(run).learner_id


# -- the door ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    ["/admin", "/admin/", "/admin/learners", "/admin/learners/1", "/admin/learners.csv"],
)
def test_without_a_login_there_is_only_the_page_that_says_how(browser, learner, path):
    answer = browser.get(path)
    assert answer.status_code == 401
    assert "course admin login-link" in answer.text
    assert "zoe" not in answer.text


@pytest.mark.parametrize("action", ["pause", "resume", "next", "skip", "resend", "stop"])
def test_without_a_login_no_button_works(school, browser, learner, action):
    run = school.run_of("zoe@example.com")
    assert browser.post(f"/admin/learners/{learner}/{action}", run=run.id).status_code == 401
    assert browser.post(f"/admin/deliveries/{'0' * 32}/again").status_code == 401
    assert school.run(run.id) == run


def test_looking_at_the_link_does_not_use_it_up_and_the_button_does_once(school, browser):
    link = school.link_path(school.links.admin_enter("n1"))
    for _ in range(3):
        form = forms(browser.get(link).text)[0]
    assert browser.post(form.action, **form.fields).status_code == 303
    assert browser.get("/admin/").status_code == 200
    second = Browser(school)
    answer = second.post(form.action, **form.fields)
    assert answer.status_code == 403
    assert "used already" in answer.text
    assert second.get("/admin/").status_code == 401


def test_the_link_runs_out_and_cannot_be_forged(school, browser):
    link = school.link_path(school.links.admin_enter("n1"))
    form = forms(browser.get(link).text)[0]
    school.clock.advance(timedelta(minutes=11))
    assert browser.post(form.action, **form.fields).status_code == 403
    assert browser.post("/admin/enter", token="forged").status_code == 403
    assert browser.get("/admin/").status_code == 401


def test_a_link_that_opens_nothing_says_why_and_how_to_get_another(school, browser):
    link = school.link_path(school.links.admin_enter("n1"))
    form = forms(browser.get(link).text)[0]
    browser.post(form.action, **form.fields)
    stranger = Browser(school)
    used = stranger.post(form.action, **form.fields).text
    assert heading(used) == "This link has been used already."
    broken = stranger.get(link[:-3]).text
    assert heading(broken) == "This link is not complete."
    school.clock.advance(timedelta(minutes=11))
    expired = stranger.get(link).text
    assert heading(expired) == "This link has run out."
    assert heading(stranger.post(form.action, **form.fields).text) == heading(expired)
    for page in (used, broken, expired):
        assert "course admin login-link" in page
    assert 'href="/admin/"' in browser.get(link).text  # who is inside needs no link


def test_the_session_is_random_hashed_and_bound(school, office):
    value = office.client.cookies["course_admin"]
    assert len(value) >= 43  # 256 bits
    assert value not in str(school.everything())


def test_on_https_the_cookie_carries_the_host_prefix(tmp_path):
    school = build(tmp_path, base_url="https://course.example")
    browser = Browser(school)
    token = school.links.admin_enter("n").partition("token=")[2]
    cookie = browser.post("/admin/enter", token=token).headers["set-cookie"]
    assert cookie.startswith("__Host-course_admin=")
    for part in ("HttpOnly", "Path=/", "SameSite=lax", "Secure"):
        assert part in cookie


def test_a_session_ends_after_twelve_idle_hours_and_after_seven_days_at_the_latest(school, office):
    school.clock.advance(timedelta(hours=11))
    assert office.get("/admin/").status_code == 200
    school.clock.advance(timedelta(hours=11))
    assert office.get("/admin/").status_code == 200
    school.clock.advance(timedelta(hours=13))
    assert office.get("/admin/").status_code == 401
    log_in(office, "n2")
    for _ in range(14):
        school.clock.advance(timedelta(hours=11, minutes=59))
        office.get("/admin/")
    school.clock.advance(timedelta(hours=1))
    assert office.get("/admin/").status_code == 401


def test_logging_out_logs_out_everywhere(school, office):
    elsewhere = Browser(school)
    log_in(elsewhere, "n2")
    office.post("/admin/logout")
    assert office.get("/admin/").status_code == 401
    assert elsewhere.get("/admin/").status_code == 401


def test_a_stranger_cannot_log_the_office_out(school, office):
    Browser(school).post("/admin/logout")
    assert office.get("/admin/").status_code == 200


def test_guessing_links_is_slowed_down(browser):
    with time_machine.travel(
        time.time(), tick=False
    ):  # the quota is per minute; a test may be slow
        codes = [browser.post("/admin/enter", token=f"guess{n}").status_code for n in range(25)]
    assert codes[:20] == [403] * 20
    assert set(codes[20:]) == {429}


# -- what came back ------------------------------------------------------------------------------


def news(school: LittleSchool, *reports: tuple[str, EventKind, Fault | None, str]) -> None:
    """What somebody else says of Zoë's mails; the first mail was sent to her today."""
    with school.db.write() as tx:
        sent = {d.key: d for d in ledger.deliveries_of(tx, school.run_of("zoe@example.com").id)}
        events = [
            ProviderEvent(f"e{n}", kind, sent[key].id, school.clock.now(), fault, said)
            for n, (key, kind, fault, said) in enumerate(reports)
        ]
        reported.add_events(tx, events, school.clock.now())


def test_what_came_back_is_shown_with_its_meaning_for_a_week(school, office, learner):
    assert "What came back" not in office.get("/admin/").text
    news(
        school,
        ("@welcome", EventKind.BOUNCED, Fault.MAILBOX, "452 4.2.2 <b>Mailbox full</b>"),
        ("short-sentences", EventKind.COMPLAINED, None, ""),
        ("@confirm", EventKind.DELIVERED, None, "250 thank you"),
    )
    page = office.get("/admin/").text
    assert "The mailbox could not take it; it may be full. The course goes on." in page
    assert "452 4.2.2 &lt;b&gt;Mailbox full" in page
    assert "Reported as spam. Nothing more goes to this address." in page
    assert "1 of 3 mails of the last 7 days were reported as spam (33.33%)." in page
    assert "thank you" not in page
    assert f'href="/admin/learners/{learner}"' in page
    school.clock.advance(timedelta(days=8))
    log_in(office, "n2")
    assert "What came back" not in office.get("/admin/").text


def test_each_fault_of_a_bounce_has_words_of_its_own(school, office, learner):
    faults = [fault for fault in Fault if fault is not Fault.TRANSPORT]
    news(school, *(("@welcome", EventKind.BOUNCED, fault, f"said {fault}") for fault in faults))
    meanings = {
        Returned.means(CameBack(MONDAY, EventKind.BOUNCED, fault, "", "", 1, ""))
        for fault in (*faults, None)
    }
    assert len(meanings) == len(faults) + 1
    page = office.get("/admin/").text
    assert all(f"said {fault}" in page for fault in faults)
    assert "were reported as spam" not in page


def test_many_complaints_are_an_alarm(school, office, learner, monkeypatch):
    monkeypatch.setattr(reputation, "ENOUGH_FOR_COMPLAINTS", 3)
    news(school, ("@welcome", EventKind.COMPLAINED, None, ""))
    page = office.get("/admin/").text
    assert '<p class="notice warn" role="alert">1 of 3 mails of the last 24 hours' in page
    monkeypatch.setattr(reputation, "ENOUGH_FOR_COMPLAINTS", 4)
    assert 'role="alert"' not in office.get("/admin/").text


# -- today -------------------------------------------------------------------------------------


def test_an_empty_school_shows_the_way_to_the_first_learner(office):
    page = office.get("/admin/").text
    assert "No learners yet" in page
    assert "http://testserver/" in page
    assert f"http://testserver/courses/{COURSE}/signup" in page


def test_the_headline_is_a_sentence_about_today(school, office, learner):
    assert heading(office.get("/admin/").text) == "Monday: nothing left to send, 3 sent."
    school.clock.advance(timedelta(hours=20))  # Tuesday, 05:00 in Berlin
    log_in(office, "n2")
    assert heading(office.get("/admin/").text) == "Tuesday: 1 mail to send, 0 sent."


def test_a_letter_owed_for_next_month_is_not_counted_today(school, office, learner):
    run = school.run_of("zoe@example.com")
    later = school.clock.now() + timedelta(days=30)
    letter = ledger.NewDelivery(
        run.id, 1, DeliveryKind.LETTER, "@followup", "zoe@example.com", later
    )
    with school.db.write() as tx:
        ledger.owe(tx, [letter], school.clock.now())
    assert heading(office.get("/admin/").text) == "Monday: nothing left to send, 3 sent."


def test_a_late_lesson_is_counted_once(school, office, learner):
    school.clock.advance(timedelta(hours=23))  # nobody at work
    log_in(office, "n2")
    assert heading(office.get("/admin/").text) == "Tuesday: 1 mail to send, 0 sent."


def test_a_failure_shows_the_providers_words_and_a_button_that_sends_again(school, office, learner):
    run = school.run_of("zoe@example.com")
    with school.db.write() as tx:
        row = next(d for d in ledger.deliveries_of(tx, run.id) if d.key == "short-sentences")
        words = {"state": "refused", "verdict": "550 <b>no</b> such user", "provider": "smtp"}
        tx.execute(update(deliveries).where(deliveries.c.id == row.id).values(words))
    page = office.get("/admin/").text
    assert heading(page).endswith("1 needs you.")
    assert "550 &lt;b&gt;no&lt;/b&gt; such user" in page
    button = next(form for form in forms(page) if row.id in form.action)
    school.woken.clear()
    assert "owed again" in office.follow(office.post(button.action)).text
    with school.db.read() as tx:
        assert ledger.delivery(tx, row.id).state == "due"
    assert school.woken == [school.clock.now()]


def test_a_broken_lesson_is_named_with_its_line_and_its_cure(school, office):
    file = school.settings.lessons / COURSE / "2-plain-words.md"
    file.write_text(file.read_text("utf-8") + "\n\nHello {{ learner.nmae }}\n", "utf-8")
    school.catalog.refresh()
    page = office.get("/admin/").text
    assert "2-plain-words.md:" in page
    assert "learner.first_name" in page or "nmae" in page
    assert '<span class="tag bad">error</span>' in page


def lesson_two(school: LittleSchool) -> Path:
    return school.settings.lessons / COURSE / "2-plain-words.md"


def break_lesson_two(school: LittleSchool) -> None:
    text = lesson_two(school).read_text("utf-8")
    lesson_two(school).write_text(text + "\n\nHello {{ learner.nmae }}\n", "utf-8")
    school.catalog.refresh()


def test_learners_stuck_behind_a_broken_lesson_are_counted_before_any_table(
    school, office, learner
):
    school.sign_up("pia@example.com")  # has not confirmed: waits for nothing
    school.work()
    break_lesson_two(school)
    school.clock.advance(timedelta(hours=20))
    log_in(office, "n2")
    page = office.get("/admin/").text
    assert heading(page) == "Tuesday: nothing left to send, 0 sent, 1 needs you."
    assert "all mail is well" not in page
    assert "nothing is planned" in page
    told = page.index("<strong>1 learner</strong> behind lesson 2, “Plain words”: it has an error")
    fault = page.index("2-plain-words.md:", told)
    assert told < fault < page.index("Where do people stop?") < page.index("Signups in 30 days")
    assert page.index("<h2>Lessons</h2>") < page.index("Where do people stop?")


def test_learners_who_reached_a_draft_are_counted_and_go_on_when_it_is_published(
    school, office, learner
):
    whole = lesson_two(school).read_text("utf-8")
    lesson_two(school).write_text(whole.replace("title:", "draft: true\ntitle:", 1), "utf-8")
    school.catalog.refresh()
    assert "behind lesson 2, “Plain words”: it is a draft" in office.get("/admin/").text
    lesson_two(school).write_text(whole, "utf-8")
    school.catalog.refresh()
    page = office.get("/admin/").text
    assert "behind lesson" not in page
    assert "all mail is well" in page


def test_the_list_and_the_learners_page_say_what_a_learner_waits_for(school, office, learner):
    assert "waits: lesson" not in office.get("/admin/learners").text
    break_lesson_two(school)
    assert "waits: lesson 2" in office.get("/admin/learners").text
    page = office.get(f"/admin/learners/{learner}").text
    assert "Waits for lesson 2, “Plain words”, which has an error" in page


def test_a_held_school_says_so_first(school, office):
    with school.db.write() as tx:
        people.set_meta(tx, adoption.REVIEW, "the clock was set 9 hours ahead")
    page = office.get("/admin/").text
    assert "Nothing is being sent:" in page
    assert "course adopt" in page
    with school.db.write() as tx:
        adoption.adopt(tx, school.settings.base_url, school.clock.now())
    assert "Nothing is being sent:" not in office.get("/admin/").text


def test_a_provider_that_takes_no_mail_is_named_with_its_words_and_the_cure(school, office):
    with school.db.write() as tx:
        opened = Breaker(BreakerState.OPEN, school.clock.now(), 1, 1.0, "535 wrong <password>")
        pace.save_breaker(tx, school.provider.name, opened)
    page = office.get("/admin/").text
    assert "takes no mail" in page
    assert "535 wrong &lt;password&gt;" in page
    assert "course doctor" in page


def test_where_people_stop_counts_who_had_each_lesson(school, office):
    for n in range(4):
        school.join(f"p{n}@example.com")
    school.work()
    for n in range(3):
        run = school.run_of(f"p{n}@example.com")
        school.enrolling.leave(run.id, agreed("leave"))
    school.pass_time(timedelta(days=1))
    log_in(office, "n2")
    page = office.get("/admin/").text
    assert 'value="4" aria-label="Lesson 1, reached by"' in page
    assert 'value="1" aria-label="Lesson 2, reached by"' in page
    row = page[page.index("1. Short sentences") :].partition("</tr>")[0]
    assert "3 <span" in row
    assert "biggest drop" in row


# -- learners ----------------------------------------------------------------------------------


def test_the_list_is_filtered_and_searched_in_the_url(school, office, learner):
    school.sign_up("pia@example.com")
    assert "pia@" in office.get("/admin/learners").text
    assert "pia@" not in office.get("/admin/learners?state=active").text
    page = office.get("/admin/learners?q=PIA").text
    assert "pia@" in page
    assert "zoe@" not in page
    assert "Nobody matches that" in office.get("/admin/learners?q=%25").text
    assert office.get("/admin/learners?q=%00&course=%00&state=x&after=-1").status_code == 200


def test_the_list_goes_on_page_by_page(school, office):
    for n in range(60):
        school.sign_up(f"p{n}@example.com")
    first = office.get("/admin/learners?state=pending").text
    assert first.count("<tr><th") == 51  # fifty people and the head
    import re

    older = re.search(r'<a href="(\?[^"]*after=\d+)">Older', first)
    second = office.get("/admin/learners" + older[1].replace("&amp;", "&")).text
    assert second.count("<tr><th") == 11
    assert "state=pending" in older[1]


def test_the_export_holds_the_same_people_and_no_formulas(school, office, learner):
    school.join("eve@example.com", first_name="=cmd()")
    answer = office.get("/admin/learners.csv?state=active")
    lines = answer.text.splitlines()
    assert len(lines) == 3
    assert "eve@example.com,'=cmd(),clear-writing,active" in answer.text
    assert answer.headers["content-type"].startswith("text/csv")


def test_one_learners_page_tells_the_story_in_words(school, office, learner):
    page = office.get(f"/admin/learners/{learner}").text
    assert heading(page) == "zoe@example.com"
    for words in ("asked to join", "confirmed the address", "Lesson 1, “Short sentences”, sent",
                  "Confirmation sent", "Welcome sent"):  # fmt: skip
        assert words in page
    assert page.index("Short sentences”, sent") < page.index("asked to join")


@pytest.mark.parametrize(
    ("action", "state"),
    [("pause", EnrollmentState.PAUSED), ("stop", EnrollmentState.STOPPED)],
)
def test_a_button_changes_the_run_and_leaves_a_trace(school, office, learner, action, state):
    run = school.run_of("zoe@example.com")
    office.follow(office.post(f"/admin/learners/{learner}/{action}", run=run.id))
    assert school.run(run.id).state is state
    assert any(action in row for row in school.everything()["audit"])


def test_resume_next_skip_and_resend(school, office, learner):
    run = school.run_of("zoe@example.com")
    act = f"/admin/learners/{learner}"
    office.post(f"{act}/pause", run=run.id)
    office.post(f"{act}/resume", run=run.id)
    assert school.run(run.id).state is EnrollmentState.ACTIVE
    office.post(f"{act}/skip", run=run.id)
    office.post(f"{act}/next", run=run.id)
    office.post(f"{act}/resend", run=run.id, key="short-sentences")
    school.work()
    subjects = " ".join(str(mail["Subject"]) for mail in school.mails())
    assert "Plain words" not in subjects
    assert "One more pass" in subjects
    with school.db.read() as tx:
        owed = [d.key for d in ledger.deliveries_of(tx, run.id)]
    assert "@again-1:short-sentences" in owed


def test_what_is_not_allowed_is_said_in_words(school, office, learner):
    run = school.run_of("zoe@example.com")
    act = f"/admin/learners/{learner}"
    office.post(f"{act}/stop", run=run.id)
    page = office.follow(office.post(f"{act}/pause", run=run.id)).text
    assert 'role="alert"' in page
    assert "stopped" in page


def test_a_run_of_somebody_else_cannot_be_named(school, office, learner):
    other = school.run(school.join("eve@example.com"))
    answer = office.post(f"/admin/learners/{learner}/stop", run=other.id)
    assert answer.status_code == 404
    assert school.run(other.id).state is EnrollmentState.ACTIVE


def test_a_name_can_never_become_markup(school, office):
    school.join("eve@example.com", first_name="<img src=x onerror=alert(1)>")
    for path in (
        "/admin/learners",
        f"/admin/learners/{school.run_of('eve@example.com').learner_id}",
    ):
        assert "<img src=x" not in office.get(path).text
