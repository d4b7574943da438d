"""`course doctor` looks whether replies and bounces arrive, and whether a server has a name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from course.cli.examining.finding import Result
from course.cli.examining.names import Names
from course.cli.examining.receiving import mx_checks
from course.cli.examining.reverse import ptr_checks
from tests.integration.cli.fake_dns import FakeDns

HOME = "five-days.school"
MX = {f"{HOME} mx": ["20 b.school.", "10 a.school."], "a.school a": ["93.184.215.14"]}
BACK = "14.215.184.93.in-addr.arpa ptr"


def mx(zone: Mapping[str, Sequence[str]], faults: Mapping[str, str] | None = None) -> Result:
    with FakeDns({f"x.{HOME} a": ["1.1.1.1"], **zone}, faults) as dns:
        (result,) = mx_checks([(HOME, "replies")], Names(dns.address, each_s=0.4))
    return result


def test_a_domain_that_receives_names_its_first_server() -> None:
    result = mx(MX)
    assert result.level == "ok"
    assert result.found == f"{HOME} takes replies at a.school"


@pytest.mark.parametrize(
    ("zone", "says"),
    [
        ({f"{HOME} mx": ["0 ."]}, "null MX"),
        ({}, "cannot receive"),
        ({f"{HOME} mx": ["5 gone.school."]}, "gone.school cannot be found"),
    ],
)
def test_a_domain_that_cannot_receive_loses_replies(
    zone: Mapping[str, Sequence[str]], says: str
) -> None:
    result = mx(zone)
    assert result.level == "problem"
    assert says in result.found


def test_a_domain_without_mx_receives_at_its_web_address_and_that_is_told() -> None:
    assert mx({f"{HOME} a": ["93.184.215.14"]}).level == "warning"
    assert mx({f"{HOME} aaaa": ["2606:2800::1"]}).level == "warning"


@pytest.mark.parametrize("fault", ["servfail", "silent", "garbage"])
def test_a_domain_that_cannot_be_asked_is_a_warning(fault: str) -> None:
    result = mx({}, {HOME: fault})
    assert result.level == "warning"
    assert "could not be asked" in result.found


def ptr(
    host: str, zone: Mapping[str, Sequence[str]], faults: Mapping[str, str] | None = None
) -> list[Result]:
    with FakeDns(zone, faults) as dns:
        return list(ptr_checks(host, Names(dns.address, each_s=0.4)))


def test_a11_a_server_whose_name_leads_back_is_well() -> None:
    zone = {BACK: ["a.school."], "a.school a": ["93.184.215.14"]}
    assert [result.level for result in ptr("93.184.215.14", zone)] == ["ok"]


def test_a11_a_server_without_a_name_or_with_another_is_noted() -> None:
    assert "has no name" in ptr("93.184.215.14", {})[0].found
    other = {BACK: ["a.school."], "a.school a": ["93.184.215.99"]}
    (result,) = ptr("93.184.215.14", other)
    assert result.level == "warning"
    assert "does not lead back" in result.found


def test_only_a_number_that_others_see_is_looked_up() -> None:
    for host in ("mail.relay.school", "localhost", "127.0.0.1", "10.1.2.3", "::1"):
        assert ptr(host, {}) == []


def test_a_name_that_cannot_be_asked_is_a_warning() -> None:
    (result,) = ptr("93.184.215.14", {}, {BACK.split()[0]: "servfail"})
    assert "could not be asked" in result.found
