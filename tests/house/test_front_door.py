"""The README, the help texts and the configuration say what the code says."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
import yaml
from click.testing import CliRunner

from course.cli.main import cli
from tests.house import drawings
from tests.house.drawings import ROOT

README = (ROOT / "README.md").read_text("utf-8")

#: The commands and options that scripts of other people rely on.
PROMISED = {
    "init": [],
    "new": ["lesson", "course"],
    "check": ["--strict", "--links", "--json"],
    "preview": [],
    "send": ["--to"],
    "serve": ["--demo", "--host", "--port", "--no-worker"],
    "work": ["--once", "--as-of", "--json"],
    "demo": [],
    "plan": ["--for", "--days", "--learner", "--json"],
    "explain": ["--json"],
    "learners": [
        "list",
        "enroll",
        "pause",
        "resume",
        "restart",
        "reopen",
        "skip",
        "resend",
        "stop",
        "readdress",
        "forget",
    ],
    "import": ["--course", "--consent", "--dry-run", "--welcome"],
    "export": ["learners", "deliveries", "all"],
    "dkim": ["new", "show"],
    "config": ["show"],
    "db": ["upgrade"],
    "version": [],
    "bounces": ["--dry-run", "--json"],
    "doctor": ["--json", "--offline", "--resolver", "--selector", "--strict"],
    "adopt": [],
    "backup": [],
    "restore": ["--force"],
    "admin": ["login-link"],
    "healthcheck": [],
}


def help_of(*words: str) -> str:
    result = CliRunner().invoke(cli, [*words, "--help"])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("command", PROMISED)
def test_each_promised_command_and_option_is_in_its_help(command):
    text = help_of(command)
    assert [word for word in PROMISED[command] if word not in text] == []


def test_the_help_lists_every_command_once_with_what_it_does():
    lines = re.findall(r"^  ([a-z]+)  +(\S.*)$", help_of(), re.MULTILINE)
    names = [name for name, _ in lines if name in PROMISED]
    assert sorted(names) == sorted(PROMISED)


def test_the_readmes_tree_is_the_tree():
    assert drawings.tree() in README, "run: python -m tests.house.drawings"


def test_every_module_opens_with_the_sentence_that_says_its_job():
    without = [
        str(file.relative_to(ROOT))
        for folder in ("course", "scheduler")
        for file in (ROOT / folder).rglob("*.py")
        if "versions" not in file.parts and not drawings.job(file)
    ]
    assert without == []


def test_every_setting_is_in_config_yaml_with_a_word_about_it():
    from course.config import load

    text = (ROOT / "config.yaml").read_text("utf-8")
    shipped = yaml.safe_load(text)
    flat = {
        f"{key}.{inner}" if isinstance(value, dict) else key
        for key, value in shipped.items()
        for inner in (value if isinstance(value, dict) else [key])
    }
    settings = load(ROOT / "config.yaml", env={}, cwd=ROOT)
    assert flat == set(settings.sources)
    silent = [
        line
        for line in text.splitlines()
        if re.match(r"\s*[a-z_]+:(\s|$)", line) and "#" not in line and not line.endswith(":")
    ]
    assert silent == []


@pytest.mark.parametrize(
    "name", ["README.md", *(f"docs/{f.name}" for f in (ROOT / "docs").glob("*.md"))]
)
def test_commands_shown_in_the_docs_exist(name):
    text = (ROOT / name).read_text("utf-8")
    shown = set(re.findall(r"(?:^|`)course ([a-z]+)", text, re.MULTILINE))
    assert shown <= set(PROMISED)


def test_links_between_the_docs_lead_somewhere():
    for file in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", file.read_text("utf-8")):
            assert (file.parent / target).exists(), f"{file.name}: {target}"


def test_nothing_names_a_place_packages_are_fetched_from():
    for name in ("requirements.txt", "requirements-dev.txt"):
        text = (ROOT / name).read_text("utf-8")
        assert "://" not in text
        assert "--hash=sha256:" in text


def test_the_terminal_door_opens_without_the_web_stack():
    code = (
        "import sys, course.cli.main; "
        "heavy = {'sqlalchemy', 'fastapi', 'starlette', 'sendgrid', 'jinja2', 'markdown', 'dns'};"
        "bad = heavy & set(sys.modules);"
        "sys.exit(str(bad) if bad else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
