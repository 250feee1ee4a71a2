"""What every REST endpoint does before and after its own work: methods, bodies, and the shape of a no."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.db import IntegrityError, InterfaceError, OperationalError, ProgrammingError
from django.http import Http404
from rest_framework import serializers
from rest_framework.test import APIClient

from devices.models import Device
from portal import failures
from portal.bodies import MAX_BODY, is_json
from portal.rest import StrictSerializer, Text, WholeNumber
from portal.scopes import Scope

ACCEPT = "/api/v1/devices/press-1/accept"


@pytest.fixture
def client(rest: Callable[..., APIClient], make_device: Callable[..., Device]) -> APIClient:
    make_device("press-1")
    return rest(Scope.DEVICES_READ, Scope.DEVICES_ADMIT, Scope.TOKENS_MANAGE)


def post(client: APIClient, body: bytes, content_type: str = "application/json", **extra: str) -> Any:
    return client.generic("POST", ACCEPT, body, content_type=content_type, **extra)


@pytest.mark.parametrize(
    "body",
    [
        b"{", b"\xff", b"NaN", b'{"reason": 1e999}', b'{"reason": "a", "reason": "b"}', b'{"reason": "\\u0000"}',
        b'{"reason": "\\ud800"}', b"[" * 40 + b"]" * 40, b"\xef\xbb\xbf{}", b"9" * 5000,
    ],
)  # fmt: skip
def test_a_body_that_cannot_be_read_is_a_400_that_says_why(client: APIClient, body: bytes) -> None:
    answer = post(client, body)
    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid"
    assert list(answer.json()["invalid"]) == ["body"]
    assert Device.objects.get().status == "pending"


@pytest.mark.parametrize("body", [b"[]", b"null", b'""', b"0", b"false", b"true", b"[{}]", b'"reason"'])
def test_a_body_that_is_no_object_is_a_400(client: APIClient, body: bytes) -> None:
    answer = post(client, body)
    assert answer.status_code == 400
    assert answer.json()["invalid"]
    assert Device.objects.get().status == "pending"


@pytest.mark.parametrize(
    ("body", "member"),
    [
        ({"reasons": "typo"}, "reasons"),
        ({"reason": 5}, "reason"),
        ({"reason": True}, "reason"),
        ({"reason": None}, "reason"),
        ({"reason": ["a"]}, "reason"),
        ({"reason": {}}, "reason"),
        ({"reason": "x" * 501}, "reason"),
        ({"reason": "a\u202eb"}, "reason"),
        ({"": "x"}, "body"),
    ],
)
def test_a_member_that_is_unknown_or_wrong_is_named(client: APIClient, body: dict[str, Any], member: str) -> None:
    answer = post(client, json.dumps(body).encode())
    assert answer.status_code == 400
    assert list(answer.json()["invalid"]) == [member]
    assert Device.objects.get().status == "pending"


def test_no_body_at_all_gives_no_reason(client: APIClient) -> None:
    assert client.post(ACCEPT).status_code == 200


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "text/html",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=latin-1",
        "application/jsonp",
        "application/json, text/plain",
    ],
)
def test_a_body_of_another_media_type_or_charset_is_a_415(client: APIClient, content_type: str) -> None:
    answer = post(client, b"{}", content_type)
    assert answer.status_code == 415
    assert answer.json()["code"] == "unsupported_media_type"


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "Application/JSON", "application/json;charset=UTF-8", 'application/json; charset="utf8"'],
)
def test_json_is_json_in_any_spelling(content_type: str) -> None:
    assert is_json(content_type)


def test_a_body_that_is_too_large_is_a_413(client: APIClient) -> None:
    answer = post(client, b'{"reason": "' + b"x" * MAX_BODY + b'"}')
    assert answer.status_code == 413
    assert answer.json()["code"] == "too_large"


@pytest.mark.parametrize("length", ["²", "-1", "1e3", "9" * 5000, "99999999999"])
def test_a_length_that_is_none_or_too_large_is_no_server_error(client: APIClient, length: str) -> None:
    assert post(client, b"{}", CONTENT_LENGTH=length).status_code < 500


@pytest.mark.parametrize("accept", ["text/html", "application/xml", "*/*", "", "nonsense"])
def test_the_answer_is_json_whatever_the_client_accepts(client: APIClient, accept: str) -> None:
    answer = client.get("/api/v1/devices", headers={"Accept": accept})
    assert answer["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/v1/devices/press-9", 404, "device_not_found"),
        ("GET", "/api/v1/denied-devices/press-1", 404, "not_on_denied_list"),
        ("GET", "/api/v1/tokens/aaaaaaaaaaaa", 403, "scope_missing"),
        ("PUT", "/api/v1/devices/press-1", 405, "method_not_allowed"),
        ("GET", "/api/v1/nothing", 404, "not_found"),
        ("GET", "/api/v1/devices/a%00b", 404, "not_found"),
        ("GET", "/api/v1/devices/press-1%0a", 404, "not_found"),
        ("GET", "/api/v1/devices/" + "a" * 129, 404, "not_found"),
        ("GET", "/api/v1/devices/..%2ftokens", 404, "not_found"),
    ],
)
def test_every_no_is_one_sentence_a_word_and_the_request_id(
    client: APIClient, method: str, path: str, status: int, code: str
) -> None:
    answer = client.generic(method, path)
    assert answer.status_code == status
    body = answer.json()
    assert set(body) == {"error", "code", "request_id"}
    assert body["code"] == code
    assert body["request_id"] == answer["X-Request-Id"]
    assert body["error"][-1] == "."


def test_a_host_that_is_none_is_a_400_in_our_shape(client: APIClient) -> None:
    answer = client.get("/api/v1/devices", headers={"Host": "a b/c"})
    assert answer.status_code == 400
    assert set(answer.json()) == {"error", "code", "request_id"}


@pytest.mark.parametrize("value", ["30", 30.0, True, None, [], {}, "x", "1e1"])
def test_a_whole_number_is_a_json_integer(value: Any) -> None:
    class Shape(StrictSerializer):
        days = WholeNumber(min_value=1)

    assert Shape(data={"days": 30}).is_valid()
    assert not Shape(data={"days": value}).is_valid()


@pytest.mark.parametrize("value", [5, 5.5, True, None, [], {}, "\x00", "\ud800"])
def test_a_text_is_a_json_string(value: Any) -> None:
    class Shape(StrictSerializer):
        name = Text(max_length=10)

    assert not Shape(data={"name": value}).is_valid()
    shape = Shape(data={"name": " a "})
    assert shape.is_valid()
    assert shape.validated_data == {"name": " a "}


def test_nested_mistakes_are_named_by_their_path() -> None:
    class Inner(StrictSerializer):
        n = WholeNumber()

    class Outer(StrictSerializer):
        items = serializers.ListField(child=Inner())

    outer = Outer(data={"items": [{"n": 1}, {"n": "x"}]})
    assert not outer.is_valid()
    refusal = failures.refusal_behind(serializers.ValidationError(outer.errors))
    assert refusal is not None
    assert list(refusal.invalid or ()) == ["items.1.n"]


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (OperationalError("gone"), 503),
        (InterfaceError("gone"), 503),
        (IntegrityError("ours"), None),
        (ProgrammingError("ours"), None),
        (Http404(), 404),
        (ValueError("ours"), None),
    ],
)
def test_an_outage_is_a_503_and_a_fault_of_ours_is_none_of_the_clients(fault: Exception, status: int | None) -> None:
    refusal = failures.refusal_behind(fault)
    assert (refusal.status if refusal else None) == status
    if status == 503:
        assert refusal is not None
        assert refusal.retry_after
