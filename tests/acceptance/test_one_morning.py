"""Import, send, and compare the ledger with the far end: both providers, from the terminal."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.acceptance.one_morning import one_morning


@pytest.mark.parametrize(
    ("provider", "learners", "requests"), [("smtp", 300, 0), ("sendgrid", 1_200, 2)]
)
def test_what_is_imported_and_sent_from_the_terminal_arrives_as_the_ledger_says(
    tmp_path: Path, provider: str, learners: int, requests: int
) -> None:
    found = one_morning(tmp_path, provider, learners)
    assert found.exact, found
    assert found.requests == requests
