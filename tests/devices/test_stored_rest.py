"""What is stored for a device over REST: its configuration is put down and read, what it reported is shown."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from rest_framework.test import APIClient

from devices import app_states, configs, denial, records, system_info, update_events
from devices.models import CheckIn, Device, DeviceConfig
from portal.actor import Actor
from portal.models import AuditEvent
from portal.scopes import Scope
from tests.devices.test_stored_data import apps, event

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
DEVICE = "/api/v1/devices/press-1"
CONFIG = f"{DEVICE}/config"
FILES = {"motd": {"Value": "hello"}, "wg.conf": {"Value": "psk", "Unencrypted": True, "OnChanged": ["/bin/wg", "up"]}}
OTHERS = ["check-in", "system-info", "inventory", "events", "apps-states"]

Rest = Callable[..., APIClient]


@pytest.fixture
def device(make_device: Callable[..., Device]) -> Device:
    return make_device(status="accepted", last_seen=NOON)


@pytest.fixture
def client(rest: Rest) -> APIClient:
    return rest(Scope.DEVICES_READ, Scope.DEVICES_UPDATE)


def put(client: APIClient, files: Any = FILES, path: str = CONFIG, **facts: Any) -> Any:
    headers = facts.pop("headers", None)
    return client.put(path, {"files": files, **facts}, format="json", headers=headers)


def refused(answer: Any, status: int, code: str) -> dict[str, Any]:
    body: dict[str, Any] = answer.json()
    assert (answer.status_code, body["code"]) == (status, code)
    return body


@pytest.mark.usefixtures("device")
class TestConfig:
    def test_files_are_put_down_and_read_with_their_version(self, client: APIClient) -> None:
        answer = put(client, reason="hall 3")
        made = answer.json()
        assert (answer.status_code, made["files"], made["changed_by"]) == (200, FILES, "token test")
        assert answer["ETag"] == f'"{made["version"]}"'
        read = client.get(CONFIG)
        assert (read.status_code, read.json(), read["ETag"]) == (200, made, answer["ETag"])
        assert AuditEvent.objects.get(verb="device.config_changed").reason == "hall 3"

    def test_what_the_caller_holds_already_is_not_sent_again(self, client: APIClient) -> None:
        tag = put(client)["ETag"]
        again = client.get(CONFIG, headers={"If-None-Match": tag})
        assert (again.status_code, again.content, again["ETag"]) == (304, b"", tag)

    def test_only_what_the_caller_has_seen_is_changed(self, client: APIClient) -> None:
        refused(put(client, headers={"If-Match": '"x"'}), 412, "precondition_failed")
        refused(client.delete(CONFIG, headers={"If-Match": '"x"'}), 412, "precondition_failed")
        first = put(client)["ETag"]
        second = put(client, {"motd": {"Value": "x"}}, headers={"If-Match": first})
        assert second.status_code == 200
        refused(put(client, headers={"If-Match": first}), 412, "precondition_failed")
        refused(client.delete(CONFIG, headers={"If-Match": first}), 412, "precondition_failed")
        assert client.delete(CONFIG, headers={"If-Match": second["ETag"]}).status_code == 204
        assert put(client, headers={"If-Match": "*"}).status_code == 200

    def test_the_same_files_once_more_change_nothing(self, client: APIClient) -> None:
        first = put(client)
        again = put(client, reason="once more")
        assert (again.json(), again["ETag"]) == (first.json(), first["ETag"])
        assert AuditEvent.objects.filter(verb="device.config_changed").count() == 1

    def test_it_is_taken_away_and_then_there_is_none(self, client: APIClient) -> None:
        refused(client.get(CONFIG), 404, "config_not_found")
        refused(client.delete(CONFIG), 404, "config_not_found")
        put(client)
        assert "reason" in refused(client.delete(CONFIG, {"reason": "old"}, format="json"), 400, "invalid")["invalid"]
        answer = client.delete(CONFIG)
        assert (answer.status_code, answer.content) == (204, b"")
        refused(client.get(CONFIG), 404, "config_not_found")

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({}, "files"),
            ({"files": None}, "files"),
            ({"files": {}}, "files"),
            ({"files": []}, "files"),
            ({"files": {"a/b": {"Value": ""}}}, "files"),
            ({"files": {"a": {"Value": 5}}}, "files.a.Value"),
            ({"files": {"a": {"Value": "", "mode": "0600"}}}, "files.a.mode"),
            ({"files": FILES, "reason": 5}, "reason"),
            ({"files": FILES, "reasons": ""}, "reasons"),
            ({"files": {f"f{n}": {"Value": "x" * 60_000} for n in range(5)}}, "files"),
        ],
    )
    def test_what_is_wrong_is_named_and_nothing_is_changed(self, client: APIClient, body: Any, field: str) -> None:
        answer = client.put(CONFIG, body, format="json")
        assert list(refused(answer, 400, "invalid")["invalid"]) == [field]
        assert not DeviceConfig.objects.exists()

    def test_a_device_that_waits_gets_its_own_ahead_and_a_denied_one_none(
        self, client: APIClient, make_device: Callable[..., Device]
    ) -> None:
        for status in ("pending", "rejected", "preauthorized"):
            make_device(status, status=status)
            assert put(client, path=f"/api/v1/devices/{status}/config").status_code == 200
        denial.deny(Device.objects.get(pk="pending"), by=Actor.command("test"))
        refused(client.get("/api/v1/devices/pending/config"), 404, "config_not_found")
        refused(put(client, path="/api/v1/devices/pending/config"), 409, "device_denied")

    def test_to_read_and_to_change_it_are_two_scopes(self, rest: Rest) -> None:
        refused(put(rest(Scope.DEVICES_READ)), 403, "scope_missing")
        refused(rest(Scope.DEVICES_READ).delete(CONFIG), 403, "scope_missing")
        refused(rest(Scope.DEVICES_UPDATE).get(CONFIG), 403, "scope_missing")
        assert put(rest(Scope.DEVICES_UPDATE)).status_code == 200

    def test_a_seal_that_does_not_open_is_said_and_no_fault(self, client: APIClient) -> None:
        put(client)
        DeviceConfig.objects.update(sealed="broken")
        refused(client.get(CONFIG), 503, "sealed_secret_broken")


class TestReported:
    def test_a_device_that_reported_nothing_has_empty_members(self, client: APIClient, device: Device) -> None:
        nothing = {"results": [], "next": None, "previous": None}
        check_in = {"target": "", "tag": "", "apps": [], "ostree_hash": "", "last_seen": "2026-11-25T12:00:00Z"}
        answers = {
            "check-in": check_in,
            "system-info": {"hardware": "", "network": "", "config": ""},
            "inventory": {"attributes": {}, "reported_at": None},
            "events": nothing,
            "apps-states": nothing,
        }
        assert {name: client.get(f"{DEVICE}/{name}").json() for name in OTHERS} == answers

    def test_what_it_said_and_uploaded_is_shown(self, client: APIClient, device: Device) -> None:
        CheckIn.objects.create(device=device, target="t-1", tag="main", apps="a, b,,", ostree_hash="6b")
        system_info.put_hardware(device, '{ "id": 1 }')
        system_info.put_network(device, "{}")
        system_info.put_config(device, "[tls]\n")
        records.report_inventory(device, {"os": "linux", "macs": ["a", "b"]}, replace=True)
        said = client.get(f"{DEVICE}/check-in").json()
        assert (said["target"], said["tag"], said["apps"], said["ostree_hash"]) == ("t-1", "main", ["a", "b"], "6b")
        info = {"hardware": '{ "id": 1 }', "network": "{}", "config": "[tls]\n"}
        assert client.get(f"{DEVICE}/system-info").json() == info
        assert client.get(f"{DEVICE}/inventory").json()["attributes"] == {"os": "linux", "macs": ["a", "b"]}

    def test_steps_of_updates_come_in_pages_the_latest_first_and_of_one_update(
        self, client: APIClient, device: Device, make_device: Callable[..., Device]
    ) -> None:
        update_events.report(make_device("press-2", status="accepted"), [event("other")])
        update_events.report(device, [event(f"e-{n}", f"u-{n % 2}", success=n == 4) for n in range(5)])
        first = client.get(f"{DEVICE}/events", {"limit": 3}).json()
        second = client.get(first["next"]).json()
        assert [each["id"] for each in first["results"] + second["results"]] == ["e-4", "e-3", "e-2", "e-1", "e-0"]
        assert first["results"][0] == {
            "id": "e-4",
            "correlation_id": "u-0",
            "device_time": "2026-11-25T10:59:30.123456Z",
            "received_at": first["results"][0]["received_at"],
            "event": {"ecu": "main", "targetName": "lmp-118", "version": "118", "success": True},
            "event_type": {"id": "EcuInstallationCompleted", "version": 0},
        }
        of_one = client.get(f"{DEVICE}/events", {"correlation_id": "u-1"}).json()["results"]
        assert [each["id"] for each in of_one] == ["e-3", "e-1"]
        refused(client.get(f"{DEVICE}/events", {"update": "u-1"}), 400, "invalid")

    def test_states_of_apps_come_the_latest_first(self, client: APIClient, device: Device) -> None:
        for number in range(3):
            app_states.report(device, apps(number))
        shown = client.get(f"{DEVICE}/apps-states").json()["results"]
        assert [each["ostree"] for each in shown] == ["o-2", "o-1", "o-0"]
        assert shown[0]["apps"] == apps()["apps"]

    @pytest.mark.parametrize("name", ["config", *OTHERS])
    def test_an_unknown_device_is_a_404_and_reading_needs_the_scope(
        self, rest: Rest, client: APIClient, device: Device, name: str
    ) -> None:
        refused(client.get(f"/api/v1/devices/press-9/{name}"), 404, "device_not_found")
        refused(rest(*(set(Scope) - {Scope.DEVICES_READ})).get(f"{DEVICE}/{name}"), 403, "scope_missing")
        refused(APIClient().get(f"{DEVICE}/{name}"), 401, "not_authenticated")

    def test_of_a_denied_device_the_check_in_alone_is_left(
        self, client: APIClient, device: Device, root: Actor
    ) -> None:
        CheckIn.objects.create(device=device, target="t-1")
        configs.put(device, FILES, by=root)
        system_info.put_hardware(device, "{}")
        update_events.report(device, [event()])
        app_states.report(device, apps())
        denial.deny(device, by=root)
        assert client.get(f"{DEVICE}/check-in").json()["target"] == "t-1"
        assert client.get(f"{DEVICE}/system-info").json()["hardware"] == ""
        for name in ("events", "apps-states"):
            assert client.get(f"{DEVICE}/{name}").json()["results"] == []
