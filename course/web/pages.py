"""Turns a template and its values into a page, in one language.

Refuses unknown names and unescaped values.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jinja2
from markupsafe import Markup
from starlette.responses import HTMLResponse, RedirectResponse

from course.catalog import Course
from course.language import Language, Languages, direction
from course.pace_words import DAY_NAMES, say_days
from course.web import words
from course.web.speaking import for_a_moment, may_choose, speak, speak_unless_asked, speaking
from scheduler.clock import Clock
from scheduler.domain.learner import Learner


class Pages:
    """Renders `templates/web` and `templates/admin`. Knows where the site begins."""

    def __init__(
        self,
        folders: Sequence[Path],
        *,
        base_url: str,
        clock: Clock,
        imprint: Sequence[str],
        demo: bool,
    ) -> None:
        #: The path under which a reverse proxy shows us; empty at the root of a host.
        self.root = urlsplit(base_url).path.rstrip("/")
        self._clock = clock
        #: Name of a file under `static` -> its address.
        self.static = _Static([folder / "static" for folder in folders], self.root)
        #: The languages that pages can be written in.
        self.languages = Languages(folders)
        self._loader = jinja2.FileSystemLoader(folders)
        self._shared = {
            "root": self.root,
            "imprint": tuple(imprint),
            "demo": demo,
            "counted": words.counted,
            "pace": words.pace_in_words,
            "static": self.static,
            "offered_languages": self.languages.read(),
            "may_choose": may_choose,
            "elsewhere": _elsewhere,
        }
        #: One for each language: sentences are put into a template when it is compiled.
        self._environments = {
            language.tag: self._environment(language) for language in self.languages.read()
        }

    def page(
        self,
        template: str,
        /,
        *,
        status: int = 200,
        language: Language | None = None,
        **values: Any,
    ) -> HTMLResponse:
        """A finished page. Raises `jinja2.UndefinedError` for a name the template misses.

        It is written in `language`, by default in the one this request is answered in.
        """
        language = language or self._language_of(template)
        return HTMLResponse(
            self.piece(template, language=language, **values),
            status_code=status,
            headers={"content-language": language.tag},
        )

    def piece(self, template: str, /, *, language: Language | None = None, **values: Any) -> str:
        """The same as text, for a page that another hand has begun."""
        language = language or self._language_of(template)
        with for_a_moment(language):
            return self._environments[language.tag].get_template(template).render(values)

    def speak_to(self, learner: Learner, course: Course | None) -> None:
        """From here on the request is answered in this learner's language."""
        speak(self.languages.of(learner.language, *([course.language] if course else [])))

    def speak_of(self, course: Course) -> None:
        """From here on in the course's own language, unless the visitor asked for another."""
        speak_unless_asked(self.languages.of(course.language))

    def _language_of(self, template: str) -> Language:
        if not template.startswith("web/") or template.startswith("web/outbox"):
            return self.languages.of("en")
        return self.languages.of(speaking().tag)

    def _environment(self, language: Language) -> jinja2.Environment:
        environment = jinja2.Environment(
            loader=self._loader,
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=["jinja2.ext.i18n"],
        )
        # A sentence may run over several lines of a template; to a translator it is one.
        environment.policies["ext.i18n.trimmed"] = True
        environment.install_gettext_translations(  # type: ignore[attr-defined]
            language.translations, newstyle=True
        )
        environment.filters.update(
            when=self._when,
            day=self._day,
            masked=words.masked,
            listed=words.listed,
            days=lambda days: say_days(days, language),
            stamp=words.stamp,
            mail_name=words.mail_name,
            weekday=lambda day: language.weekday(day.weekday()),
            weekday_short=lambda name: language.weekday(DAY_NAMES.index(name), short=True),
            zone=words.zone_in_words,
            kind=lambda kind: language.gettext(kind) if kind else "",
        )
        environment.globals.update(self._shared, language=language)
        return environment

    def source(self, template: str) -> str:
        """The template as it is written now, for telling one version of a page from another."""
        return self._loader.get_source(self._environments["en"], template)[0]

    def go(self, path: str) -> RedirectResponse:
        """After a POST: look at `path` (from the site's root) with GET."""
        return RedirectResponse(f"{self.root}{path}", status_code=303)

    def path(self, url: str) -> str:
        """The path of one of our own links, so that it works on whatever host this is."""
        parts = urlsplit(url)
        return f"{parts.path}?{parts.query}" if parts.query else parts.path

    def _when(self, instant: datetime, timezone: str) -> str:
        return words.in_words(instant, timezone, self._clock.now())

    def _day(self, instant: datetime, timezone: str) -> str:
        return words.day_in_words(instant, timezone, self._clock.now())


def _elsewhere(tag: str) -> Markup:
    """`lang` and `dir` for a piece of the page that is not in the page's own language.

    Nothing for an empty tag: a course that is gone does not say what it spoke.
    """
    if not tag or tag.split("-")[0].lower() == speaking().tag.split("-")[0].lower():
        return Markup()
    return Markup(' lang="{}" dir="{}"').format(tag, direction(tag))


class _Static:
    """`static("app.css")` is its address with a fingerprint, so that it may be cached for long."""

    def __init__(self, folders: Sequence[Path], root: str) -> None:
        self._folders = folders
        self._root = root
        self._known: dict[str, tuple[int, str]] = {}

    def __call__(self, name: str) -> str:
        file = next(file for folder in self._folders if (file := folder / name).is_file())
        changed = file.stat().st_mtime_ns
        known = self._known.get(name)
        if known is None or known[0] != changed:
            digest = hashlib.sha256(file.read_bytes()).hexdigest()[:10]
            known = self._known[name] = (changed, f"{self._root}/static/{name}?v={digest}")
        return known[1]
