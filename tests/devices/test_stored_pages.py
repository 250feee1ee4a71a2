"""What is stored for a device on its page: its configuration with an editor, and what it reported, within bounds."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devices import app_states, configs, denial, records, stored_forms, system_info, update_events
from devices.models import AppState, CheckIn, Device, DeviceConfig, UpdateEvent
from portal.actor import Actor
from portal.models import AuditEvent, User
from tests.amount import many
from tests.devices.test_stored_data import apps, event

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
PAGE = "/portal/devices/press-1/"
PUT, REMOVE = f"{PAGE}config/file/", f"{PAGE}config/file/remove/"
HOSTILE = '<b hx-get="/portal/logout/" hx-trigger="load">&amp;\u202ex</b>'
FILES = {
    "motd": {"Value": "\nhello\n"},
    "wg.conf": {"Value": "psk", "Unencrypted": True, "OnChanged": ["/bin/wg", "up"]},
}


@pytest.fixture
def device(make_device: Callable[..., Device]) -> Device:
    return make_device(status="accepted", last_seen=NOON)


@pytest.fixture
def plain(log_in: Callable[..., Client], operator: User) -> Client:
    """An operator whose browser has no JavaScript."""
    return log_in(operator)


@pytest.fixture
def htmx(log_in: Callable[..., Client], operator: User) -> Client:
    client = log_in(operator)
    client.defaults["HTTP_HX_REQUEST"] = "true"
    return client


class Forms(HTMLParser):
    """The forms of a page as a browser reads them: where each goes, and its fields with their values."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.forms: list[tuple[str, dict[str, str]]] = []
        self.area = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        if tag == "form":
            self.forms.append((said.get("action") or "", {}))
        elif tag == "input" and self.forms and (said.get("type") != "checkbox" or "checked" in said):
            self.forms[-1][1][said.get("name") or ""] = said.get("value") or "on" * ("checked" in said)
        elif tag == "textarea":
            self.area, self.forms[-1][1][said.get("name") or ""] = said.get("name") or "", ""

    def handle_data(self, data: str) -> None:
        if self.area:
            self.forms[-1][1][self.area] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "textarea":
            # A browser drops the first line end within, and sends every other as CRLF.
            text = self.forms[-1][1][self.area].removeprefix("\n")
            self.forms[-1][1][self.area], self.area = re.sub(r"\r\n?|\n", "\r\n", text), ""


def form(answer: Any, was: str) -> dict[str, str]:
    """The form that changes the file with this name."""
    [fields] = [fields for to, fields in Forms(answer.content.decode()).forms if to == PUT and fields["was"] == was]
    return fields


def text_of(answer: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", answer.content.decode()))


def put(device: Device, files: Any = FILES) -> str:
    config = configs.put(device, files, by=Actor.command("test"))
    assert config
    return config.version


class TestConfig:
    def test_a_file_is_added_changed_renamed_and_removed_without_javascript(
        self, plain: Client, device: Device
    ) -> None:
        new = form(plain.get(PAGE), "") | {"name": "motd", "value": "hello\r\n", "reason": "a greeting"}
        answer = plain.post(PUT, new)
        assert answer["Location"] == f"{PAGE}#config"
        assert configs.find(device).files == {"motd": {"Value": "hello\n"}}
        assert (configs.find(device).changed_by, AuditEvent.objects.get().reason) == ("otto", "a greeting")
        changed = form(plain.get(PAGE), "motd")
        assert changed["value"] == "hello\r\n"
        changed |= {"name": "issue", "value": "bye", "unencrypted": "on", "on_changed": "/bin/show\r\n\r\n issue \r\n"}
        plain.post(PUT, changed)
        told = {"Value": "bye", "Unencrypted": True, "OnChanged": ["/bin/show", "issue"]}
        assert configs.find(device).files == {"issue": told}
        plain.post(REMOVE, {"seen": configs.find(device).version, "name": "issue"})
        assert configs.current(device) is None
        assert "There are no files for this device to fetch." in text_of(plain.get(PAGE))

    def test_htmx_gets_the_configuration_alone_with_the_file_open(self, htmx: Client, device: Device) -> None:
        answer = htmx.post(PUT, {"seen": "", "name": "motd", "value": "x"})
        page = answer.content.decode()
        assert page.lstrip().startswith('<section class="sheet" id="config"')
        assert '<details class="file" id="file-motd" open>' in page
        assert form(answer, "motd")["seen"] == configs.find(device).version

    def test_saving_without_a_change_changes_nothing(self, plain: Client, device: Device) -> None:
        put(device, FILES | {"dos.ini": {"Value": "a=1\r\nb=2\r\n"}})
        page = plain.get(PAGE)
        for name in ("motd", "wg.conf", "dos.ini"):
            plain.post(PUT, form(page, name))
        assert configs.find(device).files == FILES | {"dos.ini": {"Value": "a=1\r\nb=2\r\n"}}
        assert AuditEvent.objects.count() == 1

    def test_a_stale_edit_is_refused_with_who_changed_it(self, plain: Client, htmx: Client, device: Device) -> None:
        seen = put(device)
        put(device, {"motd": {"Value": "x"}})
        for path, sent in ((PUT, {"value": "y", "was": "motd"}), (REMOVE, {})):
            answer = plain.post(path, {"seen": seen, "name": "motd", **sent})
            assert answer.status_code == 409
            assert "has changed since you looked, by command test" in text_of(answer)
            assert htmx.post(path, {"seen": seen, "name": "motd", **sent})["HX-Retarget"] == "#notices"
        assert configs.find(device).files == {"motd": {"Value": "x"}}

    def test_a_new_file_does_not_take_the_place_of_another(self, plain: Client, device: Device) -> None:
        seen = put(device)
        for was in ("", "wg.conf"):
            answer = plain.post(PUT, {"seen": seen, "was": was, "name": "motd", "value": "y"})
            assert (answer.status_code, "called motd already" in text_of(answer)) == (400, True)
        assert configs.find(device).files == FILES

    @pytest.mark.parametrize(
        "sent",
        [
            {"name": ""},
            {"name": "a/b"},
            {"name": ".."},
            {"name": "x" * 129},
            {"value": "x" * 65_537},
            {"value": "a\0"},
            {"on_changed": "\n".join("a" * 17)},
            {"on_changed": "x" * 257},
            {"reason": "x" * 501},
            {"reason": "a\u200bb"},
            {"seen": "x" * 65},
        ],
    )
    def test_what_is_wrong_is_said_and_nothing_is_changed(
        self, plain: Client, device: Device, sent: dict[str, str]
    ) -> None:
        answer = plain.post(PUT, {"seen": "", "name": "a", "value": "x", **sent})
        assert answer.status_code in (400, 409)
        assert not DeviceConfig.objects.exists()

    def test_a_viewer_reads_the_files_and_changes_none(
        self, log_in: Callable[..., Client], viewer: User, device: Device
    ) -> None:
        put(device)
        client = log_in(viewer)
        page = client.get(PAGE).content.decode()
        assert "hello" in page
        assert "<textarea" not in page
        for path in (PUT, REMOVE):
            assert client.post(path, {"seen": "", "name": "motd"}).status_code == 403

    def test_a_denied_device_shows_none_and_gets_none(self, plain: Client, device: Device, root: Actor) -> None:
        put(device)
        denial.deny(device, by=root)
        assert 'id="config"' not in plain.get(PAGE).content.decode()
        answer = plain.post(PUT, {"seen": "", "name": "motd", "value": "x"})
        assert (answer.status_code, "restore it first" in text_of(answer)) == (409, True)
        assert plain.post("/portal/devices/nobody/config/file/", {"name": "a"}).status_code == 404

    def test_files_that_cannot_be_opened_are_said_and_break_nothing(self, plain: Client, device: Device) -> None:
        put(device)
        DeviceConfig.objects.update(sealed="broken")
        answer = plain.get(PAGE)
        assert answer.status_code == 200
        assert "does not open with this GATEHOUSE_MASTER_KEY" in text_of(answer)

    @settings(max_examples=many(100), suppress_health_check=list(HealthCheck))
    @given(value=st.text(st.characters(codec="utf-8", exclude_characters="\0")), other=st.text("a\r\n"))
    def test_a_text_comes_back_from_a_browser_as_it_was(self, value: str, other: str) -> None:
        sent = re.sub(r"\r\n?|\n", "\r\n", value)
        assert stored_forms.as_typed(sent, value) == value
        assert "\r" not in stored_forms.as_typed(sent, other).replace("\r\n", "") or value == other


class TestReported:
    def test_all_that_it_said_is_shown(self, plain: Client, device: Device) -> None:
        CheckIn.objects.create(device=device, target="lmp-117", tag="main", apps="agent", ostree_hash="6b3e")
        system_info.put_hardware(device, '{"id":"cpu", "children":[1]}')
        system_info.put_network(device, '{"hostname":"press-1"}')
        system_info.put_config(device, "[tls]\nserver = 1")
        records.report_inventory(device, {"os": "linux"}, replace=True)
        update_events.report(device, [event("a", "u-1"), event("b", "u-1", success=False, details="no space left")])
        update_events.report(device, [event("c", "u-2", success=True)])
        app_states.report(device, apps())
        answer = plain.get(PAGE)
        shown, page = text_of(answer), answer.content.decode()
        for said in ("lmp-117", "6b3e", "os", "linux", "[tls]", "no space left", "historian", "db:1", "healthy"):
            assert said in shown
        assert "{\n  &quot;id&quot;: &quot;cpu&quot;,\n  &quot;children&quot;: [\n    1\n  ]\n}" in page
        assert re.findall(r'<details id="update-([^"]+)"', page) == ["u-2", "u-1"]
        assert re.findall(r'<span class="chip \w+">(succeeded|failed|under way)', page) == ["succeeded", "failed"]

    def test_a_device_that_reported_nothing_has_none_of_these(self, plain: Client, device: Device) -> None:
        page = plain.get(PAGE).content.decode()
        for name in ("system-info", "inventory", "updates", "apps"):
            assert f'id="{name}"' not in page
        assert "It has not said what it runs" in text_of(plain.get(PAGE))

    def test_an_older_report_about_apps_is_shown_when_it_is_asked_for(self, plain: Client, device: Device) -> None:
        for number in range(3):
            app_states.report(device, apps(number))
        first = AppState.objects.earliest("pk").pk
        assert "on OSTree o-2" in text_of(plain.get(PAGE))
        assert f'href="{PAGE}?report={first}#apps"' in plain.get(PAGE).content.decode()
        assert "on OSTree o-0" in text_of(plain.get(PAGE, {"report": first}))
        for number in ("", "x", "-1", "9" * 18, "9" * 40, "٣", str(first + 1000)):
            assert "on OSTree o-2" in text_of(plain.get(PAGE, {"report": number}))

    def test_a_report_of_another_device_is_not_shown(
        self, plain: Client, device: Device, make_device: Callable[..., Device]
    ) -> None:
        app_states.report(make_device("press-2", status="accepted"), apps(99))
        app_states.report(device, apps(1))
        other = AppState.objects.get(device="press-2").pk
        assert "on OSTree o-1" in text_of(plain.get(PAGE, {"report": other}))

    def test_what_a_device_says_is_text_and_never_markup(self, plain: Client, device: Device) -> None:
        said = {"name": HOSTILE, "image": HOSTILE, "state": HOSTILE, "status": HOSTILE, "logs": HOSTILE}
        app_states.report(device, apps(apps={HOSTILE: {"state": HOSTILE, "uri": HOSTILE, "services": [said]}}))
        update_events.report(device, [event(details=HOSTILE, ecu=HOSTILE, targetName=HOSTILE, version=HOSTILE)])
        system_info.put_config(device, HOSTILE)
        put(device, {"a": {"Value": f"</textarea>{HOSTILE}", "OnChanged": ["<b hx-get='/portal/logout/'>"]}})
        page = plain.get(PAGE).content.decode()
        assert "<b hx-get" not in page
        assert page.count("&lt;b hx-get") >= 12
        assert form(plain.get(PAGE), "a")["value"] == f"</textarea>{HOSTILE}"

    def test_however_much_is_stored_the_page_is_bounded_and_asks_as_often(self, plain: Client, device: Device) -> None:
        def asked() -> int:
            with CaptureQueriesContext(connection) as queries:
                assert plain.get(PAGE).status_code == 200
            return len(queries)

        update_events.report(device, [event("first", "u-first")])
        app_states.report(device, apps())
        put(device)
        few = asked()
        for number in range(20):
            update_events.report(
                device, [event(f"{number}-{n}", f"u-{number}", details="x" * 9000) for n in range(200)]
            )
        services = [{"name": f"s-{n}", "logs": "x" * 3000} for n in range(300)]
        app_states.report(device, apps(apps={f"app-{n}": {"services": services[: 3 * n]} for n in range(100)}))
        records.report_inventory(device, {f"a-{n}": "x" * 900 for n in range(1000)}, replace=True)
        system_info.put_hardware(device, f'["{"x" * 90_000}"]')
        assert asked() <= few
        assert len(plain.get(PAGE).content) < 3_500_000


JUNK = [
    "null",
    "5",
    '"a"',
    "[1, [2]]",
    '{"a": 1}',
    '{"event": [1], "eventType": "x"}',
    '{"a": {"services": [1, {"name": 5}]}}',
]
JUNK += ['{"a": {"services": {"x": 1}, "state": []}}', '{"event": {"success": "yes", "version": [1]}}', "{}"]
JUNK += [f'{{"a": {"[" * 500}1{"]" * 500}}}', '{"event": {"success": null, "details": {"a": {"b": 1}}}}']


@pytest.mark.parametrize("junk", JUNK, ids=range(len(JUNK)))
def test_rows_that_are_broken_in_shape_break_neither_the_page_nor_rest(
    plain: Client, rest: Callable[..., Any], device: Device, junk: str
) -> None:
    update_events.report(device, [event("good")])
    app_states.report(device, apps())
    update_events.report(device, [event("bad", "u-bad")])
    app_states.report(device, apps(2))
    with connection.cursor() as cursor:
        cursor.execute("UPDATE devices_updateevent SET body = %s WHERE event_id = 'bad'", [junk])
        cursor.execute("UPDATE devices_appstate SET apps = %s WHERE ostree = 'o-2'", [junk])
    for year in (1, 9999):
        at = datetime(year, 1, 1, tzinfo=UTC)
        UpdateEvent.objects.filter(event_id="bad").update(device_time=at, received_at=at)
        AppState.objects.filter(ostree="o-2").update(device_time=at, received_at=at)
        answer = plain.get(PAGE)
        assert (answer.status_code, 'id="update-u-1"' in answer.content.decode()) == (200, True)
        for name in ("events", "apps-states"):
            answer = rest("devices:read").get(f"/api/v1/devices/press-1/{name}")
            assert (answer.status_code, len(answer.json()["results"])) == (200, 2)
