"""The text part says what the HTML part says, in plain characters."""

from __future__ import annotations

import re

import pytest

from course.markup import to_html, to_text


def text(written: str) -> str:
    return to_text(to_html(written))


def test_prose_is_wrapped_and_addresses_and_expressions_are_not() -> None:
    address = "https://example.org/" + "a" * 90
    written = f'{"word " * 30}[a link]({address}) {{{{ learner.first_name or "a b c" }}}} end'
    lines = text(written).split("\n")
    assert all(len(line) <= 72 or address in line for line in lines)
    assert f"<{address}>" in "\n".join(lines)
    for width in range(60, 76):
        expression = "{{ learner.first_name or 'a b c' }}"
        assert f"{expression}\n" in text("x" * width + " " + expression + " y" * 40).replace(
            expression + " ", expression + "\n"
        )
    assert any('{{ learner.first_name or "a b c" }}' in line for line in lines)


def test_a_link_that_shows_its_own_address_is_written_once() -> None:
    assert text("<https://x.example/a>") == "https://x.example/a\n"
    assert text("[Ada](mailto:ada@x.example)") == "Ada <ada@x.example>\n"


def test_lists_keep_numbers_nesting_and_second_paragraphs() -> None:
    written = "5. five\n6. six\n\n    more of six\n\n    - deep\n    - deeper\n"
    assert text(written) == ("5. five\n\n6. six\n\n   more of six\n\n   - deep\n   - deeper\n")
    assert text("- a\n- b\n    - c\n- d") == "- a\n- b\n  - c\n- d\n"


def test_headings_quotes_rules_and_pictures_can_be_told_apart() -> None:
    written = "## One\n\n### Two\n\n> said\n>\n> she\n\n---\n\n![A cat](c.png) ![](d.png)"
    assert text(written) == (
        "One\n---\n\nTwo\n~~~\n\n> said\n>\n> she\n\n------------------------\n\n[Image: A cat]\n"
    )


def test_small_tables_are_aligned_and_wide_ones_become_lines() -> None:
    small = text("| Name | Days |\n|---|---|\n| Zoë | 3 |\n| Bartholomew | 10 |")
    assert small == ("Name         Days\n-----------  ----\nZoë          3\nBartholomew  10\n")
    wide = text(f"| Name | Note |\n|---|---|\n| Zoë | {'long ' * 20}|\n| Bo | short |")
    assert "Name: Zoë\nNote: long long" in wide
    assert "Name: Bo\nNote: short" in wide


def test_code_is_neither_wrapped_nor_indented_nor_stripped() -> None:
    code = "def f():\n    return " + "x" * 90 + "\n\n\n\n\ttab  "
    assert f"\n\n{code}\n" in text(f"a\n\n```\n{code}\n```") + "\n"
    assert f"\n{code}\n" in text(
        "1. one\n\n" + "\n".join("    " + x for x in f"```\n{code}\n```".split("\n"))
    )


def test_task_marks_footnotes_and_callouts_read_well() -> None:
    assert text("- [ ] write\n- [x] send") == "- ☐ write\n- ☑ send\n"
    assert text("> [!NOTE]\n> Body") == "Note\n\nBody\n"
    assert text("A[^1].\n\n[^1]: B.").endswith("Notes\n\n1. B.\n")


def test_there_are_no_trailing_spaces_and_no_runs_of_empty_lines() -> None:
    out = text("a  \nb\n\n\n\n\nc <br><br> d\n\n<div>\n\n</div>\n\n- x\n\n\n- y")
    assert not re.search(r"[ \t]\n", out)
    assert "\n\n\n\n" not in out
    assert out.startswith("a\nb\n")


def test_braces_meant_as_text_stay_text() -> None:
    from course.source.variables import sandbox

    out = text("`{{ x }}` {<b>{</b> y }} \\{% z %}")
    assert sandbox(autoescape=False).from_string(out).render() == "`{{ x }}` {{ y }} {% z %}\n"


@pytest.mark.parametrize("written", ["", "   ", "<!-- only a remark -->"])
def test_nothing_stays_nothing(written: str) -> None:
    assert text(written) == ""
