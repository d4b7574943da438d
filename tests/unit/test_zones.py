"""One source of zones, whatever the machine has."""

from __future__ import annotations

import zoneinfo

import pytest

from scheduler import zones
from scheduler.errors import UnknownZone


def test_the_machines_own_zone_files_are_shut_out():
    assert zoneinfo.TZPATH == ()
    assert zones.version()


@pytest.mark.parametrize(
    ("typed", "canonical"),
    [
        ("Asia/Calcutta", "Asia/Kolkata"),
        ("asia/kolkata", "Asia/Kolkata"),
        (" Europe/Oslo ", "Europe/Oslo"),
        ("US/Pacific", "America/Los_Angeles"),
        ("UTC", "UTC"),
        ("", "Europe/Berlin"),
        ("Middle/Earth", "Europe/Berlin"),
        ("../../etc/passwd", "Europe/Berlin"),
        ("\x00", "Europe/Berlin"),
    ],
)
def test_a_zone_is_understood_or_replaced_but_never_fails(typed, canonical):
    assert zones.canonical(typed, "Europe/Berlin") == canonical


def test_an_unknown_zone_names_near_ones():
    with pytest.raises(UnknownZone, match="Europe/Berlin"):
        zones.zone("Europe/Berlim")


def test_people_choose_among_places_that_all_exist():
    places = zones.places()
    assert "Asia/Kolkata" in places
    assert "Asia/Calcutta" not in places
    assert all(zones.zone(name) for name in places)
