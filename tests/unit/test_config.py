"""Settings: precedence, all faults at once, each with its source; secrets stay secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from course import config
from course.config import Settings
from course.errors import ConfigError

REAL = {
    "DELIVERY": "smtp",
    "SMTP_URL": "smtps://user:geheim@mail.example.net",
    "EMAIL_FROM": "School <school@school.example.net>",
    "POSTAL_ADDRESS": "School, Street 1, 12345 Town",
    "BASE_URL": "https://school.example.net",
    "SECRET_KEY": "a-key-of-enough-letters",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.yaml").write_text("port: 8100\n")
    return tmp_path


def load(folder: Path, env: dict[str, str] | None = None, **flags: object) -> Settings:
    return config.load(None, env=env or {}, flags=flags, cwd=folder)


def problems(folder: Path, env: dict[str, str] | None = None, **flags: object) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(folder, env, **flags)
    return caught.value.problems


def test_defaults_keep_everything_on_this_machine(folder: Path) -> None:
    settings = load(folder)
    assert settings.host == "127.0.0.1"
    assert settings.delivery == "file"
    assert settings.file.outbox == folder / "var" / "outbox"
    assert settings.database_url == f"sqlite:///{folder}/var/course.db"


def test_each_layer_is_stronger_than_the_one_below(folder: Path) -> None:
    secret = folder / "port"
    seen = [(load(folder).port, load(folder).sources["port"])]
    (folder / ".env").write_text("PORT=8200\n")
    seen.append((load(folder).port, load(folder).sources["port"]))
    secret.write_text("8300\n")
    env = {"PORT_FILE": str(secret)}
    seen.append((load(folder, env).port, load(folder, env).sources["port"]))
    env["PORT"] = "8400"
    seen.append((load(folder, env).port, load(folder, env).sources["port"]))
    flagged = load(folder, env, port=8500)
    seen.append((flagged.port, flagged.sources["port"]))
    assert seen == [
        (8100, "config.yaml port"),
        (8200, ".env PORT"),
        (8300, f"environment PORT_FILE ({secret})"),
        (8400, "environment PORT"),
        (8500, "flag --port"),
    ]


def test_a_prefixed_variable_wins_over_the_short_one(folder: Path) -> None:
    assert load(folder, {"HOST": "10.0.0.1", "COURSE_HOST": "127.0.0.2"}).host == "127.0.0.2"


def test_an_empty_variable_counts_as_unset(folder: Path) -> None:
    assert load(folder, {"PORT": "", "SMTP_URL": " "}).port == 8100


def test_a_wrong_value_names_variable_value_source_and_what_is_allowed(folder: Path) -> None:
    (problem,) = problems(folder, {"PORT": "eighty"})
    assert "PORT" in problem
    assert "'eighty'" in problem
    assert "environment PORT" in problem
    assert "a whole number from 0 to 65535" in problem


def test_all_faults_are_told_at_once(folder: Path) -> None:
    (folder / "config.yaml").write_text("log: {level: LOUD}\nsignup: {per_ip_per_hour: no}\n")
    told = "\n".join(problems(folder, {"PORT": "x", "DATABASE_URL": "mysql://a", "HOST": "a\nb"}))
    for name in ("PORT", "DATABASE_URL", "HOST", "LOG_LEVEL", "SIGNUP_PER_IP_PER_HOUR"):
        assert name in told


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("delivry: file\n", "Did you mean delivery?"),
        ("smtp: {ulr: x}\n", "Did you mean smtp.url?"),
        ("sheduler: {tick_seconds: 3}\n", "Did you mean scheduler?"),
    ],
)
def test_a_misspelt_key_is_answered_with_the_near_one(folder: Path, text: str, hint: str) -> None:
    (folder / "config.yaml").write_text(text)
    (problem,) = problems(folder)
    assert problem.endswith(hint)


def test_a_misspelt_variable_of_ours_is_answered_too(folder: Path) -> None:
    (problem,) = problems(folder, {"COURSE_BASE_ULR": "x"})
    assert (
        problem == "COURSE_BASE_ULR (environment): there is no such setting. Did you mean BASE_URL?"
    )


def test_variables_of_other_programs_are_left_alone(folder: Path) -> None:
    load(folder, {"COURSES": "3", "PORTS": "1", "MAILTO": "x", "COURSE_FEE": "12"})


def test_a_key_given_twice_is_told_with_its_line_and_not_silently_overruled(folder: Path) -> None:
    file = folder / "config.yaml"
    file.write_text("port: 80\nlog:\n  level: INFO\n  format: text\n  level: DEBUG\nport: 81\n")
    assert problems(folder) == [
        f"{file}:5:3: log.level is given twice, first in line 3; keep one of them",
        f"{file}:6:1: port is given twice, first in line 1; keep one of them",
    ]


def test_a_yaml_mistake_is_told_with_its_line(folder: Path) -> None:
    (folder / "config.yaml").write_text("port: 1\nhost: [\n")
    (problem,) = problems(folder)
    assert f"{folder / 'config.yaml'}:" in problem


def test_a_config_that_was_named_but_is_not_there_is_an_error(folder: Path) -> None:
    with pytest.raises(ConfigError, match="there is no file"):
        config.load(folder / "other.yaml", env={}, cwd=folder)


def test_relative_paths_belong_to_the_config_not_to_the_caller(
    folder: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    env = {"OUTBOX": "mail", "DATABASE_URL": "sqlite:///data/x.db"}
    settings = config.load(folder / "config.yaml", env=env, cwd=elsewhere)
    assert settings.file.outbox == folder / "mail"
    assert settings.database_url == f"sqlite:///{folder}/data/x.db"


def test_an_absolute_database_path_stays(folder: Path) -> None:
    settings = load(folder, {"DATABASE_URL": "sqlite:////srv/x.db?mode=ro"})
    assert settings.database_url == "sqlite:////srv/x.db?mode=ro"


def test_real_delivery_names_everything_it_lacks_at_once(folder: Path) -> None:
    told = problems(folder, {"DELIVERY": "smtp", "BASE_URL": "http://school.example.net"})
    assert len(told) == 5
    for name in ("SECRET_KEY", "EMAIL_FROM", "POSTAL_ADDRESS", "BASE_URL", "SMTP_URL"):
        assert any(problem.startswith(name) for problem in told), name
    assert any("token_urlsafe" in problem for problem in told)


def test_real_delivery_with_everything_starts(folder: Path) -> None:
    settings = load(folder, REAL)
    assert settings.email_from.address == "school@school.example.net"
    assert settings.email_from.name == "School"


def test_real_delivery_may_use_plain_http_on_this_machine_only(folder: Path) -> None:
    load(folder, {**REAL, "BASE_URL": "http://127.0.0.1:8000"})
    assert problems(folder, {**REAL, "BASE_URL": "http://10.1.2.3"})


def test_the_example_sender_does_not_pass_for_a_real_one(folder: Path) -> None:
    (folder / "config.yaml").write_text("email_from: Mini Email Course <course@example.org>\n")
    env = {name: value for name, value in REAL.items() if name != "EMAIL_FROM"}
    (problem,) = problems(folder, env)
    assert problem.startswith("EMAIL_FROM")


def test_no_secret_is_ever_in_a_message_a_repr_or_the_shown_settings(folder: Path) -> None:
    env = {
        **REAL,
        "SENDGRID_API_KEY": "SG.topsecret",
        "METRICS_TOKEN": "hushhush",
        "DATABASE_URL": "postgresql://me:passwort@db/x",
    }
    settings = load(folder, env)
    told = [str(settings), repr(settings), str(settings.shown())]
    bad = {**env, "SMTP_URL": "geheim", "SECRET_KEY": "short-secret", "DATABASE_URL": "my:passwort"}
    told += problems(folder, bad)
    for secret in (
        "geheim",
        "topsecret",
        "hushhush",
        "passwort",
        "a-key-of-enough",
        "short-secret",
    ):
        assert all(secret not in text for text in told), secret


def test_a_secret_may_come_from_a_file(folder: Path) -> None:
    (folder / "key").write_text("sixteen-letters-or-more\n")
    assert load(folder, {"SECRET_KEY_FILE": "key"}).secret_key == ("sixteen-letters-or-more",)


def test_a_secret_file_that_is_missing_is_named(folder: Path) -> None:
    told = problems(folder, {**REAL, "SMTP_URL": "", "SMTP_URL_FILE": "/nowhere/smtp"})
    assert len(told) == 1
    assert "SMTP_URL_FILE" in told[0]
    assert "/nowhere/smtp" in told[0]


def test_several_keys_rotate(folder: Path) -> None:
    env = {"SECRET_KEY": "the-newest-of-the-keys,an-older-one-of-them"}
    assert load(folder, env).secret_key == ("the-newest-of-the-keys", "an-older-one-of-them")


def test_loading_writes_nothing(folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    load(folder)
    assert sorted(folder.rglob("*")) == before


def test_a_key_is_made_once_and_kept_for_the_owner_only(folder: Path) -> None:
    first = config.with_secret(load(folder))
    file = folder / "var" / "secret.key"
    assert len(first.secret_key[0]) >= 32
    assert file.stat().st_mode & 0o777 == 0o600
    assert config.with_secret(load(folder)).secret_key == first.secret_key
    assert load(folder).secret_key == first.secret_key
    assert [f.name for f in file.parent.iterdir()] == ["secret.key"]


def test_a_server_on_another_port_gets_links_to_that_port(folder: Path) -> None:
    assert load(folder).listening_at("127.0.0.1", 9001).base_url == "http://127.0.0.1:9001"
    chosen = load(folder, {"BASE_URL": "https://x.example.net"})
    assert chosen.listening_at("127.0.0.1", 9001).base_url == "https://x.example.net"


def test_a_provider_gets_its_own_block(folder: Path) -> None:
    settings = load(folder, REAL)
    assert settings.provider()["url"].startswith("smtps://")
    assert settings.provider("file") == {"outbox": folder / "var" / "outbox"}


def test_keys_that_sign_are_named_by_selector_and_file_of_the_config(folder: Path) -> None:
    settings = load(folder, REAL | {"SMTP_DKIM": "m1:my keys/rsa.pem, e1:/srv/ed.pem"})
    expected = (f"m1:{folder}/my keys/rsa.pem", "e1:/srv/ed.pem")
    assert settings.smtp.dkim == expected
    assert settings.provider()["dkim"] == expected
    assert settings.provider()["dkim_domain"] == "school.example.net"
    assert {key: value for key, value, _ in settings.shown()}["smtp.dkim"] == ", ".join(expected)
    for text in ("smtp: {dkim: 'm1:rsa.pem'}", "smtp: {dkim: [m1:rsa.pem]}"):
        (folder / "config.yaml").write_text(f"{text}\n")
        assert load(folder, REAL).smtp.dkim == (f"m1:{folder}/rsa.pem",)
    assert load(folder, REAL | {"SMTP_DKIM": ""}).smtp.dkim == (f"m1:{folder}/rsa.pem",)


@pytest.mark.parametrize("value", ["rsa.pem", ":rsa.pem", "m1:", "m 1:x", "m1:a\nb", "{m1: x}"])
def test_what_is_no_key_that_signs_is_refused_and_not_repeated(folder: Path, value: str) -> None:
    (problem,) = problems(folder, REAL | {"SMTP_DKIM": value})
    assert problem.startswith("SMTP_DKIM: the value (hidden) is not allowed")
    assert "SELECTOR:FILE" in problem


def test_the_shipped_config_names_every_setting_and_changes_none() -> None:
    import yaml

    from course.settings.keys import BY_PATH

    root = Path(__file__).resolve().parents[2]
    text = (root / "config.yaml").read_text()
    document = yaml.safe_load(text)
    flat = {}
    for name, value in document.items():
        if isinstance(value, dict):
            flat |= {f"{name}.{inner}": got for inner, got in value.items()}
        else:
            flat[name] = value
    assert set(flat) == set(BY_PATH)
    for path, value in flat.items():
        key = BY_PATH[path]
        if value is not None:
            assert key.read(value) == key.default, path
        else:
            assert not key.default, path
    for line in text.splitlines():
        if line.strip() and not line.startswith("#") and not line.rstrip().endswith(":"):
            assert " # " in line, f"no comment: {line}"


def test_hosts_to_go_back_to_are_names_only(folder: Path) -> None:
    settings = load(folder, {"SIGNUP_RETURN_HOSTS": "www.Example.org, example.com"})
    assert settings.signup.return_hosts == ("www.example.org", "example.com")
    (problem,) = problems(folder, {"SIGNUP_RETURN_HOSTS": "https://example.org"})
    assert problem.startswith("SIGNUP_RETURN_HOSTS") and "without https://" in problem
