"""Which language this request is answered in, and the sentences that are made outside templates.

The learner's own on their pages; elsewhere what the visitor chose or their browser asks for, else
the course's. Staff and programs get English. Refuses to remember anything but a choice that was
made by hand, and that only until the browser is closed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from urllib.parse import parse_qs

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from course.language import ENGLISH, Language, Languages

#: What `?lang=de` leaves behind, so that the next page speaks German, too.
COOKIE = "course_lang"

#: Rooms of staff and doors of programs.
_IN_ENGLISH = (
    "/admin", "/outbox", "/api/", "/webhooks/", "/static/", "/assets/", "/metrics", "/healthz",
    "/readyz",
)  # fmt: skip

# One value for each request: a thread that runs a handler is handed a copy of its request's own.
_SPEAKING: ContextVar[Language] = ContextVar("speaking", default=ENGLISH)
_ASKED: ContextVar[bool] = ContextVar("asked", default=False)
_SETTLED: ContextVar[bool] = ContextVar("settled", default=True)


def speaking() -> Language:
    """The language of the page that is being made."""
    return _SPEAKING.get()


def speak(language: Language) -> None:
    """From here on this request speaks it: its owner is known now."""
    _SPEAKING.set(language)
    _SETTLED.set(True)


def speak_unless_asked(language: Language) -> None:
    """The same, unless the visitor asked for a language: a course's own is only a guess."""
    if not _ASKED.get():
        _SPEAKING.set(language)


def may_choose() -> bool:
    """Would another choice change the page? Not on a learner's own, nor in the office."""
    return not _SETTLED.get()


def asked_for() -> str:
    """The tag of the language that the visitor asked for; empty when they did not."""
    return _SPEAKING.get().tag if _ASKED.get() else ""


@contextmanager
def for_a_moment(language: Language) -> Iterator[None]:
    """Speaks it while one page is put together."""
    before = _SPEAKING.set(language)
    try:
        yield
    finally:
        _SPEAKING.reset(before)


def gettext(message: str, **values: object) -> str:
    """The sentence in the language of this request, with its `%(name)s` filled in."""
    return speaking().gettext(message, **values)


def ngettext(one: str, many: str, n: int, **values: object) -> str:
    """The form that fits the number; `%(n)s` is the number itself."""
    return speaking().ngettext(one, many, n, **values)


class Listener:
    """ASGI middleware: hears which language a visitor wants, before any page is made.

    `at_home()` is what the school itself speaks, for whoever asks for nothing.
    """

    def __init__(
        self, app: ASGIApp, *, languages: Languages, root: str, at_home: Callable[[], Language]
    ) -> None:
        self._app = app
        self._languages = languages
        self._root = root
        self._at_home = at_home

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(_IN_ENGLISH):
            _SPEAKING.set(ENGLISH)
            _ASKED.set(False)
            _SETTLED.set(True)
            await self._app(scope, receive, send)
            return
        chosen = self._chosen(scope)
        wanted = chosen or self._wanted(HTTPConnection(scope))
        _ASKED.set(wanted is not None)
        _SPEAKING.set(wanted or self._at_home())
        _SETTLED.set(False)

        async def answered(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if headers.get("content-type", "").startswith("text/html"):
                    headers.add_vary_header("Accept-Language, Cookie")
                if chosen is not None:
                    place = f"Path={self._root or '/'}; HttpOnly; SameSite=Lax"
                    headers.append("set-cookie", f"{COOKIE}={chosen.tag}; {place}")
            await send(message)

        await self._app(scope, receive, answered)

    def _chosen(self, scope: Scope) -> Language | None:
        """What stands in the address: `?lang=de`."""
        asked = parse_qs(scope["query_string"].decode("latin-1")).get("lang", [""])[0]
        return self._languages.find(asked[:35])

    def _wanted(self, request: HTTPConnection) -> Language | None:
        """What was chosen before, else what the browser is set to."""
        kept = self._languages.find(request.cookies.get(COOKIE, "")[:35])
        return kept or self._languages.accepted(request.headers.get("accept-language", ""))
