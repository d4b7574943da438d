"""Two ways to hand ready mail to a sink, as yardsticks: Postfix's smtp-source, and smtplib."""

from __future__ import annotations

import os
import shutil
import smtplib
import subprocess
import tempfile
import time
from pathlib import Path

from scheduler.domain.message import Message
from tests.benchmarks.measuring import Cost, measured
from tests.benchmarks.school import mail_composer
from tests.mailroom import claimed

_UNPACKED = Path(__file__).resolve().parents[2] / ".venv" / "postfix" / "usr"
#: Connections of smtp-source; more than a few change nothing.
_SESSIONS = 8


def a_ready_message() -> bytes:
    """One learner's mail, as our worker sends it."""
    with tempfile.TemporaryDirectory() as folder:
        (message,) = mail_composer(Path(folder)).compose([claimed()])
    assert isinstance(message, Message)
    return message.raw


def smtp_source() -> str:
    """The program, installed or unpacked beside our environment; "" when absent or unfit."""
    found = shutil.which("smtp-source", path=f"{os.environ['PATH']}:/usr/sbin:{_UNPACKED}/sbin")
    if found is None:
        return ""
    try:
        said = subprocess.run([found], capture_output=True, text=True, env=_env(), check=False)
    except OSError:
        return ""
    return found if "usage" in said.stderr else ""


def by_smtp_source(program: str, address: str, count: int, size: int) -> Cost:
    """Hands over `count` messages of `size` bytes that it makes up; CPU by the kernel's word."""
    command = [program, "-d", "-s", str(_SESSIONS), "-m", str(count), "-l", str(size)]
    start = time.perf_counter()
    process = subprocess.Popen(
        [*command, "-f", "a@example.com", "-t", "b@example.com", address], env=_env()
    )
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    return Cost(process.returncode, seconds, used.ru_utime + used.ru_stime)


def by_smtplib(address: str, count: int, message: bytes) -> Cost:
    """Hands over one ready message `count` times, on one connection."""
    host, _, port = address.partition(":")

    def send() -> None:
        for _ in range(count):
            smtp.sendmail("a@example.com", ["b@example.com"], message)

    with smtplib.SMTP(host, int(port), local_hostname="localhost") as smtp:
        return measured(send)


def _env() -> dict[str, str]:
    return {**os.environ, "LD_LIBRARY_PATH": f"{_UNPACKED}/lib/postfix"}
