"""What the office sees of those who left: how many said what, and who is closed to mail."""

from __future__ import annotations

import csv
import re
from datetime import timedelta

import pytest

from scheduler.domain.enrollment import EnrollmentState
from tests.integration.web.test_office import log_in
from tests.little_browser import Browser, forms
from tests.little_school import agreed

#: Address -> what they said; None: they have not left.
LEFT = {
    "ana@example.com": "often",
    "ben@example.com": "often",
    "cleo@example.com": "never",
    "dan@example.com": "",
    "eve@example.com": None,
}


@pytest.fixture
def runs(school, browser) -> dict[str, int]:
    found = {}
    for address, word in LEFT.items():
        found[address] = run = school.join(address)
        link = school.link_path(school.links.leave(run))
        if word is not None:
            browser.post(link, by="page")
        if word:
            browser.post(f"{link}/reason", reason=word)
    return found


@pytest.fixture
def office(browser) -> Browser:
    log_in(browser)
    return browser


def told(page: str) -> dict[str, tuple[str, int]]:
    """Words -> (link, number) in "Why people leave"."""
    section = page.partition("Why people leave")[2].partition("</table>")[0]
    rows = re.findall(r'scope="row">([^<]*)</th>.*?href="([^"]*)">(\d+)</a>', section, re.DOTALL)
    return {words: (link.replace("&amp;", "&"), int(number)) for words, link, number in rows}


def test_every_number_leads_to_as_many_people(runs, office):
    table = told(office.get("/admin/").text)
    assert {words: number for words, (_, number) in table.items()} == {
        "Too often": 2, "Never signed up": 1, "Said nothing": 1,
    }  # fmt: skip
    assert next(iter(table)) == "Too often"
    for link, number in table.values():
        people = re.findall(r'href="/admin/learners/\d+">', office.get(link).text)
        assert len(people) == number, link


def test_the_list_and_its_file_name_the_word(runs, office):
    page = office.get("/admin/learners?state=stopped&why=often").text
    assert "left: too often" in page
    export = re.search(r'href="(/admin/learners\.csv[^"]*)"', page)[1].replace("&amp;", "&")
    rows = list(csv.DictReader(office.get(export).text.splitlines()))
    assert {row["email"]: row["left_because"] for row in rows} == {
        "ana@example.com": "often", "ben@example.com": "often",
    }  # fmt: skip
    everybody = list(csv.DictReader(office.get("/admin/learners.csv").text.splitlines()))
    assert {row["email"]: row["left_because"] or None for row in everybody} == {
        address: word or None for address, word in LEFT.items()
    }


def test_who_comes_back_is_not_counted_any_more(school, runs, office):
    school.join("ana@example.com")
    assert told(office.get("/admin/").text)["Too often"][1] == 1


def test_who_begins_a_second_round_is_not_counted_for_having_left_the_first(
    school, browser, office
):
    run = school.join()
    school.pass_time(timedelta(days=3))
    assert school.run(run).state is EnrollmentState.COMPLETED
    link = school.link_path(school.links.leave(run))
    browser.post(link, by="page")
    browser.post(f"{link}/reason", reason="finished")
    log_in(browser, "later")
    assert told(office.get("/admin/").text)["Finished already"][1] == 1
    school.join()
    assert "Why people leave" not in office.get("/admin/").text


def test_where_nobody_has_left_nothing_is_said_about_it(school, office):
    school.join()
    assert "Why people leave" not in office.get("/admin/").text


@pytest.mark.parametrize("why", ["nonsense", "often' OR 1=1 --", "\0", "x" * 5000])
def test_a_word_nobody_knows_is_as_none(runs, office, why):
    page = office.get("/admin/learners", params={"why": why})
    assert page.status_code == 200
    assert page.text.count('href="/admin/learners/') == len(LEFT)


def test_a_closed_address_says_why_and_can_be_opened_again(school, runs, office):
    run = school.run(runs["cleo@example.com"])
    here = f"/admin/learners/{run.learner_id}"
    page = office.get(here).text
    assert "Nothing is sent to this address." in page
    assert "says they never signed up" in page
    [form] = [form for form in forms(page) if form.action.endswith("/allow")]
    page = office.follow(office.post(form.action)).text
    assert "Mail is allowed again." in page
    assert "Nothing is sent" not in page
    assert school.run(run.id).state is EnrollmentState.STOPPED
    again = school.enrolling.sign_up("clear-writing", "cleo@example.com", consent=agreed())
    assert again.outcome == "limited"  # known again, and asked a moment ago
    audit = school.everything()["audit"]
    assert audit[-1][-2:] == ("allow", f"learner {run.learner_id}")


def test_without_a_login_no_address_is_opened(school, runs, browser):
    run = school.run(runs["cleo@example.com"])
    assert browser.post(f"/admin/learners/{run.learner_id}/allow").status_code == 401
    assert school.enrolling.suppression_of(run.learner_id).reason == "never"


def test_an_address_that_is_open_stays_as_it_is(school, runs, office):
    run = school.run(runs["eve@example.com"])
    before = school.everything()["audit"]
    answer = office.post(f"/admin/learners/{run.learner_id}/allow")
    assert answer.headers["location"] == f"/admin/learners/{run.learner_id}"
    assert school.everything()["audit"] == before
