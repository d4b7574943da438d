"""Stands between a program and its PostgreSQL server, and cuts the line at the worst moment."""

from __future__ import annotations

import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

#: Where PostgreSQL's clients look for the socket of port 5432 in a folder.
NAME = ".s.PGSQL.5432"
PATIENCE = 30.0


class Line:
    """Forwards bytes both ways between one folder's socket and another's."""

    def __init__(self, server: Path, folder: Path) -> None:
        self._server = server / NAME
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listening.bind(str(folder / NAME))
        self._listening.listen(64)
        self._open: list[socket.socket] = []
        self._armed = False
        self._holds = False
        self._held: socket.socket | None = None
        self._commit = b""
        self._answered = threading.Event()
        self._down = False
        self._ended = False
        #: How often the answer to a COMMIT was swallowed.
        self.swallowed = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def swallow_next_commit(self) -> None:
        """Let the next COMMIT reach the server, and its answer reach nobody."""
        self._armed = True

    def hold_next_commit(self) -> None:
        """Cut the client off at its next COMMIT, and keep that COMMIT on its way."""
        self._armed = self._holds = True

    def let_it_arrive(self) -> None:
        """Deliver the COMMIT that was held; returns when the server has carried it out."""
        assert self._held is not None, "no COMMIT is on its way"
        self._held.sendall(self._commit)
        assert self._answered.wait(PATIENCE), "the server did not answer the COMMIT"
        self._held.close()
        self._held = None

    def cut(self) -> None:
        """Cut every connection and let no new one through."""
        self._down = True
        self._close_all()

    def mend(self) -> None:
        """Let connections through again."""
        self._down = False

    def close(self) -> None:
        """End for good."""
        self._ended = True
        self._close_all()
        self._listening.close()
        if self._held is not None:
            self._held.close()

    def _accept(self) -> None:
        while not self._ended:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            if self._down:
                client.close()
                continue
            server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                server.connect(str(self._server))
            except OSError:
                client.close()
                continue
            self._open += [client, server]
            for source, target, asks in ((client, server, True), (server, client, False)):
                threading.Thread(
                    target=self._forward, args=(source, target, asks), daemon=True
                ).start()

    def _forward(self, source: socket.socket, target: socket.socket, asks: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if source is self._held:
                    self._answered.set()
                    return
                if asks and self._armed and b"COMMIT" in data:
                    self._armed = False
                    if self._holds:
                        self._hold(target, source, data)
                        return
                    self._swallow(target, source, data)
                    return
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _swallow(self, server: socket.socket, client: socket.socket, data: bytes) -> None:
        """Cut the client off first, or a quick server's answer would still reach it."""
        self.swallowed += 1
        client.shutdown(socket.SHUT_RDWR)
        with suppress(OSError):
            server.sendall(data)
            server.shutdown(socket.SHUT_WR)  # it finishes what it was told, then hangs up
        client.close()

    def _hold(self, server: socket.socket, client: socket.socket, data: bytes) -> None:
        """To the server the connection lives, and its transaction with it."""
        self._holds = False
        self._open.remove(server)
        self._answered.clear()
        self._commit, self._held = data, server
        self.swallowed += 1
        client.shutdown(socket.SHUT_RDWR)
        client.close()

    def _close_all(self) -> None:
        ends, self._open = self._open, []
        for end in ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@contextmanager
def line_to(url: str, server_home: Path) -> Iterator[tuple[Line, str]]:
    """A line to this server, and the URL that leads through it."""
    with tempfile.TemporaryDirectory(prefix="course-line-") as name:
        line = Line(server_home, Path(name))
        try:
            yield line, url.replace(f"host={server_home}", f"host={name}")
        finally:
            line.close()
