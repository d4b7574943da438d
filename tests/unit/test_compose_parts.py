"""The form for providers that fill in the holes themselves: one body, many substitutions."""

from __future__ import annotations

import html as html_library
import re
from pathlib import Path

import pytest

from course.compose import CourseComposer
from course.mail.document import NOTICES
from course.mail.mime import clean
from scheduler.domain.message import Message, Shared, Unfit
from tests.mailroom import (
    body,
    claimed,
    composed,
    composer,
    parsed,
    plant,
    whole_school,
)
from tests.naughty import NAMES as NAUGHTY

#: The templates; what differs from lesson to lesson is judged in the other form.
ALL = ["bed", "sow", "grow", "@welcome", "@completed", *NOTICES]
#: Fields SendGrid refuses among the headers of a personalization.
FORBIDDEN = {
    "x-sg-id", "x-sg-eid", "received", "dkim-signature", "content-type",
    "content-transfer-encoding", "to", "from", "subject", "reply-to", "cc", "bcc",
}  # fmt: skip


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> CourseComposer:
    return composer(whole_school(tmp_path_factory.mktemp("school")), "parts")


def shared(message: Message) -> Shared:
    assert message.shared is not None
    return message.shared


def filled(text: str, message: Message) -> str:
    """What the provider makes of it: every tag replaced, once, in any order."""
    tags = "|".join(map(re.escape, message.substitutions)) or "(?!)"
    return re.sub(tags, lambda found: message.substitutions[found[0]], text)


def test_s1_learners_of_one_version_hold_the_very_same_body(school: CourseComposer) -> None:
    answers = school.compose([claimed(number=n, name=f"N{n}") for n in range(20)])
    messages = [answer for answer in answers if isinstance(answer, Message)]
    assert len(messages) == 20
    assert len({id(message.shared) for message in messages}) == 1
    assert len({message.substitutions["-mcd_leave_t-"] for message in messages}) == 20
    assert all(message.raw == b"" for message in messages)


@pytest.mark.parametrize("key", ALL)
def test_filled_in_it_is_the_same_mail_as_the_raw_one(tmp_path: Path, key: str) -> None:
    catalog = plant(tmp_path)
    raw, parts = composer(catalog), composer(catalog, "parts")
    for name in [*(NAUGHTY if key == "bed" else NAUGHTY[::5]), "Ada", "Zoë", ""]:
        one = claimed(key, name=name)
        mail, message = composed(raw, one), composed(parts, one)

        def neutral(text: str) -> str:
            text = re.sub(r"(for=\S*?)-mcd_", r"\1%2Dmcd_", text)
            return text.replace("-mcd_", "-mcd\u2011")

        assert filled(shared(message).subject, message) == neutral(str(parsed(mail)["Subject"]))
        text = filled(shared(message).text, message).replace("\u200c\n", "\n")
        assert text == neutral(body(mail, "plain"))
        # Numeric references are the only difference.
        page = filled(shared(message).html, message)
        assert html_library.unescape(page) == html_library.unescape(neutral(body(mail, "html")))
        assert message.message_id == mail.message_id
        assert message.version == mail.version


@pytest.mark.parametrize("key", ALL)
def test_s3_s6_headers_are_allowed_strings_of_one_line(school: CourseComposer, key: str) -> None:
    message = composed(school, claimed(key))
    assert not FORBIDDEN & {name.lower() for name in message.headers}
    assert message.headers["Message-ID"] == message.message_id
    for value in message.headers.values():
        assert value.isascii()
        assert value.isprintable()
        assert "=?" not in value
    listed = key not in NOTICES
    assert ("List-Unsubscribe" in message.headers) == listed
    assert ("List-Unsubscribe-Post" in message.headers) == listed
    assert ("Auto-Submitted" in message.headers) == (not listed)


@pytest.mark.parametrize("key", ALL)
def test_s7_tags_are_plain_and_no_value_holds_one(school: CourseComposer, key: str) -> None:
    for name in NAUGHTY:
        message = composed(school, claimed(key, name=name))
        for tag, value in message.substitutions.items():
            assert re.fullmatch(r"-mcd_[a-z0-9_]+_[htq]-", tag)
            assert "-mcd_" not in value
            assert not re.search(r"[\r\x00]", value)
            if tag.endswith(("_h-", "_q-")):
                assert value.isascii()
                assert not re.search(r"[<>\"']", value)
    assert set(re.findall(r"-mcd_\w+-", shared(message).html + shared(message).text)) <= set(
        message.substitutions
    )


def test_s7_the_name_has_a_tag_for_each_place(tmp_path: Path) -> None:
    link = "[it](https://example.org/?q={{ learner.first_name }})"
    source = f"Dear {{{{ learner.first_name }}}}, see {link}.\n"
    school = composer(plant(tmp_path, **{"4-dear": source}), "parts")
    message = composed(school, claimed("dear", name="Zoë <3"))
    assert message.substitutions["-mcd_name_h-"] == "Zo&#235; &lt;3"
    assert message.substitutions["-mcd_name_t-"] == "Zoë <3"
    assert message.substitutions["-mcd_name_q-"] == "Zo%C3%AB%20%3C3"
    assert "Dear -mcd_name_h-, see" in shared(message).html
    assert "?q=-mcd_name_q-" in shared(message).html


def test_s7_a_lesson_that_holds_the_prefix_is_refused(tmp_path: Path) -> None:
    catalog = plant(tmp_path, **{"4-odd": "Write `-mcd_name_h-` and see.\n"})
    (answer,) = composer(catalog, "parts").compose([claimed("odd")])
    assert isinstance(answer, Unfit)
    assert answer.poison


def test_s2_substitutions_stay_below_the_limit(tmp_path: Path) -> None:
    long = "{% if learner.first_name %}" + "word " * 3000 + "{% endif %}"
    catalog = plant(tmp_path, **{"4-long": f"Start {long} end.\n"})
    answers = composer(catalog, "parts").compose([claimed("long"), claimed("bed")])
    assert isinstance(answers[0], Unfit)
    assert "10 kB" in answers[0].reason
    assert isinstance(answers[1], Message)
    assert sum(len(k) + len(v) for k, v in answers[1].substitutions.items()) < 2_000


@pytest.mark.parametrize("key", ALL)
def test_s12_html_is_ascii_and_text_is_never_latin_1_only(school: CourseComposer, key: str) -> None:
    content = shared(composed(school, claimed(key, name="José")))
    assert content.html.isascii()
    assert any(ord(letter) > 255 for letter in content.text)


def test_the_sender_stands_in_the_shared_part(school: CourseComposer) -> None:
    content = shared(composed(school, claimed()))
    assert (content.from_addr, content.from_name) == ("course@example.org", "Gärten & Co")
    assert content.reply_to == "people@example.org"
    assert content.subject == clean(content.subject)
    assert len(content.categories) <= 10
