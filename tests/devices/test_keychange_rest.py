"""Key changes over REST: both fingerprints are shown, and the decision is the rule's."""

from collections.abc import Callable

import pytest
from rest_framework.test import APIClient

from devices import keychange, keys
from devices.models import Device, KeyChangeRequest
from portal.actor import Actor
from portal.models import AuditEvent
from portal.scopes import Scope
from tests.conftest import MenderDevice

CHANGES = "/api/v1/key-changes"
Rest = Callable[..., APIClient]


@pytest.fixture
def change(make_device: Callable[..., Device], mender_device: Callable[..., MenderDevice]) -> KeyChangeRequest:
    """An accepted device has come with another key."""
    device = make_device("press-1", key=mender_device().pem, status="accepted")
    opened = keychange.propose(device, keys.read(mender_device().pem), by=Actor.device("press-1", "192.0.2.7"))
    assert opened
    return opened


def test_both_fingerprints_and_where_it_came_from_are_shown(rest: Rest, change: KeyChangeRequest) -> None:
    client = rest(Scope.DEVICES_READ)
    (shown,) = client.get(CHANGES, {"state": "open", "device": "press-1"}).json()["results"]
    assert (shown["device"], shown["state"], shown["seen_from"]) == ("press-1", "open", "192.0.2.7")
    assert shown["present_fingerprint"] == Device.objects.get().fingerprint != shown["new_fingerprint"]
    assert client.get(f"{CHANGES}/{change.pk}").json() == shown
    for query in ({"state": "accepted"}, {"device": "press-2"}):
        assert client.get(CHANGES, query).json()["results"] == []
    assert client.get(CHANGES, {"state": "shut"}).status_code == 400


def test_the_new_key_counts_once_it_is_accepted(rest: Rest, change: KeyChangeRequest) -> None:
    client = rest(Scope.DEVICES_ADMIT)
    answer = client.post(f"{CHANGES}/{change.pk}/accept", {"reason": "board replaced"}, format="json")
    assert (answer.status_code, answer.json()["state"]) == (200, "accepted")
    assert Device.objects.get().fingerprint == change.new_fingerprint
    assert AuditEvent.objects.get(verb="key_change.accepted").reason == "board replaced"
    again = client.post(f"{CHANGES}/{change.pk}/refuse", {}, format="json")
    assert (again.status_code, again.json()["code"]) == (409, "key_change_not_open")


def test_a_key_that_is_refused_never_counts(rest: Rest, change: KeyChangeRequest) -> None:
    answer = rest(Scope.DEVICES_ADMIT).post(f"{CHANGES}/{change.pk}/refuse", {}, format="json")
    assert (answer.status_code, answer.json()["state"]) == (200, "refused")
    assert Device.objects.get().fingerprint == change.present_fingerprint


@pytest.mark.parametrize("number", ["0", "999999999999999999"])
def test_one_that_is_not_there_is_a_404_with_a_sentence(rest: Rest, change: KeyChangeRequest, number: str) -> None:
    answer = rest(Scope.DEVICES_ADMIT).post(f"{CHANGES}/{number}/accept", {}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (404, "key_change_not_found")
