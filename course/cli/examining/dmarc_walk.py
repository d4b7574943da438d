"""Finds the DMARC records that speak for a domain, walking up its labels (RFC 9989, 4.10).

Knows the tags of today: `p` may be missing, `pct`, `rf` and `ri` are gone. Refuses to know which
domains are public suffixes: the records say so themselves (`psd`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from course.cli.examining.names import Names

#: A domain of more labels is shortened to seven after the first question.
_MOST_LABELS = 8
_POLICIES = frozenset({"none", "quarantine", "reject"})


@dataclass(frozen=True, slots=True)
class Record:
    """One DMARC record, where it stands and what it says."""

    domain: str
    text: str
    tags: Mapping[str, str]

    @property
    def policy(self) -> str:
        """What `p` says, as receivers take it; "" when they ignore the record."""
        given = self.tags.get("p", "").lower()
        if given in _POLICIES:
            return given
        # Without a valid policy, an address for reports makes it a record that only watches.
        return "none" if "mailto:" in self.tags.get("rua", "").lower() else ""

    @property
    def is_suffix(self) -> bool | None:
        """Is this a domain under which others register theirs? None: it does not say."""
        return {"y": True, "n": False}.get(self.tags.get("psd", "u").lower())


@dataclass(frozen=True, slots=True)
class Found:
    """What a walk came to."""

    #: The one that applies to the domain; None when there is none.
    record: Record | None
    #: The domain under which everything belongs together.
    organisation: str
    #: Names with several records, all of which are ignored.
    doubled: tuple[tuple[str, tuple[str, ...]], ...]


def look(domain: str, names: Names) -> Found:
    """Raises `NotAsked`."""
    records: list[Record] = []
    doubled: list[tuple[str, tuple[str, ...]]] = []
    for name in _walk(domain):
        texts = [text for text in names.texts(f"_dmarc.{name}") if _is_dmarc(text)]
        if len(texts) > 1:
            doubled.append((name, tuple(texts)))
        if len(texts) != 1:
            continue
        record = Record(name, texts[0], _tags(texts[0]))
        records.append(record)
        if record.is_suffix is False or (record.is_suffix and name != domain):
            break
    organisation = _organisation(domain, records)
    above = [r for r in records if r.domain == organisation or r.is_suffix]
    own = records[0] if records and records[0].domain == domain else None
    return Found(own or (above[0] if above else None), organisation, tuple(doubled))


def _organisation(domain: str, records: list[Record]) -> str:
    for record in records:
        if record.is_suffix is False:
            return record.domain
        if record.is_suffix and record.domain != domain:
            labels = domain.split(".")
            return ".".join(labels[-(record.domain.count(".") + 2) :])
    # The one with the fewest labels; without any, the domain stands for itself.
    return records[-1].domain if records else domain


def _walk(domain: str) -> Iterator[str]:
    labels = domain.split(".")
    yield domain
    rest = labels[1:] if len(labels) < _MOST_LABELS else labels[-(_MOST_LABELS - 1) :]
    while rest:
        yield ".".join(rest)
        rest = rest[1:]


def _is_dmarc(text: str) -> bool:
    name, mark, value = text.partition(";")[0].partition("=")
    return bool(mark) and name.strip().lower() == "v" and value.strip() == "DMARC1"


def _tags(text: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.split(";"))
    return {name.strip().lower(): value.strip() for name, mark, value in pairs if mark}
