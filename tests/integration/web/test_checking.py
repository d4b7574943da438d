"""The self-check of a lesson read online: answered at once, kept nowhere, in nobody's way."""

from __future__ import annotations

import pytest

from tests.private_page import delivery


@pytest.fixture
def link(school) -> str:
    run = school.join()
    school.work()
    return school.link_path(school.links.read(delivery(school, run, "short-sentences")))


def test_the_self_check_says_at_once_what_is_right_and_why(school, browser, link):
    before = school.everything()
    page = browser.get(link).text
    assert page.count('type="radio"') == 2
    assert 'class="verdict' not in page
    assert "<summary>Answer to question 1</summary>" in page
    page = browser.get(f"{link}?q1=1").text
    assert "1 of 1 right." in page
    assert "Right." in page
    assert "Two ideas fight." in page
    assert 'value="1" checked' in page
    page = browser.get(f"{link}?q1=2").text
    assert "0 of 1 right." in page
    assert "Not this one. The answer is a) one" in page
    assert "Two ideas fight." in page
    assert school.everything() == before


def test_an_answer_that_is_none_is_no_answer(school, browser, link):
    for answer in ("3", "0", "-1", "x", "", "1" * 5000, "<b>"):
        page = browser.client.get(link, params={"q1": answer, "q9": "1"}).text
        assert 'class="verdict' not in page
        assert " checked" not in page
