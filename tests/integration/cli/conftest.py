"""A small project of its own for each test, and the real command run in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from course.settings.keys import BY_ENV
from tests.new_database import new_sqlite

ROOT = Path(__file__).resolve().parents[3]

COURSE_YAML = """\
title: Tiny
tagline: A small course.
language: en
minutes: [1, 20]
cadence: {every_days: 1, days: daily, hour: "07:00"}
"""

LESSON = """\
---
title: Lesson {word}
subject: Day {number} {word}
preheader: What the lesson {word} brings, in one sentence that is long enough.
action:
  do: "**Write** one line."
  minutes: 3
---
Hello {{{{ learner.first_name or "there" }}}}, this is the lesson called {word}.

## Why

It has a [link to the page]({{{{ url.learn }}}}) and a few words.
"""

LETTER = """\
---
title: {word}
subject: {word} to Tiny
preheader: A letter that is not a lesson, in one sentence that is long enough.
---
Hello {{{{ learner.first_name or "there" }}}}.
"""


@dataclass
class Answer:
    """What a command came to."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Project:
    """A folder with a config and lessons; `run` calls the command in it."""

    folder: Path

    def run(self, *args: str, ok: bool = True, text: str | None = None, **env: str) -> Answer:
        """In this process, as `course ARGS` would with these in its environment."""
        from course.cli.main import cli

        result = CliRunner(env=env).invoke(cli, list(args), prog_name="course", input=text)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        answer = Answer(result.exit_code, result.stdout, result.stderr)
        if ok:
            assert answer.code == 0, f"{args}: {answer}"
        return answer

    def tried(self, *args: str, **env: str) -> Answer:
        """The same, whatever it comes to."""
        return self.run(*args, ok=False, **env)

    def real(self, *args: str, **env: str) -> Answer:
        """In a process of its own, as an operator's shell would: for what a process shows."""
        done = subprocess.run(
            [sys.executable, "-m", "course", *args],
            cwd=self.folder,
            env=self.environment(**env),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Answer(done.returncode, done.stdout, done.stderr)

    @staticmethod
    def environment(**extra: str) -> dict[str, str]:
        """What a shell would hand on, with this checkout on the path."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        return {**kept, "PYTHONPATH": str(ROOT), **extra}

    def write(self, name: str, text: str) -> Path:
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    def mails(self) -> list[Path]:
        return sorted((self.folder / "var" / "outbox").glob("*.eml"))


@pytest.fixture
def clean_env(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in BY_ENV:
        for spelling in (name, f"{name}_FILE", f"COURSE_{name}", f"COURSE_{name}_FILE"):
            monkeypatch.delenv(spelling, raising=False)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clean_env: None) -> Project:
    made = Project(tmp_path)
    made.write("config.yaml", "lessons: lessons\n")
    made.write("lessons/tiny/course.yaml", COURSE_YAML)
    for number, word in enumerate(("one", "two", "three"), 1):
        made.write(f"lessons/tiny/{number}-{word}.md", LESSON.format(number=number, word=word))
    for word in ("welcome", "completed"):
        made.write(f"lessons/tiny/{word}.md", LETTER.format(word=word))
    monkeypatch.chdir(tmp_path)
    return made


@pytest.fixture
def enroll(project: Project) -> Callable[..., Answer]:
    file = project.folder / "var" / "course.db"
    file.parent.mkdir(exist_ok=True)
    new_sqlite(file)

    def enroll(*addresses: str, **options: str) -> Answer:
        given = {"consent": "asked in person", "hour": "07:00", **options}
        flags = [f"--{name}={value}" for name, value in given.items()]
        return project.run("learners", "enroll", *addresses, *flags)

    return enroll
