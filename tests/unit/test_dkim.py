"""What we sign, others find good; what is changed or added on the way, they do not.

Two verifiers that others wrote are asked, and the RFCs' own examples are computed again.
"""

from __future__ import annotations

import base64
import re
from pathlib import Path

import dkim as dkimpy
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from hypothesis import given
from hypothesis import strategies as some

from course.catalog import Catalog
from course.compose import CourseComposer
from course.mail.document import NOTICES
from scheduler.providers.wire import dkim
from scheduler.providers.wire.dkim import COVERED, SEALED, CannotSign, Signer
from scheduler.providers.wire.dkim_keys import SigningKey
from tests.dkim_verifiers import BAD, GOOD, by_dkimpy, by_perl, records, signer, verdicts
from tests.mailroom import claimed, composed, composer, header_names, plant
from tests.naughty import NAMES as NAUGHTY

LESSONS = Path(__file__).resolve().parents[2] / "lessons"

HEAD = (
    b"From: School <course@example.org>\r\nTo: ada@example.com\r\n"
    b"Subject: Day 1\r\nDate: Mon, 05 Jan 2026 09:30:00 +0200\r\n"
    b"Message-ID: <1@example.org>\r\nReply-To: people@example.org\r\n"
    b"List-Id: <garden.example.org>\r\nList-Unsubscribe: <https://example.org/leave/1>\r\n"
    b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\nFeedback-ID: a:b:c:example\r\n"
    b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
)


def shipped() -> list[bytes]:
    """Every mail of the course that is shipped, as it leaves."""
    school = composer(Catalog(LESSONS))
    folder = LESSONS / "career-mobility"
    files = sorted(file.stem for file in folder.glob("*.md"))
    lessons = [file.split("-", 1)[1] for file in files if file[0].isdigit()]
    letters = [f"@{file}" for file in files if not file[0].isdigit()]
    keys = [*lessons, *letters, *NOTICES]
    return [composed(school, claimed(key, course=folder.name)).raw for key in keys]


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> CourseComposer:
    return composer(plant(tmp_path_factory.mktemp("school")))


@pytest.fixture(scope="module")
def lesson(school: CourseComposer) -> bytes:
    return composed(school, claimed("bed")).raw


def verify(raws: list[bytes]) -> list[bytes]:
    """Those of these that a verifier does not find good, both signatures."""
    found = verdicts(raws, records(signer()))
    return [raw for raw, said in zip(raws, found, strict=True) if said != [GOOD, GOOD]]


def signature_of(signed: bytes, number: int = 0) -> str:
    """A signature's value, unfolded."""
    fields = re.findall(rb"DKIM-Signature:((?:.+\r\n[ \t])*.+)\r\n", signed)
    return re.sub(r"\s+", " ", fields[number].decode()).strip()


def test_a5_every_mail_of_the_shipped_course_verifies() -> None:
    raws = shipped()
    assert len(raws) >= 12
    assert verify([signer().signed(raw) for raw in raws]) == []


@pytest.mark.parametrize("key", ["bed", "grow", "@welcome", "@confirm"])
def test_a5_it_verifies_whatever_name_falls_into_it(school: CourseComposer, key: str) -> None:
    names = NAUGHTY if key == "bed" else NAUGHTY[::5]
    raws = [composed(school, claimed(key, name=name)).raw for name in names]
    assert verify([signer().signed(raw) for raw in raws]) == []


def test_a5_it_verifies_whatever_subject_and_title(tmp_path: Path) -> None:
    subjects = [
        "é" * 120, "日本語 " * 30, "a " * 70, "x" * 150, "=?utf-8?q?no?=", "Re; [x]: <y>",
        "🌱" * 40, "a: b", "tab\tin it", "two  spaces", "\"quoted\" 'both'",
    ]  # fmt: skip
    raws = []
    for number, subject in enumerate(subjects):
        text = f"---\ntitle: T{number}\nsubject: {subject!r}\n---\nHello.\n"
        if '"' in subject:
            text = f"---\ntitle: T{number}\nsubject: >-\n  {subject}\n---\nHello.\n"
        school = composer(plant(tmp_path / str(number), **{"1__bed": text}))
        raws.append(composed(school, claimed("bed")).raw)
    assert verify([signer().signed(raw) for raw in raws]) == []


def test_a5_it_verifies_whatever_the_address(school: CourseComposer) -> None:
    addresses = [
        "o'brien+x=y@example.com", "a@b.co", "!#$%&'*/?^_`{|}~-@example.com",
        "x" * 64 + "@" + "d" * 60 + ".example.com", "zoe@xn--exmple-cua.org",
    ]  # fmt: skip
    raws = [composed(school, claimed("bed", address=address)).raw for address in addresses]
    assert verify([signer().signed(raw) for raw in raws]) == []


BODIES = {
    "empty": b"",
    "one line": b"Read on.\r\n",
    "no line end": b"Read on.",
    "blank lines only": b"\r\n\r\n\r\n",
    "blank lines at the end": b"Read on.\r\n" + b"\r\n" * 60,
    "blank lines at the start": b"\r\n\r\nRead on.\r\n",
    "spaces only": b"   ",
    "lines of spaces at the end": b"Read on.\r\n  \r\n \t \r\n",
    "trailing white space": b"Read \t \r\non.  \r\n\t\r\nEnd \t",
    "runs of white space": b"  a \t\t b" + b" " * 501 + b"c\t\r\n\td\r\n",
    "dots": b".\r\n..\r\n.leading\r\n\r\n.\r\nend\r\n",
    "only a dot": b".\r\n",
    "From at the start": b"From here on\r\n>From there\r\n",
    "long lines": b"x" * 998 + b"\r\n" + b". " * 490 + b"\r\n",
    "large": b".dot and  text\r\n" * 20_000,
}


def test_a1_awkward_bodies_verify() -> None:
    signed = [signer().signed(HEAD + body) for body in BODIES.values()]
    # On the way every last line gets its end: the protocol has no other.
    signed = [raw if raw.endswith(b"\r\n") else raw + b"\r\n" for raw in signed]
    bad = verify(signed)
    assert [name for name, raw in zip(BODIES, signed, strict=True) if raw in bad] == []


def test_a1_awkward_header_fields_verify() -> None:
    awkward = [
        HEAD.replace(b"Subject: Day 1", b"Subject:"),
        HEAD.replace(b"Subject: Day 1", b"Subject:   \t "),
        HEAD.replace(b"Subject: Day 1", b"sUBJECT:\tDay \t 1\t"),
        HEAD.replace(b"Subject: Day 1", b"Subject: Day\r\n\t  1\r\n and: more"),
        HEAD.replace(b"Subject: Day 1", b"Subject:\r\n Day 1"),
        HEAD.replace(b"Subject: Day 1\r\n", b""),
        HEAD.replace(b"To: ada@", b"X-Other: \xc3\xa9\r\nTo: ada@"),
        HEAD.replace(b"Date:", b"Cc: b@example.com\r\nDate:"),
        HEAD.replace(b"School <course@example.org>", b"course@EXAMPLE.org"),
    ]
    assert verify([signer().signed(head + b"Read on.\r\n") for head in awkward]) == []


def test_a1_the_signature_names_domain_algorithm_and_form_and_signs_the_whole_body(
    lesson: bytes,
) -> None:
    signed = signer().signed(lesson)
    for number, algorithm in enumerate(("rsa-sha256", "ed25519-sha256")):
        value = signature_of(signed, number)
        tags = dict(tag.strip().split("=", 1) for tag in value.split(";"))
        assert list(tags) == ["v", "a", "c", "d", "s", "h", "bh", "b"]
        assert (tags["v"], tags["a"], tags["c"]) == ("1", algorithm, "relaxed/relaxed")
        assert tags["d"] == "example.org"
    assert signed.count(b"DKIM-Signature:") == 2


def test_a1_its_lines_are_short(lesson: bytes) -> None:
    long = Signer("a-rather-long-name-of-a-domain.for-a-school.example.org", signer().keys)
    for one, raw in (
        (signer(), lesson),
        (long, lesson.replace(b"<course@example.org>", f"<course@{long.domain}>".encode())),
    ):
        signed = one.signed(raw)
        added = signed[: -len(raw)].split(b"\r\n")
        assert max(map(len, added)) <= 76
        assert all(line.strip() for line in added[:-1])
        assert added[-1] == b""
        assert by_dkimpy(signed, records(one)) == GOOD


def test_a1_with_one_key_there_is_one_signature(lesson: bytes) -> None:
    alone = Signer("example.org", signer().keys[:1])
    signed = alone.signed(lesson)
    assert verdicts([signed], records(alone)) == [[{"rsa-sha256": True}] * 2]


@pytest.mark.parametrize(
    "origin",
    [
        b"From: School <course@example.net>",
        b"From: School <course@sub.example.org>",
        b'From: "course@example.org" <course@example.net>',
        b"From: course@example.org.example.net",
        b"From: course@example.org\r\nFrom: course@example.org",
        b"From: nobody",
        b"X-From: course@example.org",
    ],
)
def test_a1_nothing_is_vouched_for_that_is_not_from_the_domain(origin: bytes) -> None:
    raw = HEAD.replace(b"From: School <course@example.org>", origin) + b"Read on.\r\n"
    with pytest.raises(CannotSign, match="check EMAIL_FROM"):
        signer().signed(raw)


def test_a2_the_message_itself_is_not_touched_and_signing_again_gives_the_same(
    lesson: bytes,
) -> None:
    signed = signer().signed(lesson)
    assert signed.endswith(b"\r\n" + lesson)
    assert signed == signer().signed(lesson)


def test_a4_all_that_people_and_programs_act_on_is_signed(lesson: bytes) -> None:
    present = set(header_names(lesson)) - {"Content-Language"}
    assert present <= set(COVERED)
    for number in (0, 1):
        listed = re.search(r"h=([^;]*);", signature_of(signer().signed(lesson), number))
        assert listed
        names = listed[1].replace(" ", "").split(":")
        for name in COVERED:
            assert names.count(name) == (name in present) + (name in SEALED), name
        assert {"From", "Subject", "List-Unsubscribe", "List-Unsubscribe-Post"} <= SEALED


@pytest.mark.parametrize("name", sorted(SEALED))
def test_a4_a_second_one_of_what_people_act_on_spoils_the_signature(name: str) -> None:
    signed = signer().signed(HEAD + b"Read on.\r\n")
    extra = f"{name}: <evil@example.org>\r\n".encode()
    above = signed.replace(b"From: School", extra + b"From: School")
    below = signed.replace(b"\r\n\r\n", b"\r\n" + extra + b"\r\n", 1)
    top = extra + signed
    assert verdicts([above, below, top], records(signer())) == [[BAD, BAD]] * 3


@pytest.mark.parametrize("name", [n for n in COVERED if n != "Cc"])
def test_a4_a_changed_or_removed_field_spoils_the_signature(name: str) -> None:
    extra = b"Content-Transfer-Encoding: 8bit\r\nAuto-Submitted: no\r\n"
    raw = HEAD.replace(b"MIME-Version", extra + b"MIME-Version") + b"Read on.\r\n"
    signed = signer().signed(raw)
    field = re.search(rf"^{name}: (.*)\r\n".encode(), signed, re.MULTILINE)
    assert field
    removed = signed.replace(field[0], b"")
    changed = signed.replace(field[0], field[0].replace(field[1], field[1] + b"x"))
    assert verdicts([removed, changed], records(signer())) == [[BAD, BAD]] * 2


def test_a4_what_relays_add_and_refold_spoils_nothing() -> None:
    signed = signer().signed(HEAD + b"Read  on.\r\n")
    relayed = b"Return-Path: <b@example.org>\r\nReceived: from x\r\n\tby y; today\r\n" + signed
    refolded = relayed.replace(b"Subject: Day 1", b"subject:  Day\r\n 1 ")
    trimmed = refolded.replace(b"Read  on.\r\n", b"Read on. \r\n\r\n\r\n")
    assert len({signed, relayed, refolded, trimmed}) == 4
    assert verify([relayed, refolded, trimmed]) == []


def test_a5_one_changed_byte_of_the_body_spoils_the_signature(lesson: bytes) -> None:
    signed = signer().signed(lesson)
    start = signed.index(b"\r\n\r\n") + 4
    places = [n for n in range(start, len(signed), 997) if signed[n : n + 1].isalnum()]
    places.append(len(signed.rstrip()) - 1)
    spoilt = [signed[:n] + bytes([signed[n] ^ 1]) + signed[n + 1 :] for n in places]
    spoilt.append(signed + b"A postscript.\r\n")
    assert len(spoilt) > 5
    assert verdicts(spoilt, records(signer())) == [[BAD, BAD]] * len(spoilt)


def test_a5_another_key_in_the_dns_is_noticed(lesson: bytes) -> None:
    other = Signer("example.org", signer.__wrapped__().keys)
    assert verdicts([signer().signed(lesson)], records(other)) == [[BAD, BAD]]
    assert by_perl([other.signed(lesson)], records(other)) == [GOOD]


# The examples of the RFCs.


def test_a1_rfc_6376_its_example_of_relaxed_form() -> None:
    assert dkim.relaxed_header(b"A: X ") == b"a:X"
    assert dkim.relaxed_header(b"B : Y\t\r\n\tZ  ") == b"b:Y Z"
    assert dkim.relaxed_body(b" C \r\nD \t E\r\n\r\n\r\n") == b" C\r\nD E\r\n"


def test_a1_rfc_6376_an_empty_body_is_nothing() -> None:
    signed = signer().signed(HEAD)
    assert "bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;" in signature_of(signed)


DINNER = (
    b"From: Joe SixPack <joe@football.example.com>\r\n"
    b"To: Suzie Q <suzie@shopping.example.net>\r\n"
    b"Subject: Is dinner ready?\r\n"
    b"Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n"
    b"Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n"
    b"\r\n"
    b"Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n"
)
ED25519 = base64.b64decode("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")
RSA = b"""-----BEGIN RSA PRIVATE KEY-----
MIICXQIBAAKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQi
Y/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqM
KrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB
AoGAH0cxOhFZDgzXWhDhnAJDw5s4roOXN4OhjiXa8W7Y3rhX3FJqmJSPuC8N9vQm
6SVbaLAE4SG5mLMueHlh4KXffEpuLEiNp9Ss3O4YfLiQpbRqE7Tm5SxKjvvQoZZe
zHorimOaChRL2it47iuWxzxSiRMv4c+j70GiWdxXnxe4UoECQQDzJB/0U58W7RZy
6enGVj2kWF732CoWFZWzi1FicudrBFoy63QwcowpoCazKtvZGMNlPWnC7x/6o8Gc
uSe0ga2xAkEA8C7PipPm1/1fTRQvj1o/dDmZp243044ZNyxjg+/OPN0oWCbXIGxy
WvmZbXriOWoSALJTjExEgraHEgnXssuk7QJBALl5ICsYMu6hMxO73gnfNayNgPxd
WFV6Z7ULnKyV7HSVYF0hgYOHjeYe9gaMtiJYoo0zGN+L3AAtNP9huqkWlzECQE1a
licIeVlo1e+qJ6Mgqr0Q7Aa7falZ448ccbSFYEPD6oFxiOl9Y9se9iYHZKKfIcst
o7DUw1/hz2Ck4N5JrgUCQQCyKveNvjzkkd8HjYs0SwM0fPjK16//5qDZ2UiDGnOe
uEzxBDAr518Z8VFbR41in3W4Y3yCDgQlLlcETrS+zYcL
-----END RSA PRIVATE KEY-----
"""
#: Selector, how its `h=` is folded there, signature.
PRINTED = {
    "ed25519": (
        "brisbane",
        "from : to :\r\n subject : date : message-id : from : subject : date",
        "/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11BusFa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==",
    ),
    "rsa": (
        "test",
        "from : to : subject :\r\n date : message-id : from : subject : date",
        (
            "F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3"
            "DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz"
            "dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8="
        ),
    ),
}


@pytest.mark.parametrize("kind", PRINTED)
def test_a1_rfc_8463_both_signatures_of_its_example_come_out_as_printed(kind: str) -> None:
    selector, listed, printed = PRINTED[kind]
    private = (
        Ed25519PrivateKey.from_private_bytes(ED25519)
        if kind == "ed25519"
        else load_pem_private_key(RSA, None)
    )
    key = SigningKey(selector, private)  # type: ignore[arg-type]
    head, _, body = DINNER.partition(b"\r\n\r\n")
    digest = dkim.sha256(dkim.relaxed_body(body)).digest()
    assert base64.b64encode(digest) == b"2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8="
    field = (
        f"DKIM-Signature: v=1; a={key.algorithm}; c=relaxed/relaxed;\r\n"
        " d=football.example.com; i=@football.example.com;\r\n"
        f" q=dns/txt; s={selector}; t=1528637909; h={listed};\r\n"
        " bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n b="
    ).encode()
    headers = dkim.covered(dkim.fields_of(head), re.split(r"\s*:\s*", listed))
    signature = key.sign(headers + dkim.relaxed_header(field))
    assert base64.b64encode(signature).decode() == printed


# Another program's idea of the same form.

_LINES = some.lists(some.text(" \tab.=", max_size=8), max_size=8)


@given(_LINES)
def test_a1_the_relaxed_body_is_what_dkimpy_makes_of_it(lines: list[str]) -> None:
    body = "".join(f"{line}\r\n" for line in lines).encode()
    relaxed = dkim.relaxed_body(body)
    assert relaxed == dkimpy.canonicalization.Relaxed.canonicalize_body(body)
    assert relaxed == dkim.relaxed_body(body.removesuffix(b"\r\n"))


@given(some.from_regex(r"[A-Za-z-]{1,9}[ \t]?", fullmatch=True), _LINES)
def test_a1_the_relaxed_field_is_what_dkimpy_makes_of_it(name: str, lines: list[str]) -> None:
    value = "\r\n ".join(lines).encode()
    ((theirs, text),) = dkimpy.canonicalization.Relaxed.canonicalize_headers(
        [(name.encode(), value + b"\r\n")]
    )
    assert dkim.relaxed_header(name.encode() + b":" + value) + b"\r\n" == theirs + b":" + text
