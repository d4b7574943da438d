"""`course doctor` reads SPF as a receiver does, and proposes a record that can be copied."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import pytest

from course.cli.examining import spf
from course.cli.examining.finding import Result
from course.cli.examining.names import Names
from tests.integration.cli.fake_dns import FakeDns

HOME, RELAY = "five-days.school", "mail.relay.school"
RELAYS_ADDRESS = {f"{RELAY} a": ["93.184.215.14"]}


def txt(*records: str) -> list[str]:
    return [f'"{record}"' for record in records]


def ask(
    zone: Mapping[str, Sequence[str]],
    faults: Mapping[str, str] | None = None,
    *,
    relay: str = RELAY,
    domains: Sequence[str] = (HOME,),
) -> list[Result]:
    with FakeDns({**RELAYS_ADDRESS, f"www.{HOME} a": ["93.184.215.99"], **zone}, faults) as dns:
        return list(spf.of_relay(domains, relay, Names(dns.address, each_s=0.4)))


def ask_one(*args, **options) -> Result:
    (result,) = ask(*args, **options)
    return result


def ask_sendgrid(zone: Mapping[str, Sequence[str]], at: str = "") -> Result:
    with FakeDns({f"{HOME} mx": ["1 mx.school."], **zone}) as dns:
        (result,) = spf.of_sendgrid(HOME, at, Names(dns.address))
    return result


@pytest.mark.parametrize(
    "record",
    [
        f"v=spf1 a:{RELAY} ~all",
        "v=spf1 ip4:93.184.215.0/24 -all",
        "V=SPF1 +include:_spf.relay.school -all",
        "v=spf1 redirect=_spf.relay.school",
        f"v=spf1 a:{RELAY}/28 -all",
        "v=spf1 mx -all",
        "v=spf1 -ip4:10.0.0.0/8 ip6:2606:2800::/32 ip4:93.184.215.14 new=thing ~all",
    ],
)
def test_a11_a_relay_that_the_record_names_is_found(record: str) -> None:
    result = ask_one(
        {
            f"{HOME} txt": txt("some-verification=1", record),
            f"{HOME} mx": [f"10 {RELAY}."],
            "_spf.relay.school txt": txt("v=spf1 ip4:93.184.215.14 -all"),
        }
    )
    assert result.level == "ok", result
    assert "may send" in result.found


@pytest.mark.parametrize(
    "record",
    ["v=spf1 a mx ~all", "v=spf1 ip4:1.1.1.1 ~all", "v=spf1 -ip4:93.184.215.14 ~all",
     "v=spf1 ?include:_spf.relay.school ~all", "v=spf1 ~all ip4:93.184.215.14"],
)  # fmt: skip
def test_a11_a_relay_that_the_record_does_not_name_is_doubted_not_condemned(record: str) -> None:
    result = ask_one(
        {
            f"{HOME} txt": txt(record),
            "_spf.relay.school txt": txt("v=spf1 ip4:93.184.215.14 -all"),
        }
    )
    assert result.level == "warning"
    assert "93.184.215.14" in result.found
    terms = record.removeprefix("v=spf1 ")
    assert result.record == f'{HOME} TXT "v=spf1 a:{RELAY} {terms}"'


def test_a11_a_missing_record_comes_with_the_one_to_add() -> None:
    result = ask_one({f"{HOME} txt": txt("site-verification=7")})
    assert result.level == "problem"
    assert result.record == f'{HOME} TXT "v=spf1 a:{RELAY} ~all"'
    literal = ask_one({f"{HOME} txt": txt("x")}, relay="93.184.215.14")
    assert literal.record == f'{HOME} TXT "v=spf1 ip4:93.184.215.14 ~all"'


def test_a11_the_record_for_a_relay_on_this_machine_asks_for_its_public_address() -> None:
    result = ask_one({f"{HOME} txt": txt("x")}, relay="127.0.0.1")
    assert result.record == f'{HOME} TXT "v=spf1 mx ip4:ITS-PUBLIC-ADDRESS ~all"'


def test_a_record_that_was_pasted_with_its_quotes_is_shown_as_what_it_is() -> None:
    result = ask_one({f"{HOME} txt": ['"\\"v=spf1 mx ~all\\""']})
    assert result.level == "problem"
    assert '"v=spf1 mx ~all"' in result.found


def test_a11_two_records_are_a_problem_and_become_one() -> None:
    result = ask_one(
        {f"{HOME} txt": txt("v=spf1 mx include:x.school ~all", "v=spf1 mx a -all")},
    )
    assert result.level == "problem"
    assert "2 SPF records" in result.found
    assert result.record == f'{HOME} TXT "v=spf1 mx a include:x.school ~all"'


@pytest.mark.parametrize(
    ("record", "closed"),
    [("v=spf1 mx +all", "v=spf1 mx ~all"), ("v=spf1 all", "v=spf1 ~all"),
     ("v=spf1 include:open.school ~all", ""), ("v=spf1 ip4:0.0.0.0/0 -all", "")],
)  # fmt: skip
def test_a11_a_record_that_lets_everybody_in_is_a_problem(record: str, closed: str) -> None:
    result = ask_one({f"{HOME} txt": txt(record), "open.school txt": txt("v=spf1 +all")})
    assert result.level == "problem"
    assert "everybody" in result.found
    assert result.record == (f'{HOME} TXT "{closed}"' if closed else "")


def chain(length: int) -> dict[str, list[str]]:
    """Includes that include the next one; the last names the relay."""
    zone = {f"i{n}.school txt": txt(f"v=spf1 include:i{n + 1}.school") for n in range(1, length)}
    return {
        **zone,
        f"{HOME} txt": txt("v=spf1 include:i1.school ~all"),
        f"i{length}.school txt": txt("v=spf1 ip4:93.184.215.14"),
    }


def test_a11_ten_lookups_are_allowed_and_counted() -> None:
    result = ask_one(chain(10))
    assert result.level == "ok"
    assert "10 of 10 look-ups" in result.found


def test_a11_an_eleventh_lookup_breaks_the_record() -> None:
    result = ask_one(chain(11))
    assert result.level == "problem"
    assert "needs 11 look-ups, 10 are allowed" in result.found


def test_records_that_include_each_other_end() -> None:
    zone = {
        f"{HOME} txt": txt("v=spf1 include:a.school include:b.school ~all"),
        "a.school txt": txt("v=spf1 include:b.school"),
        "b.school txt": txt("v=spf1 include:a.school redirect=b.school"),
    }
    with FakeDns(zone) as dns:
        (result,) = spf.of_relay([HOME], "127.0.0.1", Names(dns.address))
        assert len(dns.asked) <= 5
    assert result.level == "problem"
    assert "more than 30 look-ups" in result.found


@pytest.mark.parametrize(
    ("record", "says"),
    [
        ("v=spf1 ip4:999.1.1.1 ~all", "ip4:999.1.1.1"),
        ("v=spf1 ip4:2606:2800::1 ~all", "no IPv4 address"),
        ("v=spf1 ipv4:93.184.215.14 ~all", "no word of SPF"),
        ("v=spf1 include:gone.school ~all", "gone.school has no SPF record"),
        ("v=spf1 include:twice.school ~all", "twice.school has 2 SPF records"),
        ("v=spf1 include: ~all", "no SPF record"),
        ("v=spf1 a/99 ~all", "wrong length"),
        ("v=spf1 a/x ~all", "wrong length"),
        ("v=spf1 , ~all", "no word of SPF"),
    ],
)
def test_a_record_that_receivers_cannot_read_is_a_problem(record: str, says: str) -> None:
    result = ask_one({f"{HOME} txt": txt(record), "twice.school txt": txt("v=spf1 a", "v=spf1 mx")})
    assert result.level == "problem"
    assert says in result.found


def test_lookups_that_find_nothing_are_counted_too() -> None:
    result = ask_one({f"{HOME} txt": txt("v=spf1 a:a.school a:b.school mx:c.school ~all")})
    assert result.level == "warning"
    assert "3 of its look-ups find nothing" in result.found


@pytest.mark.parametrize("fault", ["servfail", "refused", "silent", "garbage", "truncated"])
def test_what_cannot_be_asked_is_a_warning_that_says_so(fault: str) -> None:
    result = ask_one({}, {HOME: fault})
    assert result.level == "warning"
    assert "could not be asked" in result.found
    assert "dig +short TXT" in result.fix


def test_a_part_that_cannot_be_asked_is_no_missing_part() -> None:
    zone = {f"{HOME} txt": txt("v=spf1 include:_spf.relay.school ~all")}
    result = ask_one(zone, {"_spf.relay.school": "servfail"})
    assert result.level == "warning"
    assert "SERVFAIL" in result.found
    whole = ask_one({f"{HOME} txt": txt("v=spf1 ~all")}, {RELAY: "servfail"})
    assert f"{RELAY} could not be asked" in whole.found


def test_an_answer_about_another_name_is_not_believed() -> None:
    result = ask_one({}, {HOME: "other"})
    assert "no SPF record" in result.found


def test_a_domain_that_dns_does_not_know_is_told_as_such() -> None:
    result = ask_one({}, domains=["not-there.school"])
    assert result.level == "problem"
    assert "DNS knows no not-there.school" in result.found


def test_a_name_below_ones_own_domain_only_needs_its_record() -> None:
    result = ask_one({}, domains=[f"bounces.{HOME}"])
    assert result.record == f'bounces.{HOME} TXT "v=spf1 a:{RELAY} ~all"'


def test_a_resolver_that_is_not_there_is_waited_for_once() -> None:
    with FakeDns({}, {"a.school": "silent", "b.school": "silent"}) as dns:
        names = Names(dns.address, each_s=0.3)
        for domain in ("a.school", "b.school"):
            (result,) = spf.of_relay([domain], "127.0.0.1", names)
            assert "could not be asked" in result.found
        assert {name.split()[0] for name in dns.asked} == {"a.school"}


def test_nothing_is_asked_after_the_end_of_time() -> None:
    with FakeDns({}) as dns:
        names = Names(dns.address, until=time.monotonic() - 1)
        (result,) = spf.of_relay([HOME], "127.0.0.1", names)
        assert dns.asked == []
    assert "no time left" in result.found


def test_a_strangers_record_cannot_write_to_the_terminal() -> None:
    result = ask_one({f"{HOME} txt": ['"v=spf1 \\027[31m +all"']})
    assert "\x1b" not in result.found + result.record


def test_the_senders_own_domain_needs_no_record_when_bounces_go_elsewhere() -> None:
    first, second = ask(
        {"bounces.school txt": txt(f"v=spf1 a:{RELAY} -all"), f"{HOME} txt": txt("x")},
        domains=("bounces.school", HOME),
    )
    assert (first.level, second.level) == ("ok", "ok")
    assert "receivers ask bounces.school" in second.found
    broken = ask(
        {"bounces.school txt": txt(f"v=spf1 a:{RELAY} -all"), f"{HOME} txt": txt("v=spf1 +all")},
        domains=("bounces.school", HOME),
    )
    assert [result.level for result in broken] == ["ok", "problem"]


def test_sendgrid_is_found_however_deep_it_is_included() -> None:
    zone = {
        f"{HOME} txt": txt("v=spf1 include:_spf.five-days.school ~all"),
        "_spf.five-days.school txt": txt("v=spf1 include:sendgrid.net ~all"),
        "sendgrid.net txt": txt("v=spf1 ip4:167.89.0.0/17 -all"),
    }
    assert "include:sendgrid.net found" in ask_sendgrid(zone).found


def test_a_domain_authenticated_at_sendgrid_needs_no_include() -> None:
    assert ask_sendgrid({f"{HOME} txt": txt("v=spf1 mx -all")}, HOME).level == "ok"
    assert ask_sendgrid({}, HOME).level == "ok"
    doubled = ask_sendgrid({f"{HOME} txt": txt("v=spf1 mx -all", "v=spf1 a -all")}, HOME)
    assert doubled.level == "problem"


def test_without_either_sendgrid_comes_with_the_record_to_add() -> None:
    missing = ask_sendgrid({})
    assert missing.level == "problem"
    assert missing.record == f'{HOME} TXT "v=spf1 include:sendgrid.net ~all"'
    other = ask_sendgrid({f"{HOME} txt": txt("v=spf1 mx -all")})
    assert other.level == "problem"
    assert other.record == f'{HOME} TXT "v=spf1 include:sendgrid.net mx -all"'


@pytest.mark.parametrize("server", ["x:y:z", "127.0.0.1:0", "127.0.0.1:99999", "[::1", "a b"])
def test_a_resolver_that_cannot_be_meant_is_refused(server: str) -> None:
    with pytest.raises(ValueError):
        Names(server)


def test_a_resolver_may_be_named_in_each_usual_way() -> None:
    for server in ("127.0.0.1", "127.0.0.1:5353", "::1", "[::1]:53", "localhost:53"):
        Names(server)
