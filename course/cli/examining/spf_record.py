"""Writes the SPF record to publish, from the one there is or from nothing.

Keeps what others wrote, in their order; only what lets everybody in is taken out.
"""

from __future__ import annotations

from collections.abc import Sequence


def with_term(record: str, term: str) -> str:
    """The record with one more permission."""
    version, *terms = record.split()
    return " ".join([version, term, *terms])


def merged(records: Sequence[str]) -> str:
    """One record that allows what any of them allows."""
    terms = [term for record in records for term in record.split()[1:]]
    return " ".join(["v=spf1", *dict.fromkeys(filter(_is_not_all, terms)), "~all"])


def closed(record: str) -> str:
    """The record, with an end that lets nobody else in."""
    return " ".join([*filter(_is_not_all, record.split()), "~all"])


def _is_not_all(term: str) -> bool:
    return term.lower().lstrip("+?~-") != "all"
