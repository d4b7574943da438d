"""An independent mail server (aiosmtpd) in a thread, and a certificate authority made here."""

from __future__ import annotations

import asyncio
import datetime
import ssl
import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

USER, PASSWORD = "school", "p/ss:w@rd#1"


@dataclass
class Kept:
    """One message as it came."""

    sender: str
    recipients: list[str]
    content: bytes
    under_tls: bool


class ReferenceServer:
    """Binds a free port of 127.0.0.1; a context manager. With `tls`, insists on it."""

    def __init__(self, tls: ssl.SSLContext | None = None, *, auth: bool = False) -> None:
        self.kept: list[Kept] = []
        self._tls, self._auth = tls, auth
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self.port = 0

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        content = envelope.original_content or b""
        sender, under_tls = envelope.mail_from or "", session.ssl is not None
        self.kept.append(Kept(sender, list(envelope.rcpt_tos), content, under_tls))
        return "250 2.0.0 Ok: queued as 4R7T"

    def _session(self) -> SMTP:
        options: dict[str, Any] = {"hostname": "reference.example"}
        if self._tls:
            options |= {"tls_context": self._tls, "require_starttls": True}
        if self._auth:
            options |= {"authenticator": _check, "auth_required": True}
            options |= {"auth_require_tls": self._tls is not None}
        return SMTP(self, **options)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        listening = self._loop.create_server(self._session, "127.0.0.1", 0)
        server = self._loop.run_until_complete(listening)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.close()

    def __enter__(self) -> ReferenceServer:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._ready.wait(5)
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _value: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)


def _check(
    _server: SMTP, _session: Session, _envelope: Envelope, _how: str, data: Any
) -> AuthResult:
    good = isinstance(data, LoginPassword) and (
        data.login == USER.encode() and data.password == PASSWORD.encode()
    )
    return AuthResult(success=good, handled=False)


@dataclass(frozen=True)
class Authority:
    """A certificate for localhost by name (not by number), signed by an authority of its own."""

    ca_file: Path
    server: ssl.SSLContext


def make_authority(
    folder: Path, lasts: datetime.timedelta = datetime.timedelta(days=1)
) -> Authority:
    """Valid from last week until tomorrow; the server's own `lasts` from now (or has ended)."""
    now = datetime.datetime.now(datetime.UTC)
    day = datetime.timedelta(days=1)
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "An authority for tests")])
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])

    def certificate(
        subject: x509.Name, public: Any, lasts: datetime.timedelta = day
    ) -> x509.CertificateBuilder:
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(ca_name)
        builder = builder.public_key(public).serial_number(x509.random_serial_number())
        return builder.not_valid_before(now - 9 * day).not_valid_after(now + lasts)

    ca = certificate(ca_name, ca_key.public_key()).add_extension(
        x509.BasicConstraints(ca=True, path_length=None), critical=True
    )
    leaf = certificate(name, key.public_key(), lasts).add_extension(
        x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False
    )
    ca_file, chain = folder / "ca.pem", folder / "server.pem"
    pem = serialization.Encoding.PEM
    ca_file.write_bytes(ca.sign(ca_key, hashes.SHA256()).public_bytes(pem))
    chain.write_bytes(
        leaf.sign(ca_key, hashes.SHA256()).public_bytes(pem)
        + key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(chain)
    return Authority(ca_file, server)
