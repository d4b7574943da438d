"""No mail that ships looks like spam to SpamAssassin, by the rules it can apply by itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.mailroom import (
    EVERY_MAIL,
    NOTICE_MAIL,
    SHIPPED,
    claimed,
    composed,
    composer,
    whole_school,
)
from tests.perl import UNPACKED, perl_environment, told

_SCRIPT = Path(__file__).resolve().parents[1] / "mail_spam.pl"
#: From 5 on it calls a mail spam; one rule alone rarely gives more than this.
MOST = 1.0

SPAM = b"""From: a@b.example
To: c@d.example
Subject: CHEAP VIAGRA!!! 100% FREE

Buy viagra cheap now, 100% risk free, click below!! http://192.0.2.4/x
"""


def judged(folder: Path, mails: dict[str, bytes]) -> dict[str, tuple[float, str]]:
    """For each mail its score and the rules that gave it; skips without SpamAssassin."""
    environment = perl_environment("Mail::SpamAssassin", must=False)
    root = next(r for r in (UNPACKED, Path("/")) if (r / "usr/share/spamassassin").is_dir())
    places = [folder, root / "usr/share/spamassassin", root / "etc/spamassassin"]
    lines = told(environment, _SCRIPT, places, list(mails.values()), folder)
    found = [line.partition(" ") for line in lines]
    return {
        name: (float(score), names) for name, (score, _, names) in zip(mails, found, strict=True)
    }


def test_no_shipped_mail_looks_like_spam(tmp_path: Path) -> None:
    school = composer(whole_school(tmp_path / "school"))
    lessons = [key for key in EVERY_MAIL if key.startswith(f"{SHIPPED.name}/")]
    notices = [f"{SHIPPED.name}/{key}" for key in NOTICE_MAIL]
    mails = {"spam": SPAM}
    # A lesson speaks its author's language, a notice its reader's.
    for language, keys in (("en", [*lessons, *notices]), ("de", notices)):
        for key in keys:
            one = claimed(key)
            one = replace(one, learner=replace(one.learner, language=language))
            mails[f"{language} {key}"] = composed(school, one).raw
    verdicts = judged(tmp_path, mails)
    assert verdicts.pop("spam")[0] > 5  # it is really asked
    assert {key: said for key, said in verdicts.items() if said[0] >= MOST} == {}
