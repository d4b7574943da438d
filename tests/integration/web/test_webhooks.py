"""Reports of a provider: only signed ones are believed, and any number of times is once."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sendgrid.helpers.eventwebhook import EventWebhook
from starlette.testclient import TestClient

from course import config, wiring
from course.web.app import create_app
from scheduler.clock import FixedClock
from scheduler.domain.enrollment import EnrollmentState
from scheduler.domain.learner import Consent
from scheduler.errors import ProviderMisconfigured
from scheduler.store import ledger, people
from tests.little_school import write_course

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
SIGNATURE = "X-Twilio-Email-Event-Webhook-Signature"
TIMESTAMP = "X-Twilio-Email-Event-Webhook-Timestamp"
AGREED = Consent(action="signup", text="Yes", source="test", at=NOW)


class Twilio:
    """Signs as SendGrid does."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())

    @property
    def verification_key(self) -> str:
        der = self._key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return base64.b64encode(der).decode()

    def headers(self, body: bytes, at: datetime = NOW) -> dict[str, str]:
        stamp = str(int(at.timestamp()))
        signed = self._key.sign(stamp.encode() + body, ec.ECDSA(SHA256()))
        return {SIGNATURE: base64.b64encode(signed).decode(), TIMESTAMP: stamp}


@pytest.fixture
def twilio() -> Twilio:
    return Twilio()


class Place:
    """A school that sends through SendGrid, and its web door."""

    def __init__(self, folder: Path, twilio: Twilio, **env: str) -> None:
        write_course(folder / "lessons")
        given = {
            "DELIVERY": "sendgrid",
            "SENDGRID_API_KEY": "SG.test",
            "SENDGRID_WEBHOOK_KEY": twilio.verification_key,
            "SECRET_KEY": "k" * 40,
            "EMAIL_FROM": "school@school.example.net",
            "POSTAL_ADDRESS": "Here 1",
        } | env
        (folder / "config.yaml").write_text("lessons: lessons\n")
        settings = config.load(folder / "config.yaml", env=given, cwd=folder)
        self.clock = FixedClock(NOW)
        self.school = wiring.build(settings, clock=self.clock, worker=False)
        self.web = TestClient(create_app(self.school), base_url="http://127.0.0.1:8000")
        self.twilio = twilio
        [course] = self.school.catalog.courses()
        done = self.school.enrolling.sign_up(course, "zoe@example.com", consent=AGREED)
        assert done.enrollment_id is not None
        self.run_id = done.enrollment_id
        self.school.enrolling.confirm(self.run_id, AGREED)

    def event(self, name: str = "spamreport", **more: Any) -> dict[str, Any]:
        with self.school.db.read() as tx:
            welcome = ledger.deliveries_of(tx, self.run_id)[0]
        return {
            "email": "zoe@example.com",
            "timestamp": int(self.clock.now().timestamp()),
            "event": name,
            "sg_event_id": f"id-{name}",
            "mcd_delivery": welcome.id,
        } | more

    def post(self, events: Any, *, at: datetime = NOW, **headers: str) -> int:
        # SendGrid ends the body with a line end, and signs that too.
        body = (json.dumps(events) + "\r\n").encode()
        return self.raw(body, self.twilio.headers(body, at) | headers)

    def raw(self, body: bytes, headers: dict[str, str], name: str = "sendgrid") -> int:
        return self.web.post(f"/webhooks/{name}", content=body, headers=headers).status_code

    @property
    def state(self) -> EnrollmentState:
        with self.school.db.read() as tx:
            run = people.enrollment(tx, self.run_id)
        assert run is not None
        return run.state


@pytest.fixture
def place(tmp_path: Path, twilio: Twilio):
    made = Place(tmp_path, twilio)
    yield made
    made.school.close()


def test_s14_a_signed_complaint_ends_all_mail(place: Place) -> None:
    assert place.post([place.event()]) == 200
    assert place.state is EnrollmentState.STOPPED


def test_s15_a_report_offered_again_is_taken_and_changes_nothing(place: Place) -> None:
    for _ in range(3):
        assert place.post([place.event(), place.event()]) == 200
    assert place.state is EnrollmentState.STOPPED


def test_our_check_agrees_with_the_providers_own_library(place: Place, twilio: Twilio) -> None:
    body = b'[{"event":"processed"}]\r\n'
    theirs = EventWebhook()
    key = theirs.convert_public_key_to_ecdsa(twilio.verification_key)
    headers = twilio.headers(body)
    for sent in (body, body.rstrip(), body + b" "):
        said = theirs.verify_signature(sent.decode(), headers[SIGNATURE], headers[TIMESTAMP], key)
        assert (place.raw(sent, headers) == 200) is said


def test_attack_20_a_forged_report_changes_nothing(place: Place) -> None:
    body = (json.dumps([place.event()]) + "\r\n").encode()
    good = place.twilio.headers(body)
    stranger = Twilio().headers(body)
    forged = [
        (body, {}),
        (body, stranger),
        (body, good | {SIGNATURE: "not base64!"}),
        (body, good | {SIGNATURE: ""}),
        (body, good | {TIMESTAMP: str(int(NOW.timestamp()) + 1)}),
        (body, good | {TIMESTAMP: "soon"}),
        (body.replace(b"spamreport", b"unsubscribe"), good),
        (body.rstrip(), good),
        (b"", good),
    ]
    for sent, headers in forged:
        assert place.raw(sent, headers) == 403, headers
    assert place.state is EnrollmentState.ACTIVE


def test_attack_20_an_old_report_is_not_believed_but_one_of_yesterday_is(place: Place) -> None:
    assert place.post([place.event()], at=NOW - timedelta(days=3)) == 403
    assert place.post([place.event()], at=NOW + timedelta(hours=1)) == 403
    assert place.state is EnrollmentState.ACTIVE
    assert place.post([place.event()], at=NOW - timedelta(hours=24)) == 200
    assert place.state is EnrollmentState.STOPPED


def test_s14_what_is_new_or_odd_is_passed_over(place: Place) -> None:
    odd = [
        None, 7, "x", [], {},
        place.event("account_status_change"),
        place.event("open", sg_machine_open=True), place.event("click", url="https://x"),
        place.event(mcd_delivery=None), place.event(mcd_delivery=["a"]), place.event(event=3),
        place.event(mcd_delivery="0" * 32), place.event(mcd_delivery="'; DROP TABLE learners"),
        place.event("delivered", timestamp="then", sg_event_id=None, category=["a", "b"]),
        place.event("deferred", attempt="3", response="4.2.2 full\r\nX: y", sg_event_id="e" * 900),
    ]  # fmt: skip
    assert place.post(odd) == 200
    assert place.state is EnrollmentState.ACTIVE
    for body in (b"{}", b'"x"', b"[" * 5000, b"\xff\xfe", b"nope"):
        assert place.raw(body, place.twilio.headers(body)) == 403


@pytest.mark.parametrize(
    ("event", "ends"),
    [
        ({"event": "bounce", "type": "bounce", "status": "5.1.1",
          "reason": "550 5.1.1 no such user"}, True),
        ({"event": "bounce", "type": "bounce", "status": "5.2.2",
          "reason": "552 5.2.2 mailbox full"}, False),
        ({"event": "bounce", "type": "blocked", "status": "5.7.1",
          "reason": "550 5.7.1 listed at a blocklist"}, False),
        ({"event": "dropped", "reason": "Bounced Address"}, True),
        ({"event": "dropped", "reason": "Spam Reporting Address"}, True),
        ({"event": "dropped", "reason": "Unsubscribed Address"}, True),
        ({"event": "deferred", "response": "451 4.7.1 greylisted"}, False),
        ({"event": "unsubscribe"}, True),
    ],
)  # fmt: skip
def test_b1_each_event_does_what_its_class_asks_for(place: Place, event, ends) -> None:
    assert place.post([place.event() | event]) == 200
    assert (place.state is EnrollmentState.STOPPED) is ends


def test_whoever_is_not_expected_to_report_is_not_there(place: Place) -> None:
    body = b"[]"
    for name in ("smtp", "file", "mailgun", "wire", "__init__"):
        assert place.raw(body, place.twilio.headers(body), name) == 404
    assert place.web.get("/webhooks/sendgrid").status_code == 405


def test_attack_20_without_a_key_nobody_is_believed(tmp_path: Path, twilio: Twilio) -> None:
    place = Place(tmp_path, twilio, SENDGRID_WEBHOOK_KEY="")
    assert place.post([place.event()]) == 404
    assert place.state is EnrollmentState.ACTIVE
    place.school.close()


def test_a_key_that_is_none_says_so(tmp_path: Path, twilio: Twilio) -> None:
    place = Place(tmp_path, twilio, SENDGRID_WEBHOOK_KEY="abc")
    with pytest.raises(ProviderMisconfigured, match="SENDGRID_WEBHOOK_KEY"):
        place.post([place.event()])
    place.school.close()


def test_s15_a_batch_of_768_kilobytes_is_taken_and_a_flood_is_not(place: Place) -> None:
    batch = [place.event("delivered", sg_event_id=f"e{n}", pad="x" * 600) for n in range(1000)]
    assert place.post(batch) == 200
    assert place.post([place.event(pad="x" * 3_000_000)]) == 413
