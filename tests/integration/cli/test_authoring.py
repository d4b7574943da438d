"""init, new, check, send and preview: from an empty folder to a lesson one has seen."""

from __future__ import annotations

import email
import email.policy
import re
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.request import urlopen

import pytest


def test_init_makes_a_project_that_works(tmp_path, monkeypatch, clean_env, project) -> None:
    answer = project.run("init", "mine")
    mine = tmp_path / "mine"
    assert {p.name for p in mine.iterdir()} == {"lessons", "templates", "config.yaml", ".gitignore"}
    assert "cd mine" in answer.err
    monkeypatch.chdir(mine)
    assert project.run("check").code == 0
    shown = {r["key"]: r["value"] for r in project.run("config", "show", "--json").json["settings"]}
    assert shown["lessons"] == str(mine / "lessons")
    assert shown["templates"] == str(mine / "templates")
    assert project.run("demo", "out", "--json").json["mails"] == 42


def test_init_overwrites_nothing(project) -> None:
    before = (project.folder / "config.yaml").read_text()
    answer = project.run("init", ".", ok=False)
    assert answer.code == 1
    assert "config.yaml" in answer.err
    assert (project.folder / "config.yaml").read_text() == before
    project.write("file", "")
    assert project.run("init", "file", ok=False).code == 1


@pytest.mark.parametrize(
    "name", ["The Next Step", "the-next-step", 'Über: "alles" {{ x }}', "4-four.md"]
)
def test_a_new_lesson_passes_the_strictest_check_and_is_a_draft(project, name) -> None:
    made = project.run("new", "lesson", name).out.strip()
    assert "/lessons/tiny/4-" in made
    assert project.run("check", made, "--strict").code == 0
    rows = {r["number"]: r for r in project.run("check", "--json").json["lessons"]}
    assert rows[4]["state"] == "draft"


def test_a_new_course_passes_the_strictest_check(project) -> None:
    made = project.run("new", "course", "Second Course").out.split()
    assert len(made) == 4
    assert project.run("check", "lessons/second-course", "--strict").code == 0
    # With two courses, a command that needs one asks which.
    assert "--course" in project.run("new", "lesson", "x", ok=False).err


def test_new_never_overwrites(project) -> None:
    answer = project.run("new", "lesson", "Two", ok=False)
    assert (answer.code, "already" in answer.err) == (1, True)
    assert project.run("new", "course", "tiny", ok=False).code == 1
    assert project.run("new", "lesson", "!!!", ok=False).code == 2


def test_check_tells_mistakes_with_their_place_and_exits_with_3(project) -> None:
    project.write("lessons/tiny/2-two.md", "---\ntitle: Two\n---\nHello {{ learner.nmae }}.\n")
    answer = project.run("check", ok=False)
    assert answer.code == 3
    assert re.search(r"lessons/tiny/2-two\.md:4:\d+ error \S+ ", answer.out)
    assert re.search(r"^ *1 +Lesson one +published", answer.out, re.MULTILINE)
    assert "Nothing was sent" in answer.err
    told = project.run("check", "--json", ok=False)
    assert told.code == 3
    (error,) = [f for f in told.json["findings"] if f["level"] == "error"]
    assert error["line"] == 4


def test_warnings_count_only_when_strict(project) -> None:
    file = project.folder / "lessons/tiny/1-one.md"
    file.write_text(re.sub("preheader: .*\n", "", file.read_text()))
    assert project.run("check").code == 0
    assert project.run("check", "--strict", ok=False).code == 3


def test_warnings_of_one_kind_are_told_once_a_file_and_errors_each_time(project) -> None:
    links = "".join(
        f"[a{n}](http://x{n}.example/) [b{n}](http://y{n}.example/)\n\n" for n in range(8)
    )
    project.write("lessons/tiny/4-links.md", f"# Links\n\n{links}![](a.png) ![](b.png)\n")
    answer = project.run("check", "lessons/tiny/4-links.md", ok=False)
    lines = [line for line in answer.out.split("\n") if " http-link " in line]
    [line] = lines
    assert line.startswith("lessons/tiny/4-links.md:3:1 warn http-link http://x0.example/")
    assert line.endswith("(and 15 more like it: lines 3, 5, 7, 9, 11, …)")
    assert answer.out.count(" error alt-text ") == 2
    assert "more like it" not in "".join(x for x in answer.out.split("\n") if " error " in x)
    found = project.run("check", "--json", ok=False).json["findings"]
    assert sum(f["rule"] == "http-link" for f in found) == 16


def test_check_looks_at_what_it_is_given(project) -> None:
    project.write("lessons/tiny/2-two.md", "---\ntitle: [\n---\n")
    assert project.run("check", "lessons/tiny/1-one.md").code == 0
    assert project.run("check", "lessons/tiny/2-two.md", ok=False).code == 3
    assert project.run("check", "lessons/none.md", ok=False).code == 2


class _Site(BaseHTTPRequestHandler):
    """A site with one page, one that is gone, one that turns programs away."""

    def do_HEAD(self) -> None:
        self.send_response({"/here": 200, "/no-head": 501, "/shy": 403}.get(self.path, 404))
        self.end_headers()

    def do_GET(self) -> None:
        self.send_response({"/here": 200, "/no-head": 200, "/shy": 403}.get(self.path, 404))
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def test_links_are_tried_only_when_asked_and_told_as_they_are(project) -> None:
    site = ThreadingHTTPServer(("127.0.0.1", 0), _Site)
    threading.Thread(target=site.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{site.server_address[1]}"
    file = project.folder / "lessons/tiny/1-one.md"
    links = " ".join(f"[the {p} page]({base}/{p})" for p in ("here", "gone", "shy", "no-head"))
    file.write_text(file.read_text() + f"\n{links}\n")
    try:
        offline = project.run("check", "--json").json
        online = project.run("check", "--links", "--json")
    finally:
        site.shutdown()
        site.server_close()
    assert not [f for f in offline["findings"] if f["rule"] == "dead-link"]
    (dead,) = [f for f in online.json["findings"] if f["rule"] == "dead-link"]
    assert f"{base}/gone" in dead["message"]
    assert "404" in dead["message"]
    assert f"{base}/shy answers 403 to programs" in online.err
    # And when nobody answers at all:
    away = project.run("check", "--links", "--json").json
    assert len([f for f in away["findings"] if f["rule"] == "dead-link"]) == 4


@pytest.mark.parametrize(
    ("lesson", "subject"),
    [("two", "Day 2 two"), ("2", "Day 2 two"), ("2-two.md", "Day 2 two"), ("welcome", "welcome")],
)
def test_send_sends_one_marked_copy_and_touches_nobody(project, lesson, subject) -> None:
    answer = project.run("send", lesson, "--to", "me@example.org")
    assert "var/outbox" in answer.out
    (file,) = project.mails()
    mail = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
    assert mail["Subject"].startswith("[TEST]")
    assert subject in mail["Subject"]
    assert mail["To"].addresses[0].addr_spec == "me@example.org"
    assert project.run("export", "all").json == {"learners": [], "deliveries": []}


def test_send_says_which_lessons_there_are(project) -> None:
    answer = project.run("send", "twoo", "--to", "me@example.org", ok=False)
    assert (answer.code, "Did you mean two?" in answer.err) == (2, True)
    assert "one, two, three" in project.run("send", "zzz", "--to", "me@example.org", ok=False).err
    assert project.run("send", "two", "--to", "nobody", ok=False).code == 2
    assert project.mails() == []


def test_lessons_that_name_a_course_itself_are_told_to_name_its_parent(project) -> None:
    tiny = project.folder / "lessons" / "tiny"
    project.write("config.yaml", "lessons: lessons/tiny\n")
    answer = project.run("send", "welcome", "--to", "a@example.org", ok=False)
    assert answer.code == 2
    assert f"LESSONS={tiny.parent}" in answer.err


def test_send_to_a_provider_that_is_away_is_exit_code_69(project) -> None:
    answer = project.real(
        "send", "two", "--to", "me@example.org",
        DELIVERY="smtp", SMTP_URL="smtp://127.0.0.1:9", SECRET_KEY="x" * 20,
        EMAIL_FROM="school@school.example.net", POSTAL_ADDRESS="Here 1",
    )  # fmt: skip
    assert answer.code == 69, answer
    assert "Not sent" in answer.err


def test_preview_shows_each_mail_and_follows_a_save(project) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "course", "preview", "--port", "0", "--no-browser"],
        cwd=project.folder,
        env=project.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        base = process.stdout.readline().split()[-1]

        def page(path: str) -> str:
            with urlopen(base + path, timeout=10) as answer:
                return str(answer.read().decode())

        assert "Lesson two" in page("")
        assert "Day 2 two" in page("tiny/two")
        assert "this is the lesson called two" in page("tiny/two?as=mail")
        assert "this is the lesson called two" in page("tiny/two?as=text")
        with urlopen(base + "events", timeout=30) as events:
            time.sleep(1.0)  # the watcher has to be up before it can see a save
            file = project.folder / "lessons/tiny/2-two.md"
            file.write_text(file.read_text().replace("called two", "called zwei"))
            while (line := events.readline()) != b"data: saved\n":
                assert line
        assert "this is the lesson called zwei" in page("tiny/two?as=mail")
        file.write_text("---\ntitle: [\n---\n")  # half-written: told, never the end
        deadline = time.monotonic() + 10
        while "two.md" not in (told := page("")) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert "error" in told
        assert "two.md" in page("tiny/two")
        assert process.poll() is None
    finally:
        process.terminate()
        process.communicate(timeout=10)
