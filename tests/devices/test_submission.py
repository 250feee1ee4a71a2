"""A management client speaks for a device: submitting makes it pending, preauthorizing expects it with its key."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine

from devices import admission, denial, expecting, identity, introduction, keychange, keys, submission
from devices.models import Device, Introduction, KeyChangeRequest
from portal import audit
from portal.actor import Actor
from portal.models import AuditEvent, Outbox
from portal.refusal import Invalid
from tests.conftest import MenderDevice

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
LATER = datetime(2026, 11, 25, 13, tzinfo=UTC)
STATES = ["pending", "accepted", "rejected", "preauthorized"]
CLAIM = identity.read('{"sn": "1"}')


@pytest.fixture
def pem(mender_device: Callable[..., MenderDevice]) -> str:
    return mender_device().pem


def facts() -> list[dict[str, Any]]:
    return [*Device.objects.order_by("pk").values(), *Introduction.objects.order_by("pk").values()]


class TestSubmit:
    @pytest.mark.parametrize("before", [None, *STATES])
    def test_whatever_the_device_was_it_is_pending_and_says_what_was_submitted(
        self, make_device: Callable[..., Device], root: Actor, pem: str, before: str | None
    ) -> None:
        facts_before = None
        if before:
            device = make_device(status=before, key=pem, request_time=NOON, decided_at=NOON, decided_by="ada")
            facts_before = {
                "status": before,
                "identity": '{"serial": "press-1"}',
                "fingerprint": device.fingerprint,
            }
        with time_machine.travel(LATER, tick=False):
            submission.submit("press-1", CLAIM, "any text", by=root)
        device = Device.objects.select_related("introduction").get()
        assert (device.status, device.request_time, device.decided_at, device.decided_by) == (
            "pending",
            LATER,
            None,
            "",
        )
        assert (device.identity_digest, device.fingerprint) == (CLAIM.digest, "")
        said = device.introduction
        assert (said.text, said.members, said.key) == (CLAIM.text, {"sn": "1"}, "any text")
        assert (device.revision, device.epoch) == ((2, 2) if before else (1, 1))
        row = AuditEvent.objects.get()
        assert (row.verb, row.before) == ("device.submitted", facts_before)
        assert row.after == {"status": "pending", "identity": CLAIM.text, "fingerprint": ""}
        assert Outbox.objects.get().topic == "device.pending"

    @pytest.mark.parametrize("status", STATES)
    @pytest.mark.parametrize("listed", ["the id", "the identity", "the digest as id"])
    def test_what_is_on_the_denied_list_is_refused(
        self, make_device: Callable[..., Device], root: Actor, status: str, listed: str
    ) -> None:
        denied_id = {"the id": "press-1", "the identity": "press-2", "the digest as id": CLAIM.digest}[listed]
        members = dict(CLAIM.members) if listed == "the identity" else {"other": "x"}
        make_device(denied_id, members=members, status=status, denied_at=NOON)
        before = facts()
        with pytest.raises(admission.Denied, match=f"^{denied_id} is on the denied list"):
            submission.submit("press-1", CLAIM, "any text", by=root)
        assert facts() == before
        assert not AuditEvent.objects.exists()

    @pytest.mark.parametrize("key", ["-----BEGIN PRIVATE KEY-----", "begin rsa private key", "x OPENSSH PRIVATE KEY x"])
    def test_a_private_key_is_refused(self, db: None, root: Actor, key: str) -> None:
        with pytest.raises(Invalid, match="private key"):
            submission.submit("press-1", CLAIM, key, by=root)
        with pytest.raises(Invalid, match="private key"):
            submission.preauthorize(CLAIM, key, by=root)
        assert not Device.objects.exists()

    def test_a_key_that_is_submitted_again_is_wanted_again_and_the_one_it_replaces_is_not(
        self, make_device: Callable[..., Device], root: Actor, pem: str, mender_device: Callable[..., MenderDevice]
    ) -> None:
        first, second = keys.read(pem), keys.read(mender_device().pem)
        device = make_device(key=first.pem)
        submission.submit("press-1", CLAIM, second.pem, by=root)
        assert keychange.is_retired(device, first.fingerprint)
        submission.submit("press-1", CLAIM, first.pem, by=root)
        assert not keychange.is_retired(device, first.fingerprint)
        assert keychange.is_retired(device, second.fingerprint)
        submission.submit("press-1", CLAIM, first.pem, by=root)
        assert not keychange.is_retired(device, first.fingerprint)

    def test_open_key_changes_are_superseded(
        self, make_device: Callable[..., Device], root: Actor, pem: str, mender_device: Callable[..., MenderDevice]
    ) -> None:
        keychange.propose(make_device(key=pem), keys.read(mender_device().pem), by=root)
        submission.submit("press-1", CLAIM, pem, by=root)
        assert KeyChangeRequest.objects.get().state == "superseded"

    def test_a_submitted_device_waits_also_with_its_key(self, db: None, root: Actor, pem: str) -> None:
        submission.submit("press-1", CLAIM, pem, by=root)
        outcome = introduction.introduce(CLAIM, keys.read(pem), address="")
        assert (outcome.device.pk, outcome.proved, outcome.is_admitted) == ("press-1", True, False)


class TestPreauthorize:
    def test_the_device_is_accepted_when_it_proves_the_key(self, db: None, root: Actor, pem: str) -> None:
        device = submission.preauthorize(CLAIM, pem, by=root)
        assert (device.pk, device.status, device.fingerprint) == (
            CLAIM.digest,
            "preauthorized",
            keys.fingerprint(pem),
        )
        assert AuditEvent.objects.get().verb == "device.preauthorized"
        assert introduction.introduce(CLAIM, keys.read(pem), address="").is_admitted

    @pytest.mark.parametrize("status", STATES)
    @pytest.mark.parametrize("known_by", ["id", "identity"])
    def test_what_is_known_is_refused_and_named(
        self, make_device: Callable[..., Device], root: Actor, pem: str, status: str, known_by: str
    ) -> None:
        if known_by == "id":
            device = make_device(CLAIM.digest, members={}, status=status)
        else:
            device = make_device("press-1", members=dict(CLAIM.members), status=status)
        with pytest.raises(expecting.AlreadyKnown, match=f"^{device.pk} is {status} already"):
            submission.preauthorize(CLAIM, pem, by=root)
        Device.objects.update(denied_at=NOON, denied_by="ada")
        with pytest.raises(admission.Denied):
            submission.preauthorize(CLAIM, pem, by=root)
        assert Device.objects.count() == 1
        assert not AuditEvent.objects.exists()

    @pytest.mark.parametrize("key", ["", "any text", "-----BEGIN PUBLIC KEY-----\nAA\n-----END PUBLIC KEY-----"])
    def test_a_key_that_nobody_can_prove_is_refused(self, db: None, root: Actor, key: str) -> None:
        with pytest.raises(Invalid, match="cannot be used"):
            submission.preauthorize(CLAIM, key, by=root)
        with pytest.raises(Invalid, match="cannot be used"):
            submission.preauthorize_id("press-1", key, by=root)

    def test_a_device_that_will_come_with_a_certificate_is_expected_by_its_id(
        self, db: None, root: Actor, pem: str
    ) -> None:
        device = submission.preauthorize_id("press-1", pem, by=root)
        assert (device.pk, device.status, device.fingerprint, device.identity_digest) == (
            "press-1", "preauthorized", keys.fingerprint(pem), "",
        )  # fmt: skip
        said = Introduction.objects.get()
        assert (said.text, said.members, said.key) == ("", {}, pem)
        event = AuditEvent.objects.get()
        assert (event.verb, event.subject_id) == ("device.preauthorized", "press-1")

    def test_expected_by_the_digest_of_its_identity_it_is_the_device_with_this_identity(
        self, db: None, root: Actor, pem: str
    ) -> None:
        submission.preauthorize_id(CLAIM.digest, pem, by=root)
        assert introduction.introduce(CLAIM, keys.read(pem), address="").is_admitted

    @pytest.mark.parametrize("status", STATES)
    def test_an_id_that_is_known_is_refused_and_the_device_named(
        self, make_device: Callable[..., Device], root: Actor, pem: str, status: str
    ) -> None:
        device = make_device("press-1", members=dict(CLAIM.members), status=status)
        for known in ("press-1", CLAIM.digest):
            with pytest.raises(expecting.AlreadyKnown, match=f"^press-1 is {status} already"):
                submission.preauthorize_id(known, pem, by=root)
        denial.deny(device, by=root)
        with pytest.raises(admission.Denied, match=r"^press-1 is on the denied list;"):
            submission.preauthorize_id("press-1", pem, by=root)
        assert Device.objects.count() == 1


@pytest.mark.django_db(transaction=True)
class TestRaces:
    @pytest.mark.parametrize("turn", range(3))
    def test_submissions_of_a_new_id_at_once_all_succeed_and_the_last_one_stays(
        self, root: Actor, at_once: Callable[..., list[Any]], turn: int
    ) -> None:
        claims = [identity.read(f'{{"sn": "{n}"}}') for n in range(4)]
        at_once(*(lambda claim=claim: submission.submit("press-1", claim, "k", by=root) for claim in claims))
        rows = list(AuditEvent.objects.order_by("number"))
        assert [row.before and row.before["identity"] for row in rows] == [
            None,
            *(r.after["identity"] for r in rows[:3]),
        ]
        device = Device.objects.select_related("introduction").get()
        assert device.introduction.text == rows[-1].after["identity"]
        assert device.identity_digest == identity.read(device.introduction.text).digest
        assert device.revision == 4
        assert audit.verify().holds

    @pytest.mark.parametrize("turn", range(6))
    def test_a_denial_at_once_is_never_overwritten(
        self, make_device: Callable[..., Device], root: Actor, at_once: Callable[..., list[Any]], turn: int
    ) -> None:
        make_device(status="accepted")
        denied, submitted = at_once(
            lambda: denial.deny_by_id("press-1", by=root),
            lambda: submission.submit("press-1", CLAIM, "k", by=root),
        )
        assert denied is True
        device = Device.objects.get()
        assert device.is_denied
        if isinstance(submitted, admission.Denied):
            assert (device.status, device.revision) == ("accepted", 2)
        else:
            assert (device.status, device.revision) == ("pending", 3)

    @pytest.mark.parametrize("turn", range(3))
    def test_of_four_preauthorizations_at_once_one_happens(
        self, root: Actor, pem: str, at_once: Callable[..., list[Any]], turn: int
    ) -> None:
        outcomes = at_once(*(lambda: submission.preauthorize(CLAIM, pem, by=root) for _ in range(4)))
        assert sorted(type(outcome).__name__ for outcome in outcomes) == ["AlreadyKnown"] * 3 + ["Device"]
        assert AuditEvent.objects.count() == 1
