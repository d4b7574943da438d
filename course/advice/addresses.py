"""What to say about an address in a lesson: whole, encrypted, there, and not hidden.

Refuses to go there: that is for `course check --links`.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from course.advice.view import LessonView
from course.source.tokens import TOKEN

URL_MAX = 2_000
_SHORTENERS = frozenset(
    ["bit.ly", "tinyurl.com", "t.co", "goo.gl", "ow.ly", "is.gd", "buff.ly", "rebrand.ly"]
)
_SCHEME = re.compile(r"^(?P<scheme>[a-z][a-z0-9+.-]*):", re.IGNORECASE)


def about_address(view: LessonView, url: str, at: tuple[int, int]) -> None:
    if not url or TOKEN.match(url) or url.startswith("{{"):
        return
    scheme = _SCHEME.match(url)
    if url.startswith("#"):
        view.notes.warn(
            "fragment-link", at, f"`{url}` leads nowhere in a mail: name the section in words"
        )
    elif scheme is None:
        _relative(view, url, at)
    elif scheme.group("scheme").lower() not in {"http", "https", "mailto", "tel"}:
        view.notes.error(
            "bad-address",
            at,
            f"`{scheme.group('scheme')}:` does not work in mail: link to a page with https://",
        )
    elif scheme.group("scheme").lower() == "http":
        view.notes.warn("http-link", at, f"{url[:80]} is not encrypted: use https:// if it works")
    host = (_host(url)).removeprefix("www.")
    if host in _SHORTENERS:
        view.notes.warn("short-link", at, f"{host} hides the target, as spam does: use the address")
    if len(url) > URL_MAX:
        view.notes.warn("long-link", at, f"an address of {len(url)} characters breaks: shorten it")


def _host(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""


def _relative(view: LessonView, url: str, at: tuple[int, int]) -> None:
    target = file_inside(view.course.folder, url)
    if target is None or not target.is_file():
        view.notes.error(
            "broken-link",
            at,
            f"`{url[:80]}` is not in this course's folder: correct it, or write the whole address "
            "with https://",
        )
    elif target.suffix.lower() in {".md", ".markdown"}:
        view.notes.warn(
            "lesson-link",
            at,
            f"`{url[:80]}` is another lesson, which a mail cannot open: only its words are shown; "
            "name the lesson in words",
        )


def file_inside(folder: Path, url: str) -> Path | None:
    """The file a relative address means, if it stays inside the course's folder."""
    path = unquote(url.split("#", 1)[0].split("?", 1)[0])
    if not path or path.startswith(("/", "\\")) or "\0" in path:
        return None
    try:
        target = (folder / path).resolve()
        return target if target.is_relative_to(folder.resolve()) else None
    except (OSError, ValueError):
        return None
