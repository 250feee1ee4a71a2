"""What a device stores here: system information, steps of updates and states of apps, what is kept and what is not."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devices import app_states, denial, device_time, records, system_info, update_events
from devices.models import AppState, Device, Inventory, SystemInfo, UpdateEvent
from portal.actor import Actor
from portal.models import AuditEvent
from portal.refusal import Invalid
from tests.amount import many

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
SENT_AT = "2026-11-25T11:59:30.123456789+01:00"

# Anything that JSON from a stranger can be once the door has taken it.
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"))
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
# The same, with a good part of what is meant, so that the rules get further than their first look.
EVENTS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "id": st.sampled_from(["a", "b", "", "x" * 128, "x" * 129]) | ANYTHING,
            "deviceTime": st.sampled_from([SENT_AT, "0001-01-01T00:00:00+23:59", "2026-02-30T00:00:00Z"]) | ANYTHING,
            "event": st.fixed_dictionaries(
                {},
                optional={"correlationId": st.sampled_from(["u-1", "u/1", ""]) | ANYTHING, "details": ANYTHING}
                | {"success": ANYTHING, "version": ANYTHING},
            )
            | ANYTHING,
            "eventType": ANYTHING,
        },
    )
    | ANYTHING,
    max_size=6,
)
STATES = (
    st.fixed_dictionaries(
        {},
        optional={
            "deviceTime": st.just(SENT_AT) | ANYTHING,
            "ostree": TEXTS | ANYTHING,
            "apps": st.dictionaries(
                TEXTS,
                st.fixed_dictionaries({}, optional={"uri": TEXTS, "state": ANYTHING, "services": st.lists(ANYTHING)})
                | ANYTHING,
                max_size=3,
            )
            | ANYTHING,
        },
    )
    | ANYTHING
)
generated = settings(max_examples=many(60), suppress_health_check=list(HealthCheck))


@pytest.fixture
def device(make_device: Callable[..., Device]) -> Device:
    return make_device(status="accepted")


def event(event_id: Any = "e-1", correlation_id: Any = "u-1", at: Any = SENT_AT, **said: Any) -> dict[str, Any]:
    return {
        "id": event_id,
        "deviceTime": at,
        "event": {"correlationId": correlation_id, "ecu": "main", "targetName": "lmp-118", "version": "118", **said},
        "eventType": {"id": "EcuInstallationCompleted", "version": 0},
    }


def apps(number: int = 1, **facts: Any) -> dict[str, Any]:
    service = {"name": "db", "hash": "6b3e", "health": "healthy", "image": "db:1", "state": "running", "status": "Up"}
    app = {"uri": "hub/app@sha256:1", "state": "healthy", "services": [service]}
    return {"deviceTime": SENT_AT, "ostree": f"o-{number}", "apps": {"historian": app}, **facts}


def kept() -> list[str]:
    return list(UpdateEvent.objects.order_by("pk").values_list("event_id", flat=True))


class TestSystemInfo:
    def test_each_text_is_kept_as_it_was_sent_beside_the_others(self, device: Device) -> None:
        hardware, network = '{ "id":"x", "id":"y" }', '{"hostname":"press-1", "more": [1]}'
        system_info.put_hardware(device, hardware)
        system_info.put_network(device, network)
        system_info.put_config(device, "[tls]\r\nü")
        info = SystemInfo.objects.get()
        assert (info.hardware, info.network, info.config) == (hardware, network, "[tls]\r\nü")
        system_info.put_hardware(device, "5")
        assert SystemInfo.objects.get().hardware == "5"
        assert not AuditEvent.objects.exists()

    @pytest.mark.parametrize("text", ["", "{", "NaN", '"\\ud800"', '{"a":"\\u0000"}', "[" * 40 + "]" * 40, "1e999"])
    def test_hardware_that_is_no_json_is_refused_and_what_was_there_stays(self, device: Device, text: str) -> None:
        system_info.put_hardware(device, "{}")
        with pytest.raises(Invalid):
            system_info.put_hardware(device, text)
        assert SystemInfo.objects.get().hardware == "{}"

    @pytest.mark.parametrize(
        ("text", "field"),
        [
            ("[]", "body"),
            ("{", "body"),
            ('{"hostname":1}', "hostname"),
            ('{"mac":null}', "mac"),
            ('{"local_ipv4":["10.0.0.1"]}', "local_ipv4"),
        ],
    )
    def test_a_network_is_an_object_whose_known_members_are_texts(self, device: Device, text: str, field: str) -> None:
        with pytest.raises(Invalid) as refused:
            system_info.put_network(device, text)
        assert list(refused.value.invalid or ()) == [field]
        assert not SystemInfo.objects.exists()

    def test_a_configuration_holds_no_nul(self, device: Device) -> None:
        with pytest.raises(Invalid):
            system_info.put_config(device, "a\0b")

    def test_the_same_text_once_more_writes_nothing(self, device: Device) -> None:
        system_info.put_config(device, "a")
        with CaptureQueriesContext(
            connection,
        ) as asked:
            system_info.put_config(device, "a")
        assert not [query for query in asked.captured_queries if query["sql"].startswith(("INSERT", "UPDATE"))]


class TestEvents:
    def test_what_is_read_is_kept_with_its_time_and_the_members_that_are_known(self, device: Device) -> None:
        sent = event(success=True, details="done", other=[1], ecu={"a": 1}) | {"more": 1}
        update_events.report(device, [sent])
        row = UpdateEvent.objects.get()
        assert (row.event_id, row.correlation_id) == ("e-1", "u-1")
        assert row.device_time == datetime(2026, 11, 25, 10, 59, 30, 123456, tzinfo=UTC)
        assert row.body == {
            "event": {
                "correlationId": "u-1", "targetName": "lmp-118", "version": "118", "success": True, "details": "done"
            },
            "eventType": {"id": "EcuInstallationCompleted", "version": 0},
        }  # fmt: skip

    @pytest.mark.parametrize(
        "skipped",
        [
            None,
            5,
            "text",
            [],
            {},
            event(""),
            event("x" * 129),
            event(7),
            event(None),
            event(correlation_id="a b"),
            event(correlation_id="x" * 129),
            event(correlation_id="u-1\n"),
            event(correlation_id="ü"),
            {"id": "e-9"},
            event() | {"event": []},
        ],
    )
    def test_an_item_that_is_none_is_skipped_and_the_others_are_kept(self, device: Device, skipped: Any) -> None:
        update_events.report(device, [event("a"), skipped, event("b")])
        assert kept() == ["a", "b"]

    @pytest.mark.parametrize("at", [None, 5, "", "yesterday", "2026-02-30T00:00:00Z", "2026-11-25T12:00:00"])
    def test_an_unreadable_time_is_the_time_of_receipt(self, device: Device, at: Any) -> None:
        with time_machine.travel(NOON, tick=False):
            update_events.report(device, [event(at=at)])
        row = UpdateEvent.objects.get()
        assert (row.device_time, row.received_at) == (NOON, NOON)

    def test_an_id_that_is_known_is_not_stored_again(self, device: Device, make_device: Callable[..., Device]) -> None:
        update_events.report(device, [event("a", version="1"), event("a", version="2"), event("b")])
        update_events.report(device, [event("b", version="3"), event("c"), event("a")])
        assert kept() == ["a", "b", "c"]
        assert UpdateEvent.objects.get(event_id="a").body["event"]["version"] == "1"
        update_events.report(make_device("press-2", status="accepted"), [event("a")])
        assert kept() == ["a", "b", "c", "a"]

    def test_the_updates_heard_of_last_are_kept_twenty_of_them(self, device: Device) -> None:
        update_events.report(device, [event(f"e-{n}", f"u-{n}") for n in range(20)])
        update_events.report(device, [event("again", "u-0")])
        update_events.report(device, [event("new", "u-20"), event("newer", "u-21")])
        updates = set(UpdateEvent.objects.values_list("correlation_id", flat=True))
        assert updates == {f"u-{n}" for n in range(22)} - {"u-1", "u-2"}

    def test_of_an_update_the_newest_two_hundred_events_are_kept(
        self, device: Device, make_device: Callable[..., Device]
    ) -> None:
        other = make_device("press-2", status="accepted")
        for one in (device, other):
            update_events.report(one, [event(f"e-{n}") for n in range(150)])
        update_events.report(device, [event(f"f-{n}") for n in range(150)])
        newest = [f"e-{n}" for n in range(100, 150)] + [f"f-{n}" for n in range(150)]
        assert [each.event_id for each in UpdateEvent.objects.filter(device=device).order_by("pk")] == newest
        assert UpdateEvent.objects.filter(device=other).count() == 150

    def test_however_many_are_sent_it_takes_as_many_statements(self, device: Device) -> None:
        taken = []
        for number, most in enumerate((3, 1200)):
            with CaptureQueriesContext(connection) as asked:
                update_events.report(device, [event(f"{number}-{n}", f"u-{n % 40}") for n in range(most)])
            taken.append(len(asked))
        assert max(taken) <= 10

    def test_a_text_is_kept_to_a_length_so_that_no_event_is_large(self, device: Device) -> None:
        update_events.report(device, [event(details="ü" * 90_000, version="9" * 90_000, success="x" * 999)])
        row = UpdateEvent.objects.get()
        assert len(row.body["event"]["details"]) == 2000
        assert len(json.dumps(row.body, ensure_ascii=False)) < 3000


class TestAppStates:
    def test_a_report_is_kept_without_what_is_unknown_or_null(self, device: Device) -> None:
        sent = apps(more=1)
        sent["apps"]["historian"] |= {"x": 1}
        sent["apps"]["historian"]["services"][0] |= {"logs": None, "x": 1}
        app_states.report(device, sent)
        row = AppState.objects.get()
        assert (row.ostree, row.apps) == ("o-1", apps()["apps"])
        assert row.device_time == datetime(2026, 11, 25, 10, 59, 30, 123456, tzinfo=UTC)

    def test_there_may_be_no_apps(self, device: Device) -> None:
        for said in ({"deviceTime": "1970-01-01T00:00:00Z"}, apps(apps=None, ostree=None), apps(apps={"a": None})):
            app_states.report(device, said)
        assert [row.apps for row in AppState.objects.order_by("pk")] == [{}, {}, {"a": {"services": []}}]

    @pytest.mark.parametrize(
        ("sent", "field"),
        [
            ([], "body"),
            (None, "body"),
            ({}, "deviceTime"),
            (apps(deviceTime="2026-11-25"), "deviceTime"),
            (apps(deviceTime=1763805600), "deviceTime"),
            (apps(ostree=5), "ostree"),
            (apps(ostree="x" * 1025), "ostree"),
            (apps(apps=["a"]), "apps"),
            (apps(apps={"a": "x"}), "apps.a"),
            (apps(apps={"a": {"state": 5}}), "apps.a"),
            (apps(apps={"a": {"services": {"name": "x"}}}), "apps.a"),
            (apps(apps={"a": {"services": False}}), "apps.a"),
            (apps(apps={"a": {"services": ""}}), "apps.a"),
            (apps(apps={"a": {"services": ["x"]}}), "apps.a"),
            (apps(apps={"a": {"services": [{"image": {}}]}}), "apps.a"),
        ],
    )
    def test_what_is_no_report_is_refused_naming_the_member(self, device: Device, sent: Any, field: str) -> None:
        with pytest.raises(Invalid) as refused:
            app_states.report(device, sent)
        assert list(refused.value.invalid or ()) == [field]
        assert not AppState.objects.exists()

    def test_the_newest_ten_are_kept(self, device: Device, make_device: Callable[..., Device]) -> None:
        app_states.report(make_device("press-2", status="accepted"), apps(99))
        for number in range(12):
            app_states.report(device, apps(number))
        left = AppState.objects.filter(device=device).order_by("pk").values_list("ostree", flat=True)
        assert list(left) == [f"o-{number}" for number in range(2, 12)]
        assert AppState.objects.filter(device="press-2").exists()


class TestTime:
    @pytest.mark.parametrize(
        ("sent", "moment"),
        [
            ("2026-11-25T12:00:00Z", NOON),
            ("2026-11-25t12:00:00.000z", NOON),
            ("2026-11-25T13:30:00.0+01:30", NOON),
            ("1970-01-01T00:00:07Z", datetime(1970, 1, 1, 0, 0, 7, tzinfo=UTC)),
            ("2026-11-25 12:00:00Z", None),
            ("2026-11-25T12:00:00", None),
            ("2026-11-25T25:00:00Z", None),
            ("2026-11-25T12:00Z", None),
            ("٢٠٢٦-11-25T12:00:00Z", None),
            ("0001-01-01T00:00:00+00:01", None),
            ("9999-12-31T23:59:59-00:01", None),
            (b"2026-11-25T12:00:00Z", None),
            (1, None),
        ],
    )
    def test_a_moment_is_rfc_3339_or_none(self, sent: object, moment: datetime | None) -> None:
        assert device_time.read(sent) == moment

    @given(st.datetimes(timezones=st.timezones()))
    def test_every_moment_that_is_written_so_is_read_back(self, moment: datetime) -> None:
        try:
            utc = moment.astimezone(UTC)
        except OverflowError:
            return
        sent = moment.isoformat()
        if len(sent.rpartition("+")[2]) == 5 or len(sent.rpartition("-")[2]) == 5:
            assert device_time.read(sent) == utc


class TestAnything:
    @generated
    @given(items=EVENTS)
    def test_whatever_events_hold_they_are_kept_or_skipped(self, device: Device, items: list[Any]) -> None:
        UpdateEvent.objects.all().delete()
        update_events.report(device, items)
        for row in UpdateEvent.objects.all():
            assert 1 <= len(row.event_id) <= 128
            assert len(json.dumps(row.body, ensure_ascii=False)) < 20_000

    @generated
    @given(sent=STATES)
    def test_whatever_a_report_holds_it_is_kept_or_refused(self, device: Device, sent: Any) -> None:
        AppState.objects.all().delete()
        try:
            app_states.report(device, sent)
        except Invalid:
            assert not AppState.objects.exists()
        else:
            [row] = AppState.objects.all()
            assert set(row.apps) == set(sent.get("apps") or {})

    @generated
    @given(text=TEXTS | ANYTHING.map(json.dumps))
    def test_whatever_is_uploaded_is_kept_as_it_was_sent_or_refused(self, device: Device, text: str) -> None:
        SystemInfo.objects.all().delete()
        for put, field in ((system_info.put_hardware, "hardware"), (system_info.put_network, "network")):
            try:
                put(device, text)
            except Invalid:
                assert not SystemInfo.objects.exclude(**{field: ""}).exists()
            else:
                assert getattr(SystemInfo.objects.get(), field) == text


STORE: dict[str, Callable[[Device], None]] = {
    "inventory": lambda device: records.report_inventory(device, {"os": "x"}, replace=True),
    "hardware": lambda device: system_info.put_hardware(device, "{}"),
    "network": lambda device: system_info.put_network(device, "{}"),
    "config": lambda device: system_info.put_config(device, "a"),
    "events": lambda device: update_events.report(device, [event()]),
    "apps": lambda device: app_states.report(device, apps()),
}
STORED = (Inventory, SystemInfo, UpdateEvent, AppState)


def stored() -> int:
    return sum(model.objects.count() for model in STORED)


@pytest.mark.parametrize("what", STORE)
@pytest.mark.parametrize(
    "facts",
    [{"status": status} for status in ("pending", "rejected", "preauthorized")]
    + [{"status": "accepted", "denied_at": NOON}],
    ids=["pending", "rejected", "preauthorized", "denied"],
)
def test_only_an_admitted_device_stores_anything(
    make_device: Callable[..., Device], what: str, facts: dict[str, Any]
) -> None:
    device = make_device(status="accepted")
    Device.objects.update(**facts, **({"denied_by": "ada"} if "denied_at" in facts else {}))
    with pytest.raises(records.NotAdmitted):
        STORE[what](device)
    assert stored() == 0


@pytest.mark.parametrize("what", STORE)
def test_a_purged_device_stores_nothing(device: Device, root: Actor, what: str) -> None:
    STORE[what](device)
    denial.purge(Device.objects.get(), by=root)
    assert stored() == 0
    with pytest.raises(records.NotAdmitted):
        STORE[what](device)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("what", STORE)
@pytest.mark.parametrize("end", ["deny", "purge"])
def test_nothing_is_stored_behind_a_denial_or_a_purge(
    make_device: Callable[..., Device], root: Actor, at_once: Callable[..., list[Any]], what: str, end: str
) -> None:
    for number in range(4):
        device = make_device(f"press-{number}", status="accepted")
        ended = Device.objects.get(pk=device.pk)
        outcomes = at_once(
            lambda device=device: STORE[what](device),
            lambda ended=ended: getattr(denial, end)(ended, by=root),
            lambda device=device: STORE[what](device),
        )
        assert outcomes[1] is None
        assert stored() == 0


@pytest.mark.django_db(transaction=True)
def test_an_event_reported_twice_at_once_is_kept_once(
    make_device: Callable[..., Device], at_once: Callable[..., list[Any]]
) -> None:
    device = make_device(status="accepted")
    sent = [event(f"e-{n}") for n in range(20)]
    assert at_once(*(lambda: update_events.report(device, sent) for _ in range(4))) == [None] * 4
    assert kept() == [f"e-{n}" for n in range(20)]
