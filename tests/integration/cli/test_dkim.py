"""From `course dkim new` to a signed mail: the record printed is the one that verifies it."""

from __future__ import annotations

import json
import re
from contextlib import chdir
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from course import config
from course.cli.main import cli
from scheduler.providers import open_provider
from tests.dkim_verifiers import by_dkimpy
from tests.integration.providers.letters import letter
from tests.integration.providers.reference_smtp import ReferenceServer

REAL = {
    "DELIVERY": "smtp",
    "SMTP_URL": "smtp://127.0.0.1:25",
    "EMAIL_FROM": "The School <course@school.example>",
    "POSTAL_ADDRESS": "School, Street 1, 12345 Town",
    "BASE_URL": "https://school.example",
    "SECRET_KEY": "a-key-of-enough-letters",
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "config.yaml").write_text("port: 8100\n")
    return tmp_path


def course(home: Path, *words: str, **env: str) -> Result:
    with chdir(home):
        done = CliRunner(env=REAL | env).invoke(cli, list(words), prog_name="course")
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


def named(done: Result) -> str:
    """The entry that the command says to put into SMTP_DKIM."""
    assert done.exit_code == 0, done.stderr
    found = re.search(r"name it in SMTP_DKIM.*: (\S+)$", done.stderr, re.MULTILINE)
    assert found
    return found[1]


def printed(done: Result) -> dict[str, str]:
    """The DNS records on stdout, by name."""
    words = re.findall(r"^name +(\S+)\nvalue +(.*)$", done.stdout, re.MULTILINE)
    return dict(words)


def test_a11_what_it_prints_is_what_verifies_the_mail(home: Path) -> None:
    first = course(home, "dkim", "new", "m1", "var/rsa.pem")
    second = course(home, "dkim", "new", "e1", "var/ed.pem", "--ed25519")
    setting = f"{named(first)}, {named(second)}"
    assert setting == "m1:var/rsa.pem, e1:var/ed.pem"
    dns = printed(first) | printed(second)
    assert list(dns) == ["m1._domainkey.school.example", "e1._domainkey.school.example"]

    shown = course(home, "dkim", "show", SMTP_DKIM=setting)
    assert printed(shown) == dns
    listed = json.loads(course(home, "dkim", "show", "--json", SMTP_DKIM=setting).stdout)
    assert {one["name"]: one["value"] for one in listed["records"]} == dns

    with ReferenceServer() as server:
        env = REAL | {"SMTP_URL": f"smtp://127.0.0.1:{server.port}", "SMTP_DKIM": setting}
        settings = config.load(None, env=env, cwd=home)
        provider = open_provider("smtp", settings.provider())
        list(provider.send([letter()]))
        provider.close()
    (kept,) = server.kept
    assert by_dkimpy(kept.content, dns) == {"rsa-sha256": True, "ed25519-sha256": True}


def test_it_replaces_no_key(home: Path) -> None:
    named(course(home, "dkim", "new", "m1", "rsa.pem"))
    before = (home / "rsa.pem").read_bytes()
    again = course(home, "dkim", "new", "m2", "rsa.pem")
    assert again.exit_code == 1
    assert "exists and is kept" in again.stderr
    assert (home / "rsa.pem").read_bytes() == before


def test_it_takes_no_selector_that_the_dns_cannot_hold(home: Path) -> None:
    done = course(home, "dkim", "new", "m 1", "rsa.pem")
    assert done.exit_code == 2
    assert not (home / "rsa.pem").exists()


def test_a3_without_a_key_it_says_that_mail_leaves_unsigned(home: Path) -> None:
    done = course(home, "dkim", "show")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "unsigned" in done.stderr


def test_a_key_that_cannot_be_used_is_a_fault_of_the_configuration(home: Path) -> None:
    (home / "bad.pem").write_text("geheim")
    for words in (("dkim", "show"), ("work", "--once")):
        done = course(home, *words, SMTP_DKIM="m1:bad.pem")
        assert done.exit_code == 78, done.stderr
        assert str(home / "bad.pem") in done.stderr
        assert "geheim" not in done.stderr


def test_a_key_pasted_into_the_setting_is_neither_shown_nor_logged(home: Path) -> None:
    named(course(home, "dkim", "new", "m1", "rsa.pem"))
    pem = (home / "rsa.pem").read_text()
    secret = pem.splitlines()[3]
    pasted_into_yaml = f"smtp:\n  dkim: |\n    {pem.replace(chr(10), chr(10) + '    ')}\n"
    attempts = [{"SMTP_DKIM": pem}, {"SMTP_DKIM": f"m1:{pem}"}, {"SMTP_DKIM_FILE": "rsa.pem"}, {}]
    for env in attempts:
        if not env:
            (home / "config.yaml").write_text(pasted_into_yaml)
        for words in (("config", "show"), ("doctor",), ("dkim", "show")):
            done = course(home, *words, **env)
            assert secret not in done.stdout + done.stderr
        assert done.exit_code == 78
        assert "SELECTOR:FILE" in done.stderr
