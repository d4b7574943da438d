"""Opens a provider by its name: the name of its file in this folder.

One plain file here is one provider; the folder `wire` holds what they are made of and is
none itself. Refuses to guess: an unknown name is an error that lists the known ones.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from datetime import datetime
from types import ModuleType
from typing import Any, cast

from scheduler.domain.probed import Probed
from scheduler.domain.provider import Deferred, Fault, Listener, Provider
from scheduler.errors import ProviderMisconfigured


def names() -> list[str]:
    """The providers there are, in alphabetical order."""
    return sorted(found.name for found in pkgutil.iter_modules(__path__) if not found.ispkg)


def open_provider(name: str, settings: Mapping[str, Any]) -> Provider:
    """The provider of that name, ready to send; nothing is connected or written yet.

    `settings` is the block of the same name in the configuration. Raises
    `ProviderMisconfigured` for an unknown name and for settings that cannot work.
    """
    return cast(Provider, _module(name).connect(settings))


def probe(name: str, settings: Mapping[str, Any]) -> Probed | Deferred | None:
    """Ask the provider of that name whether it would take our mail; nothing is sent.

    None when its file has no `probe(settings)`. Raises `ProviderMisconfigured` as above.
    """
    asking = getattr(_module(name), "probe", None)
    return None if asking is None else cast("Probed | Deferred", asking(settings))


def open_listener(name: str, settings: Mapping[str, Any]) -> Listener | None:
    """Who hears the reports of that provider; None if it makes none, or nobody can prove them.

    Raises `ProviderMisconfigured` for settings that cannot work.
    """
    if name not in names():
        return None
    listen = getattr(_module(name), "listen", None)
    return None if listen is None else cast(Listener | None, listen(settings))


def remembering() -> frozenset[str]:
    """The providers that keep copies of mail and can be asked to erase them."""
    return frozenset(name for name in names() if hasattr(_module(name), "forget"))


def forget(
    name: str, settings: Mapping[str, Any], people: Mapping[str, datetime]
) -> Deferred | None:
    """Have the provider of that name erase what it keeps of these addresses.

    `people` are addresses with the instant (aware UTC) they were erased here: mail of a later
    date is somebody's who came back. None when nothing is left there; what a provider cannot do
    now is a `Deferred`, also when its settings cannot work any more.
    """
    forgetting = getattr(_module(name), "forget", None) if name in names() else None
    if forgetting is None:
        return None
    try:
        return cast("Deferred | None", forgetting(settings, people))
    except ProviderMisconfigured as error:
        return Deferred(str(error), Fault.CONFIG)


def _module(name: str) -> ModuleType:
    known = names()
    if name not in known:
        raise ProviderMisconfigured(
            f"there is no provider {name!r}; set DELIVERY to one of: {', '.join(known)}"
        )
    return importlib.import_module(f"{__name__}.{name}")
