"""Holes: a value becomes text where it stands, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Literal

import pytest

from course.mail.holes import Hole, HoleError, Marks, Piece, fill
from tests.naughty import NAMES as NAUGHTY

CONSTANTS: Mapping[str, str | int] = {
    "course.title": "Peas & <Beans>", "course.total": 5, "lesson.number": 2,
    "lesson.title": "Soil", "lesson.minutes": 9,
}  # fmt: skip
ADA = {
    "learner.first_name": "Ada", "learner.hour": "07:00", "learner.days": "every day",
    "url.read": "https://x.org/read/1", "url.learn": "https://x.org/learn/1",
    "url.manage": "https://x.org/manage/1", "url.leave": "https://x.org/leave/1",
    "url.done": "https://x.org/done/1",
}  # fmt: skip


def cut(source: str, kind: Literal["html", "text"] = "html") -> tuple[Piece, ...]:
    marks = Marks(source, CONSTANTS)
    return marks.cut(marks.hide(source), kind)


@pytest.mark.parametrize(
    ("source", "result"),
    [
        ("a {{ learner.first_name }} b", "a Ada b"),
        ('{{ learner.first_name or "there" }}', "Ada"),
        ("{{ course.title }} {{ course.total }}", "Peas &amp; &lt;Beans&gt; 5"),
        ("{% if learner.hour %}x {{ learner.first_name|upper }}{% else %}y{% endif %}", "x ADA"),
        ("{% if lesson.number %}{% if learner.hour %}{{ course.total }}{% endif %}!{% endif %}",
         "5!"),
        ("{% if learner.first_name %}brace { and }} stay{% endif %}", "brace { and }} stay"),
        ("{{ '{{' }} as text", "{{ as text"),
        ('<a href="{{ url.read }}#answers">x</a>', '<a href="https://x.org/read/1#answers">x</a>'),
        ('<a href="https://y.org/?n={{ learner.first_name }}">', '<a href="https://y.org/?n=Ada">'),
        ('<a href="https://y.org/?u={{ url.read }}">',
         '<a href="https://y.org/?u=https%3A%2F%2Fx.org%2Fread%2F1">'),
        ("nothing", "nothing"),
        ("", ""),
        ("{# gone #}here", "here"),
    ],
)  # fmt: skip
def test_holes_are_filled_and_text_between_them_is_left_alone(source: str, result: str) -> None:
    assert fill(cut(source), ADA) == result


def test_what_all_learners_share_is_no_hole() -> None:
    assert cut("{{ course.title }}, {{ lesson.number }}") == ("Peas &amp; &lt;Beans&gt;, 2",)


def test_a_bare_name_needs_no_template() -> None:
    (hole,) = cut("{{ url.read }}")
    assert isinstance(hole, Hole)
    assert (hole.bare, hole.names, hole.template) == ("url.read", ("url.read",), None)


@pytest.mark.parametrize("name", NAUGHTY)
def test_a_value_is_escaped_for_its_place(name: str) -> None:
    values = ADA | {"learner.first_name": name}
    page = fill(
        cut('<p title="{{ learner.first_name }}">{{ learner.first_name or "x" }}</p>'), values
    )
    assert page.count("<") == 2
    assert page.count(">") == 2
    assert page.count('"') == 2
    link = fill(cut('<a href="https://y.org/?n={{ learner.first_name }}">'), values
                ) if name != "\ud800" else ""  # fmt: skip
    assert not set(link[28:-2]) & set("<>\"'&?#/: \r\n")
    assert fill(cut("{{ learner.first_name }}", "text"), values) == name


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("{{ learner.first_name", "not closed"),
        ("{% if learner.first_name", "not closed"),
        ("{% if learner.first_name %}x", "endif"),
        ("x{% endif %}", "before it"),
        ("x{% else %}y", "before it"),
        ("{% for a in learner %}x{% endfor %}", "for"),
        ("{% set x = 1 %}", "set"),
        ("{{ learner.shoe_size }}", "shoe_size"),
        ("{{ nobody }}", "nobody"),
        ("{{ learner }}", "learner"),
        ("{{ learner.first_name.upper() }}", "not available"),
        ("{{ learner['first_name'] }}", "not available"),
        ("{{ learner.__class__ }}", "__class__"),
        ("{{ 'a' * 10 ** 9 }}", "arithmetic"),
        ("{{ learner.first_name|safe }}", "safe"),
        ("{{ learner.first_name|attr('x') }}", "attr"),
        ("{{ learner.first_name|center(1000000000) }}", "center"),
        ("{{ url.confirm }}", "confirm"),
        ("{{ learner.address }}", "address"),
        ('<a href="{{ learner.first_name }}">x</a>', "address cannot begin"),
        ('<a href="{{ learner.first_name or "x" }}">x</a>', "cannot"),
        ('<img src="{{ course.title }}">', "address cannot begin"),
        ('<a href="{% if learner.first_name %}x{% endif %}">x</a>', "address cannot begin"),
        ('<p style="color: {{ learner.first_name }}">x</p>', "style"),
        ('<p onclick="{{ learner.first_name }}">x</p>', "onclick"),
        ("<p {{ learner.first_name }}>x</p>", "inside a tag"),
        ("<!-- {{ learner.first_name }} -->", "comment"),
        ("<style>{{ learner.first_name }}</style>", "style"),
    ],
)
def test_what_has_no_place_in_a_lesson_is_refused_in_words(source: str, says: str) -> None:
    with pytest.raises(HoleError, match=says):
        cut(source)


def test_only_our_own_layout_may_name_the_address() -> None:
    marks = Marks("", CONSTANTS)
    pieces = marks.cut(f"<p>{marks.name('learner.address')}</p>", "html")
    assert fill(pieces, {"learner.address": "a@b.org"}) == "<p>a@b.org</p>"


def test_a_long_run_of_braces_is_judged_in_time() -> None:
    for unit in ("{{", "{{ 'a", "{%", "<a ", '<a b="', "{{ learner.hour }}<a "):
        with suppress(HoleError):
            cut(unit * 5_000)


def test_braces_that_appear_after_hiding_are_text_even_inside_a_block() -> None:
    marks = Marks("", CONSTANTS)
    hidden = marks.hide("{% if learner.hour %}HERE{% endif %} HERE")
    page = hidden.replace("HERE", "{{ 7*7 }} {% endif %} {#")
    assert fill(marks.cut(page, "html"), ADA) == (
        "{{ 7*7 }} {% endif %} {# {{ 7*7 }} {% endif %} {#"
    )
