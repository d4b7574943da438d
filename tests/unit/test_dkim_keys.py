"""A key that receivers would not accept is told at the start, with the cure, and never shown."""

from __future__ import annotations

import base64
import logging
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from dkim.crypto import parse_public_key

from scheduler.errors import ProviderMisconfigured
from scheduler.providers.wire.dkim_keys import (
    SigningKey,
    dns_record,
    entries_of,
    is_selector,
    read_keys,
    record_name,
    write_new_key,
)


def pem_of(
    private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey,
    form: serialization.PrivateFormat = serialization.PrivateFormat.PKCS8,
    password: bytes = b"",
) -> bytes:
    lock: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password:
        lock = serialization.BestAvailableEncryption(password)
    return private.private_bytes(serialization.Encoding.PEM, form, lock)


def kept(file: Path, pem: bytes, mode: int = 0o600) -> Path:
    file.write_bytes(pem)
    file.chmod(mode)
    return file


@pytest.fixture(scope="module")
def big() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture
def rsa_file(tmp_path: Path, big: rsa.RSAPrivateKey) -> Path:
    return kept(tmp_path / "rsa.pem", pem_of(big))


@pytest.fixture
def ed25519_file(tmp_path: Path) -> Path:
    return kept(tmp_path / "ed25519.pem", pem_of(ed25519.Ed25519PrivateKey.generate()))


def refusal(*entries: str) -> str:
    with pytest.raises(ProviderMisconfigured) as caught:
        read_keys(entries)
    assert caught.value.__cause__ is None
    return str(caught.value)


@pytest.mark.parametrize("form", ["PKCS8", "TraditionalOpenSSL"])
def test_a1_both_usual_forms_of_pem_are_read(
    tmp_path: Path, big: rsa.RSAPrivateKey, form: str
) -> None:
    file = kept(tmp_path / "key", pem_of(big, getattr(serialization.PrivateFormat, form)))
    (key,) = read_keys([f"m1:{file}"])
    assert (key.selector, key.algorithm) == ("m1", "rsa-sha256")
    assert key.private.private_numbers() == big.private_numbers()  # type: ignore[union-attr]


def test_a1_the_rsa_key_signs_first_in_whatever_order_they_are_named(
    rsa_file: Path, ed25519_file: Path
) -> None:
    keys = read_keys([f"e1:{ed25519_file}", f"m1:{rsa_file}"])
    assert [key.algorithm for key in keys] == ["rsa-sha256", "ed25519-sha256"]
    assert read_keys([]) == ()


def too_big() -> rsa.RSAPrivateKey:
    """4104 bits. To find such primes takes seconds; these are the first after two powers of 2."""
    p, q, e = 2**2051 + 33, 2**2052 + 1003, 65537
    d = pow(e, -1, (p - 1) * (q - 1))
    public = rsa.RSAPublicNumbers(e, p * q)
    parts = rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q)
    return rsa.RSAPrivateNumbers(p, q, d, *parts, public).private_key(
        unsafe_skip_rsa_key_validation=True
    )


@pytest.mark.parametrize("bits", [1024, 2047, 4104])
def test_a1_a_key_receivers_would_not_take_is_refused(tmp_path: Path, bits: int) -> None:
    key = too_big() if bits == 4104 else rsa.generate_private_key(65537, bits)
    assert key.key_size == bits
    file = kept(tmp_path / "key.pem", pem_of(key))
    told = refusal(f"m1:{file}")
    assert f"{bits} bits" in told
    assert "course dkim new" in told


def test_a1_ed25519_alone_is_refused(ed25519_file: Path) -> None:
    assert "add an RSA key" in refusal(f"e1:{ed25519_file}")


def test_a1_two_keys_of_one_kind_or_under_one_selector_are_refused(
    rsa_file: Path, ed25519_file: Path
) -> None:
    assert "two rsa keys" in refusal(f"m1:{rsa_file}", f"m2:{rsa_file}")
    assert "one selector" in refusal(f"m1:{rsa_file}", f"M1:{ed25519_file}")


def test_each_unusable_file_is_told_with_its_cure(tmp_path: Path, big: rsa.RSAPrivateKey) -> None:
    public = big.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    for name, content, cure in (
        ("locked", pem_of(big, password=b"geheim"), "openssl pkey -in"),
        ("old lock", pem_of(big, serialization.PrivateFormat.TraditionalOpenSSL, b"geheim"),
         "openssl pkey -in"),
        ("public", public, "not the DNS record or the public key"),
        ("empty", b"", "holds no private key"),
        ("cut", pem_of(big)[:-200], "holds no private key"),
        ("binary", bytes(range(256)), "holds no private key"),
        ("curve", pem_of(ec.generate_private_key(ec.SECP256R1())), "neither an RSA nor an ed25519"),
    ):  # fmt: skip
        file = kept(tmp_path / name, content)
        told = refusal(f"m1:{file}")
        assert str(file) in told
        assert cure in told
    assert "No such file" in refusal(f"m1:{tmp_path / 'none'}")
    assert "directory" in refusal(f"m1:{tmp_path}")


@pytest.mark.parametrize("entry", ["m1", "m1:", ":file", "m 1:file", "-m:file", "m..1:file", ""])
def test_what_is_no_selector_and_file_is_refused_and_not_repeated(entry: str) -> None:
    assert "must be SELECTOR:FILE" in refusal(entry)
    pasted = "-----BEGIN PRIVATE KEY-----MIIEvQ"
    assert "MIIEvQ" not in refusal(pasted)


def test_a_key_anybody_can_read_is_used_and_warned_about(
    rsa_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        read_keys([f"m1:{rsa_file}"])
        assert caplog.messages == []
        rsa_file.chmod(0o640)
        read_keys([f"m1:{rsa_file}"])
        assert caplog.messages == []
        rsa_file.chmod(0o644)
        read_keys([f"m1:{rsa_file}"])
    (told,) = caplog.messages
    assert f"chmod 600 {rsa_file}" in told


def test_a_key_never_shows_itself(rsa_file: Path, big: rsa.RSAPrivateKey) -> None:
    (key,) = read_keys([f"m1:{rsa_file}"])
    assert repr(key) == "SigningKey(selector='m1')"


def test_a11_the_record_of_an_rsa_key_is_read_by_another_program(
    rsa_file: Path, big: rsa.RSAPrivateKey
) -> None:
    (key,) = read_keys([f"m1:{rsa_file}"])
    start, _, value = dns_record(key).rpartition("p=")
    assert start == "v=DKIM1; k=rsa; "
    theirs = parse_public_key(base64.b64decode(value))
    ours = big.public_key().public_numbers()
    assert (theirs["modulus"], theirs["publicExponent"]) == (ours.n, ours.e)


def test_a11_the_record_of_an_ed25519_key_is_that_of_rfc_8463() -> None:
    seed = base64.b64decode("nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")
    key = SigningKey("brisbane", ed25519.Ed25519PrivateKey.from_private_bytes(seed))
    expected = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
    assert dns_record(key) == expected
    name = record_name(key.selector, "football.example.com")
    assert name == "brisbane._domainkey.football.example.com"


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
def test_a_new_key_is_for_its_owner_alone_and_replaces_none(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "new" / "key.pem"
    made = write_new_key(file, "m1", kind)  # type: ignore[arg-type]
    assert file.stat().st_mode & 0o777 == 0o600
    again = serialization.load_pem_private_key(file.read_bytes(), None)
    assert dns_record(SigningKey("m1", again)) == dns_record(made)  # type: ignore[arg-type]
    before = file.read_bytes()
    with pytest.raises(FileExistsError):
        write_new_key(file, "m1", kind)  # type: ignore[arg-type]
    assert file.read_bytes() == before


def test_a_selector_is_a_name_in_the_dns() -> None:
    assert all(map(is_selector, ["m1", "mail-2026", "a.b", "M1", "x" * 63]))
    assert not any(map(is_selector, ["", "m_1", "m 1", "-m", "m-", "a..b", "m:1", "é", "x" * 64]))


def test_the_setting_may_be_a_list_or_text() -> None:
    expected = ("m1:a b.pem", "e1:c.pem")
    assert entries_of({"dkim": ["m1:a b.pem", " e1:c.pem "]}) == expected
    assert entries_of({"dkim": "m1:a b.pem, e1:c.pem,"}) == expected
    assert entries_of({"dkim": None}) == entries_of({}) == ()
