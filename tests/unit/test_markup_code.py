"""Code comes out exactly as written, and what is between braces outside code stays alive."""

from __future__ import annotations

import html as htmlmodule
import re
import textwrap

import css_inline
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from course import markup
from course.rendering import htmltree
from course.source.variables import sandbox

VALUES = {
    "learner": {"first_name": "Zoë", "hour": "07:00", "days": "every day"},
    "lesson": {"number": 3, "title": "Names", "minutes": 17},
    "course": {"title": "Testing", "total": 10},
    "url": {
        name: f"https://learn.example/{name}/abc"
        for name in ("read", "learn", "manage", "leave", "done")
    },
}
_CHARACTERS = st.one_of(
    st.sampled_from([*"{}%#`~<>&\"'\\ |*_[]()!-+=.:\t", "{{", "}}", "{%", "%}", "{#", "endraw"]),
    st.characters(exclude_categories=("Cs", "Cc")),
)
settings.register_profile("lessons", deadline=None)
settings.load_profile("lessons")
LINE = st.lists(_CHARACTERS, max_size=25).map("".join)
CODE = st.lists(LINE, min_size=1, max_size=6).map("\n".join)


def filled(
    source: str, *, autoescape: bool = True, values: dict[str, dict[str, object]] = VALUES
) -> str:
    return sandbox(autoescape=autoescape).from_string(source).render(values)


def inlined(source: str) -> str:
    """What the mail's layout does with it: a real HTML parser writes it anew."""
    page = f"<html><head><style>div {{ color: red }}</style></head><body>{source}</body></html>"
    whole = css_inline.CSSInliner(load_remote_stylesheets=False).inline(page)
    return re.search(r"<body>(.*)</body>", whole, re.DOTALL).group(1)  # type: ignore[union-attr]


def codes(source: str, tag: str = "pre") -> list[str]:
    return [e.text() for e in htmltree.read(source).walk() if e.tag == tag]


def fence_for(code: str) -> str:
    longest = max((len(run) for run in re.findall("`+", code)), default=0)
    return "`" * max(3, longest + 1)


FRAMES = {
    "alone": "{block}",
    "after a line": "Some words\n{block}\nmore words",
    "in a list": "1. One:\n\n{block4}\n\n2. Two",
    "in a list, three spaces": "1. One:\n\n{block3}\n\n2. Two",
    "in a nested list": "- a\n    - b\n\n{block8}\n- c",
    "in a quote": "> words\n>\n{quoted}\n\nafter",
    "in a folding part": "<details>\n<summary>More</summary>\n\n{block}\n\n</details>",
    "after a list": "- a\n- b\n\n{block}",
}


def framed(frame: str, code: str) -> str:
    fence = fence_for(code)
    block = f"{fence}python\n{code}\n{fence}"

    def shifted(prefix: str) -> str:
        return "\n".join(prefix + line for line in block.split("\n"))

    return FRAMES[frame].format(
        block=block,
        block3=shifted("   "),
        block4=shifted("    "),
        block8=shifted("        "),
        quoted=shifted("> "),
    )


@pytest.mark.parametrize("frame", FRAMES)
@given(code=CODE)
@example(code="{{ learner.first_name }}\n{% for x in y %}{% endraw %}{# no #}")
@example(code="")
@example(code="    indented\n\n\n\ttab  ")
@example(code="</code></pre><script>alert(1)</script>")
def test_a_fenced_block_comes_out_exactly(frame: str, code: str) -> None:
    source = markup.to_html(framed(frame, code))
    assert codes(filled(source)) == [code]
    assert codes(filled(inlined(source))) == [code]


@pytest.mark.parametrize("frame", FRAMES)
@given(code=CODE)
def test_a_fenced_block_is_exact_in_the_text_part_too(frame: str, code: str) -> None:
    text = filled(markup.to_text(markup.to_html(framed(frame, code))), autoescape=False)
    prefix = "> " if frame == "in a quote" else ""
    expected = [prefix + line for line in code.split("\n")]
    lines = text.split("\n")
    places = range(len(lines) - len(expected) + 1)
    assert any(lines[i : i + len(expected)] == expected for i in places), text


@given(code=LINE.filter(lambda c: c.strip() != ""))
@example(code="{{ x }}")
@example(code="`")
@example(code="{%")
@example(code=" {# a #} ")
def test_a_code_span_comes_out_exactly(code: str) -> None:
    ticks = fence_for(code)
    written = f"Words {ticks} {code} {ticks} and more."
    source = markup.to_html(written)
    assert codes(filled(source), "code") == [code]
    assert codes(filled(inlined(source)), "code") == [code]
    assert codes(filled(markup.inline(written)), "code") == [code]


@given(
    lines=st.lists(LINE, min_size=1, max_size=5).filter(
        lambda ls: ls[0].strip() != "" and ls[-1].strip() != ""
    )
)
@example(lines=["{{ a }}", "", "{% b %}"])
def test_an_indented_block_comes_out_exactly(lines: list[str]) -> None:
    code = "\n".join(line if line.strip(" \t") else "" for line in lines)
    written = "Words\n\n" + textwrap.indent(code, "    ") + "\n\nafter"
    assert codes(filled(markup.to_html(written))) == [code]


@given(code=CODE.filter(lambda c: c.strip() != "" and not c.startswith("\n")))
@example(code="{{ learner.first_name }}")
def test_raw_pre_comes_out_exactly(code: str) -> None:
    written = f"Words\n\n<pre>{htmlmodule.escape(code)}</pre>\n\nafter"
    assert codes(filled(markup.to_html(written))) == [code]


def test_code_in_a_list_item_keeps_the_list_together() -> None:
    source = markup.to_html("1. One:\n\n   ```sh\n   ls\n   ```\n2. Two\n3. Three")
    assert source.count("<ol") == 1
    assert codes(source) == ["ls"]


def test_code_that_only_markdown_recognises_is_shown_as_written_too() -> None:
    page = filled(markup.to_html("<div>\n\n    {{ course.title }} {% if %}\n\n</div>"))
    assert "<code>{{ course.title }} {% if %}" in page


def test_an_indented_fence_inside_code_does_not_end_it() -> None:
    written = "```\n    ```\n{{ still.code }}\n```\n\nafter"
    assert codes(filled(markup.to_html(written))) == ["    ```\n{{ still.code }}"]


def test_indented_raw_html_is_no_code() -> None:
    rows = "    <tr><td>{{ course.title }}</td></tr>"
    page = filled(markup.to_html(f"<table>\n\n{rows}\n\n</table>\n\nafter"))
    assert "<td>Testing</td>" in page
    assert codes(page) == []


def test_a_fence_that_never_ends_is_code_to_the_end() -> None:
    assert codes(filled(markup.to_html("a\n\n```\n{{ x }}\n\nb"))) == ["{{ x }}\n\nb"]


def test_a_code_span_in_a_table_may_hold_a_bar() -> None:
    source = markup.to_html("| a | b |\n|---|---|\n| `x | y` | `p \\| q` |")
    assert codes(source, "code") == ["x | y", "p | q"]


# --- expressions stay alive ----------------------------------------------------------------------

PLACES = {
    "prose": ("Hello {{ %s }}, good morning", "Hello VALUE, good morning"),
    "bold": ("**{{ %s }}**", "<strong>VALUE</strong>"),
    "heading": ("## For {{ %s }}", "<h2>For VALUE</h2>"),
    "list": ("- a {{ %s }}\n- b", "<li>a VALUE</li>"),
    "title": ('[a](https://x.example "for {{ %s }}")', 'title="for VALUE"'),
    "alt": ("![a {{ %s }}](x.png)", 'alt="a VALUE"'),
    "link words": ("[{{ %s }}](https://x.example)", ">VALUE</a>"),
    "raw html": ("<b>{{ %s }}</b>", "<b>VALUE</b>"),
    "table": ("| a |\n|---|\n| {{ %s }} |", "<td>VALUE</td>"),
    "quote": ("> {{ %s }}", "<p>VALUE</p>"),
    "query": ("[a](https://x.example/?n={{ %s }})", 'href="https://x.example/?n=VALUE"'),
}
EXPRESSIONS = {
    'learner.first_name or "there"': "Zoë",
    "learner.first_name or 'it’s'": "Zoë",
    'learner.first_name|upper|default("a & <b>")': "ZOË",
    '"fresh_start" if lesson.number > 2 else "*a* <i>"': "fresh_start",
    "lesson.number": "3",
    "course.title|replace('T','_T_')": "_T_esting",
    "'so'": "so",
}


@pytest.mark.parametrize("expression", EXPRESSIONS)
@pytest.mark.parametrize("place", PLACES)
def test_an_expression_survives_markdown_and_the_inliner(place: str, expression: str) -> None:
    written, expected = PLACES[place]
    source = markup.to_html(written.replace("%s", expression))
    expected = expected.replace("VALUE", EXPRESSIONS[expression])
    assert expected in filled(source)
    assert expected in filled(inlined(source))


def test_an_expression_keeps_its_bytes_in_prose() -> None:
    written = 'Hello {{ learner.first_name or "there" }} and {{learner.hour|default("a_b_c")}}'
    assert markup.to_html(written) == f"<p>{written}</p>"


@pytest.mark.parametrize("name", ["read", "learn", "manage", "leave", "done"])
def test_our_own_addresses_work_as_link_targets(name: str) -> None:
    source = markup.to_html(f"[open]({{{{ url.{name} }}}})")
    assert source == f'<p><a href="{{{{ url.{name} }}}}">open</a></p>'
    assert f'href="https://learn.example/{name}/abc"' in filled(inlined(source))


def test_an_if_may_stand_around_blocks_and_inside_a_line() -> None:
    source = markup.to_html(
        "{% if learner.first_name %}\n\n## Hello\n\n{% else %}\n\nStranger\n\n{% endif %}\n\n"
        "You {% if lesson.number > 1 %}again{% endif %}"
    )
    page = filled(inlined(source))
    assert "<h2>Hello</h2>" in page
    assert "Stranger" not in page
    assert "You again" in page


NAMES = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "javascript:alert(1)",
    "{{ 7*7 }}",
    "{% if %}",
    "](https://evil.example)",
    "`code`",
    "*bold* _x_",
    "O'Neil & Söhne",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_learners_name_never_becomes_markup(name: str) -> None:
    values = VALUES | {"learner": VALUES["learner"] | {"first_name": name}}
    written = (
        "Hi {{ learner.first_name }}, [x](https://x.example/?n={{ learner.first_name }} "
        '"{{ learner.first_name }}") ![{{ learner.first_name }}](a.png)'
    )
    page = filled(markup.to_html(written), values=values)
    root = htmltree.read(page)
    assert [e.tag for e in root.walk()] == ["", "p", "a", "img"]
    assert root.text().startswith(f"Hi {name}, ")
    image = root.elements()[0].elements()[1]
    assert image.attr("alt") == name
    assert set(image.attrs) == {"alt", "src"}


@pytest.mark.parametrize(
    "written",
    [
        "[x]({{ learner.first_name }})",
        "[x]( {{ learner.first_name }}/y )",
        '<a href="{{ learner.first_name }}">x</a>',
        "[x]({% if not learner.hour %}{{ url.read }}{% else %}{{ learner.first_name }}{% endif %})",
        "[x](https://{{ learner.first_name }}.example/)",
        "![x]({{ learner.first_name }})",
        "[x][r]\n\n[r]: {{ learner.first_name }}",
        "[x](java{{ learner.first_name }}:alert)",
    ],
)
def test_a_learners_name_never_starts_an_address(written: str) -> None:
    values = VALUES | {"learner": VALUES["learner"] | {"first_name": "javascript:alert(1)//"}}
    page = filled(markup.to_html(written), values=values)
    for element in htmltree.read(page).walk():
        for name in ("href", "src"):
            assert "javascript" not in element.attr(name)
