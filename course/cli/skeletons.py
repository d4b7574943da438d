"""Writes the first lines of a new lesson or course. Overwrites nothing."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from course.source.names import parse_name, readable, slugify

if TYPE_CHECKING:
    from course.catalog import Course

#: New lessons are drafts: nobody is sent a skeleton.
_LESSON = """\
---
title: {title}
preheader: One sentence that makes people open this mail, in 40 to 110 characters.
draft: true          # remove this line when the lesson is ready to be sent
minutes: {minutes}          # remove this line to have the minutes counted
objective: What the learner can do after this lesson, in one sentence.
idea: >-
  The one idea of the day, in one or two sentences.
action:
  do: "**Write** one line about what you will try today."
  minutes: 3
tomorrow: What the next lesson brings.
---
Hello {{{{ learner.first_name or "there" }}}},

Tell the story of the idea here. Write as you would to one person.

## A heading that says what comes

- [ ] A first small step
- [ ] A second one

Then ask one question to think about.
"""

_WELCOME = """\
---
title: Welcome
subject: {subject}
preheader: What comes, when it comes, and how to stop it any day you like.
---
Hello {{{{ learner.first_name or "there" }}}},

your lessons come {{{{ learner.days }}}} at {{{{ learner.hour }}}}. You can
[change the hour or take a break]({{{{ url.manage }}}}) at any time.
"""

_COMPLETED = """\
---
title: You did it
subject: {subject}
preheader: All lessons are behind you. Here is what you did, and where to find them again.
show_done: true
---
Well done, {{{{ learner.first_name or "learner" }}}}!

All lessons stay on [your own page]({{{{ url.learn }}}}).
"""

_COURSE = """\
title: {title}
tagline: One sentence for the signup page that says who this is for.
description: >-
  Two or three sentences about what people get, how long it takes and what they have at the end.
language: en
minutes: [5, 20]          # how long a lesson should take, for `course check`
cadence: {{every_days: 1, days: daily, hour: "07:00"}}
first_lesson: at_once     # or next_slot
outcomes:
  - The first thing learners will have by the end
"""


def add_lesson(course: Course, name: str) -> Path:
    """A numbered file after the last lesson of the course."""
    slug, title = _named(name)
    if slug in {ref.key for ref in course.syllabus.lessons}:
        raise click.ClickException(
            f"{course.key} has a lesson with the key {slug!r} already. Choose another name."
        )
    numbers = [parse_name(file.name).number or 0 for file in course.folder.glob("*.md")]
    number = max([*numbers, len(course.syllabus.lessons)]) + 1
    wide = [file.name for file in course.folder.glob("0[0-9]*.md")]
    file = course.folder / f"{f'{number:02}' if wide else number}-{slug}.md"
    return _write(file, _LESSON.format(title=json.dumps(title), minutes=course.minutes[0]))


def add_course(lessons: Path, name: str) -> list[Path]:
    """A folder with course.yaml, one lesson, welcome and completed."""
    slug, title = _named(name)
    folder = lessons / slug
    if folder.exists():
        raise click.ClickException(f"{folder} exists already. Choose another name.")
    folder.mkdir(parents=True)
    return [
        _write(folder / "course.yaml", _COURSE.format(title=json.dumps(title))),
        _write(
            folder / "welcome.md",
            _WELCOME.format(subject=json.dumps(f"Welcome to {title}"[:60], ensure_ascii=False)),
        ),
        _write(
            folder / "1-a-first-lesson.md",
            _LESSON.format(title=json.dumps("A first lesson"), minutes=5),
        ),
        _write(
            folder / "completed.md",
            _COMPLETED.format(subject=json.dumps(f"You finished {title}"[:60], ensure_ascii=False)),
        ),
    ]


def _named(name: str) -> tuple[str, str]:
    """Key and title of what somebody called `The Manager Effect`, `my-lesson` or `3-names.md`."""
    name = re.sub(r"[{}]", "", name)  # a title is a template too: braces would be values
    slug = parse_name(name).slug or slugify(name)
    if not slug or not any(letter.isalnum() for letter in slug):
        raise click.BadParameter(f"{name!r} has no letters to make a file name of")
    if len(slug) > 80:
        raise click.BadParameter("choose a name of at most 80 letters")
    title = name.strip() if " " in name.strip() else readable(slug)
    return slug, title


def _write(file: Path, text: str) -> Path:
    try:
        with file.open("x", encoding="utf-8", newline="\n") as out:
            out.write(text)
    except FileExistsError:
        raise click.ClickException(f"{file} exists already. Choose another name.") from None
    return file
