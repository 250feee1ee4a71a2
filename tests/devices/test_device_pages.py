"""The pages about devices: the list, one device, and the decisions on both, with htmx and without."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from devices import admission, denial, introduction
from devices.identity import read
from devices.keys import read as read_key
from devices.models import Device, KeyChangeRequest, Status
from portal.actor import Actor
from portal.models import AuditEvent, User

NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
BOB = Actor("bob", "person", frozenset({"devices:admit", "devices:delete"}))


@pytest.fixture
def plain(log_in: Callable[..., Client], operator: User) -> Client:
    """An operator whose browser has no JavaScript."""
    return log_in(operator)


@pytest.fixture
def htmx(log_in: Callable[..., Client], operator: User) -> Client:
    """An operator whose browser speaks htmx."""
    client = log_in(operator)
    client.defaults["HTTP_HX_REQUEST"] = "true"
    return client


def text_of(answer: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", answer.content.decode()))


def rows(answer: Any) -> list[str]:
    return re.findall(r'<tr id="device-([^"]+)"', answer.content.decode())


def test_a_row_shows_identity_id_and_the_whole_fingerprint(
    plain: Client, make_device: Callable[..., Device], mender_device: Callable[..., Any]
) -> None:
    device = make_device("press-1", {"mac": "00:1b"}, key=mender_device().pem)
    page = plain.get("/portal/devices/")
    assert "<bdi>00:1b</bdi>" in page.content.decode()
    assert "press-1" in text_of(page)
    assert device.fingerprint in re.sub(r"<[^>]+>", "", page.content.decode())


@pytest.mark.parametrize(
    ("tab", "shown"),
    [
        ("pending", ["waiting"]),
        ("accepted", ["served"]),
        ("rejected", ["turned-away"]),
        ("preauthorized", ["expected"]),
        ("denied", ["denied"]),
        ("all", ["waiting", "turned-away", "served", "expected"]),
    ],
)
def test_each_tab_holds_its_devices(
    plain: Client, make_device: Callable[..., Device], tab: str, shown: list[str]
) -> None:
    make_device("waiting")
    make_device("served", status=Status.ACCEPTED)
    make_device("turned-away", status=Status.REJECTED)
    make_device("expected", status=Status.PREAUTHORIZED)
    make_device("denied", denied_at=NOON)
    page = plain.get(f"/portal/devices/?tab={tab}")
    assert sorted(rows(page)) == sorted(shown)
    assert "Pending 1 Accepted 1 Rejected 1 Preauthorized 1 Denied 1 All 4" in text_of(page)


def test_what_a_device_calls_itself_is_text_and_never_markup(plain: Client, make_device: Callable[..., Device]) -> None:
    hostile = {"<script>alert(1)</script>": '"><img src=x hx-get="/portal/logout/" hx-trigger="load">'}
    make_device("press-1", hostile)
    for path in ("/portal/devices/", "/portal/devices/press-1/", "/portal/"):
        page = plain.get(path).content.decode()
        assert "<script>alert" not in page
        assert "<img src=x" not in page
    assert "&lt;script&gt;alert(1)" in plain.get("/portal/devices/").content.decode()


def test_accepting_with_htmx_gives_the_row_as_it_is_now(htmx: Client, make_device: Callable[..., Device]) -> None:
    make_device("press-1")
    answer = htmx.post("/portal/devices/press-1/accept/", {"seen": "1"})
    row = answer.content.decode().strip()
    assert answer.status_code == 200
    assert row.startswith('<tr id="device-press-1"')
    assert "accepted" in text_of(answer)
    assert "by otto" in text_of(answer)
    assert 'action="/portal/devices/press-1/reject/"' in row
    assert 'action="/portal/devices/press-1/accept/"' not in row
    assert "fleet-changed" in answer["HX-Trigger"]


def test_accepting_without_htmx_goes_back_to_the_list_which_says_what_became_of_it(
    plain: Client, make_device: Callable[..., Device]
) -> None:
    make_device("press-1")
    sent = {"seen": "1", "next": "/portal/devices/?tab=pending&q=press"}
    answer = plain.post("/portal/devices/press-1/accept/", sent)
    assert answer["Location"] == "/portal/devices/?tab=pending&q=press&last=press-1"
    assert "press-1 is accepted now." in text_of(plain.get(answer["Location"]))


def test_the_way_back_never_leaves_our_pages(plain: Client, make_device: Callable[..., Device]) -> None:
    make_device("press-1")
    sent = {"seen": "1", "next": "https://evil.example/portal/"}
    assert plain.post("/portal/devices/press-1/accept/", sent)["Location"] == "/portal/devices/press-1/"


@pytest.mark.parametrize("word", ["accept", "reject", "deny", "purge"])
def test_a_decision_on_a_stale_page_is_refused_with_who_decided_and_when(
    htmx: Client, make_device: Callable[..., Device], word: str
) -> None:
    device = make_device("press-1")
    admission.decide(device, Status.REJECTED, by=BOB)
    answer = htmx.post(f"/portal/devices/press-1/{word}/", {"seen": "1"})
    assert answer.status_code == 409
    assert answer["HX-Retarget"] == "#notices"
    assert answer["HX-Reswap"] == "innerHTML"
    assert "press-1 has changed since you looked: it is rejected, by bob at 20" in text_of(answer)
    device.refresh_from_db()
    assert (device.status, device.is_denied) == (Status.REJECTED, False)


def test_the_same_refusal_is_a_page_with_a_way_back_without_htmx(
    plain: Client, make_device: Callable[..., Device]
) -> None:
    admission.decide(make_device("press-1"), Status.REJECTED, by=BOB)
    answer = plain.post("/portal/devices/press-1/accept/", {"seen": "1", "next": "/portal/devices/?tab=all"})
    assert answer.status_code == 409
    assert "it is rejected, by bob" in text_of(answer)
    assert 'href="/portal/devices/?tab=all"' in answer.content.decode()


@pytest.mark.parametrize("seen", ["", "x", "-1", "0", "99999999999999999999"])
def test_a_decision_that_does_not_say_what_was_seen_is_refused(
    htmx: Client, make_device: Callable[..., Device], seen: str
) -> None:
    make_device("press-1")
    answer = htmx.post("/portal/devices/press-1/accept/", {"seen": seen})
    assert answer.status_code == 400
    assert "Reload the page" in text_of(answer)


def test_denying_restoring_and_purging_go_through_the_denied_list(
    htmx: Client, make_device: Callable[..., Device]
) -> None:
    make_device("press-1", status=Status.ACCEPTED)
    denied = htmx.post("/portal/devices/press-1/deny/", {"seen": "1", "reason": "stolen"})
    assert "denied" in text_of(denied)
    assert "stolen" in text_of(denied)
    listed = htmx.get("/portal/devices/?tab=denied")
    assert rows(listed) == ["press-1"]
    assert "by otto" in text_of(listed)
    restored = htmx.post("/portal/devices/press-1/restore/", {"seen": "2"})
    assert "accepted" in text_of(restored)
    purged = htmx.post("/portal/devices/press-1/purge/", {"seen": "3", "reason": "scrapped"})
    assert "press-1 is purged" in text_of(purged)
    assert not Device.objects.exists()
    assert AuditEvent.objects.get(verb="device.purged").reason == "scrapped"


def test_purging_without_htmx_goes_back_to_the_list_and_not_to_a_page_that_is_gone(
    plain: Client, make_device: Callable[..., Device]
) -> None:
    make_device("press-1")
    answer = plain.post("/portal/devices/press-1/purge/", {"seen": "1", "next": "/portal/devices/press-1/"})
    assert answer["Location"] == "/portal/devices/"


def test_a_purged_device_is_named_and_nothing_leads_to_its_page(
    plain: Client, make_device: Callable[..., Device]
) -> None:
    for name in ("press-1", "press-2"):
        admission.decide(make_device(name), Status.ACCEPTED, by=BOB)
    plain.post("/portal/devices/press-1/purge/", {"seen": "2"})
    for path in ("/portal/", "/portal/audit/"):
        page = plain.get(path)
        assert "press-1" in text_of(page)
        assert 'href="/portal/devices/press-1/"' not in page.content.decode()
        assert 'href="/portal/devices/press-2/"' in page.content.decode()


def test_an_invisible_character_in_a_reason_is_refused(htmx: Client, make_device: Callable[..., Device]) -> None:
    make_device("press-1")
    answer = htmx.post("/portal/devices/press-1/deny/", {"seen": "1", "reason": "ok\u202eko"})
    assert answer.status_code == 400
    assert "U+202E" in text_of(answer)


def test_the_page_of_a_device_says_what_each_verb_does_and_who_did_what(
    plain: Client, make_device: Callable[..., Device]
) -> None:
    device = make_device("press-1")
    admission.decide(device, Status.ACCEPTED, by=BOB, reason="commissioned")
    page = text_of(plain.get("/portal/devices/press-1/"))
    assert "what it stored here is destroyed" in page
    assert "The record is removed for good" in page
    assert "A device that comes with this id later counts as new, even if it was denied." in page
    assert "it can be accepted again" in page
    assert "“" not in page
    assert "bob" in page
    assert "commissioned" in page


def test_on_the_page_of_a_device_htmx_gets_the_whole_device(htmx: Client, make_device: Callable[..., Device]) -> None:
    make_device("press-1")
    answer = htmx.post("/portal/devices/press-1/accept/", {"seen": "1"}, headers={"HX-Target": "device"})
    assert answer.content.decode().strip().startswith('<article id="device"')
    gone = htmx.post("/portal/devices/press-1/purge/", {"seen": "2"}, headers={"HX-Target": "device"})
    assert gone["HX-Redirect"] == "/portal/devices/"


@pytest.mark.parametrize("device_id", ["a:b", "A_b-c:1", "live", "list", "x" * 128])
def test_every_id_that_a_device_may_have_has_a_page(
    plain: Client, make_device: Callable[..., Device], device_id: str
) -> None:
    device = make_device(device_id)
    assert plain.get(device.get_absolute_url()).status_code == 200


def test_a_key_change_shows_both_keys_and_is_decided_once(
    htmx: Client, mender_device: Callable[..., Any], root: Actor
) -> None:
    claimed, first, second = read('{"mac": "1"}'), mender_device(), mender_device()
    device = introduction.introduce(claimed, read_key(first.pem), address="10.0.0.1").device
    admission.decide(device, Status.ACCEPTED, by=root)
    introduction.introduce(claimed, read_key(second.pem), address="10.0.0.2")
    change = KeyChangeRequest.objects.get()
    page = htmx.get(f"/portal/devices/{device.pk}/").content.decode()
    shown = re.sub(r"<[^>]+>", "", page)
    assert change.present_fingerprint in shown
    assert change.new_fingerprint in shown
    at = f"/portal/devices/{device.pk}/key-changes/{change.pk}"
    assert htmx.post(f"{at}/accept/", headers={"HX-Target": "device"}).status_code == 200
    device.refresh_from_db()
    assert device.fingerprint == change.new_fingerprint
    refused = htmx.post(f"{at}/refuse/", headers={"HX-Target": "device"})
    assert refused.status_code == 409
    assert "accepted by otto already" in text_of(refused)
    assert htmx.post(f"/portal/devices/other/key-changes/{change.pk}/accept/").status_code == 404
    assert htmx.post(f"/portal/devices/{device.pk}/key-changes/{10**30}/accept/").status_code == 404


def test_polling_answers_nothing_until_something_changed(htmx: Client, make_device: Callable[..., Device]) -> None:
    make_device("press-1", request_time=NOON)
    page = htmx.get("/portal/devices/").content.decode()
    at = re.search(r'hx-get="(/portal/devices/list/live/[^"]+)"', page)[1].replace("&amp;", "&")
    assert htmx.get(at, headers={"X-Gatehouse-Poll": "1"}).status_code == 204
    make_device("press-2", request_time=NOON + timedelta(seconds=1))
    answer = htmx.get(at, headers={"X-Gatehouse-Poll": "1"})
    assert answer.status_code == 200
    assert answer.content.decode().strip().startswith('<div id="live"')
    assert "1 new device. Show it" in text_of(answer)
    assert "Pending 2" in text_of(answer)


def test_the_latest_come_first_and_older_ones_on_further_pages(
    plain: Client, make_device: Callable[..., Device]
) -> None:
    for number in range(120):
        # Ten at a time came in the same moment.
        make_device(f"press-{number:03}", request_time=NOON + timedelta(seconds=number // 10))
    seen, at = [], "/portal/devices/"
    while at:
        page = plain.get(at)
        assert len(rows(page)) <= 50
        seen += rows(page)
        older = re.search(r'rel="next" href="([^"]+)"', page.content.decode())
        at = older[1].replace("&amp;", "&") if older else ""
    assert seen == [f"press-{number:03}" for number in reversed(range(120))]


@pytest.mark.parametrize(
    "query",
    ["tab=maybe", "tab=all&tab=denied", "after=x", "after=99999999999999999999.a", "q=a%00b", "q=a%E2%80%AEb",
     f"q={'x' * 201}", "q=a&q=b", "after=1.%20", "last=%00"],
)  # fmt: skip
def test_a_query_that_cannot_be_meant_is_refused(plain: Client, query: str) -> None:
    assert plain.get(f"/portal/devices/?{query}").status_code == 400


@pytest.mark.parametrize("query", ["", "since=x", "since=", "tab=x&since=1", "since=99999999999999999999"])
def test_a_poll_that_cannot_be_meant_is_refused(plain: Client, query: str) -> None:
    assert plain.get(f"/portal/devices/list/live/?{query}").status_code == 400


def test_searching_finds_by_id_fingerprint_and_identity_and_says_when_nothing_fits(
    plain: Client, make_device: Callable[..., Device], mender_device: Callable[..., Any]
) -> None:
    device = make_device("press-1", {"serial": "SN-4711"}, key=mender_device().pem)
    make_device("oven-1")
    for wanted in ("press", device.fingerprint[:8], "4711"):
        assert rows(plain.get("/portal/devices/", {"q": wanted})) == ["press-1"]
    assert "No device in this list" in text_of(plain.get("/portal/devices/", {"q": "<b>nothing</b>"}))


def test_the_number_of_queries_does_not_grow_with_the_list(plain: Client, make_device: Callable[..., Device]) -> None:
    def queries(path: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            plain.get(path)
        return len(captured)

    make_device("press-0")
    denial.deny(make_device("oven-0"), by=BOB)
    few = [queries(path) for path in ("/portal/", "/portal/devices/?tab=all", "/portal/devices/?tab=denied")]
    for number in range(1, 40):
        make_device(f"press-{number}")
        denial.deny(make_device(f"oven-{number}"), by=BOB)
    many = [queries(path) for path in ("/portal/", "/portal/devices/?tab=all", "/portal/devices/?tab=denied")]
    assert many == few
    assert many[0] <= 22  # The overview asks each panel, each kind of what ends, and which devices are still there.
    assert max(many[1:]) <= 9


def test_a_viewer_sees_the_list_and_no_buttons(
    log_in: Callable[..., Client], viewer: User, make_device: Callable[..., Device]
) -> None:
    make_device("press-1")
    for path in ("/portal/devices/", "/portal/devices/press-1/"):
        page = log_in(viewer).get(path).content.decode()
        assert "press-1" in page
        assert "/press-1/accept/" not in page
        assert "/press-1/deny/" not in page


def test_an_empty_installation_says_what_to_do_next(plain: Client) -> None:
    for path in ("/portal/", "/portal/devices/", "/portal/devices/?tab=all"):
        assert "manage.py simulate_fleet" in text_of(plain.get(path))


def test_the_overview_says_what_waits_and_is_quiet_until_that_changes(
    htmx: Client, make_device: Callable[..., Device]
) -> None:
    make_device("press-1")
    page = htmx.get("/portal/")
    assert page.content.decode().strip().startswith('<div id="overview"')
    assert "1 device waits for a decision" in text_of(page)
    known = re.search(r"known=([^\"&]+)", page.content.decode())[1]
    assert htmx.get(f"/portal/?known={known}").status_code == 204
    make_device("press-2")
    assert "2 devices wait for a decision" in text_of(htmx.get(f"/portal/?known={known}"))


class TestHowManyWait:
    """The mark beside the way to the devices, on every page."""

    WAITING = "/portal/devices/list/waiting/"

    @pytest.mark.parametrize("path", ["/portal/", "/portal/tokens/", "/portal/help/", "/portal/account/"])
    def test_stands_on_every_page(
        self, log_in: Callable[..., Client], viewer: User, make_device: Callable[..., Device], path: str
    ) -> None:
        browser = log_in(viewer)
        assert 'known=0"' in browser.get(path).content.decode()
        for number in range(3):
            make_device(f"press-{number}")
        page = browser.get(path).content.decode()
        assert '>3<span class="unseen"> waiting</span>' in page
        assert f'hx-get="{self.WAITING}?known=3"' in page

    def test_is_told_when_it_changes_and_only_then(
        self, log_in: Callable[..., Client], viewer: User, make_device: Callable[..., Device]
    ) -> None:
        make_device("press-1")
        browser = log_in(viewer)
        asked = {"HX-Request": "true"}
        assert browser.get(f"{self.WAITING}?known=1", headers=asked).status_code == 204
        told = browser.get(f"{self.WAITING}?known=0", headers=asked)
        assert told.status_code == 200
        assert 'id="waiting"' in told.content.decode()
        assert " hidden" not in told.content.decode()
        admission.decide(Device.objects.get(), Status.REJECTED, by=BOB)
        assert " hidden" in browser.get(f"{self.WAITING}?known=1", headers=asked).content.decode()

    def test_a_browser_without_htmx_goes_to_the_list(self, log_in: Callable[..., Client], viewer: User) -> None:
        assert log_in(viewer).get(f"{self.WAITING}?known=9")["Location"] == "/portal/devices/"
