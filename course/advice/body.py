"""What to say about the body of one lesson: links, pictures, headings, code, tables, raw HTML.

Looks at the source, so that every remark has a line. Refuses to repeat what parsing already found.
"""

from __future__ import annotations

import re
from collections import Counter
from urllib.parse import urlsplit

from course.advice import images
from course.advice.addresses import about_address, file_inside
from course.advice.indents import joined_lists
from course.advice.view import LessonView
from course.source.landmarks import Picture
from course.source.rawhtml import questionable
from course.source.tokens import TOKEN

IMAGE_BYTES, IMAGE_WIDTH = 300_000, 1200
IMAGES_TOTAL = 1_000_000
CODE_COLUMNS = 60
TABLE_COLUMNS = 4

_EMPTY_WORDS = frozenset(
    ["click here", "here", "this", "link", "this link", "read more", "more", "click", "this page"]
)
_SCHEME = re.compile(r"^[a-z][a-z0-9+.-]*:", re.IGNORECASE)


def about_body(view: LessonView) -> None:
    """Links, pictures, headings, code, tables, lists, raw HTML."""
    _links(view)
    _pictures(view)
    _headings(view)
    for token in view.found.tokens:
        if token.kind != "block":
            continue
        widest = max(map(len, token.content.split("\n")))
        if widest > CODE_COLUMNS:
            view.notes.warn(
                "code-wide",
                view.at(token.offset),
                f"a line of code has {widest} columns; phones show about {CODE_COLUMNS}: break it",
            )
    for match in re.finditer(
        r"^[ ]{0,3}\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)+\|?[ \t]*$",
        view.found.text,
        re.MULTILINE,
    ):
        columns = len([c for c in match.group().strip().strip("|").split("|") if c.strip()])
        if columns > TABLE_COLUMNS:
            view.notes.warn(
                "table-wide",
                view.at(view.found.origin(match.start())),
                f"a table of {columns} columns does not fit a phone: use at most {TABLE_COLUMNS}",
            )
    for offset, rule, message in questionable(view.found):
        view.notes.warn(rule, view.at(offset), message)
    for offset, rule, message in joined_lists(view.found):
        view.notes.warn(rule, view.at(offset), message)


def _links(view: LessonView) -> None:
    marks = view.marks
    for link in marks.links:
        at = view.at(link.offset)
        words = " ".join(re.sub(r"[*_]", "", link.text).split()).rstrip(".!").casefold()
        if words in _EMPTY_WORDS:
            view.notes.warn(
                "link-text", at, f"“{words}” does not say where it leads: name what is behind it"
            )
        about_address(view, link.url, at)
        shown = re.fullmatch(
            r"(?:https?://)?((?:[\w-]+\.)+[a-z]{2,})(?:/\S*)?", link.text.strip(), re.IGNORECASE
        )
        if shown and "//" in link.url:
            host = (urlsplit(link.url).hostname or "").removeprefix("www.")
            if host != shown.group(1).lower().removeprefix("www."):
                view.notes.warn(
                    "link-mismatch",
                    at,
                    f"the words say {shown.group(1)}, the link leads to {host}: spam filters take "
                    "that for fraud; make them the same",
                )
    counts = Counter(link.url for link in marks.links if "//" in link.url)
    told: set[str] = set()
    for link in marks.links:
        if counts[link.url] > 1 and link.url not in told:
            told.add(link.url)
            view.notes.warn(
                "duplicate-link",
                view.at(link.offset),
                f"{counts[link.url]} links lead to {link.url[:80]}: keep one",
            )


def _pictures(view: LessonView) -> None:
    total = 0
    for picture in view.marks.pictures:
        at = view.at(picture.offset)
        if picture.alt is None or (not picture.alt.strip() and picture.alt != " "):
            view.notes.error(
                "alt-text",
                at,
                f'picture "{picture.src[:60]}" has no words for those who do not see it: write '
                "`![what it shows](...)`",
            )
        total += _picture_file(view, picture, at)
    if total > IMAGES_TOTAL:
        view.notes.warn(
            "image-heavy",
            (view.lesson.body_line, 1),
            f"the pictures weigh {total / 1e6:.1f} MB together: keep them under 1 MB",
        )


def _picture_file(view: LessonView, picture: Picture, at: tuple[int, int]) -> int:
    """Judges the file behind a picture; its weight in bytes."""
    src = picture.src
    if src.startswith("https://"):
        return 0
    if src.startswith("http://"):
        view.notes.warn("http-link", at, f"{src[:80]} is not encrypted: use https:// or a file")
        return 0
    if _SCHEME.match(src) or TOKEN.match(src):
        view.notes.error(
            "broken-image", at, "mail shows no such picture: put the file beside the lesson"
        )
        return 0
    target = file_inside(view.course.folder, src)
    if target is None or not target.is_file():
        view.notes.error(
            "broken-image",
            at,
            f'there is no file "{src[:80]}" in this course\'s folder: add it or correct the name',
        )
        return 0
    image = images.look_at(target)
    if not image.kind:
        view.notes.warn(
            "image-kind",
            at,
            f'"{src[:80]}" is no PNG, JPEG or GIF; many mail programs show nothing: convert it',
        )
    if image.size > IMAGE_BYTES or image.width > IMAGE_WIDTH:
        view.notes.warn(
            "image-heavy",
            at,
            f'"{src[:60]}" has {image.size // 1000} kB and {image.width} pixels across: keep under '
            f"{IMAGE_BYTES // 1000} kB and {IMAGE_WIDTH} pixels",
        )
    return image.size


def _headings(view: LessonView) -> None:
    before = None
    for heading in view.marks.headings:
        if before is not None and heading.level > before + 1:
            view.notes.warn(
                "heading-jump",
                view.at(heading.offset),
                f"a heading of level {heading.level} follows one of level {before}: use "
                f"`{'#' * (before + 1)}`",
            )
        before = heading.level
