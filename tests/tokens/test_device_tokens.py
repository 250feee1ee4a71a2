"""A device's token is good while the device is what it was when it bought it: accepted, not denied, with that key."""

from collections.abc import Callable
from typing import Any

import pytest
import time_machine
from django import conf
from hypothesis import given, settings
from hypothesis import strategies as st

from devices import admission, denial, identity, introduction, keychange, keys
from devices.models import Device, KeyChangeRequest, Status
from portal.actor import Actor
from tests.amount import many
from tests.conftest import MenderDevice
from tokens import device_tokens, signing

Enrol = Callable[[], Device]


@pytest.fixture
def machine(mender_device: Callable[..., MenderDevice]) -> MenderDevice:
    return mender_device(serial="press-1")


@pytest.fixture
def enrol(db: None, machine: MenderDevice, root: Actor) -> Enrol:
    """Let the machine introduce itself and accept it."""

    def run() -> Device:
        claimed = identity.read('{"serial":"press-1"}')
        device = introduction.introduce(claimed, keys.read(machine.pem), address="192.0.2.1").device
        admission.decide(device, Status.ACCEPTED, by=root)
        return device

    return run


def test_an_accepted_device_is_known_by_its_token(enrol: Enrol) -> None:
    device = enrol()
    assert device_tokens.holder(device_tokens.issue(device)) == device
    assert device_tokens.holder(device_tokens.issue(Device.objects.get())) == device


def reject(device: Device, root: Actor) -> None:
    admission.decide(device, Status.REJECTED, by=root)


def reject_and_accept(device: Device, root: Actor) -> None:
    reject(device, root)
    admission.decide(device, Status.ACCEPTED, by=root)


def deny(device: Device, root: Actor) -> None:
    denial.deny(device, by=root)


def deny_and_restore(device: Device, root: Actor) -> None:
    deny(device, root)
    denial.restore(device, by=root)


def purge(device: Device, root: Actor) -> None:
    denial.purge(device, by=root)


@pytest.mark.parametrize("end", [reject, reject_and_accept, deny, deny_and_restore, purge])
def test_a_token_dies_with_what_the_device_was_granted(enrol: Enrol, root: Actor, end: Callable[..., None]) -> None:
    device = enrol()
    token = device_tokens.issue(device)
    end(device, root)
    assert device_tokens.holder(token) is None


def test_a_token_does_not_live_on_in_a_record_that_follows_a_purge(enrol: Enrol, root: Actor) -> None:
    device = enrol()
    token, device_id = device_tokens.issue(device), device.pk
    denial.purge(device, by=root)
    again = enrol()
    assert again.pk == device_id
    assert device_tokens.holder(device_tokens.issue(again)) == again
    assert device_tokens.holder(token) is None


def test_a_token_dies_with_the_key_that_bought_it(
    enrol: Enrol, root: Actor, mender_device: Callable[..., MenderDevice]
) -> None:
    device = enrol()
    token = device_tokens.issue(device)
    other = keys.read(mender_device(serial="press-1").pem)
    introduction.introduce(identity.read('{"serial":"press-1"}'), other, address="192.0.2.9")
    assert device_tokens.holder(token) == device
    keychange.accept(KeyChangeRequest.objects.get(), by=root)
    assert device_tokens.holder(token) is None


def test_a_token_ends_after_an_hour_and_the_leeway(enrol: Enrol) -> None:
    with time_machine.travel(1_800_000_000, tick=False) as clock:
        device = enrol()
        token = device_tokens.issue(device)
        clock.shift(device_tokens.LIFETIME + signing.LEEWAY - 1)
        assert device_tokens.holder(token) == device
        clock.shift(2)
        assert device_tokens.holder(token) is None


def test_a_token_for_another_purpose_is_no_device_token(enrol: Enrol) -> None:
    device = enrol()
    good = signing.verified(
        device_tokens.issue(device), audience=device_tokens.AUDIENCE, issuer=conf.settings.PUBLIC_URL
    )
    assert device_tokens.holder(signing.sign(good)) == device
    for wrong in (
        {"aud": "app"},
        {"iss": "https://other.example"},
        {"sub": "press-9"},
        {"sub": "\x00"},
        {"grant": "x"},
    ):
        assert device_tokens.holder(signing.sign({**good, **wrong})) is None
    for missing in ("sub", "grant", "jti", "iat", "exp", "aud", "iss"):
        assert device_tokens.holder(signing.sign({k: v for k, v in good.items() if k != missing})) is None


@given(text=st.text(max_size=300))
@settings(max_examples=many(100))
def test_any_other_text_is_nobodys_token(db: Any, text: str) -> None:
    assert device_tokens.holder(text) is None
