"""Somebody purges a device while another acts on it: the other is told that it is unknown, and nothing breaks."""

from collections.abc import Callable
from typing import Any

import pytest

from devices import admission, denial, keychange, keys, records
from devices.models import Device, KeyChangeRequest, Status
from portal import audit
from portal.actor import Actor
from portal.models import AuditEvent
from portal.refusal import Invalid, Refusal
from tests.conftest import MenderDevice

VERBS: dict[str, Callable[[Device, Actor], None]] = {
    "accept": lambda device, by: admission.decide(device, Status.ACCEPTED, by=by),
    "deny": lambda device, by: denial.deny(device, by=by),
    "purge": lambda device, by: denial.purge(device, by=by),
    "report": lambda device, by: records.report_inventory(device, {"a": "b"}, replace=True),
}


@pytest.mark.parametrize("verb", ["accept", "deny", "purge"])
def test_who_comes_after_a_purge_is_told_that_the_device_is_unknown(
    make_device: Callable[..., Device], root: Actor, verb: str
) -> None:
    make_device()
    hers, his = Device.objects.get(), Device.objects.get()
    denial.purge(hers, by=root)
    with pytest.raises(admission.Unknown, match="There is no device press-1"):
        VERBS[verb](his, root)
    assert AuditEvent.objects.count() == 1


@pytest.fixture
def change(
    make_device: Callable[..., Device], mender_device: Callable[..., MenderDevice], root: Actor
) -> KeyChangeRequest:
    device = make_device(status="accepted", key=mender_device().pem)
    keychange.propose(device, keys.read(mender_device().pem), by=root)
    return KeyChangeRequest.objects.select_related("device").get()


@pytest.mark.parametrize("verb", [keychange.accept, keychange.refuse])
def test_a_key_of_a_purged_device_is_not_decided_on(
    change: KeyChangeRequest, root: Actor, verb: Callable[..., None]
) -> None:
    denial.purge(Device.objects.get(), by=root)
    with pytest.raises(admission.Unknown):
        verb(change, by=root)


@pytest.mark.parametrize("verb", [keychange.accept, keychange.refuse])
@pytest.mark.parametrize("reason", ["x" * 501, "a\u202eb", "a\x00b"])
def test_a_reason_that_is_none_is_refused(
    change: KeyChangeRequest, root: Actor, verb: Callable[..., None], reason: str
) -> None:
    with pytest.raises(Invalid):
        verb(change, by=root, reason=reason)
    assert KeyChangeRequest.objects.get().state == "open"


@pytest.mark.django_db(transaction=True)
class TestRaces:
    @pytest.mark.parametrize("turn", range(4))
    @pytest.mark.parametrize("verb", ["accept", "deny", "purge", "report"])
    def test_a_purge_and_another_verb_at_once_end_one_after_the_other(
        self, make_device: Callable[..., Device], root: Actor, at_once: Callable[..., list[Any]], verb: str, turn: int
    ) -> None:
        make_device(status="accepted" if verb == "report" else "pending")
        hers, his = Device.objects.get(), Device.objects.get()
        purged, other = at_once(lambda: denial.purge(hers, by=root), lambda: VERBS[verb](his, root))
        if verb == "report":
            assert purged is None
            assert other is None or isinstance(other, Refusal)
        else:
            assert [purged, other].count(None) == 1
            assert isinstance(purged or other, Refusal)
            assert AuditEvent.objects.count() == 1
        assert audit.verify().holds

    @pytest.mark.parametrize("turn", range(6))
    def test_a_new_key_and_a_denial_at_once_never_wait_for_each_other(
        self, change: KeyChangeRequest, root: Actor, at_once: Callable[..., list[Any]], turn: int
    ) -> None:
        device = Device.objects.get()
        outcomes = at_once(lambda: keychange.accept(change, by=root), lambda: denial.deny(device, by=root))
        assert outcomes.count(None) == 1
        (refusal,) = [outcome for outcome in outcomes if outcome is not None]
        assert isinstance(refusal, keychange.NotOpen | admission.Denied | denial.Changed)
