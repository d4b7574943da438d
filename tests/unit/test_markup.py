"""Markdown becomes HTML that mail programs of every age show well, and nothing dangerous."""

from __future__ import annotations

import threading

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from course import markup
from course.errors import MarkupRefused
from course.lesson import parse
from course.rendering import htmltree
from course.source import limits
from course.source.variables import sandbox

FORBIDDEN_TAGS = {
    *("script", "style", "iframe", "form", "input", "video", "audio", "svg", "object", "embed"),
    *("details", "picture", "dl", "abbr", "link", "meta", "base", "button", "textarea", "h1"),
}


def tags(source: str) -> list[str]:
    return [e.tag for e in htmltree.read(source).walk() if e.tag]


# --- mail-safe -----------------------------------------------------------------------------------


def test_task_lists_become_marks_with_words_for_screen_readers() -> None:
    source = markup.to_html("- [ ] write\n- [x] send")
    assert '<span role="img" aria-label="to do">☐</span> write' in source
    assert '<span role="img" aria-label="done">☑</span> send' in source


def test_the_highest_heading_of_a_body_becomes_h2_and_the_others_follow() -> None:
    assert tags(markup.to_html("# A\n\n## B\n\n### C")) == ["h2", "h3", "h4"]
    assert tags(markup.to_html("## A\n\n### B")) == ["h2", "h3"]
    assert tags(markup.to_html("### A")) == ["h2"]
    assert tags(markup.to_html("# A\n\n###### B")) == ["h2", "h6"]


def test_footnotes_have_no_links_inside_the_mail() -> None:
    source = markup.to_html("Fact[^1] and fact[^x].\n\n[^1]: First.\n[^x]: Second.")
    assert "<sup>[1]</sup>" in source
    assert "<sup>[2]</sup>" in source
    assert "First." in source
    assert "href" not in source
    assert "↩" not in source


@pytest.mark.parametrize(
    ("written", "label"),
    [
        ("> [!NOTE]\n> Body **x**", "Note"),
        ("> [!warning]- Mind this\n> Body **x**", "Mind this"),
        ("> [!TIP] A *fine* one\n> Body **x**", "A fine one"),
        ('!!! danger "Hot"\n    Body **x**', "Hot"),
        ("!!! note\n    Body **x**", "Note"),
    ],
)
def test_callouts_are_one_cell_with_a_written_label(written: str, label: str) -> None:
    root = htmltree.read(markup.to_html(written))
    table = root.elements()[0]
    assert (table.tag, table.attr("class"), table.attr("role")) == (
        "table",
        "callout",
        "presentation",
    )
    cell = next(e for e in table.walk() if e.tag == "td").elements()
    assert cell[0].text() == label
    assert cell[1].text().strip() == "Body x"


def test_two_callouts_in_a_row_are_two_boxes_and_a_quote_stays_a_quote() -> None:
    source = markup.to_html("> [!NOTE]\n> one\n\n> [!TIP]\n> two\n\nx\n\n> said she")
    assert source.count('class="callout"') == 2
    assert source.count("<blockquote>") == 1


def test_a_data_table_has_scopes_alignment_and_no_layout_role() -> None:
    source = markup.to_html("| a | b |\n|:--|--:|\n| 1 | 2 |")
    assert '<th align="left" scope="col">a</th>' in source
    assert '<td align="right">2</td>' in source
    assert "presentation" not in source
    assert "style=" not in source


def test_a_code_block_stands_in_a_cell_of_full_width() -> None:
    source = markup.to_html("```python\nx = 1\n```")
    assert source.startswith('<table class="code" role="presentation" width="100%"')
    assert '<pre><code class="language-python">x = 1</code></pre>' in source


def test_definitions_become_paragraphs_and_abbreviations_are_spelled_out_once() -> None:
    source = markup.to_html("Term\n:   Its meaning\n\nHTML and HTML.\n\n*[HTML]: Hyper Text")
    assert "<p><strong>Term</strong></p><p>Its meaning</p>" in source
    assert "HTML (Hyper Text) and HTML." in source


def test_folding_parts_are_unfolded_and_markdown_works_inside() -> None:
    source = markup.to_html("<details>\n<summary>Answer</summary>\n\nIt is **so**.\n\n</details>")
    assert "<p><strong>Answer</strong></p>" in source
    assert "<strong>so</strong>" in source
    assert "details" not in source


def test_frames_and_films_become_links() -> None:
    source = markup.to_html('<iframe src="https://video.example/x" title="The talk"></iframe>')
    assert '<a href="https://video.example/x">The talk</a>' in source


def test_pictures_keep_their_words_and_are_never_wider_than_the_mail() -> None:
    source = markup.to_html('![A cat](cat.png){: width=900 style="float:left" }')
    assert source == '<p><img alt="A cat" src="cat.png" width="600"></p>'
    assert (
        markup.to_html('<img src="a.png" width="80px">')
        == '<p><img src="a.png" width="80" alt=""></p>'
    )


def test_links_that_cannot_work_in_mail_leave_their_words() -> None:
    source = markup.to_html(
        "[up](#top) [next](2-next.md#x) [file](plan.pdf) [web](https://a.example/)"
    )
    assert source == (
        '<p>up next <a href="plan.pdf">file</a> <a href="https://a.example/">web</a></p>'
    )


def test_comments_leave_nothing_and_their_braces_are_not_alive() -> None:
    source = markup.to_html("a\n\n<!-- {{ secret.plan }}\n\n{% for %} -->\n\nb")
    assert source.replace("\n", "") == "<p>a</p><p>b</p>"


# --- nothing dangerous ---------------------------------------------------------------------------

NAUGHTY = [
    "<script>alert({{ 1 }})</script>x",
    "<ScRiPt >alert(1)</sCrIpT>",
    "<img src=x onerror=alert(1)>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x](vbscript:msgbox)",
    "[x](file:///etc/passwd)",
    "<a href=' javascript:alert(1)'>x</a>",
    "<a href='java&#10;script:alert(1)'>x</a>",
    "<svg onload=alert(1)>",
    "<iframe src='javascript:alert(1)'></iframe>",
    "<object data=x></object>",
    "<form action=x><input type=text name=a></form>",
    "<style>* { display: none }</style>",
    "<div style='position:fixed' onclick=x class=evil id=top>x</div>",
    "<math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<pre><script>alert(1)</script><img src=x onerror=alert(1)></pre>",
    "`<script>`",
    "![x](javascript:alert(1))",
    "<base href='https://evil.example/'>",
    "<meta http-equiv=refresh content='0;url=https://evil.example'>",
    "{{ '<script>' }}",
    "<b title='{{ learner.first_name }}' onclick='{{ x }}'>x</b>",
]


def assert_harmless(source: str) -> None:
    for element in htmltree.read(source).walk():
        assert element.tag not in FORBIDDEN_TAGS
        for name, value in element.attrs.items():
            assert not name.startswith("on")
            assert name not in {"style", "id", "name", "srcset", "action", "data"}
            if name in {"href", "src"}:
                scheme = str(value).strip().lower().split(":")[0]
                assert scheme not in {"javascript", "data", "vbscript", "file"}


@pytest.mark.parametrize("written", NAUGHTY)
def test_nothing_active_gets_through(written: str) -> None:
    assert_harmless(markup.to_html(written))
    assert_harmless(markup.inline(written))


PIECES = st.sampled_from(
    [
        *(
            "# h",
            "text",
            "**b",
            "*",
            "`",
            "``",
            "```",
            "~~~",
            "> ",
            "- ",
            "    ",
            "  ",
            "1. ",
            "\n",
        ),
        *("\n\n", "<b>", "</b>", "<div>", "</div>", "<pre>", "</pre>", "<code>", "</code>", "<!--"),
        *("-->", "{{", "}}", "{%", "%}", "{{ learner.first_name }}", "{% if course.title %}"),
        *("{% endif %}", "{% else %}", "[a](", ")", "](x)", "![", "|", "|-|-|", "[^1]", "[^1]: n"),
        *(
            "!!! note",
            "[!NOTE]",
            "<script>",
            "</script>",
            "\\",
            "&amp;",
            "<",
            ">",
            '"',
            "'",
            "{",
            "}",
        ),
        *("{#", "#}", "<details>", "</details>", "\t", "https://x.example", "<img src=a alt=b>"),
        *("\U0010f7fe", "\U0010f7ff", "\U0010f7fe0\U0010f7ff", "\x02", "\x03", "wzxhzdk:0"),
    ]
)
VALUES: dict[str, dict[str, object]] = {
    "learner": {"first_name": "Zoë"},
    "course": {"title": "T"},
}


@settings(deadline=None, max_examples=400)
@given(st.lists(PIECES, max_size=30).map("".join))
@example("{{}}")
@example("{{ 'x'|no_such_filter }}")
@example("{% if %}x{% endif %}")
def test_whatever_an_author_types_becomes_a_harmless_template_or_is_refused(written: str) -> None:
    try:
        source = markup.to_html(written)
    except MarkupRefused:
        return
    assert_harmless(source)
    page = sandbox(autoescape=True).from_string(source).render(VALUES)
    assert_harmless(page)
    text = markup.to_text(source)
    sandbox(autoescape=False).from_string(text).render(VALUES)
    assert "\U0010f7fe" not in source or "\U0010f7fe" in written


@settings(deadline=None, max_examples=200)
@given(st.lists(PIECES, max_size=12).map("".join))
def test_one_line_fields_are_templates_too(written: str) -> None:
    try:
        source = markup.inline(written)
    except MarkupRefused:
        return
    sandbox(autoescape=True).from_string(source).render(VALUES)


@settings(deadline=None, max_examples=200)
@given(st.lists(PIECES, max_size=30).map("".join))
def test_what_check_calls_sound_can_be_rendered(written: str) -> None:
    lesson, findings = parse(written + "\n\nwords", "1-a.md")
    if any(f.level == "error" for f in findings):
        return
    assert lesson is not None
    try:
        source = markup.to_html(lesson.body)
    except MarkupRefused as refused:
        assert "if" in str(refused)
        return
    sandbox(autoescape=True).from_string(source).render(VALUES)


# --- one-line fields -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("**Write** *two* lines", "<strong>Write</strong> <em>two</em> lines"),
        ("1. not a list", "1. not a list"),
        ("- not a list", "- not a list"),
        ("# of people", "# of people"),
        ("> 3 is fine", "&gt; 3 is fine"),
        ("a [link](https://x.example)", 'a <a href="https://x.example">link</a>'),
        (
            "`{{ code }}` and {{ course.title }}",
            "<code>{{ '{{' }} code }}</code> and {{ course.title }}",
        ),
        ("one\n\ntwo", "one two"),
        ("    four spaces", "four spaces"),
        ("a < b & c", "a &lt; b &amp; c"),
        ("", ""),
    ],
)
def test_one_line_fields_hold_inline_markdown_only(written: str, expected: str) -> None:
    assert markup.inline(written) == expected


@pytest.mark.parametrize(
    ("written", "printed"),
    [
        ("Day {{ lesson.number }} of {{ course.total }}", "Day 3 of 10"),
        ("All about `{{ braces }}` & co", "All about {{ braces }} & co"),
        ("Odd {{ and {% for x %}", "Odd {{ and {% for x %}"),
        ("two\nlines", "two lines"),
    ],
)
def test_plain_fields_print_values_and_show_code(written: str, printed: str) -> None:
    values = {"lesson": {"number": 3}, "course": {"total": 10}}
    source = markup.plain(written)
    assert sandbox(autoescape=False).from_string(source).render(values) == printed


# --- refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "written",
    [
        "**bold {% if course.title %}** and{% endif %} more",
        "- a {% if course.title %}\n- b {% endif %}",
        "{% endif %}{% if course.title %}",
        "{% if course.title %}",
    ],
)
def test_an_if_that_would_tear_elements_is_refused(written: str) -> None:
    with pytest.raises(MarkupRefused, match="if"):
        markup.to_html(written)


#: More than the limit allows of what Python-Markdown needs quadratic time for.
DENSE = {
    "brackets": "[" * 5000,
    "pictures": "![" * 3000,
    "links": "[a](" * 3000,
    "nested": "[" * 1000 + "a" + "]" * 1000,
    "footnotes": "x[^1] " * 2000 + "\n\n[^1]: y",
    "tags": "<a " * 3000,
    "nested tags": "<b>" * 3000,
    "closed tags": "<b>" * 200 + "x" + "</b>" * 200,
    "declarations": "<![CDATA[" * 2000,
    "abbreviations": "".join(f"*[A{i}]: y\n" for i in range(1000)),
    "headings": "# a\n" * 3000,
    "backticks": "".join("`" * i + " " for i in range(1, 300)),
    "quotes": "> " * 300 + "x",
    "list levels": "\n".join("    " * i + "- a" for i in range(100)),
    "paragraphs": "a\n\n" * 9000,
    "prose": "word " * 60_000,
    "raw tags": "<b>a</b> " * 5_000,
    "table rows": "| a | b |\n|---|---|\n" + "| c | d |\n" * 3_000,
    "columns": "| a " * 200 + "|\n" + "|---" * 200 + "|\n",
    "size": "word " * 250_000,
}


@pytest.mark.parametrize("kind", DENSE)
def test_what_would_take_too_long_is_refused_by_counting(kind: str) -> None:
    with pytest.raises(MarkupRefused, match=r"[:,] .+"):
        markup.to_html(DENSE[kind])
    _, findings = parse(DENSE[kind], "1-a.md")
    assert {f.rule for f in findings} & {"too-dense", "too-large", "unclosed-tag"}


@pytest.mark.parametrize(
    "written",
    [
        "[a](https://x.example) " * 2000,
        "".join(f"- [item {i}](https://x.example/{i})\n" for i in range(2000)),
        "[ ] " * (limits.MAX_LOOSE - 1),
        "`a` " * 3000,
        "| " + "a | " * 50 + "\n|" + "---|" * 50 + "\n" + ("| " + "b | " * 50 + "\n") * 50,
        "**a** *b* `c` " * 3000,
    ],
)
def test_long_but_ordinary_text_is_not_refused(written: str) -> None:
    assert markup.to_html(written)
    assert "too-dense" not in {f.rule for f in parse(written, "1-a.md")[1]}


def test_a_lone_tag_after_a_matched_one_is_still_counted() -> None:
    written = "<b>x</b>" * 10 + "<a " * (limits.MAX_LOOSE + 1)
    with pytest.raises(MarkupRefused):
        markup.to_html(written)


def test_threads_do_not_mix_their_texts() -> None:
    results: dict[int, str] = {}

    def work(number: int) -> None:
        written = f"# T{number}\n\nx[^1] `{number}` {{{{ course.title }}}}\n\n[^1]: note {number}"
        for _ in range(10):
            results[number] = markup.to_html(written)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number, source in results.items():
        assert f"<h2>T{number}</h2>" in source
        assert f"note {number}" in source
        assert source.count("note ") == 1
