"""Takes mail on 127.0.0.1 as the sink does, and thinks each message over, as most servers do.

A thread a connection, so that it thinks over several at once.
"""

from __future__ import annotations

import socket
import time
from multiprocessing.connection import Connection
from threading import Thread

from tests.benchmarks.sink import Talk

#: What a server far away, or with a busy disk, takes for a message.
SECONDS_A_MESSAGE = 0.01


def serve(control: Connection) -> None:
    """Tell the port; answer each question with the messages taken; end with the pipe."""
    taken: list[int] = []
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        Thread(target=_accept, args=(listener, taken), daemon=True).start()
        control.send(f"127.0.0.1:{listener.getsockname()[1]}")
        while True:
            try:
                control.recv()
            except EOFError:
                return
            control.send(sum(taken))


def _accept(listener: socket.socket, taken: list[int]) -> None:
    while True:
        sock, _ = listener.accept()
        Thread(target=_talk, args=(sock, taken), daemon=True).start()


def _talk(sock: socket.socket, taken: list[int]) -> None:
    with sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(b"220 slow sink ESMTP\r\n")
        talk = Talk(sock, think=lambda: time.sleep(SECONDS_A_MESSAGE))
        while talk.listen():
            taken.append(talk.count_anew())
