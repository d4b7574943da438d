"""The one source of time zones: the pinned `tzdata` package, never the machine's own files.

Two machines of one installation must agree on when morning is, so the system's
zone files are shut out. Knows old names (`Asia/Calcutta`), which browsers still send.
"""

from __future__ import annotations

import zoneinfo
from functools import cache
from importlib import metadata, resources
from zoneinfo import ZoneInfo

from scheduler.errors import UnknownZone

zoneinfo.reset_tzpath(to=[])


def version() -> str:
    """The release of the zone data in use, for example `2026.3`."""
    return metadata.version("tzdata")


@cache
def zone(name: str) -> ZoneInfo:
    """The zone of that name, old names included.

    Raises `UnknownZone`, whose message names near ones.
    """
    known = _by_folded_name().get(name.strip().casefold())
    if known is None:
        raise UnknownZone(_unknown(name))
    return ZoneInfo(known)


def canonical(name: str, default: str) -> str:
    """Today's name for a zone (`Asia/Calcutta` -> `Asia/Kolkata`); `default` if there is none.

    Never raises: a wrong zone must not fail a signup.
    """
    known = _by_folded_name().get(name.strip().casefold())
    if known is None:
        return default
    if known in places():
        return known
    return _links().get(known, known)


@cache
def places() -> tuple[str, ...]:
    """Zones a person can choose from, sorted: places only, no `Etc/GMT+5` and no old names."""
    return tuple(sorted(_places() | {"UTC"}))


@cache
def _by_folded_name() -> dict[str, str]:
    return {name.casefold(): name for name in zoneinfo.available_timezones()}


@cache
def _places() -> frozenset[str]:
    table = resources.files("tzdata.zoneinfo").joinpath("zone.tab").read_text("utf-8")
    rows = (line.split("\t") for line in table.splitlines() if line and not line.startswith("#"))
    return frozenset(row[2] for row in rows)


@cache
def _links() -> dict[str, str]:
    """Old name -> current name, from the `L` lines of the data itself."""
    source = resources.files("tzdata.zoneinfo").joinpath("tzdata.zi").read_text("utf-8")
    pairs = (line.split() for line in source.splitlines() if line.startswith("L "))
    return {old: current for _, current, old in pairs}


def _unknown(name: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name.strip().casefold(), _by_folded_name(), n=3, cutoff=0.6)
    hint = ", ".join(_by_folded_name()[match] for match in near) or "Europe/Berlin, UTC"
    return f"there is no time zone {name!r}: use an IANA name such as {hint}"
