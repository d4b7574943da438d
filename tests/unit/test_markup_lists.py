"""Lists nest as their author meant them, however many spaces the author likes."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course import markup
from course.rendering import htmltree
from course.rendering.htmltree import Element
from course.source.scan import scan

Tree = list[tuple[str, "Tree"]]


def trees(depth: int) -> st.SearchStrategy[Tree]:
    below = st.just([]) if depth == 0 else trees(depth - 1)
    return st.lists(st.tuples(st.sampled_from(["alpha", "beta", "gamma"]), below), max_size=3)


def written(tree: Tree, step: int, mark: str, level: int = 0) -> str:
    return "".join(
        f"{' ' * step * level}{mark} {word}\n{written(below, step, mark, level + 1)}"
        for word, below in tree
    )


def lists_of(element: Element) -> Tree:
    """The nesting of the first list below, as a reader sees it."""
    found = next((e for e in element.walk() if e.tag in {"ul", "ol"}), None)
    if found is None:
        return []
    items = [e for e in found.elements() if e.tag == "li"]
    return [(_own_words(item), lists_of(item)) for item in items]


def _own_words(item: Element) -> str:
    words = [c if isinstance(c, str) else c.text() if c.tag == "p" else "" for c in item.children]
    return "".join(words).strip()


def shape(source: str) -> Tree:
    return lists_of(htmltree.read(markup.to_html(source)))


@given(trees(3), st.sampled_from(["-", "*", "1."]), st.sampled_from([2, 3, 4]))
@settings(max_examples=150, deadline=None)
def test_two_three_and_four_spaces_give_the_same_nesting(tree: Tree, mark: str, step: int) -> None:
    assert shape(written(tree, step, mark)) == tree


@pytest.mark.parametrize(
    "source",
    [
        "- a\n    - b\n  - c\n- d",  # four spaces, then two
        "- a\n   - b\n    - c\n- d",
        "- a\n\t- b\n\t- c\n- d",
        "- a\n  - b\n\n  - c\n\n- d",
        "1) a\n   1) b\n   2) c\n2) d",
        " - a\n   - b\n   - c\n - d",
    ],
)
def test_mixed_and_strange_indentation_nests_as_it_looks(source: str) -> None:
    assert shape(source) == [("a", [("b", []), ("c", [])]), ("d", [])]


def test_kinds_of_lists_nest_in_one_another() -> None:
    html = markup.to_html("- three\n  1. deep\n  2. deeper\n- four")
    assert re.sub(r"\s", "", html) == (
        "<ul><li>three<ol><li>deep</li><li>deeper</li></ol></li><li>four</li></ul>"
    )


def test_the_text_part_shows_the_nesting_too() -> None:
    text = markup.to_text(markup.to_html("- one\n  - two\n- three\n  1. deep"))
    assert text == "- one\n  - two\n- three\n  1. deep\n"


@pytest.mark.parametrize("step", [2, 3, 4])
def test_an_item_keeps_its_paragraphs_code_and_table_at_every_indentation(step: int) -> None:
    lines = ["- a", "", "para", "", "```py", "- x", "  - y", "```", "", "- b", ""]
    lines += ["", "| x | y |", "|---|---|", "| 1 | 2 |"]
    deeper = [f"{' ' * step}{line}" if line and i else line for i, line in enumerate(lines)]
    root = htmltree.read(markup.to_html("\n".join([*deeper, "", "- end"])))
    assert [(words, [w for w, _ in below]) for words, below in lists_of(root)] == [
        ("a\npara", ["b"]),
        ("end", []),
    ]
    code = next(e for e in root.walk() if e.tag == "pre")
    assert code.text() == "- x\n  - y"
    assert [e.text() for e in root.walk() if e.tag == "td" and not e.elements()] == ["1", "2"]


@pytest.mark.parametrize(
    "code",
    ["- a\n  - b\n   - c", "1) a\n  2) b", "> - a\n>   - b"],
)
def test_code_that_looks_like_a_list_is_left_as_it_is(code: str) -> None:
    fenced = f"- before\n  - it\n\ntext\n\n~~~\n{code}\n~~~\n"
    indented = "text\n\n" + "\n".join(f"    {line}" for line in code.split("\n")) + "\n"
    raw = f"text\n\n<pre>\n{code}\n</pre>\n"
    for source in (fenced, indented, raw):
        root = htmltree.read(markup.to_html(source))
        [block] = [e for e in root.walk() if e.tag == "pre"]
        assert block.text().strip("\n") == code


def test_code_in_a_nested_item_belongs_to_it_and_loses_its_indentation() -> None:
    root = htmltree.read(markup.to_html("- a\n  - b\n\n        code\n          more\n\n- c"))
    inner = [e for e in root.walk() if e.tag == "li"][1]
    assert next(e for e in inner.walk() if e.tag == "pre").text() == "code\n  more"


def test_lists_nest_inside_quotes_callouts_and_notes() -> None:
    for source in (
        "> - a\n>   - b\n> - c",
        "> [!NOTE]\n>\n> - a\n>   - b\n> - c",
        "!!! note\n    - a\n      - b\n    - c",
        "x[^1]\n\n[^1]: Note\n\n    - a\n      - b\n    - c",
    ):
        root = htmltree.read(markup.to_html(source))
        items = [e for e in root.walk() if e.tag == "ul"]
        assert [e.tag for e in items] == ["ul", "ul"], source


def test_a_lazy_line_and_an_expression_stay_in_their_item() -> None:
    html = markup.to_html('- a\n  - b {{ learner.first_name or "you" }}\ngoes on\n  - c')
    assert [w for w, _ in shape("- a\n  - b\ngoes on\n  - c")[0][1]] == ["b\ngoes on", "c"]
    assert '{{ learner.first_name or "you" }}' in html


def test_every_place_in_a_moved_line_is_still_known() -> None:
    source = "- a `x`\n  - b `y` word\n    - c [link](no.md)\n\n> 1) q `z`\n>    - r `w` last\n"
    found = scan(source)
    for word in ("word", "link", "last"):
        assert found.origin(found.text.index(word)) == source.index(word)


def test_text_below_a_list_is_no_part_of_it() -> None:
    html = markup.to_html("- a\n  - b\n\ntext\n\n  - c")
    assert "<p>text</p>" in html
    assert html.index("<p>text</p>") > html.index("</ul>\n</li>")
