"""Each rule for mail in docs/mail-rules.md names tests that exist, and none is forgotten."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "mail-rules.md").read_text("utf-8")
ROW = re.compile(r"^\| ([HUARTXB]\d+) \|.*\|([^|]*)\|$", re.MULTILINE)
SAID_WHY = re.compile(r"^Rows? ([HUARTXB]\d+), ", re.MULTILINE)
#: Rules we follow, by family.
RULES = {"H": 21, "U": 12, "A": 11, "R": 22, "T": 9, "X": 10, "B": 8}


@cache
def known_tests() -> frozenset[str]:
    return frozenset(
        node.name
        for file in (ROOT / "tests").rglob("test_*.py")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    )


def rows() -> dict[str, list[str]]:
    return {rule: re.findall(r"`(test_\w+)`", named) for rule, named in ROW.findall(PAGE)}


def rules_in(name: str) -> Iterator[str]:
    """`test_h3_h4_a_retry...`: H3 and H4."""
    for word in name.removeprefix("test_").split("_"):
        if not re.fullmatch(r"[a-z]\d+", word):
            return
        yield word.upper()


def test_no_rule_is_forgotten_and_none_stands_twice() -> None:
    every = [f"{family}{n}" for family, last in RULES.items() for n in range(1, last + 1)]
    said = [rule for rule, _ in ROW.findall(PAGE)] + SAID_WHY.findall(PAGE)
    assert sorted(said) == sorted(every)


@pytest.mark.parametrize("rule", rows())
def test_every_rule_names_tests_that_exist(rule: str) -> None:
    named = rows()[rule]
    assert named, f"row {rule} names no test"
    assert not set(named) - known_tests()
    assert len(named) == len(set(named))


def test_a_test_with_the_name_of_a_rule_stands_in_its_row() -> None:
    page = rows()
    missing = {
        rule: name
        for name in sorted(known_tests())
        for rule in rules_in(name)
        if rule[0] in RULES and name not in page.get(rule, [])
    }
    assert missing == {}


def test_every_row_says_what_is_done() -> None:
    for row in PAGE.splitlines():
        if ROW.match(row):
            rule, what, done = (cell.strip() for cell in row.split("|")[1:4])
            assert what, row
            assert done, rule
