"""Turns each field of a document into marked HTML and marked plain text.

Plain data for the templates: `{"html": ..., "text": ...}`. It refuses to lay anything out, and
to know what a learner is called: values stay marks.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from markupsafe import Markup, escape

from course import markup
from course.language import Language
from course.mail.holes import Marks
from course.mail.mime import clean
from course.rendering import htmltree

#: Characters of a preheader taken from the text: no fewer, no more.
_OPENING, _PREHEADER = 40, 110
_TAG = re.compile(r"<[A-Za-z][^\"'<>]*(?:\"[^\"]*\"[^\"'<>]*)*>")
_RELATIVE = re.compile(r'(\s(?:src|href)=")(?![a-zA-Z][a-zA-Z0-9+.-]*:|#|zq[0-9a-f]{10}n)([^"]+)"')
#: A list of tasks has marks of its own and needs no bullets.
_TASKS = re.compile(r'<ul>(\s*<li>(?:\s*<p>)?\s*<span role="img" aria-label="[^"]*">[☐☑]</span>)')


@dataclass(frozen=True, slots=True)
class Words:
    """Turns an author's texts into marked HTML and marked plain text.

    `assets` is where the course's own files are served, with a slash at the end; `language` is
    that of the sentences around an author's own.
    """

    marks: Marks
    assets: str
    language: Language

    def rich(self, source: str) -> dict[str, str]:
        """A field with inline Markdown."""
        if not source:
            return {"html": "", "text": ""}
        html = self.marks.hide(markup.inline(source))
        return {"html": trusted(self._absolute(html)), "text": self._text(html)}

    def prose(self, source: str) -> dict[str, str]:
        """A body of Markdown."""
        html = _TASKS.sub(
            r'<ul class="tasks">\1', self.marks.hide(markup.to_html(source, self.language))
        )
        return {"html": trusted(self._absolute(html)), "text": self._text(html)}

    def before_first_heading(self, source: str) -> tuple[dict[str, str], dict[str, str]]:
        """A body of Markdown in two: what stands before its first heading, and the rest.

        All of it comes first where the first heading stands inside something else.
        """
        html = _TASKS.sub(r'<ul class="tasks">\1', self.marks.hide(markup.to_html(source)))
        cut = html.find("<h2")
        lead = html if cut < 0 or _holds_open(html[:cut]) else html[:cut]
        first, second = (
            {"html": trusted(self._absolute(half)), "text": self._text(half)}
            for half in (lead, html[len(lead) :])
        )
        return first, second

    def plain(self, source: str) -> dict[str, str]:
        """A field that is not Markdown: subject and preheader."""
        return self.as_is(self.marks.hide(markup.plain(source)))

    def as_is(self, text: str) -> dict[str, str]:
        """Text that holds no tags, or only marks."""
        text = clean(text)
        return {"html": escape(text), "text": text}

    def address(self, url: str) -> str:
        """An address, which may begin with one of the url values."""
        return self.marks.hide(url)

    def _absolute(self, html: str) -> str:
        def absolute(found: re.Match[str]) -> str:
            if found[2].startswith("//"):  # a page has a scheme to go on with, a mail has none
                return f'{found[1]}https:{found[2]}"'
            return f'{found[1]}{self.assets}{found[2].removeprefix("./")}"'

        return _TAG.sub(lambda tag: _RELATIVE.sub(absolute, tag[0]), html)

    def _text(self, html: str) -> str:
        return markup.to_text(self._absolute(html)).strip("\n")


def _holds_open(html: str) -> bool:
    """Is an element begun here that does not end here?"""
    return any(
        html.count(f"<{tag}") != html.count(f"</{tag}") for tag in ("blockquote", "li", "td", "div")
    )


def lesson_fields(fields: Mapping[str, Any], words: Words) -> dict[str, Any]:
    """What the templates know as `lesson`."""
    rich = words.rich
    resources = [
        {
            "kind": item["kind"], "minutes": item["minutes"], "core": item["core"],
            "title": rich(item["title"]), "by": rich(item["by"]), "why": rich(item["why"]),
            "url": words.address(item["url"]), "transcript": words.address(item["transcript"]),
        }
        for item in fields["resources"]
    ]  # fmt: skip
    recall, action = fields["recall"], fields["action"]
    return {
        "key": fields["key"],
        "number": fields["number"],
        "minutes": fields["minutes"],
        "quiz_minutes": fields["quiz_minutes"],
        "title": rich(fields["title"]),
        "idea": rich(fields["idea"]),
        "short": rich(fields["short"]),
        "reply": rich(fields["reply"]),
        "tomorrow": rich(fields["tomorrow"]),
        "body": words.prose(fields["body"]),
        "recall": recall and {"ask": rich(recall["ask"]), "answer": rich(recall["answer"])},
        "action": action
        and {
            "do": rich(action["do"]), "plan": rich(action["plan"]), "minutes": action["minutes"],
        },
        "checklist": _checklist(fields["checklist"], words),
        "resources": resources,
        "core": [item for item in resources if item["core"]],
        "deeper": [item for item in resources if not item["core"]],
        "quiz": [
            {
                "ask": rich(question["ask"]),
                "options": [rich(option) for option in question["options"]],
                "answer": question["answer"],
                "why": rich(question["why"]),
            }
            for question in fields["quiz"]
        ],
        "sources": [
            {"text": rich(source["text"]), "url": words.address(source["url"])}
            for source in fields["sources"]
        ],
    }  # fmt: skip


def _checklist(items: list[dict[str, Any]], words: Words) -> list[dict[str, Any]]:
    """By role, in the order in which the roles first appear."""
    roles = list(dict.fromkeys(item["audience"] for item in items))
    ordered = sorted(items, key=lambda item: roles.index(item["audience"]))
    groups = []
    gettext = words.language.gettext
    for role, members in groupby(ordered, key=lambda item: str(item["audience"])):
        entries = []
        for item in members:
            notes = [gettext("%(minutes)s min", minutes=item["minutes"]) if item["minutes"] else ""]
            notes.append(gettext("later this week") if item["later"] else "")
            note = ", ".join(filter(None, notes))
            entries.append(words.rich(item["text"]) | {"note": note, "starred": item["starred"]})
        # One role for everybody needs no heading.
        heading = "" if len(roles) == 1 and role in ("All", "") else role
        groups.append({"for_whom": heading, "entries": entries})
    return groups


def opening(lesson: Mapping[str, Any], marks: Marks) -> str:
    """The first sentences of the mail, for the inbox list, when the author wrote no preheader.

    Prose only: lists, tables, code and quotes make no sentence when they are run together.
    """
    body = [e for e in htmltree.read(str(lesson["body"]["html"])).elements() if e.tag == "p"]
    for paragraph in [lesson["idea"]["text"], *(p.text() for p in body)]:
        line = clean(paragraph)
        if len(line) >= _OPENING and marks.prefix not in line:
            return textwrap.shorten(line, _PREHEADER, placeholder="…")
    return ""


def trusted(html: str) -> Markup:
    """HTML that `markup` has sanitised, or our own stylesheet; no learner is in it yet."""
    return Markup(html)  # noqa: S704
