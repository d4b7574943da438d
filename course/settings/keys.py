"""Every setting: its key, its variable, its meaning. Refuses to read any of them."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any, Literal

from course.settings import kinds as kind

#: How `course config show` treats a value: print it, print it without its password, or hide it.
#: A refused value is repeated only when plain; `named` is printed otherwise, but who gave it
#: wrongly may have given the secret that it should only name.
Shown = Literal["plain", "named", "url", "hidden"]


@dataclass(frozen=True, slots=True)
class Key:
    """One setting. `path` is its place in config.yaml, with a dot between block and key."""

    path: str
    meaning: str
    read: kind.Reader
    default: Any
    shown: Shown = "plain"
    #: Only where the variable is not simply the path in capitals.
    variable: str = ""
    #: Relative values are relative to the folder of config.yaml.
    is_path: bool = False

    @property
    def env(self) -> str:
        """The environment variable."""
        return self.variable or self.path.replace(".", "_").upper()


KEYS: tuple[Key, ...] = (
    Key("base_url", "the address learners see; every link in every mail begins with it",
        kind.web_address, None),
    Key("host", "the network address the web server listens on", kind.text, "127.0.0.1"),
    Key("port", "the port the web server listens on", kind.whole(0, 65535), 8000),
    Key("database_url", "where learners and the ledger live: sqlite:///FILE or postgresql://...",
        kind.database_address, "sqlite:///var/course.db", "url"),
    Key("auto_migrate", "bring a PostgreSQL database up to date at start, without being asked",
        kind.flag, False),
    Key("secret_key", "signs every link; several keys: the first signs, all are accepted",
        kind.secrets, (), "hidden"),
    Key("lessons", "the folder of courses", kind.text, "lessons", is_path=True),
    Key("templates", "the folder of mail and page templates", kind.text, "templates", is_path=True),
    Key("delivery", "who carries the mail: file (a local folder), smtp or sendgrid",
        kind.text, "file"),
    Key("email_from", "the sender of every mail: My Course <course@example.org>",
        kind.mailbox, kind.Mailbox("Mini Email Course", "course@example.org")),
    Key("reply_to", "where replies go; the sender when empty", kind.mailbox, None),
    Key("bounce_address", "where bounces go (the envelope sender); the sender when empty",
        kind.mailbox, None),
    Key("organisation", "who runs the course, as named in the footer; the sender's name when empty",
        kind.text, ""),
    Key("postal_address", "the postal address in the footer; the law asks for it in real mail",
        kind.lines, ""),
    Key("file.outbox", "the folder that receives .eml files when delivery is file",
        kind.text, "var/outbox", variable="OUTBOX", is_path=True),
    Key("smtp.url", "smtp://USER:PASSWORD@HOST:587 or smtps://USER:PASSWORD@HOST:465",
        kind.smtp_address, "", "url"),
    Key("smtp.timeout", "seconds that one answer of the server may take",
        kind.number(1, 59), 30.0),
    Key("smtp.pool", "connections at once, where the server is slow; kept open",
        kind.whole(1, 50), 4),
    Key("smtp.ca_file", "certificates to trust, for a server with one of its own",
        kind.text, "", is_path=True),
    Key("smtp.dkim", "SELECTOR:FILE of the key that signs; empty: the mail server signs",
        kind.signing_keys, (), "named"),
    Key("sendgrid.api_key", "the SendGrid API key with the Mail Send permission",
        kind.text, "", "hidden"),
    Key("sendgrid.api_url", "the address of SendGrid's API",
        kind.web_address, "https://api.sendgrid.com"),
    Key("sendgrid.webhook_key", "the verification key of SendGrid's signed event webhook",
        kind.text, ""),
    Key("sendgrid.timeout", "seconds that one request may take", kind.number(1, 59), 30.0),
    Key("scheduler.tick_seconds", "seconds between two looks at who is due",
        kind.number(0.05, 3600), 20.0),
    Key("scheduler.min_gap_hours", "hours that must lie between two lessons of one course",
        kind.number(0, 24), 6.0),
    Key("scheduler.uncertain", "when no answer came for a lesson: resend_once, hold or skip",
        kind.choice("resend_once", "hold", "skip"), "resend_once"),
    Key("scheduler.spread_minutes", "after an outage, minutes over which late lessons are spread",
        kind.whole(0, 1440), 30),
    Key("scheduler.per_second",
        "mails that may leave in a second, all workers together; 0: no limit",
        kind.number(0, 10_000), 0.0),
    Key("scheduler.per_domain_per_second", "the same for one recipient domain; 0: no limit",
        kind.number(0, 10_000), 0.0),
    Key("scheduler.signup_expires_days",
        "days after which an unconfirmed signup ends; after 30 it is erased", kind.whole(1, 30), 7),
    Key("scheduler.nudges",
        "yes: who has been quiet for two days gets the short version of the last lesson, at most"
        " twice in a course",
        kind.flag, True),
    Key("signup.per_address_per_day", "confirmation mails one address may cause in a day",
        kind.whole(1, 100), 3),
    Key("signup.per_ip_per_hour", "signups one network address may make in an hour",
        kind.whole(1, 100_000), 30),
    Key("signup.min_fill_seconds", "a form sent faster than this was filled by a machine",
        kind.number(0, 60), 2.0),
    Key("signup.return_hosts", "hosts whose own signup form may name a page to go back to",
        kind.hosts, ()),
    Key("log.level", "how much the log says: DEBUG, INFO, WARNING or ERROR",
        kind.choice("DEBUG", "INFO", "WARNING", "ERROR"), "INFO"),
    Key("log.format", "text for people, json for machines", kind.choice("text", "json"), "text"),
    Key("trusted_proxies", "reverse proxies whose X-Forwarded headers are believed",
        kind.networks, ()),
    Key("metrics_token", "the bearer token that opens /metrics; empty: this machine only",
        kind.text, "", "hidden"),
)  # fmt: skip

BY_PATH = {key.path: key for key in KEYS}
BY_ENV = {key.env: key for key in KEYS}
BLOCKS = frozenset(key.path.split(".")[0] for key in KEYS if "." in key.path)


def nearest(word: str, among: list[str]) -> str:
    """` Did you mean X?`, or nothing when no name is near."""
    near = difflib.get_close_matches(word.lower(), [name.lower() for name in among], 1, 0.7)
    if not near:
        return ""
    return f" Did you mean {next(name for name in among if name.lower() == near[0])}?"
