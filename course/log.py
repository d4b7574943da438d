"""Sets up the log: one line per event on stderr, as text or JSON.

Refuses to let an address through above DEBUG: `zoe@example.com` becomes `z••@example.com`.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from course.config import LogSettings

# Linear on any input: no part of it can be matched in two ways.
_ADDRESS = re.compile(r"([^\s@<>\"',;:()\[\]{}=/]{1,64})@([\w.-]{1,253})")
#: Lines of these say nothing an operator needs below WARNING.
_TALKATIVE = ("apscheduler", "python_http_client", "urllib3", "watchfiles", "alembic", "httpx")


def masked(text: str) -> str:
    """The text with every address partly hidden."""
    return _ADDRESS.sub(lambda found: f"{found[1][0]}••@{found[2]}", text)


def set_up(settings: LogSettings) -> None:
    """Send our own log and that of every library to stderr. Safe to call again."""
    import structlog

    level = logging.getLevelNamesMapping()[settings.level]
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        _hide_addresses,
    ]
    renderer: Any = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if settings.format == "json"
        else structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0)
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = _ToStderr()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))


class _ToStderr(logging.StreamHandler[TextIO]):
    """Asks for sys.stderr at each line: it may have been replaced since."""

    @property
    def stream(self) -> TextIO:
        return sys.stderr

    @stream.setter
    def stream(self, _value: TextIO) -> None:
        """Always sys.stderr."""


def _hide_addresses(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    if event.get("level") == "debug":
        return event
    for key, value in event.items():
        event[key] = _hidden(value)
    return event


def _hidden(value: Any) -> Any:
    if isinstance(value, str):
        return masked(value)
    if isinstance(value, dict):
        return {key: _hidden(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_hidden(inner) for inner in value]
    return value
