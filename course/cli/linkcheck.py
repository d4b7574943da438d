"""Tries every external link of the lessons: the only part of `check` that uses the network.

Refuses to call a link dead because a site turns programs away: those are named for a person.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlsplit, urlunsplit
from urllib.request import Request, urlopen

from course.cli import table
from course.review import Probe, review

TIMEOUT_SECONDS = 10
AT_ONCE = 8
#: Answers sites give to programs while the page is there for people.
_SHY = frozenset({401, 403, 405, 406, 429, 451, 999})
_AGENT = "Mozilla/5.0 (compatible; mini-email-course link check)"


def try_links(path: Path) -> Probe:
    """Ask for all links under `path` at once; the result answers for each of them."""
    asked: dict[str, str | None] = {}

    def collect(url: str) -> str | None:
        asked[url] = None
        return None

    review(path, probe=collect)
    table.say(f"Trying {table.counted(len(asked), 'link')}, up to {TIMEOUT_SECONDS} s each.")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = dict(zip(asked, pool.map(_answer, asked), strict=True))
    for url, (_, shy) in answers.items():
        if shy:
            table.say(f"{url} answers {shy} to programs: look at it in a browser.")
    return lambda url: answers[url][0] if url in answers else None


def _answer(url: str) -> tuple[str | None, int]:
    """(why it is dead or None, the status with which it turned a program away or 0)."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        return None, 0
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    query = quote(parts.query, safe="/%:@!$&'()*+,;=~-._?")
    bare = urlunsplit((parts.scheme, parts.netloc, path, query, ""))
    code = 0
    for method in ("HEAD", "GET"):
        request = Request(bare, method=method, headers={"User-Agent": _AGENT})  # noqa: S310
        try:
            with urlopen(request, timeout=TIMEOUT_SECONDS):  # noqa: S310 - http or https, see above
                return None, 0
        except HTTPError as error:
            code = error.code  # some servers know no HEAD: ask again as a browser would
            error.close()
        except (URLError, OSError, ValueError) as error:
            return str(getattr(error, "reason", error)), 0
    return (None, code) if code in _SHY else (f"it answers {code}", 0)
