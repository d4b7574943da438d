"""Reads single values out of a provider's settings.

Refuses to put a value into an error message: it may be a secret in the wrong place.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scheduler.errors import ProviderMisconfigured


def number(
    settings: Mapping[str, Any], block: str, name: str, default: float, below: float | None = None
) -> float:
    """A number above 0 (and below `below`); the default when absent."""
    given = settings.get(name)
    if given is None:
        return default
    try:
        value = float(given)
    except (TypeError, ValueError):
        value = -1.0
    # Written so that "nan" fails too.
    if not (0 < value < (below if below is not None else float("inf"))):
        upper = f" and below {below:g}" if below is not None else ""
        raise ProviderMisconfigured(
            f"{block}.{name} must be a number above 0{upper}; "
            f"remove it to use the default {default:g}"
        )
    return value


def text(settings: Mapping[str, Any], name: str) -> str:
    """A value as stripped text; also out of pydantic's secret wrapper; "" when absent."""
    given = settings.get(name)
    if given is not None and hasattr(given, "get_secret_value"):
        given = given.get_secret_value()
    return "" if given is None else str(given).strip()
