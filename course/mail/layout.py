"""Puts a document into the layout: an HTML mail with styles inline, a text twin, a web page.

Everything it makes still has marks where a learner's values go. It refuses remote stylesheets,
names the templates do not know, and to look at learners at all.
"""

from __future__ import annotations

import os
import re
import textwrap
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import css_inline
from jinja2 import FileSystemLoader, StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from course.errors import CourseError
from course.language import N_, Language, Languages, direction
from course.mail.document import Document, tasks_in
from course.mail.holes import Marks
from course.mail.marked import Words, lesson_fields, opening, trusted
from course.paths import template_folders

_URLS = ("read", "learn", "plan", "certificate", "manage", "leave", "done", "confirm", "move")
_PERSON = ("first_name", "hour", "days", "address", "asked_at", "new_address", "code")
_TEXT_WIDTH = 72
#: Where a lesson's or letter's own text stands.
_BODIES = ("body", "lead", "rest")
#: Lessons in a list of what was done; of a longer course only the sum is said.
_MOST_ROWS = 30

_PRE = re.compile(r"(<pre\b.*?</pre>)", re.DOTALL | re.IGNORECASE)
_TAG = re.compile(r"<[A-Za-z][^\"'<>]*(?:\"[^\"]*\"[^\"'<>]*)*>")
_CLASS = re.compile(r'\s+class="([^"]*)"')
#: Gmail clips a mail with C1 in it; the rest of these have no meaning in text.
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


@dataclass(frozen=True, slots=True)
class Draft:
    """A mail with marks where a learner's values go."""

    subject: str
    html: str
    text: str


@dataclass(frozen=True, slots=True)
class Imprint:
    """What the foot of every mail says about who sends it."""

    organisation: str
    postal_address: str
    privacy_url: str = ""


class Layout:
    """The templates of one folder. Templates are read again when their file changes."""

    def __init__(self, templates: Path, base_url: str, imprint: Imprint) -> None:
        self._folder = templates / "email"
        self._base_url = base_url.rstrip("/")
        self._imprint = imprint
        #: The languages that the sentences around a lesson can be written in.
        self.languages = Languages(template_folders(templates))
        self._environments: dict[tuple[str, bool], ImmutableSandboxedEnvironment] = {}

    def mail(self, document: Document, marks: Marks) -> Draft:
        """Raises CourseError for content that cannot become a mail."""
        view = self._view(document, marks)
        page = self._rendered("html", f"{document['kind']}.html", view)
        html = _lighter(self._inlined(page, view), self._adapt)
        return Draft(view["subject"]["text"], html, self._written(document, view, marks))

    def page(self, document: Document, marks: Marks) -> str:
        """The same as a web page with the answers shown. Raises CourseError."""
        if "lesson" not in document or document["kind"] == "nudge":
            raise CourseError(
                "this letter is not kept for reading: open the learner's page instead"
            )
        view = self._view(document, marks)
        css = self._rendered("text", "mail.css", view) + self._adapt
        css += self._rendered("text", "online.css", view)
        return _CONTROLS.sub(
            "", self._rendered("html", "online.html", view | {"css": trusted(css)})
        )

    def fingerprint(self) -> tuple[int, ...]:
        """Changes when a template does."""
        try:
            with os.scandir(self._folder) as files:
                stats = sorted((file.name, file.stat()) for file in files)
        except OSError:  # said in words when a mail is made
            return ()
        return tuple(figure for _, stat in stats for figure in (stat.st_mtime_ns, stat.st_size))

    @property
    def _adapt(self) -> str:
        css = (self._folder / "adapt.css").read_text(encoding="utf-8")
        return re.sub(r"\s+", " ", re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)).strip()

    def _inlined(self, page: str, view: Mapping[str, Any]) -> str:
        css = self._rendered("text", "mail.css", view)
        inliner = css_inline.CSSInliner(load_remote_stylesheets=False, extra_css=css)
        try:
            return str(inliner.inline(page))
        except css_inline.InlineError as wrong:
            raise CourseError(f"templates/email/mail.css cannot be laid in: {wrong}") from None

    def _written(self, document: Document, view: Mapping[str, Any], marks: Marks) -> str:
        # The body stays out of the tidying: code in it keeps its empty lines and its spaces.
        slots = {name: f"{marks.prefix}{name}" for name in _BODIES if "lesson" in view}
        lesson = view.get("lesson", {})
        if slots:
            view = {
                **view,
                "lesson": lesson
                | {n: {"text": slot if lesson[n]["text"] else ""} for n, slot in slots.items()},
            }
        text = self._rendered("text", f"{document['kind']}.txt", view)
        text = re.sub(r"[ \t]+\n", "\n", text)
        text = re.sub(r"\n{4,}", "\n\n\n", text).strip() + "\n"
        for name, slot in slots.items():
            text = text.replace(slot, lesson[name]["text"].strip("\n"))
        return _CONTROLS.sub("", text)

    def _rendered(self, kind: Literal["html", "text"], name: str, view: Mapping[str, Any]) -> str:
        environment = self._environment(self.languages.of(view["lang"]), html=kind == "html")
        try:
            return environment.get_template(name).render(view)
        except TemplateError as wrong:
            raise CourseError(f"templates/email/{name} cannot be used: {wrong}") from wrong

    def _environment(self, language: Language, *, html: bool) -> ImmutableSandboxedEnvironment:
        """Sentences are put into a template when it is compiled: one for each language."""
        which = (language.tag, html)
        if which not in self._environments:
            self._environments[which] = _environment(self._folder, language, autoescape=html)
        return self._environments[which]

    def _view(self, document: Document, marks: Marks) -> dict[str, Any]:
        """Plain data for the templates: texts come as {"html": ..., "text": ...}."""
        tag = document["language"] or "en"
        language, rtl = self.languages.of(tag), direction(tag) == "rtl"
        assets = f"{self._base_url}/assets/{quote(document['course']['key'])}/"
        words = Words(marks, assets, language)
        view: dict[str, Any] = {
            "kind": document["kind"],
            "lang": tag,
            "dir": "rtl" if rtl else "ltr",
            "start": "right" if rtl else "left",
            "course": document["course"],
            "sender": asdict(self._imprint),
            "privacy_url": self._imprint.privacy_url,
            "url": {name: marks.name(f"url.{name}") for name in _URLS},
            "learner": {name: marks.name(f"learner.{name}") for name in _PERSON},
        }
        view["deeds"] = _deeds(document, words)
        view["next"] = [
            {
                "title": words.as_is(offer["title"]),
                "url": offer["url"] or f"{self._base_url}/courses/{quote(offer['key'])}",
            }
            for offer in document.get("next", ())
        ]
        if "lesson" in document:
            view["lesson"] = lesson = lesson_fields(document["lesson"], words)
            # The list of what was done stands before the first heading of its letter.
            lesson["lead"], lesson["rest"] = (
                words.before_first_heading(document["lesson"]["body"])
                if view["deeds"]
                else (lesson["body"], {"html": "", "text": ""})
            )
            own = document["lesson"]
            if document["kind"] == "nudge":
                view["turn"] = document["turn"]
                subject = language.gettext(N_("In five minutes: %(lesson)s"), lesson=own["title"])
                own = own | {"subject": subject}
            view["subject"] = words.plain(own["subject"])
            view["preheader"] = words.plain(own["preheader"])
            if not view["preheader"]["text"]:
                view["preheader"] = words.as_is(
                    opening(lesson, marks)
                    or f"{lesson['title']['text']} · {document['course']['title']}"
                )
        else:
            subject, preheader = _NOTICES[document["kind"]]
            title = document["course"]["title"]
            view["subject"] = words.as_is(language.gettext(subject, course=title))
            view["preheader"] = words.as_is(language.gettext(preheader))
        return view


def _deeds(document: Document, words: Words) -> dict[str, Any] | None:
    """The list of what was done: its sentences stand in the templates, between these marks."""
    if "deeds" not in document:
        return None
    tag, value = words.marks.tag, words.marks.name
    rows = [
        {
            "number": task.number,
            "leaves": words.rich(task.leaves),
            "if_done": tag(f"{{% if deeds.done_{task.number} %}}"),
            "done_on": value(f"deeds.done_{task.number}"),
            "if_passed": tag(f"{{% elif deeds.passed_{task.number} %}}"),
            "if_sent": tag(f"{{% elif deeds.sent_{task.number} %}}"),
        }
        for task in tasks_in(document)
        if task.asks
    ]
    return {
        # The list of a very long course would be too much for a provider that fills in holes.
        "rows": rows if len(rows) <= _MOST_ROWS else [],
        "certificate": document["deeds"]["certificate"],
        "count": value("deeds.count"),
        "total": value("deeds.total"),
        "if_finished": tag("{% if deeds.finished %}"),
        "otherwise": tag("{% else %}"),
        "end": tag("{% endif %}"),
    }


#: Subject, and what the inbox shows beside it.
_NOTICES = {
    "confirm": (
        N_("Please confirm: %(course)s"),
        N_("One button, and your course can begin. Nothing is sent before it."),
    ),
    "links": (
        N_("Your links: %(course)s"),
        N_("Your place is kept. Here is the way to your page."),
    ),
    "address": (
        N_("Please confirm your new address: %(course)s"),
        N_("One button, and your course comes here. Nothing changes before it."),
    ),
    "moved": (
        N_("Your address was changed: %(course)s"),
        N_("Your course goes to another address now. Was it not you? Take it back here."),
    ),
    "taken": (
        N_("About a change of address: %(course)s"),
        N_("This address has a place of its own here. Nothing has changed."),
    ),
}


def wrap(text: str, indent: str = "") -> str:
    """Lines of at most 72 characters; addresses stay whole. `indent` goes before the later ones."""
    return textwrap.fill(
        str(text), _TEXT_WIDTH, subsequent_indent=indent, break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip


def _environment(
    folder: Path, language: Language, *, autoescape: bool
) -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        loader=FileSystemLoader(folder),
        autoescape=autoescape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    # A sentence may run over several lines of a template; to a translator it is one.
    environment.policies["ext.i18n.trimmed"] = True
    environment.install_gettext_translations(  # type: ignore[attr-defined]
        language.translations, newstyle=True
    )
    environment.filters["kind"] = lambda kind: language.gettext(kind) if kind else ""
    if not autoescape:
        environment.filters["wrap"] = wrap
    return environment


def _lighter(html: str, adapt: str) -> str:
    """Without classes that nothing refers to, and without the indentation of the templates."""
    kept = set(re.findall(r"\.([a-z][a-z-]*)", adapt))

    def thinned(tag: re.Match[str]) -> str:
        return _CLASS.sub(_only(kept), tag[0])

    html = _TAG.sub(thinned, html)
    html = html.replace("</head>", f"<style>{adapt}</style>\n</head>", 1)
    pieces = _PRE.split(html)
    pieces[::2] = [re.sub(r"[ \t]*\n\s*", "\n", piece) for piece in pieces[::2]]
    return _CONTROLS.sub("", "".join(pieces)).strip() + "\n"


def _only(kept: set[str]) -> Any:
    def replaced(found: re.Match[str]) -> str:
        names = " ".join(name for name in found[1].split() if name in kept)
        return f' class="{names}"' if names else ""

    return replaced
