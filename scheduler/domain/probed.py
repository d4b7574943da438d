"""What a provider says of itself when it is only asked, not used."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Probed:
    """It let us in; nothing was sent. What it did not like is a `Deferred`."""

    #: What it offers, in one line.
    found: str
    #: What mail will miss there, and what to do about it; "" when nothing.
    lacking: str = ""
