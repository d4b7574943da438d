"""`course check` finds an author's mistakes before a learner does, and says how to cure them."""

from __future__ import annotations

import json
import struct
import time
import zlib
from pathlib import Path

import pytest

from course import review as reviewing
from course.advice.rulebook import RULES
from course.catalog import Course
from course.errors import Finding
from course.lesson import Lesson
from course.review import Report, Size, review

HERE = Path(__file__).parent / "lessons"

SOUND = """\
---
title: Names that explain
preheader: Forty characters are the least a preheader has.
minutes: 10
action: {do: Rename one thing., minutes: 3}
---
Words.
"""


def png(width: int, height: int, padding: int = 0) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"tEXt", b"x" * padding)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "secret.png").write_bytes(png(1, 1))
    course = tmp_path / "lessons" / "testing"
    course.mkdir(parents=True)
    (course / "course.yaml").write_text("title: Testing\n")
    (course / "cat.png").write_bytes(png(300, 200))
    return course


def check(folder: Path, body: str = "Words.", front: str = "", **options: object) -> list[Finding]:
    source = SOUND.replace("Words.\n", body + "\n").replace(
        "minutes: 10\n", f"minutes: 10\n{front}"
    )
    (folder / "1-names.md").write_text(source)
    return list(review(folder, **options).findings)  # type: ignore[arg-type]


def only(findings: list[Finding]) -> Finding:
    assert len(findings) == 1, findings
    return findings[0]


BODY_STARTS = 7


def test_a_sound_lesson_has_no_findings(folder: Path) -> None:
    assert check(folder) == []


#: body, line within the body, column, level, rule, what the message must hold
BODIES = [
    ("a ![](cat.png)", 1, 3, "error", "alt-text", "cat.png"),
    ('a\n<img src="cat.png">', 2, 1, "error", "alt-text", "![what it shows]"),
    ("![cat][c]\n\n[c]: dog.png", 1, 1, "error", "broken-image", "dog.png"),
    ("![cat](dog.png)", 1, 1, "error", "broken-image", "dog.png"),
    ("![cat](../../secret.png)", 1, 1, "error", "broken-image", "folder"),
    ("![cat](/etc/passwd)", 1, 1, "error", "broken-image", "folder"),
    ("![cat](data:image/png;base64,xx)", 1, 1, "error", "broken-image", "beside"),
    ("[![cat](dog.png)](https://x.example)", 1, 1, "error", "broken-image", "dog.png"),
    ("x [a](missing.pdf)", 1, 3, "error", "broken-link", "missing.pdf"),
    ("x [a](/docs/a)", 1, 3, "error", "broken-link", "https://"),
    ("x [a](javascript:alert(1))", 1, 3, "error", "bad-address", "https://"),
    ("x [plan](ftp://x.example)", 1, 3, "error", "bad-address", "ftp:"),
    ("x [a](1-names.md)", 1, 3, "warn", "lesson-link", "another lesson"),
    ("x [a](#top)", 1, 3, "warn", "fragment-link", "leads nowhere"),
    ("x [Click here](https://x.example)", 1, 3, "warn", "link-text", "name what"),
    ("x [**here**.](https://x.example)", 1, 3, "warn", "link-text", "where it leads"),
    ("x [site](http://x.example)", 1, 3, "warn", "http-link", "https://"),
    ("x [site](https://bit.ly/3x)", 1, 3, "warn", "short-link", "bit.ly"),
    ("x [good.example](https://evil.example/)", 1, 3, "warn", "link-mismatch", "evil.example"),
    (
        "[a](https://x.example/1) [b](https://x.example/1)",
        1,
        1,
        "warn",
        "duplicate-link",
        "keep one",
    ),
    (f"[a](https://x.example/{'a' * 2000})", 1, 1, "warn", "long-link", "shorten"),
    ("## A\n\n#### B", 3, 1, "warn", "heading-jump", "`###`"),
    ("```\n" + "x" * 61 + "\n```", 1, 1, "warn", "code-wide", "61 columns"),
    (
        "| a | b | c | d | e |\n|---|---|---|---|---|\n| 1 | 2 | 3 | 4 | 5 |",
        2,
        1,
        "warn",
        "table-wide",
        "5",
    ),
    ("a\n\n<iframe src='https://x.example'></iframe>", 3, 1, "warn", "not-in-mail", "link"),
    ("a\n\n<script>x</script>", 3, 1, "warn", "not-in-mail", "no script"),
    ("type Vec<String > now", 1, 9, "warn", "unknown-html", "would vanish"),
    ("Some words:\n- a\n- b\n", 2, 1, "warn", "list-blank", "empty line"),
    ("**b {% if course.title %}** x{% endif %}", 1, 1, "error", "template-torn", "both inside"),
]


@pytest.mark.parametrize(("body", "line", "column", "level", "rule", "words"), BODIES)
def test_each_mistake_in_a_body_is_named_with_its_place(
    folder: Path, body: str, line: int, column: int, level: str, rule: str, words: str
) -> None:
    finding = only(check(folder, body))
    assert (finding.rule, finding.level) == (rule, level)
    assert (finding.line - BODY_STARTS + 1, finding.column) == (line, column)
    assert words in finding.message


#: Things that look like mistakes and are none.
@pytest.mark.parametrize(
    "body",
    [
        "`![](x.png)` `[here](http://x)` `<iframe>`",
        "```\n![](x.png) [click here](a.md)\n#### deep\n- a\n  - b\n```",
        "![A cat](cat.png) and ![A cat](https://x.example/cat.png)",
        "[names](https://en.example/wiki/Name_(given)) [x](mailto:a@x.example)",
        "[open]({{ url.read }}) and [learn]({{ url.learn }})",
        "[x.example](https://www.x.example/path)",
        "- a\n    - b\n        - c\n\n    more of a\n- d",
        "* a\n* b\n\nwords\n\n1. c\n2. d",
        "## A\n\n### B\n\n## C\n\n### D",
        "Setext\n------\n\nmore\n\n---\n\nend",
        "a \\<name> &lt;b&gt; 3 < 4 <https://x.example> <kbd>Ctrl</kbd><br>",
        "| a | b |\n|---|---|\n| - x | 2 |",
        "> quote\n> - item\n",
        "text\n\n    - indented code\n      - more\n",
    ],
)
def test_what_is_fine_is_left_alone(folder: Path, body: str) -> None:
    assert check(folder, body) == []


#: front matter, level, rule, words
FRONTS = [
    ("subject: " + "a" * 61, "warn", "subject-long", "61 characters"),
    ("subject: READ THIS NOW", "warn", "subject-loud", "shouts"),
    ("subject: Hey!!!", "warn", "subject-loud", "shouts"),
    ('subject: "Re: your course"', "warn", "subject-loud", "reply"),
    ("quiz: [{ask: Why?, options: [a, b], answer: 1}]", "warn", "quiz-why", "`why:`"),
    (
        "resources: [{title: T, kind: video, url: 'https://x.example', minutes: 11, core: true}]",
        "warn",
        "video-long",
        "11 minutes",
    ),
    ("resources: [{title: T, url: 'http://x.example'}]", "warn", "http-link", "https://"),
    (
        "resources: [{title: T, kind: vidio, url: 'https://x.example'}]",
        "warn",
        "unknown-kind",
        "`video`",
    ),
    ("titel: x", "warn", "unknown-key", "`title`"),
    ("check: {ignore: [no-tusk]}", "warn", "unknown-rule", "`no-task`"),
]


@pytest.mark.parametrize(("front", "level", "rule", "words"), FRONTS)
def test_each_mistake_in_the_front_matter_is_named(
    folder: Path, front: str, level: str, rule: str, words: str
) -> None:
    finding = only(check(folder, front=front + "\n"))
    assert (finding.rule, finding.level) == (rule, level)
    assert finding.line == 5
    assert words in finding.message


def test_minutes_preheader_and_task_are_asked_for(folder: Path) -> None:
    (folder / "course.yaml").write_text("title: T\nminutes: [15, 20]\n")
    (folder / "1-a.md").write_text("# A\n\nWords.")
    assert {f.rule for f in review(folder).findings} == {"minutes", "preheader", "no-task"}
    (folder / "1-a.md").write_text("# A\n\n- [ ] a task\n")
    assert "no-task" not in {f.rule for f in review(folder).findings}


def test_a_wide_or_heavy_picture_is_pointed_out(folder: Path) -> None:
    (folder / "wide.png").write_bytes(png(1201, 10))
    (folder / "heavy.png").write_bytes(png(10, 10, padding=300_001))
    (folder / "odd.webp").write_bytes(b"RIFF....WEBP")
    findings = check(folder, "![a](wide.png)\n\n![b](heavy.png)\n\n![c](odd.webp)")
    assert [(f.rule, f.line - BODY_STARTS + 1) for f in findings] == [
        ("image-heavy", 1),
        ("image-heavy", 3),
        ("image-kind", 5),
    ]
    assert "1201 pixels" in findings[0].message


def test_the_size_of_gif_and_jpeg_is_read_too(folder: Path) -> None:
    (folder / "a.gif").write_bytes(b"GIF89a" + struct.pack("<HH", 1300, 20))
    exif = b"\xff\xe1" + struct.pack(">H", 2000) + b"x" * 1998
    frame = b"\xff\xc2" + struct.pack(">HBHHB", 17, 8, 40, 1400, 3) + b"\0" * 9
    (folder / "b.jpg").write_bytes(b"\xff\xd8" + exif + frame)
    (folder / "c.jpg").write_bytes(b"\xff\xd8\xff")
    findings = check(folder, "![a](a.gif)\n\n![b](b.jpg)\n\n![c](c.jpg)")
    assert [("1300 pixels" in f.message, "1400 pixels" in f.message) for f in findings] == [
        (True, False),
        (False, True),
    ]


def test_a_rule_can_be_switched_off_in_one_file_or_in_the_course(folder: Path) -> None:
    body = "[here](http://x.example)"
    assert {f.rule for f in check(folder, body)} == {"link-text", "http-link"}
    front = "check: {ignore: [link-text]}\n"
    assert {f.rule for f in check(folder, body, front)} == {"http-link"}
    (folder / "course.yaml").write_text("title: Testing\ncheck: {ignore: [http-link]}\n")
    assert check(folder, body, front) == []


def test_what_keeps_a_lesson_from_being_sent_cannot_be_switched_off(folder: Path) -> None:
    assert [
        f.rule for f in check(folder, "{{ nope }}", "check: {ignore: [unknown-variable]}\n")
    ] == ["unknown-variable"]


# --- the report ----------------------------------------------------------------------------------


def test_the_report_sums_up_each_lesson(folder: Path) -> None:
    (folder / "2-broken.md").write_text("{{ nope }}")
    (folder / "welcome.md").write_text("---\npreheader: " + "x" * 50 + "\n---\nHi.")
    front = (
        "resources: [{title: T, url: 'https://x.example', kind: video, core: true, minutes: 4}]\n"
    )
    check(folder, "One [two](https://x.example/2) ![three](cat.png)\n\n```\na\nb\n```", front)
    report = review(folder, measure=lambda course, lesson: Size(31_449, 900, 1000))
    names, broken, welcome = report.rows
    assert (names.key, names.state, names.minutes, names.off_target) == (
        "names",
        "published",
        10,
        False,
    )
    assert (names.links, names.images, names.code_lines, names.video_minutes) == (2, 1, 2, 4)
    assert names.kilobytes == 31.4
    assert names.subject == len("[Testing 1/2] Names that explain")
    assert (broken.key, broken.state, broken.number) == ("broken", "broken", 2)
    assert (welcome.key, welcome.state) == ("@welcome", "letter")
    plain = json.loads(json.dumps(report.as_dict()))
    assert plain["errors"] == 1
    assert plain["failed"] is True
    assert plain["findings"][0]["rule"] == "unknown-variable"
    assert plain["lessons"][0]["key"] == "names"


def test_warnings_fail_only_when_strict(folder: Path) -> None:
    check(folder, "[here](https://x.example)")
    assert not review(folder).failed
    assert review(folder, strict=True).failed


@pytest.mark.parametrize(
    ("size", "rule", "level"),
    [
        (Size(102_001), "mail-large", "error"),
        (Size(102_000), "mail-large", "warn"),
        (Size(80_001), "mail-large", "warn"),
        (Size(1000, 300, 1000), "text-short", "warn"),
        (Size(0, problem="no template"), "not-composed", "error"),
    ],
)
def test_the_measured_mail_is_judged(folder: Path, size: Size, rule: str, level: str) -> None:
    asked: list[str] = []

    def measure(course: Course, lesson: Lesson) -> Size:
        asked.append(f"{course.key}/{lesson.key}")
        return size

    finding = only(check(folder, measure=measure))
    assert (finding.rule, finding.level) == (rule, level)
    assert asked == ["testing/names"]


@pytest.mark.parametrize(
    ("size", "state"),
    [
        (Size(102_001), "broken"),
        (Size(102_000), "published"),
        (Size(0, problem="no template"), "broken"),
    ],
)
def test_a_lesson_that_the_composer_refuses_is_shown_as_broken(
    folder: Path, size: Size, state: str
) -> None:
    (folder / "1-names.md").write_text("---\ntitle: Names\n---\nSome text.\n")
    [row] = review(folder, measure=lambda *_: size).rows
    assert row.state == state


def test_the_error_of_an_oversized_mail_cannot_be_switched_off_its_warning_can(
    folder: Path,
) -> None:
    body = "---\ntitle: Names\ncheck: {ignore: [mail-large]}\n---\nSome text.\n"
    (folder / "1-names.md").write_text(body)
    over = review(folder, measure=lambda *_: Size(102_001))
    near = review(folder, measure=lambda *_: Size(90_000))
    assert [f.level for f in over.findings if f.rule == "mail-large"] == ["error"]
    assert not [f for f in near.findings if f.rule == "mail-large"]


def test_one_minute_is_said_as_one(folder: Path) -> None:
    (folder / "course.yaml").write_text("title: Testing\nminutes: [15, 20]\n")
    finding = only(check(folder, front="", body="Words."))
    assert "takes 10 minutes, the course" in finding.message
    source = SOUND.replace("minutes: 10", "minutes: 1")
    (folder / "1-names.md").write_text(source)
    [finding] = review(folder).findings
    assert "takes 1 minute, the course" in finding.message


def test_addresses_are_probed_only_when_asked_and_once_each(folder: Path) -> None:
    asked: list[str] = []

    def probe(url: str) -> str | None:
        asked.append(url)
        return "404" if "dead" in url else None

    body = (
        "[a](https://x.example/dead) [b](https://x.example/{{ learner.hour }}) [c]({{ url.read }})"
    )
    (folder / "2-two.md").write_text(SOUND.replace("Words.", "[z](https://x.example/dead)"))
    front = "sources: [{text: S, url: 'https://x.example/alive'}]\n"
    findings = check(folder, body, front, probe=probe)
    assert sorted(asked) == ["https://x.example/alive", "https://x.example/dead"]
    assert [f.rule for f in findings] == ["dead-link", "dead-link"]
    assert "404" in findings[0].message


def test_one_file_one_course_or_all_of_them_can_be_checked(folder: Path) -> None:
    check(folder, "[here](https://x.example)")
    (folder / "2-two.md").write_text("{{ nope }}")
    other = folder.parent / "other"
    other.mkdir()
    (other / "1-a.md").write_text("x")

    def rules(path: Path) -> set[str]:
        return {f.rule for f in review(path).findings}

    assert rules(folder) == {"link-text", "unknown-variable"}
    assert rules(folder / "course.yaml") == {"link-text", "unknown-variable"}
    assert rules(folder.parent) == {"link-text", "unknown-variable", "no-course"}
    assert rules(folder / "1-names.md") == {"link-text"}
    assert rules(folder / "2-two.md") == {"unknown-variable"}
    assert [r.key for r in review(folder / "2-two.md").rows] == ["two"]
    assert rules(other) == {"no-course"}
    assert review(folder / "nowhere").failed


def test_every_rule_has_a_name_and_a_meaning() -> None:
    for name, meaning in RULES.items():
        assert name == name.lower()
        assert meaning[-1] != "."
    sources = Path(reviewing.__file__).parent.rglob("*.py")
    text = "\n".join(file.read_text() for file in sources if file.name != "rulebook.py")
    for name in RULES:
        assert f'"{name}"' in text, f"nobody emits {name}"


# --- somebody else's course ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def strange(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty long lessons as people write them elsewhere, and a course.yaml of one line."""
    folder = tmp_path_factory.mktemp("strange") / "jinja-in-thirty-days"
    folder.mkdir()
    page = (HERE / "elsewhere.md").read_text()
    for number in range(1, 31):
        section = page.replace("NUMBER", str(number))
        (folder / f"{number:02d}-day-{number}.md").write_text(section * 1 + _more(number))
    (folder / "diagram.png").write_bytes(png(600, 400))
    (folder / "course.yaml").write_text("title: Jinja in thirty days\n")
    return folder


def _more(number: int) -> str:
    block = "Words about loops and more words about templates. " * 20
    code = "```jinja\n{% for item in items %}\n  {{ item.name|upper }}\n{% endfor %}\n```\n"
    return "\n\n".join(f"## Part {number}.{n}\n\n{block}\n\n{code}" for n in range(12))


def test_somebody_elses_course_works_by_adding_course_yaml(strange: Path) -> None:
    report = review(strange)
    assert report.errors == 0, [str(f) for f in report.findings if f.level == "error"][:5]
    assert [row.state for row in report.rows] == ["published"] * 30
    assert [row.title for row in report.rows][:2] == ["Day 1: Templates", "Day 2: Templates"]
    rules = {f.rule for f in report.findings}
    assert rules == {
        *("preheader", "list-blank", "not-in-mail", "lesson-link", "fragment-link"),
        *("http-link", "table-wide", "code-wide", "no-task", "unknown-html"),
    }


def test_a_course_of_thirty_long_lessons_is_read_fast(strange: Path) -> None:
    from course.catalog import load_course

    started = time.process_time()
    course = load_course(strange)
    took = time.process_time() - started
    assert course.total == 30
    assert sum(len(x.body) for x in course.lessons.values()) > 400_000
    # Measured at 0.2 s; rendering them takes more than 1.5 s.
    assert took < 1.5


def test_code_of_somebody_elses_course_reaches_the_mail_as_written(strange: Path) -> None:
    from course.catalog import load_course
    from course.markup import to_html, to_text
    from course.source.variables import sandbox

    lesson = load_course(strange).lessons["day-7"]
    source = to_html(lesson.body)
    page = sandbox(autoescape=True).from_string(source).render()
    assert "{% for item in items %}\n  {{ item.name|upper }}\n{% endfor %}" in page
    assert "<code>{{ user.name }}</code>" in page
    assert "{{ nested.in.a.list }}" in page
    assert "<script" not in page
    text = sandbox(autoescape=False).from_string(to_text(source)).render()
    assert "\n{% for item in items %}\n  {{ item.name|upper }}\n{% endfor %}\n" in text


def test_the_shipped_course_has_no_findings() -> None:
    shipped = Path(__file__).parents[2] / "lessons"
    report = review(shipped)
    assert [str(f) for f in report.findings] == []
    assert isinstance(report, Report)
