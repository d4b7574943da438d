"""Turns a template and its values into a page. Refuses unknown names and unescaped values."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jinja2
from starlette.responses import HTMLResponse, RedirectResponse

from course import paths
from course.pace_words import say_days
from course.web import words
from scheduler.clock import Clock


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
        self._env = jinja2.Environment(
            loader=jinja2.FileSystemLoader(folders),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=["jinja2.ext.i18n"],
        )
        # A sentence may run over several lines of a template; to a translator it is one.
        self._env.policies["ext.i18n.trimmed"] = True
        self._env.install_null_translations(newstyle=True)  # type: ignore[attr-defined]
        self._env.filters.update(
            when=self._when,
            day=self._day,
            masked=words.masked,
            listed=words.listed,
            days=say_days,
            stamp=words.stamp,
            mail_name=words.mail_name,
            weekday=lambda day: f"{day:%A}",
            zone=words.zone_in_words,
        )
        self._env.globals.update(
            root=self.root,
            imprint=tuple(imprint),
            demo=demo,
            counted=words.counted,
            pace=words.pace_in_words,
            static=self.static,
        )

    def page(self, template: str, /, *, status: int = 200, **values: Any) -> HTMLResponse:
        """A finished page. Raises `jinja2.UndefinedError` for a name the template misses."""
        return HTMLResponse(self.piece(template, **values), status_code=status)

    def piece(self, template: str, /, **values: Any) -> str:
        """The same as text, for a page that another hand has begun."""
        return self._env.get_template(template).render(values)

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


def template_folders(own: Path) -> list[Path]:
    """The operator's folder, then ours for whatever is missing there.

    So a folder that was copied by an older release keeps working with a newer one.
    """
    ours = [place / "templates" for place in (paths.checkout(), paths.bundled()) if place]
    return list(dict.fromkeys([own, *ours]))


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
