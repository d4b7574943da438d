"""The text part: a mail in its own right, not a shadow of the HTML."""

from __future__ import annotations

import re
from collections import Counter
from html import unescape
from pathlib import Path

import pytest

from course.compose import CourseComposer
from tests.mailroom import (
    COURSE_MAIL,
    EVERY_MAIL,
    NUDGES,
    SENDER,
    body,
    claimed,
    composed,
    composer,
    links_in,
    plant,
    whole_school,
)


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> CourseComposer:
    return composer(whole_school(tmp_path_factory.mktemp("school")))


@pytest.fixture(scope="module")
def full(school: CourseComposer) -> str:
    return body(composed(school, claimed("bed")), "plain")


def test_t1_t2_it_has_no_preheader_no_markup_and_no_layout_words(full: str) -> None:
    assert "the one tool that you really need" not in full
    assert not re.search(r"</?[a-z]+[ >]|&[a-z]+;|font-family|\u034f|\u200c|\*\*", full)


@pytest.mark.parametrize("key", EVERY_MAIL)
def test_t2_no_text_part_has_a_preheader_or_words_of_the_layout(
    school: CourseComposer, key: str
) -> None:
    message = composed(school, claimed(key))
    text, html = body(message, "plain"), body(message, "html")
    hidden = re.search(r'<div class="preheader"[^>]*>([^<\u034f]*)\u034f', html)
    assert hidden
    # Said once, by the page; a preheader taken from the lesson stands where the author put it.
    head = " ".join(text.split("===")[0].split())
    assert unescape(hidden[1]) not in head
    assert text.startswith(text.split("\n")[0].strip())
    code = re.compile(r"^    .*$|^def .*$", re.MULTILINE)
    prose = code.sub("", text)
    assert not re.search(
        r"</?[a-z]+[ >/]|&[a-z]+;|&#|[{};]\s*(color|font|margin|padding)|[\u034f\u200c\xa0]|\*\*"
        r"|\[if mso|presentation|max-width", prose,
    )  # fmt: skip


@pytest.mark.parametrize("key", EVERY_MAIL)
def test_t3_t6_lines_are_short_and_the_title_is_underlined(
    school: CourseComposer, key: str
) -> None:
    text = body(composed(school, claimed(key)), "plain")
    for line in text.split("\n"):
        assert len(line) <= 76 or "http" in line or "not a hole" in line, line
    assert len(re.findall(r"^.+\n={3,72}$", text, re.MULTILINE)) == 1


def test_t3_code_is_exact_and_prose_is_wrapped(full: str) -> None:
    code = 'def dig(depth):\n    return {"bed": depth}   # not a hole: {{ learner.first_name }}\n'
    indented = "\n".join(f"    {line}" if line else "" for line in code.split("\n"))
    assert code in full or indented in full
    for line in full.split("\n"):
        assert len(line) <= 76 or "http" in line or "not a hole" in line, line


def test_t4_links_stand_whole_behind_their_text(full: str, school: CourseComposer) -> None:
    assert re.search(r"^https://example\.com/watch\?v=1&t=2$", full, re.MULTILINE)
    assert re.search(r"the book[\s(<]+https://example\.com/book\?for=Ada&x=1", full)


def test_t5_lists_keep_numbers_and_nesting_and_tables_their_columns(full: str) -> None:
    assert re.search(r"^1\. Sun, at least six hours$", full, re.MULTILINE)
    assert re.search(r"^2\. Water near by\n\n   +A second paragraph", full, re.MULTILINE)
    radish = re.search(r"^.*radish.*$", full, re.MULTILINE)
    leek = re.search(r"^.*leek.*$", full, re.MULTILINE)
    assert radish
    assert leek
    assert "4" in radish[0]
    assert "20" in leek[0]


def test_t6_headings_quotes_and_tasks_can_be_told_apart(full: str) -> None:
    assert re.search(r"^The first bed\n=+$", full, re.MULTILINE)
    assert re.search(r"^Where\n-+$", full, re.MULTILINE)
    assert "> A garden is a friend." in full
    assert "[ ] Water it. (2 min)" in full


@pytest.mark.parametrize("key", EVERY_MAIL)
def test_t4_t7_r22_the_same_links_as_the_html_and_as_often(
    school: CourseComposer, key: str
) -> None:
    message = composed(school, claimed(key))
    text, html = body(message, "plain"), body(message, "html")
    there = Counter(unescape(link) for link in links_in(html))
    # Whole, on one line, with white space or a bracket around.
    here = Counter(re.findall(r"(?<![^\s<(])https://[^\s<>]+[^\s<>).,]", text))
    assert here == there


@pytest.mark.parametrize("key", EVERY_MAIL)
def test_t7_it_names_the_sender_and_where_to_read_it_online(
    school: CourseComposer, key: str
) -> None:
    one = claimed(key)
    text = body(composed(school, one), "plain")
    assert SENDER.organisation in text
    assert SENDER.postal_address in text
    read = f"Read online: {school.links.read(one.delivery.id)}"
    # What is said once more in short is read on the learner's own page.
    assert (read in text) is (key in COURSE_MAIL and key not in NUDGES)


@pytest.mark.parametrize("key", EVERY_MAIL)
@pytest.mark.parametrize("name", ["", "Ada"])
def test_t8_no_trailing_spaces_and_at_most_two_blank_lines(
    school: CourseComposer, key: str, name: str
) -> None:
    text = body(composed(school, claimed(key, name=name)), "plain")
    assert not re.search(r"[ \t]$", text, re.MULTILINE)
    assert "\n\n\n\n" not in text
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    assert not text.startswith("\n")


def test_t9_dots_and_froms_at_the_start_of_a_line_survive(school: CourseComposer) -> None:
    message = composed(school, claimed("bed"))
    text = body(message, "plain")
    assert "\n.a line that begins with a dot\n" in text
    assert "\nFrom the house to the bed" in text
    assert b"\r\n." not in message.raw
    assert b"\r\nFrom " not in message.raw


@pytest.mark.parametrize("key", EVERY_MAIL)
def test_r22_both_parts_say_the_same(school: CourseComposer, key: str) -> None:
    message = composed(school, claimed(key))
    html = body(message, "html")
    html = html[html.index("</div>", html.index("<body")) :]
    html = re.sub(r"<!--.*?-->|<[^>]*>", " ", html)
    words = set(re.findall(r"[a-z]{4,}", html.lower()))
    text = set(re.findall(r"[a-z]{4,}", body(message, "plain").lower()))
    assert len(words - text) <= max(6, len(words) // 12), words - text


def test_code_in_a_lesson_keeps_its_empty_lines(tmp_path: Path) -> None:
    code = "a = 1\n\n\n\n\nb = 2"
    school = composer(plant(tmp_path, **{"4-code": f"Code:\n\n```\n{code}\n```\n"}))
    text = body(composed(school, claimed("code")), "plain")
    assert re.sub("^ +", "", code, flags=re.MULTILINE) in re.sub(
        "^ +", "", text, flags=re.MULTILINE
    )


@pytest.mark.parametrize("filler", range(0, 40, 3))
def test_t3_lines_do_not_overrun_when_values_are_longer_than_what_held_their_place(
    tmp_path: Path, filler: int
) -> None:
    school = composer(
        plant(
            tmp_path,
            **{
                "2-sow": f"# Sow\n\n{'x ' * filler}on {{{{ learner.days }}}} you read "
                f"{{{{ course.title }}}}, {'y ' * filler}at [your page]({{{{ url.learn }}}}) or "
                "at {{ url.manage }} as you like, and in the end all of it is done.\n"
            },
        )
    )
    text = body(composed(school, claimed("sow")), "plain")
    assert "A Garden in Three Days" in text
    for line in text.partition("===\n")[2].split("\n"):
        alone = "http" in line and " " not in line.strip()
        assert len(line) <= 72 or alone, line


def test_t5_braces_in_a_table_count_as_wide_as_they_are(tmp_path: Path) -> None:
    table = "| write | means |\n|---|---|\n| `{{ learner.first_name }}` | name |\n| `{{{` | x |\n"
    school = composer(plant(tmp_path, **{"2-sow": f"# Sow\n\n{table}"}))
    text = body(composed(school, claimed("sow")), "plain")
    rows = re.search(r"^write.*\n-+.*\n(.*)\n(.*)$", text, re.MULTILINE)
    assert rows
    assert rows[1].startswith("`{{ learner.first_name }}`")
    assert rows[2].startswith("`{{{`")
    assert rows[1].index("name", 20) == rows[2].index("x")
