"""config.yaml plus environment becomes frozen Settings, each with its source.

Precedence: flags, environment, NAME_FILE, .env, config.yaml, defaults. All faults are reported
at once. Refuses to guess a wrong value, and to print a secret.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

from course import paths
from course.errors import ConfigError
from course.settings.keys import BY_PATH, KEYS, Key
from course.settings.kinds import Mailbox, is_loopback, without_password
from course.settings.sources import Found, Layers

#: Source of a base_url that nobody set: the server's own address.
SERVING = "where this server listens"
#: What to run for a key of one's own.
MAKE_KEY = "python3 -c 'import secrets; print(secrets.token_urlsafe(32))'"


class _Block(BaseModel):
    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)


class FileSettings(_Block):
    """Delivery `file`: a local folder."""

    outbox: Path = Path("var/outbox")


class SmtpSettings(_Block):
    """Delivery `smtp`."""

    url: str = Field("", repr=False)
    timeout: float = 30.0
    pool: int = 4
    ca_file: str = ""
    #: `SELECTOR:FILE` for each key.
    dkim: tuple[str, ...] = ()


class SendgridSettings(_Block):
    """Delivery `sendgrid`."""

    api_key: str = Field("", repr=False)
    api_url: str = "https://api.sendgrid.com"
    webhook_key: str = ""
    timeout: float = 30.0


class SchedulerSettings(_Block):
    """Pace and policy of the post office."""

    tick_seconds: float = 20.0
    min_gap_hours: float = 6.0
    uncertain: Literal["resend_once", "hold", "skip"] = "resend_once"
    spread_minutes: int = 30
    per_second: float = 0.0
    per_domain_per_second: float = 0.0
    signup_expires_days: int = 7
    nudges: bool = True


class SignupSettings(_Block):
    """Limits of the signup form."""

    per_address_per_day: int = 3
    per_ip_per_hour: int = 30
    min_fill_seconds: float = 2.0
    #: Lower-case host names.
    return_hosts: tuple[str, ...] = ()


class LogSettings(_Block):
    """What the log says, and how."""

    level: str = "INFO"
    format: str = "text"


class Settings(_Block):
    """Everything an operator can choose, read once at start."""

    base_url: str = "http://127.0.0.1:8000"
    host: str = "127.0.0.1"
    port: int = 8000
    database_url: str = Field("sqlite:///var/course.db", repr=False)
    auto_migrate: bool = False
    #: The first signs, all verify. Empty until `with_secret` has run.
    secret_key: tuple[str, ...] = Field((), repr=False)
    lessons: Path = Path("lessons")
    templates: Path = Path("templates")
    delivery: str = "file"
    email_from: Mailbox = Mailbox("Mini Email Course", "course@example.org")
    reply_to: Mailbox | None = None
    bounce_address: Mailbox | None = None
    organisation: str = ""
    postal_address: str = ""
    file: FileSettings = FileSettings()
    smtp: SmtpSettings = SmtpSettings(url="")
    sendgrid: SendgridSettings = SendgridSettings(api_key="")
    scheduler: SchedulerSettings = SchedulerSettings()
    signup: SignupSettings = SignupSettings()
    log: LogSettings = LogSettings()
    trusted_proxies: tuple[str, ...] = ()
    metrics_token: str = Field("", repr=False)
    #: Blocks of config.yaml named after a provider that is not listed above.
    other_providers: Mapping[str, Mapping[str, Any]] = Field(default_factory=dict, repr=False)
    #: The config.yaml that was read; None when there is none.
    config_file: Path | None = None
    #: The folder that relative paths and `var/` belong to.
    home: Path = Path()
    #: Where each value came from, by path (`smtp.url`).
    sources: Mapping[str, str] = Field(default_factory=dict)

    @property
    def var(self) -> Path:
        """The folder of everything this program writes for itself."""
        return self.home / "var"

    @property
    def is_local(self) -> bool:
        """Do links point at this very machine?"""
        return is_loopback(urlsplit(self.base_url).hostname or "")

    def provider(self, name: str | None = None) -> dict[str, Any]:
        """The block of one provider (default: the chosen one), as plain values."""
        chosen = name or self.delivery
        block = getattr(self, chosen, None)
        if isinstance(block, SmtpSettings):
            # A signature says nothing unless it names the domain that people see in From.
            domain = self.email_from.address.rpartition("@")[2]
            return {**block.model_dump(), "dkim_domain": domain}
        if isinstance(block, _Block):
            return block.model_dump()
        return dict(self.other_providers.get(chosen, {}))

    def listening_at(self, host: str, port: int) -> Settings:
        """The same settings for a server that really listens there."""
        change: dict[str, Any] = {"host": host, "port": port}
        if self.sources.get("base_url", "default") == "default":
            change["base_url"] = local_address(host, port)
            change["sources"] = {**self.sources, "base_url": SERVING}
        return self.model_copy(update=change)

    def shown(self) -> list[tuple[str, str, str]]:
        """(key, value, source) of every setting, secrets hidden."""
        return [(key.path, shown(key, self._get(key.path)), self.sources.get(key.path, "default"))
                for key in KEYS]  # fmt: skip

    def _get(self, path: str) -> Any:
        value: Any = self
        for part in path.split("."):
            value = getattr(value, part)
        return value


def load(
    config: Path | None = None,
    *,
    env: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
    cwd: Path | None = None,
) -> Settings:
    """Read all layers. Raises ConfigError with every fault; writes nothing.

    `flags` are command-line values by path (`{"port": 8001}`); None means not given.
    """
    here = cwd or Path.cwd()
    place = paths.find_config(config, here)
    layers = Layers(place, os.environ if env is None else env, flags or {})
    problems = layers.problems
    found: dict[str, Found] = {}
    for key in KEYS:
        found[key.path] = layers.find(key)
    values = {path: one.value for path, one in found.items()}
    _place(values, found, place, problems)
    _complete(values, found, place, problems, layers)
    if problems:
        raise ConfigError(problems)
    tree: dict[str, Any] = {}
    for path, value in values.items():
        block, _, name = path.rpartition(".")
        (tree.setdefault(block, {}) if block else tree)[name] = value
    return Settings(
        **tree,
        other_providers=layers.other_providers,
        config_file=place.file,
        home=place.home,
        sources={path: one.source for path, one in found.items()},
    )


def with_secret(settings: Settings) -> Settings:
    """Settings that can sign: a key is made once and kept in var/secret.key (mode 600).

    Only for delivery `file`; `load` has already asked for a key of one's own otherwise.
    """
    if settings.secret_key:
        return settings
    file = settings.var / "secret.key"
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f"secret.key.{secrets.token_hex(8)}")
    try:
        # Written aside, then linked: a second process that starts now sees all of it or none.
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as out:
            out.write(secrets.token_urlsafe(32) + "\n")
        try:
            file.hardlink_to(draft)
        except FileExistsError:
            pass
        except OSError:  # a file system without hard links
            if not file.exists():
                draft.replace(file)
    except OSError as error:
        raise ConfigError(
            [
                (
                    f"SECRET_KEY is not set and {file} cannot be written ({error.strerror}):"
                    f" set SECRET_KEY (make one with {MAKE_KEY})"
                )
            ]
        ) from None
    finally:
        draft.unlink(missing_ok=True)
    keys = BY_PATH["secret_key"].read(file.read_text(encoding="ascii"))
    sources = {**settings.sources, "secret_key": str(file)}
    return settings.model_copy(update={"secret_key": keys, "sources": sources})


def shown(key: Key, value: Any) -> str:
    """A value as it may be printed."""
    if value is None or value in ("", ()):
        return ""
    if key.shown == "hidden":
        return "(set, hidden)"
    if key.shown == "url":
        return without_password(str(value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(value)
    return str(value).replace("\n", ", ")


def local_address(host: str, port: int) -> str:
    """The web address of a server on this machine."""
    name = host if is_loopback(host) else "127.0.0.1"
    return f"http://{f'[{name}]' if ':' in name else name}:{port}"


def _place(
    values: dict[str, Any],
    found: Mapping[str, Found],
    place: paths.ConfigPlace,
    problems: list[str],
) -> None:
    """Relative paths belong to the folder of the config, wherever the caller stands."""
    for name in ("lessons", "templates"):
        folder = paths.content_folder(values[name], str(BY_PATH[name].default), place.home)
        if folder is None:
            problems.append(
                f"{BY_PATH[name].env}: there is no folder {values[name]!r} in {place.home}"
                f" ({found[name].source}); create it, correct the setting, or start with"
                " `course init DIR`"
            )
        values[name] = folder
    values["file.outbox"] = (place.home / Path(values["file.outbox"]).expanduser()).resolve()
    if values["smtp.ca_file"]:
        values["smtp.ca_file"] = str(place.home / Path(values["smtp.ca_file"]).expanduser())
    values["smtp.dkim"] = tuple(
        f"{selector}:{place.home / Path(file).expanduser()}"
        for selector, _, file in (entry.partition(":") for entry in values["smtp.dkim"])
    )
    url = str(values["database_url"])
    if url.startswith("sqlite:///"):
        file, mark, query = url.removeprefix("sqlite:///").partition("?")
        values["database_url"] = f"sqlite:///{place.home / file}{mark}{query}"


def _complete(
    values: dict[str, Any],
    found: dict[str, Found],
    place: paths.ConfigPlace,
    problems: list[str],
    layers: Layers,
) -> None:
    """What one setting asks of another."""
    if values["base_url"] is None:
        values["base_url"] = local_address(values["host"], values["port"])
    delivery = values["delivery"]
    known = layers.providers()
    if delivery not in known:
        problems.append(
            f"DELIVERY: {delivery!r} is not a provider ({found['delivery'].source});"
            f" allowed: {', '.join(known)}"
        )
    kept = place.home / "var" / "secret.key"
    if not values["secret_key"] and delivery == "file" and kept.is_file():
        values["secret_key"] = BY_PATH["secret_key"].read(kept.read_text(encoding="ascii"))
        found["secret_key"] = Found(values["secret_key"], str(kept))
    if delivery not in known or delivery == "file":
        return
    refused = layers.refused
    why = f"because DELIVERY is {delivery} ({found['delivery'].source})"
    if not values["secret_key"] and "secret_key" not in refused:
        cure = f"SECRET_KEY=$({MAKE_KEY})"
        if kept.is_file():
            cure = f"SECRET_KEY_FILE={kept} (keeps links in mails already sent valid)"
        problems.append(f"SECRET_KEY is not set; it is needed {why}. Set {cure}")
    unset = values["email_from"] == BY_PATH["email_from"].default
    if unset and "email_from" not in refused:
        problems.append(
            f"EMAIL_FROM is not set; it is needed {why}."
            ' Set EMAIL_FROM="My Course <course@your-domain.example>"'
        )
    if not values["postal_address"] and "postal_address" not in refused:
        problems.append(
            f"POSTAL_ADDRESS is not set; it is needed {why}: anti-spam law asks for it in every"
            ' mail. Set POSTAL_ADDRESS="Name, Street 1, 12345 Town"'
        )
    address = urlsplit(values["base_url"])
    if address.scheme != "https" and not is_loopback(address.hostname or ""):
        problems.append(
            f"BASE_URL: {values['base_url']!r} must begin with https:// {why}"
            f" ({found['base_url'].source}). Set BASE_URL=https://{address.netloc}"
        )
    for needed in ("smtp.url", "sendgrid.api_key"):
        if needed.startswith(f"{delivery}.") and not values[needed] and needed not in refused:
            key = BY_PATH[needed]
            problems.append(f"{key.env} is not set; it is needed {why}. Set it to {key.meaning}")
