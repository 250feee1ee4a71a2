"""Many devices at once, If-Match, Idempotency-Key, counts, search and history over the native REST."""

from collections.abc import Callable

import pytest
from rest_framework.test import APIClient

from devices.models import Device
from portal.models import AuditEvent
from portal.scopes import Scope
from tests.conftest import MenderDevice

Rest = Callable[..., APIClient]
Make = Callable[..., Device]


def test_one_refused_device_voids_no_other(rest: Rest, make_device: Make) -> None:
    make_device("press-1")
    make_device("press-2", status="accepted", decided_by="otto")
    answer = rest(Scope.DEVICES_ADMIT).post(
        "/api/v1/device-decisions",
        {"ids": ["press-1", "press-2", "press-3", "press-1"], "decision": "accept", "reason": "checked"},
        format="json",
    )
    assert answer.status_code == 200
    outcomes = answer.json()["outcomes"]
    assert [(one["id"], one["status"], one["code"]) for one in outcomes] == [
        ("press-1", "accepted", ""),
        ("press-2", "accepted", "admission_not_possible"),
        ("press-3", "", "device_not_found"),
    ]
    assert Device.objects.get(pk="press-1").status == "accepted"
    assert AuditEvent.objects.get(verb="device.accepted").reason == "checked"


def test_a_filter_means_what_it_finds_now(rest: Rest, make_device: Make) -> None:
    for number in (1, 2):
        make_device(f"press-{number}", {"site": "hall-3", "serial": f"{number}"})
    make_device("press-3", {"site": "hall-4"})
    chosen = {"filter": {"status": "pending", "q": "hall-3"}, "decision": "reject"}
    answer = rest(Scope.DEVICES_ADMIT).post("/api/v1/device-decisions", chosen, format="json")
    assert [one["id"] for one in answer.json()["outcomes"]] == ["press-1", "press-2"]
    assert Device.objects.get(pk="press-3").status == "pending"


def test_denying_many_needs_the_scope_of_denying(rest: Rest, make_device: Make) -> None:
    make_device("press-1")
    asked = {"ids": ["press-1"], "decision": "deny"}
    refused = rest(Scope.DEVICES_ADMIT).post("/api/v1/device-decisions", asked, format="json")
    assert (refused.status_code, refused.json()["code"]) == (403, "scope_missing")
    assert not Device.objects.get(pk="press-1").is_denied
    done = rest(Scope.DEVICES_ADMIT, Scope.DEVICES_DELETE).post("/api/v1/device-decisions", asked, format="json")
    assert done.json()["outcomes"][0]["status"] == "denied"


@pytest.mark.parametrize(
    "body",
    [
        {"decision": "accept"},
        {"ids": ["a"], "filter": {}, "decision": "accept"},
        {"ids": ["a"], "decision": "purge"},
        {"ids": ["a"] * 10_001, "decision": "accept"},
        {"ids": "a", "decision": "accept"},
        {"ids": ["a"], "decision": "accept", "reason": "\u202e"},
    ],
)
def test_what_names_no_devices_or_no_decision_decides_nothing(rest: Rest, make_device: Make, body: object) -> None:
    make_device("a")
    answer = rest(Scope.DEVICES_ADMIT).post("/api/v1/device-decisions", body, format="json")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert Device.objects.get(pk="a").status == "pending"


def test_if_match_decides_only_on_what_was_seen(rest: Rest, make_device: Make) -> None:
    make_device("press-1")
    client = rest(Scope.DEVICES_READ, Scope.DEVICES_ADMIT)
    seen = client.get("/api/v1/devices/press-1")["ETag"]
    assert client.get("/api/v1/devices/press-1", headers={"If-None-Match": seen}).status_code == 304
    first = client.post("/api/v1/devices/press-1/accept", headers={"If-Match": seen})
    assert (first.status_code, first["ETag"] != seen) == (200, True)
    second = client.post("/api/v1/devices/press-1/reject", headers={"If-Match": seen})
    assert (second.status_code, second.json()["code"]) == (412, "precondition_failed")
    assert Device.objects.get(pk="press-1").status == "accepted"


def test_a_creation_sent_again_under_its_key_is_done_once(
    rest: Rest, mender_device: Callable[..., MenderDevice]
) -> None:
    body = {"identity": '{"mac": "1"}', "key": mender_device().pem}
    client = rest(Scope.DEVICES_ADMIT)
    first = client.post("/api/v1/devices", body, format="json", headers={"Idempotency-Key": "k1"})
    again = client.post("/api/v1/devices", body, format="json", headers={"Idempotency-Key": "k1"})
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.json() == first.json()
    assert again["Idempotency-Replayed"] == "true"
    assert again["Location"] == first["Location"]
    other = client.post("/api/v1/devices", {**body, "identity": '{"mac": "2"}'}, format="json",
                        headers={"Idempotency-Key": "k1"})  # fmt: skip
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    assert client.post("/api/v1/devices", body, format="json").status_code == 409
    assert Device.objects.count() == 1


def test_counts_are_what_counting_finds(rest: Rest, make_device: Make) -> None:
    for number, status in enumerate(["pending", "accepted", "accepted", "rejected", "preauthorized"]):
        make_device(f"press-{number}", status=status)
    rest(Scope.DEVICES_DELETE).post("/api/v1/devices/press-1/deny")
    Device.objects.filter(pk="press-0").update(status="rejected")
    Device.objects.get(pk="press-3").delete()
    counted = rest(Scope.DEVICES_READ).get("/api/v1/device-counts").json()
    present = {status: Device.objects.present().filter(status=status).count() for status in list(counted)[:4]}
    assert counted == {**present, "denied": 1, "all": 3}


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("press-1", ["press-1"]),
        ("press", ["press-1", "press-2"]),
        ("hall-3", ["press-1"]),
        ("HALL", ["press-1", "press-2"]),
        ("ALL-4", ["press-2"]),
        ('"site"', ["press-1", "press-2"]),
        ("100%", []),
        ("_all", []),
        ("zz", []),
    ],
)
def test_the_list_finds_ids_and_parts_of_identities(
    rest: Rest, make_device: Make, wanted: str, found: list[str]
) -> None:
    make_device("press-1", {"site": "hall-3"})
    make_device("press-2", {"site": "hall-4"})
    listed = rest(Scope.DEVICES_READ).get("/api/v1/devices", {"q": wanted}).json()["results"]
    assert [device["id"] for device in listed] == found


def test_the_history_of_a_device_outlives_its_record(rest: Rest, make_device: Make) -> None:
    make_device("press-1")
    client = rest(Scope.DEVICES_READ, Scope.DEVICES_ADMIT, Scope.DEVICES_DELETE)
    client.post("/api/v1/devices/press-1/accept")
    client.post("/api/v1/devices/press-1/purge", {"reason": "scrapped"}, format="json")
    history = client.get("/api/v1/devices/press-1/history").json()["results"]
    assert [(row["verb"], row["reason"]) for row in history] == [("device.purged", "scrapped"), ("device.accepted", "")]


def test_the_audit_trail_is_read_by_what_it_is_about(rest: Rest, make_device: Make) -> None:
    make_device("press-1")
    rest(Scope.DEVICES_ADMIT).post("/api/v1/devices/press-1/accept", headers={"X-Request-Id": "story-7"})
    reader = rest(Scope.AUDIT_READ)
    (row,) = reader.get("/api/v1/audit", {"request_id": "story-7"}).json()["results"]
    assert (row["verb"], row["subject_id"], row["before"], row["after"]) == (
        "device.accepted", "press-1", {"status": "pending"}, {"status": "accepted"},
    )  # fmt: skip
    assert reader.get("/api/v1/audit", {"verb": "nothing"}).json()["results"] == []


@pytest.mark.parametrize("name", ["actor", "verb", "subject_kind", "subject_id", "request_id"])
@pytest.mark.parametrize("value", ["\x00", "\u202e", "a" * 201])
def test_a_filter_of_the_audit_trail_that_no_row_could_hold_is_refused(rest: Rest, name: str, value: str) -> None:
    answer = rest(Scope.AUDIT_READ).get("/api/v1/audit", {name: value})
    assert (answer.status_code, list(answer.json()["invalid"])) == (400, [name])
