"""A little school and a browser, for every test of the web doors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.little_browser import Browser
from tests.little_school import LittleSchool, build


@pytest.fixture
def school(tmp_path: Path) -> Iterator[LittleSchool]:
    made = build(tmp_path)
    yield made
    made.close()


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[LittleSchool]:
    made = build(tmp_path, demo=True)
    yield made
    made.close()


@pytest.fixture
def browser(school: LittleSchool) -> Browser:
    return Browser(school)
