"""Is the site there under the address that every mail carries, and does one-click leaving work?

Asks as a mail provider's machine would: no cookies, no redirects followed, the certificate
checked (RFC 8058). Refuses to change anything: the leave link it tries is nobody's.
"""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from course.cli.examining.finding import Result
from scheduler.clock import Clock, RealClock

#: Seconds for each word of the server.
EACH_S = 5.0
#: A certificate that ends sooner is worth a word.
_SOON = timedelta(days=14)
#: Links are dated, and a tick that is off by more than this sends at a wrong minute.
_SKEW = timedelta(seconds=60)
#: Well formed and never genuine: its signature is all zeros.
_NOBODY = "doctor.AAAAAAAAAAAAAAAAAAAAAA"
_ONE_CLICK = b"List-Unsubscribe=One-Click"
_LONGEST = 10_000
_TURNED_AWAY = frozenset({401, 403, 405, 407, 429})


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: http.client.HTTPMessage
    body: bytes
    #: When the certificate ends; None without TLS.
    ends_at: datetime | None


def site_checks(base_url: str, clock: Clock | None = None) -> Iterator[Result]:
    """Certificate, site, one-click and clock, as far as the address answers."""
    now = (clock or RealClock()).now
    try:
        before = now()
        alive = _ask(base_url, "GET", "/healthz")
        after = now()
        if alive.ends_at is not None:
            yield _certificate(base_url, alive.ends_at - after)
        yield _alive(base_url, alive)
        yield from _clock(alive, before, after)
        yield _one_click(_ask(base_url, "POST", f"/leave/{_NOBODY}", _ONE_CLICK))
    except ssl.SSLCertVerificationError as error:
        yield Result(
            "certificate", "problem", f"{base_url}: {_sentence(error)}",
            "renew the certificate, with its whole chain, for exactly this host name; until then"
            " no browser and no mail program opens a link",
        )  # fmt: skip
    except ssl.SSLError as error:
        yield Result(
            "certificate", "problem", f"{base_url} does not speak TLS: {error.reason or error}",
            "set up https in the reverse proxy, or correct BASE_URL",
        )  # fmt: skip
    except (OSError, http.client.HTTPException) as error:
        yield Result(
            "site", "warning", f"{base_url} could not be reached from here: {_why(error)}",
            "start `course serve` and the proxy before it; if others reach the site, this network"
            " merely cannot reach itself",
        )  # fmt: skip


def _ask(base_url: str, method: str, path: str, body: bytes | None = None) -> _Answer:
    """One request on a connection of its own. Raises OSError or HTTPException."""
    parts = urlsplit(base_url)
    host, port = parts.hostname or "", parts.port
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        context = ssl.create_default_context()
        connection = http.client.HTTPSConnection(host, port, timeout=EACH_S, context=context)
    else:
        connection = http.client.HTTPConnection(host, port, timeout=EACH_S)
    headers = {"User-Agent": "mini-email-course doctor", "Connection": "close"}
    if body is not None:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    try:
        connection.connect()
        ends_at = _end_of(connection.sock)
        connection.request(method, f"{parts.path}{path}", body, headers)
        with connection.getresponse() as answer:
            return _Answer(answer.status, answer.headers, answer.read(_LONGEST), ends_at)
    finally:
        connection.close()


def _end_of(sock: object) -> datetime | None:
    if not isinstance(sock, ssl.SSLSocket):
        return None
    certificate = sock.getpeercert() or {}
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate["notAfter"])), UTC)


def _certificate(base_url: str, left: timedelta) -> Result:
    host = urlsplit(base_url).hostname
    words = f"valid for {host}, {left.days} more days"
    if left < _SOON:
        return Result(
            "certificate",
            "warning",
            words,
            "renew it now, and see why it was not renewed by itself",
        )
    return Result("certificate", "ok", words)


def _alive(base_url: str, answer: _Answer) -> Result:
    try:
        ours = answer.status == 200 and json.loads(answer.body).get("status") == "ok"
    except (ValueError, AttributeError):
        ours = False
    if ours:
        return Result("site", "ok", f"{base_url}/healthz answers")
    return Result(
        "site", "problem", f"{base_url}/healthz answers {_described(answer)}, which is not this"
        " course", _cure(answer),
    )  # fmt: skip


def _one_click(answer: _Answer) -> Result:
    if answer.status in (200, 202) and answer.body.strip() == b"Unsubscribed.":
        return Result("one-click", "ok", "a mail program's POST to a leave link is answered")
    return Result(
        "one-click", "problem", "a mail program's POST to a leave link is answered"
        f" {_described(answer)}", _cure(answer),
    )  # fmt: skip


def _described(answer: _Answer) -> str:
    target = answer.headers.get("Location", "")
    if 300 <= answer.status < 400:
        return f"{answer.status} (go to {_printable(target)})"
    return f"{answer.status} {http.client.responses.get(answer.status, '')}".strip()


def _cure(answer: _Answer) -> str:
    if 300 <= answer.status < 400:
        return (
            "mail programs follow no redirect: let BASE_URL be the address it leads to, or let the"
            " proxy answer POST /leave/… itself"
        )
    if answer.status in _TURNED_AWAY:
        return (
            "let the proxy (its login, firewall, bot check or rate limit) pass POST /leave/… to the"
            " application for everybody"
        )
    if answer.status in (502, 503, 504):
        return "start `course serve`, and let the proxy lead to its HOST and PORT"
    return "let the proxy pass every path under BASE_URL to `course serve`, methods and all"


def _clock(answer: _Answer, before: datetime, after: datetime) -> Iterator[Result]:
    try:
        theirs = parsedate_to_datetime(answer.headers.get("Date", ""))
    except (ValueError, TypeError, OverflowError):
        return
    theirs = theirs if theirs.tzinfo else theirs.replace(tzinfo=UTC)
    # Theirs was read between our two.
    ahead = max(before - theirs, theirs - after, timedelta())
    if ahead > _SKEW:
        off = timedelta(seconds=round(ahead.total_seconds()))
        side = "ahead of" if before > theirs else "behind"
        yield Result(
            "clock", "warning", f"this machine is {off} {side} the site's",
            "let the machine keep time (timedatectl set-ntp true)",
        )  # fmt: skip
    else:
        yield Result("clock", "ok", "agrees with the site's within a minute")


def _sentence(error: ssl.SSLCertVerificationError) -> str:
    return f"certificate not accepted: {error.verify_message}"


def _why(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError):
        return _printable(error.strerror or str(error))
    return type(error).__name__


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text[:300])
