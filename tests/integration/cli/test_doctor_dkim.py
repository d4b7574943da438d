"""`course doctor` compares the published DKIM key with the one that signs, as a person would."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from functools import cache

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from course.cli.examining import dkim
from course.cli.examining.finding import Result
from course.cli.examining.names import Names
from tests.integration.cli.fake_dns import FakeDns

HOME = "five-days.school"
WHERE = f"course._domainkey.{HOME}"
ED25519 = base64.b64encode(b"k" * 32).decode()


@cache
def public(bits: int = 2048, _which: int = 0) -> str:
    key = rsa.generate_private_key(65537, bits).public_key()
    return base64.b64encode(
        key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    ).decode()


def record() -> str:
    return f"v=DKIM1; k=rsa; p={public()}"


def strings(text: str, size: int = 200) -> str:
    """One TXT record as DNS keeps it: strings of at most 255 bytes."""
    return " ".join(f'"{text[at : at + size]}"' for at in range(0, len(text), size))


def ask(
    published: Sequence[str], expected: str | None = None, fault: str = "", **more: Sequence[str]
) -> Result:
    zone: dict[str, Sequence[str]] = {f"{HOME} mx": ["1 mx.school."], f"{WHERE} txt": published}
    zone |= {name.replace("__", " "): texts for name, texts in more.items()}
    with FakeDns(zone, {WHERE: fault} if fault else {}) as dns:
        names = Names(dns.address, each_s=0.4)
        (result,) = dkim.dkim_checks(HOME, [("course", expected)], names)
    return result


def test_a11_the_published_key_is_the_one_that_signs() -> None:
    result = ask([strings(record())], record())
    assert result.level == "ok"
    assert "the one that signs" in result.found


@pytest.mark.parametrize(
    "written",
    [
        lambda: f"v=DKIM1;k=rsa;p={public()}",
        lambda: f"p={public()}",
        lambda: f"k = RSA ; t=s; v=DKIM1; p={public()[:90]} {public()[90:]};",
        lambda: record() + ";",
    ],
)
def test_spaces_order_and_splitting_make_no_other_key(written) -> None:
    assert ask([strings(written(), 99)], record()).level == "ok"


@pytest.mark.parametrize(
    "wanted",
    [
        lambda: strings(record(), 120),
        lambda: f'  "{record()}"\n',
        lambda: f"v=DKIM1;\n  k=rsa;\n  p={public()[:60]}\n    {public()[60:]}",
    ],
)
def test_a_key_file_in_any_usual_shape_is_compared_by_its_key(wanted) -> None:
    assert ask([strings(record())], wanted()).level == "ok"


def test_a11_another_key_is_a_problem_with_the_record_to_put_there() -> None:
    result = ask([strings(f"v=DKIM1; p={public(2048, 1)}")], strings(record()))
    assert result.level == "problem"
    assert "another than the one that signs" in result.found
    assert result.record == f'{WHERE} TXT "{record()}"'
    other_kind = ask([strings(f"v=DKIM1; k=ed25519; p={public()}")], record())
    assert other_kind.level == "problem"


def test_a11_a_missing_key_comes_with_the_record_to_add() -> None:
    result = ask([], record())
    assert result.level == "problem"
    assert result.record == f'{WHERE} TXT "{record()}"'
    unknown = ask([])
    assert (unknown.level, unknown.record) == ("problem", "")


def test_a_key_that_was_withdrawn_or_damaged_is_a_problem() -> None:
    assert "withdrawn" in ask(['"v=DKIM1; p="']).found
    assert "damaged" in ask([strings(f"v=DKIM1; p={public()[:-3]}")]).found
    assert "damaged" in ask(['"v=DKIM1; p=(copy your key here)"']).found


def test_two_keys_under_one_name_are_a_problem_and_other_text_is_no_key() -> None:
    assert "2 keys" in ask([strings(record()), strings(record(), 70)]).found
    assert "no key, only other text" in ask(['"hello"']).found
    assert ask([strings(record()), '"hello"']).level == "ok"


def test_a1_a_key_shorter_than_2048_bits_is_told() -> None:
    assert "shorter" in ask([strings(f"v=DKIM1; p={public(1024)}")]).found
    assert ask([f'"v=DKIM1; k=ed25519; p={ED25519}"']).level == "ok"


def test_a_key_in_test_mode_is_told() -> None:
    assert ask([strings(f"v=DKIM1; t=y:s; p={public()}")]).level == "warning"


def test_an_alias_that_leads_nowhere_is_told_apart_from_no_key() -> None:
    result = ask([], **{f"{WHERE}__cname": ["gone.relay.school."]})
    assert result.level == "problem"
    assert "gone.relay.school" in result.found


@pytest.mark.parametrize("fault", ["servfail", "silent", "garbage"])
def test_a_key_that_cannot_be_asked_is_a_warning(fault: str) -> None:
    result = ask([], record(), fault)
    assert result.level == "warning"
    assert "could not be asked" in result.found


def sendgrid(
    zone: Mapping[str, Sequence[str]], domain: str = HOME, faults: Mapping[str, str] | None = None
) -> tuple[str | None, list[Result]]:
    with FakeDns({f"{HOME} mx": ["1 mx.school."], **zone}, faults) as dns:
        return dkim.sendgrid_checks(domain, dkim.SENDGRID_SELECTORS, Names(dns.address, each_s=0.4))


def sendgrids(selector: str, at: str = HOME) -> dict[str, list[str]]:
    target = f"{selector}.domainkey.u1.wl.sendgrid.net"
    return {
        f"{selector}._domainkey.{at} cname": [f"{target}."],
        f"{target} txt": [strings(f"k=rsa; t=s; p={public()}")],
    }


def test_a11_both_keys_of_sendgrid_resolve() -> None:
    at, results = sendgrid({**sendgrids("s1"), **sendgrids("s2")})
    assert at == HOME
    assert [result.level for result in results] == ["ok", "ok"]


def test_a_domain_authenticated_above_the_senders_signs_for_it() -> None:
    zone = {**sendgrids("s1"), **sendgrids("s2"), f"mail.{HOME} mx": ["1 mx.school."]}
    at, results = sendgrid(zone, f"mail.{HOME}")
    assert at == HOME
    assert [result.level for result in results] == ["ok", "ok"]


def test_one_of_two_missing_is_told() -> None:
    at, results = sendgrid(sendgrids("s1"))
    assert at == HOME
    assert [result.level for result in results] == ["ok", "problem"]


def test_no_key_of_sendgrid_means_nothing_signs_for_the_domain() -> None:
    at, results = sendgrid({})
    assert at == ""
    assert [result.level for result in results] == ["problem"]
    assert f"s1._domainkey.{HOME}" in results[0].found


def test_keys_of_sendgrid_that_lead_nowhere_authenticate_nothing() -> None:
    at, results = sendgrid({f"s1._domainkey.{HOME} cname": ["gone.sendgrid.net."]})
    assert at == ""
    assert {result.level for result in results} == {"problem"}


def test_sendgrids_keys_that_cannot_be_asked_are_not_missing() -> None:
    at, results = sendgrid({}, faults={f"s1._domainkey.{HOME}": "servfail"})
    assert at is None
    assert "could not be asked" in results[0].found


def test_a3_without_a_selector_it_says_how_to_see_whether_the_relay_signs() -> None:
    result = dkim.unknown(HOME)
    assert result.level == "warning"
    assert f"dkim=pass header.d={HOME}" in result.fix
    assert "--selector" in result.fix
