"""Shutdowns over the native REST: the same yes and the same no as the rules, in the shapes that are documented."""

import json
import re
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from devices import (
    denial,
    installed,
    shutdown,
    shutdown_acks,
    shutdown_approval,
    shutdown_cancel,
    shutdown_claim,
    shutdown_counts,
    shutdown_deadlines,
    shutdown_fields,
    shutdown_refusals,
)
from devices.models import Device, ShutdownJob, ShutdownTarget, Status, Via
from devices.shutdown_claim import Report
from portal.actor import Actor
from portal.models import User
from portal.scopes import Scope
from tokens import access_tokens, issuing, shown_secrets, switching
from tokens.models import AppCredential, AppVersion
from tokens.overlap import Rotated

pytestmark = pytest.mark.django_db

URL = "/api/v1/shutdowns"
REASON = "Maintenance of hall 3."
STATES = (
    "waiting", "queued", "claimed", "executing", "succeeded", "failed", "unconfirmed", "cancelled", "expired", "skipped"
)  # fmt: skip
NONCE = "0123456789abcdef"


@pytest.fixture
def fleet(make_device: Callable[..., Device]) -> list[str]:
    """Three accepted devices, one that waits, one that is denied."""
    for number in range(1, 4):
        make_device(f"press-{number}", status=Status.ACCEPTED)
    make_device("new-1", status=Status.PENDING)
    make_device("gone-1", status=Status.ACCEPTED, denied_at="2026-01-01T00:00:00Z")
    return ["press-1", "press-2", "press-3"]


@pytest.fixture
def token_of(db: None) -> Callable[..., APIClient]:
    """A REST client whose token belongs to this person and may do everything about shutdowns."""
    scopes = (Scope.SHUTDOWNS_READ, Scope.SHUTDOWNS_REQUEST, Scope.SHUTDOWNS_APPROVE)

    def client(owner: User) -> APIClient:
        _, shown = issuing.issue("line-3", scopes, owner=owner, days=1, by=Actor.command("test"))
        return APIClient(headers={"Authorization": f"Bearer {shown}"})

    return client


@pytest.fixture
def client(token_of: Callable[..., APIClient], administrator: User) -> APIClient:
    return token_of(administrator)


@pytest.fixture
def other(token_of: Callable[..., APIClient], operator: User) -> APIClient:
    """The client of a second person."""
    return token_of(operator)


@pytest.fixture
def app_of(
    make_version: Callable[..., AppVersion], make_credential: Callable[..., Rotated]
) -> Callable[..., APIClient]:
    """The REST client of an app whose credentials belong to this person, or to nobody."""

    def client(app: str, owner: User | None) -> APIClient:
        scopes = (Scope.SHUTDOWNS_READ, Scope.SHUTDOWNS_REQUEST, Scope.SHUTDOWNS_APPROVE)
        issued = make_credential(make_version(app=app, scopes=scopes), owner=owner, scopes=scopes)
        buyer = shown_secrets.of_client(issued.holder.client_id, issued.text, address="192.0.2.7")
        return APIClient(headers={"Authorization": f"Bearer {access_tokens.technical(buyer, 'main')}"})

    return client


@pytest.fixture
def apps(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[installed.App]]:
    there: dict[str, list[installed.App]] = {}
    monkeypatch.setattr(installed, "_sources", [lambda devices: {each: there.get(each, []) for each in devices}])
    return there


def body(*devices: str, **facts: Any) -> dict[str, Any]:
    counted = {"confirm_count": len(devices)} if len(devices) > 1 else {}
    return {"devices": list(devices), "reason": REASON, **counted, **facts}


def order(client: APIClient, *devices: str, **facts: Any) -> Any:
    return client.post(URL, body(*devices, **facts), format="json")


def made(client: APIClient, *devices: str, **facts: Any) -> dict[str, Any]:
    answer = order(client, *devices, **facts)
    assert answer.status_code == 201, answer.content
    job: dict[str, Any] = answer.json()
    return job


def act(client: APIClient, job: dict[str, Any], verb: str, **said: Any) -> Any:
    return client.post(f"{URL}/{job['id']}/{verb}", said, format="json")


def no(answer: Any) -> tuple[int, str]:
    shape = answer.json()
    assert shape["error"].endswith(".")
    assert shape["request_id"]
    return answer.status_code, shape["code"]


def claim(job: dict[str, Any], device_id: str = "press-1") -> ShutdownTarget:
    target = ShutdownTarget.objects.select_related("job").get(job=job["id"], device_id=device_id)
    return shutdown_claim.claim(target, NONCE, by=Actor.device(device_id)).target


class TestOrder:
    def test_an_order_is_answered_with_where_it_stands(self, client: APIClient, fleet: list[str]) -> None:
        answer = order(client, *fleet, max_ack_seconds=10, ttl_seconds=600)
        job = answer.json()
        assert (answer.status_code, answer["Location"]) == (201, f"{URL}/{job['id']}")
        assert list(job) == [
            "id", "state", "reason", "requested_by", "via", "created_at", "start_at", "expires_at", "max_ack_seconds",
            "execute_now", "approval", "counts", "retry_of",
        ]  # fmt: skip
        assert (job["state"], job["reason"], job["requested_by"], job["via"]) == (
            "running", REASON, "token line-3", "api",
        )  # fmt: skip
        assert job["counts"] == dict.fromkeys(STATES, 0) | {"queued": 3}
        assert job["approval"] == {"needed": False, "by": "", "at": None}
        assert client.get(answer["Location"]).json() == job

    @pytest.mark.parametrize(
        ("facts", "field"),
        [
            ({"devices": []}, "devices"),
            ({"devices": "press-1"}, "devices"),
            ({"devices": ["press-1", "press-1"]}, "devices"),
            ({"devices": ["press-1", "nobody-1"], "confirm_count": 2}, "devices"),
            ({"devices": [f"d{number}" for number in range(1001)]}, "devices"),
            ({"reason": "no"}, "reason"),
            ({"reason": "x" * 201}, "reason"),
            ({"reason": 12345}, "reason"),
            ({"reason": None}, "reason"),
            ({"max_ack_seconds": "30"}, "max_ack_seconds"),
            ({"max_ack_seconds": 30.5}, "max_ack_seconds"),
            ({"max_ack_seconds": True}, "max_ack_seconds"),
            ({"max_ack_seconds": 601}, "max_ack_seconds"),
            ({"execute_now": 1}, "execute_now"),
            ({"ttl_seconds": 119}, "ttl_seconds"),
            ({"ttl_seconds": 86401}, "ttl_seconds"),
            ({"start_at": "tomorrow"}, "start_at"),
            ({"start_at": "2026-01-01T00:00:00Z"}, "start_at"),
            ({"start_at": "2099-01-01T00:00:00Z"}, "start_at"),
            ({"confirm_count": "1"}, "confirm_count"),
            ({"all": True}, "all"),
            ({"filter": {"status": "accepted"}}, "filter"),
        ],
    )
    def test_what_no_order_may_say_names_the_member(
        self, client: APIClient, fleet: list[str], facts: dict[str, Any], field: str
    ) -> None:
        answer = order(client, "press-1", **facts)
        assert no(answer) == (400, "invalid")
        assert list(answer.json()["invalid"]) == [field]
        assert not ShutdownJob.objects.exists()

    def test_unknown_ids_are_named_and_nothing_is_made(self, client: APIClient, fleet: list[str]) -> None:
        answer = order(client, "press-1", "nobody-2", "nobody-1")
        assert "nobody-1, nobody-2" in answer.json()["error"]
        assert not ShutdownJob.objects.exists()

    @pytest.mark.parametrize("said", [None, -1, 0, 1, 2, 4, 1001, 10**30])
    def test_a_wrong_number_is_told_the_right_one(self, client: APIClient, fleet: list[str], said: int | None) -> None:
        answer = order(client, *fleet, confirm_count=said)
        assert no(answer) == (409, "count_mismatch")
        assert answer.json()["count"] == 3

    @pytest.mark.parametrize(
        ("devices", "code"),
        [
            (["gone-1"], "device_denied"),
            (["new-1"], "device_not_accepted"),
            (["press-1"], "open_job"),
            (["gone-1", "new-1"], "nothing_to_do"),
        ],
    )
    def test_what_cannot_be_shut_down_is_a_no_that_says_why(
        self, client: APIClient, fleet: list[str], devices: list[str], code: str
    ) -> None:
        made(client, "press-1")
        assert no(order(client, *devices)) == (409, code)

    def test_one_device_is_no_several(self, client: APIClient, fleet: list[str]) -> None:
        answer = order(client, "press-1", confirm_count=2)
        assert answer.json()["error"] == "This is for 1 device; send that number to confirm it."

    def test_a_start_that_is_none_is_told_how_one_is_written_in_json(self, client: APIClient, fleet: list[str]) -> None:
        answer = order(client, "press-1", start_at="tomorrow")
        sentence = "'start_at' is a moment with its offset, such as 2026-11-25T12:00:00Z."
        assert answer.json()["invalid"] == {"start_at": [sentence]}

    def test_among_several_it_is_skipped(self, client: APIClient, fleet: list[str]) -> None:
        assert made(client, "press-1", "gone-1")["counts"] == dict.fromkeys(STATES, 0) | {"queued": 1, "skipped": 1}

    def test_sent_again_with_its_key_it_is_done_once(self, client: APIClient, fleet: list[str]) -> None:
        key = {"Idempotency-Key": "once"}
        first, again = (client.post(URL, body(*fleet), format="json", headers=key) for _ in range(2))
        assert (first.status_code, again.status_code) == (201, 201)
        assert first.json() == again.json()
        assert again["Idempotent-Replay"] == "true"
        other = client.post(URL, body("press-1"), format="json", headers=key)
        assert no(other) == (422, "idempotency_key_reused")
        assert ShutdownJob.objects.count() == 1

    def test_its_key_is_its_owners_whatever_token_they_send(
        self,
        client: APIClient,
        token_of: Callable[..., APIClient],
        other: APIClient,
        fleet: list[str],
        administrator: User,
    ) -> None:
        key = {"Idempotency-Key": "once"}
        first, again = (
            asking.post(URL, body("press-1"), format="json", headers=key)
            for asking in (client, token_of(administrator))
        )
        assert (first.json(), again["Idempotent-Replay"]) == (again.json(), "true")
        assert no(other.post(URL, body("press-1"), format="json", headers=key)) == (409, "open_job")
        shutdown_claim.report(claim(first.json()), Report("failed"), by=Actor.device("press-1"))
        path = f"{URL}/{first.json()['id']}/retry"
        once, twice = (
            asking.post(path, {"reason": REASON}, format="json", headers=key)
            for asking in (client, token_of(administrator))
        )
        assert (once.json(), twice["Idempotent-Replay"]) == (twice.json(), "true")

    def test_one_that_starts_later_is_scheduled(self, client: APIClient, fleet: list[str]) -> None:
        at = (timezone.now() + timezone.timedelta(hours=1)).isoformat()
        job = made(client, "press-1", start_at=at)
        assert (job["state"], job["expires_at"], job["counts"]["waiting"]) == ("scheduled", None, 1)


class TestApproval:
    @pytest.fixture(autouse=True)
    def _from_three(self, settings: Any) -> None:
        settings.SHUTDOWN_APPROVAL_FROM = 3

    def test_another_person_approves_it_and_no_token_of_the_first(
        self, client: APIClient, other: APIClient, fleet: list[str]
    ) -> None:
        job = made(client, *fleet)
        assert (job["state"], job["approval"]) == ("awaiting_approval", {"needed": True, "by": "", "at": None})
        assert no(act(client, job, "approve", confirm_count=3)) == (403, "same_person")
        assert no(act(other, job, "approve")) == (409, "count_mismatch")
        approved = act(other, job, "approve", confirm_count=3).json()
        assert (approved["state"], approved["approval"]["by"]) == ("running", "token line-3")
        assert approved["approval"]["at"]
        again = act(other, job, "approve", confirm_count=3)
        assert no(again) == (409, "not_awaiting_approval")
        assert again.json()["error"].endswith(": it was approved by token line-3, and is running.")

    def test_or_refuses_it_for_good(self, client: APIClient, other: APIClient, fleet: list[str]) -> None:
        job = made(client, *fleet)
        assert no(act(client, job, "refuse", reason=REASON)) == (403, "same_person")
        assert no(act(other, job, "refuse")) == (400, "invalid")
        assert act(other, job, "refuse", reason=REASON).json()["state"] == "refused"
        again = act(other, job, "refuse", reason=REASON)
        assert no(again) == (409, "not_awaiting_approval")
        assert again.json()["error"].endswith(": it was refused by token line-3.")

    def test_with_nobody_to_approve_it_is_refused_at_once(self, client: APIClient, fleet: list[str]) -> None:
        assert no(order(client, *fleet)) == (409, "no_second_approver")

    def test_what_an_app_orders_awaits_a_person(
        self, app_of: Callable[..., APIClient], client: APIClient, fleet: list[str]
    ) -> None:
        app, stranger = app_of("press", None), app_of("other", None)
        job = made(app, *fleet)
        assert (job["state"], job["requested_by"]) == ("awaiting_approval", "app main-press-v1.0.0")
        for asking in (app, stranger):
            for verb, said in (("approve", {"confirm_count": 3}), ("refuse", {"reason": REASON})):
                answer = act(asking, job, verb, **said)
                assert no(answer) == (403, "same_person")
                assert "ask a person" in answer.json()["error"]
        assert act(client, job, "approve", confirm_count=3).json()["state"] == "running"

    def test_small_orders_of_an_app_are_counted_together_and_not_those_of_others(
        self, app_of: Callable[..., APIClient], client: APIClient, fleet: list[str]
    ) -> None:
        app = app_of("press", None)
        assert made(app, "press-1", "press-2")["state"] == "running"
        assert made(app_of("other", None), "press-3")["state"] == "running"
        ShutdownTarget.objects.update(state="cancelled")
        assert made(client, "press-3")["state"] == "running"
        ShutdownTarget.objects.update(state="cancelled")
        assert made(app, "press-3")["state"] == "awaiting_approval"

    def test_whose_credentials_they_are_does_not_approve_it_and_it_counts_as_theirs(
        self,
        app_of: Callable[..., APIClient],
        client: APIClient,
        other: APIClient,
        fleet: list[str],
        administrator: User,
        operator: User,
    ) -> None:
        job = made(app_of("press", administrator), *fleet)
        answer = act(client, job, "approve", confirm_count=3)
        assert "credentials of yours" in answer.json()["error"]
        assert no(answer) == (403, "same_person")
        assert shutdown_approval.how_many_await(by=Actor.person(administrator)) == 0
        assert shutdown_approval.how_many_await(by=Actor.person(operator)) == 1
        assert act(other, job, "refuse", reason=REASON).json()["state"] == "refused"
        assert made(client, "press-1", "press-2")["state"] == "running"
        assert made(app_of("other", administrator), "press-3")["state"] == "awaiting_approval"

    def test_with_nobody_but_whose_credentials_they_are_it_is_refused_at_once(
        self, app_of: Callable[..., APIClient], fleet: list[str], administrator: User
    ) -> None:
        assert no(order(app_of("press", administrator), *fleet)) == (409, "no_second_approver")

    @pytest.mark.parametrize("end", ["disable", "revoke"])
    def test_an_app_that_is_shut_out_before_the_claim_shuts_nothing_down(
        self, app_of: Callable[..., APIClient], fleet: list[str], end: str
    ) -> None:
        job = made(app_of("press", None), "press-1")
        getattr(switching, end)(AppCredential.objects.get(), by=Actor.command("test"), reason=REASON)
        with pytest.raises(shutdown_refusals.JobCancelled):
            claim(job)
        assert ShutdownTarget.objects.get().code == "requester_inactive"

    def test_what_was_changed_since_it_was_read_is_not_approved(
        self, client: APIClient, other: APIClient, fleet: list[str]
    ) -> None:
        job = made(client, *fleet)
        seen = other.get(f"{URL}/{job['id']}")["ETag"]
        denial.deny(Device.objects.get(pk="press-1"), by=Actor.command("test"))
        path, said = f"{URL}/{job['id']}/approve", {"confirm_count": 3}
        assert no(other.post(path, said, format="json", headers={"If-Match": seen})) == (412, "precondition_failed")
        seen = other.get(f"{URL}/{job['id']}")["ETag"]
        assert other.post(path, said, format="json", headers={"If-Match": seen}).status_code == 200

    @pytest.mark.parametrize("verb", ["approve", "refuse", "cancel"])
    def test_nor_is_one_that_changes_between_the_reading_and_the_lock_decided_on(
        self, client: APIClient, other: APIClient, fleet: list[str], monkeypatch: pytest.MonkeyPatch, verb: str
    ) -> None:
        job = made(client, *fleet)
        seen = other.get(f"{URL}/{job['id']}")["ETag"]
        rules = shutdown_cancel if verb == "cancel" else shutdown_approval
        rule = getattr(rules, verb)

        def changed_at_once(found: ShutdownJob, **wanted: Any) -> Any:
            denial.deny(Device.objects.get(pk="press-1"), by=Actor.command("test"))
            return rule(found, **wanted)

        monkeypatch.setattr(rules, verb, changed_at_once)
        said = {"confirm_count": 3} if verb == "approve" else {"reason": REASON}
        answer = other.post(f"{URL}/{job['id']}/{verb}", said, format="json", headers={"If-Match": seen})
        assert no(answer) == (412, "precondition_failed")
        assert other.get(f"{URL}/{job['id']}").json()["state"] == "awaiting_approval"


class TestCancelAndRetry:
    def test_what_is_claimed_is_too_late(self, client: APIClient, fleet: list[str]) -> None:
        job = made(client, *fleet)
        claim(job, "press-2")
        some = act(client, job, "cancel", reason=REASON, devices=["press-1"])
        assert some.json() == {"cancelled": ["press-1"], "too_late": []}
        rest = act(client, job, "cancel", reason=REASON)
        assert rest.json() == {"cancelled": ["press-3"], "too_late": ["press-2"]}
        assert no(act(client, job, "cancel", reason=REASON)) == (409, "too_late")

    @pytest.mark.parametrize(
        ("said", "field"),
        [
            ({}, "reason"),
            ({"reason": REASON, "devices": ["nobody-1"]}, "devices"),
            ({"reason": REASON, "devices": []}, "devices"),
            ({"reason": REASON, "confirm_count": 1}, "confirm_count"),
        ],
    )
    def test_a_cancellation_says_why_and_names_its_devices(
        self, client: APIClient, fleet: list[str], said: dict[str, Any], field: str
    ) -> None:
        answer = act(client, made(client, "press-1"), "cancel", **said)
        assert no(answer) == (400, "invalid")
        assert list(answer.json()["invalid"]) == [field]

    def test_only_what_did_not_go_off_is_ordered_anew(self, client: APIClient, fleet: list[str]) -> None:
        job = made(client, *fleet)
        assert no(act(client, job, "retry", reason=REASON)) == (409, "still_running")
        for device, state in (("press-1", "succeeded"), ("press-2", "failed"), ("press-3", "failed")):
            shutdown_claim.report(claim(job, device), Report(state), by=Actor.device(device))
        assert client.get(f"{URL}/{job['id']}").json()["state"] == "completed_with_errors"
        assert no(act(client, job, "retry", reason=REASON)) == (409, "count_mismatch")
        again = act(client, job, "retry", reason="once more", confirm_count=2, ttl_seconds=300)
        assert again.status_code == 201
        assert (again.json()["retry_of"], again.json()["counts"]["queued"]) == (job["id"], 2)
        assert again["Location"] == f"{URL}/{again.json()['id']}"

    def test_where_all_went_off_nothing_is(self, client: APIClient, fleet: list[str]) -> None:
        job = made(client, "press-1")
        shutdown_claim.report(claim(job), Report("succeeded"), by=Actor.device("press-1"))
        assert no(act(client, job, "retry", reason=REASON)) == (409, "nothing_to_retry")


class TestReading:
    def test_the_list_is_the_latest_first_in_pages_and_counted_at_once(
        self, client: APIClient, fleet: list[str]
    ) -> None:
        jobs = [made(client, device) for device in fleet]
        first = client.get(URL, {"limit": 2}).json()
        second = client.get(first["next"]).json()
        shown = [job["id"] for page in (first, second) for job in page["results"]]
        assert shown == [job["id"] for job in reversed(jobs)]
        assert [job["id"] for job in client.get(second["previous"]).json()["results"]] == shown[:2]
        with CaptureQueriesContext(connection) as asked:
            client.get(URL)
        assert len([query for query in asked if "COUNT(" in query["sql"]]) == 1

    @pytest.mark.parametrize(
        ("query", "found"),
        [
            ({"state": "running"}, 2),
            ({"state": "cancelled"}, 1),
            ({"device": "press-1"}, 2),
            ({"device": "press-1", "state": "running"}, 1),
            ({"device": "nobody-1"}, 0),
        ],
    )
    def test_it_is_narrowed_by_state_and_device(
        self, client: APIClient, fleet: list[str], query: dict[str, str], found: int
    ) -> None:
        act(client, made(client, "press-1"), "cancel", reason=REASON)
        made(client, "press-1", "press-2")
        made(client, "press-3")
        assert len(client.get(URL, query).json()["results"]) == found

    @pytest.mark.parametrize("query", [{"state": "asleep"}, {"who": "ada"}, {"limit": "0"}, {"cursor": "x"}])
    def test_a_query_that_makes_no_sense_is_refused(self, client: APIClient, query: dict[str, str]) -> None:
        assert no(client.get(URL, query)) == (400, "invalid")

    def test_targets_say_what_the_apps_did(
        self, client: APIClient, fleet: list[str], apps: dict[str, list[installed.App]]
    ) -> None:
        apps["press-1"] = [installed.App("i1", "historian", "v1"), installed.App("i2", "viewer", "v2")]
        job = made(client, *fleet)
        shutdown_acks.acknowledge(claim(job), apps["press-1"][0], by=Actor.app("historian", (), credential="i1"))
        found = client.get(f"{URL}/{job['id']}/targets").json()["results"]
        assert [target["device"] for target in found] == fleet
        first = found[0]
        assert list(first) == [
            "device", "state", "code", "detail", "queued_at", "claimed_at", "deadline", "acks", "reported_at",
            "finished_at",
        ]  # fmt: skip
        assert (first["state"], bool(first["deadline"]), first["finished_at"]) == ("claimed", True, None)
        assert [(ack["app"], ack["version"], bool(ack["acknowledged_at"])) for ack in first["acks"]] == [
            ("historian", "v1", True), ("viewer", "v2", False),
        ]  # fmt: skip

    def test_times_are_told_in_milliseconds(
        self, client: APIClient, other: APIClient, fleet: list[str], apps: dict[str, list[installed.App]], settings: Any
    ) -> None:
        settings.SHUTDOWN_APPROVAL_FROM = 1
        apps["press-1"] = [installed.App("i1", "historian", "v1")]
        job = act(other, made(client, "press-1"), "approve").json()
        ShutdownJob.objects.update(start_at=timezone.now().replace(microsecond=0))
        shutdown_acks.acknowledge(claim(job), apps["press-1"][0], by=Actor.app("historian", (), credential="i1"))
        shutdown_claim.report(ShutdownTarget.objects.get(), Report("succeeded"), by=Actor.device("press-1"))
        told = client.get(f"{URL}/{job['id']}").json()
        [target] = client.get(f"{URL}/{job['id']}/targets").json()["results"]
        times = [told[name] for name in ("created_at", "start_at", "expires_at")] + [told["approval"]["at"]]
        times += [target[name] for name in ("queued_at", "claimed_at", "deadline", "reported_at", "finished_at")]
        for each in [*times, target["acks"][0]["acknowledged_at"]]:
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", each)

    def test_targets_are_narrowed_by_state_and_come_in_pages(self, client: APIClient, fleet: list[str]) -> None:
        job = made(client, *fleet, "gone-1")
        path = f"{URL}/{job['id']}/targets"
        skipped = client.get(path, {"state": "skipped"}).json()["results"]
        assert [(target["device"], target["code"]) for target in skipped] == [("gone-1", "device_denied")]
        first = client.get(path, {"limit": 3}).json()
        assert [target["device"] for target in client.get(first["next"]).json()["results"]] == ["press-3"]

    def test_the_etag_changes_with_the_counts(self, client: APIClient, fleet: list[str]) -> None:
        job = made(client, *fleet)
        path = f"{URL}/{job['id']}"
        seen = client.get(path)["ETag"]
        assert client.get(path, headers={"If-None-Match": seen}).status_code == 304
        claim(job)
        assert client.get(path, headers={"If-None-Match": seen}).status_code == 200

    @pytest.mark.parametrize("job", ["null", "1", "0" * 32, "0" * 36, "6f1c4d8e-2b5a-4c0e-9a57-3d1f0b7c9e420"])
    def test_what_is_no_id_is_nowhere(self, client: APIClient, job: str) -> None:
        for path in (f"{URL}/{job}", f"{URL}/{job}/targets"):
            assert no(client.get(path)) == (404, "not_found")

    @pytest.mark.parametrize("path", ["", "/targets"])
    def test_what_is_not_there_is_a_404(self, client: APIClient, path: str) -> None:
        assert no(client.get(f"{URL}/{uuid4()}{path}")) == (404, "shutdown_not_found")

    def test_a_thousand_devices_are_one_order_and_a_small_answer(
        self, client: APIClient, make_device: Callable[..., Device], settings: Any
    ) -> None:
        settings.SHUTDOWN_APPROVAL_FROM = 0
        ids = [f"d{number}" for number in range(shutdown_fields.MOST_DEVICES)]
        Device.objects.bulk_create([Device(id=each, status=Status.ACCEPTED) for each in ids])
        with CaptureQueriesContext(connection) as asked:
            answer = order(client, *ids)
        assert answer.json()["counts"]["queued"] == 1000
        assert len(answer.content) < 1000
        assert len(asked) < 60


def test_the_metrics_count_targets_by_state(client: APIClient, fleet: list[str]) -> None:
    made(client, *fleet)
    told = Client().get("/metrics").content.decode()
    assert 'gatehouse_shutdown_targets{state="queued"} 3.0' in told
    assert 'gatehouse_shutdown_targets{state="failed"} 0.0' in told


def test_those_that_have_ended_are_counted_by_the_worker_and_the_others_at_once(
    client: APIClient, fleet: list[str]
) -> None:
    shutdown_counts.keep()
    first = made(client, *fleet[:2])
    assert shutdown_counts.by_state() == dict.fromkeys(STATES, 0) | {"queued": 2}
    act(client, first, "cancel", reason=REASON)
    made(client, fleet[2])
    assert shutdown_counts.by_state() == dict.fromkeys(STATES, 0) | {"queued": 1}
    shutdown_counts.keep()
    assert shutdown_counts.by_state() == dict.fromkeys(STATES, 0) | {"queued": 1, "cancelled": 2}


class TestKey:
    """What a page orders twice under one key, as by a double click, is one order."""

    @pytest.fixture
    def ada(self, administrator: User) -> Actor:
        return Actor.person(administrator)

    def test_the_same_order_is_the_same_shutdown_and_another_is_none(
        self, fleet: list[str], ada: Actor, operator: User
    ) -> None:
        key, wanted = uuid4(), shutdown_fields.Order(["press-1"], REASON)
        first, again = (shutdown.order(wanted, by=ada, via=Via.PAGE, key=key) for _ in range(2))
        assert (first.pk, again.pk) == (key, key)
        for different, by in (
            (shutdown_fields.Order(["press-2"], REASON), ada),
            (shutdown_fields.Order(["press-1"], "another reason"), ada),
            (wanted, Actor.person(operator)),
        ):
            with pytest.raises(shutdown.shutdown_refusals.KeyReused):
                shutdown.order(different, by=by, via=Via.PAGE, key=key)
        assert ShutdownJob.objects.count() == 1

    @pytest.mark.django_db(transaction=True)
    def test_of_two_at_once_one_is_made(self, fleet: list[str], ada: Actor, at_once: Callable[..., list[Any]]) -> None:
        key, wanted = uuid4(), shutdown_fields.Order(["press-1"], REASON)
        ends = at_once(*[lambda: shutdown.order(wanted, by=ada, via=Via.PAGE, key=key)] * 2)
        assert [end.pk for end in ends] == [key, key]

    def test_a_retry_is_too(self, fleet: list[str], ada: Actor) -> None:
        job = shutdown.order(shutdown_fields.Order(["press-1"], REASON), by=ada, via=Via.PAGE)
        job.targets.update(expires_at=timezone.now())
        shutdown_deadlines.move_on(by=Actor.worker())
        key = uuid4()
        ends = [shutdown.retry(job, by=ada, via=Via.PAGE, reason=REASON, key=key) for _ in range(2)]
        assert [end.pk for end in ends] == [key, key]


def test_a_body_that_is_no_object_is_a_400(client: APIClient) -> None:
    for sent in ("[]", "null", "1", '{"devices":["a"],"devices":["b"],"reason":"twice"}'):
        answer = client.post(URL, sent, content_type="application/json")
        assert answer.status_code == 400, sent
        assert json.loads(answer.content)["error"]
