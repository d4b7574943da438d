"""A folder becomes a course: what is sound goes out, what is broken waits in its place."""

from __future__ import annotations

import os
import sys
import threading
import tracemalloc
from datetime import time
from pathlib import Path

import pytest

from course.catalog import Catalog, Course, load_course
from course.errors import Finding
from course.folder.files import shown
from course.source.limits import MAX_LESSON
from scheduler.domain.syllabus import WEEKDAYS, FollowUp, Readiness


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make(tmp_path / "lessons" / "testing", {"course.yaml": "title: Testing\n"})


def make(folder: Path, files: dict[str, str | bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        raw = content.encode() if isinstance(content, str) else content
        (folder / name).write_bytes(raw)
    return folder


def states(course: Course) -> dict[str, str]:
    return {ref.key: ref.readiness.value for ref in course.syllabus.lessons}


def rules(course: Course) -> set[str]:
    return {finding.rule for finding in course.findings}


def the(course: Course, rule: str) -> Finding:
    return next(f for f in course.findings if f.rule == rule)


THREE: dict[str, str | bytes] = {
    "1-one.md": "# One\n\nWords.",
    "2-two.md": "# Two\n\nWords.",
    "3-three.md": "# Three\n\nWords.",
}


# --- a sound course ------------------------------------------------------------------------------


def test_course_yaml_makes_a_folder_a_course(folder: Path) -> None:
    make(
        folder,
        THREE
        | {
            "course.yaml": (
                "title: Testing\ntagline: T\nlanguage: de\nminutes: [15, 20]\n"
                "timezone: Europe/Berlin\n"
                'cadence: {every_days: 2, days: weekdays, hour: "06:30"}\nfirst_lesson: next_slot\n'
                "outcomes: [a, b]\nconsent_text: I agree.\n"
            ),
            "welcome.md": "Hello.",
            "completed.md": "Done.",
            "followup-day-12.md": "---\nafter_days: 7\n---\nStill there?",
            "README.md": "About.",
        },
    )
    course = load_course(folder)
    assert course.findings == ()
    assert (course.key, course.title, course.language) == ("testing", "Testing", "de")
    assert (course.minutes, course.outcomes, course.total) == ((15, 20), ("a", "b"), 3)
    assert [(r.key, r.position) for r in course.syllabus.lessons] == [
        ("one", 1),
        ("two", 2),
        ("three", 3),
    ]
    assert list(course.lessons) == ["one", "two", "three"]
    assert set(course.letters) == {"@welcome", "@completed", "@followup-day-12"}
    cadence = course.syllabus.cadence
    assert (cadence.hour, cadence.weekdays, cadence.every_days) == (time(6, 30), WEEKDAYS, 2)
    assert course.syllabus.first_lesson_at_once is False
    assert course.syllabus.timezone == "Europe/Berlin"
    assert course.syllabus.follow_ups == (FollowUp("@followup-day-12", 7),)


def test_lessons_come_in_the_order_of_their_numbers(folder: Path) -> None:
    make(folder, {f"{n}-lesson{n}.md": "x" for n in (10, 2, 1)} | {"lesson-3-c.md": "x"})
    course = load_course(folder)
    assert [r.key for r in course.syllabus.lessons] == ["lesson1", "lesson2", "c", "lesson10"]
    assert [lesson.number for lesson in course.lessons.values()] == [1, 2, 3, 4]
    assert the(course, "number-gap").path.endswith("10-lesson10.md")


def test_a_weight_in_the_front_matter_is_a_number_too(folder: Path) -> None:
    make(folder, {"zebra.md": "---\nweight: 10\n---\nx", "ant.md": "---\nweight: 20\n---\nx"})
    course = load_course(folder)
    assert list(course.lessons) == ["zebra", "ant"]
    assert course.findings == ()


def test_without_any_number_the_names_decide_and_check_says_so(folder: Path) -> None:
    make(folder, {"b.md": "x", "a.md": "x", "c10.md": "x", "c9.md": "x"})
    course = load_course(folder)
    assert list(course.lessons) == ["a", "b", "c9", "c10"]
    assert the(course, "no-numbers").level == "warn"


def test_the_author_may_list_the_lessons(folder: Path) -> None:
    make(folder, {"b.md": "x", "a.md": "x", "course.yaml": "title: T\nlessons: [b.md, a.md]\n"})
    course = load_course(folder)
    assert list(course.lessons) == ["b", "a"]
    make(folder, {"course.yaml": "title: T\nlessons: [b.md, c.md]\n"})
    assert "c.md" in the(load_course(folder), "bad-course").message


def test_a_file_without_a_number_beside_numbered_ones_is_pointed_out(folder: Path) -> None:
    make(folder, THREE | {"fakes.md": "x", "_draft.md": "x", ".hidden.md": "x", "notes.md": "x"})
    course = load_course(folder)
    assert [f.path.rsplit("/", 1)[-1] for f in course.findings] == ["fakes.md"]
    assert "`4-fakes.md`" in course.findings[0].message


def test_a_draft_keeps_its_place_and_waits(folder: Path) -> None:
    make(folder, THREE | {"2-two.md": "---\ndraft: true\n---\n{{ half"})
    course = load_course(folder)
    assert states(course) == {"one": "published", "two": "draft", "three": "published"}
    assert course.total == 3
    make(folder, {"2-two.md": "---\ndraft: true\n---\nx"})
    assert "two" in load_course(folder).lessons


# --- broken lessons wait, sound ones go out ------------------------------------------------------

BROKEN: dict[str, tuple[str | bytes, str, int]] = {
    "front matter": ("---\ntitle: A: b\n---\nx", "front-matter", 2),
    "endless front matter": ("---\ntitle: A\nx", "front-matter", 1),
    "unknown variable": ("---\ntitle: A\n---\nHi {{ learner.nmae }}", "unknown-variable", 4),
    "unclosed value": ("# T\n\nHi {{ learner.first_name", "unclosed-tag", 3),
    "unclosed if": ("# T\n\n{% if learner.first_name %}", "unclosed-tag", 3),
    "unclosed html": ("# T\n\n<div>x", "unclosed-tag", 3),
    "empty": ("", "empty-body", 1),
    "empty body": ("---\ntitle: A\n---\n\n", "empty-body", 4),
    "latin-1": ("# T\n\nGrüße".encode("latin-1"), "not-utf8", 3),
    "utf-16": ("# T\n\nHello".encode("utf-16"), "not-utf8", 1),
    "two megabytes": (b"# T\n\n" + b"word " * 400_000, "too-large", 1),
    "dense": ("# T\n\n" + "[" * 5000, "too-dense", 3),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_lesson_waits_and_the_others_go_out(folder: Path, kind: str) -> None:
    content, rule, line = BROKEN[kind]
    make(folder, THREE | {"2-two.md": content})
    course = load_course(folder)
    assert states(course) == {"one": "published", "two": "broken", "three": "published"}
    assert list(course.lessons) == ["one", "three"]
    assert course.total == 3
    finding = the(course, rule)
    assert (finding.level, finding.line) == ("error", line)
    assert finding.path.endswith("2-two.md")
    assert len(finding.message) > 30


def test_the_size_is_named_and_a_huge_file_is_not_read(folder: Path) -> None:
    make(folder, THREE)
    with (folder / "2-two.md").open("wb") as stream:
        stream.truncate(2_000_000_000)
    tracemalloc.start()
    assert "2000.0 MB" in the(load_course(folder), "too-large").message
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()
    make(folder, {"2-two.md": "x" * MAX_LESSON})
    assert "too-large" not in rules(load_course(folder))
    make(folder, {"2-two.md": "x" * (MAX_LESSON + 1)})
    assert "1 MB" in the(load_course(folder), "too-large").message


def test_an_unreadable_file_is_a_finding(folder: Path) -> None:
    make(folder, THREE)
    (folder / "2-two.md").unlink()
    (folder / "2-two.md").symlink_to(folder / "gone.md")
    assert states(load_course(folder)) == {"one": "published", "three": "published"}
    (folder / "4-four.md").mkdir()
    assert len(load_course(folder).syllabus.lessons) == 2


def test_two_lessons_with_one_number_both_wait(folder: Path) -> None:
    make(folder, THREE | {"2-other.md": "x"})
    course = load_course(folder)
    assert states(course) == {
        "one": "published",
        "other": "broken",
        "two": "broken",
        "three": "published",
    }
    both = [f for f in course.findings if f.rule == "duplicate-number"]
    assert len(both) == 2
    assert {("`2-two.md`" in f.message, "`2-other.md`" in f.message) for f in both} == {
        (True, False),
        (False, True),
    }


def test_two_lessons_with_one_key_both_wait_and_keys_stay_unique(folder: Path) -> None:
    make(folder, THREE | {"4-one.md": "x"})
    course = load_course(folder)
    refs = course.syllabus.lessons
    assert len({ref.key for ref in refs}) == 4
    assert [r.readiness for r in refs] == [
        Readiness.BROKEN,
        Readiness.PUBLISHED,
        Readiness.PUBLISHED,
        Readiness.BROKEN,
    ]
    assert "`4-one.md`" in the(course, "duplicate-key").message


def test_an_alias_never_claims_another_lesson(folder: Path) -> None:
    make(folder, THREE | {"2-two.md": "---\naliases: [one, older, two]\n---\nx"})
    course = load_course(folder)
    assert course.syllabus.lessons[1].aliases == ("older",)
    assert the(course, "alias-taken").level == "warn"


def test_a_broken_letter_is_not_sent(folder: Path) -> None:
    make(folder, THREE | {"welcome.md": "{{ nope }}", "completed.md": "x"})
    course = load_course(folder)
    assert set(course.letters) == {"@completed"}
    assert (course.syllabus.has_welcome, course.syllabus.has_completed) == (False, True)


@pytest.mark.parametrize(
    ("outline", "line", "rule"),
    [
        ("title: A: b", 1, "front-matter"),
        ("title: T\nminutes: [20, 15]", 2, "bad-course"),
        ("title: T\nminutes: ten", 2, "bad-course"),
        ("title: T\ncadence: daily", 2, "front-matter"),
        ("title: T\ncadence: {hour: 25:00}", 2, "bad-course"),
        ("title: T\ncadence: {days: mon-someday}", 2, "bad-course"),
        ("title: T\ncadence: {every_days: 0}", 2, "front-matter"),
        ("title: T\ntimezone: Mars/Olympus", 2, "bad-course"),
        ("title: T\nfirst_lesson: soon", 2, "bad-course"),
        ("title: T {{ course.title }}", 1, "template-syntax"),
        (b"title: Gr\xfc\xdfe", 1, "not-utf8"),
        ("[]", 1, "front-matter"),
    ],
)
def test_nothing_is_sent_while_course_yaml_is_wrong(
    folder: Path, outline: str | bytes, line: int, rule: str
) -> None:
    make(folder, THREE | {"course.yaml": outline, "welcome.md": "x"})
    course = load_course(folder)
    finding = the(course, rule)
    assert finding.path.endswith("course.yaml")
    assert (finding.line, finding.level) == (line, "error")
    assert set(states(course).values()) == {"broken"}
    assert not course.letters


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ("daily", {0, 1, 2, 3, 4, 5, 6}),
        ("every day", {0, 1, 2, 3, 4, 5, 6}),
        ("weekdays", {0, 1, 2, 3, 4}),
        ("mon,wed,fri", {0, 2, 4}),
        ("[Monday, tuesday]", {0, 1}),
    ],
)
def test_days_are_written_as_people_say_them(folder: Path, days: str, expected: set[int]) -> None:
    value = days if days.startswith("[") else f'"{days}"'
    make(folder, THREE | {"course.yaml": f"title: T\ncadence: {{days: {value}, hour: 17:00}}\n"})
    course = load_course(folder)
    assert course.findings == ()
    assert course.syllabus.cadence.weekdays == expected
    assert course.syllabus.cadence.hour == time(17, 0)


def test_an_empty_course_yaml_is_enough(folder: Path) -> None:
    make(folder, THREE | {"course.yaml": ""})
    course = load_course(folder)
    assert (course.title, set(states(course).values())) == ("Testing", {"published"})
    assert rules(course) == {"no-title"}


def test_a_course_without_lessons_is_an_error(folder: Path) -> None:
    assert "`1-" in the(load_course(folder), "no-lessons").message


def test_the_version_follows_what_is_sent(folder: Path) -> None:
    make(folder, THREE)
    before = load_course(folder).version
    assert load_course(folder).version == before
    make(folder, {"2-two.md": "# Two\n\nOther words."})
    assert load_course(folder).version != before


# --- the catalog ---------------------------------------------------------------------------------


class Ticks:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_saved_file_is_noticed_within_two_seconds(folder: Path) -> None:
    make(folder, THREE)
    ticks = Ticks()
    catalog = Catalog(folder.parent, monotonic=ticks)
    assert catalog.courses()["testing"].total == 3
    make(folder, {"4-four.md": "x"})
    ticks.now += 1.9
    assert catalog.courses()["testing"].total == 3
    ticks.now += 0.2
    assert catalog.courses()["testing"].total == 4
    (folder / "4-four.md").unlink()
    catalog.refresh()
    assert catalog.courses()["testing"].total == 3


def test_a_lesson_broken_while_the_site_runs_stops_going_out_and_comes_back(folder: Path) -> None:
    make(folder, THREE)
    catalog = Catalog(folder.parent)
    assert "two" in catalog.courses()["testing"].lessons
    make(folder, {"2-two.md": "{{ nope }}"})
    catalog.refresh()
    syllabus = catalog.syllabus("testing")
    assert syllabus is not None
    assert syllabus.lessons[1].readiness is Readiness.BROKEN
    assert [f.rule for f in catalog.findings] == ["unknown-variable"]
    make(folder, {"2-two.md": "# Two\n\nWords."})
    catalog.refresh()
    assert "two" in catalog.courses()["testing"].lessons


def test_an_unchanged_course_is_the_same_object_and_only_changed_files_are_read_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(folder, THREE)
    catalog = Catalog(folder.parent)
    first = catalog.courses()["testing"]
    catalog.refresh()
    assert catalog.courses()["testing"] is first
    read: list[str] = []
    from course import lesson

    real = lesson.parse
    monkeypatch.setattr(
        lesson, "parse", lambda text, path, **kw: (read.append(path), real(text, path, **kw))[1]
    )
    make(folder, {"2-two.md": "# Two\n\nNew words."})
    catalog.refresh()
    assert [Path(p).name for p in read] == ["2-two.md"]


def test_an_edit_of_the_same_length_within_the_same_tick_is_noticed(folder: Path) -> None:
    make(folder, THREE)
    catalog = Catalog(folder.parent)
    before = catalog.courses()["testing"].lessons["two"].version
    file = folder / "2-two.md"
    stat = file.stat()
    file.write_text("# Two\n\nwordS.")
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    catalog.refresh()
    assert catalog.courses()["testing"].lessons["two"].version != before


def test_a_folder_without_course_yaml_is_pointed_out(folder: Path) -> None:
    make(folder, THREE)
    make(folder.parent / "other", {"a.md": "x"})
    make(folder.parent / "assets", {"a.png": b""})
    make(folder.parent / "_old", {"a.md": "x"})
    catalog = Catalog(folder.parent)
    assert list(catalog.courses()) == ["testing"]
    (finding,) = catalog.findings
    assert finding.path == shown(folder.parent / "other")
    assert "course.yaml" in finding.message


def test_a_missing_lessons_folder_is_an_empty_catalog(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path / "nowhere")
    assert catalog.courses() == {}
    assert catalog.course("x") is None
    assert catalog.syllabus("x") is None


def test_many_threads_may_ask_while_files_change(folder: Path) -> None:
    make(folder, THREE)
    catalog = Catalog(folder.parent)
    wrong: list[object] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            course = catalog.course("testing")
            if course is None or course.total not in {3, 4}:
                wrong.append(course)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    # They take turns a hundred times as often as usual: more of them in the middle of a refresh,
    # and none kept waiting for its own.
    usual = sys.getswitchinterval()
    sys.setswitchinterval(usual / 100)
    try:
        for thread in threads:
            thread.start()
        for _ in range(20):
            make(folder, {"4-four.md": "x"})
            catalog.refresh()
            (folder / "4-four.md").unlink()
            catalog.refresh()
    finally:
        done.set()
        for thread in threads:
            thread.join()
        sys.setswitchinterval(usual)
    assert wrong == []


def test_paths_are_shown_as_the_author_would_type_them(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(folder, {"1-a.md": "{{ x }}"})
    monkeypatch.chdir(folder.parent.parent)
    assert load_course(Path("lessons/testing")).findings[0].path == "lessons/testing/1-a.md"
    assert load_course(folder).findings[0].path == "lessons/testing/1-a.md"


# --- the end of a course -------------------------------------------------------------------------


def test_a_course_gives_certificates_unless_it_says_no(folder: Path) -> None:
    assert load_course(make(folder, THREE)).certificate
    make(folder, {"course.yaml": "title: Testing\ncertificate: no\n"})
    assert not load_course(folder).certificate
    make(folder, {"course.yaml": "title: Testing\ncertificate: maybe\n"})
    assert the(load_course(folder), "front-matter").level == "error"


def test_what_to_take_next_is_a_course_of_ours_or_one_elsewhere(folder: Path) -> None:
    make(folder.parent / "more", {"course.yaml": "title: More\n", "1-one.md": "# One\n\nWords."})
    text = "title: Testing\nnext:\n  - more\n  - {title: Elsewhere, url: https://example.org/x}\n"
    make(folder, THREE | {"course.yaml": text})
    catalog = Catalog(folder.parent)
    course = catalog.course("testing")
    assert course is not None
    assert course.findings == ()
    assert [(o.title, o.key, o.url) for o in catalog.after(course)] == [
        ("More", "more", ""),
        ("Elsewhere", "", "https://example.org/x"),
    ]


@pytest.mark.parametrize(
    ("item", "level", "words"),
    [
        ("gone", "warn", "no such course beside this one"),
        ("{title: Elsewhere}", "error", "`url` of `next` is missing"),
        ("{url: https://example.org}", "error", "`title` of `next` is missing"),
        ("{title: X, url: 'javascript:alert(1)'}", "error", "begins with https://"),
        ("[a, b]", "error", "a list of texts or groups"),
    ],
)
def test_a_wrong_next_is_named_with_its_cure(
    folder: Path, item: str, level: str, words: str
) -> None:
    make(folder, THREE | {"course.yaml": f"title: Testing\nnext:\n  - {item}\n"})
    catalog = Catalog(folder.parent)
    course = catalog.course("testing")
    assert course is not None
    [finding] = course.findings
    assert (finding.level, finding.line) == (level, 3 if level == "error" else 2)
    assert words in finding.message
    assert catalog.after(course) == ()
