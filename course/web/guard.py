"""Stands before every page: security headers, no forms from strangers' sites, no huge bodies.

Keeps no state. Works below the framework, so that error pages and static files are
guarded like everything else.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CSP = (
    "default-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'; object-src 'none'"
)

#: A mail shown as a page of its own: its inline styles are its looks; it runs nothing.
CSP_MAIL = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' https: data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"
)

#: The same where its reader may answer questions on it, and the page may say that it is open.
CSP_READ = CSP_MAIL.replace(
    "form-action 'none'", "script-src 'self'; connect-src 'self'; form-action 'self'"
)

MAX_BODY = 64 * 1024

_UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})

#: URLs that carry a token: never stored by a cache, never indexed.
_PRIVATE = (
    "/confirm/", "/learn/", "/manage/", "/address/", "/leave/", "/read/", "/done/",
    "/certificate/", "/admin", "/outbox", "/check-inbox",
)  # fmt: skip

#: Pages whose authority is a cookie; their own forms must be able to say where they come from.
_BY_COOKIE = ("/admin", "/outbox")

#: Doors for programs, which send no Origin and carry no cookie: nothing to forge there.
_FOR_PROGRAMS = ("/leave/", "/api/", "/webhooks/")

Refuse = Callable[[Request, int], Response]


class Guard:
    """ASGI middleware. `refuse(request, status)` makes the page for 403 and 413.

    `open_to_all(path)` names further paths that a form on another site may post to;
    `max_body(path)` is how many bytes may be posted there.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        base_url: str,
        refuse: Refuse,
        open_to_all: Callable[[str], bool] = lambda _: False,
        max_body: Callable[[str], int] = lambda _: MAX_BODY,
    ) -> None:
        self._app = app
        base = urlsplit(base_url)
        self._host = base.netloc.lower()
        self._https = base.scheme == "https"
        self._refuse = refuse
        self._open_to_all = open_to_all
        self._max_body = max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"]

        async def guarded_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                secure(path, headers, https=self._https)
                if path.startswith("/static/") and b"v=" in scope["query_string"]:
                    headers["cache-control"] = "public, max-age=31536000, immutable"
            await send(message)

        status = self._verdict(scope["method"], path, Headers(scope=scope))
        if status:
            answer = self._refuse(Request(scope), status)
            await answer(scope, receive, guarded_send)
            return
        await self._app(scope, self._capped(receive, self._max_body(path)), guarded_send)

    def _verdict(self, method: str, path: str, headers: Headers) -> int:
        """403 or 413 to refuse, 0 to go on."""
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > self._max_body(path):
            return 413
        if method not in _UNSAFE or path.startswith(_FOR_PROGRAMS) or self._open_to_all(path):
            return 0
        return 0 if came_from_here(headers, also=self._names(path)) else 403

    def _names(self, path: str) -> Collection[str]:
        """What `Origin` may say besides the request's own host.

        `Referrer-Policy: no-referrer` makes a browser say "null" for our own forms. There the
        token in the URL is the authority; where a cookie is, "null" is a stranger.
        """
        return (self._host,) if path.startswith(_BY_COOKIE) else (self._host, "null")

    def _capped(self, receive: Receive, most: int) -> Receive:
        """Ends a body that grows past the limit without having announced it."""
        seen = 0

        async def capped() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > most:
                return {"type": "http.request", "body": b"", "more_body": False}
            return message

        return capped


def secure(path: str, headers: MutableHeaders, *, https: bool) -> None:
    """Add what every answer carries, unless the page has chosen its own."""
    by_cookie = path.startswith(_BY_COOKIE)
    headers.setdefault("content-security-policy", CSP)
    headers.setdefault("referrer-policy", "same-origin" if by_cookie else "no-referrer")
    headers.setdefault("x-content-type-options", "nosniff")
    headers.setdefault("permissions-policy", "camera=(), geolocation=(), microphone=()")
    headers.setdefault("cross-origin-opener-policy", "same-origin")
    if https:
        headers.setdefault("strict-transport-security", "max-age=31536000")
    if path.startswith(_PRIVATE):
        headers["cache-control"] = "private, no-store"
        headers["x-robots-tag"] = "noindex, nofollow"
    else:
        headers.setdefault("cache-control", "no-cache")


def came_from_here(headers: Headers, *, also: Collection[str] = ()) -> bool:
    """Was this request made by one of our own pages, or by no browser at all?

    `Sec-Fetch-Site` decides where a browser sends it; else `Origin` must name this host
    or one of `also`; with neither, it is not a browser and carries nobody's cookies.
    """
    site = headers.get("sec-fetch-site")
    if site:
        return site in ("same-origin", "none")
    origin = headers.get("origin")
    if origin is None:
        return True
    name = urlsplit(origin).netloc.lower() or origin
    return name in {headers.get("host", "").lower(), *also}
