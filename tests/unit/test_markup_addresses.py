"""An address that stands in prose as it is can be clicked; nothing else becomes a link."""

from __future__ import annotations

import re

import pytest

from course import markup
from course.source.landmarks import landmarks
from course.source.scan import scan


def links(source: str) -> list[str]:
    return re.findall(r'<a href="([^"]*)">', markup.to_html(source))


@pytest.mark.parametrize(
    ("source", "address"),
    [
        ("See https://example.org/a.", "https://example.org/a"),
        ("See https://example.org/a, then", "https://example.org/a"),
        ("(see https://example.org/a)", "https://example.org/a"),
        ("(https://example.org/a).", "https://example.org/a"),
        ("https://en.example.org/wiki/Bed_(garden)", "https://en.example.org/wiki/Bed_(garden)"),
        ("(https://example.org/Bed_(garden))", "https://example.org/Bed_(garden)"),
        ("Is it https://example.org/?", "https://example.org/"),
        ("https://example.org/?q=1&r=2#top!", "https://example.org/?q=1&amp;r=2#top"),
        ("“https://example.org/a”", "https://example.org/a"),
        ("**https://example.org/a**", "https://example.org/a"),
        ("- https://example.org/a\n- b", "https://example.org/a"),
        ("http://localhost:8000/x", "http://localhost:8000/x"),
        ("https://example.org/a_b_c", "https://example.org/a_b_c"),
        ("| a |\n|---|\n| https://example.org/a |", "https://example.org/a"),
        ("https://bücher.example/ä", "https://bücher.example/ä"),
    ],
)
def test_a_bare_address_becomes_a_link_without_what_follows_it(source: str, address: str) -> None:
    assert links(source) == [address]


@pytest.mark.parametrize(
    "source",
    [
        "`https://example.org/a`",
        "```\nhttps://example.org/a\n```",
        "    https://example.org/a",
        "https://",
        "https://.",
        "see example.org or www.example.org",
        "xhttps://example.org",
        "ftp://example.org/a javascript://example.org/a",
        "https://example.org/?for={{ learner.first_name }}",
    ],
)
def test_what_is_code_or_no_whole_address_stays_text(source: str) -> None:
    assert "<a " not in markup.to_html(source)


@pytest.mark.parametrize(
    "source",
    [
        "[https://example.org/a](https://example.org/b)",
        "[words](https://example.org/b)",
        "<https://example.org/b>",
        '<a href="https://example.org/b">https://example.org/a</a>',
        "[words][1]\n\n[1]: https://example.org/b",
        "[**https://example.org/a**](https://example.org/b)",
    ],
)
def test_a_link_stays_one_link(source: str) -> None:
    assert links(source) == ["https://example.org/b"]


def test_attributes_and_values_are_left_alone() -> None:
    html = markup.to_html('![https://example.org/a](https://example.org/b.png "https://x.org/")')
    assert "<a " not in html
    html = markup.to_html("{{ url.read }} and https://example.org/a, {{ learner.first_name }}")
    assert '<a href="https://example.org/a">https://example.org/a</a>, {{' in html


def test_fields_are_linked_too_and_the_text_part_says_an_address_once() -> None:
    assert '<a href="https://example.org/">' in markup.inline("Go to https://example.org/.")
    assert markup.to_text(markup.to_html("Go to https://example.org/.")) == (
        "Go to https://example.org/.\n"
    )


def test_the_check_sees_the_links_that_the_mail_has() -> None:
    source = (
        "See https://a.example/x, [words](https://b.example/) and <https://c.example/>.\n\n"
        '<a href="https://d.example/">https://d.example/</a> `https://code.example/`\n\n'
        "[1]: https://e.example/\n\n[https://f.example/](https://f.example/) [w][1]\n\n"
        "(https://g.example/) https://no.example/?{{ learner.first_name }}\n"
    )
    found = landmarks(scan(source)).links
    assert sorted(link.url for link in found) == sorted(links(source))
    [first] = [link for link in found if "a.example" in link.url]
    assert source[first.offset :].startswith("https://a.example/x,")
