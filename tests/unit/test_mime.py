"""Headers and quoted-printable that readers of every make take as they were meant."""

from __future__ import annotations

import email
import email.header
import email.policy
import quopri
import re
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from course.mail import mime
from tests.naughty import NAMES as NAUGHTY
from tests.naughty import SEPARATORS

WORDS = st.text(min_size=1, max_size=300).filter(lambda text: mime.clean(text))


def read(header: bytes) -> tuple[str, str]:
    """Name and value as the standard library understands them; asserts that it is one header."""
    message = email.message_from_bytes(header + b"\r\nbody", policy=email.policy.compat32)
    assert len(message.keys()) == 1, header
    ((name, value),) = message.items()
    return name, str(email.header.make_header(email.header.decode_header(value)))


def reads_back(text: str) -> None:
    header = mime.text_header("Subject", text)
    lines = header.split(b"\r\n")
    assert lines[-1] == b""
    assert all(len(line) <= 78 for line in lines), lines
    assert all(line[:1] == b" " and line.strip() for line in lines[1:-1])
    assert header.isascii()
    assert b"?==?" not in header
    assert not re.search(rb"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f]", header)
    name, got = read(header)
    assert name == "Subject"
    assert got == mime.clean(text)


@pytest.mark.parametrize("value", NAUGHTY)
def test_h10_h11_a_naughty_header_reads_back_exactly_and_is_one_header(value: str) -> None:
    reads_back(value)


@given(WORDS)
@example("a " * 60)
@example("é " * 60)
@example("word=?word")
@example("?= =?")
@example("x" * 1000)
def test_h10_h11_a_text_header_reads_back_exactly_and_is_one_header(text: str) -> None:
    reads_back(text)


@pytest.mark.parametrize("separator", SEPARATORS)
def test_h11_every_line_separator_becomes_a_space(separator: str) -> None:
    assert mime.clean(f"a{separator}Bcc: b") == "a Bcc: b"
    assert len(mime.clean(f"a{separator}b").splitlines()) == 1


@pytest.mark.parametrize("value", NAUGHTY)
def test_h10_a_display_name_reads_back_and_leaves_the_address_alone(value: str) -> None:
    header = mime.mailbox_header("From", value, "course@example.org")
    message = email.message_from_bytes(header + b"\r\n", policy=email.policy.default)
    assert message.keys() == ["From"]
    (address,) = message["From"].addresses
    assert address.addr_spec == "course@example.org"
    if header.count(b"=?utf-8?") <= 1:
        assert address.display_name == mime.clean(value)
    else:  # the reader of Python 3.11 puts a space between words that belong together
        phrase = header.split(b":", 1)[1].rsplit(b"<", 1)[0].strip()
        assert read(b"From: " + phrase + b"\r\n")[1] == mime.clean(value)
    assert all(len(line) <= 78 for line in header.split(b"\r\n"))


@pytest.mark.parametrize(
    "name", ["Smith, John", 'The "Club"', "a\\b", "Dr. Who", "Rosa (Garden)", "a@b.org", "<x>", ";"]
)
def test_names_with_signs_of_the_grammar_are_quoted(name: str) -> None:
    header = mime.mailbox_header("From", name, "course@example.org")
    message = email.message_from_bytes(header + b"\r\n", policy=email.policy.default)
    (address,) = message["From"].addresses
    assert (address.display_name, address.addr_spec) == (name, "course@example.org")


@pytest.mark.parametrize("length", [40, 58, 70, 77, 78, 90, 200, 900])
@pytest.mark.parametrize("second", ["", " <mailto:leave@example.org?subject=leave>"])
def test_h8_h9_a_long_uri_stays_whole_and_unencoded(length: int, second: str) -> None:
    uri = "<https://example.org/leave/".ljust(length - 1, "x") + ">"
    header = mime.token_header("List-Unsubscribe", uri + ("," + second if second else ""))
    assert b"=?" not in header
    assert uri.encode() in header
    lines = header.split(b"\r\n")[:-1]
    assert all(len(line) <= 78 or b" " not in line.strip() for line in lines)
    assert all(line[:1] == b" " for line in lines[1:])
    message = email.message_from_bytes(header + b"\r\n", policy=email.policy.compat32)
    assert re.sub(r"\r\n", "", message["List-Unsubscribe"]).strip() == uri + (
        "," + second if second else ""
    )


@pytest.mark.parametrize(
    "instant",
    [
        datetime(2026, 11, 23, 6, 30, 5, tzinfo=UTC),
        datetime(2026, 1, 1, 0, 0, 0, tzinfo=timezone(timedelta(hours=13))),
        datetime(2028, 2, 29, 23, 59, 59, 999_999, tzinfo=UTC),
    ],
)
def test_h5_the_date_is_rfc_5322_with_a_numeric_offset(instant: datetime) -> None:
    header = mime.date_header(instant).decode()
    assert re.fullmatch(
        r"Date: (Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d \w{3} \d{4} \d\d:\d\d:\d\d \+0000\r\n", header
    )
    assert parsedate_to_datetime(header[6:].strip()) == instant.replace(microsecond=0)
    assert header[6:9] == parsedate_to_datetime(header[6:].strip()).strftime("%a")


def decoded(encoded: bytes) -> str:
    return quopri.decodestring(encoded).decode("utf-8", "replace").replace("\r\n", "\n")


LINES = (
    st.lists(st.text(max_size=200), max_size=6).map("\n".join).map(lambda t: t.replace("\r", ""))
)


@given(LINES)
@example("." * 300)
@example("From " * 40)
@example("x" * 75 + ".From the start")
@example("é" * 100)
@example("日" * 100)
@example("=" * 100)
@example("trailing \nspaces\t\n \n")
@example("a" * 74 + " ")
@example("a" * 75 + " ")
@example("a" * 76 + " \n")
def test_h7_t9_quoted_printable_decodes_to_the_very_text(text: str) -> None:
    for encoded in (mime.quoted(text).encode(), mime.piece(text)):
        assert decoded(encoded) == text.encode("utf-8", "replace").decode()
        lines = encoded.split(b"\r\n")
        assert all(len(line) <= 76 for line in lines)
        assert not any(line.startswith((b".", b"From ")) for line in lines)
        assert not any(line.endswith((b" ", b"\t")) for line in lines)
        assert encoded.isascii()
        assert not re.search(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", encoded)
        assert b"\n" not in encoded.replace(b"\r\n", b"")
        assert b"\r" not in encoded.replace(b"\r\n", b"")


@given(st.text(max_size=200).map(mime.clean))
@example("x" * 75)
@example("x" * 76)
@example("x" * 75 + "." + "y" * 40)
@example("x" * 75 + "From here")
@example("x" * 150)
@example("x" * 151)
@example(".a")
@example("From a")
@example("ends with a space ")
def test_h7_what_falls_into_a_hole_is_the_same_by_the_quick_way(text: str) -> None:
    assert decoded(mime.value_piece(text)) == text.encode("utf-8", "replace").decode()
    assert decoded(mime.piece("before ") + mime.value_piece(text) + mime.piece("\nafter")) == (
        f"before {text.encode('utf-8', 'replace').decode()}\nafter"
    )
    whole = mime.piece("b" * 70) + mime.value_piece(text) + mime.piece("a" * 70)
    lines = mime.value_piece(text).split(b"\r\n") + whole.split(b"\r\n")
    assert all(len(line) <= 76 for line in lines)
    assert not any(line.startswith((b".", b"From ")) for line in lines)


def test_r3_control_characters_that_clip_a_mail_are_gone() -> None:
    every = "".join(map(chr, [*range(0x20), *range(0x7F, 0xA0)]))
    assert mime.clean(f"a{every}b") == "a b"
    assert mime.clean("\u202ereversed\u2069") == "reversed"


def test_what_html_has_no_letter_for_is_shown_as_unknown() -> None:
    assert mime.clean("a\uffffb\ufffec\ud800d") == "a\ufffdb\ufffdc\ufffdd"
