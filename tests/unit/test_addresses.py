"""Addresses as people type them: what mail can reach is taken, the rest is refused in words."""

from __future__ import annotations

import pytest

from course.mail.headers import is_address
from course.web.addresses import BadAddress, mailbox, read_address


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        ("ada@example.com", "ada@example.com"),
        (" ada@example.com ", "ada@example.com"),
        ("mailto:ada@example.com", "ada@example.com"),
        ("<ada@example.com>", "ada@example.com"),
        ("Ada.Lovelace@EXAMPLE.com", "Ada.Lovelace@example.com"),
        ("ada+course@example.co.uk", "ada+course@example.co.uk"),
        ("o'brien@example.com", "o'brien@example.com"),
        ("!#$%&'*+/=?^_`{|}~-@example.com", "!#$%&'*+/=?^_`{|}~-@example.com"),
        ("1@example.com", "1@example.com"),
        ("a@1.example.com", "a@1.example.com"),
        ("a@exa-mple.com", "a@exa-mple.com"),
        ("a@xn--exmple-cua.org", "a@xn--exmple-cua.org"),
        ("a" * 64 + "@example.com", "a" * 64 + "@example.com"),
        ("ada@" + "a" * 63 + ".com", "ada@" + "a" * 63 + ".com"),
        # IDNA 2008: the ASCII form is what headers and servers are given.
        ("ada@exämple.org", "ada@xn--exmple-cua.org"),
        ("ada@EXÄMPLE.org", "ada@xn--exmple-cua.org"),
        ("ada@例え.jp", "ada@xn--r8jz45g.jp"),
        ("ada@faß.de", "ada@xn--fa-hia.de"),
        # A domain that may not exist is for the confirmation mail to find out.
        ("ada@no-such-domain-anywhere.example.com", "ada@no-such-domain-anywhere.example.com"),
    ],
)
def test_u11_h19_what_mail_can_reach_is_taken_in_the_form_that_servers_know(
    typed: str, address: str
) -> None:
    assert read_address(typed) == address
    # And the composer takes it: nobody is enrolled who could never be written to.
    assert is_address(address)


@pytest.mark.parametrize(
    "typed",
    [
        "", " ", "ada", "@", "@example.com", "ada@", "ada@@example.com", "a@b@example.com",
        "ada@localhost", "ada@com", ".ada@example.com", "ada.@example.com", "a..b@example.com",
        "ada@.example.com", "ada@example.com.", "ada@example..com", "ada@-example.com",
        "ada@example-.com", "ada@exam_ple.com", "ada@exa mple.com", "ad a@example.com",
        '"ada"@example.com', '"a b"@example.com', "ada(me)@example.com", "ada@(here)example.com",
        "ada@[127.0.0.1]", "ada@[IPv6:::1]", "ada@127.0.0.1",
        "ada@" + "a" * 64 + ".com", "ada@" + "a." * 130 + "com", "ada@example.com\r\nBcc: v@x.org",
        "ada\0@example.com", "ada@example.com\0", "ada@exam\u2028ple.com", "ada,bob@example.com",
        "ada@example.com,bob@example.com", "Ada <ada@example.com>", "ada;@example.com",
        "a\\b@example.com", "ada\u202e@example.com", "ada@example.com/x", "ada@example.com:25",
        "ädä@example.org", "日本@example.org", "a" * 65 + "@example.com", "a" * 249 + "@b.co",
    ],
)  # fmt: skip
def test_u11_h19_the_rest_is_refused_with_what_to_write_instead(typed: str) -> None:
    with pytest.raises(BadAddress) as refused:
        read_address(typed)
    assert len(str(refused.value)) > 20


def test_a_local_part_that_is_too_long_is_told_so() -> None:
    with pytest.raises(BadAddress, match="longer than 64 letters"):
        read_address("a" * 65 + "@example.com")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("a.b@gmail.com", "AB+course@gmail.com", True),
        ("ab@googlemail.com", "a.b@gmail.com", True),
        ("zoe@proton.me", "z.o.e+x@protonmail.com", True),
        ("zoe@Example.com", "Zoe+x@example.com", True),
        # Anywhere else a dot tells two people apart.
        ("a.b@example.com", "ab@example.com", False),
        ("ab@example.com", "ab@example.org", False),
    ],
)
def test_a_mailbox_is_counted_once_however_it_is_spelled(one: str, other: str, same: bool) -> None:
    assert (mailbox(one) == mailbox(other)) is same
