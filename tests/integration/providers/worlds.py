"""The three providers, each with a world to send into, for the shared contract."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Protocol

from scheduler.domain.message import Message
from scheduler.domain.provider import Provider
from scheduler.providers import open_provider
from tests.integration.providers.fake_sendgrid import KEY, FakeSendGrid
from tests.integration.providers.fault_smtp import FaultServer
from tests.integration.providers.letters import letter

_MESSAGE_ID = re.compile(rb"Message-ID: <(\w+)@")

#: Long enough for a busy machine; no test should need it. On one connection: on a busy machine
#: any server may be slow enough for more.
PATIENT = {"connect_timeout": 5, "timeout": 5, "deadline": 25, "pool": 1}
#: For servers that hang.
HASTY = {"connect_timeout": 0.3, "timeout": 0.3, "deadline": 5, "pool": 1}


class World(Protocol):
    """Where a provider sends to, as the contract sees it."""

    name: str
    settings: dict[str, Any]
    provider: Provider

    def delivered(self) -> list[str]:
        """The delivery ids that really arrived, one for each copy."""
        ...

    def hopeless(self) -> Message:
        """A message this provider must refuse for good."""
        ...

    def take_away(self) -> None:
        """Make the way to the provider fail."""
        ...

    def close(self) -> None: ...


class FileWorld:
    name = "file"

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "outbox"
        self.settings: dict[str, Any] = {"outbox": self._folder}
        self.provider = open_provider("file", self.settings)

    def delivered(self) -> list[str]:
        files = self._folder.parent.glob("*/*.eml")
        return [_MESSAGE_ID.search(f.read_bytes())[1].decode() for f in files]  # type: ignore[index]

    def hopeless(self) -> Message:
        return letter(raw=b"")

    def take_away(self) -> None:
        if self._folder.exists():
            self._folder.rename(self._folder.with_name("taken away"))
        self._folder.write_text("a file stands where the folder should")

    def close(self) -> None:
        self.provider.close()


class SmtpWorld:
    name = "smtp"

    def __init__(self, extensions: tuple[str, ...]) -> None:
        self.server = FaultServer(extensions=extensions).__enter__()
        self.settings: dict[str, Any] = {"url": self.server.url, **PATIENT, "pool": 4}
        self.provider = open_provider("smtp", self.settings)

    def delivered(self) -> list[str]:
        return [_MESSAGE_ID.search(copy.data)[1].decode() for copy in self.server.accepted]  # type: ignore[index]

    def hopeless(self) -> Message:
        return letter("unknown@example.org")

    def take_away(self) -> None:
        self.server.stop()

    def close(self) -> None:
        self.provider.close()
        self.server.stop()


class SendGridWorld:
    name = "sendgrid"

    def __init__(self) -> None:
        self.fake = FakeSendGrid().__enter__()
        self.settings: dict[str, Any] = {"api_key": KEY, "api_url": self.fake.url, **PATIENT}
        self.provider = open_provider("sendgrid", self.settings)

    def delivered(self) -> list[str]:
        return [sent.delivery_id for sent in self.fake.sent]

    def hopeless(self) -> Message:
        self.fake.poison.add("unknown@example.org")
        return letter("unknown@example.org")

    def take_away(self) -> None:
        self.fake.stop()

    def close(self) -> None:
        self.provider.close()
        self.fake.stop()


def worlds() -> list[str]:
    return ["file", "smtp", "smtp without extensions", "sendgrid"]


def open_world(name: str, folder: Path) -> World:
    if name == "file":
        return FileWorld(folder)
    if name == "smtp":
        return SmtpWorld(("PIPELINING", "SIZE 10000000", "8BITMIME", "ENHANCEDSTATUSCODES"))
    if name == "smtp without extensions":
        return SmtpWorld(())
    return SendGridWorld()
