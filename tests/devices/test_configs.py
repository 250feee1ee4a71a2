"""The configuration of a device: what files may be, who puts them down, and that nothing tells what is in them."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devices import admission, config_files, configs, denial
from devices.models import Device, DeviceConfig
from portal import audit, sealing
from portal.actor import Actor
from portal.models import AuditEvent, Outbox, User
from portal.refusal import Invalid
from tests.amount import many
from tests.devices.test_stored_data import ANYTHING

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
SECRET = "the-psk-of-hall-3"
WIREGUARD = {"Value": f"psk={SECRET}", "Unencrypted": True, "OnChanged": ["/usr/bin/reload", "wg0"]}
FILES = {"wireguard.conf": WIREGUARD, "motd": {"Value": "hello"}}


@pytest.fixture
def device(make_device: Callable[..., Device]) -> Device:
    return make_device(status="accepted")


def put(device: Device, files: Any, **facts: Any) -> configs.Config | None:
    return configs.put(device, files, by=Actor.command("test"), **facts)


class TestPut:
    @pytest.mark.parametrize("status", ["pending", "accepted", "rejected", "preauthorized"])
    def test_a_device_in_any_status_gets_its_files_ahead(
        self, make_device: Callable[..., Device], operator: User, status: str
    ) -> None:
        device = make_device(status=status)
        with time_machine.travel(NOON, tick=False):
            made = configs.put(device, FILES, by=Actor.person(operator), reason="hall 3 is rewired")
        assert made == configs.current(device)
        assert made
        assert (made.files, made.changed_at, made.changed_by) == (FILES, NOON, "otto")
        assert configs.head(device) == (made.version, NOON)
        row = AuditEvent.objects.get()
        assert (row.verb, row.subject_id, row.reason) == ("device.config_changed", "press-1", "hall 3 is rewired")
        assert row.after == {"added": ["motd", "wireguard.conf"]}
        assert Outbox.objects.get().body == {"device": "press-1", "by": "otto", "added": ["motd", "wireguard.conf"]}

    def test_the_history_names_what_came_changed_and_went(self, device: Device) -> None:
        put(device, FILES)
        put(device, {"motd": {"Value": "bye"}, "hosts": {"Value": ""}})
        row = AuditEvent.objects.latest("number")
        assert row.after == {"added": ["hosts"], "changed": ["motd"], "removed": ["wireguard.conf"]}

    def test_the_same_files_once_more_change_nothing(self, device: Device) -> None:
        first = put(device, FILES)
        told = {"Value": "hello", "Unencrypted": False, "OnChanged": []}
        assert put(device, {"motd": told, "wireguard.conf": dict(reversed(WIREGUARD.items()))}) == first
        assert AuditEvent.objects.count() == Outbox.objects.count() == 1

    def test_without_files_there_is_no_configuration(self, device: Device, root: Actor) -> None:
        put(device, FILES)
        configs.clear(device, by=root, reason="it is scrapped")
        assert configs.current(device) is configs.head(device) is None
        assert AuditEvent.objects.latest("number").after == {"removed": ["motd", "wireguard.conf"]}
        configs.clear(device, by=root)
        assert AuditEvent.objects.count() == 2
        with pytest.raises(configs.NoConfig):
            configs.find(device)

    def test_a_denied_device_gets_none_and_what_it_had_is_gone_after_restoring(
        self, device: Device, root: Actor
    ) -> None:
        put(device, FILES)
        denial.deny(device, by=root)
        assert configs.current(device) is None
        with pytest.raises(admission.Denied):
            put(device, FILES)
        with pytest.raises(admission.Denied):
            configs.clear(device, by=root)
        denial.restore(device, by=root)
        assert not DeviceConfig.objects.exists()

    def test_a_purged_device_gets_none(self, device: Device, root: Actor) -> None:
        put(device, FILES)
        denial.purge(Device.objects.get(), by=root)
        assert not DeviceConfig.objects.exists()
        with pytest.raises(admission.Unknown):
            put(device, FILES)

    def test_what_has_changed_since_is_not_overwritten_and_the_person_told_who_did(
        self, device: Device, operator: User, root: Actor
    ) -> None:
        with time_machine.travel(NOON, tick=False):
            first = configs.put(device, FILES, by=Actor.person(operator), seen="")
        assert first
        for seen in ("", "0" * 64):
            with pytest.raises(configs.Changed) as refused:
                put(device, {}, seen=seen)
        assert "since you looked, by otto at 2026-11-25 12:00:00 UTC" in str(refused.value)
        put(device, {"motd": {"Value": "x"}}, seen=first.version)
        configs.clear(device, by=root)
        with pytest.raises(configs.Changed, match="taken away"):
            put(device, FILES, seen=first.version)
        assert AuditEvent.objects.count() == 3

    def test_a_version_tells_files_apart_and_alike_ones_not(self, device: Device) -> None:
        versions = [
            config.version
            for files in (FILES, {"motd": {"Value": "x"}}, FILES, {"motd": {"Value": "x", "Unencrypted": True}})
            if (config := put(device, files))
        ]
        assert versions[0] == versions[2]
        assert len(set(versions)) == 3

    @pytest.mark.parametrize("reason", ["x" * 501, "a\u200bb"])
    def test_a_reason_that_is_none_is_refused(self, device: Device, reason: str) -> None:
        with pytest.raises(Invalid):
            put(device, FILES, reason=reason)
        assert not DeviceConfig.objects.exists()


class TestSecrecy:
    def test_no_value_stands_readable_in_the_database_nor_a_digest_of_it_in_the_history(self, device: Device) -> None:
        made = put(device, FILES)
        put(device, {"motd": {"Value": SECRET}})
        configs.clear(device, by=Actor.command("test"))
        made = put(device, FILES)
        assert made
        row = DeviceConfig.objects.get()
        assert SECRET not in row.sealed
        for told in (*AuditEvent.objects.values(), *Outbox.objects.values()):
            assert SECRET not in str(told)
            assert made.version not in str(told)

    def test_a_poll_opens_nothing_and_asks_once(self, device: Device) -> None:
        put(device, FILES)
        DeviceConfig.objects.update(sealed="broken")
        with CaptureQueriesContext(connection) as asked:
            assert configs.head(device)
        assert len(asked) == 1
        with pytest.raises(sealing.Broken):
            configs.current(device)


class TestFiles:
    @pytest.mark.parametrize("name", ["a", "A-Z_0.9", "..a", "...", "-", "x" * 128])
    def test_a_file_may_be_called_so(self, name: str) -> None:
        assert config_files.read({name: {"Value": ""}}) == {name: {"Value": ""}}

    @pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../a", "a b", "ü", "a\n", "a\0", "x" * 129, "٣"])
    def test_a_file_may_not_be_called_so(self, name: str) -> None:
        with pytest.raises(Invalid):
            config_files.read({name: {"Value": ""}})

    @pytest.mark.parametrize(
        ("file", "field"),
        [
            (None, "files.a"),
            ("text", "files.a"),
            ({}, "files.a.Value"),
            ({"Value": None}, "files.a.Value"),
            ({"Value": 5}, "files.a.Value"),
            ({"Value": "a\0"}, "files.a.Value"),
            ({"Value": "\ud800"}, "files.a.Value"),
            ({"Value": "x" * 65_537}, "files.a.Value"),
            ({"Value": "ü" * 32_769}, "files.a.Value"),
            ({"Value": "", "Unencrypted": "true"}, "files.a.Unencrypted"),
            ({"Value": "", "Unencrypted": 1}, "files.a.Unencrypted"),
            ({"Value": "", "Unencrypted": None}, "files.a.Unencrypted"),
            ({"Value": "", "OnChanged": "reload"}, "files.a.OnChanged"),
            ({"Value": "", "OnChanged": ["a"] * 17}, "files.a.OnChanged"),
            ({"Value": "", "OnChanged": [5]}, "files.a.OnChanged"),
            ({"Value": "", "OnChanged": [""]}, "files.a.OnChanged"),
            ({"Value": "", "OnChanged": ["x" * 257]}, "files.a.OnChanged"),
            ({"Value": "", "OnChanged": ["rm\u202e"]}, "files.a.OnChanged"),
            ({"Value": "", "value": ""}, "files.a.value"),
        ],
    )
    def test_what_is_wrong_with_a_file_is_named(self, file: Any, field: str) -> None:
        with pytest.raises(Invalid) as refused:
            config_files.read({"a": file})
        assert list(refused.value.invalid or ()) == [field]

    def test_the_whole_has_its_limits(self) -> None:
        largest = {"Value": "x" * 65_536, "Unencrypted": True, "OnChanged": ["x" * 256] * 16}
        assert len(config_files.read({f"f{n}": largest for n in range(3)})) == 3
        assert len(config_files.read({f"f{n}": {"Value": ""} for n in range(100)})) == 100
        for files in ({f"f{n}": largest for n in range(4)}, {f"f{n}": {"Value": ""} for n in range(101)}, [], "", None):
            with pytest.raises(Invalid) as refused:
                config_files.read(files)
            assert list(refused.value.invalid or ()) == ["files"]

    @settings(max_examples=many(80), suppress_health_check=list(HealthCheck))
    @given(
        sent=st.dictionaries(
            st.sampled_from(["a", "b.conf", ".."]) | st.text(max_size=5),
            st.fixed_dictionaries(
                {"Value": st.text(max_size=20) | ANYTHING},
                optional={"Unencrypted": st.booleans() | ANYTHING, "OnChanged": st.lists(st.text()) | ANYTHING},
            )
            | ANYTHING,
            max_size=3,
        )
        | ANYTHING
    )
    def test_whatever_is_sent_is_refused_or_given_out_as_it_was_sent(self, device: Device, sent: Any) -> None:
        try:
            made = put(device, sent)
        except Invalid:
            return
        given = made.files if made else {}
        assert set(given) == set(sent)
        for name, file in sent.items():
            assert given[name] == {member: value for member, value in file.items() if member == "Value" or value}
        assert configs.current(device) == made


@pytest.mark.django_db(transaction=True)
class TestRaces:
    def test_of_four_people_who_saw_the_same_one_puts_files_down(
        self, device: Device, at_once: Callable[..., list[Any]]
    ) -> None:
        outcomes = at_once(*(lambda n=n: put(device, {"a": {"Value": str(n)}}, seen="") for n in range(4)))
        made = [outcome for outcome in outcomes if isinstance(outcome, configs.Config)]
        assert made == [configs.current(device)]
        assert [type(outcome) for outcome in outcomes].count(configs.Changed) == 3
        assert AuditEvent.objects.count() == 1
        assert audit.verify().holds

    def test_no_files_are_put_down_behind_a_denial(
        self, make_device: Callable[..., Device], root: Actor, at_once: Callable[..., list[Any]]
    ) -> None:
        for number in range(6):
            device = make_device(f"press-{number}", status="accepted")
            denied = Device.objects.get(pk=device.pk)
            outcomes = at_once(
                lambda device=device: put(device, FILES),
                lambda denied=denied: denial.deny(denied, by=root),
                lambda device=device: put(device, {"motd": {"Value": "x"}}),
            )
            assert outcomes[1] is None
            assert not DeviceConfig.objects.exists()
