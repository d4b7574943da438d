"""The front door: quick, quiet about what it does not need, helpful when something is wrong."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest

from course.cli.main import COMMANDS, cli

#: Never needed to list the commands, or to work, check or plan.
HEAVY = ("sqlalchemy", "fastapi", "starlette", "uvicorn", "sendgrid", "rich", "pydantic", "jinja2")
WEB = ("fastapi", "starlette", "uvicorn", "wtforms", "sendgrid")


def imported(project, *args: str) -> set[str]:
    """The top-level packages one command imports."""
    code = (
        "import sys\n"
        "from course.cli.main import cli\n"
        "try:\n    cli(sys.argv[1:])\n"
        "except SystemExit as end:\n    assert not end.code, end.code\n"
        "print('\\n'.join(sorted({m.split('.')[0] for m in sys.modules})), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *args],
        cwd=project.folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stderr.split())


def test_help_lists_every_command_in_one_line_each(project) -> None:
    told = project.run("--help").out
    for name, (_, line) in COMMANDS.items():
        assert f"  {name}" in told
        assert line in told


def test_the_help_lines_are_those_of_the_commands() -> None:
    ctx = click.Context(cli)
    for name, (_, line) in COMMANDS.items():
        command = cli.get_command(ctx, name)
        assert command is not None
        assert command.short_help == line, name
        assert command.help, name


def test_every_command_explains_itself(project) -> None:
    def walk(command: click.Command, names: list[str]) -> None:
        told = project.run(*names, "--help").out
        assert "Usage: course" in told
        for option in command.params:
            if isinstance(option, click.Option) and not option.hidden:
                assert option.help, (names, option.name)
        if isinstance(command, click.Group):
            ctx = click.Context(command)
            for name in command.list_commands(ctx):
                found = command.get_command(ctx, name)
                assert found is not None
                walk(found, [*names, name])

    walk(cli, [])


def test_help_imports_nothing_heavy(project) -> None:
    assert not imported(project, "--help") & set(HEAVY)


@pytest.mark.parametrize(
    "command", [("work", "--once"), ("check",), ("plan",), ("learners", "list")]
)
def test_the_web_stack_is_left_out_where_nobody_browses(project, command) -> None:
    assert not imported(project, *command) & set(WEB)


def test_help_is_at_most_ten_times_an_empty_python(project) -> None:
    def seconds(*args: str) -> float:
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, *args],
            env={"PYTHONPATH": str(Path(__file__).parents[3])},
            capture_output=True,
            check=True,
        )
        return time.perf_counter() - began

    empty, help_ = ("-c", "pass"), ("-m", "course", "--help")
    seconds(*help_)
    ratios = [seconds(*help_) / seconds(*empty) for _ in range(7)]
    assert statistics.median(ratios) < 10


def test_course_alone_names_three_next_commands(project) -> None:
    assert len(project.run().out.splitlines()) == 3
    project.write("config.yaml", "port: [\n")
    assert "course doctor" in project.run().out


def test_a_misspelt_command_is_answered_with_the_near_one(project) -> None:
    answer = project.run("chek", ok=False)
    assert answer.code == 2
    assert "Did you mean `course check`?" in answer.err
    assert "course learners pause" in project.run("learners", "pasue", ok=False).err


def test_configuration_faults_are_exit_code_78_all_at_once(project) -> None:
    answer = project.real("plan", PORT="x", DELIVERY="pigeon")
    assert answer.code == 78
    assert "PORT" in answer.err
    assert "'pigeon'" in answer.err
    assert "file" in answer.err
    assert not answer.out


def test_the_config_may_be_named_before_or_after_the_command(project, tmp_path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "config.yaml").write_text("port: 9999\n")
    for args in (
        ("--config", "other/config.yaml", "config", "show", "--json"),
        ("config", "show", "--json", "--config", "other/config.yaml"),
    ):
        shown = {row["key"]: row for row in project.run(*args).json["settings"]}
        assert shown["port"]["value"] == "9999"
        assert shown["database_url"]["value"] == f"sqlite:///{other}/var/course.db"


def test_config_show_tells_value_and_source_and_hides_secrets(project) -> None:
    answer = project.real(
        "config", "show", "--json", SECRET_KEY="not-to-be-printed", PORT="8123",
        SMTP_URL="smtp://me:geheim@mail.example.net",
    )  # fmt: skip
    rows = {row["key"]: row for row in answer.json["settings"]}
    assert rows["port"] == {"key": "port", "value": "8123", "source": "environment PORT"}
    assert rows["secret_key"]["value"] == "(set, hidden)"
    assert rows["smtp.url"]["value"] == "smtp://me:***@mail.example.net"
    plain = project.real("config", "show", SECRET_KEY="not-to-be-printed")
    assert "not-to-be-printed" not in plain.out + plain.err
    assert "config.yaml lessons" in plain.out


def test_versions_are_told(project) -> None:
    assert project.run("version", "--json").json["mini-email-course"]
    assert project.run("--version").out.startswith("course ")


def test_a_strangers_scheduler_is_told_with_its_cure(project, tmp_path) -> None:
    stranger = tmp_path / "stranger"
    (stranger / "scheduler").mkdir(parents=True)
    (stranger / "scheduler" / "__init__.py").write_text("")
    root = Path(__file__).parents[3]
    answer = project.real("plan", PYTHONPATH=f"{stranger}{os.pathsep}{root}")
    assert answer.code == 78
    assert str(stranger) in answer.err
    assert "pip uninstall scheduler" in answer.err
    assert "venv" in answer.err


def test_a_database_that_is_away_is_exit_code_69(project) -> None:
    answer = project.real("plan", DATABASE_URL="postgresql://me:geheim@127.0.0.1:9/none")
    assert answer.code == 69
    assert "geheim" not in answer.err


def test_no_color_leaves_no_escape_codes(project) -> None:
    answer = project.real("doctor", FORCE_COLOR="1", NO_COLOR="1")
    assert "\x1b" not in answer.out


def test_a_reader_that_goes_away_is_no_fault(project) -> None:
    done = subprocess.run(
        f"{sys.executable} -m course config show | head -1",
        shell=True,
        cwd=project.folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr
