"""The whole message as bytes: headers, shape, and that the quick way equals the slow one."""

from __future__ import annotations

import email
import email.policy
import html as html_library
import re
from dataclasses import replace
from datetime import timedelta
from email.header import decode_header, make_header
from email.message import EmailMessage
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote

import pytest
from jinja2 import Template

from course.compose import CourseComposer
from course.links import Links
from course.mail import holes
from course.mail.document import NOTICES as KINDS
from course.mail.document import describe, describe_notice
from course.mail.person import values_of
from course.source import variables
from scheduler.domain.delivery import Claimed
from scheduler.domain.message import Message, Unfit
from tests.mailroom import (
    BASE,
    COURSE_MAIL,
    EVERY_MAIL,
    MORNING,
    NOTICE_MAIL,
    TEMPLATES,
    body,
    claimed,
    composed,
    composer,
    header_lines,
    header_names,
    parsed,
    plant,
    whole_school,
)
from tests.naughty import NAMES as NAUGHTY

NOTICES = [*NOTICE_MAIL, "@confirm-2", "@links-3", "@address-2"]
ONCE = ["From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type"]


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> CourseComposer:
    return composer(whole_school(tmp_path_factory.mktemp("school")))


@pytest.mark.parametrize("key", [*COURSE_MAIL, *NOTICES])
def test_h1_each_header_once_one_recipient_no_bcc(school: CourseComposer, key: str) -> None:
    message = composed(school, claimed(key))
    names = header_names(message)
    assert len(names) == len(set(names))
    assert set(ONCE) <= set(names)
    assert "Bcc" not in names
    assert parsed(message)["To"] == message.to_addr == "ada@example.com"


@pytest.mark.parametrize("key", COURSE_MAIL)
def test_h13_h14_course_mail_can_be_left_with_one_click(school: CourseComposer, key: str) -> None:
    mail = parsed(composed(school, claimed(key, number=31)))
    assert mail["List-Unsubscribe"] == f"<{school.links.leave(31)}>"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    theirs = "5 Days of Career Mobility <career-mobility.example.org>"
    ours = "A Garden in Three Days <garden.example.org>"
    assert mail["List-Id"] == (theirs if "/" in key else ours)
    assert mail["Auto-Submitted"] is None
    assert mail["Precedence"] is None


@pytest.mark.parametrize("key", NOTICES)
def test_h17_u12_an_answer_to_an_action_is_no_list_mail(school: CourseComposer, key: str) -> None:
    message = composed(school, claimed(key))
    assert parsed(message)["Auto-Submitted"] == "auto-generated"
    assert not [name for name in header_names(message) if name.startswith(("List-", "Feedback"))]


@pytest.mark.parametrize("key", EVERY_MAIL)
def test_h2_it_comes_from_the_course_and_answers_reach_a_person(
    school: CourseComposer, key: str
) -> None:
    mail = parsed(composed(school, claimed(key)))
    (origin,) = mail["From"].addresses
    assert (origin.display_name, origin.addr_spec) == ("Gärten & Co", "course@example.org")
    assert mail["Reply-To"] == "people@example.org"


def test_without_a_reply_address_answers_go_to_the_sender(tmp_path: Path) -> None:
    school = composer(plant(tmp_path), reply_to="")
    assert parsed(composed(school, claimed()))["Reply-To"] == "course@example.org"


@pytest.mark.parametrize("key", EVERY_MAIL)
def test_h3_h4_a_retry_has_the_same_bytes(school: CourseComposer, key: str) -> None:
    one = claimed(key)
    first, second = composed(school, one), composed(school, one)
    assert first.raw == second.raw
    assert first.message_id == school.links.message_id(one.delivery.id, "example.org")
    assert parsed(first)["Message-ID"] == first.message_id


def test_h3_a_message_id_given_before_a_key_change_is_kept(school: CourseComposer) -> None:
    message = composed(school, claimed(message_id="<before@example.org>"))
    assert message.message_id == parsed(message)["Message-ID"] == "<before@example.org>"


@pytest.mark.parametrize("key", COURSE_MAIL)
def test_h4_hours_later_another_program_writes_the_very_same_mail(
    school: CourseComposer, tmp_path: Path, key: str
) -> None:
    one = claimed(key)
    first_try = MORNING + timedelta(minutes=2)
    one = replace(one, delivery=replace(one.delivery, dated_at=first_try))
    retried = replace(
        one.delivery, attempt=3, not_before=MORNING + timedelta(hours=5), message_id="<x@y.org>"
    )
    first = composed(school, replace(one, delivery=replace(one.delivery, message_id="<x@y.org>")))
    links = Links(BASE, ["a key"], lambda: MORNING + timedelta(hours=5))
    restarted = CourseComposer(school.catalog, links, school.sender, TEMPLATES, "raw")
    assert composed(restarted, replace(one, delivery=retried)).raw == first.raw
    assert parsed(first)["Date"].datetime == first_try


@pytest.mark.parametrize("key", EVERY_MAIL)
def test_h5_the_date_is_the_deliverys(school: CourseComposer, key: str) -> None:
    assert parsed(composed(school, claimed(key)))["Date"].datetime == MORNING


@pytest.mark.parametrize("key", [*COURSE_MAIL, *NOTICES])
def test_h6_text_first_then_html_both_utf8(school: CourseComposer, key: str) -> None:
    mail = parsed(composed(school, claimed(key)))
    assert [part.get_content_type() for part in mail.walk()] == [
        "multipart/alternative", "text/plain", "text/html",
    ]  # fmt: skip
    assert not [defect for part in mail.walk() for defect in part.defects]
    for part in mail.iter_parts():
        assert part.get_content_charset() == "utf-8"
        assert part["Content-Transfer-Encoding"] == "quoted-printable"
        assert len(str(part.get_content())) > 100


@pytest.mark.parametrize("key", [*COURSE_MAIL, *NOTICES])
@pytest.mark.parametrize("name", ["", "Ada", "日本語" * 20, "x" * 60, ".dot", "From me"])
def test_h7_lines_are_short_whatever_falls_into_a_hole(
    school: CourseComposer, key: str, name: str
) -> None:
    message = composed(school, claimed(key, name=name))
    head, _, rest = message.raw.partition(b"\r\n\r\n")
    assert all(len(line) <= 78 or b" " not in line.strip() for line in head.split(b"\r\n"))
    assert all(len(line) <= 76 for line in rest.split(b"\r\n"))
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", message.raw)
    assert message.raw.isascii()
    assert message.raw.endswith(b"--\r\n")
    assert not any(line.startswith((b".", b"From ")) for line in rest.split(b"\r\n"))


@pytest.mark.parametrize("length", [40, 58, 70, 77, 78, 90, 200])
def test_h8_long_addresses_never_become_encoded_words(tmp_path: Path, length: int) -> None:
    base = "https://example.org/".ljust(length - 20, "x")
    school = composer(plant(tmp_path), base=base)
    message = composed(school, claimed())
    for line in header_lines(message):
        if line.split(b":")[0] not in (b"Subject", b"From") and line[:1] not in b" \t":
            assert b"=?" not in line
    assert parsed(message)["List-Unsubscribe"].strip() == f"<{school.links.leave(7)}>"


@pytest.mark.parametrize("key", COURSE_MAIL)
@pytest.mark.parametrize("length", [24, 58, 200])
def test_h9_a_header_is_folded_between_addresses_never_inside_one(
    tmp_path: Path, school: CourseComposer, key: str, length: int
) -> None:
    far = composer(school.catalog, base="https://example.org/".ljust(length, "x"))
    message = composed(far, claimed(key))
    link = far.links.leave(7).encode()
    assert re.search(rb"\r\nList-Unsubscribe:(\r\n)? <" + re.escape(link) + rb">\r\n", message.raw)
    for line in header_lines(message):
        assert line.count(b"<") == line.count(b">"), line


@pytest.mark.parametrize("key", [*COURSE_MAIL, *NOTICES])
def test_h14_one_click_is_promised_word_for_word_and_only_beside_its_address(
    school: CourseComposer, key: str
) -> None:
    message = composed(school, claimed(key))
    promise = b"\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
    has_address = b"\r\nList-Unsubscribe:" in message.raw
    assert message.raw.count(promise) == has_address
    assert message.raw.count(b"List-Unsubscribe-Post") == has_address
    assert has_address is (key in COURSE_MAIL)
    if has_address:
        assert parsed(message)["List-Unsubscribe"].strip().startswith("<https://")
    parts = composed(composer(school.catalog, "parts"), claimed(key)).headers
    assert parts.get("List-Unsubscribe-Post") == (
        "List-Unsubscribe=One-Click" if has_address else None
    )


def test_h15_a_title_that_needs_encoding_stays_out_of_the_list_id(tmp_path: Path) -> None:
    catalog = plant(tmp_path, course='title: "Gärten, für: alle"\nlanguage: de\n')
    mail = parsed(composed(composer(catalog), claimed("sow")))
    assert mail["List-Id"] == "<garden.example.org>"
    assert mail["Content-Language"] == "de"


def test_h16_the_feedback_id_has_four_fields_and_nobody_in_it(school: CourseComposer) -> None:
    ids = {parsed(composed(school, claimed(number=n)))["Feedback-ID"] for n in range(5)}
    assert ids == {"bed:garden:lesson:exampleorg"}


@pytest.mark.parametrize("key", COURSE_MAIL)
def test_h15_h16_the_identifiers_of_every_mail_are_of_the_course_alone(
    school: CourseComposer, key: str
) -> None:
    one, other = (
        parsed(composed(school, claimed(key, number=n, name=name, address=address)))
        for n, name, address in ((1, "Ada", "ada@example.com"), (2, "Bob", "bob@example.net"))
    )
    for header in ("List-Id", "Feedback-ID"):
        assert one[header] == other[header]
    fields = one["Feedback-ID"].split(":")
    assert len(fields) == len(set(fields)) == 4
    assert re.fullmatch(r"[a-z0-9]{5,15}", fields[3])
    assert re.search(r"<[a-z0-9-]+\.example\.org>$", one["List-Id"])


def test_h16_no_identifier_stands_in_two_places(tmp_path: Path) -> None:
    catalog = plant(tmp_path, **{"4-garden": PLAIN_BODY, "5-lesson": PLAIN_BODY})
    for key in ("garden", "lesson"):
        fields = parsed(composed(composer(catalog), claimed(key)))["Feedback-ID"].split(":")
        assert len(fields) == len(set(fields)) == 4
        assert 5 <= len(fields[3]) <= 15


PLAIN_BODY = "Just a few words, but enough of them to make a paragraph.\n"


def test_h18_the_language_is_the_lessons(tmp_path: Path) -> None:
    catalog = plant(tmp_path, **{"4-arabic": f"---\nlanguage: ar-EG\n---\n{PLAIN_BODY}"})
    message = composed(composer(catalog), claimed("arabic"))
    assert parsed(message)["Content-Language"] == "ar-EG"
    assert '<html lang="ar-EG" dir="rtl"' in body(message, "html")


@pytest.mark.parametrize("key", EVERY_MAIL)
def test_h18_header_and_page_name_the_same_language(school: CourseComposer, key: str) -> None:
    message = composed(school, claimed(key))
    (language,) = set(re.findall(r'<(?:html|div)[^>]* lang="([^"]*)"', body(message, "html")))
    assert parsed(message)["Content-Language"] == language == "en"


@pytest.mark.parametrize(
    "address",
    ["ada@exämple.org", "ädä@example.org", "a b@example.org", "ada@example.org\r\nBcc: x@y.org",
     "ada", "@example.org", "ada@", '"a b"@example.org', "ada@[127.0.0.1]", "a@b@c.org",
     "a>@example.org", "a,b@example.org", ".a@example.org", "a@-b.org", "a" * 250 + "@b.org",
     "ada@example.org\n", "a\0@example.org", ""],
)  # fmt: skip
def test_h19_an_address_that_cannot_stand_in_a_header_is_one_learners_trouble(
    school: CourseComposer, address: str
) -> None:
    bad, good = claimed(address=address), claimed()
    answers = school.compose([bad, good])
    assert isinstance(answers[0], Unfit)
    assert not answers[0].poison
    assert not answers[0].hold
    assert isinstance(answers[1], Message)


@pytest.mark.parametrize(
    "address", ["a@xn--exmple-cua.org", "o'brien+x@example.org", "a.b_c@mail.example.co.uk", "a@b"]
)
def test_h19_ordinary_addresses_go_through(school: CourseComposer, address: str) -> None:
    assert parsed(composed(school, claimed(address=address)))["To"] == address


@pytest.mark.parametrize("key", EVERY_MAIL)
def test_h20_every_mail_stays_far_below_the_clip_size(school: CourseComposer, key: str) -> None:
    message = composed(school, claimed(key))
    assert len(message.raw) < 100_000
    assert len(body(message, "html").encode()) < 75_000


@pytest.mark.parametrize("key", EVERY_MAIL)
def test_h21_no_header_tells_more_than_it_must(school: CourseComposer, key: str) -> None:
    message = composed(school, claimed(key, address="ada.lovelace@example.com"))
    lines = [line for line in header_lines(message) if not line.startswith(b"To:")]
    seen = b"\n".join(lines).lower()
    assert not re.search(rb"lovelace|x-mailer|user-agent|localhost|python", seen)
    assert not [name for name in header_names(message) if name.startswith("X-")]


@pytest.mark.parametrize("name", NAUGHTY)
def test_h11_no_name_makes_a_header_a_tag_or_a_template(school: CourseComposer, name: str) -> None:
    message, plain = composed(school, claimed(name=name)), composed(school, claimed(name="Ada"))
    assert header_names(message) == header_names(plain)
    mail = parsed(message)
    assert mail.keys() == parsed(plain).keys()
    assert 1 <= len(str(mail["Subject"])) <= 150
    assert Skeleton.of(body(message, "html")) == Skeleton.of(body(plain, "html"))
    if name == "{{ 7*7 }}":
        assert "welcome" in body(message, "plain")
        assert "Hello {{ 7*7 }}," in body(message, "plain")


@pytest.mark.parametrize("key", EVERY_MAIL)
def test_h11_in_no_mail_does_a_name_become_a_header_or_a_tag(
    school: CourseComposer, key: str
) -> None:
    calm = composed(school, claimed(key, name="Ada"))
    tags = Skeleton.of(body(calm, "html"))
    for name in (NAUGHTY[0], NAUGHTY[3], "</td></tr></table>", "--><b>", "{{ 7*7 }}", "<!--"):
        message = composed(school, claimed(key, name=name))
        assert header_names(message) == header_names(calm)
        assert Skeleton.of(body(message, "html")) == tags
        assert "49" not in str(parsed(message)["Subject"])


@pytest.mark.parametrize("key", EVERY_MAIL)
def test_h10_h12_every_subject_is_short_finished_and_reads_back(
    school: CourseComposer, key: str
) -> None:
    for name in ("", "Ada", "日本語" * 20, "{{ 7*7 }}", "Re: me"):
        message = composed(school, claimed(key, name=name))
        subject = str(parsed(message)["Subject"])
        assert 1 <= len(subject) <= 150
        assert not re.search(r"\{%|-mcd_|%recipient|zq[0-9a-f]{10}", subject)
        assert "{{" not in subject or name == "{{ 7*7 }}"
        assert not re.match(r"(re|fwd?|aw|wg)\s*:", subject, re.IGNORECASE)
        raw = b"\r\n".join(header_lines(message))
        assert b"?==?" not in raw
        (header,) = re.findall(rb"\r\nSubject:(?:[^\r]|\r\n )*", raw)
        # Read by the other, older decoder of the library, not the one that `parsed` uses.
        old = email.message_from_bytes(header[2:] + b"\r\n\r\n", policy=email.policy.compat32)
        assert str(make_header(decode_header(old["Subject"]))) == subject
        # The title of the page is the subject, escaped.
        title = re.search("<title>(.*?)</title>", body(message, "html"))
        assert title
        assert html_library.unescape(title[1]) == subject


@pytest.mark.parametrize("key", ["bed", "sow", "grow", "@welcome", "@completed", *NOTICES])
def test_the_quick_way_gives_what_the_slow_way_gives(school: CourseComposer, key: str) -> None:
    slow_way = SlowWay(school, key)
    for name in [*(NAUGHTY if key == "bed" else NAUGHTY[::5]), "Ada", "", "Zoë"]:
        one = claimed(key, name=name)
        message = composed(school, one)
        subject, text, html = slow_way.write(one)
        assert body(message, "plain") == text
        assert body(message, "html") == html
        assert parsed(message)["Subject"] == subject
        if name not in ("Ada", "日本語" * 60, "."):
            continue
        # The standard library's own encoding of the same texts reads back the same.
        slow = EmailMessage()
        slow.set_content(text)
        slow.add_alternative(html, subtype="html")
        assert body(bytes(slow), "plain") == body(message, "plain")
        assert body(bytes(slow), "html") == body(message, "html")


class Skeleton(HTMLParser):
    """A page without its text: tags and the names of their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, ...]] = []

    @classmethod
    def of(cls, html: str) -> list[tuple[str, ...]]:
        reader = cls()
        reader.feed(html)
        return reader.found

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, *(name for name, _ in attrs)))

    def handle_endtag(self, tag: str) -> None:
        self.found.append((f"/{tag}",))


class SlowWay:
    """Tags put back where the marks stand; each part one Jinja template, rendered as a whole."""

    def __init__(self, school: CourseComposer, key: str) -> None:
        course = school.catalog.course("garden")
        assert course is not None
        key = re.sub(r"-\d$", "", key)
        if key in KINDS:
            document = describe_notice(KINDS[key], course, "en")
        else:
            document = describe(course, (course.lessons | course.letters)[key])
        marks = school._marks(document)
        draft = school._layout.mail(document, marks)
        tags = " ".join(marks._tags)
        self.links, self.constants = school.links, marks._constants
        self.names = {f"{s}.{a}" for s, a in re.findall(r"\b(learner|url)\.([a-z_]+)", tags)}

        def template(text: str, *, escaping: bool) -> Template:
            literal = text.replace(holes._BRACE, "{{ '{' }}")
            source = marks._mark.sub(lambda found: marks._tags[int(found[1])], literal)
            # The one place where a value stands inside an address.
            source = source.replace("for={{ learner.first_name }}", "for={{ quoted }}")
            return variables.sandbox(autoescape=escaping).from_string(source)

        self.subject = template(draft.subject, escaping=False)
        self.text = template(draft.text, escaping=False)
        self.html = template(draft.html, escaping=True)

    def write(self, one: Claimed) -> tuple[str, str, str]:
        values = {**values_of(self.names, one, self.links), **self.constants}
        known: dict[str, dict[str, object]] = {}
        for name, value in values.items():
            space, _, attribute = name.partition(".")
            known.setdefault(space, {})[attribute] = value
        quoted = quote(str(values.get("learner.first_name", "")), safe="")
        view = {**known, "quoted": quoted}
        subject = " ".join(self.subject.render(view).split())
        return subject, self.text.render(view), self.html.render(view)


@pytest.mark.parametrize(
    ("subject", "becomes"),
    [
        ("'Re: Fwd: Dig'", "Dig"),
        ("'Prepare: three questions you share: why'", "Prepare: three questions you share: why"),
        ("'Draw: a bed'", "Draw: a bed"),
        ("'Beds, re: soil'", "Beds, re: soil"),
        ("x" * 151, "x" * 149 + "…"),
        ("x" * 150, "x" * 150),
        ("'Re: '", "…"),
    ],
)
def test_h12_a_subject_is_1_to_150_long_and_no_answer(
    tmp_path: Path, subject: str, becomes: str
) -> None:
    source = f"---\ntitle: T\nsubject: {subject}\n---\nHello to all of you.\n"
    for form in ("raw", "parts"):
        school = composer(plant(tmp_path / form, **{"4-odd": source}), form)  # type: ignore[arg-type]
        message = composed(school, claimed("odd"))
        got = message.shared.subject if message.shared else parsed(message)["Subject"]
        assert got == becomes


def test_h12_a_long_name_does_not_make_a_subject_too_long(tmp_path: Path) -> None:
    source = "---\ntitle: T\nsubject: '{{ learner.first_name }} " + "x" * 140 + "'\n---\nHello.\n"
    school = composer(plant(tmp_path, **{"4-odd": source}))
    assert len(parsed(composed(school, claimed("odd", name="y" * 60)))["Subject"]) == 150
