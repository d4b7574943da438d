"""What SMTP_URL promises before any server is asked: TLS, and an end to every wait."""

from __future__ import annotations

from dataclasses import fields

import pytest

from scheduler.errors import ProviderMisconfigured
from scheduler.providers.wire.smtp_url import read_server


@pytest.mark.parametrize(
    ("url", "tls"),
    [
        ("smtp://mail.example.org", "required"),
        ("smtp://user:pass@mail.example.org:2525", "required"),
        ("smtp://192.0.2.7", "required"),
        ("smtp://mail.example.org?starttls=required", "required"),
        ("smtps://mail.example.org", "implicit"),
        ("smtp://localhost", "off"),
        ("smtp://127.0.0.1:1025", "off"),
        ("smtp://[::1]:1025?starttls=required", "required"),
    ],
)
def test_a7_mail_leaves_this_machine_under_tls_unless_told_how_to_be_stricter(
    url: str, tls: str
) -> None:
    assert read_server({"url": url}).tls == tls


@pytest.mark.parametrize("option", ["off", "optional"])
@pytest.mark.parametrize("host", ["mail.example.org", "192.0.2.7", "localhost.example.org"])
def test_a7_nobody_can_switch_tls_off_for_another_machine(host: str, option: str) -> None:
    with pytest.raises(ProviderMisconfigured, match="in plain text"):
        read_server({"url": f"smtp://{host}?starttls={option}"})


def test_a8_every_wait_has_an_end_without_any_setting() -> None:
    server = read_server({"url": "smtp://mail.example.org"})
    waits = {one.name: getattr(server, one.name) for one in fields(server)}
    assert 0 < waits["connect_timeout"] <= 10
    assert 0 < waits["timeout"] <= 60
    assert waits["timeout"] < waits["deadline"] < 60
    assert 0 < server.reserve < waits["deadline"]
