"""Every page is written in its reader's language, and says so."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from course.web.speaking import COOKIE
from scheduler.store import people
from tests import pseudo
from tests.little_browser import Browser, heading
from tests.little_school import COURSE, build, write_course

GERMAN, ENGLISH = "Kein Tracking", "No tracking"


def frame(page: str) -> tuple[str, str]:
    """Language and direction of a page."""
    found = re.search(r'<html lang="([^"]*)" dir="([^"]*)">', page)
    assert found
    return found[1], found[2]


def language_of(school, address: str = "zoe@example.com") -> str:
    with school.db.read() as tx:
        learner = people.find_learner(tx, address)
    assert learner is not None
    return learner.language


@pytest.fixture
def german_school(tmp_path):
    lessons = tmp_path / "lessons"
    outline = write_course(lessons) / "course.yaml"
    outline.write_text(outline.read_text("utf-8").replace("language: en", "language: de"), "utf-8")
    made = build(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("accepted", "spoken"),
    [("de-AT,de;q=0.9,en;q=0.5", "de"), ("en-US,en", "en"), ("fr,de;q=0.5", "de"), ("ja", "en")],
)
def test_a_visitor_reads_what_their_browser_asks_for(browser, accepted, spoken):
    answer = browser.get("/", headers={"accept-language": accepted})
    assert frame(answer.text) == (spoken, "ltr")
    assert answer.headers["content-language"] == spoken
    assert "Accept-Language" in answer.headers["vary"]
    assert (GERMAN in answer.text, ENGLISH in answer.text) == (spoken == "de", spoken == "en")


def test_who_asks_for_nothing_reads_the_language_of_the_course(german_school):
    quiet = Browser(german_school)
    for path in ("/", f"/courses/{COURSE}", "/no-such-page"):
        assert frame(quiet.get(path).text) == ("de", "ltr"), path


def test_a_choice_by_hand_lasts_until_the_browser_is_closed(browser):
    browser.client.headers["accept-language"] = "en"
    page = browser.get("/").text
    assert re.findall(r'<a href="\?lang=(\w+)" lang="\w+" hreflang', page) == ["de"]
    chosen = browser.get("/?lang=de")
    assert GERMAN in chosen.text
    cookie = chosen.headers["set-cookie"]
    assert cookie.startswith(f"{COOKIE}=de; ")
    assert "HttpOnly" in cookie
    assert "Expires" not in cookie
    assert "Max-Age" not in cookie
    assert heading(browser.get("/no-such-page").text) == "Hier ist nichts"
    assert ENGLISH in browser.get("/?lang=en").text
    assert ENGLISH in browser.get("/").text


@pytest.mark.parametrize("asked", ["xx", "", "../../etc/passwd", "de\r\nX: y", "d" * 5000])
def test_a_choice_that_does_not_exist_changes_nothing(browser, asked):
    answer = browser.get("/", params={"lang": asked})
    assert answer.status_code == 200
    assert frame(answer.text) == ("en", "ltr")
    assert COOKIE not in answer.headers.get("set-cookie", "")


def test_whoever_signs_up_keeps_the_language_of_the_page(school):
    browser = Browser(school, **{"accept-language": "de"})
    assert browser.fill_in().status_code == 303
    assert language_of(school) == "de"
    school.work()
    (mail,) = school.mails()
    assert mail["Content-Language"] == "de"
    assert mail["Subject"].startswith("Bitte bestätige")


def test_whoever_asks_for_nothing_keeps_the_language_of_the_course(german_school):
    Browser(german_school).fill_in()
    assert language_of(german_school) == "de"


def test_a_learners_own_pages_speak_their_language_in_any_browser(school):
    run = school.join(language="de")
    school.work()
    lesson = next(mail for mail in school.mails() if "/read/" in str(mail))
    english = Browser(school, **{"accept-language": "en"})
    paths = [school.link(lesson, kind) for kind in ("learn", "manage", "leave", "done")]
    paths.append(school.link_path(school.links.confirm(run)))
    for path in paths:
        page = english.get(path).text
        assert frame(page) == ("de", "ltr"), path
        assert GERMAN in page, path
        assert "?lang=" not in page, path  # it would change nothing here


def test_what_comes_next_is_said_in_the_learners_language(school):
    run = school.join(language="de")
    school.work()
    english = Browser(school, **{"accept-language": "en"})
    page = english.get(school.link_path(school.links.learn(run))).text
    assert "Lektion 2 kommt morgen, Dienstag, um 07:00 Uhr (Ortszeit Berlin)." in page


def test_a_learner_whose_language_is_missing_reads_the_courses(german_school):
    run = german_school.join(language="ja")
    page = Browser(german_school, **{"accept-language": "en"}).get(
        german_school.link_path(german_school.links.learn(run))
    )
    assert frame(page.text) == ("de", "ltr")


def test_complaints_about_a_form_are_in_the_language_of_the_page(school):
    browser = Browser(school, **{"accept-language": "de"})
    for typed, complaint in (
        ("", "Gib deine E-Mail-Adresse ein"),
        ("zoe.example.com", "In einer E-Mail-Adresse steht ein @"),
        ("zoe@@example", "Das kann keine E-Mail-Adresse sein."),
    ):
        page = browser.fill_in(typed)
        assert page.status_code == 422
        assert complaint in page.text, typed
    page = browser.fill_in(first_name="http://example.com", hour="noon", days="someday")
    assert "Schreib nur einen Vornamen oder lass ihn weg." in page.text
    assert "„noon“ ist keine Uhrzeit." in page.text
    assert "„someday“ sind keine Tage." in page.text


def test_zones_and_days_are_offered_in_the_language_of_the_page(school):
    page = Browser(school, **{"accept-language": "de"}).get("/").text
    assert '<optgroup label="Europa">' in page
    assert '<option value="Europe/Vienna">Wien' in page
    assert '<option value="weekdays">Montag bis Freitag' in page
    cities = re.findall(r'<option value="Europe/\w+"(?: selected)?>([^\n]+)', page)
    assert cities.index("Wien") > cities.index("Warschau")  # in English it is before Warsaw


def test_refusals_speak_the_visitors_language(school):
    browser = Browser(school, **{"accept-language": "de", "sec-fetch-site": "cross-site"})
    refused = browser.post("/check-inbox/resend")
    assert refused.status_code == 403
    assert heading(refused.text) == "Dieses Formular kam von woanders"
    assert frame(refused.text) == ("de", "ltr")


def test_staff_and_programs_read_english(demo):
    browser = Browser(demo, **{"accept-language": "de"})
    browser.get("/?lang=de")
    outbox = browser.get("/outbox").text
    assert frame(outbox) == ("en", "ltr")
    assert "?lang=" not in outbox
    assert frame(browser.get("/admin/").text) == ("en", "ltr")
    answer = browser.client.post("/api/v1/signups", content=b"x" * 70_000)
    assert answer.json()["detail"].startswith("That is too much.")


def test_requests_at_the_same_time_do_not_mix_their_languages(school):
    browsers = [Browser(school, **{"accept-language": tag}) for tag in ("de", "en") * 4]

    def reads(browser: Browser) -> set[str]:
        return {frame(browser.get("/").text)[0] for _ in range(5)}

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(reads, browsers)) == [{"de"}, {"en"}] * 4


def test_one_more_file_in_the_operators_folder_is_one_more_language(tmp_path):
    school = build(tmp_path, templates=pseudo.templates_with_it(tmp_path))
    page = Browser(school).get(f"/?lang={pseudo.TAG}")
    assert frame(page.text) == (pseudo.TAG, "rtl")
    assert re.findall(r'\?lang=([\w-]+)"', page.text) == ["en", "de"]
    assert pseudo.said("No tracking, no third parties.") in page.text
    school.close()


def test_a_text_in_another_language_than_its_page_says_so(tmp_path):
    write_course(tmp_path / "lessons")
    write_course(tmp_path / "lessons", key="plain-words", title="Three Plain Days")
    school = build(tmp_path)
    page = Browser(school, **{"accept-language": "de"}).get("/").text
    assert page.count('<h2 lang="en" dir="ltr">') == 2
    assert '<h2 lang="en"' not in Browser(school, **{"accept-language": "en"}).get("/").text
    school.clock.advance(timedelta(days=1))
    lesson = Browser(school, **{"accept-language": "de"}).get(f"/courses/{COURSE}/lessons/1").text
    assert '<h1 lang="en" dir="ltr">Short sentences</h1>' in lesson
    assert "Lektion 1 von 3" in lesson
    school.close()


def test_what_was_agreed_to_is_kept_in_the_words_that_were_read(school):
    browser = Browser(school, **{"accept-language": "de"})
    page = browser.get("/").text
    browser.fill_in()
    school.work()
    browser.client.cookies.clear()  # another device: there the mail's page has a button
    link = school.link(school.mails()[0], "confirm")
    button = browser.get(link).text
    browser.post(link)
    with school.db.read() as tx:
        learner = people.find_learner(tx, "zoe@example.com")
        kept = [consent.text for _, consent in people.consents_of(tx, learner.id)]
    assert kept[0].startswith("Mit diesem Knopf bittest du The Writing School, dir die 3 Lektionen")
    assert kept[0] in page
    assert kept[1] == "Ja, schickt mir die Lektionen"
    assert f">{kept[1]}</button>" in button


def test_lessons_on_a_learners_page_say_when_they_speak_another_language(school):
    run = school.join(language="de")
    school.work()
    link = school.link_path(school.links.learn(run))
    assert '<span lang="en" dir="ltr">Plain words</span>' in Browser(school).get(link).text


def test_a_lesson_online_speaks_the_language_of_its_mail_all_around(school):
    school.join(language="de")
    school.work()
    lesson = next(mail for mail in school.mails() if "/read/" in str(mail))
    page = Browser(school).get(school.link(lesson, "read")).text
    assert '<html lang="en"' in page
    assert "Skip to the content" in page
    assert "Deine Lektionen" not in page


def test_the_settings_offer_every_language_there_is(tmp_path):
    school = build(tmp_path, templates=pseudo.templates_with_it(tmp_path))
    manage = school.link_path(school.links.manage(school.join()))
    page = Browser(school).get(manage).text
    assert re.findall(r'<option value="(en|de|ar-XB)"', page) == ["en", "ar-XB", "de"]
    browser = Browser(school)
    browser.post(manage, hour="07:00", timezone="UTC", days="mon", language=pseudo.TAG)
    assert language_of(school) == pseudo.TAG
    school.close()
