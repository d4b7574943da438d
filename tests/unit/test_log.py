"""The log never names an address above DEBUG."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from course import log
from course.config import LogSettings


@pytest.fixture(autouse=True)
def _put_back() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


@pytest.mark.parametrize("form", ["text", "json"])
def test_addresses_are_masked_wherever_they_stand(
    form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    log.set_up(LogSettings(level="INFO", format=form))
    structlog.get_logger("x").info(
        "sent", to="zoe@example.com", more={"list": ["kai@example.com"]}, text="<ana@example.com>"
    )
    logging.getLogger("y").warning("refused %s", "mia@example.com", extra={"who": "li@example.com"})
    try:
        raise ValueError("bad: tom@example.com")
    except ValueError:
        structlog.get_logger("z").exception("broken")
    told = capsys.readouterr().err
    for name in ("zoe", "kai", "ana", "mia", "li@", "tom"):
        assert name not in told, name
    assert "z••@example.com" in told
    assert "t••@example.com" in told


def test_json_is_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    log.set_up(LogSettings(format="json"))
    structlog.get_logger("x").info("pass", accepted=3)
    logging.getLogger("somebody.else").info("started")
    first, second = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert (first["event"], first["accepted"], first["level"]) == ("pass", 3, "info")
    assert second["event"] == "started"


def test_debug_may_tell_the_address(capsys: pytest.CaptureFixture[str]) -> None:
    log.set_up(LogSettings(level="DEBUG"))
    structlog.get_logger("x").debug("sent", to="zoe@example.com")
    assert "zoe@example.com" in capsys.readouterr().err


def test_a_level_silences_what_is_below(capsys: pytest.CaptureFixture[str]) -> None:
    log.set_up(LogSettings(level="WARNING"))
    structlog.get_logger("x").info("quiet")
    assert capsys.readouterr().err == ""
