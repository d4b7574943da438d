"""Opens an SMTP connection: greet, secure, log in.

Every failure here is before any message, so nothing was handed over and no learner is at
fault. Refuses to go on in plain text where TLS is required, and never lets a password, or a
server's echo of it, into an error.
"""

from __future__ import annotations

import smtplib
import ssl
from base64 import b64encode
from typing import NoReturn

from scheduler.domain.provider import Deferred, Fault
from scheduler.providers.wire.reach import Lost, lost, why
from scheduler.providers.wire.replies import Phase, one_line, verdict
from scheduler.providers.wire.smtp_line import Line
from scheduler.providers.wire.smtp_url import Server


def open_line(server: Server, context: ssl.SSLContext | None, until: float) -> Line:
    """A connection ready for MAIL; raises `Lost` with a `Deferred` and leaves nothing open."""
    line = Line(server, context)
    line.begin(Phase.CONNECT, until)
    try:
        _open(line, server)
    except Lost:
        line.close()
        raise
    except (OSError, smtplib.SMTPException, ValueError) as error:
        # What smtplib raises by itself. Its words are left out: they may quote a command.
        line.close()
        reason = why(error) if isinstance(error, OSError) else type(error).__name__
        raise lost(f"{line.phase}: {reason}") from None
    return line


def _open(line: Line, server: Server) -> None:
    code, text = line.connect(server.host, server.port)
    if code != 220:
        _fail(line, server, code, text)
    line.local_hostname = server.helo or _address_literal(line)
    _greet(line, server)
    if server.tls in ("required", "optional"):
        _start_tls(line, server)
    if server.user:
        _log_in(line, server)


def _greet(line: Line, server: Server) -> None:
    line.phase = Phase.EHLO
    code, text = line.ehlo()
    if code in (500, 501, 502, 504):
        code, text = line.helo()
    if code != 250:
        _fail(line, server, code, text)


def _start_tls(line: Line, server: Server) -> None:
    if not line.has_extn("starttls"):
        if server.tls == "optional":
            return
        raise lost(
            f"STARTTLS: {server.host} does not offer it, and mail must not leave in plain text. "
            "Use smtps:// or another port in SMTP_URL",
            Fault.CONFIG,
        )
    line.phase = Phase.TLS
    code, text = line.docmd("STARTTLS")
    if code != 220:
        _fail(line, server, code, text)
    line.start_tls()
    _greet(line, server)


def _log_in(line: Line, server: Server) -> None:
    line.phase = Phase.AUTH
    try:
        line.login(server.user, server.password)
    except smtplib.SMTPAuthenticationError as error:
        _fail(line, server, error.smtp_code, error.smtp_error)
    except smtplib.SMTPException:
        raise lost(
            f"AUTH: {server.host} offers no way to log in that we know. "
            "Check host and port in SMTP_URL, or leave user and password out",
            Fault.CONFIG,
        ) from None


def _fail(line: Line, server: Server, code: int, text: bytes | str) -> NoReturn:
    outcome = verdict(line.phase, code, _without_secrets(text, server))
    if not isinstance(outcome, Deferred):  # there is no message yet that could be refused
        outcome = Deferred(outcome.detail, Fault.TRANSPORT)
    raise Lost(outcome)


def _without_secrets(text: bytes | str, server: Server) -> str:
    """A server may quote what it was told."""
    words = one_line(text)
    if server.password:
        told = f"\0{server.user}\0{server.password}"
        for secret in (told, server.password):
            words = words.replace(b64encode(secret.encode()).decode(), "***")
            words = words.replace(secret, "***")
    return words


def _address_literal(line: Line) -> str:
    """What to call ourselves without asking DNS or telling an internal name (RFC 5321, 4.1.3)."""
    assert line.sock is not None
    address = line.sock.getsockname()[0]
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"
