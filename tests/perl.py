"""A Perl with the modules that judge mail: the system's, or unpacked beside our environment."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import pytest

#: Where `make test` unpacks Mail::DKIM, SpamAssassin and what they need.
UNPACKED = Path(__file__).resolve().parents[1] / ".venv" / "perl"


@cache
def perl_environment(module: str, *, must: bool = True) -> dict[str, str]:
    """How to start a Perl that has this module; skips, or in CI fails if it `must`, without."""
    share, library = UNPACKED / "usr/share", UNPACKED / "usr/lib"
    places = [
        share / "perl5", *library.glob("*/perl5/5.*"), *library.glob("*/perl/5.*"),
        *share.glob("perl/5.*"),
    ]  # fmt: skip
    unpacked = {
        "PERL5LIB": ":".join(map(str, places)),
        "LD_LIBRARY_PATH": ":".join(map(str, library.glob("*-linux-gnu*"))),
    }
    if shutil.which("perl"):
        for more in ({}, unpacked):
            environment = os.environ | more
            asked = ["perl", f"-M{module}", "-e", "1"]
            if not subprocess.run(asked, env=environment, capture_output=True).returncode:
                return environment
    assert not (must and os.environ.get("CI")), f"no {module}: `make test` unpacks it; did it fail?"
    pytest.skip(f"Perl's {module} is not here: `make test` as root brings it")


def told(
    environment: Mapping[str, str],
    script: Path,
    arguments: Sequence[Path],
    mails: Sequence[bytes],
    folder: Path,
) -> list[str]:
    """The lines that a script of ours prints about mails, which are put into `folder` for it."""
    files = [folder / f"{number}.eml" for number in range(len(mails))]
    for file, raw in zip(files, mails, strict=True):
        file.write_bytes(raw)
    done = subprocess.run(
        ["perl", script, *arguments, *files], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()
