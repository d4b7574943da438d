"""Each fault and attack in docs/faults.md names tests that exist, and no number is forgotten."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "faults.md").read_text("utf-8")
FAULTS, ATTACKS = PAGE.split("## Attacks")
ROW = re.compile(r"^\| (\d+) \|.*\|([^|]*)\|$", re.MULTILINE)


@cache
def known_tests() -> frozenset[str]:
    return frozenset(
        node.name
        for file in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    )


def rows(text: str) -> dict[int, list[str]]:
    return {int(n): re.findall(r"`(test_\w+)`", named) for n, named in ROW.findall(text)}


@pytest.mark.parametrize("part", [FAULTS, ATTACKS], ids=["faults", "attacks"])
def test_every_row_names_tests_that_exist(part: str) -> None:
    for number, named in rows(part).items():
        assert named, f"row {number} names no test"
        missing = set(named) - known_tests()
        assert not missing, f"row {number}: {missing}"


def test_no_fault_is_forgotten() -> None:
    said_why = {int(n) for n in re.findall(r"^Row (\d+),", FAULTS, re.MULTILINE)}
    assert rows(FAULTS).keys() | said_why == set(range(1, 41))


def test_no_attack_on_what_exists_is_forgotten() -> None:
    assert rows(ATTACKS).keys() == {1, 6, *range(13, 19), 20, 21, 24, 25}
