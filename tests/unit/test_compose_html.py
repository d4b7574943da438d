"""The HTML part: what mail programs, screen readers and mail filters expect of it."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from course.compose import CourseComposer
from course.errors import CourseError
from scheduler.domain.message import Unfit
from tests.mailroom import (
    BASE,
    COURSE_MAIL,
    EVERY_MAIL,
    SENDER,
    body,
    claimed,
    composed,
    composer,
    links_in,
    parsed,
    plant,
    whole_school,
)


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> CourseComposer:
    return composer(whole_school(tmp_path_factory.mktemp("school")))


@pytest.fixture(scope="module")
def full(school: CourseComposer) -> str:
    return body(composed(school, claimed("bed", name="Ada")), "html")


class Page(HTMLParser):
    """Every element with its attributes, in order, and the text outside the head."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attrs for name, attrs in self.elements if name == tag]


def without_head(html: str) -> str:
    return html[html.index("<body") :]


def preheader_of(html: str) -> str:
    first = re.search(r"<body[^>]*>\s*<div[^>]*>(.*?)</div>", html, re.DOTALL)
    assert first is not None
    return first[1].split("\u034f")[0]


def styles(html: str) -> list[str]:
    return [attrs["style"] for _, attrs in Page(html).elements if "style" in attrs]


@pytest.mark.parametrize("key", EVERY_MAIL)
def test_r1_doctype_language_direction_charset_title(school: CourseComposer, key: str) -> None:
    message = composed(school, claimed(key))
    html = body(message, "html")
    assert html.startswith('<!DOCTYPE html><html lang="en" dir="ltr"')
    assert html.index('<meta charset="utf-8">') < 1024 - len('<meta charset="utf-8">')
    assert 'name="viewport"' in html
    title = re.search("<title>(.+?)</title>", html)
    assert title is not None
    assert title[1].replace("&amp;", "&") == parsed(message)["Subject"]


@pytest.mark.parametrize("key", EVERY_MAIL)
def test_r2_one_column_of_600_with_a_ghost_table(school: CourseComposer, key: str) -> None:
    html = body(composed(school, claimed(key)), "html")
    assert "max-width: 600px" in html
    ghost = '<!--[if mso]><table role="presentation" width="600"'
    assert html.count(ghost) == 1
    assert html.count("<!--[if mso]></td></tr></table><![endif]-->") == 1
    for tag, attrs in Page(html).elements:
        if tag in ("p", "h1", "h2", "h3", "span", "em", "strong") and "style" in attrs:
            assert "padding" not in attrs["style"]


@pytest.mark.parametrize("key", EVERY_MAIL)
def test_r3_every_mail_is_shown_whole(school: CourseComposer, key: str) -> None:
    html = body(composed(school, claimed(key)), "html")
    assert len(html.encode()) < 75_000
    assert not re.search("[\x80-\x9f]", html)


@pytest.mark.parametrize("key", EVERY_MAIL)
def test_r4_the_preheader_comes_first_and_is_hidden(school: CourseComposer, key: str) -> None:
    message = composed(school, claimed(key))
    html = body(message, "html")
    first = re.search(r"<body[^>]*>\s*<div([^>]*)>(.*?)</div>", html, re.DOTALL)
    assert first is not None
    assert 'class="preheader"' in first[1]
    assert "<!--[if mso]><style>.preheader { mso-hide: all; }</style>" in html
    for rule in ("display: none", "max-height: 0", "overflow: hidden"):
        assert rule in first[1]
    # White on white is what spam does.
    assert not re.search(r"(?<!-)color:", first[1])
    words = first[2].split("\u034f")[0]
    assert 25 <= len(words) <= 111, words
    assert words not in body(message, "plain").replace("\n", " ") or key != "bed"
    assert first[2].count("\u034f") >= 30


def test_r4_without_a_preheader_the_first_words_of_the_lesson_serve(school: CourseComposer) -> None:
    html = body(composed(school, claimed("sow")), "html")
    assert ">Put the seeds in a row, one finger apart, and cover them.\u034f" in html


@pytest.mark.parametrize(
    "before",
    [
        "- one line that would be long enough for an inbox\n- two\n  - three\n\n",
        "| a table is not | a sentence that one reads |\n|---|---|\n| 1 | 2 |\n\n",
        "```\ncode_is_no_sentence(either, however='long it is')\n```\n\n",
        "## A heading which is much longer than forty characters are\n\n",
        "> A quote that says what somebody else thought about this, once.\n\n",
        "Hello {{ learner.first_name }}, this one is about you and nobody else.\n\n",
    ],
)
def test_r4_the_preheader_is_the_first_prose_of_the_lesson(tmp_path: Path, before: str) -> None:
    prose = "The first *prose* of it, with [a link](https://example.org/) and {braces}."
    school = composer(plant(tmp_path, **{"2-sow": f"# Sow\n\n{before}{prose}\n\nAnd more.\n"}))
    html = body(composed(school, claimed("sow")), "html")
    assert ">The first prose of it, with a link and {braces}.\u034f" in html


@pytest.mark.parametrize("key", EVERY_MAIL)
def test_r5_what_is_needed_is_inline_and_nothing_exotic_is_needed(
    school: CourseComposer, key: str
) -> None:
    html = body(composed(school, claimed(key)), "html")
    shown = re.sub(r"<!--.*?-->", "", html, flags=re.DOTALL)
    assert shown.count("<style") == 1
    assert len(shown[shown.index("<style") : shown.index("</style>")]) < 16_000
    assert "@import" not in html
    assert "<link" not in html
    inline = ";".join(styles(html))
    assert not re.search(
        r"var\(|calc\(|\d(rem|vh|vw)\b|position:|float:|flex|grid|gap:|rgba\(|box-shadow|url\(",
        inline,
    )
    page = Page(html)
    text_cells = [attrs for attrs in page.all("td") if "font-family" in attrs.get("style", "")]
    assert text_cells
    for attrs in text_cells:
        assert "line-height" in attrs["style"]


@pytest.mark.parametrize("key", EVERY_MAIL)
def test_r6_r14_no_element_that_mail_cannot_show_and_no_image_in_the_frame(
    school: CourseComposer, key: str
) -> None:
    tags = {tag for tag, _ in Page(body(composed(school, claimed(key)), "html")).elements}
    assert not tags & {
        "form", "input", "video", "audio", "svg", "iframe", "object", "script", "picture",
        "details", "img", "button", "link", "base",
    }  # fmt: skip


def test_r7_tasks_are_marks_with_words(full: str) -> None:
    assert full.count("☐") >= 3
    assert '<span role="img" aria-label="To do:">☐</span>' in full
    assert 'aria-label="done"' in full


@pytest.mark.parametrize("key", EVERY_MAIL)
def test_r8_no_link_leads_into_the_mail_itself(school: CourseComposer, key: str) -> None:
    html = body(composed(school, claimed(key)), "html")
    assert not [link for link in links_in(html) if link.startswith("#")]
    assert not [attrs for _, attrs in Page(html).elements if "id" in attrs or ("name" in attrs
                and "content" not in attrs)]  # fmt: skip


RICH = """\
Term
:   what the term means

*[HTML]: Hypertext Markup Language

HTML is said twice: HTML.

<section><article><aside>Inside three of them.</aside></article></section>

A note[^1].

[^1]: It stands below.

![A wide bed](https://example.org/bed.png)

<img src="https://example.org/leaf.png" width="1200">

<img src="data:image/png;base64,AAAA" alt="carried along"> <img src="file:///etc/hosts" alt="ours">

<picture><source srcset="x.webp"><img src="https://example.org/p.jpg" alt="Peas"></picture>
"""


def test_r8_r9_what_mail_programs_know_only_partly_is_written_otherwise(tmp_path: Path) -> None:
    school = composer(plant(tmp_path, **{"4-rich": RICH}))
    html = body(composed(school, claimed("rich")), "html")
    tags = {tag for tag, _ in Page(html).elements}
    assert not tags & {"dl", "dt", "dd", "abbr", "section", "article", "aside", "details", "main"}
    text = re.sub(r"\s+", " ", re.sub("<[^>]*>", " ", without_head(html)))
    assert "Term what the term means" in text
    assert "HTML (Hypertext Markup Language) is said twice: HTML." in text
    assert "Inside three of them." in text
    assert "A note [1] ." in text
    assert not [link for link in links_in(html) if "#fn" in link]


@pytest.mark.parametrize("key", EVERY_MAIL)
def test_r9_no_mail_relies_on_them(school: CourseComposer, key: str) -> None:
    tags = {tag for tag, _ in Page(body(composed(school, claimed(key)), "html")).elements}
    assert not tags & {"dl", "dt", "dd", "abbr", "section", "article", "aside", "main", "nav"}


def test_r13_an_image_is_absolute_no_wider_than_the_mail_and_has_words(tmp_path: Path) -> None:
    school = composer(plant(tmp_path, **{"4-rich": RICH}))
    message = composed(school, claimed("rich"))
    images = Page(body(message, "html")).all("img")
    assert [image.get("src", "") for image in images] == [
        "https://example.org/bed.png", "https://example.org/leaf.png", "https://example.org/p.jpg",
    ]  # fmt: skip
    for image in images:
        assert "alt" in image
        assert "max-width: 100%" in image["style"]
        assert "height: auto" in image["style"]
    assert images[1]["width"] == "600"
    # One that may not be shown leaves its words, not a broken frame.
    assert "<p>carried along ours</p>" in re.sub(" style=[^>]*", "", body(message, "html"))
    assert "[Image: A wide bed]" in body(message, "plain")
    assert "[Image: Peas]" in body(message, "plain")


def test_r10_code_stays_code_and_its_braces_stay_as_written(full: str) -> None:
    assert "{{ learner.first_name }}" in full
    assert "def&nbsp;dig(depth):" in full or "def dig(depth):" in full


def test_r11_data_tables_have_headers_and_borders(full: str) -> None:
    heads = Page(full).all("th")
    assert [attrs["scope"] for attrs in heads] == ["col", "col"]
    assert all("border: 1px solid" in attrs["style"] for attrs in heads)
    assert heads[1]["align"] == "right"


def test_r12_a_callout_has_a_label_and_a_border(full: str) -> None:
    assert "border-left: 4px solid" in full
    assert "Note" in Page(full).texts or "Note" in full


@pytest.mark.parametrize("key", EVERY_MAIL)
def test_r15_links_are_absolute_and_say_where_they_lead(school: CourseComposer, key: str) -> None:
    html = body(composed(school, claimed(key)), "html")
    for link in links_in(html):
        assert re.match(r"https://|mailto:", link), link
        assert len(link) <= 2000
    for words in re.findall(r"<a [^>]*>(.*?)</a>", html, re.DOTALL):
        assert re.sub("<[^>]*>", "", words).strip().lower() not in (
            "",
            "click here",
            "here",
            "link",
        )


def test_r15_a_value_inside_an_address_is_quoted(school: CourseComposer) -> None:
    message = composed(school, claimed("bed", name="Zoë & <b>"))
    assert "https://example.com/book?for=Zo%C3%AB%20%26%20%3Cb%3E&amp;x=1" in links_in(
        body(message, "html")
    )
    assert "https://example.com/book?for=Zo%C3%AB%20%26%20%3Cb%3E&x=1" in body(message, "plain")


def test_r16_the_button_is_a_padded_cell_and_there_is_one(
    full: str, school: CourseComposer
) -> None:
    buttons = re.findall(r"<td[^>]*background-color: #14614f[^>]*><a [^>]*>(.*?)</a>", full)
    assert buttons == ["I did it"]
    link = re.search(r'<a class="button-link"[^>]*href="([^"]*)"[^>]*style="([^"]*)"', full)
    assert link is not None
    assert link[1].startswith(f"{BASE}/done/")
    assert "padding: 12px 28px" in link[2]


@pytest.mark.parametrize("key", EVERY_MAIL)
def test_r16_every_button_is_a_link_that_can_be_read_without_its_cell(
    school: CourseComposer, key: str
) -> None:
    html = body(composed(school, claimed(key)), "html")
    cells = re.findall(r"<td([^>]*)>(<a [^>]*>[^<]+</a>)</td>", html)
    buttons = [(cell, link) for cell, link in cells if "background-color: #14614f" in cell]
    assert len(buttons) == html.count("button-link") - html.count(".button-link") <= 1
    for _, link in buttons:
        (attrs,) = Page(link).all("a")
        assert attrs["href"].startswith(BASE)
        # Its words are light: the paper below them must not be the cell's alone, which some
        # programs take away.
        assert "background-color: #14614f" in attrs["style"]
        assert "border: 1px solid #14614f" in attrs["style"]
        assert "display: inline-block" in attrs["style"]


@pytest.mark.parametrize("key", EVERY_MAIL)
def test_r17_dark_mode_is_declared_and_every_pair_is_readable(
    school: CourseComposer, key: str
) -> None:
    html = body(composed(school, claimed(key)), "html")
    assert '<meta name="color-scheme" content="light dark">' in html
    assert '<meta name="supported-color-schemes" content="light dark">' in html
    assert "prefers-color-scheme: dark" in html
    assert "#fff" not in html.lower().replace("#fffd", "")
    assert "#000" not in html


LIGHT_PAPERS = ["#fcfbf8", "#f3f1ea"]
DARK_PAPERS = ["#16181a", "#212427"]
LIGHT_INKS = ["#24272b", "#1b1e21", "#5c6168", "#474c52", "#14614f"]
DARK_INKS = ["#dcdee0", "#f1f2f3", "#a3a9b0", "#bfc4c9", "#86d0bb"]
PAIRS = [
    *((ink, paper) for ink in LIGHT_INKS for paper in LIGHT_PAPERS),
    *((ink, paper) for ink in DARK_INKS for paper in DARK_PAPERS),
    ("#fcfbf8", "#14614f"),
    ("#10211c", "#86d0bb"),
]


@pytest.mark.parametrize(("ink", "paper"), PAIRS)
def test_r17_x5_contrast_holds_as_it_is_and_inverted(ink: str, paper: str) -> None:
    assert contrast(ink, paper) >= 4.5
    assert contrast(inverted(ink), inverted(paper)) >= 4.5


def test_r17_the_pairs_above_are_the_colours_of_the_stylesheets() -> None:
    folder = Path(__file__).resolve().parents[2] / "templates" / "email"
    for name in ("mail.css", "adapt.css"):
        sheet = re.sub(r"/\*.*?\*/", "", (folder / name).read_text(), flags=re.DOTALL)
        inks = set(re.findall(r"(?<![-a-z])color: (#[0-9a-f]{6})", sheet))
        papers = set(re.findall(r"background-color: (#[0-9a-f]{6})", sheet))
        assert inks <= {ink for ink, _ in PAIRS}
        # The bar's cells hold no words.
        assert papers <= {paper for _, paper in PAIRS} | {"#dedad0", "#383d42"}


def channels(colour: str) -> list[float]:
    return [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]


def inverted(colour: str) -> str:
    return "#" + "".join(f"{255 - int(colour[i : i + 2], 16):02x}" for i in (1, 3, 5))


def contrast(one: str, other: str) -> float:
    def light(colour: str) -> float:
        linear = [
            c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels(colour)
        ]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((light(one), light(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("key", EVERY_MAIL)
def test_r18_every_list_carries_its_style(school: CourseComposer, key: str) -> None:
    page = Page(body(composed(school, claimed(key)), "html"))
    for tag in ("ol", "ul"):
        for attrs in page.all(tag):
            assert "list-style:" in attrs["style"]
            assert "margin-left:" in attrs["style"]
            assert "reversed" not in attrs
    assert not [attrs for attrs in page.all("li") if "value" in attrs]


def test_r18_a_list_that_goes_on_keeps_its_number(tmp_path: Path) -> None:
    school = composer(plant(tmp_path, **{"4-on": "So far:\n\n7. seven\n8. eight\n"}))
    message = composed(school, claimed("on"))
    assert Page(body(message, "html")).all("ol")[0]["start"] == "7"
    assert "\n7. seven\n8. eight\n" in body(message, "plain")


@pytest.mark.parametrize("key", EVERY_MAIL)
def test_r19_what_is_written_for_outlook_survives_the_inliner(
    school: CourseComposer, key: str
) -> None:
    html = body(composed(school, claimed(key)), "html")
    blocks = re.findall(r"<!--\[if mso\]>(.*?)<!\[endif\]-->", html, re.DOTALL)
    assert html.count("<!--") == html.count("-->") == len(blocks) == 3
    assert "mso-hide: all" in blocks[0]
    assert "<o:PixelsPerInch>96</o:PixelsPerInch>" in blocks[0]
    # What opens in one comment ends in the other.
    assert re.findall(r"<(/?\w+)", blocks[1] + blocks[2]) == [
        "table", "tr", "td", "/td", "/tr", "/table",
    ]  # fmt: skip
    assert 'width="600"' in blocks[1]


def test_r18_lists_have_marks(full: str) -> None:
    page = Page(full)
    assert all("list-style: decimal" in attrs["style"] for attrs in page.all("ol"))
    plain = [attrs["style"] for attrs in page.all("ul") if "list-style: none" not in attrs["style"]]
    assert all("list-style: disc" in style for style in plain)
    # A list of tasks has marks of its own.
    assert len(page.all("ul")) == len(plain) + 1


@pytest.mark.parametrize("key", EVERY_MAIL)
def test_r21_no_tag_is_left(school: CourseComposer, key: str) -> None:
    message = composed(school, claimed(key, name=""))
    for kind in ("html", "plain"):
        text = body(message, kind)  # type: ignore[arg-type]
        for line in text.split("\n"):
            assert "not a hole" in line or not re.search(r"\{\{|\{%|-mcd_|%recipient", line)
        assert not re.search(r"zq[0-9a-f]{10}n\d+z", text)


@pytest.mark.parametrize("key", EVERY_MAIL)
def test_x1_x4_language_direction_and_article(school: CourseComposer, key: str) -> None:
    message = composed(school, claimed(key))
    html = body(message, "html")
    article = next(attrs for attrs in Page(html).all("div") if attrs.get("role") == "article")
    assert article["lang"] == "en"
    assert article["dir"] == "ltr"
    assert article["aria-roledescription"] == "email"
    title = re.search("<title>(.*?)</title>", html)
    assert title
    assert article["aria-label"] == unescape(title[1]) == parsed(message)["Subject"]
    # Several programs take <html> and <body> away: all that is read stands inside the article.
    shape = re.fullmatch(
        r'<body[^>]*>\s*<div class="preheader"[^>]*>[^<]*</div>\s*'
        r'<div role="article"[^>]*>(.*)</div>\s*</body></html>\s*',
        without_head(html),
        re.DOTALL,
    )
    assert shape
    inside = shape[1]
    assert "display: none" not in inside
    assert not re.search(r"(?<![a-z-])(order|float|position|direction):", ";".join(styles(inside)))


@pytest.mark.parametrize("key", EVERY_MAIL)
def test_x2_layout_tables_are_presentation_and_data_tables_are_not(
    school: CourseComposer, key: str
) -> None:
    html = without_head(body(composed(school, claimed(key)), "html"))
    for table in re.findall(r"<table[^>]*>(?:(?!<table).)*?</table>", html, re.DOTALL):
        head = table[: table.index(">")]
        assert ('role="presentation"' in head) != ("<th" in table)


@pytest.mark.parametrize("key", EVERY_MAIL)
def test_x3_one_h1_and_no_level_skipped(school: CourseComposer, key: str) -> None:
    levels = [int(tag[1]) for tag, _ in Page(body(composed(school, claimed(key)), "html")).elements
              if re.fullmatch("h[1-6]", tag)]  # fmt: skip
    assert levels.count(1) == 1
    assert levels[0] == 1
    assert all(b <= a + 1 for a, b in pairwise(levels))


@pytest.mark.parametrize("key", EVERY_MAIL)
def test_x5_links_are_underlined_unless_they_are_buttons(school: CourseComposer, key: str) -> None:
    for attrs in Page(body(composed(school, claimed(key)), "html")).all("a"):
        shown = "none" if attrs.get("class") == "button-link" else "underline"
        assert f"text-decoration: {shown}" in attrs["style"]


@pytest.mark.parametrize("key", EVERY_MAIL)
def test_x6_body_text_is_large_enough_and_the_foot_too(school: CourseComposer, key: str) -> None:
    html = body(composed(school, claimed(key)), "html")
    sizes = [
        int(size) for style in styles(html) for size in re.findall(r"font-size: (\d+)px", style)
    ]
    assert min(size for size in sizes if size > 1) >= 13
    cells = Page(html).all("td")
    cell = next(a for a in cells if a.get("class", "").startswith("text"))
    assert "font-size: 17px" in cell["style"]
    assert "line-height: 1.6" in cell["style"]
    assert "text-align: left" in cell["style"]
    for style in styles(html):
        assert "text-align: justify" not in style


@pytest.mark.parametrize("key", EVERY_MAIL)
def test_x7_lines_of_links_are_24_pixels_apart(school: CourseComposer, key: str) -> None:
    for attrs in Page(body(composed(school, claimed(key)), "html")).all("p"):
        if attrs.get("class", "").startswith("foot-line"):
            size = re.search(r"font-size: (\d+)px", attrs["style"])
            height = re.search(r"line-height: ([\d.]+)", attrs["style"])
            assert size
            assert height
            assert int(size[1]) * float(height[1]) >= 24


#: Pictures among letters; figures and signs that merely can be shown as one are not meant.
EMOJI = re.compile("[\U0001f000-\U0001faff\u2600-\u27bf\u2b50\u231a\u23f0]")


@pytest.mark.parametrize("key", EVERY_MAIL)
def test_x8_no_sign_speaks_without_words(school: CourseComposer, key: str) -> None:
    message = composed(school, claimed(key))
    html = without_head(body(message, "html"))
    assert len(EMOJI.findall(str(parsed(message)["Subject"]))) <= 2
    for sign in re.finditer(r"[☐☑★]", html):
        before = html[: sign.start()]
        holder = before[before.rindex("<") :]
        # Either said in words, or kept from screen readers because the words stand beside it.
        assert re.fullmatch(
            r'<span (aria-hidden="true"|role="img" aria-label="(To do:|to do|done)").*?>', holder
        ), holder
    # The bar of lessons is for the eye; its words stand above it.
    for bar in re.findall(r'<table[^>]*aria-hidden="true"[^>]*>', html):
        assert re.search(r"(Day|Lesson) \d+ of \d+", html[: html.index(bar)])
    for image in Page(html).all("img"):
        assert image["alt"]


def test_x10_a_course_in_arabic_is_mirrored(tmp_path: Path) -> None:
    school = composer(plant(tmp_path, course="title: حديقة\nlanguage: ar\n"))
    html = body(composed(school, claimed("bed")), "html")
    assert '<html lang="ar" dir="rtl"' in html
    assert "border-right: 3px solid #14614f" in html
    assert "border-left: 3px" not in html
    assert "text-align: right" in html
    assert "text-align: left" not in html


def test_the_brief_the_parts_of_a_lesson_come_in_this_order(full: str) -> None:
    text = re.sub(r"\s+", " ", re.sub("<[^>]*>", " ", without_head(full)))
    parts = [
        "Day 1 of 3", "The first bed", "What did you decide yesterday?",
        "Soil first.", "welcome to A Garden", "Mind the worms", "Digging &amp; delving",
        "Dig one square metre", "If it rains", "I did it", "Water it.", "(2 min)",
        "Sharpen the spade.", "later this week", "How deep?", "b) a spade", "Check your answers",
        "Reply with one word.", "Tomorrow you sow.", "Deep roots", "The seed packet, 2020",
        "You get this mail because", "Rosa reads every reply.", "change the hour",
        "Leave this course", "Example Growers", "12 Market Street", "Facts from the seed packet.",
    ]  # fmt: skip
    text = text.replace("Dig  one", "Dig one").replace("\xa0", " ").replace("&nbsp;", " ")
    text = re.sub(r"\s+", " ", text).replace("Dig one", "Dig one")
    text = text.replace(" .", ".")
    places = [text.find(part) for part in parts]
    assert -1 not in places, parts[places.index(-1)]
    assert places == sorted(places)
    assert "Roots go as deep" not in text  # the answers stand on the page, not in the mail
    assert "To begin." not in text


def test_the_checklist_is_sorted_by_role_and_everybodys_needs_no_heading(
    full: str, tmp_path: Path
) -> None:
    assert re.findall(r"<h3[^>]*>(.*?)</h3>", full) == ["All", "Gardener"]
    source = "---\nchecklist:\n  - do: Water it.\n  - do: Wait.\n---\nA bed needs water.\n"
    school = composer(plant(tmp_path, **{"4-all": source}))
    html = body(composed(school, claimed("all")), "html")
    assert "<h3" not in html
    assert html.count("☐") == 2


def test_a_strangers_plain_lesson_has_nothing_it_did_not_write(school: CourseComposer) -> None:
    html = body(composed(school, claimed("sow")), "html")
    assert "<h1" in html
    for absent in ("The one idea", "Watch and read", "Check yourself", "Sources", "Today’s one",
                   "Reply in one line", "Go deeper", "One question"):  # fmt: skip
        assert absent not in html
    assert html.count("I did it") == 1


@pytest.mark.parametrize("key", COURSE_MAIL)
def test_l4_u7_the_foot_says_who_why_and_how_to_stop(school: CourseComposer, key: str) -> None:
    one = claimed(key)
    html = body(composed(school, one), "html")
    foot = html[-2800:]
    assert school.links.leave(one.enrollment.id) in foot
    assert school.links.manage(one.enrollment.id) in html
    assert "You get this mail because you signed up" in html
    assert SENDER.organisation in foot
    assert SENDER.postal_address in foot


def test_l4_a_privacy_page_is_linked_when_there_is_one(tmp_path: Path) -> None:
    school = composer(plant(tmp_path), privacy_url="https://example.org/privacy")
    message = composed(school, claimed("sow"))
    assert "https://example.org/privacy" in links_in(body(message, "html"))
    assert "https://example.org/privacy" in body(message, "plain")


def test_u12_the_confirmation_says_who_asked_for_what_when_and_how_to_ignore_it(
    school: CourseComposer,
) -> None:
    one = claimed("@confirm", name="Buy at evil.example", address="ada@example.com")
    message = composed(school, one)
    for kind in ("html", "plain"):
        text = re.sub(r"\s+", " ", body(message, kind))  # type: ignore[arg-type]
        assert "A Garden in Three Days" in text
        assert "ada@example.com" in text
        assert "23 November 2026 at 06:30 UTC" in text
        assert "do nothing" in text
        assert school.links.confirm(one.enrollment.id) in text
        # A name typed by a stranger is no place for a message to the victim.
        assert "evil" not in text
        assert "/leave/" not in text


def test_relative_images_and_files_get_the_address_of_the_course(tmp_path: Path) -> None:
    source = "Look:\n\n![A bed](bed.png)\n\n[Plan](./plan.pdf) and [mail](mailto:a@example.org)\n\n"
    source += "[There](//example.org/there)\n"
    html = body(
        composed(composer(plant(tmp_path, **{"4-image": source})), claimed("image")), "html"
    )
    assert f'src="{BASE}/assets/garden/bed.png"' in html
    assert f"{BASE}/assets/garden/plan.pdf" in links_in(html)
    assert "mailto:a@example.org" in links_in(html)
    # A page has a scheme to go on with, a mail has none.
    assert "https://example.org/there" in links_in(html)


@pytest.mark.parametrize(
    "source",
    [
        "[x]({{ learner.first_name }})",
        "[x]({{ learner.first_name }}/y)",
        "[x]({{ lesson.title }})",
        "![x]({{ learner.first_name }})",
        "{{ learner.first_name.upper() }}",
        "{{ 'a' * 1000000000 }}",
        "{{ learner.password }}",
        "{{ self }}",
        "{% for x in learner %}x{% endfor %}",
        "{% if learner.first_name %}no end",
        "-mcd_name_h- is a tag",
    ],
)
def test_what_a_lesson_may_not_do_holds_it_and_no_other(tmp_path: Path, source: str) -> None:
    school = composer(plant(tmp_path, **{"4-odd": f"Some words before.\n\n{source}\n"}))
    odd, good = school.compose([claimed("odd"), claimed("sow")])
    assert not isinstance(good, Unfit)
    if isinstance(odd, Unfit):
        assert odd.poison
        assert odd.hold
        assert len(odd.reason) > 20
    else:  # it was taken as text: then nothing of it is live
        assert "Ada" not in body(odd, "html")


def test_a_mail_is_refused_when_the_sender_is_no_address(tmp_path: Path) -> None:
    with pytest.raises(CourseError, match="EMAIL_FROM"):
        composer(plant(tmp_path), from_addr="course@exämple.org")


def test_a_base_address_that_html_would_change_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CourseError, match="BASE_URL"):
        composer(plant(tmp_path), base="https://example.org/?a=1&b=2")
