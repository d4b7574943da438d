"""What the tests of a learner's own page do and see: its forms, and what was kept of them."""

from __future__ import annotations

import re
from html import unescape

from sqlalchemy import select

from scheduler.store import ledger, notes, ticks
from scheduler.store.tables import enrollments
from tests.little_school import COURSE

CHECKLIST = """\
checklist:
  - {for: Manager, do: "**Ask** one person, {{ learner.first_name }}.", later: true}
  - {for: Employee, do: Thank a reader., minutes: 4}
  - {for: All, do: Count your words.}
"""
NOTES = """\
notes_title: Your plan
notes:
  - {id: line-1, ask: First line, hint: "If …, then …", by: true}
  - {id: line-2, ask: Second line, lines: 5}
"""


def rewrite(school, number: int, front: str = "", **swaps: str) -> None:
    """Put keys into a lesson's front matter, and other words into its text."""
    file = next((school.settings.lessons / COURSE).glob(f"{number}-*.md"))
    text = file.read_text("utf-8").replace("---\n", f"---\n{front}", 1)
    for old, new in swaps.items():
        text = text.replace(old, new)
    file.write_text(text, "utf-8")
    school.catalog.refresh()


def boxes(page: str, key: str = "short-sentences") -> dict[str, tuple[str, bool]]:
    """Of one lesson's form: words -> (item, ticked), as a reader sees them."""
    form = re.search(rf'<form class="steps"[^>]*/ticks/{key}".*?</form>', page, re.DOTALL)
    assert form, f"no checklist of {key}"
    found = re.findall(
        r'<label[^>]*><input type="checkbox" name="ticked" value="([^"]*)"( checked)?[^>]*>'
        r"<span>(.*?)</span>\s*</label>|<label[^>]*><input",
        form[0],
        re.DOTALL,
    )
    return {
        unescape(re.sub(r"<[^>]*>", "", words)).strip(): (item, bool(checked))
        for item, checked, words in found
    }


def was(page: str, key: str = "short-sentences") -> str:
    found = re.search(rf'/ticks/{key}".*?name="was" value="([^"]*)"', page, re.DOTALL)
    assert found
    return found[1]


def save(browser, link: str, *items: str, key: str = "short-sentences", **more: str):
    """What the form of a page opened just now sends with these boxes ticked."""
    before = was(browser.get(link).text, key)
    return browser.post(f"{link}/ticks/{key}", was=before, ticked=list(items), **more)


def ticked(school, run: int) -> set[str]:
    with school.db.read() as tx:
        return {tick.item for tick in ticks.ticks_of(tx, run)}


def written(school, run: int) -> dict[tuple[str, str], str]:
    with school.db.read() as tx:
        return {(n.lesson_key, n.item): n.text for n in notes.notes_of(tx, run)}


def visited_at(school, run: int):
    with school.db.read() as tx:
        column = enrollments.c
        return tx.execute(select(column.visited_at).where(column.id == run)).scalar_one()


def delivery(school, run: int, key: str) -> str:
    with school.db.read() as tx:
        return next(d.id for d in ledger.deliveries_of(tx, run) if d.key == key)


def fill(browser, link: str, **fields: str):
    """What the form sends, in the shape it sends it; `line_1_by` is the date of `line-1`."""
    parts = {
        f"note.{name.replace('_by', ':by').replace('_', '-')}": (None, text.encode())
        for name, text in fields.items()
    }
    return browser.client.post(f"{link}/notes/short-sentences", files=parts)


def field(page: str, name: str) -> str:
    area = re.search(rf'name="note\.{name}"[^>]*>\n?(.*?)</textarea>', page, re.DOTALL)
    assert area
    return unescape(area[1])
