"""`course doctor` finds the DMARC record that speaks for a domain, and whether mail will pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from course.cli.examining.dmarc import Identifiers, dmarc_checks
from course.cli.examining.dmarc_walk import look
from course.cli.examining.finding import Result
from course.cli.examining.names import Names
from tests.integration.cli.fake_dns import FakeDns

HOME = "five-days.school"
ADDRESS = f"hello@{HOME}"


def ask(
    records: Mapping[str, Sequence[str]],
    *,
    domain: str = HOME,
    ours: Identifiers | None = None,
    faults: Mapping[str, str] | None = None,
) -> list[Result]:
    zone = {
        f"_dmarc.{name} txt": [f'"{text}"' for text in texts] for name, texts in records.items()
    }
    with FakeDns({f"{HOME} mx": ["1 mx.school."], **zone}, faults) as dns:
        names = Names(dns.address, each_s=0.4)
        return list(
            dmarc_checks(domain, f"hello@{domain}", ours or Identifiers(domain, None), names)
        )


def of_record(*records: str) -> Result:
    return ask({HOME: records})[0]


def test_a11_a_missing_record_comes_with_the_one_to_add() -> None:
    result, _ = ask({})
    assert result.level == "problem"
    assert result.record == f'_dmarc.{HOME} TXT "v=DMARC1; p=none; rua=mailto:{ADDRESS}"'


@pytest.mark.parametrize(
    "record",
    ["v=DMARC1; p=none", "v=DMARC1;p=reject;", "v = DMARC1 ; P = Quarantine; rua=mailto:a@b.school",
     "v=DMARC1; rua=mailto:a@b.school", "v=DMARC1; p=nonsense; rua=mailto:a@b.school"],
)  # fmt: skip
def test_a11_a_record_may_leave_out_what_is_optional(record: str) -> None:
    assert of_record(record).level == "ok"


@pytest.mark.parametrize("record", ["v=DMARC1", "v=DMARC1; p=off", "v=DMARC1; sp=reject"])
def test_a_record_that_receivers_ignore_is_a_problem(record: str) -> None:
    result = of_record(record)
    assert result.level == "problem"
    assert result.record.startswith(f"_dmarc.{HOME} TXT")


@pytest.mark.parametrize("record", ["v=DMARC2; p=none", "p=none; v=DMARC1", "hello", "v=dmarc1"])
def test_other_text_is_no_record(record: str) -> None:
    assert "no record" in of_record(record).found


def test_a11_tags_that_are_gone_are_named_and_do_no_harm() -> None:
    result = of_record("v=DMARC1; p=none; pct=50; ri=86400")
    assert result.level == "ok"
    assert "pct and ri no longer count" in result.found
    assert "no longer" not in of_record("v=DMARC1; p=none").found


def test_two_records_are_a_problem_and_none_of_them_counts() -> None:
    results = ask({HOME: ["v=DMARC1; p=none", "v=DMARC1; p=reject"]})
    assert "2 records" in results[0].found
    assert [result.check for result in results] == ["DMARC", "alignment"]
    assert of_record("v=DMARC1; p=none", "another-thing=1").level == "ok"


def test_a_record_further_up_speaks_for_the_domains_below() -> None:
    result, _ = ask({HOME: ["v=DMARC1; p=reject; sp=quarantine"]}, domain=f"mail.{HOME}")
    assert result.level == "ok"
    assert f"_dmarc.{HOME}: sp=quarantine" in result.found


def walk(domain: str, records: Mapping[str, str]) -> tuple[str, str, list[str]]:
    zone = {f"_dmarc.{name} txt": [f'"{text}"'] for name, text in records.items()}
    with FakeDns(zone) as dns:
        found = look(domain, Names(dns.address))
        asked = [question.removeprefix("_dmarc.").split()[0] for question in dns.asked]
    return (found.record.domain if found.record else ""), found.organisation, asked


def test_the_walk_goes_up_label_by_label() -> None:
    assert walk("a.b.five.school", {}) == (
        "", "a.b.five.school", ["a.b.five.school", "b.five.school", "five.school", "school"]
    )  # fmt: skip


def test_a_long_name_is_shortened_to_seven_labels() -> None:
    _, _, asked = walk("a.b.c.d.e.f.g.h.i.school", {})
    assert asked[:2] == ["a.b.c.d.e.f.g.h.i.school", "d.e.f.g.h.i.school"]
    assert len(asked) == 8
    assert len(walk("a.b.c.d.e.f.g.school", {})[2]) == 8


def test_the_organisation_is_the_record_with_the_fewest_labels() -> None:
    records = {"a.five.school": "v=DMARC1; p=none", "five.school": "v=DMARC1; p=reject"}
    assert walk("a.five.school", records)[:2] == ("a.five.school", "five.school")
    assert walk("b.five.school", records)[:2] == ("five.school", "five.school")


def test_a_public_suffix_ends_the_walk_below_itself() -> None:
    records = {"co.school": "v=DMARC1; p=reject; psd=y", "school": "v=DMARC1; p=none"}
    record, organisation, asked = walk("a.five.co.school", records)
    assert (record, organisation) == ("co.school", "five.co.school")
    assert "school" not in asked


def test_a_domain_that_says_it_is_no_suffix_is_the_organisation() -> None:
    records = {"b.five.school": "v=DMARC1; p=none; psd=n", "five.school": "v=DMARC1; p=none"}
    assert walk("a.b.five.school", records)[:2] == ("b.five.school", "b.five.school")


def alignment(ours: Identifiers, policy: str = "p=none", **more: Sequence[str]) -> list[str]:
    records = {HOME: [f"v=DMARC1; {policy}"], **more}
    results = ask(records, ours=ours)
    return [result.level for result in results if result.check == "alignment"]


@pytest.mark.parametrize(
    "ours",
    [Identifiers(HOME, None), Identifiers(f"bounces.{HOME}", None), Identifiers("", HOME),
     Identifiers("", f"em.{HOME}"), Identifiers("bounces.elsewhere.school", HOME)],
)  # fmt: skip
def test_a11_one_checked_domain_of_the_same_organisation_is_enough(ours: Identifiers) -> None:
    assert alignment(ours) == ["ok"]


def test_a11_bounces_elsewhere_leave_everything_to_the_signature() -> None:
    assert alignment(Identifiers("bounces.elsewhere.school", None)) == ["warning"]
    assert alignment(Identifiers("bounces.elsewhere.school", "")) == ["problem"]
    assert alignment(Identifiers("", "")) == ["problem"]


def test_what_is_not_known_is_not_judged() -> None:
    assert alignment(Identifiers("", None)) == []


def test_a_strict_record_wants_the_very_same_domain() -> None:
    assert alignment(Identifiers(f"bounces.{HOME}", ""), "p=none; aspf=s") == ["problem"]
    assert alignment(Identifiers(f"bounces.{HOME}", ""), "p=none; adkim=s") == ["ok"]
    assert alignment(Identifiers("", f"em.{HOME}"), "p=none; adkim=s") == ["problem"]
    assert alignment(Identifiers(HOME, ""), "p=none; aspf=s") == ["ok"]


@pytest.mark.parametrize("fault", ["servfail", "silent", "garbage", "truncated"])
def test_what_cannot_be_asked_is_a_warning_not_a_missing_record(fault: str) -> None:
    results = ask({}, faults={f"_dmarc.{HOME}": fault})
    assert [result.level for result in results] == ["warning"]
    assert "could not be asked" in results[0].found
