"""What the web doors need of the school: a protocol, so that no door can reach a provider.

`course.wiring.School` fits it; tests hand in a small one of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Protocol

from course.catalog import Catalog
from course.config import Settings
from course.links import Links
from scheduler.clock import Clock
from scheduler.domain.delivery import Claimed
from scheduler.enrolling import Enrolling
from scheduler.store import Database


class Named(Protocol):
    """A provider, as far as a door may know it: by name."""

    @property
    def name(self) -> str: ...


class Reader(Protocol):
    """A composer, as far as a door may know it: it shows what was written."""

    def read_online(self, document: str, claimed: Claimed) -> str: ...


class Morning(Protocol):
    """What one press of "next morning" did; both instants are aware UTC."""

    @property
    def began_at(self) -> datetime: ...
    @property
    def ended_at(self) -> datetime: ...
    @property
    def sent(self) -> int: ...


class School(Protocol):
    """Every part a web page may use."""

    @property
    def settings(self) -> Settings: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def db(self) -> Database: ...
    @property
    def catalog(self) -> Catalog: ...
    @property
    def links(self) -> Links: ...
    @property
    def composer(self) -> Reader: ...
    @property
    def provider(self) -> Named: ...
    @property
    def enrolling(self) -> Enrolling: ...
    @property
    def demo(self) -> bool: ...
    @property
    def held(self) -> str:
        """Why nothing is sent until a person looks; empty when all is well."""
        ...

    @property
    def next_morning(self) -> Callable[[], Morning] | None:
        """Demo only: let time pass until everybody has had their next lesson."""
        ...

    def hear(self, provider: str, headers: Mapping[str, str], body: bytes) -> bool:
        """Take in what a provider reports; False if nothing is expected from that one."""
        ...

    @property
    def last_tick_at(self) -> datetime | None:
        """When this process last looked at who is due; None when it runs no worker."""
        ...
