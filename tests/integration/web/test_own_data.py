"""A learner's own data: taken along as a file, and erased for good at their word."""

from __future__ import annotations

import json
import re
from datetime import timedelta

import pytest

from scheduler.domain.enrollment import EnrollmentState
from scheduler.store import notes, people
from tests.little_browser import Browser, forms, heading
from tests.little_school import COURSE, agreed
from tests.naughty import NAMES

#: What still fits into a form; more is refused before anybody reads it.
TYPED = [name for name in NAMES if len(name.encode("utf-8", "replace")) < 20_000]


@pytest.fixture
def run(school) -> int:
    number = school.join(first_name="Zoë")
    school.work()
    school.enrolling.mark_done(number, "short-sentences")
    with school.db.write() as tx:
        notes.write(tx, number, "short-sentences", "plan", "Früh um 7 – 日本", school.clock.now())
    return number


@pytest.fixture
def page(school, run) -> str:
    return school.link_path(school.links.manage(run)) + "/data"


def erase(browser: Browser, page: str, typed: str | None = None) -> str:
    """Type the word into the page's own form, and press its button."""
    form = next(f for f in forms(browser.get(page).text) if f.action.endswith("/erase"))
    word = form.fields["word"] if typed is None else typed
    return browser.post(form.action, **{**form.fields, "typed": word}).text


# -- to take along -------------------------------------------------------------------------------


def test_the_file_holds_everything_in_words_a_person_can_read(school, browser, run, page):
    answer = browser.get(f"{page}.json")
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert answer.headers["cache-control"] == "private, no-store"
    assert 'filename="my-course-data-2026-11-23.json"' in answer.headers["content-disposition"]
    text = answer.content.decode("utf-8")
    assert "Früh um 7 – 日本" in text
    assert "\n  " in text
    held = json.loads(text)
    assert held["learner"]["address"] == "zoe@example.com"
    assert held["learner"]["first_name"] == "Zoë"
    assert held["enrollments"][0]["course_title"] == "Three Days of Clear Writing"
    assert {row["key"]: row["title"] for row in held["deliveries"]} == {
        "@confirm": "confirmation", "@welcome": "welcome", "short-sentences": "Short sentences",
    }  # fmt: skip
    assert held["ticks"][0]["title"] == held["notes"][0]["title"] == "Short sentences"
    assert [given["action"] for given in held["consents"]] == ["signup", "confirm"]
    assert held["held_by"] == "The Writing School"
    assert held["no_mail_because"] is None


def test_the_file_has_every_row_there_is_about_the_person_and_none_of_others(
    school, browser, run, page
):
    other = school.join("other@example.com")
    school.work()
    held = browser.get(f"{page}.json").text
    assert "other@example.com" not in held
    rows = {name: len(found) for name, found in json.loads(held).items() if isinstance(found, list)}
    ours = school.run(run).learner_id
    school.enrolling.forget(school.run(other).learner_id)
    everything = school.everything()
    for table in rows:
        assert rows[table] == len(everything[table]), table
    assert len(everything["learners"]) == 1
    assert everything["learners"][0][0] == ours


def test_the_file_says_why_no_mail_comes(school, browser, run, page):
    school.enrolling.leave_everything(school.run(run).learner_id, agreed("leave"))
    assert json.loads(browser.get(f"{page}.json").text)["no_mail_because"] == "left"


def test_a_course_whose_folder_is_gone_keeps_its_key(school, browser, run, page):
    (school.settings.lessons / COURSE / "course.yaml").unlink()
    school.catalog.refresh()
    held = json.loads(browser.get(f"{page}.json").text)
    assert held["enrollments"][0]["course_title"] == COURSE


def test_looking_and_taking_along_change_nothing(school, browser, page):
    before = school.everything()
    for path in (page, f"{page}.json"):
        browser.get(path)
        browser.head(path)
    assert school.everything() == before


def test_the_page_shows_the_address_partly_hidden_and_leads_back(school, browser, run, page):
    text = browser.get(page).text
    assert "z••@example.com" in text
    assert "zoe@example.com" not in text
    assert f'href="{page.removesuffix("/data")}"' in text


@pytest.mark.parametrize("path", ["/data", "/data.json", "/data/erase"])
@pytest.mark.parametrize("token", ["1", "1.AAAAAAAAAAAAAAAAAAAAAA", "%F0%9F%A6%86", "x" * 3000])
def test_a_bad_link_gets_the_friendly_page_and_nothing_else(school, browser, run, path, token):
    before = school.everything()
    ask = browser.post if path.endswith("erase") else browser.get
    answer = ask(f"/manage/{token}{path}")
    assert (answer.status_code, heading(answer.text)) == (200, "This link is not complete.")
    assert 'href="/lost"' in answer.text
    assert school.everything() == before


def test_the_link_for_leaving_opens_nobodys_data(school, browser, run):
    token = school.links.leave(run).rpartition("/")[2]
    assert "z••" not in browser.get(f"/manage/{token}/data").text


# -- erased --------------------------------------------------------------------------------------


def test_the_typed_word_erases_everything_but_a_hash(school, browser, run, page):
    said = erase(browser, page)
    assert heading(said) == "Everything is deleted."
    everything = school.everything()
    # The outbox still has copies of the mails: whom it is to forget stands here until it has.
    assert [row[:2] for row in everything["erasures"]] == [("file", "zoe@example.com")]
    assert "zoe" not in str({**everything, "erasures": []}).replace("example.com", "").lower()
    assert len(school.mails()) == 3
    assert school.upkeep.run()["erased"] == 1
    assert school.mails() == []
    left = {name: rows for name, rows in school.everything().items() if rows}
    # Versions are of lessons, not of people; the provider's row tells how it fares.
    assert set(left) <= {"suppressions", "audit", "lesson_versions", "provider_state", "meta",
                         "alembic_version", "buckets"}  # fmt: skip
    assert len(left["suppressions"]) == 1
    assert "zoe" not in re.sub(r"example\.com", "", str(left)).lower()
    assert [row[2:] for row in left["audit"]] == [("learner", "erase", "learner 1")]


@pytest.mark.parametrize("typed", ["DELETE", " Delete ", "“delete”", "delete\u00a0"])
def test_the_word_may_be_typed_as_people_type(school, browser, run, page, typed):
    assert heading(erase(browser, page, typed)) == "Everything is deleted."
    assert school.everything()["learners"] == []


def test_any_other_word_erases_nothing_and_the_page_says_how(school, browser, run, page):
    before = school.everything()
    for typed in ("", "delte", "yes", "zoe@example.com", *TYPED):
        answer = browser.client.post(
            f"{page}/erase", data={"word": "delete", "typed": typed.encode("utf-8", "replace")}
        )
        assert answer.status_code == 422, typed[:40]
        assert "<title>Error:" in answer.text
        assert 'aria-describedby="typed-error"' in answer.text
        assert "Type the word “delete” into the field" in answer.text
    assert school.everything() == before


@pytest.mark.parametrize("word", ["", " ", "“”"])
def test_without_a_word_on_the_page_nothing_is_erased(school, browser, run, page, word):
    before = school.everything()
    assert browser.post(f"{page}/erase", word=word, typed=word).status_code == 422
    assert browser.post(f"{page}/erase").status_code == 422
    assert school.everything() == before


def test_looking_at_the_address_of_the_button_erases_nothing(school, browser, run, page):
    before = school.everything()
    browser.get(f"{page}/erase?word=delete&typed=delete")
    assert school.everything() == before


def test_another_site_cannot_press_the_button(school, run, page):
    stranger = Browser(school, **{"sec-fetch-site": "cross-site"})
    answer = stranger.post(f"{page}/erase", word="delete", typed="delete")
    assert answer.status_code == 403
    assert school.run(run).state is EnrollmentState.ACTIVE


def test_pressing_twice_says_the_same(school, browser, run, page):
    form = next(f for f in forms(browser.get(page).text) if f.action.endswith("/erase"))
    fields = {**form.fields, "typed": "delete"}
    first, second = (browser.post(form.action, **fields).text for _ in range(2))
    assert heading(first) == heading(second) == "Everything is deleted."
    assert len(school.everything()["audit"]) == 1


def test_every_old_link_is_friendly_and_nothing_is_ever_sent_again(school, browser, run, page):
    with school.db.read() as tx:
        from scheduler.store import ledger

        sent = next(d.id for d in ledger.deliveries_of(tx, run) if d.kind == "lesson")
    links = school.links
    old = [links.confirm(run), links.learn(run), links.manage(run), links.leave(run),
           links.read(sent), links.done(sent), f"{links.manage(run)}/data"]  # fmt: skip
    erase(browser, page)
    for link in old:
        answer = browser.get(school.link_path(link))
        assert answer.status_code == 200, link
        assert "z••" not in answer.text, link
    school.pass_time(timedelta(days=4))
    assert school.mails() == []


def test_who_signs_up_anew_at_once_keeps_the_new_mail(school, browser, run, page):
    erase(browser, page)
    school.clock.advance(timedelta(seconds=30))
    school.join()
    school.work()
    assert len(school.mails()) == 6
    assert school.upkeep.run()["erased"] == 1
    assert len(school.mails()) == 3


def test_an_old_list_brings_nobody_back_but_their_own_signup_does(school, browser, run, page):
    from scheduler.enrolling import NewPerson

    erase(browser, page)
    [answer] = school.enrolling.enroll(
        COURSE, [NewPerson("ZOE@example.com")], consent=agreed("import")
    )
    assert answer.outcome == "suppressed"
    before = len(school.mails())
    run = school.join()
    school.work()
    assert school.run(run).state is EnrollmentState.ACTIVE
    assert len(school.mails()) == before + 3  # confirm, welcome, lesson 1


def test_what_others_asked_for_stays_asked_for(school, browser, run, page):
    """Erasing oneself does not lift a complaint: its reason outlives the person."""
    from scheduler.rules.suppression import address_hash

    hashed = address_hash("salt", people.address_key("zoe@example.com"))
    with school.db.write() as tx:
        people.suppress(tx, hashed, reason="complained", source="x", now=school.clock.now())
    erase(browser, page)
    assert (
        school.enrolling.sign_up(COURSE, "zoe@example.com", consent=agreed()).outcome
        == "suppressed"
    )


def test_no_memory_of_this_program_holds_an_address_in_clear(school, browser, run, page):
    form = forms(browser.get("/").text)[0]
    school.clock.advance(timedelta(seconds=10))
    browser.post(form.action, **{**form.fields, "email": "zoe@example.com"})
    browser.post("/lost", email="zoe@example.com")
    erase(browser, page)
    desk = browser.client.app.state.desk
    remembered = str([limit._counted for limit in vars(desk.quotas).values()]).lower()
    assert "{}" not in str(desk.quotas._links._counted)
    assert "zoe" not in remembered
    assert "198.51.100.7" not in remembered
