"""Begins and ends a fake server on this machine, in a thread of its own."""

from __future__ import annotations

import threading
from socketserver import BaseServer
from typing import Self


class Loopback:
    """A context manager around the `_server` that a fake has bound."""

    _server: BaseServer

    def __enter__(self) -> Self:
        serve = self._server.serve_forever
        threading.Thread(target=serve, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_fault: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Answer nobody any more."""
        self._server.shutdown()
        self._server.server_close()
