"""One file becomes one lesson, and each mistake is named with its line, its column and its cure."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course.advice.rulebook import RULES
from course.errors import Finding
from course.lesson import DEFAULT_SUBJECT, Lesson, NoteField, parse

WHOLE = """\
---
title: The manager effect
subject: Day 1 · Why people really leave
preheader: Two reasons, and the one role that can change both.
objective: Write a note.
idea: >-
  A policy opens the door;
  a manager decides.
recall: {ask: What was it?, answer: This.}
action:
  do: "**Write** two lines."
  minutes: 3
  plan: If I close this mail, then I write.
checklist:
  - for: All
    do: "**Reply** with one word."
    later: true
    minutes: 9
  - do: Read it again.
    minutes: 2
resources:
  - kind: video
    title: A talk
    by: Someone, TED
    url: https://www.example.com/watch?v=1
    minutes: 5
    core: true
    transcript: https://www.example.com/text
    why: Because.
  - {kind: article, title: More, url: "https://www.example.com/more", minutes: 9}
quiz:
  - ask: Which pair?
    options: [pay, growth]
    answer: 2
    why: Because.
quiz_minutes: 2
short: The short version.
reply: Reply with one word.
tomorrow: Tomorrow, more.
sources:
  - {text: "Bidwell, Wharton, 2011", url: "https://www.example.com/b"}
aliases: [old-name, /posts/2-older-name/]
params: {colour: red, list: [1, 2]}
check: {ignore: [no-task]}
---

## A section

Words.
"""


def sound(source: str, path: str = "lessons/c/1-a-lesson.md") -> Lesson:
    lesson, findings = parse(source, path)
    assert findings == []
    assert lesson is not None
    return lesson


def found(source: str, path: str = "lessons/c/1-a-lesson.md") -> list[Finding]:
    return parse(source, path)[1]


def only(source: str, path: str = "lessons/c/1-a-lesson.md") -> Finding:
    findings = found(source, path)
    assert len(findings) == 1, findings
    return findings[0]


def fronted(front: str, body: str = "Words.") -> str:
    return f"---\n{front}\n---\n{body}\n"


# --- what is read --------------------------------------------------------------------------------


def test_everything_with_a_fixed_place_in_the_mail_is_structured() -> None:
    lesson = sound(WHOLE, "lessons/c/1-the-manager-effect.md")
    assert (lesson.key, lesson.number) == ("the-manager-effect", 1)
    assert lesson.title == "The manager effect"
    assert lesson.idea == "A policy opens the door; a manager decides."
    assert lesson.recall is not None
    assert lesson.recall.answer == "This."
    assert lesson.action is not None
    assert (lesson.action.minutes, lesson.action.plan) == (3, "If I close this mail, then I write.")
    assert [(i.audience, i.minutes, i.later) for i in lesson.checklist] == [
        ("All", 9, True),
        ("All", 2, False),
    ]
    assert [(r.kind, r.core, r.minutes) for r in lesson.resources] == [
        ("video", True, 5),
        ("article", False, 9),
    ]
    assert lesson.quiz[0].answer == 1
    assert lesson.quiz[0].options == ("pay", "growth")
    assert lesson.sources[0].text == "Bidwell, Wharton, 2011"
    assert lesson.aliases == ("old-name", "older-name")
    assert lesson.params == {"colour": "red", "list": ["1", "2"]}
    assert lesson.ignore == {"no-task"}
    assert lesson.body.strip() == "## A section\n\nWords."
    assert WHOLE.split("\n")[lesson.body_line - 1 + 1] == "## A section"


def test_minutes_are_the_sum_that_is_printed_at_the_top() -> None:
    # 16 words read, 5 core video, 3 action, 2 for the item that is not for later, 2 self-check
    assert sound(WHOLE).minutes() == 1 + 5 + 3 + 2 + 2
    assert sound(fronted("title: A", "word " * 238)).minutes() == 1
    assert sound(fronted("title: A", "word " * 239)).minutes() == 2
    assert sound(fronted("title: A\nminutes: 7", "word " * 999)).minutes() == 7


def test_addresses_and_markup_are_no_words() -> None:
    body = (
        "Three [plain words](https://www.example.com/a-b) <b>&nbsp;</b> * **!** <https://x.example>"
    )
    assert sound(fronted("title: A", body)).words() == 3


def test_a_quiz_takes_a_minute_a_question_unless_the_author_says_otherwise() -> None:
    quiz = "quiz:\n" + "".join(f"- {{ask: Q{n}, options: [a, b], answer: 1}}\n" for n in range(3))
    assert sound(fronted("title: A\n" + quiz.rstrip())).quiz_minutes == 3


def test_the_starred_action_is_the_first_step() -> None:
    steps = sound(WHOLE).steps()
    assert (steps[0].id, steps[0].starred) == ("action", True)
    assert len({s.id for s in steps}) == 3


def test_an_item_keeps_its_id_when_others_move() -> None:
    a, b = "- do: One\n", "- do: Two\n"
    before = sound(fronted(f"title: A\nchecklist:\n{a}{b}".rstrip())).checklist
    after = sound(fronted(f"title: A\nchecklist:\n{b}{a}".rstrip())).checklist
    assert {i.text: i.id for i in before} == {i.text: i.id for i in after}


def test_an_item_put_above_moves_no_id_and_an_id_of_ones_own_outlives_the_words() -> None:
    old = sound(fronted("title: A\nchecklist:\n- do: One\n- {id: two, do: Two}")).checklist
    front = "title: A\nchecklist:\n- do: Zero\n- do: One\n- {id: two, do: Twice}"
    new = sound(fronted(front)).checklist
    assert [item.id for item in new[1:]] == [item.id for item in old]


def test_notes_are_asked_on_the_page_and_change_nothing_about_the_mail() -> None:
    plain = sound(fronted("title: A"))
    lesson = sound(
        fronted(
            "title: A\nnotes_title: Plan\nnotes:\n- {id: a, ask: B, hint: C, lines: 2, by: yes}"
        )
    )
    assert lesson.notes == (NoteField("a", "B", "C", 2, by=True),)
    assert lesson.notes_title == "Plan"
    assert lesson.version == plain.version


@pytest.mark.parametrize(
    ("name", "key", "number"),
    [
        ("1-the-effect.md", "the-effect", 1),
        ("01-the-effect.md", "the-effect", 1),
        ("01_the_effect.md", "the-effect", 1),
        ("01. The Effect.md", "the-effect", 1),
        ("10 - The Effect.markdown", "the-effect", 10),
        ("lesson-3-names.md", "names", 3),
        ("Lesson 3 - Names.md", "names", 3),
        ("day-03.md", "day-03", 3),
        ("week2 slug.md", "slug", 2),
        ("007.md", "007", 7),
        ("3-Über-Größe.md", "über-grösse", 3),
        ("notes.md", "notes", None),
        ("2024-01-15-old-post.md", "old-post", None),
        ("welcome.md", "@welcome", None),
        ("completed.md", "@completed", None),
        ("followup-day-12.md", "@followup-day-12", None),
        ("1-welcome.md", "welcome", 1),
    ],
)
def test_file_names_carry_number_and_key(name: str, key: str, number: int | None) -> None:
    lesson = sound("Words.", f"lessons/c/{name}")
    assert (lesson.key, lesson.number) == (key, number)


@pytest.mark.parametrize(
    ("source", "title", "body"),
    [
        ("# My title\n\nWords", "My title", "Words"),
        ("My title\n===\n\nWords", "My title", "Words"),
        ("Words only", "A lesson", "Words only"),
        ("---\ntitle: Given\n---\n# Given\n\nWords", "Given", "Words"),
        ("---\ntitle: Given\n---\n# Other\n\nWords", "Given", "# Other\n\nWords"),
        ("\ufeff---\r\ntitle: Given\r\n---\r\nWords", "Given", "Words"),
        ("\n\n---\ntitle: Given\n---\nWords", "Given", "Words"),
        ("---\n---\nWords", "A lesson", "Words"),
        ("Words\n\n---\n\nmore", "A lesson", "Words\n\n---\n\nmore"),
    ],
)
def test_no_front_matter_is_fine(source: str, title: str, body: str) -> None:
    lesson = sound(source)
    assert lesson.title == title
    assert lesson.body.strip() == body
    lines = source.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    assert "\n".join(lines[lesson.body_line - 1 :]).strip() == body


def test_other_tools_words_are_understood() -> None:
    lesson = sound(fronted("title: A\nexcerpt: Short.\npublished: false\nweight: 30"))
    assert (lesson.preheader, lesson.draft, lesson.number) == ("Short.", True, 30)
    assert sound(fronted("title: A\npreview_text: Short.")).preheader == "Short."
    assert sound(fronted("title: A\nday: 4")).number == 4


def test_keys_of_hugo_jekyll_and_obsidian_say_nothing() -> None:
    front = (
        "title: A\ntags: [a, b]\ndate: 2024-01-01\nslug: x\ncssclasses: [wide]\nlayout: post\n"
        "categories: x\nlastmod: 2024-01-01\ntoc: true\nauthor: Me\ndescription: Words"
    )
    assert found(fronted(front)) == []


def test_text_stays_text_whatever_yaml_thinks_of_it() -> None:
    lesson = sound(fronted("title: 2024-01-01\nshort: yes\nreply: 017\nobjective: 12:30"))
    assert (lesson.title, lesson.short, lesson.reply, lesson.objective) == (
        "2024-01-01",
        "yes",
        "017",
        "12:30",
    )


def test_the_subject_says_course_and_place_unless_the_author_writes_one() -> None:
    assert sound("# T\n\nx").subject == DEFAULT_SUBJECT + "T"
    assert sound("# T\n\nx", "c/welcome.md").subject == "T"


# --- versions ------------------------------------------------------------------------------------


def test_a_version_changes_with_the_mail_and_with_nothing_else() -> None:
    base = sound(WHOLE).version
    assert re.fullmatch("[0-9a-f]{32}", base)
    assert sound(WHOLE).version == base
    for old, new in [
        ("Words.", "Words!"),
        ("minutes: 3", "minutes: 4"),
        ("answer: 2", "answer: 1"),
        ("core: true", "core: false"),
        ("A talk", "The talk"),
    ]:
        assert sound(WHOLE.replace(old, new)).version != base, new
    for old, new in [
        ("aliases: [old-name, ", "aliases: ["),
        ("colour: red", "colour: blue"),
        ("ignore: [no-task]", "ignore: []"),
        ("title: The", "draft: true\ntitle: The"),
    ]:
        assert sound(WHOLE.replace(old, new)).version == base, new
    assert sound(WHOLE.replace("\n", "\r\n")).version == base


# --- mistakes ------------------------------------------------------------------------------------

BROKEN_FRONT = [
    ("title: A: b", 2, "front-matter", "quotes"),
    ('title: "A', 2, "front-matter", "quote"),
    ("title: A\n\tshort: x", 3, "front-matter", "spaces"),
    ("title: A\nidea: [a, b", 3, "front-matter", "close"),
    ("title: A\nidea: @x", 3, "front-matter", "quotes"),
    ("title: A\nidea: *x", 3, "front-matter", "quotes"),
    ("- title", 2, "front-matter", "title: ..."),
    ("just words", 2, "front-matter", "title: ..."),
    ("title: A\nshort: b\ntitle: C", 4, "front-matter", "twice"),
    ("title: A\nchecklist:\n  - for: All\n   do: x", 5, "front-matter", "ind"),
    ("title: [a]", 2, "front-matter", "title"),
    ("title: A\ndraft: maybe", 3, "front-matter", "draft: true"),
    ("title: A\nminutes: ten", 3, "front-matter", "whole number"),
    ("title: A\nminutes: -3", 3, "front-matter", "from 0"),
    ("title: A\naction: do it", 3, "front-matter", "key: value"),
    ("title: A\naction:\n  minutes: 3", 4, "front-matter", "`do` of `action` is missing"),
    ("title: A\nresources:\n  - kind: video\n    title: T", 4, "front-matter", "`url`"),
    ("title: A\nresources:\n  - {title: T, url: www.x.example}", 4, "bad-address", "https://"),
    ("title: A\nresources:\n  - {title: T, url: 'javascript:x'}", 4, "bad-address", "https://"),
    ("title: A\nquiz:\n  - {ask: Q, options: [a], answer: 1}", 4, "quiz", "two options"),
    ("title: A\nquiz:\n  - {ask: Q, options: [a, b]}", 4, "quiz", "answer: 1"),
    ("title: A\nquiz:\n  - {ask: Q, options: [a, b], answer: 3}", 4, "front-matter", "from 1 to 2"),
    ("title: A\nchecklist:\n  - {do: x}\n  - {do: x}", 5, "duplicate-item", "keep one"),
    ("title: A\nchecklist:\n  - {id: action, do: x}", 4, "item-id", "choose another"),
    ("title: A\nchecklist:\n  - {id: a b, do: x}", 4, "item-id", "letters, figures"),
    ("title: A\nnotes:\n  - {id: 'felt:clear', ask: x}", 4, "item-id", "letters, figures"),
    ("title: A\nnotes:\n  - {ask: x}", 4, "front-matter", "`id` of `notes` is missing"),
    ("title: A\nnotes:\n  - {id: x}", 4, "front-matter", "`ask` of `notes` is missing"),
    ("title: A\nnotes:\n  - {id: a, ask: x}\n  - {id: a, ask: y}", 5, "duplicate-item", "rename"),
    ("title: A\nnotes:\n  - {id: a, ask: x, lines: 21}", 4, "front-matter", "from 1 to 20"),
    ("title: A\nnotes: remember this", 3, "front-matter", "`notes`"),
    ("title: {{ course.title }}", 2, "front-matter", "quot"),
    ("title: A\nshort: \x01", 3, "front-matter", "delete"),
]


@pytest.mark.parametrize(("front", "line", "rule", "cure"), BROKEN_FRONT)
def test_broken_front_matter_is_named_with_its_line(
    front: str, line: int, rule: str, cure: str
) -> None:
    findings = [f for f in found(fronted(front)) if f.level == "error"]
    assert findings, front
    first = findings[0]
    assert (first.line, first.rule) == (line, rule), first
    assert cure in first.message, first
    assert first.column >= 1


def test_python_objects_in_yaml_stay_words() -> None:
    lesson = sound(fronted("title: A\nparams: {a: !!python/object/apply:os.system [ls]}"))
    assert lesson.params == {"a": ["ls"]}


def test_front_matter_that_never_ends_is_named() -> None:
    finding = only("---\ntitle: A\n\nWords")
    assert (finding.line, finding.rule) == (1, "front-matter")
    assert "`---`" in finding.message


def test_toml_front_matter_is_recognised() -> None:
    assert "TOML" in only("+++\ntitle = 'A'\n+++\nWords").message


@pytest.mark.parametrize(
    "bomb",
    [
        "a: &a [x, x]\nb: [*a, *a]",
        "a: " + "[" * 5000,
        "a: " + "{a: " * 5000,
        "x" * 200_000,
    ],
)
def test_yaml_meant_to_harm_is_a_finding(bomb: str) -> None:
    findings = found(fronted(f"title: A\n{bomb}"))
    assert ("front-matter", "error") in {(f.rule, f.level) for f in findings}


@pytest.mark.parametrize(
    ("key", "near"),
    [("preheder", "preheader"), ("titel", "title"), ("check-list", "checklist"), ("quizz", "quiz")],
)
def test_an_unknown_key_is_a_warning_with_the_nearest_one(key: str, near: str) -> None:
    finding = only(fronted(f"short: x\n{key}: x"))
    assert (finding.level, finding.rule, finding.line) == ("warn", "unknown-key", 3)
    assert f"did you mean `{near}`?" in finding.message


def test_an_unknown_key_inside_a_group_is_a_warning_too() -> None:
    finding = only(fronted("action:\n  do: x\n  minuts: 3"))
    assert (finding.line, finding.column) == (4, 3)
    assert "`minutes`" in finding.message


#: body, line within the body, column, rule, what the message must hold
BAD_TEMPLATES = [
    ("Hi {{ learner.nmae }}", 1, 7, "unknown-variable", "did you mean `learner.first_name`?"),
    ("a\n\nb {{ lesson.titel|upper }}", 3, 6, "unknown-variable", "`lesson.title`"),
    ("Hi {{ first_name }}", 1, 7, "unknown-variable", "`learner.first_name`"),
    ("Hi {{ learner }}", 1, 7, "unknown-variable", "learner.hour"),
    ("{{ url.confirm }}", 1, 4, "unknown-variable", "only in the confirmation mail"),
    ("{{ learner.first_name.__class__ }}", 1, 4, "unknown-variable", "learner.first_name"),
    ("{{ config }}", 1, 4, "unknown-variable", "use one of"),
    ("Hi {{ learner.first_name", 1, 4, "unclosed-tag", "add `}}`"),
    ("{% if learner.first_name %}x", 1, 1, "unclosed-tag", "{% endif %}"),
    ("x {% endif %}", 1, 3, "unclosed-tag", "{% if %}"),
    ("x {% if learner.first_name", 1, 3, "unclosed-tag", "add `%}`"),
    ("x {% for a in b %}", 1, 6, "template-tag", "only `{% if %}`"),
    ("x {% set a = 1 %}", 1, 6, "template-tag", "not available"),
    ("{% raw %}x", 1, 4, "template-tag", "`backticks`"),
    ("{% include 'x' %}", 1, 4, "template-tag", "not available"),
    ("{{ learner.first_name | uper }}", 1, 25, "unknown-filter", "did you mean `upper`?"),
    ("{{ learner.first_name | map }}", 1, 25, "unknown-filter", "use one of"),
    ("{{ range(9) }}", 1, 1, "template-syntax", "calling"),
    ("{{ 'a' * 10 ** 9 }}", 1, 1, "template-syntax", "arithmetic"),
    ("{{ learner['first_name'] }}", 1, 1, "template-syntax", "`[...]`"),
    ("{{ 'a' in learner.first_name }}", 1, 8, "template-syntax", "`in`"),
    ("{{ learner.first_name or }}", 1, 1, "template-syntax", "cannot be read"),
    ("{{ }}", 1, 1, "template-syntax", "nothing between"),
    ("{{ 'a'|replace('a','bb')|replace('b','cc') }}", 1, 1, "template-syntax", "twice"),
    ("{{ course.title|upper|lower|trim|title|upper }}", 1, 1, "template-syntax", "fewer"),
    ("{{ '" + "x" * 400 + "' }}", 1, 1, "template-syntax", "under 300"),
    ("a {% if learner.first_name %} b\n\nc {% endif %}", 1, 3, "template-split", "line of its own"),
    ("[x]({{ learner.first_name }})", 1, 1, "link-value", "https://"),
    ("<div>\n\nx", 1, 1, "unclosed-tag", "</div>"),
    ("a <b>x\n\nmore", 1, 3, "unclosed-tag", "</b>"),
    ("a\n\n```python\n{{ x }}", 3, 1, "unclosed-fence", "same fence"),
]


@pytest.mark.parametrize("front_lines", [0, 3])
@pytest.mark.parametrize(("body", "line", "column", "rule", "words"), BAD_TEMPLATES)
def test_a_mistake_in_the_body_is_named_with_line_column_and_cure(
    body: str, line: int, column: int, rule: str, words: str, front_lines: int
) -> None:
    front = "---\ntitle: A\n---\n" if front_lines else ""
    finding = only(front + body)
    assert (finding.line - front_lines, finding.column) == (line, column), finding
    assert (finding.rule, finding.level) == (rule, "error")
    assert words in finding.message


@pytest.mark.parametrize(
    "body",
    [
        'Hi {{ learner.first_name or "there" }}',
        "{{ learner.first_name|default('you')|title|trim }} {{ course.title|length }}",
        "{% if learner.first_name %}a{% elif lesson.number > 1 %}b{% else %}c{% endif %}",
        "{% if not learner.first_name and lesson.number <= 3 or course.total == 5 %}a{% endif %}",
        "{% if learner.first_name %}{% if lesson.number is gt 2 %}a{% endif %}{% endif %}",
        "{% if learner.first_name %}\n\nHello\n\nyou\n\n{% endif %}",
        "{{ 'Day' if lesson.number else 'Start' }} {{ '{{' }} {{- url.read -}}",
        "`{{ anything }}` ``{% for ` %}``",
        "```\n{{ anything }} {% for %}\n```",
        "~~~jinja\n{% raw %}\n~~~",
        "- a\n\n  ```\n  {{ x }}\n  ```\n",
        "> ```\n> {{ x }}\n> ```",
        "text\n\n    {{ indented }} {% code %}\n",
        "1. a\n\n        {{ code in a list }}\n",
        "<pre>{{ x }}</pre> and <code>{{ y }}</code>",
        "<!-- {{ x }} {% y %} -->",
        "\\{{ not me }} and {#id} and a } }} %} {",
        "Heading {#anchor}\n---\n",
        "<p>open ended\n\n<li>x\n\n<br> <img src='a.png' alt='x'>",
        "Vec\\<String\\> and 1 < 2",
        "<div>\n\n    {{ course.title }}\n\n</div>",
    ],
)
def test_what_is_sound_has_no_findings(body: str) -> None:
    assert found(body) == []


def test_a_name_in_front_matter_is_checked_where_it_stands() -> None:
    front = 'title: A\nshort: >-\n  Some words\n  and {{ learner.nmae }} here.\nreply: "{{ foo }}"'
    first, second = found(fronted(front))
    assert (first.line, first.column, first.rule) == (5, 10, "unknown-variable")
    assert (second.line, second.column) == (6, 12)
    nested = only(fronted("action:\n  do: 'x {{ lesson.titel }}'"))
    assert (nested.line, nested.column) == (3, 13)


def test_braces_as_code_in_front_matter_are_left_alone() -> None:
    assert found(fronted('title: "About `{{ braces }}`"\nshort: "Use `{% for %}`"')) == []


def test_an_empty_body_is_an_error_unless_it_is_a_draft() -> None:
    finding = only("---\ntitle: A\n---\n\n  \n")
    assert (finding.rule, finding.line) == ("empty-body", 4)
    assert found("---\ntitle: A\ndraft: true\n---\n") == []
    assert only("").rule == "empty-body"
    assert only("# Only a title").rule == "empty-body"


def test_too_many_mistakes_do_not_take_too_long_to_name() -> None:
    findings = found("{{ x.y }} {{ \n\n" * 20_000)
    assert 10 < len(findings) <= 51


def test_a_finding_reads_like_a_compilers() -> None:
    finding = only("a\n\nb {{ foo }}", "lessons/03-names.md")
    assert str(finding).startswith("lessons/03-names.md:3:6 error unknown-variable there is no")
    assert set(finding.as_dict()) == {"path", "line", "column", "level", "rule", "message"}


@settings(deadline=None, max_examples=300)
@given(st.text(max_size=400), st.text(max_size=200))
def test_parsing_never_raises_and_names_known_rules(front: str, body: str) -> None:
    for source in (body, f"---\n{front}\n---\n{body}"):
        _, findings = parse(source, "1-a.md")
        for finding in findings:
            assert finding.rule in RULES
            assert finding.line >= 1
            assert finding.message[-1] not in ".:"


@settings(deadline=None, max_examples=300)
@given(
    st.lists(
        st.sampled_from(
            [
                *(
                    "title",
                    ": ",
                    "\n",
                    "- ",
                    "  ",
                    "quiz:",
                    "ask",
                    "[",
                    "]",
                    "{",
                    "}",
                    '"',
                    "'",
                    "|",
                ),
                *(
                    ">-",
                    "{{ x }}",
                    "checklist:\n",
                    "do",
                    "&a",
                    "*a",
                    "!!x",
                    "#",
                    "\t",
                    "1",
                    "~",
                    "?",
                ),
            ]
        ),
        max_size=30,
    ).map("".join)
)
def test_any_yaml_is_read_or_named(front: str) -> None:
    parse(f"---\n{front}\n---\nWords", "1-a.md")


@pytest.mark.parametrize("name", ["nonsense", "user.email", "weather", "url.xyz"])
def test_a_name_that_resembles_none_gets_the_list_and_no_silly_guess(name: str) -> None:
    _, findings = parse(f"# T\n\nHi {{{{ {name} }}}}\n", "1-t.md")
    [message] = [f.message for f in findings if f.rule == "unknown-variable"]
    assert "did you mean" not in message
    assert "learner.first_name" in message
