"""A known device with a new key: what is opened, what the decision brings, and what stays as it was."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import transaction

from devices import admission, denial, keychange, keys
from devices.models import Device, KeyChange, KeyChangeRequest, RetiredKey
from portal import audit
from portal.actor import Actor
from portal.models import AuditEvent, Outbox
from tests.conftest import MenderDevice

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
STATES = ["pending", "accepted", "rejected", "preauthorized"]


@pytest.fixture
def new_key(mender_device: Callable[..., MenderDevice]) -> Callable[[], keys.Key]:
    return lambda: keys.read(mender_device().pem)


@pytest.fixture
def device(make_device: Callable[..., Device], mender_device: Callable[..., MenderDevice]) -> Device:
    return make_device(status="accepted", key=mender_device().pem)


@pytest.fixture
def proposed(device: Device, new_key: Callable[[], keys.Key], root: Actor) -> KeyChangeRequest:
    request = keychange.propose(device, new_key(), by=root)
    assert request is not None
    return request


def facts() -> list[dict[str, Any]]:
    return [*Device.objects.values(), *KeyChangeRequest.objects.values(), *RetiredKey.objects.values()]


@pytest.mark.parametrize("status", STATES)
def test_another_key_opens_a_request_and_changes_nothing_of_the_device(
    make_device: Callable[..., Device], new_key: Callable[[], keys.Key], status: str
) -> None:
    device, key = make_device(status=status, key=new_key().pem), new_key()
    before = Device.objects.values().get()
    request = keychange.propose(device, key, by=Actor.device("press-1", "192.0.2.1"))
    assert request is not None
    assert (request.state, request.seen_from) == ("open", "192.0.2.1")
    assert (request.present_fingerprint, request.new_fingerprint) == (device.fingerprint, key.fingerprint)
    assert request.new_key == key.pem
    assert Device.objects.values().get() == before
    assert AuditEvent.objects.get().verb == Outbox.objects.get().topic == "key_change.opened"


def test_the_same_key_again_opens_nothing(device: Device, new_key: Callable[[], keys.Key], root: Actor) -> None:
    key = new_key()
    assert keychange.propose(device, key, by=root)
    for _ in range(3):
        assert keychange.propose(device, key, by=root) is None
    assert KeyChangeRequest.objects.count() == AuditEvent.objects.count() == 1


def test_five_keys_may_ask_at_once_and_the_sixth_waits_until_one_is_decided(
    device: Device, new_key: Callable[[], keys.Key], root: Actor
) -> None:
    for _ in range(5):
        assert keychange.propose(device, new_key(), by=root)
    sixth = new_key()
    assert keychange.propose(device, sixth, by=root) is None
    keychange.refuse(KeyChangeRequest.objects.earliest("pk"), by=root)
    assert keychange.propose(device, sixth, by=root)


def test_nothing_is_opened_for_a_device_that_was_denied_or_purged_or_re_keyed_meanwhile(
    make_device: Callable[..., Device], new_key: Callable[[], keys.Key], root: Actor
) -> None:
    stale = [make_device(f"press-{n}", status="accepted", key=new_key().pem) for n in range(3)]
    denial.deny(Device.objects.get(pk="press-0"), by=root)
    denial.purge(Device.objects.get(pk="press-1"), by=root)
    Device.objects.filter(pk="press-2").update(fingerprint="f" * 64)
    assert [keychange.propose(device, new_key(), by=root) for device in stale] == [None, None, None]
    assert not KeyChangeRequest.objects.exists()


@pytest.mark.parametrize("status", STATES)
def test_accepting_replaces_the_key_and_ends_what_was_granted_to_the_old_one(
    make_device: Callable[..., Device], new_key: Callable[[], keys.Key], root: Actor, status: str
) -> None:
    old, new, third = new_key(), new_key(), new_key()
    device = make_device(status=status, key=old.pem)
    request = keychange.propose(device, new, by=root)
    assert request is not None
    other = keychange.propose(device, third, by=root)
    assert other is not None
    keychange.accept(request, by=root, reason="new board")
    device.refresh_from_db()
    assert (device.fingerprint, device.introduction.key) == (new.fingerprint, new.pem)
    assert (device.status, device.epoch, device.revision) == (status, 2, 2)
    other.refresh_from_db()
    assert (request.state, request.decided_by, other.state) == ("accepted", "command test", "superseded")
    row = AuditEvent.objects.get(verb="key_change.accepted")
    assert (row.before, row.after) == ({"fingerprint": old.fingerprint}, {"fingerprint": new.fingerprint})
    assert row.reason == "new board"
    assert keychange.propose(device, old, by=root) is None
    assert keychange.propose(device, third, by=root) is not None


def test_refusing_turns_the_key_down_for_good_and_the_present_one_goes_on(
    device: Device, proposed: KeyChangeRequest, root: Actor
) -> None:
    before = Device.objects.values().get()
    keychange.refuse(proposed, by=root, reason="unknown board")
    assert proposed.state == "refused"
    assert Device.objects.values().get() == before
    assert keychange.is_retired(device, proposed.new_fingerprint)
    assert keychange.propose(device, keys.read(proposed.new_key), by=root) is None
    assert AuditEvent.objects.get(verb="key_change.refused").reason == "unknown board"


def test_a_key_that_is_retired_for_one_device_may_ask_for_another(
    device: Device, make_device: Callable[..., Device], proposed: KeyChangeRequest, root: Actor
) -> None:
    keychange.refuse(proposed, by=root)
    assert keychange.propose(make_device("press-2"), keys.read(proposed.new_key), by=root)


@pytest.mark.parametrize("verb", [keychange.accept, keychange.refuse])
@pytest.mark.parametrize("state", ["accepted", "refused", "superseded"])
def test_what_is_decided_is_not_decided_again(
    proposed: KeyChangeRequest, root: Actor, verb: Callable[..., None], state: str
) -> None:
    KeyChangeRequest.objects.update(state=state, decided_by="ada")
    stored, history = facts(), AuditEvent.objects.count()
    with pytest.raises(keychange.NotOpen, match=f"^This key change is {state} by ada already[.]$"):
        verb(proposed, by=root)
    assert facts() == stored
    assert AuditEvent.objects.count() == history


def test_no_key_of_a_denied_device_is_accepted(device: Device, proposed: KeyChangeRequest, root: Actor) -> None:
    Device.objects.update(denied_at=NOON, denied_by="ada")
    stored = facts()
    with pytest.raises(admission.Denied):
        keychange.accept(KeyChangeRequest.objects.get(), by=root)
    assert facts() == stored


@pytest.mark.django_db(transaction=True)
class TestRaces:
    @pytest.mark.parametrize("turn", range(3))
    def test_of_accept_and_refuse_at_once_one_wins(
        self, proposed: KeyChangeRequest, root: Actor, at_once: Callable[..., list[Any]], turn: int
    ) -> None:
        hers, his = KeyChangeRequest.objects.get(), KeyChangeRequest.objects.get()
        outcomes = at_once(lambda: keychange.accept(hers, by=root), lambda: keychange.refuse(his, by=root))
        assert outcomes.count(None) == 1
        assert [type(outcome) for outcome in outcomes if outcome] == [keychange.NotOpen]
        accepted = outcomes[0] is None
        assert (Device.objects.get().fingerprint == proposed.new_fingerprint) == accepted
        assert KeyChangeRequest.objects.get().state == (KeyChange.ACCEPTED if accepted else KeyChange.REFUSED)
        assert audit.verify().holds

    def test_of_a_denial_and_a_refusal_at_once_neither_waits_for_the_other_for_ever(
        self, proposed: KeyChangeRequest, root: Actor, at_once: Callable[..., list[Any]]
    ) -> None:
        is_held, comes = threading.Event(), threading.Event()

        def deny() -> None:
            with transaction.atomic():
                device = Device.objects.select_for_update().get()
                is_held.set()
                assert comes.wait(60)
                time.sleep(0.2)  # The refusal waits by now.
                denial.deny(device, by=root)

        def refuse() -> None:
            assert is_held.wait(60)
            request = KeyChangeRequest.objects.get()
            comes.set()
            keychange.refuse(request, by=root)

        _, refused = at_once(deny, refuse)
        assert isinstance(refused, keychange.NotOpen)
        assert KeyChangeRequest.objects.get().state == KeyChange.SUPERSEDED

    @pytest.mark.parametrize("turn", range(3))
    def test_of_eight_keys_that_ask_at_once_five_open_a_request(
        self, device: Device, new_key: Callable[[], keys.Key], root: Actor, at_once: Callable[..., list[Any]], turn: int
    ) -> None:
        wanted = [new_key() for _ in range(8)]
        outcomes = at_once(*(lambda key=key: keychange.propose(device, key, by=root) for key in wanted))
        assert len([outcome for outcome in outcomes if outcome]) == 5
        assert KeyChangeRequest.objects.count() == AuditEvent.objects.count() == 5
