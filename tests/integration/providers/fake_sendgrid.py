"""A local `POST /v3/mail/send` that checks what the real one checks, and misbehaves on demand.

What SendGrid's OpenAPI document demands is checked, too, where a copy is (`sendgrid_document`).

`sent` is the truth: every message it took, whatever it answered. `status` answers all requests
with that status; `fault` breaks the connection. `poison` are addresses that spoil a request.
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import struct
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.integration.providers import sendgrid_document
from tests.loopback import Loopback

_FORBIDDEN = {"to", "from", "subject", "reply-to", "cc", "bcc", "content-type", "received"}
MAY_ERASE = "recipients.erasejob.create"
KEY = "SG.local-key-that-must-never-be-seen"


@dataclass
class Sent:
    """One personalization that was taken."""

    to: str
    delivery_id: str
    body: dict[str, Any]
    personalization: dict[str, Any]


@dataclass
class FakeSendGrid(Loopback):
    """Binds a free port of 127.0.0.1; a context manager."""

    status: int = 202
    answer: bytes = b""
    answer_headers: dict[str, str] = field(default_factory=dict)
    fault: str = ""
    #: Strikes (status or fault) this often, then all is well.
    times: int = 1_000_000
    poison: set[str] = field(default_factory=set)
    #: Does a 400 name the entry that spoils it?
    names_the_entry: bool = True
    largest: int = 30_000_000
    #: What the key may do.
    scopes: tuple[str, ...] = ("mail.send", "user.profile.read", MAY_ERASE)
    tls: ssl.SSLContext | None = None
    sent: list[Sent] = field(default_factory=list)
    #: Addresses whose data it was asked to erase.
    erased: list[str] = field(default_factory=list)
    #: Number of learners and the status answered, for each request.
    requests: list[tuple[int, int]] = field(default_factory=list)
    headers_seen: list[dict[str, str]] = field(default_factory=list)
    connections: int = 0

    def __post_init__(self) -> None:
        fake = self
        self._open: set[socket.socket] = set()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self) -> None:
                fake.connections += 1
                fake._open.add(self.request)
                super().setup()

            def do_GET(self) -> None:
                fake.headers_seen.append(dict(self.headers))
                status, body = fake.look_up(self.path, self.headers.get("Authorization", ""))
                fake.requests.append((0, status))
                self.respond(status, body, **fake.answer_headers)

            def do_POST(self) -> None:
                fake.handle(self)

            def respond(self, status: int, body: bytes, **headers: str) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_args: object) -> None:
                return

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_args: object) -> None:
                return

        self._server = Server(("127.0.0.1", 0), Handler)
        port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{port}"
        if self.tls:
            self._server.socket = self.tls.wrap_socket(self._server.socket, server_side=True)
            self.url = f"https://localhost:{port}"

    def stop(self) -> None:
        super().stop()
        self.drop_all()

    def drop_all(self) -> None:
        """End every open connection, as an idle limit would."""
        dropped, self._open = self._open, set()
        for sock in dropped:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def look_up(self, path: str, authorization: str) -> tuple[int, bytes]:
        """What a GET gets: the rights of the key, or nothing much."""
        if path != "/v3/scopes":
            return 200, b""
        if self.status != 202:
            return self.status, self.answer
        if authorization != f"Bearer {KEY}":
            return 401, b'{"errors":[{"message":"authorization required","field":null}]}'
        return 200, self.answer or json.dumps({"scopes": self.scopes}).encode()

    def erase(self, request: Any, body: dict[str, Any]) -> None:
        if self.status != 202:
            request.respond(self.status, self.answer)
        elif MAY_ERASE not in self.scopes:
            request.respond(403, b'{"errors":[{"message":"access forbidden","field":null}]}')
        elif set(body) != {"email_addresses"} or not 0 < len(body["email_addresses"]) <= 5000:
            request.respond(400, b'{"errors":[{"message":"bad request","field":null}]}')
        else:
            self.erased += body["email_addresses"]
            request.respond(202, b'{"job_id":"01JDQ3"}')

    def handle(self, request: Any) -> None:
        length = int(request.headers["Content-Length"])
        striking = self.times > 0
        if striking and self.fault == "reset while reading":
            self.times -= 1
            request.rfile.read(1000)
            _reset(request)
            return
        if striking and self.fault == "413 while reading":
            self.times -= 1
            request.rfile.read(1000)
            request.respond(413, b"", Connection="close")
            request.connection.shutdown(socket.SHUT_WR)
            time.sleep(0.05)
            request.close_connection = True
            return
        body = json.loads(request.rfile.read(length))
        self.headers_seen.append(dict(request.headers))
        if request.path == "/v3/recipients/erasejob":
            self.erase(request, body)
            return
        size = len(body["personalizations"])
        if striking and (self.status != 202 or self.answer):
            self.times -= 1
            self.requests.append((size, self.status))
            if self.status >= 500 and self.fault == "accept":
                self.take(body)
            request.respond(self.status, self.answer, **self.answer_headers)
            return
        errors = self.errors(body)
        status = 400 if errors else 413 if length > self.largest else 202
        self.requests.append((size, status))
        if status == 400:
            request.respond(400, json.dumps({"errors": errors}).encode())
        elif status == 413:
            request.respond(413, b'{"errors":[{"message":"too large","field":null}]}')
        else:
            self.take(body)
            self.finish(request, striking)

    def finish(self, request: Any, striking: bool) -> None:
        if striking and self.fault:
            self.times -= 1
            if self.fault == "accept, then reset":
                _reset(request)
                return
            if self.fault == "accept, then hang":
                with contextlib.suppress(OSError):
                    request.connection.recv(1)
                request.close_connection = True
                return
            if self.fault == "accept, then trickle":
                with contextlib.suppress(OSError):
                    for byte in b"HTTP/1.1 202 Accepted":
                        request.connection.sendall(bytes([byte]))
                        time.sleep(0.15)
                request.close_connection = True
                return
        request.respond(202, b"", X_Message_Id=f"msg-{len(self.requests)}")

    def take(self, body: dict[str, Any]) -> None:
        for entry in body["personalizations"]:
            self.sent.append(
                Sent(entry["to"][0]["email"], entry["custom_args"]["mcd_delivery"], body, entry)
            )

    def errors(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        entries = body["personalizations"]
        if not 0 < len(entries) <= 1000:
            found.append({"message": "too many", "field": "personalizations"})
        addresses = [entry["to"][0]["email"].lower() for entry in entries]
        if len(set(addresses)) < len(addresses):
            found.append({"message": "Each email address should be unique", "field": None})
        for index, (address, entry) in enumerate(zip(addresses, entries, strict=True)):
            where = f"personalizations.{index}"
            if address in self.poison:
                named = f"{where}.to.0.email" if self.names_the_entry else None
                found.append({"message": "Does not contain a valid address.", "field": named})
            for name, value in entry["headers"].items():
                if name.lower() in _FORBIDDEN or not isinstance(value, str):
                    found.append({"message": "header", "field": f"{where}.headers.{name}"})
            for part in ("substitutions", "custom_args"):
                if not all(isinstance(value, str) for value in entry[part].values()):
                    found.append({"message": "Bad Request", "field": None})
        if not body["subject"]:
            found.append({"message": "The subject is required", "field": "subject"})
        if [part["type"] for part in body["content"]] != ["text/plain", "text/html"]:
            found.append({"message": "order", "field": "content"})
        found += [{"message": wrong, "field": None} for wrong in sendgrid_document.findings(body)]
        return found


def _reset(request: Any) -> None:
    request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request.close_connection = True
    request.connection.close()
