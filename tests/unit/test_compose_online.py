"""Documents, reading online, previews, test copies, and what cannot be composed."""

from __future__ import annotations

import json
import re
import threading
from pathlib import Path

import pytest

from course.errors import CourseError
from course.mail.document import describe, dump, load, version_of
from scheduler.domain.learner import Learner
from scheduler.domain.message import Message, Unfit
from scheduler.domain.syllabus import EVERY_DAY, WEEKDAYS, Cadence
from tests.mailroom import (
    COURSE,
    MORNING,
    PLAIN,
    body,
    claimed,
    composed,
    composer,
    links_in,
    parsed,
    plant,
)  # fmt: skip


def test_a_sent_lesson_can_be_read_after_it_was_edited_and_deleted(tmp_path: Path) -> None:
    catalog = plant(tmp_path)
    school = composer(catalog)
    one = claimed("bed")
    kept = school.document(composed(school, one).version)
    file = tmp_path / "lessons" / "garden" / "1-bed.md"
    file.write_text("# All new\n\nNothing of the old lesson is left here.\n", encoding="utf-8")
    catalog.refresh()
    assert "Nothing of the old" in body(composed(school, one), "html")
    file.unlink()
    catalog.refresh()
    later = composer(plant(tmp_path / "elsewhere"))
    page = later.read_online(kept, one)
    assert "Mind the worms" in page
    assert "Nothing of the old" not in page
    assert "Hello Ada," in page


def test_the_page_shows_the_answers_and_the_links_of_this_learner_only(tmp_path: Path) -> None:
    school = composer(plant(tmp_path))
    one = claimed("bed", number=12)
    page = school.read_online(school.document(composed(school, one).version), one)
    assert "Roots go as deep as the loose soil." in page
    assert "<strong>b) a spade</strong>" in page
    assert "To begin." in page
    assert page.count("<details>") == 3
    assert 'id="answers"' in page
    assert 'id="recall"' in page
    ours = [link for link in links_in(page) if link.startswith("https://course.example.org/")]
    opened = {
        school.links.open(purpose, token)
        for purpose, token in (link.split("/")[-2:] for link in ours)
    }
    assert {each.subject for each in opened if each} == {"12", one.delivery.id}


def test_the_page_is_a_page(tmp_path: Path) -> None:
    school = composer(plant(tmp_path))
    for key in ("bed", "sow", "@welcome"):
        one = claimed(key)
        page = school.read_online(school.document(composed(school, one).version), one)
        assert page.startswith("<!DOCTYPE html>")
        assert page.count("<h1") == 1
        assert "<main" in page
        assert 'name="robots" content="noindex' in page
        prose = re.sub(
            r"<style>.*?</style>|<code.*?</code>|<pre.*?</pre>", "", page, flags=re.DOTALL
        )
        assert not re.search(r"\{\{|\{%|<script|-mcd_|zq[0-9a-f]{10}", prose)
        assert len(page.encode()) < 50_000


def test_no_name_becomes_markup_on_the_page(tmp_path: Path) -> None:
    school = composer(plant(tmp_path))
    document = school.document(composed(school, claimed("bed")).version)
    tags = r"<[a-zA-Z/!][^ >]*"
    calm = re.findall(tags, school.read_online(document, claimed("bed", name="Ada")))
    for name in [
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "{{ 7*7 }}",
        "&lt;",
    ]:
        page = school.read_online(document, claimed("bed", name=name))
        assert re.findall(tags, page) == calm
        assert "49" not in page


def test_a_document_holds_no_person_and_names_its_version(tmp_path: Path) -> None:
    school = composer(plant(tmp_path))
    message = composed(school, claimed("bed", name="Zebedee", address="zeb@example.com"))
    kept = school.document(message.version)
    assert "zeb" not in kept.lower()
    assert version_of(load(kept)) == message.version
    assert re.fullmatch("[0-9a-f]{32}", message.version)
    assert json.loads(kept)["course"]["title"] == "A Garden in Three Days"


def test_the_version_changes_with_the_content_and_with_nothing_else(tmp_path: Path) -> None:
    catalog = plant(tmp_path)
    school = composer(catalog)
    first = composed(school, claimed("sow"))
    assert composed(school, claimed("sow", name="Bo")).version == first.version
    course = catalog.course("garden")
    assert course is not None
    assert school.version_of(course, course.lessons["sow"]) == first.version
    (tmp_path / "lessons" / "garden" / "2-sow.md").write_text(PLAIN + "More.\n", encoding="utf-8")
    catalog.refresh()
    assert composed(school, claimed("sow")).version != first.version
    assert composed(school, claimed("grow")).version == composed(school, claimed("grow")).version


def test_equal_lessons_of_two_courses_are_two_versions(tmp_path: Path) -> None:
    catalog = plant(tmp_path)
    other = tmp_path / "lessons" / "orchard"
    other.mkdir()
    (other / "course.yaml").write_text(COURSE, encoding="utf-8")
    (other / "1-sow.md").write_text(PLAIN, encoding="utf-8")
    catalog.refresh()
    school = composer(catalog)
    one, two = composed(school, claimed("sow")), composed(school, claimed("sow", course="orchard"))
    assert one.version != two.version
    assert parsed(two)["List-Id"] == "A Garden in Three Days <orchard.example.org>"


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"format": 99}', "<html>"])
def test_a_document_of_another_release_is_refused_in_words(tmp_path: Path, text: str) -> None:
    with pytest.raises(CourseError, match="another release"):
        composer(plant(tmp_path)).read_online(text, claimed())


def test_an_unknown_version_has_no_document(tmp_path: Path) -> None:
    with pytest.raises(CourseError, match="not composed here"):
        composer(plant(tmp_path)).document("0" * 32)


def test_a_changed_template_is_used_at_once(tmp_path: Path) -> None:
    import shutil

    from course.compose import CourseComposer
    from tests.mailroom import TEMPLATES

    school = composer(plant(tmp_path))
    shutil.copytree(TEMPLATES, tmp_path / "templates")
    own = CourseComposer(school.catalog, school.links, school.sender, tmp_path / "templates", "raw")
    before = composed(own, claimed("sow"))
    frame = tmp_path / "templates" / "email" / "frame.html"
    frame.write_text(frame.read_text().replace('class="masthead">', 'class="masthead">★ '))
    after = composed(own, claimed("sow"))
    assert "★ A Garden" not in body(before, "html")
    assert "★ A Garden" in body(after, "html")
    assert before.version == after.version


def test_a_broken_template_holds_the_mail_and_says_which(tmp_path: Path) -> None:
    import shutil

    from course.compose import CourseComposer
    from tests.mailroom import TEMPLATES

    school = composer(plant(tmp_path))
    shutil.copytree(TEMPLATES, tmp_path / "templates")
    (tmp_path / "templates" / "email" / "lesson.html").write_text("{{ nobody.knows }}")
    own = CourseComposer(school.catalog, school.links, school.sender, tmp_path / "templates", "raw")
    (answer,) = own.compose([claimed("sow")])
    assert isinstance(answer, Unfit)
    assert "templates/email/lesson.html" in answer.reason
    assert answer.hold


@pytest.mark.parametrize(
    ("key", "course", "says"),
    [
        ("gone", "garden", "no lesson gone any more"),
        ("bed", "nowhere", "no course 'nowhere'"),
        ("@nothing", "garden", "nothing.md"),
        ("later", "garden", "still a draft"),
        ("broken", "garden", "course check"),
    ],
)
def test_what_is_not_there_or_not_ready_is_held_with_the_reason(
    tmp_path: Path, key: str, course: str, says: str
) -> None:
    catalog = plant(
        tmp_path,
        **{"4-later": "---\ndraft: true\n---\nNot yet, but some day.\n",
           "5-broken": "Hello {{ learner.shoe_size }}, how are you today?\n"},
    )  # fmt: skip
    bad, good = composer(catalog).compose([claimed(key, course=course), claimed("bed")])
    assert isinstance(bad, Unfit)
    assert bad.hold
    assert says in bad.reason
    assert isinstance(good, Message)


def test_answers_come_in_the_order_of_the_questions(tmp_path: Path) -> None:
    school = composer(plant(tmp_path))
    batch = [claimed(key, number=n) for n, key in enumerate(["bed", "gone", "@welcome", "sow"] * 5)]
    answers = school.compose(batch)
    assert [answer.delivery_id for answer in answers] == [one.delivery.id for one in batch]
    assert school.compose([]) == []


@pytest.mark.parametrize("key", ["bed", "@welcome", "@completed", "@confirm"])
def test_a_copy_sent_once_more_is_the_same_mail(tmp_path: Path, key: str) -> None:
    school = composer(plant(tmp_path))
    first, again = composed(school, claimed(key)), composed(school, claimed(f"@again-2:{key}"))
    assert again.version == first.version
    assert parsed(again).keys() == parsed(first).keys()
    assert parsed(again)["Subject"] == parsed(first)["Subject"]
    assert again.message_id != first.message_id


def test_a_former_name_of_a_lesson_still_sends_it(tmp_path: Path) -> None:
    source = "---\naliases: [old-name]\n---\nThe same lesson under a new name.\n"
    school = composer(plant(tmp_path, **{"4-new-name": source}))
    assert "The same lesson" in body(composed(school, claimed("old-name")), "plain")


def test_a_preview_is_the_mail(tmp_path: Path) -> None:
    school = composer(plant(tmp_path))
    course = school.catalog.course("garden")
    assert course is not None
    seen = school.preview(course, course.lessons["bed"])
    sent = composed(school, claimed("bed", name="Ada"))
    own = r"/(read|done|learn|manage|leave)/[^\"#<\s]+"
    assert re.sub(own, r"/\1/", seen.html) == re.sub(own, r"/\1/", body(sent, "html"))
    assert re.sub(own, r"/\1/", seen.text) == re.sub(own, r"/\1/", body(sent, "plain"))
    assert seen.subject == parsed(sent)["Subject"] == "Day 1 · Dig, Ada"
    assert seen.size.html == len(seen.html.encode())
    assert school.measure(course, course.lessons["bed"]) == seen.size
    nobody = school.preview(course, course.lessons["bed"], Learner(0, "x@y.org", "", "UTC", "en"))
    assert nobody.subject == "Day 1 · Dig, friend"
    letter = school.preview(course, course.letters["@welcome"])
    assert "every day at 07:00" in letter.text


def test_a_test_copy_is_marked_and_opens_nobodys_page(tmp_path: Path) -> None:
    school = composer(plant(tmp_path))
    course = school.catalog.course("garden")
    assert course is not None
    one, two = (school.test_message(course, course.lessons["bed"], "me@example.org", now=MORNING)
                for _ in range(2))  # fmt: skip
    mail = parsed(one)
    assert mail["Subject"] == "[TEST] Day 1 · Dig, Ada"
    assert mail["To"] == "me@example.org"
    assert mail["Date"].datetime == MORNING
    assert one.message_id != two.message_id
    assert f"<{school.links.leave(0)}>" == mail["List-Unsubscribe"]
    with pytest.raises(CourseError, match="ask for another"):
        school.test_message(course, course.lessons["bed"], "no address")


def test_a_preview_of_a_broken_lesson_says_what_is_wrong(tmp_path: Path) -> None:
    from dataclasses import replace

    school = composer(plant(tmp_path))
    course = school.catalog.course("garden")
    assert course is not None
    broken = replace(course.lessons["sow"], reply="one {% if learner.first_name %} two")
    with pytest.raises(CourseError, match="if"):
        school.preview(course, broken)


@pytest.mark.parametrize(
    ("cadence", "words"),
    [
        (Cadence(), "every day at 07:00"),
        (Cadence(weekdays=WEEKDAYS), "Monday to Friday at 07:00"),
        (Cadence(weekdays=frozenset({0, 2})), "Mondays and Wednesdays at 07:00"),
        (Cadence(weekdays=EVERY_DAY, every_days=2), "every 2 days at 07:00"),
        (Cadence(weekdays=WEEKDAYS, every_days=7), "once a week (Monday to Friday) at 07:00"),
    ],
)
def test_the_pace_is_the_learners_own(tmp_path: Path, cadence: Cadence, words: str) -> None:
    text = body(composed(composer(plant(tmp_path)), claimed("sow", cadence=cadence)), "plain")
    assert f"Your pace is {words}." in text


def test_a_course_that_is_not_daily_counts_lessons_not_days(tmp_path: Path) -> None:
    catalog = plant(tmp_path, course="title: Slow\ncadence: {every_days: 7, days: daily}\n")
    text = body(composed(composer(catalog), claimed("sow")), "plain")
    assert "Lesson 2 of 3 · " in text


def test_a_mail_counts_what_was_sent_and_never_calls_it_done(tmp_path: Path) -> None:
    message = composed(composer(plant(tmp_path)), claimed("sow"))
    for kind in ("plain", "html"):
        assert "Day 2 of 3" in body(message, kind)
        assert not re.search(r"\d+ of \d+ done", body(message, kind))
    assert body(message, "html").count('height="4"') == 3  # the bar: one part a lesson


def test_the_bounce_address_names_the_delivery(tmp_path: Path) -> None:
    school = composer(plant(tmp_path), bounce_addr="bounces+*@example.org")
    one = claimed()
    message = composed(school, one)
    assert (
        school.links.open_bounce("bounces+*@example.org", message.envelope_from) == one.delivery.id
    )
    assert composed(composer(plant(tmp_path / "b")), one).envelope_from == "course@example.org"


def test_a6_the_bounce_address_is_short_enough_or_refused_at_the_start(tmp_path: Path) -> None:
    catalog = plant(tmp_path)
    at_most = composed(composer(catalog, bounce_addr="bounces-11+*@example.org"), claimed())
    assert len(at_most.envelope_from.partition("@")[0]) == 64
    for address, says in (
        ("our-bounces1+*@example.org", "make it 2 shorter"),
        ("bounces *@example.org", "like bounces"),
        ("*", "like bounces"),
        ("bounces+*@exämple.org", "like bounces"),
    ):
        with pytest.raises(CourseError, match=says):
            composer(catalog, bounce_addr=address)


def test_several_threads_compose_the_same(tmp_path: Path) -> None:
    school = composer(plant(tmp_path))
    batch = [claimed(key, number=n) for n in range(40) for key in ("bed", "sow", "@welcome")]
    results: list[list[Message | Unfit]] = []
    threads = [threading.Thread(target=lambda: results.append(school.compose(batch)))
               for _ in range(6)]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 6
    assert all(result == results[0] for result in results)


def test_a_document_is_the_same_text_every_time(tmp_path: Path) -> None:
    course = plant(tmp_path).course("garden")
    assert course is not None
    for lesson in course.lessons.values():
        assert dump(describe(course, lesson)) == dump(load(dump(describe(course, lesson))))
