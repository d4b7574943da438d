"""A web site on 127.0.0.1 that answers as the course does, or as a proxy that spoils it."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.loopback import Loopback

HEALTHY = (200, b'{"status":"ok"}')
LEFT = (200, b"Unsubscribed.\n")


class FakeSite(Loopback):
    """Binds a free port; a context manager. `answers` maps "GET /healthz" to (status, body)."""

    def __init__(
        self,
        answers: Mapping[str, tuple[int, bytes]] | None = None,
        *,
        tls: ssl.SSLContext | None = None,
        headers: Mapping[str, str] | None = None,
        date: str = "",
    ) -> None:
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        given = {"GET /healthz": HEALTHY, "POST /leave": LEFT, **(answers or {})}
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.reply(b"")

            def do_POST(self) -> None:
                self.reply(self.rfile.read(int(self.headers["Content-Length"])))

            def reply(self, body: bytes) -> None:
                fake.requests.append((self.command, self.path, dict(self.headers), body))
                what = f"{self.command} {self.path}"
                status, text = next(
                    (answer for start, answer in given.items() if what.startswith(start)),
                    (404, b"nothing"),
                )
                self.send_response(status)
                for name, value in (headers or {}).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def date_time_string(self, timestamp: float | None = None) -> str:
                return date or super().date_time_string(timestamp)

            def log_message(self, *_args: object) -> None:
                return

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_args: object) -> None:
                return

        self._server = Server(("127.0.0.1", 0), Handler)
        port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{port}"
        if tls:
            self._server.socket = tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
            self.url = f"https://localhost:{port}"
