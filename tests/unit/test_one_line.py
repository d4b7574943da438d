"""Somebody else's words as one storable line."""

from __future__ import annotations

import pytest

from scheduler.store.batch import line


@pytest.mark.parametrize("name", ["می\u200cترا", "ක්\u200dෂ", "Zoë", "O'Neil-Śmigły", "李小龙"])
def test_a_name_keeps_every_letter(name):
    assert line(name) == name


@pytest.mark.parametrize(
    ("words", "stored"),
    [
        ("Ada\r\nBcc: victim@example.com", "Ada Bcc: victim@example.com"),
        ("a\x00b\u2028c\x85d", "a b c d"),
        ("\u202eevil", "evil"),
        ("x" * 600, "x" * 500),
    ],
)
def test_what_could_break_a_line_or_a_page_is_taken_out(words, stored):
    assert line(words) == stored
