"""Signed links: one purpose each, hard to forge, easy to rotate."""

from __future__ import annotations

import base64
import hmac
import re
import secrets
from datetime import UTC, datetime, timedelta

import pytest
from itsdangerous import Signer
from itsdangerous.signer import HMACAlgorithm

from course.links import LIFETIMES, OF_ENROLLMENT, Links, Opened, Purpose

NOW = datetime(2026, 11, 22, 12, 0, 0, tzinfo=UTC)
DELIVERY = "0123456789abcdef" * 2


class Watch:
    def __init__(self) -> None:
        self.at = NOW

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def links(watch: Watch) -> Links:
    return Links("https://course.example.org/", ["new", "old"], watch)


def url(links: Links, purpose: Purpose) -> str:
    return {
        Purpose.CONFIRM: lambda: links.confirm(42),
        Purpose.LEARN: lambda: links.learn(42),
        Purpose.MANAGE: lambda: links.manage(42),
        Purpose.LEAVE: lambda: links.leave(42),
        Purpose.CERTIFICATE: lambda: links.certificate(42),
        Purpose.READ: lambda: links.read(DELIVERY),
        Purpose.DONE: lambda: links.done(DELIVERY),
        Purpose.ADDRESS: lambda: links.address(DELIVERY),
        Purpose.ADMIN: lambda: links.admin_enter("abc-nonce"),
    }[purpose]()


def token(links: Links, purpose: Purpose) -> str:
    return re.split(r"/|token=", url(links, purpose))[-1]


def subject(purpose: Purpose) -> str:
    return "42" if purpose in OF_ENROLLMENT else "abc-nonce" if purpose == "admin" else DELIVERY


@pytest.mark.parametrize("purpose", Purpose)
def test_a_link_opens_what_it_was_made_for(links: Links, purpose: Purpose) -> None:
    assert links.open(purpose, token(links, purpose)) == Opened(subject(purpose), False)
    assert links.open(str(purpose), token(links, purpose)) == Opened(subject(purpose), False)


@pytest.mark.parametrize("made_for", Purpose)
@pytest.mark.parametrize("used_for", Purpose)
def test_a_link_opens_nothing_else(links: Links, made_for: Purpose, used_for: Purpose) -> None:
    if made_for is not used_for:
        assert links.open(used_for, token(links, made_for)) is None


@pytest.mark.parametrize("purpose", Purpose)
def test_a_changed_letter_anywhere_closes_it(links: Links, purpose: Purpose) -> None:
    good = token(links, purpose)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~"
    for place in range(len(good)):
        for letter in alphabet:
            bad = good[:place] + letter + good[place + 1 :]
            assert bad == good or links.open(purpose, bad) is None, bad
    for bad in (
        "",
        ".",
        good[:-1],
        good + "A",
        good + "=",
        good + "\n",
        f" {good}",
        "é.é",
        "a" * 9999,
    ):
        assert links.open(purpose, bad) is None, bad


@pytest.mark.parametrize("purpose", Purpose)
def test_u5_tokens_are_short_and_url_safe_with_128_bits(links: Links, purpose: Purpose) -> None:
    made = token(links, purpose)
    assert re.fullmatch(r"[A-Za-z0-9~._-]{24,54}", made)
    assert len(made.rsplit(".", 1)[1]) == 22
    assert made[-1] in "AQgw"  # never `-` or `_`, which some programs leave out of a link


@pytest.mark.parametrize("purpose", Purpose)
def test_keys_rotate(purpose: Purpose, watch: Watch) -> None:
    old, none = Links("https://x.org", ["old"], watch), Links("https://x.org", ["new"], watch)
    both = Links("https://x.org", ["new", "old"], watch)
    assert both.open(purpose, token(old, purpose)) == Opened(subject(purpose), False)
    assert both.open(purpose, token(both, purpose)) == Opened(subject(purpose), False)
    assert token(both, purpose) == token(none, purpose)
    assert none.open(purpose, token(old, purpose)) is None


@pytest.mark.parametrize(("purpose", "lifetime"), LIFETIMES.items())
def test_a_dated_link_expires_but_still_says_whom_it_named(
    links: Links, watch: Watch, purpose: Purpose, lifetime: timedelta
) -> None:
    made = token(links, purpose)
    watch.at = NOW + lifetime
    assert links.open(purpose, made) == Opened(subject(purpose), False)
    watch.at = NOW + lifetime + timedelta(seconds=1)
    assert links.open(purpose, made) == Opened(subject(purpose), True)


def test_a_link_from_a_machine_whose_clock_is_ahead_is_not_expired(
    links: Links, watch: Watch
) -> None:
    made = token(links, Purpose.CONFIRM)
    watch.at = NOW - timedelta(seconds=30)
    assert links.open(Purpose.CONFIRM, made) == Opened("42", False)


@pytest.mark.parametrize("purpose", [p for p in Purpose if p not in LIFETIMES])
def test_every_other_link_works_for_ever(links: Links, watch: Watch, purpose: Purpose) -> None:
    made = token(links, purpose)
    watch.at = NOW + timedelta(days=365 * 30)
    assert links.open(purpose, made) == Opened(subject(purpose), False)


def test_leaving_is_the_same_address_every_time(links: Links) -> None:
    assert links.leave(42) == links.leave(42)
    assert links.leave(42).startswith("https://course.example.org/leave/42.")


def test_the_short_cut_writes_what_itsdangerous_writes(links: Links) -> None:
    class Cut(HMACAlgorithm):
        def get_signature(self, key: bytes, value: bytes) -> bytes:
            return super().get_signature(key, value)[:16]

    import hashlib

    stock = Signer(
        "new", salt="leave", key_derivation="hmac", digest_method=hashlib.sha256,
        algorithm=Cut(hashlib.sha256),
    )  # fmt: skip
    assert token(links, Purpose.LEAVE) == stock.sign("42").decode()


def test_h3_a_message_id_is_one_per_delivery_and_the_same_again(links: Links) -> None:
    ids = {links.message_id(secrets.token_hex(16), "example.org") for _ in range(100_000)}
    assert len(ids) == 100_000
    assert links.message_id(DELIVERY, "example.org") == links.message_id(DELIVERY, "example.org")
    assert links.message_id(DELIVERY, "example.org") != links.message_id("d2", "example.org")
    derived = hmac.digest(b"new", b"message-id", "sha256")
    proof = hmac.digest(derived, DELIVERY.encode(), "sha256")[:10]
    named = base64.b32encode(bytes.fromhex(DELIVERY) + proof).decode().rstrip("=").lower()
    assert links.message_id(DELIVERY, "example.org") == f"<{named}@example.org>"
    left, at, domain = links.message_id(DELIVERY, "example.org").strip("<>").partition("@")
    assert re.fullmatch(r"[0-9a-z]{1,64}", left)
    assert (at, domain) == ("@", "example.org")


def test_b5_a_message_id_that_comes_back_names_its_delivery_and_a_forged_one_none(
    links: Links,
) -> None:
    ours = links.message_id(DELIVERY, "example.org")
    assert links.open_message_id(ours) == DELIVERY
    assert links.open_message_id(f" {ours.upper()}\r\n") == DELIVERY
    assert links.open_message_id(links.message_id(DELIVERY, "moved.example")) == DELIVERY
    left = ours.partition("@")[0]
    forgeries = [f"<aaaaaa{left[7:]}@example.org", f"{left[:-8]}aaaaaaaa@example.org>"]
    for forged in (*forgeries, f"{left[:-1]}@example.org>", "<a@b>", "", "<@>"):
        assert links.open_message_id(forged) is None, forged


def test_b5_after_a_change_of_keys_old_mails_are_still_known() -> None:
    old = Links("https://example.org", ["old"]).message_id(DELIVERY, "example.org")
    assert Links("https://example.org", ["new", "old"]).open_message_id(old) == DELIVERY
    assert Links("https://example.org", ["new"]).open_message_id(old) is None


def test_a6_a_bounce_address_names_the_delivery_in_64_letters(links: Links) -> None:
    made = links.bounce(DELIVERY, "bounces+*@example.org")
    assert len(made.partition("@")[0]) <= 64
    assert made == made.lower()
    assert links.open_bounce("bounces+*@example.org", made.upper()) == DELIVERY
    assert links.open_bounce("bounces+*@example.org", made.replace("a", "b", 1)) is None
    assert links.open_bounce("bounces+*@example.org", "bounces+x@example.org") is None
    assert links.open_bounce("bounces@example.org", made) is None
    assert links.bounce(DELIVERY, "bounces@example.org") == "bounces@example.org"


def test_a_base_address_may_have_a_path() -> None:
    made = Links("https://example.org/courses/", ["k"])
    assert made.learn(1).startswith("https://example.org/courses/learn/1.")
    assert abs((made.now() - datetime.now(UTC)).total_seconds()) < 5


@pytest.mark.parametrize("keys", [[], [""], ["ok", ""], "one string"])
def test_no_key_no_links(keys: list[str]) -> None:
    with pytest.raises(ValueError, match="SECRET_KEY"):
        Links("https://example.org", keys)


@pytest.mark.parametrize("odd", ["a/b", "a b", "", "é", "x" * 65])
def test_an_id_that_cannot_stand_in_a_link_is_refused(links: Links, odd: str) -> None:
    with pytest.raises(ValueError, match="cannot stand in a link"):
        links.read(odd)


def test_a_code_is_six_figures_of_one_mail_and_outlives_a_new_key(links: Links) -> None:
    older = Links(links.base_url, ["old"]).code(DELIVERY)
    for code in (links.code(DELIVERY), older):
        assert re.fullmatch(r"\d{6}", code)
        assert links.is_code(DELIVERY, code)
        assert not links.is_code("f" * 32, code)
    assert links.code(DELIVERY) != older
    assert not Links(links.base_url, ["another"]).is_code(DELIVERY, older)
    assert not links.is_code(DELIVERY, "")
    assert not links.is_code(DELIVERY, "١٢٣٤٥٦")


def test_codes_are_spread_over_all_figures(links: Links) -> None:
    codes = [int(links.code(f"{number:032x}")) for number in range(4_000)]
    assert len(set(codes)) > 3_950
    assert 450_000 < sum(codes) / len(codes) < 550_000
