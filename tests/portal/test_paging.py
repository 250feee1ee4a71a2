"""Lists come in pages; a limit or a cursor that makes no sense is refused and never reaches the database."""

import base64
import json
from collections.abc import Callable
from urllib.parse import quote, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rest_framework.test import APIClient

from devices.models import Device
from portal.scopes import Scope
from tests.amount import many


@pytest.fixture
def reader(rest: Callable[..., APIClient], make_device: Callable[..., Device]) -> APIClient:
    """A client that may read; there are seven devices."""
    for n in range(7):
        make_device(f"press-{n}")
    return rest(Scope.DEVICES_READ, Scope.TOKENS_READ)


def relative(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}"


def test_the_pages_hold_everything_once_forward_and_back(reader: APIClient) -> None:
    seen, page = [], reader.get("/api/v1/devices?limit=3").json()
    while True:
        seen.append([device["id"] for device in page["results"]])
        if page["next"] is None:
            break
        page = reader.get(relative(page["next"])).json()
    assert seen == [["press-0", "press-1", "press-2"], ["press-3", "press-4", "press-5"], ["press-6"]]
    back = reader.get(relative(page["previous"])).json()
    assert [device["id"] for device in back["results"]] == seen[1]


@pytest.mark.parametrize(
    "limit",
    ["0", "-1", "501", "1e2", "3.0", "", " 3", "+3", "٣", "²", "0" * 8 + "19999", "9" * 5000, "null", "3&limit=3"],
)
def test_a_limit_that_is_no_whole_number_from_1_to_500_or_given_twice_is_refused(reader: APIClient, limit: str) -> None:
    answer = reader.get(f"/api/v1/devices?limit={quote(limit, safe='&=')}")
    assert answer.status_code == 400
    assert list(answer.json()["invalid"]) == ["limit"]


@pytest.mark.parametrize("limit", ["1", "007", "500"])
def test_a_limit_from_1_to_500_is_taken(reader: APIClient, limit: str) -> None:
    assert len(reader.get(f"/api/v1/devices?limit={limit}").json()["results"]) == min(int(limit), 7)


def refused(client: APIClient, path: str, cursor: str) -> None:
    answer = client.get(path, {"cursor": cursor})
    assert answer.status_code == 400
    assert list(answer.json()["invalid"]) == ["cursor"]


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        ".",
        "nonsense",
        "cD1wcmVzcy0x",  # What the REST framework itself would take.
        base64.urlsafe_b64encode(json.dumps([0, False, "\x00"]).encode()).decode(),
        base64.urlsafe_b64encode(json.dumps([10**9, False, "a"]).encode()).decode() + "." + "0" * 24,
        "é",
    ],
)
def test_a_cursor_that_is_not_ours_is_refused(reader: APIClient, cursor: str) -> None:
    refused(reader, "/api/v1/devices", cursor)


@given(cursor=st.text(max_size=80))
@settings(max_examples=many(40))
def test_any_text_as_a_cursor_is_refused(reader: APIClient, cursor: str) -> None:
    refused(reader, "/api/v1/devices", cursor.encode("utf-8", "replace").decode())


def test_a_cursor_that_was_changed_or_belongs_to_another_list_is_refused(reader: APIClient) -> None:
    following = urlsplit(reader.get("/api/v1/devices?limit=3").json()["next"]).query
    cursor = next(part for part in following.split("&") if part.startswith("cursor=")).removeprefix("cursor=")
    cursor = cursor.replace("%3D", "=")
    assert reader.get("/api/v1/devices", {"cursor": cursor}).status_code == 200
    refused(reader, "/api/v1/devices", cursor[:5] + ("A" if cursor[5] != "A" else "B") + cursor[6:])
    refused(reader, "/api/v1/tokens", cursor)
    assert reader.get(f"/api/v1/devices?cursor={cursor}&cursor={cursor}").status_code == 400


@pytest.mark.parametrize("status", ["", "denied", "PENDING", "pending&status=pending", "%00"])
def test_a_filter_that_is_none_of_its_words_or_given_twice_is_refused(reader: APIClient, status: str) -> None:
    answer = reader.get(f"/api/v1/devices?status={status}")
    assert answer.status_code == 400
    assert list(answer.json()["invalid"]) == ["status"]
