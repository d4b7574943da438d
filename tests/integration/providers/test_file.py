"""The outbox: one complete file a message, named for its reader, never overwritten."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from scheduler.domain.message import Message
from scheduler.domain.provider import Accepted, Deferred, Fault
from scheduler.errors import ProviderMisconfigured
from scheduler.providers import forget, open_provider, remembering
from tests.integration.providers.letters import NOON, letter, letters, raw_for


def send_one(outbox: Path, message: Message) -> Accepted:
    ((_, outcome),) = open_provider("file", {"outbox": str(outbox)}).send([message])
    assert isinstance(outcome, Accepted)
    return outcome


def test_the_file_holds_the_very_bytes_and_says_when_to_whom_and_what(tmp_path: Path) -> None:
    message = letter("Ada.Lovelace+course@example.org", delivery_id="0123456789abcdef" * 2)
    outcome = send_one(tmp_path / "deep" / "outbox", message)
    path = tmp_path / "deep" / "outbox" / outcome.ref
    assert path.name == "20260105T073000Z-ada-lovelace-course-the-manager-effect-89abcdef.eml"
    assert path.read_bytes() == message.raw


def test_names_sort_by_the_hour_whatever_the_zone(tmp_path: Path) -> None:
    early = letter(raw=b"Date: Mon, 05 Jan 2026 23:00:00 +1400\r\nSubject: a\r\n\r\nx\r\n")
    late = letter(raw=b"Date: Mon, 05 Jan 2026 10:00:00 +0000\r\nSubject: a\r\n\r\nx\r\n")
    names = [send_one(tmp_path, message).ref for message in (late, early)]
    assert sorted(names) == [names[1], names[0]]


def test_the_same_message_again_is_the_same_file(tmp_path: Path) -> None:
    message = letter()
    assert send_one(tmp_path, message) == send_one(tmp_path, message)
    assert len(list(tmp_path.iterdir())) == 1


def test_a_different_message_under_the_same_name_gets_a_number(tmp_path: Path) -> None:
    first = letter()
    second = replace(first, raw=first.raw + b"An edited lesson.\r\n")
    names = [send_one(tmp_path, message).ref for message in (first, second, second, first)]
    assert names[1] == names[2] == names[0].replace(".eml", "-2.eml")
    assert names[3] == names[0]
    assert (tmp_path / names[0]).read_bytes() == first.raw
    assert (tmp_path / names[1]).read_bytes() == second.raw


@pytest.mark.parametrize(
    "hostile",
    [
        "../../etc/passwd@x.org",
        "..@x.org",
        "/@x.org",
        "a\0b@x.org",
        "名前@x.org",
        "a" * 300 + "@x.org",
    ],
)
def test_no_address_leads_out_of_the_folder(tmp_path: Path, hostile: str) -> None:
    raw = raw_for("x@example.org", "3" * 32).replace(b"The manager", b"../../The\0 manager")
    outcome = send_one(tmp_path / "outbox", letter(hostile, delivery_id="../" * 11, raw=raw))
    assert [p.name for p in tmp_path.iterdir()] == ["outbox"]
    assert [p.name for p in (tmp_path / "outbox").iterdir()] == [outcome.ref]
    assert len(outcome.ref) < 160


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"Date: nonsense\r\n",
        b"Date: Mon, 99 Jan 99999 00:00:00 +9999\r\n",
        b"Subject: =?utf-8?b?!!!?=\r\n",
        b"Subject: =?no-such-charset?q?x?=\r\n",
        b"Subject: \xff\xfe\r\n",
    ],
)
def test_odd_headers_still_make_a_file(tmp_path: Path, head: bytes) -> None:
    message = letter(raw=head + b"\r\nbody\r\n")
    assert (tmp_path / send_one(tmp_path, message).ref).read_bytes() == message.raw


def test_an_encoded_subject_is_read(tmp_path: Path) -> None:
    raw = raw_for("x@example.org", "4" * 32).replace(
        b"The manager effect", b"=?utf-8?q?Caf=C3=A9_of?=\r\n =?utf-8?q?_names?="
    )
    assert "cafe-of-names" in send_one(tmp_path, letter(raw=raw)).ref


@pytest.mark.parametrize("step", ["write", "fsync", "link"])
def test_a_disk_fault_waits_and_leaves_no_half_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    outbox = tmp_path / "outbox"
    provider = open_provider("file", {"outbox": outbox})
    good, bad = letters(2)
    list(provider.send([good]))

    def full(*_args: object, **_kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    if step == "write":
        monkeypatch.setattr("tempfile.mkstemp", full)
    elif step == "fsync":
        monkeypatch.setattr("os.fsync", full)
    else:
        monkeypatch.setattr("os.link", full)
        monkeypatch.setattr("pathlib.Path.rename", full)
    ((_, outcome),) = provider.send([bad])
    assert isinstance(outcome, Deferred)
    assert outcome.fault is Fault.TRANSPORT
    assert "No space left" in outcome.detail
    assert len(os.listdir(outbox)) == 1  # noqa: PTH208


def test_a_file_system_without_hard_links_works_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(*_args: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("os.link", unsupported)
    message = letter()
    assert (tmp_path / send_one(tmp_path, message).ref).read_bytes() == message.raw
    assert send_one(tmp_path, message).ref
    assert len(list(tmp_path.iterdir())) == 1


def test_a_name_appears_only_when_the_file_is_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []
    real = os.fsync

    def watching(handle: int) -> None:
        seen.append([p.name for p in tmp_path.glob("*.eml")])
        real(handle)

    monkeypatch.setattr("os.fsync", watching)
    name = send_one(tmp_path, letter()).ref
    assert seen == [[], [name]]  # synced before it is named, and the name synced as well


@pytest.mark.parametrize("settings", [{}, {"outbox": ""}, {"outbox": None}])
def test_without_a_folder_it_says_what_to_set(settings: dict[str, object]) -> None:
    with pytest.raises(ProviderMisconfigured, match="OUTBOX"):
        open_provider("file", settings)


def test_a_file_in_place_of_the_folder_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "outbox").write_text("")
    with pytest.raises(ProviderMisconfigured, match="is a file"):
        open_provider("file", {"outbox": tmp_path / "outbox"})


# -- to be forgotten -----------------------------------------------------------------------------


def test_who_is_erased_is_gone_from_the_outbox_and_nobody_else(tmp_path: Path) -> None:
    ada = [letter("Ada.L@Example.org") for _ in range(3)]
    others = [letter(to) for to in ("ada.l@example.net", "ada-l@example.org", "bob@example.org")]
    nameless, stranger = letter("_@example.org"), tmp_path / "notes-ada-l-x.txt"
    kept = [send_one(tmp_path, message).ref for message in others]
    for message in [*ada, nameless]:
        send_one(tmp_path, message)
    stranger.write_text("To: ada.l@example.org\n", encoding="utf-8")
    settings = {"outbox": str(tmp_path)}
    people = {"ada.l@example.org": NOON, "_@example.org": NOON}
    for _ in range(2):
        assert forget("file", settings, people) is None
        assert sorted(f.name for f in tmp_path.iterdir()) == sorted([*kept, stranger.name])


def test_mail_of_a_later_date_stays(tmp_path: Path) -> None:
    message = letter("ada@example.org")
    name = send_one(tmp_path, message).ref
    early = NOON - timedelta(days=1)
    assert forget("file", {"outbox": str(tmp_path)}, {"ada@example.org": early}) is None
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_an_outbox_that_never_was_has_nothing_to_forget(tmp_path: Path) -> None:
    assert forget("file", {"outbox": str(tmp_path / "none")}, {"a@example.org": NOON}) is None


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may remove anything")
def test_an_outbox_that_may_not_be_changed_says_so(tmp_path: Path) -> None:
    send_one(tmp_path, letter("ada@example.org"))
    tmp_path.chmod(0o500)
    try:
        answer = forget("file", {"outbox": str(tmp_path)}, {"ada@example.org": NOON})
    finally:
        tmp_path.chmod(0o700)
    assert isinstance(answer, Deferred)
    assert "Check that its files may be removed" in answer.detail


def test_a_mail_server_keeps_nothing_of_ours_that_could_be_erased() -> None:
    assert remembering() == {"file", "sendgrid"}
    assert forget("smtp", {}, {"a@example.org": NOON}) is None
    assert forget("gone", {}, {"a@example.org": NOON}) is None
