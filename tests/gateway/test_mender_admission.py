"""The conversations of a management client with Mender's admission API (seed 002), call by call."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from devices import submission
from devices.models import Device
from portal.models import AuditEvent
from portal.scopes import Scope
from tokens import device_tokens

BASE = "/api/management/v1/admission"
NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
STATES = ["pending", "accepted", "rejected", "preauthorized"]
UUID_V4 = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"

# As printed in the document.
DOCUMENTED = {
    "id": "291ae0e5956c69c2267489213df4459d19ed48a806603def19d417d004a4b67e",
    "device_identity": '{"mac":"00:01:02:03:04:05", "sku":"My Device 1", "sn":"SN1234567890"}',
    "key": "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAzogVU7RGDilbsoUt/DdH\nVJvcepl0A5+xzGQ50cq1VE/Dyyy8Zp0jzRXCnnu9nu395mAFSZGotZVr+sWEpO3c\nyC3VmXdBZmXmQdZqbdD/GuixJOYfqta2ytbIUPRXFN7/I7sgzxnXWBYXYmObYvdP\nokP0mQanY+WKxp7Q16pt1RoqoAd0kmV39g13rFl35muSHbSBoAW3GBF3gO+mF5Ty\n1ddp/XcgLOsmvNNjY+2HOD5F/RX0fs07mWnbD7x+xz7KEKjF+H7ZpkqCwmwCXaf0\niyYyh1852rti3Afw4mDxuVSD7sd9ggvYMc0QHIpQNkD4YWOhNiE1AB0zH57VbUYG\nUwIDAQAB\n-----END PUBLIC KEY-----\n",  # noqa: E501
}
NEW = {"device_identity": '{"sn":"1"}', "key": "any text"}


@pytest.fixture
def client(rest: Callable[..., APIClient]) -> APIClient:
    return rest(Scope.DEVICES_READ, Scope.DEVICES_ADMIT, Scope.DEVICES_DELETE)


def send(client: APIClient, method: str, path: str, body: Any = b"", **headers: Any) -> Any:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.generic(method, BASE + path, raw, content_type="application/json", **headers)


def error(answer: Any) -> str:
    """The words of an answer, after a look at the whole shape of an error."""
    content = answer.json()
    assert list(content) == ["error", "request_id"]
    assert content["request_id"] == answer["X-MEN-RequestID"]
    assert answer["Content-Type"] == "application/json"
    return str(content["error"])


class TestTheDocument:
    """The examples of the document, as printed."""

    def test_a_device_that_was_submitted_is_shown_as_it_was_sent(self, client: APIClient) -> None:
        path = f"/devices/{DOCUMENTED['id']}"
        answer = send(client, "PUT", path, DOCUMENTED)
        assert (answer.status_code, answer.content) == (204, b"")
        shown = send(client, "GET", path)
        assert shown.status_code == 200
        assert list(shown.json()) == ["id", "device_identity", "key", "status", "attributes", "request_time"]
        time = shown.json()["request_time"]
        assert shown.json() == {
            **DOCUMENTED,
            "status": "pending",
            "attributes": {"mac": "00:01:02:03:04:05", "sku": "My Device 1", "sn": "SN1234567890"},
            "request_time": time,
        }
        assert datetime.fromisoformat(time)
        assert len(time) == len("2016-10-03T16:58:51.639Z")
        assert time[-1] == "Z"

    def test_a_status_is_shown_and_set(self, client: APIClient) -> None:
        path = f"/devices/{DOCUMENTED['id']}/status"
        send(client, "PUT", f"/devices/{DOCUMENTED['id']}", DOCUMENTED)
        assert send(client, "GET", path).json() == {"status": "pending"}
        answer = send(client, "PUT", path, {"status": "accepted"})
        assert (answer.status_code, answer.json()) == (200, {"status": "accepted"})
        assert send(client, "GET", path).json() == {"status": "accepted"}

    def test_an_unknown_device_is_a_404_in_the_documented_shape(self, client: APIClient) -> None:
        for path in ("/devices/nobody", "/devices/nobody/status"):
            answer = send(client, "GET", path)
            assert answer.status_code == 404
            assert error(answer) == "not found"

    def test_an_id_is_opaque_and_case_sensitive(self, client: APIClient) -> None:
        send(client, "PUT", "/devices/Press:1_a-B", NEW)
        assert send(client, "GET", "/devices/Press:1_a-B").status_code == 200
        assert send(client, "GET", "/devices/Press%3A1_a-B").status_code == 200
        assert send(client, "GET", "/devices/press:1_a-b").status_code == 404

    @pytest.mark.parametrize(
        ("time", "shown"),
        [
            (datetime(2016, 10, 3, 16, 58, 51, 639_999, UTC), "2016-10-03T16:58:51.639Z"),
            (datetime(2016, 10, 3, 16, 58, 51, 0, UTC), "2016-10-03T16:58:51.000Z"),
            (datetime(2016, 10, 3, 16, 58, 51, 9_000, UTC), "2016-10-03T16:58:51.009Z"),
        ],
    )
    def test_the_time_has_always_three_decimals(
        self, client: APIClient, make_device: Callable[..., Device], time: datetime, shown: str
    ) -> None:
        make_device(request_time=time)
        assert send(client, "GET", "/devices/press-1").json()["request_time"] == shown

    def test_a_device_that_came_with_a_certificate_alone_is_its_common_name(
        self, client: APIClient, make_device: Callable[..., Device]
    ) -> None:
        make_device("press-1", members={})
        shown = send(client, "GET", "/devices/press-1").json()
        assert shown["device_identity"] == '{"common_name":"press-1"}'
        assert shown["attributes"] == {"common_name": "press-1"}
        assert Device.objects.get().introduction.text == ""

    def test_a_list_in_an_identity_is_shown_as_a_list(
        self, client: APIClient, make_device: Callable[..., Device]
    ) -> None:
        make_device("press-1", members={"mac": ["a", "b"], "sn": "1"})
        assert send(client, "GET", "/devices/press-1").json()["attributes"] == {"mac": ["a", "b"], "sn": "1"}

    def test_deciding_does_not_change_the_time(self, client: APIClient, make_device: Callable[..., Device]) -> None:
        make_device(request_time=NOON)
        send(client, "PUT", "/devices/press-1/status", {"status": "accepted"})
        assert send(client, "GET", "/devices/press-1").json()["request_time"] == "2026-11-25T12:00:00.000Z"


# Every call, with a body that is accepted: method, path, scope, body.
CALLS = [
    ("GET", "/devices", Scope.DEVICES_READ, b""),
    ("GET", "/devices/press-1", Scope.DEVICES_READ, b""),
    ("GET", "/devices/press-1/status", Scope.DEVICES_READ, b""),
    ("HEAD", "/devices", Scope.DEVICES_READ, b""),
    ("HEAD", "/devices/press-1", Scope.DEVICES_READ, b""),
    ("PUT", "/devices/press-1", Scope.DEVICES_ADMIT, NEW),
    ("PUT", "/devices/press-1/status", Scope.DEVICES_ADMIT, {"status": "accepted"}),
    ("POST", "/devices", Scope.DEVICES_ADMIT, NEW),
    ("DELETE", "/devices/press-1", Scope.DEVICES_DELETE, b""),
]
every_call = pytest.mark.parametrize(("method", "path", "scope", "body"), CALLS)


class TestEveryCall:
    @every_call
    def test_nobody_gets_in_without_a_token(
        self, make_device: Callable[..., Device], method: str, path: str, scope: Scope, body: Any
    ) -> None:
        make_device()
        answer = send(APIClient(), method, path, body)
        assert answer.status_code == 401
        assert answer["WWW-Authenticate"] == 'Bearer realm="gatehouse"'
        assert answer["X-MEN-RequestID"]
        assert not AuditEvent.objects.exists()

    @every_call
    @pytest.mark.parametrize("token", ["x", "gate_pat_x", "a.b.c", "x y", "é", ""])
    def test_a_token_that_is_none_is_a_401(
        self, make_device: Callable[..., Device], method: str, path: str, scope: Scope, body: Any, token: str
    ) -> None:
        make_device()
        answer = send(APIClient(), method, path, body, headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 401
        assert answer["WWW-Authenticate"] == 'Bearer realm="gatehouse", error="invalid_token"'

    @every_call
    def test_the_other_scopes_do_not_open_it(
        self, rest: Callable[..., APIClient], method: str, path: str, scope: Scope, body: Any
    ) -> None:
        answer = send(rest(*(other for other in Scope if other != scope)), method, path, body)
        assert answer.status_code == 403
        assert (
            answer["WWW-Authenticate"] == f'Bearer realm="gatehouse", error="insufficient_scope", scope="{scope.value}"'
        )
        if method != "HEAD":
            assert scope in error(answer)

    def test_the_scheme_is_read_in_any_case(self, client: APIClient) -> None:
        header = str(client.defaults["HTTP_AUTHORIZATION"])
        for scheme in ("bearer", "BEARER", "BeArEr"):
            other = APIClient(headers={"Authorization": header.replace("Bearer", scheme)})
            assert send(other, "GET", "/devices").status_code == 200

    def test_neither_a_login_nor_a_devices_token_is_a_credential_here(
        self, log_in: Callable[..., Any], administrator: Any, make_device: Callable[..., Device]
    ) -> None:
        browser = log_in(administrator)
        assert browser.get(f"{BASE}/devices").status_code == 401
        token = device_tokens.issue(make_device(status="accepted"))
        answer = send(APIClient(headers={"Authorization": f"Bearer {token}"}), "GET", "/devices")
        assert answer.status_code == 401

    @pytest.mark.parametrize(
        "path",
        [
            "/devices/", "/devices//", "/devices/press-1/", "/devices/press-1/status/", "/devices/press.1",
            "/devices/press%2e1", "/devices/press%2f1", "/devices/press-1/key", "/Devices", "/devices/a.b/status", "",
            "/", "/devices%0a", "/devices/press-1/status%0a", "/devices;x", "//devices", "/../admission/devices",
        ],
    )  # fmt: skip
    @pytest.mark.parametrize("method", ["GET", "PUT", "POST", "DELETE", "OPTIONS", "PATCH"])
    def test_another_path_is_not_found_and_nobody_is_sent_elsewhere(
        self, client: APIClient, make_device: Callable[..., Device], method: str, path: str
    ) -> None:
        make_device()
        for asking in (client, APIClient()):
            answer = send(asking, method, path, NEW)
            assert answer.status_code == 404
            assert error(answer) == "Resource not found"

    @pytest.mark.parametrize("path", ["/api/management/", "/api/management/v1/devauth/devices", "/api/management/v2/x"])
    def test_another_service_of_mender_is_not_found(self, db: None, path: str) -> None:
        answer = APIClient().post(path, {"a": 1}, format="json")
        assert answer.status_code == 404
        assert error(answer) == "Resource not found"

    @pytest.mark.parametrize(
        ("path", "served"),
        [
            ("/devices", {"GET", "HEAD", "POST", "OPTIONS"}),
            ("/devices/press-1", {"GET", "HEAD", "PUT", "DELETE", "OPTIONS"}),
            ("/devices/press-1/status", {"GET", "HEAD", "PUT", "OPTIONS"}),
        ],
    )
    def test_what_is_not_served_is_a_405_before_any_token_and_options_names_what_is(
        self, db: None, path: str, served: set[str]
    ) -> None:
        for method in {"GET", "PUT", "POST", "DELETE", "PATCH", "TRACE", "PROPFIND", "INITIAL", "DISPATCH"} - served:
            answer = send(APIClient(), method, path)
            assert answer.status_code == 405, method
            assert error(answer) == "Method not allowed"
            assert set(answer["Allow"].split(", ")) == served
        for asking in (APIClient(), APIClient(headers={"Authorization": "Bearer nonsense"})):
            answer = send(asking, "OPTIONS", path)
            assert (answer.status_code, answer.content) == (200, b"")
            assert set(answer["Allow"].split(", ")) == served

    def test_head_is_get_without_a_body(self, client: APIClient, make_device: Callable[..., Device]) -> None:
        make_device()
        for path in ("/devices", "/devices/press-1", "/devices/press-1/status"):
            answer = send(client, "HEAD", path)
            assert (answer.status_code, answer.content) == (200, b"")
        assert "Link" in send(client, "HEAD", "/devices")

    @pytest.mark.parametrize("sent", ["abc", "f7881e82-0492-49fb-b459-795654e7188a", "~" * 128, "a b"])
    def test_the_callers_request_id_stands_in_every_answer_and_in_the_history(
        self, client: APIClient, make_device: Callable[..., Device], sent: str
    ) -> None:
        make_device()
        answer = send(client, "GET", "/devices/nobody", headers={"X-MEN-RequestID": sent})
        assert answer["X-MEN-RequestID"] == sent
        assert answer.json()["request_id"] == sent
        send(client, "PUT", "/devices/press-1/status", {"status": "accepted"}, headers={"X-MEN-RequestID": sent})
        assert AuditEvent.objects.get(verb="device.accepted").request_id == sent

    @pytest.mark.parametrize("sent", ["", "~" * 129, "é", "a\tb"])
    def test_a_request_id_that_is_none_is_replaced(self, client: APIClient, sent: str) -> None:
        answer = send(client, "GET", "/devices", headers={"X-MEN-RequestID": sent})
        assert re.fullmatch(UUID_V4, answer["X-MEN-RequestID"])

    @pytest.mark.parametrize("path", ["/devices/press-1", "/devices/press-1/status"])
    @pytest.mark.parametrize(
        "content_type", ["", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1"]
    )
    def test_a_body_that_does_not_say_json_is_a_415(self, client: APIClient, path: str, content_type: str) -> None:
        answer = client.generic("PUT", BASE + path, b"{}", content_type=content_type)
        assert answer.status_code == 415
        assert error(answer) == "Bad Content-Type or charset, expected 'application/json'"

    @pytest.mark.parametrize(
        "content_type", ["application/json", "Application/JSON; charset=UTF-8", 'application/json;charset="utf-8"']
    )
    def test_json_may_be_spelt_in_any_case(self, client: APIClient, content_type: str) -> None:
        answer = client.generic("PUT", f"{BASE}/devices/press-1", json.dumps(NEW), content_type=content_type)
        assert answer.status_code == 204

    def test_an_empty_body_needs_no_media_type(self, client: APIClient) -> None:
        answer = client.generic("PUT", f"{BASE}/devices/press-1", b"", content_type="text/plain")
        assert answer.status_code == 400
        assert error(answer) == "failed to decode request body: JSON payload is empty"

    def test_a_body_of_65536_bytes_is_read_and_one_more_is_a_413(self, client: APIClient) -> None:
        body = json.dumps(NEW).encode()
        assert send(client, "PUT", "/devices/press-1", body.ljust(65_536)).status_code == 204
        answer = send(client, "PUT", "/devices/press-1", body.ljust(65_537))
        assert answer.status_code == 413
        assert error(answer) == "request body is too large"

    def test_a_body_of_unknown_length_is_a_411(self, client: APIClient) -> None:
        answer = client.put(f"{BASE}/devices/press-1", headers={"Transfer-Encoding": "chunked"})
        assert answer.status_code == 411
        assert error(answer) == "length required"

    def test_the_first_check_that_fails_answers(self, rest: Callable[..., APIClient], client: APIClient) -> None:
        """Each line mends what the line before was refused for."""
        reader = rest(Scope.DEVICES_READ)
        long, other = b"x" * 70_000, {"content_type": "text/plain"}
        path = f"{BASE}/devices/press-1"
        statuses = [
            APIClient().generic("PATCH", f"{path}/", long, **other).status_code,
            APIClient().generic("PATCH", path, long, **other).status_code,
            APIClient().generic("PUT", path, long, **other).status_code,
            reader.generic("PUT", path, long, **other).status_code,
            client.generic("PUT", path, long, **other).status_code,
            client.generic("PUT", path, long, content_type="application/json").status_code,
            client.generic("PUT", f"{path}/status", b"{}", content_type="application/json").status_code,
            send(client, "PUT", "/devices/press-1/status", {"status": "accepted"}).status_code,
        ]
        assert statuses == [404, 405, 401, 403, 415, 413, 400, 404]

    def test_a_fault_of_ours_is_told_in_two_words_and_an_outage_asks_to_come_again(
        self, client: APIClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail(*args: Any, **facts: Any) -> Any:
            raise fault

        monkeypatch.setattr(submission, "submit", fail)
        fault: Exception = ValueError("the secret cause")
        answer = send(client, "PUT", "/devices/press-1", NEW)
        assert answer.status_code == 500
        assert error(answer) == "internal error"
        assert "the secret cause" in caplog.text
        fault = OperationalError("gone")
        answer = send(client, "PUT", "/devices/press-1", NEW)
        assert answer.status_code == 503
        assert error(answer) == "service unavailable"
        assert int(answer["Retry-After"]) > 0

    def test_a_request_that_the_framework_cannot_read_is_a_400_in_the_same_shape(self, client: APIClient) -> None:
        answer = send(client, "GET", "/devices?" + "x&" * 2000)
        assert answer.status_code == 400
        assert error(answer)
        answer = send(client, "GET", "/devices", headers={"Host": "a b/c"})
        assert answer.status_code == 400
        assert error(answer)

    def test_no_answer_lets_another_site_read_it(self, client: APIClient) -> None:
        answer = send(client, "GET", "/devices", headers={"Origin": "https://other.example"})
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]


class TestList:
    @pytest.fixture
    def fleet(self, make_device: Callable[..., Device]) -> list[str]:
        """23 devices; by code point upper case comes before lower case, and `-` before digits and `_`."""
        ids = [f"a{n:02}" for n in range(20)] + ["B", "a-1", "a_1"]
        for n, device_id in enumerate(ids):
            make_device(device_id, status=["pending", "accepted", "rejected"][n % 3])
        make_device("expected", status="preauthorized")
        make_device("denied", status="accepted", denied_at=NOON)
        return sorted(ids)

    def ids(self, client: APIClient, query: str) -> list[str]:
        return [device["id"] for device in send(client, "GET", f"/devices{query}").json()]

    def test_devices_come_by_code_point_ten_on_a_page(self, client: APIClient, fleet: list[str]) -> None:
        assert self.ids(client, "") == fleet[:10]
        assert self.ids(client, "?page=2") == fleet[10:20]
        assert self.ids(client, "?page=3") == fleet[20:]
        assert self.ids(client, "?page=4") == []
        assert fleet[0] == "B"
        assert fleet[1] == "a-1"

    @pytest.mark.parametrize("status", STATES)
    def test_a_status_narrows_the_list(self, client: APIClient, fleet: list[str], status: str) -> None:
        expected = {"preauthorized": ["expected"]}.get(status) or [
            key for key in fleet if Device.objects.get(pk=key).status == status
        ]
        assert self.ids(client, f"?per_page=500&status={status}") == expected

    @pytest.mark.parametrize("status", [None, *STATES])
    def test_a_far_page_follows_upon_the_page_before(self, client: APIClient, status: str | None) -> None:
        Device.objects.bulk_create(
            Device(id=f"urn:dev:{n:05}", status=STATES[n % 4 if n % 7 else 1], denied_at=None if n % 5 else NOON,
                   denied_by="" if n % 5 else "ada")
            for n in range(12000)
        )  # fmt: skip
        shown = STATES[:3] if status is None else [status]
        expected = [
            f"urn:dev:{n:05}" for n in range(12000) if n % 5 and STATES[n % 4 if n % 7 else 1] in shown
        ]  # fmt: skip
        narrowed = "" if status is None else f"&status={status}"
        last = -(-len(expected) // 100)
        for number in {1, last // 2, last - 1, last, last + 1}:
            found = self.ids(client, f"?per_page=100&page={number}{narrowed}")
            assert found == expected[(number - 1) * 100 : number * 100]

    def test_preauthorized_ones_are_shown_to_those_who_ask_and_denied_ones_to_nobody(
        self, client: APIClient, fleet: list[str]
    ) -> None:
        listed = self.ids(client, "?per_page=500")
        assert listed == fleet
        assert {"expected", "denied"}.isdisjoint(listed)
        assert "denied" not in self.ids(client, "?status=accepted&per_page=500")

    @pytest.mark.parametrize(
        ("query", "words"),
        [
            ("page=0", "Param page is out of bounds"),
            ("page=00", "Param page is out of bounds"),
            ("page=-1", "Can't parse param page"),
            ("page=x", "Can't parse param page"),
            ("page=1.0", "Can't parse param page"),
            ("page=1e3", "Can't parse param page"),
            ("page=+1", "Can't parse param page"),
            ("page=%201", "Can't parse param page"),
            ("page=%D9%A1", "Can't parse param page"),
            ("page=4294967296", "Can't parse param page"),
            ("page=" + "9" * 5000, "Can't parse param page"),
            ("page=1%00", "Can't parse param page"),
            ("page=%ff", "Can't parse param page"),
            ("per_page=0", "Param per_page is out of bounds"),
            ("per_page=501", "Param per_page is out of bounds"),
            ("per_page=4294967295", "Param per_page is out of bounds"),
            ("per_page=4294967296", "Can't parse param per_page"),
            ("per_page=ten", "Can't parse param per_page"),
            ("status=denied", "Param status must be one of [pending rejected accepted]"),
            ("status=Pending", "Param status must be one of [pending rejected accepted]"),
            ("status=pending,accepted", "Param status must be one of [pending rejected accepted]"),
            ("status=%00", "Param status must be one of [pending rejected accepted]"),
            ("status=x&per_page=x&page=x", "Can't parse param page"),
            ("status=x&per_page=x&page=0", "Param page is out of bounds"),
            ("status=x&per_page=x", "Can't parse param per_page"),
        ],
    )
    def test_a_query_that_is_wrong_is_a_400(self, client: APIClient, query: str, words: str) -> None:
        answer = send(client, "GET", f"/devices?{query}")
        assert answer.status_code == 400
        assert error(answer) == words

    @pytest.mark.parametrize(
        ("query", "link"),
        [
            ("", '<devices?page=2&per_page=10>; rel="next", <devices?page=1&per_page=10>; rel="first"'),
            (
                "?page=2",
                '<devices?page=1&per_page=10>; rel="prev", <devices?page=3&per_page=10>; rel="next", '
                '<devices?page=1&per_page=10>; rel="first"',
            ),
            ("?page=3", '<devices?page=2&per_page=10>; rel="prev", <devices?page=1&per_page=10>; rel="first"'),
            (
                "?page=4&per_page=5&status=accepted",
                '<devices?page=3&per_page=5&status=accepted>; rel="prev", '
                '<devices?page=1&per_page=5&status=accepted>; rel="first"',
            ),
            ("?per_page=23", '<devices?page=1&per_page=23>; rel="first"'),
            (
                "?per_page=22",
                '<devices?page=2&per_page=22>; rel="next", <devices?page=1&per_page=22>; rel="first"',
            ),
            (
                "?page=&per_page=&status=&x=y",
                '<devices?page=2&per_page=10>; rel="next", <devices?page=1&per_page=10>; rel="first"',
            ),
            (
                "?page=0000000000003&page=0",
                '<devices?page=2&per_page=10>; rel="prev", <devices?page=1&per_page=10>; rel="first"',
            ),
            (
                "?page=4294967295&per_page=500",
                '<devices?page=4294967294&per_page=500>; rel="prev", <devices?page=1&per_page=500>; rel="first"',
            ),
        ],
    )  # fmt: skip
    def test_links_lead_to_the_pages_around(self, client: APIClient, fleet: list[str], query: str, link: str) -> None:
        answer = send(client, "GET", f"/devices{query}")
        assert answer.status_code == 200
        assert answer["Link"] == link

    def test_an_empty_fleet_is_an_empty_list(self, client: APIClient) -> None:
        answer = send(client, "GET", "/devices")
        assert (answer.status_code, answer.json()) == (200, [])
        assert answer["Link"] == '<devices?page=1&per_page=10>; rel="first"'

    def test_a_page_costs_the_same_queries_however_many_devices_are_on_it(
        self, client: APIClient, fleet: list[str]
    ) -> None:
        send(client, "GET", "/devices")  # The first use of the token is noted.
        costs = []
        for query in ("?per_page=1", "?per_page=500", "?page=9"):
            with CaptureQueriesContext(
                connection,
            ) as asked:
                send(client, "GET", f"/devices{query}")
            costs.append(len(asked))
        assert costs == [2, 2, 2]
