"""Takes mail on 127.0.0.1 as fast as Python can, counts it and forgets it.

One thread, one read for whatever has arrived. Refuses nothing.
"""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Callable
from multiprocessing.connection import Connection

_CHUNK = 1 << 18
_OK = b"250 2.0.0 ok\r\n"
_ANSWERS = {
    b"EHLO": b"250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 0\r\n",
    b"DATA": b"354 go on\r\n",
    b"QUIT": b"221 2.0.0 bye\r\n",
}
_END = b"\r\n.\r\n"


def serve(control: Connection) -> None:
    """Tell the port; answer each question with (messages, seconds of CPU); end with the pipe."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    with listener, selectors.DefaultSelector() as selector:
        selector.register(control, selectors.EVENT_READ)
        selector.register(listener, selectors.EVENT_READ)
        control.send(f"127.0.0.1:{listener.getsockname()[1]}")
        taken = 0
        while True:
            for key, _ in selector.select():
                if key.fileobj is control:
                    try:
                        control.recv()
                    except EOFError:
                        return
                    control.send((taken, time.process_time()))
                elif key.fileobj is listener:
                    sock, _ = listener.accept()
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    sock.sendall(b"220 sink ESMTP\r\n")
                    selector.register(sock, selectors.EVENT_READ, Talk(sock))
                elif not key.data.listen():
                    selector.unregister(key.fileobj)
                    key.data.sock.close()
                    taken += key.data.count_anew()
                else:
                    taken += key.data.count_anew()


class Talk:
    """One connection; `think` is called for each message, before its answer."""

    def __init__(self, sock: socket.socket, think: Callable[[], None] = lambda: None) -> None:
        self.sock = sock
        self._think = think
        self._rest = b""
        self._in_message = False
        self._taken = 0

    def count_anew(self) -> int:
        """Messages since the last time this was asked."""
        taken, self._taken = self._taken, 0
        return taken

    def listen(self) -> bool:
        """Read what has come and answer it; False when the other side is gone."""
        try:
            chunk = self.sock.recv(_CHUNK)
            if not chunk:
                return False
            answer = self._answer(self._rest + chunk)
            if answer:
                self.sock.sendall(answer)
        except OSError:
            return False
        return True

    def _answer(self, data: bytes) -> bytes:
        answers: list[bytes] = []
        at = 0
        while True:
            if self._in_message:
                end = data.find(_END, at)
                if end < 0:
                    # The end may come in two pieces.
                    self._rest = data[max(at, len(data) - len(_END) + 1) :]
                    break
                at = end + len(_END)
                self._in_message = False
                self._taken += 1
                self._think()
                answers.append(_OK)
            else:
                end = data.find(b"\n", at)
                if end < 0:
                    self._rest = data[at:]
                    break
                verb = data[at : at + 4].upper()
                at = end + 1
                answers.append(_ANSWERS.get(verb, _OK))
                if verb == b"DATA":
                    self._in_message = True
                    at -= 2  # the command's own line end may begin the end of an empty message
        return b"".join(answers)
