"""Opens a provider by its name: the name of its file in this folder.

One plain file here is one provider; the folder `wire` holds what they are made of and is
none itself. Refuses to guess: an unknown name is an error that lists the known ones.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from typing import Any, cast

from scheduler.domain.provider import Listener, Provider
from scheduler.errors import ProviderMisconfigured


def names() -> list[str]:
    """The providers there are, in alphabetical order."""
    return sorted(found.name for found in pkgutil.iter_modules(__path__) if not found.ispkg)


def open_provider(name: str, settings: Mapping[str, Any]) -> Provider:
    """The provider of that name, ready to send; nothing is connected or written yet.

    `settings` is the block of the same name in the configuration. Raises
    `ProviderMisconfigured` for an unknown name and for settings that cannot work.
    """
    known = names()
    if name not in known:
        raise ProviderMisconfigured(
            f"there is no provider {name!r}; set DELIVERY to one of: {', '.join(known)}"
        )
    module = importlib.import_module(f"{__name__}.{name}")
    return cast(Provider, module.connect(settings))


def open_listener(name: str, settings: Mapping[str, Any]) -> Listener | None:
    """Who hears the reports of that provider; None if it makes none, or nobody can prove them.

    Raises `ProviderMisconfigured` for settings that cannot work.
    """
    if name not in names():
        return None
    listen = getattr(importlib.import_module(f"{__name__}.{name}"), "listen", None)
    return None if listen is None else cast(Listener | None, listen(settings))
