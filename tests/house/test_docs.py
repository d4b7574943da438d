"""The docs say what the code says."""

from __future__ import annotations

import pytest

from tests.house import drawings


def test_the_glossary_is_drawn_from_the_code():
    assert drawings.GLOSSARY.read_text("utf-8") == drawings.glossary(), (
        "run: python -m tests.house.drawings"
    )


def test_the_states_page_is_drawn_from_the_tables():
    assert drawings.STATES.read_text("utf-8") == drawings.states(), (
        "run: python -m tests.house.drawings"
    )


@pytest.mark.parametrize("title", drawings.ENUMS)
def test_each_member_carries_its_meaning_in_the_line_above_it(title):
    enum = drawings.ENUMS[title]
    meanings = drawings.meanings(enum)
    assert set(meanings) == {str(member) for member in enum}
    assert all(meanings.values())


def test_each_column_carries_its_meaning_in_the_line_above_it():
    source = (drawings.ROOT / "scheduler/store/tables.py").read_text("utf-8").splitlines()
    bare = [
        f"tables.py:{number}"
        for number, line in enumerate(source, 1)
        if line.strip().startswith("Column(") and not source[number - 2].strip().startswith("#")
    ]
    assert not bare
