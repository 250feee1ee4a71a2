"""A device comes with a certificate: every state it can be in, with its own key and with another."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from devices import admission, arrival, check_in, contact, denial, keychange, keys, seen, submission
from devices.models import CheckIn, Device, DeviceCount, Introduction, KeyChange, KeyChangeRequest, Status
from portal.actor import Actor
from portal.models import AuditEvent, Outbox

pytestmark = pytest.mark.django_db
CA = "c" * 64


def new_key() -> keys.Key:
    public = Ed25519PrivateKey.generate().public_key()
    return keys.read(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())


OWN, OTHER = new_key(), new_key()


def meet(device_id: str = "press-1", key: keys.Key = OWN) -> contact.Contact:
    return contact.meet(device_id, key, ca=CA, address="192.0.2.7")


def refused(device_id: str = "press-1", key: keys.Key = OWN) -> contact.NotServed:
    with pytest.raises(contact.NotServed) as no:
        meet(device_id, key)
    assert no.value.details == {
        "retry_after": no.value.retry_after, "device": device_id, "fingerprint": key.fingerprint
    }  # fmt: skip
    return no.value


def everything() -> dict[str, Any]:
    """What is stored, but for when a device was last seen."""
    devices = [{**row, "last_seen": None} for row in Device.objects.order_by("pk").values()]
    return {
        "devices": devices,
        "said": list(Introduction.objects.order_by("pk").values()),
        "changes": list(KeyChangeRequest.objects.order_by("pk").values()),
        "audit": AuditEvent.objects.count(),
        "outbox": Outbox.objects.count(),
    }


class TestUnknown:
    def test_waits_and_is_told_so(self) -> None:
        no = refused()
        assert (no.status, no.code) == (403, "device_pending")
        assert str(no) == "Device press-1 waits until an administrator admits it."
        device = Device.objects.get()
        assert (device.pk, device.status, device.fingerprint, device.identity_digest) == (
            "press-1", Status.PENDING, OWN.fingerprint, ""
        )  # fmt: skip
        said = Introduction.objects.get()
        assert (said.text, said.members, said.key, said.ca) == ("", {}, OWN.pem, CA)
        event = AuditEvent.objects.get()
        assert (event.verb, event.actor, event.actor_kind, event.address) == (
            "device.asked", "press-1", "device", "192.0.2.7"
        )  # fmt: skip
        assert Outbox.objects.get().topic == "device.pending"

    def test_is_let_in_where_everybody_is(self, settings: Any) -> None:
        settings.ENROLMENT = "auto"
        assert meet().device.status == Status.ACCEPTED
        assert AuditEvent.objects.get().verb == "device.enrolled"

    def test_is_not_taken_down_while_too_many_wait(self) -> None:
        DeviceCount.objects.filter(tab="pending").update(number=arrival.MOST_WAITING)
        before = everything()
        no = refused()
        assert (no.status, no.code, no.retry_after) == (429, "too_many_waiting", 300)
        assert everything() == before

    def test_is_let_in_though_many_wait_where_everybody_is(self, settings: Any) -> None:
        settings.ENROLMENT = "auto"
        DeviceCount.objects.filter(tab="pending").update(number=arrival.MOST_WAITING)
        assert meet().device.is_admitted

    def test_waiting_devices_come_back_at_different_times(self) -> None:
        waits = {refused().retry_after for _ in range(60)}
        assert waits <= set(range(60, 91))
        assert len(waits) > 5


# What a known device meets: with its own key, with another, and what is left of its status.
CASES = [
    (Status.PENDING, OWN, "device_pending", Status.PENDING),
    (Status.REJECTED, OWN, "device_rejected", Status.REJECTED),
    (Status.PREAUTHORIZED, OWN, "", Status.ACCEPTED),
    (Status.ACCEPTED, OWN, "", Status.ACCEPTED),
    *((status, OTHER, "key_change_pending", status) for status in Status),
]


@pytest.mark.parametrize(("status", "key", "code", "after"), CASES)
def test_known(make_device: Callable[..., Device], status: str, key: keys.Key, code: str, after: str) -> None:
    device = make_device("press-1", {}, OWN.pem, status=status)
    if code:
        assert refused(key=key).code == code
    else:
        assert meet(key=key).device.status == after
    device.refresh_from_db()
    assert (device.status, device.fingerprint) == (after, OWN.fingerprint)
    opened = list(KeyChangeRequest.objects.values_list("new_fingerprint", "state", "seen_from"))
    assert opened == ([(OTHER.fingerprint, KeyChange.OPEN, "192.0.2.7")] if key is OTHER else [])


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("key", [OWN, OTHER], ids=["own", "other"])
def test_denied_whatever_the_key(make_device: Callable[..., Device], status: str, key: keys.Key) -> None:
    make_device("press-1", {}, OWN.pem, status=status, denied_at=timezone.now())
    before = everything()
    no = refused(key=key)
    assert (no.status, no.code, no.retry_after) == (403, "device_denied", 3600)
    assert everything() == before
    assert Device.objects.get().last_seen is None


class TestKeyChange:
    @pytest.fixture
    def device(self, make_device: Callable[..., Device]) -> Device:
        return make_device("press-1", {}, OWN.pem, status=Status.ACCEPTED)

    def test_one_request_per_key_and_the_present_one_goes_on(self, device: Device) -> None:
        for _ in range(3):
            assert refused(key=OTHER).retry_after == 300
        assert KeyChangeRequest.objects.count() == 1
        assert meet().device.is_admitted

    def test_a_sixth_key_is_told_the_same_and_not_taken_down(self, device: Device) -> None:
        for _ in range(keychange.MOST_OPEN + 2):
            assert refused(key=new_key()).code == "key_change_pending"
        assert KeyChangeRequest.objects.count() == keychange.MOST_OPEN

    def test_accepted_turns_it_round(self, device: Device, root: Actor) -> None:
        refused(key=OTHER)
        keychange.accept(KeyChangeRequest.objects.get(), by=root)
        assert meet(key=OTHER).device.is_admitted
        no = refused()
        assert (no.code, no.retry_after) == ("key_refused", 3600)
        assert KeyChangeRequest.objects.filter(state=KeyChange.OPEN).count() == 0

    def test_refused_stays_so(self, device: Device, root: Actor) -> None:
        refused(key=OTHER)
        keychange.refuse(KeyChangeRequest.objects.get(), by=root)
        assert refused(key=OTHER).code == "key_refused"
        assert meet().device.is_admitted

    def test_a_key_made_while_denied_comes_back_by_a_key_change_alone(self, device: Device, root: Actor) -> None:
        denial.deny(device, by=root)
        assert refused(key=OTHER).code == "device_denied"
        denial.restore(device, by=root)
        assert refused(key=OTHER).code == "key_change_pending"
        keychange.accept(KeyChangeRequest.objects.get(), by=root)
        assert meet(key=OTHER).device.is_admitted


class TestStory:
    def test_from_the_first_contact_to_purged_and_new(self, root: Actor) -> None:
        refused()
        device = Device.objects.get()
        admission.decide(device, Status.ACCEPTED, by=root)
        assert meet().said is None
        denial.deny(device, by=root)
        assert refused().code == "device_denied"
        denial.restore(device, by=root)
        assert meet().device.is_admitted
        admission.decide(Device.objects.get(), Status.REJECTED, by=root)
        assert refused().code == "device_rejected"
        denial.purge(Device.objects.get(), by=root)
        assert refused(key=OTHER).code == "device_pending"

    def test_one_that_was_expected_under_its_name(self, root: Actor) -> None:
        submission.preauthorize_id("press-1", OWN.pem, by=root)
        assert meet().device.status == Status.ACCEPTED


class TestCost:
    def test_one_that_waits_costs_one_look(self) -> None:
        refused()
        with CaptureQueriesContext(
            connection,
        ) as asked:
            refused()
        assert len(asked) == 1

    def test_one_that_is_served_costs_one_look(self, make_device: Callable[..., Device]) -> None:
        make_device("press-1", {}, OWN.pem, status=Status.ACCEPTED, last_seen=timezone.now())
        with CaptureQueriesContext(connection) as asked:
            met = meet()
            check_in.note(met.device, met.said, {}, timezone.now())
        assert len(asked) == 1

    @pytest.mark.parametrize("status", [Status.PENDING, Status.REJECTED])
    def test_that_it_waits_is_noted_once_a_minute(self, make_device: Callable[..., Device], status: str) -> None:
        now = timezone.now()
        make_device("press-1", {}, OWN.pem, status=status, last_seen=now - timedelta(seconds=61))
        refused()
        noted = Device.objects.get().last_seen
        assert noted
        assert noted >= now
        refused()
        assert Device.objects.get().last_seen == noted


class TestManyThatWait:
    LONG_AGO = timezone.now() - timedelta(days=1)

    @pytest.fixture
    def three(self, make_device: Callable[..., Device]) -> None:
        for name in ("a", "b", "c"):
            make_device(name, {}, OWN.pem, status=Status.PENDING, last_seen=self.LONG_AGO)

    def noted(self) -> set[str]:
        return set(Device.objects.filter(last_seen__gt=self.LONG_AGO).values_list("pk", flat=True))

    def test_are_noted_together_when_the_next_one_asks_after_a_second(
        self, three: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        refused("a")
        assert self.noted() == {"a"}
        refused("b")
        assert self.noted() == {"a"}
        monkeypatch.setattr(seen.waiting, "_due", 0.0)
        refused("c")
        assert self.noted() == {"a", "b", "c"}

    def test_one_that_is_denied_before_it_was_written_is_not_noted(
        self, three: None, root: Actor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        refused("a")
        refused("b")
        denial.deny(Device.objects.get(pk="b"), by=root)
        monkeypatch.setattr(seen.waiting, "_due", 0.0)
        refused("c")
        assert self.noted() == {"a", "c"}


class TestCheckIn:
    @pytest.fixture
    def device(self, make_device: Callable[..., Device]) -> Device:
        return make_device("press-1", {}, OWN.pem, status=Status.ACCEPTED, last_seen=timezone.now())

    def say(self, **said: str) -> None:
        met = meet()
        check_in.note(met.device, met.said, said, timezone.now())

    def test_present_replaces_empty_clears_absent_keeps(self, device: Device) -> None:
        self.say(target="lmp-1", tag="main")
        self.say(target="lmp-2")
        self.say(tag="")
        assert meet().said == {"target": "lmp-2", "tag": "", "apps": "", "ostree_hash": ""}

    def test_nothing_new_writes_nothing(self, device: Device) -> None:
        self.say(target="lmp-1")
        seen = Device.objects.get().last_seen
        self.say(target="lmp-1")
        assert Device.objects.get().last_seen == seen

    def test_that_it_is_there_is_noted_once_a_minute(self, device: Device) -> None:
        then = timezone.now() - timedelta(seconds=61)
        Device.objects.update(last_seen=then)
        self.say()
        assert Device.objects.get().last_seen > then
        assert not CheckIn.objects.exists()

    def test_it_outlives_a_denial(self, device: Device, root: Actor) -> None:
        self.say(target="lmp-1")
        denial.deny(Device.objects.get(), by=root)
        denial.restore(Device.objects.get(), by=root)
        assert meet().said == {"target": "lmp-1", "tag": "", "apps": "", "ostree_hash": ""}

    def test_nothing_is_stored_behind_a_denial(self, device: Device, root: Actor) -> None:
        met = meet()
        denial.deny(Device.objects.get(), by=root)
        check_in.note(met.device, met.said, {"target": "lmp-1"}, timezone.now())
        assert not CheckIn.objects.exists()


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    def test_a_device_that_comes_eight_times_at_once_is_taken_down_once(
        self, at_once: Callable[..., list[Any]]
    ) -> None:
        answers = at_once(*[meet] * 8)
        assert {answer.code for answer in answers} == {"device_pending"}
        assert (Device.objects.count(), AuditEvent.objects.count(), Outbox.objects.count()) == (1, 1, 1)

    def test_two_people_decide_on_one_key_change(
        self, make_device: Callable[..., Device], root: Actor, at_once: Callable[..., list[Any]]
    ) -> None:
        make_device("press-1", {}, OWN.pem, status=Status.ACCEPTED)
        refused(key=OTHER)
        number = KeyChangeRequest.objects.get().pk
        answers = at_once(
            lambda: keychange.accept(keychange.find(number), by=root),
            lambda: keychange.refuse(keychange.find(number), by=root),
        )
        assert sum(answer is None for answer in answers) == 1
        state = KeyChangeRequest.objects.get().state
        decided = AuditEvent.objects.filter(verb__startswith="key_change.").exclude(verb="key_change.opened")
        assert [event.verb for event in decided] == [f"key_change.{state}"]
        assert Device.objects.get().fingerprint == (OTHER if state == KeyChange.ACCEPTED else OWN).fingerprint
