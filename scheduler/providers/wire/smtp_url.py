"""Turns SMTP settings into one frozen `Server`, or says how to mend them.

`smtp://user:pass@host:port?starttls=required|optional|off`, or `smtps://` for TLS from the
first byte. Refuses plain text to any host but this machine, and never repeats the URL in an
error, because a password may stand anywhere in a malformed one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast
from urllib.parse import parse_qsl, unquote, urlsplit

from scheduler.errors import ProviderMisconfigured
from scheduler.providers.wire import given
from scheduler.providers.wire.reach import is_loopback

#: `implicit`: TLS from the first byte; the others are about STARTTLS.
Tls = Literal["implicit", "required", "optional", "off"]

_SHAPE = "smtp://user:password@mail.example.org:587 (or smtps://...:465)"
_OPTIONS = ("starttls", "ca_file", "helo")


@dataclass(frozen=True, slots=True)
class Server:
    """Where and how to send. All times are seconds."""

    host: str
    port: int
    tls: Tls
    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    ca_file: str = ""
    #: What we call ourselves; "" means the address literal of our end of the connection.
    helo: str = ""
    connect_timeout: float = 10.0
    #: For each reply and each write.
    timeout: float = 30.0
    #: For one `send()`; must stay below half a two-minute lease.
    deadline: float = 50.0
    #: Kept connections older than this are not used again.
    idle: float = 60.0
    pool: int = 4
    window: int = 50

    @property
    def reserve(self) -> float:
        """No message is handed over with less time left: its answer must be waited for."""
        return min(self.timeout, self.deadline / 5)


def read_server(settings: Mapping[str, Any]) -> Server:
    """Raises `ProviderMisconfigured`, ending with what to do."""
    url = given.text(settings, "url")
    if not url:
        raise ProviderMisconfigured(f"smtp.url is empty; set SMTP_URL to {_SHAPE}")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
    except ValueError:
        # Not chained: the parser quotes what it took for the port, often half a password.
        raise _bad("cannot be read; percent-encode @ : / # ? in user and password") from None
    if parts.scheme not in ("smtp", "smtps"):
        raise _bad("must begin with smtp:// or smtps://")
    if not host:
        raise _bad("names no host")
    if parts.path not in ("", "/") or parts.fragment:
        raise _bad("goes on after the port; percent-encode / # ? in user and password")
    if bool(user) != bool(password):
        raise _bad("needs user and password, or neither")
    if not (user + password).isascii() or not (user + password).isprintable():
        raise _bad("may hold only printable ASCII in user and password")
    options = _options(parts.query, settings)
    return Server(
        host=host,
        port=port or _default_port(parts.scheme, host),
        tls=_tls(parts.scheme, host, options.get("starttls", "")),
        user=user,
        password=password,
        ca_file=options.get("ca_file", ""),
        helo=_helo(options.get("helo", "")),
        connect_timeout=given.number(settings, "smtp", "connect_timeout", 10, below=60),
        timeout=given.number(settings, "smtp", "timeout", 30, below=60),
        deadline=given.number(settings, "smtp", "deadline", 50, below=60),
        idle=given.number(settings, "smtp", "idle", 60),
        pool=int(max(1, given.number(settings, "smtp", "pool", 4))),
        window=int(max(1, given.number(settings, "smtp", "window", 50))),
    )


def _options(query: str, settings: Mapping[str, Any]) -> dict[str, str]:
    options = {name: given.text(settings, name) for name in _OPTIONS}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in options:
            raise _bad(f"has an unknown option; the options are {', '.join(_OPTIONS)}")
        options[name] = value
    return options


def _tls(scheme: str, host: str, starttls: str) -> Tls:
    if starttls not in ("", "required", "optional", "off"):
        raise _bad("has a wrong starttls; write starttls=required, optional or off")
    if scheme == "smtps":
        if starttls:
            raise _bad("is smtps:// and needs no starttls; remove that option")
        return "implicit"
    if is_loopback(host):
        return cast(Tls, starttls or "off")
    if starttls in ("optional", "off"):
        raise _bad(
            f"would send mail to {host} in plain text; remove starttls={starttls} "
            "(only a server on this machine may go without TLS)"
        )
    return "required"


def _default_port(scheme: str, host: str) -> int:
    if scheme == "smtps":
        return 465
    return 25 if is_loopback(host) else 587


def _helo(name: str) -> str:
    if name and not (name.isascii() and name.isprintable() and " " not in name):
        raise _bad("has a wrong helo; give this machine's full host name")
    return name


def _bad(what: str) -> ProviderMisconfigured:
    return ProviderMisconfigured(f"SMTP_URL {what}. Its shape is {_SHAPE}")
