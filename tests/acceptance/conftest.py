"""A little school served on a real port, and a real browser."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn

from course.web.app import create_app
from tests.little_school import LittleSchool, build


@pytest.fixture
def site(tmp_path: Path) -> Iterator[LittleSchool]:
    """A demo school that answers on a port of its own; `settings.base_url` says where."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    school = build(tmp_path, demo=True, base_url=f"http://127.0.0.1:{port}")
    server = uvicorn.Server(
        uvicorn.Config(create_app(school), port=port, log_level="error", proxy_headers=False)
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started:
        assert time.monotonic() < deadline, "the server did not start"
        time.sleep(0.02)
    yield school
    server.should_exit = True
    thread.join(10)
    school.close()
