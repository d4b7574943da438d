"""Writes each message as one `.eml` file into the outbox folder; nothing leaves the machine.

A file is complete or not there: written under a passing name, synced, then given its own.
Refuses to overwrite: the same message again is the same file, a different one gets a number.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import time
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from email.errors import MessageError
from email.header import decode_header, make_header
from email.parser import BytesHeaderParser
from email.utils import parseaddr, parsedate_to_datetime
from pathlib import Path
from typing import Any, Literal

from scheduler.domain.message import Message
from scheduler.domain.provider import Accepted, Deferred, Fault, Outcome, Provider, Refused
from scheduler.errors import ProviderMisconfigured
from scheduler.providers.wire import given

_NOT_IN_NAMES = re.compile(r"[^a-z0-9]+")
_LONGEST_PART = 40


def connect(settings: Mapping[str, Any]) -> Provider:
    """Settings: `outbox`, the folder, created with the first message; `deadline` (seconds).

    Raises `ProviderMisconfigured` when it is missing or is no folder.
    """
    outbox = given.text(settings, "outbox")
    if not outbox:
        raise ProviderMisconfigured("file.outbox is empty; set OUTBOX to a folder for .eml files")
    folder = Path(outbox).expanduser()
    if folder.exists() and not folder.is_dir():
        raise ProviderMisconfigured(
            f"file.outbox {folder} is a file; set OUTBOX to a folder, or to a name not in use"
        )
    return Outbox(folder, given.number(settings, "file", "deadline", 50, below=60))


def forget(settings: Mapping[str, Any], people: Mapping[str, datetime]) -> Deferred | None:
    """Remove the files of these addresses; see `scheduler.providers.forget`."""
    folder = Path(given.text(settings, "outbox")).expanduser()
    erased_at = {address.casefold(): at for address, at in people.items()}
    named = {f"-{_plain(address.partition('@')[0]) or 'someone'}-" for address in people}
    try:
        for file in sorted(folder.glob("*.eml")):
            if any(name in file.name for name in named) and _is_of(file, erased_at):
                file.unlink(missing_ok=True)
        if folder.is_dir():
            _sync_folder(folder)
    except OSError as error:
        return Deferred(
            f"cannot erase from the outbox {folder}: {error.strerror}. "
            "Check that its files may be removed",
            Fault.TRANSPORT,
        )
    return None


def _is_of(file: Path, erased_at: Mapping[str, datetime]) -> bool:
    """Did this mail go to one of them, before they were erased?"""
    with file.open("rb") as opened:
        headers = BytesHeaderParser().parse(opened)
    at = erased_at.get(parseaddr(str(headers["To"] or ""))[1].casefold())
    try:
        return at is not None and parsedate_to_datetime(str(headers["Date"])) <= at
    except (TypeError, ValueError, OverflowError):
        return True


class Outbox:
    """Any number of threads and processes may write at once."""

    name = "file"
    form: Literal["raw", "parts"] = "raw"
    #: Sending again writes nothing, so a wide window costs no doubt.
    window = 100

    def __init__(self, folder: Path, deadline: float = 50.0) -> None:
        self._folder = folder
        self._deadline = deadline
        self._broken_off = False

    def break_off(self) -> None:
        """See `Provider.break_off`."""
        self._broken_off = True

    def close(self) -> None:
        """Nothing is held open."""

    def send(self, messages: Sequence[Message]) -> Iterator[tuple[str, Outcome]]:
        """See `Provider.send`. `Accepted.ref` is the file's name, synced to disk."""
        until = time.monotonic() + self._deadline
        for message in messages:
            if self._broken_off:
                told = Deferred("told to stop before its turn", Fault.TRANSPORT)
                yield message.delivery_id, told
            elif time.monotonic() > until:
                slow = Deferred("no time left in this batch: the disk is slow", Fault.TRANSPORT)
                yield message.delivery_id, slow
            else:
                yield message.delivery_id, self._keep(message)

    def _keep(self, message: Message) -> Outcome:
        if not message.raw:
            return Refused("the message is empty", Fault.CONTENT)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            path = self._write(message)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            return Deferred(
                f"cannot write to the outbox {self._folder}: {reason}. "
                "Check that it is a writable folder with space left",
                Fault.TRANSPORT,
            )
        return Accepted(ref=path.name, detail=f"written to {path}")

    def _write(self, message: Message) -> Path:
        handle, passing = tempfile.mkstemp(prefix=".writing-", suffix=".part", dir=self._folder)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(message.raw)
                file.flush()
                os.fsync(file.fileno())
            path = self._give_name(Path(passing), message)
        finally:
            # Linked under its own name by now, or of no use; a leftover is hidden and harmless.
            with contextlib.suppress(OSError):
                Path(passing).unlink(missing_ok=True)
        _sync_folder(self._folder)
        return path

    def _give_name(self, passing: Path, message: Message) -> Path:
        name = file_name(message)
        number = 1
        while True:
            path = self._folder / (f"{name}.eml" if number == 1 else f"{name}-{number}.eml")
            try:
                os.link(passing, path)  # unlike a rename, fails if the name is taken
                return path
            except FileExistsError:
                pass
            except OSError:
                # A file system without hard links: a rename cannot tell, so look first.
                if not path.exists():
                    passing.rename(path)
                    return path
            if path.read_bytes() == message.raw:
                return path
            number += 1


def file_name(message: Message) -> str:
    """`<UTC of its Date>-<to whom>-<subject>-<short id>`: sorts by date, readable, harmless."""
    headers = BytesHeaderParser().parsebytes(message.raw[:65536])
    try:
        date = parsedate_to_datetime(str(headers["Date"])).astimezone(UTC)
        when = date.strftime("%Y%m%dT%H%M%SZ")
    except (TypeError, ValueError, OverflowError):
        when = "undated"
    try:
        subject = str(make_header(decode_header(str(headers["Subject"] or ""))))
    except (LookupError, ValueError, MessageError):
        subject = ""
    parts = (
        when,
        _plain(message.to_addr.partition("@")[0]) or "someone",
        _plain(subject),
        _plain(message.delivery_id)[-8:] or "unnamed",
    )
    return "-".join(part for part in parts if part)


def _plain(text: str) -> str:
    """Lower-case ASCII letters and digits, the rest as single hyphens."""
    ascii_only = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return _NOT_IN_NAMES.sub("-", ascii_only.lower()).strip("-")[:_LONGEST_PART].strip("-")


def _sync_folder(folder: Path) -> None:
    """Make the name itself durable, where the system can."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
