"""The conversations of a client of the Satellite dialect (seed 001): devices, the denied list, and both under /v1."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given, settings
from hypothesis import strategies as st
from rest_framework.test import APIClient

from devices import check_in, denial, system_info
from devices.models import CheckIn, Device, Inventory, SystemInfo
from portal.actor import Actor
from portal.models import AuditEvent
from portal.scopes import Scope
from tests.amount import many
from tests.conftest import MenderDevice

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
EPOCH = int(NOON.timestamp())
STATES = ["pending", "accepted", "rejected", "preauthorized"]

everywhere = pytest.mark.parametrize("root_path", ["", "/v1"])


@pytest.fixture
def client(rest: Callable[..., APIClient]) -> APIClient:
    return rest(Scope.DEVICES_READ, Scope.DEVICES_DELETE)


def refused(answer: Any, status: int, code: str) -> dict[str, Any]:
    """The body of a no, after a look at its whole shape."""
    assert answer.status_code == status
    assert answer["Content-Type"] == "application/json"
    body: dict[str, Any] = answer.json()
    assert set(body) - {"invalid"} == {"error", "code", "request_id"}
    assert body["code"] == code
    assert body["request_id"] == answer["X-Request-Id"]
    return body


class TestDevice:
    @everywhere
    def test_a_device_is_shown_with_all_it_said_and_uploaded(
        self,
        client: APIClient,
        make_device: Callable[..., Device],
        mender_device: Callable[..., MenderDevice],
        root_path: str,
    ) -> None:
        pem = mender_device().pem
        members = {"serial": "1", "line": "press 4", "macs": ["a", "b"]}
        device = make_device(members=members, key=pem, status="accepted", request_time=NOON, last_seen=NOON)
        CheckIn.objects.create(device=device, target="t-118", tag="main", apps="agent, historian,", ostree_hash="6b3e")
        SystemInfo.objects.create(device=device, hardware='{"id":"x"}', network="{}", config="[tls]\n")
        listed = {
            "uuid": "press-1",
            "created-at": EPOCH,
            "last-seen": EPOCH,
            "target": "t-118",
            "tag": "main",
            "labels": {"serial": "1", "line": "press 4"},
            "admission": "accepted",
        }
        assert client.get(f"{root_path}/devices").json() == [listed]
        assert client.get(f"{root_path}/devices/press-1").json() == {
            **listed,
            "apps": ["agent", "historian"],
            "ostree-hash": "6b3e",
            "pubkey": pem,
            "update-name": "",
            "aktualizr-toml": "[tls]\n",
            "hardware-info": '{"id":"x"}',
            "network-info": "{}",
        }

    def test_what_a_device_uploads_is_shown_to_the_letter(
        self, client: APIClient, make_device: Callable[..., Device]
    ) -> None:
        device = make_device(status="accepted", last_seen=NOON)
        said = {"x-ats-target": "t-119", "x-ats-dockerapps": " agent,,historian ", "x-ats-tags": "", "host": "x"}
        check_in.note(device, None, check_in.read(said), NOON)
        hardware, network = '{ "id": "\\u00fc", "id": 2 }\n', '{"hostname":"press-1","more":[1]}'
        system_info.put_hardware(device, hardware)
        system_info.put_network(device, network)
        system_info.put_config(device, "[tls]\r\n\tü")
        shown = client.get("/devices/press-1").json()
        assert (shown["target"], shown["tag"], shown["apps"], shown["ostree-hash"]) == (
            "t-119", "", ["agent", "historian"], ""
        )  # fmt: skip
        assert (shown["hardware-info"], shown["network-info"]) == (hardware, network)
        assert shown["aktualizr-toml"] == "[tls]\r\n\tü"
        denial.deny(device, by=Actor.command("test"))
        denial.restore(device, by=Actor.command("test"))
        shown = client.get("/devices/press-1").json()
        assert (shown["target"], shown["hardware-info"], shown["aktualizr-toml"]) == ("t-119", "", "")

    def test_a_device_that_said_nothing_has_empty_members_and_no_null(
        self, client: APIClient, make_device: Callable[..., Device]
    ) -> None:
        make_device(members={}, request_time=NOON)
        listed = {
            "uuid": "press-1",
            "created-at": EPOCH,
            "last-seen": 0,
            "target": "",
            "tag": "",
            "labels": {},
            "admission": "pending",
        }
        assert client.get("/devices").json() == [listed]
        assert client.get("/devices/press-1").json() == {
            **listed,
            "apps": [],
            "ostree-hash": "",
            "pubkey": "",
            "update-name": "",
            "aktualizr-toml": "",
            "hardware-info": "",
            "network-info": "",
        }

    @pytest.mark.parametrize("status", STATES)
    def test_devices_are_shown_whatever_their_admission_unless_they_are_denied(
        self, client: APIClient, make_device: Callable[..., Device], status: str
    ) -> None:
        make_device("press-1", status=status)
        make_device("press-2", status=status, denied_at=NOON)
        assert [(one["uuid"], one["admission"]) for one in client.get("/devices").json()] == [("press-1", status)]
        assert client.get("/devices/press-1").json()["admission"] == status
        refused(client.get("/devices/press-2"), 404, "device_not_found")
        assert client.get("/denied-devices").json() == ["press-2"]

    def test_an_id_is_any_text_of_its_characters_and_case_sensitive(
        self, client: APIClient, make_device: Callable[..., Device]
    ) -> None:
        for device_id in ("A:b_c-9", "a" * 128):
            make_device(device_id)
            assert client.get(f"/devices/{device_id}").json()["uuid"] == device_id
        assert client.get("/devices/A%3Ab_c-9").status_code == 200
        refused(client.get("/devices/a:b_c-9"), 404, "device_not_found")


# Every call: method, path, scope, what it answers about a device that is present, denied, unknown.
CALLS = [
    ("GET", "/devices", Scope.DEVICES_READ, 200, 200, 200),
    ("GET", "/devices/press-1", Scope.DEVICES_READ, 200, 404, 404),
    ("DELETE", "/devices/press-1", Scope.DEVICES_DELETE, 204, 404, 404),
    ("GET", "/denied-devices", Scope.DEVICES_READ, 200, 200, 200),
    ("DELETE", "/denied-devices/press-1", Scope.DEVICES_DELETE, 404, 204, 404),
]
every_call = pytest.mark.parametrize(("method", "path", "scope"), [call[:3] for call in CALLS])


class TestEveryCall:
    @everywhere
    @pytest.mark.parametrize("status", STATES)
    @pytest.mark.parametrize(("method", "path", "scope", "present", "denied", "unknown"), CALLS)
    def test_each_verb_on_each_state(
        self,
        client: APIClient,
        make_device: Callable[..., Device],
        root_path: str,
        status: str,
        method: str,
        path: str,
        scope: Scope,
        present: int,
        denied: int,
        unknown: int,
    ) -> None:
        code = "not_on_denied_list" if "denied" in path else "device_not_found"
        for expected, facts in ((unknown, None), (present, {}), (denied, {"denied_at": NOON})):
            Device.objects.all().delete()
            if facts is not None:
                make_device(status=status, **facts)
            answer = client.generic(method, root_path + path)
            assert answer.status_code == expected
            if expected == 404:
                refused(answer, 404, code)
            elif expected == 204:
                assert answer.content == b""
                device = Device.objects.get()
                assert (device.is_denied, device.status) == (path == "/devices/press-1", status)

    @everywhere
    @every_call
    def test_it_opens_to_its_own_scope_alone(
        self, rest: Callable[..., APIClient], root_path: str, method: str, path: str, scope: Scope
    ) -> None:
        answer = APIClient().generic(method, root_path + path)
        refused(answer, 401, "not_authenticated")
        assert answer["WWW-Authenticate"] == 'Bearer realm="gatehouse"'
        answer = APIClient(headers={"Authorization": "Bearer x"}).generic(method, root_path + path)
        refused(answer, 401, "invalid_token")
        assert answer["WWW-Authenticate"] == 'Bearer realm="gatehouse", error="invalid_token"'
        answer = rest(*(other for other in Scope if other != scope)).generic(method, root_path + path)
        assert scope in refused(answer, 403, "scope_missing")["error"]
        assert answer["WWW-Authenticate"].endswith(f'error="insufficient_scope", scope="{scope.value}"')
        assert rest(scope).generic(method, root_path + path).status_code not in (401, 403)

    def test_a_token_counts_in_the_header_alone(self, client: APIClient, log_in: Any, administrator: Any) -> None:
        token = str(client.defaults["HTTP_AUTHORIZATION"]).removeprefix("Bearer ")
        for query in ("?token=", "?access_token="):
            refused(APIClient().get(f"/devices{query}{token}"), 401, "not_authenticated")
        for header in ("OSF-TOKEN", "X-API-Key", "X-Auth-Token"):
            refused(APIClient(headers={header: token}).get("/devices"), 401, "not_authenticated")
        refused(log_in(administrator).get("/devices"), 401, "not_authenticated")
        assert APIClient(headers={"Authorization": f"bEARER {token}"}).get("/devices").status_code == 200

    @everywhere
    @pytest.mark.parametrize(
        ("path", "served"),
        [
            ("/devices", {"GET", "HEAD"}),
            ("/devices/press-1", {"GET", "HEAD", "DELETE"}),
            ("/denied-devices", {"GET", "HEAD"}),
            ("/denied-devices/press-1", {"DELETE"}),
        ],
    )
    def test_what_is_not_served_is_a_405_before_any_token(
        self, db: None, root_path: str, path: str, served: set[str]
    ) -> None:
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "INITIAL"} - served:
            answer = APIClient().generic(method, root_path + path)
            refused(answer, 405, "method_not_allowed")
            assert set(answer["Allow"].split(", ")) == served

    @everywhere
    @pytest.mark.parametrize(
        "path",
        [
            "/devices/", "/devices/press.1", "/devices/a%20b", "/devices/press-1/", "/devices/press-1%0a", "/Devices",
            "/devices/press-1/config", "/devices/a%00b", "/devices/..%2fdevices", "/devices/%C3%A9", "/devices/%ff",
            "/denied-devices/", "/denied-devices/a.b", "/denied-devices/" + "a" * 129, "/devices/" + "a" * 129,
        ],
    )  # fmt: skip
    @pytest.mark.parametrize("method", ["GET", "DELETE"])
    def test_another_path_is_a_404_and_never_a_redirect_nor_html(
        self, client: APIClient, root_path: str, path: str, method: str
    ) -> None:
        for asking in (client, APIClient(), APIClient(headers={"Accept": "text/html"})):
            refused(asking.generic(method, root_path + path), 404, "not_found")

    def test_a_browser_gets_json_too(self, client: APIClient) -> None:
        answer = client.get("/devices", headers={"Accept": "text/html"})
        assert answer["Content-Type"] == "application/json"

    @pytest.mark.parametrize("sent", ["abc", "~" * 128])
    def test_the_callers_request_id_stands_in_the_answer(self, client: APIClient, sent: str) -> None:
        assert client.get("/devices", headers={"X-Request-Id": sent})["X-Request-Id"] == sent
        assert client.get("/devices", headers={"X-Request-Id": sent + "\t"})["X-Request-Id"] != sent + "\t"

    def test_the_first_check_that_fails_answers(self, rest: Callable[..., APIClient], client: APIClient) -> None:
        """Each line mends what the line before was refused for."""
        other = rest(Scope.DEVICES_DELETE)
        statuses = [
            APIClient().post("/devices/?limit=x").status_code,
            APIClient().post("/devices?limit=x").status_code,
            APIClient().get("/devices?limit=x").status_code,
            other.get("/devices?limit=x").status_code,
            client.get("/devices?limit=x").status_code,
            client.get("/devices?limit=1").status_code,
        ]
        assert statuses == [404, 405, 401, 403, 400, 200]


@pytest.fixture
def fleet(make_device: Callable[..., Device]) -> None:
    """Four devices whose orders all differ; by code point upper case comes before lower case."""
    make_device("a", request_time=NOON, last_seen=NOON + timedelta(minutes=2))
    make_device("B", request_time=NOON + timedelta(minutes=1), last_seen=None)
    make_device("c", request_time=NOON + timedelta(minutes=1), last_seen=NOON)
    make_device("d", request_time=NOON - timedelta(minutes=1), last_seen=NOON)
    make_device("gone", denied_at=NOON)


class TestLists:
    @pytest.mark.parametrize(
        ("order", "ids"),
        [
            (None, "Bacd"),
            ("name-asc", "Bacd"),
            ("name-desc", "dcaB"),
            ("uuid-asc", "Bacd"),
            ("uuid-desc", "dcaB"),
            ("last-seen-asc", "Bcda"),
            ("last-seen-desc", "acdB"),
            ("created-at-asc", "daBc"),
            ("created-at-desc", "Bcad"),
        ],
    )
    def test_each_order_with_ties_by_id(self, client: APIClient, fleet: None, order: str | None, ids: str) -> None:
        query = f"?order-by={order}" if order else ""
        assert [device["uuid"] for device in client.get(f"/devices{query}").json()] == list(ids)
        joint = "&" if query else "?"
        pages = [client.get(f"/devices{query}{joint}limit=1&offset={n}").json() for n in range(5)]
        assert [device["uuid"] for page in pages for device in page] == list(ids)

    @everywhere
    @pytest.mark.parametrize(
        ("query", "links"),
        [
            ("", [("first", 0, 1000), ("last", 0, 1000)]),
            ("?limit=2", [("first", 0, 2), ("next", 2, 2), ("last", 2, 2)]),
            ("?limit=2&offset=2", [("first", 0, 2), ("prev", 0, 2), ("last", 2, 2)]),
            ("?limit=2&offset=1", [("first", 0, 2), ("prev", 0, 2), ("next", 3, 2), ("last", 2, 2)]),
            ("?limit=3&offset=1", [("first", 0, 3), ("prev", 0, 3), ("last", 3, 3)]),
            ("?limit=1&offset=2", [("first", 0, 1), ("prev", 1, 1), ("next", 3, 1), ("last", 3, 1)]),
            ("?offset=9&limit=4", [("first", 0, 4), ("prev", 5, 4), ("last", 0, 4)]),
            ("?offset=2147483647", [("first", 0, 1000), ("prev", 2147482647, 1000), ("last", 0, 1000)]),
        ],
    )
    def test_links_lead_to_the_pages_around(
        self, client: APIClient, fleet: None, root_path: str, query: str, links: list[tuple[str, int, int]]
    ) -> None:
        answer = client.get(f"{root_path}/devices{query}")
        assert answer.status_code == 200
        assert answer["Link"] == ", ".join(
            f'<{root_path}/devices?offset={offset}&limit={limit}&order-by=name-asc>; rel="{name}"'
            for name, offset, limit in links
        )

    def test_links_keep_the_order_that_was_asked_for(self, client: APIClient, fleet: None) -> None:
        link = client.get("/v1/devices?order-by=last-seen-desc&limit=3")["Link"]
        assert link == (
            '</v1/devices?offset=0&limit=3&order-by=last-seen-desc>; rel="first", '
            '</v1/devices?offset=3&limit=3&order-by=last-seen-desc>; rel="next", '
            '</v1/devices?offset=3&limit=3&order-by=last-seen-desc>; rel="last"'
        )

    def test_past_the_end_and_in_an_empty_fleet_the_list_is_empty(self, client: APIClient) -> None:
        answer = client.get("/devices")
        assert answer.json() == []
        assert answer["Link"].endswith('</devices?offset=0&limit=1000&order-by=name-asc>; rel="last"')
        assert client.get("/devices?offset=7").json() == []

    @pytest.mark.parametrize(
        ("query", "parameter"),
        [
            ("order-by=name", "order-by"), ("order-by=", "order-by"), ("order-by=Name-asc", "order-by"),
            ("order-by=name-asc&order-by=name-asc", "order-by"), ("order-by=%00", "order-by"),
            ("limit=0", "limit"), ("limit=1001", "limit"), ("limit=-1", "limit"), ("limit=", "limit"),
            ("limit=x", "limit"), ("limit=1.0", "limit"), ("limit=1e2", "limit"), ("limit=%D9%A1", "limit"),
            ("limit=1&limit=1", "limit"), ("limit=" + "9" * 5000, "limit"), ("limit=%ff", "limit"),
            ("offset=-1", "offset"), ("offset=2147483648", "offset"), ("offset=", "offset"), ("offset=x", "offset"),
            ("offset=" + "9" * 5000, "offset"), ("offset=0&offset=1", "offset"),
        ],
    )  # fmt: skip
    def test_a_value_that_is_wrong_is_a_400_that_names_the_parameter(
        self, client: APIClient, query: str, parameter: str
    ) -> None:
        answer = client.get(f"/devices?{query}")
        assert list(refused(answer, 400, "invalid")["invalid"]) == [parameter]
        if parameter != "order-by":
            answer = client.get(f"/denied-devices?{query.replace('1001', '10001')}")
            assert list(refused(answer, 400, "invalid")["invalid"]) == [parameter]

    def test_unknown_parameters_are_ignored(self, client: APIClient, fleet: None) -> None:
        assert len(client.get("/devices?name=x&limit=1000&offset=0").json()) == 4
        assert client.get("/denied-devices?order-by=nonsense&limit=10000").status_code == 200

    @everywhere
    def test_the_denied_list_is_ids_alone_ascending(
        self, client: APIClient, make_device: Callable[..., Device], root_path: str
    ) -> None:
        for device_id in ("b", "C", "a"):
            make_device(device_id, denied_at=NOON)
        make_device("present")
        answer = client.get(f"{root_path}/denied-devices?limit=2")
        assert answer.json() == ["C", "a"]
        assert answer["Link"] == (
            f'<{root_path}/denied-devices?offset=0&limit=2>; rel="first", '
            f'<{root_path}/denied-devices?offset=2&limit=2>; rel="next", '
            f'<{root_path}/denied-devices?offset=2&limit=2>; rel="last"'
        )
        answer = client.get(f"{root_path}/denied-devices")
        assert answer.json() == ["C", "a", "b"]
        assert answer["Link"].startswith(f'<{root_path}/denied-devices?offset=0&limit=10000>; rel="first", ')

    def test_a_page_costs_the_same_queries_however_many_devices_are_on_it(self, client: APIClient, fleet: None) -> None:
        client.get("/devices")  # The first use of the token is noted.
        costs = []
        for path in ("/devices?limit=1", "/devices", "/devices?offset=9", "/denied-devices", "/devices/a"):
            with CaptureQueriesContext(connection) as asked:
                client.get(path)
            costs.append(len(asked))
        assert costs == [3, 3, 3, 3, 2]


class TestDenyAndRestore:
    @everywhere
    @pytest.mark.parametrize("status", STATES)
    def test_a_device_is_denied_and_restored_and_comes_back_as_it_was(
        self, client: APIClient, make_device: Callable[..., Device], root_path: str, status: str
    ) -> None:
        device = make_device(status=status, last_seen=NOON)
        for model in (Inventory, SystemInfo, CheckIn):
            model.objects.create(device=device)
        before = client.get(f"{root_path}/devices/press-1").json()
        assert client.delete(f"{root_path}/devices/press-1").status_code == 204
        assert client.get(f"{root_path}/denied-devices").json() == ["press-1"]
        refused(client.delete(f"{root_path}/devices/press-1"), 404, "device_not_found")
        assert client.delete(f"{root_path}/denied-devices/press-1").status_code == 204
        assert client.get(f"{root_path}/denied-devices").json() == []
        refused(client.delete(f"{root_path}/denied-devices/press-1"), 404, "not_on_denied_list")
        assert client.get(f"{root_path}/devices/press-1").json() == before
        kept = {model: model.objects.exists() for model in (Inventory, SystemInfo, CheckIn)}
        assert kept == {Inventory: False, SystemInfo: False, CheckIn: True}
        events = AuditEvent.objects.filter(verb__startswith="device").order_by("number")
        assert list(events.values_list("verb", flat=True)) == [
            "device.denied",
            "device.restored",
        ]

    def test_what_was_purged_is_unknown_everywhere(
        self, client: APIClient, make_device: Callable[..., Device], root: Actor
    ) -> None:
        denial.purge(make_device(denied_at=NOON), by=root)
        refused(client.get("/devices/press-1"), 404, "device_not_found")
        refused(client.delete("/denied-devices/press-1"), 404, "not_on_denied_list")


@pytest.mark.django_db(transaction=True)
class TestRaces:
    @pytest.mark.parametrize("turn", range(3))
    @pytest.mark.parametrize("path", ["/devices/press-1", "/denied-devices/press-1"])
    def test_of_four_who_do_the_same_at_once_one_does_it_and_the_others_find_it_done(
        self,
        client: APIClient,
        make_device: Callable[..., Device],
        at_once: Callable[..., list[Any]],
        path: str,
        turn: int,
    ) -> None:
        make_device(**({"denied_at": NOON} if "denied" in path else {}))
        answers = at_once(*(lambda: client.delete(path) for _ in range(4)))
        assert sorted(answer.status_code for answer in answers) == [204, 404, 404, 404]
        assert AuditEvent.objects.filter(verb__startswith="device").count() == 1


@given(query=st.text(max_size=40), tail=st.text(max_size=40))
@settings(max_examples=many(80))
def test_no_path_and_no_query_is_a_fault_of_ours(client: APIClient, query: str, tail: str) -> None:
    for name in ("limit", "offset", "order-by"):
        answer = client.get("/devices", {name: query.encode("utf-8", "surrogatepass")})
        assert answer.status_code in (200, 400)
    for method in ("GET", "DELETE"):
        path = "/devices/" + "".join(f"%{byte:02x}" for byte in tail.encode("utf-8", "surrogatepass"))
        assert client.generic(method, path).status_code in (200, 404, 405)


@given(text=st.text(max_size=100))
@settings(max_examples=many(80))
def test_any_other_text_is_no_token(db: None, text: str) -> None:
    header = f"Bearer {text}".encode("utf-8", "surrogatepass").decode("latin-1")
    assert APIClient().get("/devices", HTTP_AUTHORIZATION=header).status_code == 401
