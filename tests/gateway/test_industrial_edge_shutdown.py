"""Shutdowns as an app on a device asks for one, follows it, takes it back and acknowledges it, as seed 000 says."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db.models import F
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devices import admission, denial, shutdown, shutdown_cancel, shutdown_claim, shutdown_deadlines
from devices.models import Device, ShutdownJob, ShutdownTarget, Status, Via
from devices.shutdown_claim import Report
from devices.shutdown_fields import Order
from portal.actor import Actor
from portal.models import AuditEvent, User
from tests.amount import many
from tests.gateway.test_industrial_edge import message, refused
from tokens import installing, signing, switching
from tokens.models import AppVersion, InstalledApp

SHUTDOWN = "/device/edge/api/v2/shutdown"
AT_SERVICE = "/a.service/api/v3/device/shutdown"
PATHS = (SHUTDOWN, AT_SERVICE)
PERMIT = "/device/edge/a.service/api/v3/token/permit"
JSON = "application/json"
NONCE = "0123456789abcdef"
UNKNOWN = f"{SHUTDOWN}/00000000-0000-4000-8000-000000000000"
MEMBERS = [
    "jobId", "state", "device", "executeNow", "maxAckTimeForApps", "reason", "createdAt", "expiresAt", "claimedAt",
    "deadline", "acknowledged", "waitingFor", "detail",
]  # fmt: skip

pytestmark = pytest.mark.django_db
every_path = pytest.mark.parametrize("path", PATHS)


@dataclass(frozen=True)
class App:
    """An app on a device, with an access token at hand."""

    holder: InstalledApp
    token: str

    def call(self, method: str, path: str, body: Any = None, *, content_type: str = JSON, **headers: str) -> Any:
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        return Client(headers={"Authorization": f"Bearer {self.token}"} | named).generic(
            method, path, raw, content_type=content_type
        )

    def ask(self, body: Any = None, path: str = SHUTDOWN, **facts: Any) -> Any:
        return self.call("POST", path, body, **facts)

    def get(self, path: str) -> Any:
        return self.call("GET", path)


@pytest.fixture
def install(make_version: Callable[..., AppVersion], root: Actor) -> Callable[..., App]:
    """Put an app on a device; it declares API.Shutdown unless told otherwise."""
    signing.ensure_active(by=root)

    def make(app: str, device: str = "press-1", features: tuple[str, ...] = ("API.Shutdown",)) -> App:
        made = installing.install(make_version("1.0.0", app=app, features=features), device, by=root)
        answer: Any = Client().post(PERMIT, {"appPrimaryToken": made.text}, content_type=JSON)
        return App(made.holder, answer.json()["access_token"])

    return make


@pytest.fixture
def pump(make_device: Callable[..., Device], install: Callable[..., App]) -> App:
    """An app that may shut its device down."""
    make_device("press-1", status=Status.ACCEPTED)
    return install("pump")


@pytest.fixture
def historian(pump: App, install: Callable[..., App]) -> App:
    """One on the same device that may not."""
    return install("historian", features=())


@pytest.fixture
def neighbour(make_device: Callable[..., Device], install: Callable[..., App]) -> App:
    """One on another device."""
    make_device("press-2", status=Status.ACCEPTED)
    return install("neighbour", "press-2")


@pytest.fixture
def ada(administrator: User) -> Actor:
    return Actor.person(administrator)


def target(device: str = "press-1") -> ShutdownTarget:
    return ShutdownTarget.objects.select_related("job").filter(device_id=device).latest("pk")


def order(by: Actor, *devices: str, **facts: Any) -> ShutdownJob:
    wanted = Order(list(devices), "maintenance of hall 3", **facts)
    return shutdown.order(wanted, by=by, via=Via.PAGE, confirm_count=len(devices))


def claim(device: str = "press-1") -> ShutdownTarget:
    shutdown_claim.claim(target(device), NONCE, by=Actor.device(device))
    return target(device)


def report(state: str, device: str = "press-1", **facts: str) -> None:
    shutdown_claim.report(target(device), Report(state, **facts), by=Actor.device(device))


def later(**time: int) -> None:
    passed = timedelta(**time)
    ShutdownTarget.objects.update(
        **{name: F(name) - passed for name in ("queued_at", "expires_at", "claimed_at", "deadline", "executing_at")}
    )


def moment(text: str) -> datetime:
    """A moment as the contract writes it: RFC 3339, UTC, milliseconds, Z."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=timezone.get_default_timezone())


class TestAsking:
    def test_without_a_body_it_is_accepted_and_told_in_full(self, pump: App) -> None:
        answer = pump.ask()
        told, job = answer.json(), ShutdownJob.objects.get()
        assert answer.status_code == 202
        assert answer["Location"] == f"{SHUTDOWN}/{job.pk}"
        assert list(told) == ["status", *MEMBERS]
        created, expires = moment(told.pop("createdAt")), moment(told.pop("expiresAt"))
        assert abs((timezone.now() - created).total_seconds()) < 60
        assert round((expires - created).total_seconds()) == 900
        assert told == {
            "status": "accepted", "jobId": str(job.pk), "state": "PENDING", "device": "press-1", "executeNow": False,
            "maxAckTimeForApps": 30, "reason": "Requested by pump 1.0.0.", "claimedAt": None, "deadline": None,
            "acknowledged": [], "waitingFor": [], "detail": "",
        }  # fmt: skip
        assert (job.via, job.app, job.installation, job.requested_by) == (
            "edge-app", "pump", pump.holder.pk, "app pump on press-1"
        )  # fmt: skip

    def test_on_the_path_of_the_first_answer_only_that_is_said(self, pump: App) -> None:
        answer = pump.ask(path=AT_SERVICE)
        assert (answer.status_code, answer.json()) == (202, {"status": "accepted"})
        assert answer["Location"] == f"{SHUTDOWN}/{ShutdownJob.objects.get().pk}"

    @every_path
    @pytest.mark.parametrize(
        ("body", "wait", "now", "reason"),
        [
            ({}, 30, False, "Requested by pump 1.0.0."),
            ({"maxAckTimeForApps": 30, "executeNow": True}, 30, True, "Requested by pump 1.0.0."),
            ({"maxAckTimeForApps": 0}, 0, False, "Requested by pump 1.0.0."),
            ({"maxAckTimeForApps": 600, "reason": "Überhitzung"}, 600, False, "Überhitzung"),
            ({"executeNow": False, "reason": "x" * 200}, 30, False, "x" * 200),
        ],
    )
    def test_what_may_be_said(self, pump: App, path: str, body: Any, wait: int, now: bool, reason: str) -> None:
        assert pump.ask(body, path).status_code == 202
        job = ShutdownJob.objects.get()
        assert (job.max_ack_seconds, job.execute_now, job.reason) == (wait, now, reason)

    @every_path
    @pytest.mark.parametrize(
        "member",
        [
            *({"maxAckTimeForApps": value} for value in (True, False, "30", -1, 601, 30.5, 30.0, 1e9, None, [30], {})),
            *({"executeNow": value} for value in ("true", 1, 0, None, [], {})),
            *({"reason": value} for value in ("no", "x" * 201, "", 30, None, True, "a\u202eb", "a\nb", "   ")),
        ],
    )
    def test_no_type_is_guessed_and_the_member_is_named(self, pump: App, path: str, member: dict[str, Any]) -> None:
        answer = pump.ask(member, path)
        assert refused(answer) == (400, "auth.invalidField")
        assert next(iter(member)) in message(answer)
        assert not ShutdownJob.objects.exists()

    def test_no_number_is_too_large_to_be_refused(self, pump: App) -> None:
        assert refused(pump.ask(b'{"maxAckTimeForApps": 1' + b"0" * 300 + b"}")) == (400, "auth.invalidField")
        assert refused(pump.ask(b'{"maxAckTimeForApps": 1e999}')) == (400, "auth.malformedBody")

    @every_path
    @pytest.mark.parametrize("name", ["executenow", "executeNow ", "max_ack_seconds", "device", ""])
    def test_an_unknown_member_is_refused_and_the_known_ones_are_listed(self, pump: App, path: str, name: str) -> None:
        answer = pump.ask({name: True, "executeNow": True}, path)
        assert refused(answer) == (400, "shutdown.unknownField")
        assert all(known in message(answer) for known in ("maxAckTimeForApps", "executeNow", "reason"))
        assert not ShutdownJob.objects.exists()

    def test_a_token_in_the_place_of_a_name_is_not_repeated(self, pump: App) -> None:
        assert pump.token[:40] not in message(pump.ask({pump.token[:400]: 1}))

    @every_path
    @pytest.mark.parametrize(
        "body",
        [b"{", b"[]", b'"x"', b"null", b"30", b"\xff", b'{"executeNow": true, "executeNow": true}',
         b'{"maxAckTimeForApps": NaN}', b"[" * 4000],
    )  # fmt: skip
    def test_a_body_that_is_none(self, pump: App, path: str, body: bytes) -> None:
        assert refused(pump.ask(body, path)) == (400, "auth.malformedBody")

    @every_path
    def test_its_media_type_and_size_are_judged_as_elsewhere(self, pump: App, path: str) -> None:
        form = pump.ask(b"executeNow=true", path, content_type="application/x-www-form-urlencoded")
        assert refused(form) == (415, "unsupportedMediaType")
        assert refused(pump.ask({"reason": "x" * 9000}, path)) == (413, "tooLarge")
        assert pump.ask(b"", path, content_type="application/x-www-form-urlencoded").status_code == 202

    @every_path
    @pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS"])
    def test_every_other_method_is_405(self, path: str, method: str) -> None:
        answer: Any = Client().generic(method, path)
        assert refused(answer) == (405, "methodNotAllowed")
        assert answer["Allow"] == "POST"

    @every_path
    def test_the_feature_is_asked_of_the_present_version_at_each_request(
        self, pump: App, historian: App, path: str, make_version: Callable[..., AppVersion], root: Actor
    ) -> None:
        answer = historian.ask(path=path)
        assert refused(answer) == (403, "shutdown.featureMissing")
        assert all(word in message(answer) for word in ("historian", "1.0.0", "API.Shutdown"))
        installing.change_version(
            historian.holder, make_version("2", app="historian", features=["API.Shutdown"]), by=root
        )
        installing.change_version(pump.holder, make_version("2", app="pump"), by=root)
        assert refused(pump.ask(path=path)) == (403, "shutdown.featureMissing")
        assert historian.ask(path=path).status_code == 202
        assert ShutdownJob.objects.get().reason == "Requested by historian 2."

    @every_path
    def test_while_one_is_open_there_is_no_second(self, pump: App, path: str) -> None:
        first = pump.ask(path=path)
        for step in (lambda: None, claim, lambda: report("executing")):
            step()
            answer = pump.ask(path=path)
            assert refused(answer) == (409, "shutdown.openJob")
            assert answer["Location"] == first["Location"]
        report("succeeded")
        assert pump.ask(path=path).status_code == 202

    def test_one_that_an_administrator_ordered_is_in_the_way_too(self, pump: App, ada: Actor) -> None:
        job = order(ada, "press-1")
        answer = pump.ask()
        assert refused(answer) == (409, "shutdown.openJob")
        assert pump.get(answer["Location"]).json()["jobId"] == str(job.pk)

    @every_path
    def test_sent_again_with_its_key_it_is_done_once(self, pump: App, path: str) -> None:
        first, again = (pump.ask({"executeNow": True}, path, Idempotency_Key="k1") for _ in range(2))
        assert (first.status_code, first.json(), first["Location"]) == (
            again.status_code, again.json(), again["Location"]
        )  # fmt: skip
        assert (first.get("Idempotent-Replay"), again["Idempotent-Replay"]) == (None, "true")
        assert refused(pump.ask({}, path, Idempotency_Key="k1")) == (422, "idempotencyKeyReused")
        assert refused(pump.ask({}, path, Idempotency_Key="ä b")) == (400, "auth.invalidField")
        assert ShutdownJob.objects.count() == 1

    def test_a_key_is_the_apps_own(self, pump: App, neighbour: App) -> None:
        assert pump.ask(Idempotency_Key="k1").status_code == neighbour.ask(Idempotency_Key="k1").status_code == 202
        assert ShutdownJob.objects.count() == 2

    def test_one_that_has_lost_the_feature_is_not_answered_by_its_key(
        self, pump: App, make_version: Callable[..., AppVersion], root: Actor
    ) -> None:
        pump.ask(Idempotency_Key="k1")
        installing.change_version(pump.holder, make_version("2", app="pump"), by=root)
        assert refused(pump.ask(Idempotency_Key="k1")) == (403, "shutdown.featureMissing")


class TestWhoMay:
    CALLS = (
        ("POST", SHUTDOWN), ("POST", AT_SERVICE), ("GET", UNKNOWN), ("DELETE", UNKNOWN), ("GET", f"{SHUTDOWN}/pending"),
        ("POST", f"{UNKNOWN}/ack"),
    )  # fmt: skip
    every_call = pytest.mark.parametrize(("method", "path"), CALLS)

    @every_call
    @pytest.mark.parametrize("sent", ["", "Bearer x", "Basic eDp5", "Bearer {app_token}"])
    def test_nobody_without_an_access_token(self, pump: App, method: str, path: str, sent: str) -> None:
        headers = {"Authorization": sent.format(app_token="gate_app_x")} if sent else {}
        answer: Any = Client(headers=headers).generic(method, path, b"{}", content_type=JSON)
        assert refused(answer) == (401, "auth.invalidToken")
        assert answer["WWW-Authenticate"].endswith('"gatehouse"' if not sent else 'error="invalid_token"')

    @every_call
    def test_not_on_a_device_that_is_rejected(self, pump: App, method: str, path: str, root: Actor) -> None:
        admission.decide(Device.objects.get(), Status.REJECTED, by=root)
        assert refused(pump.call(method, path)) == (403, "auth.deviceRefused")

    @every_call
    def test_nor_one_that_is_ended(self, pump: App, historian: App, method: str, path: str, root: Actor) -> None:
        switching.revoke(historian.holder, by=root, reason="leaked")
        assert refused(historian.call(method, path)) == (401, "auth.invalidToken")
        denial.deny(Device.objects.get(), by=root)
        assert refused(pump.call(method, path)) == (401, "auth.invalidToken")

    @pytest.mark.parametrize(
        ("method", "path"),
        [("GET", UNKNOWN), ("DELETE", UNKNOWN), ("POST", f"{UNKNOWN}/ack"), ("GET", f"{SHUTDOWN}/x"),
         ("GET", f"{SHUTDOWN}/{{0}}"), ("POST", f"{SHUTDOWN}/pending/ack"), ("GET", UNKNOWN.replace("4000", "4ABC"))],
    )  # fmt: skip
    def test_of_no_such_job(self, pump: App, method: str, path: str) -> None:
        assert refused(pump.call(method, path)) == (404, "shutdown.unknownJob")

    def test_of_another_devices_job_it_learns_nothing(self, pump: App, neighbour: App) -> None:
        place = pump.ask()["Location"]
        for method, path in (("GET", place), ("DELETE", place), ("POST", f"{place}/ack")):
            assert refused(neighbour.call(method, path)) == (404, "shutdown.unknownJob")
        assert neighbour.get(f"{SHUTDOWN}/pending").status_code == 204

    def test_of_a_job_for_several_it_sees_its_own_device(self, pump: App, neighbour: App, ada: Actor) -> None:
        job = order(ada, "press-1", "press-2")
        claim("press-2")
        report("failed", "press-2", code="x", detail="no relay")
        theirs, ours = (app.get(f"{SHUTDOWN}/{job.pk}").json() for app in (neighbour, pump))
        assert (theirs["device"], theirs["state"], theirs["detail"]) == ("press-2", "FAILED", "no relay")
        assert (ours["device"], ours["state"], ours["detail"]) == ("press-1", "PENDING", "")


class TestFollowing:
    def test_from_the_first_poll_to_the_last(self, pump: App, historian: App) -> None:
        place = pump.ask()["Location"]
        told = historian.get(place)
        assert (told.status_code, list(told.json())) == (200, MEMBERS)
        assert told.json()["state"] == "PENDING"
        claim()
        told = pump.get(place).json()
        assert (told["state"], told["acknowledged"], told["waitingFor"]) == ("WAITING_FOR_ACK", ["pump"], ["historian"])
        assert (moment(told["deadline"]) - moment(told["claimedAt"])).total_seconds() == 30
        historian.call("POST", f"{place}/ack", {})
        told = pump.get(place).json()
        assert (told["acknowledged"], told["waitingFor"]) == (["historian", "pump"], [])
        report("executing")
        assert pump.get(place).json()["state"] == "EXECUTING"
        report("succeeded", detail="off")
        told = pump.get(place).json()
        assert (told["state"], told["detail"]) == ("COMPLETED", "off")

    def test_every_end_in_the_apps_words(self, pump: App, ada: Actor) -> None:
        def ends() -> str:
            return str(pump.get(f"{SHUTDOWN}/{target().job_id}").json()["state"])

        order(ada, "press-1", start_at=timezone.now() + timedelta(hours=1))
        assert pump.get(f"{SHUTDOWN}/{target().job_id}").status_code == 404  # It has not begun.
        shutdown_cancel.cancel(target().job, by=ada, reason="not today")
        assert ends() == "CANCELLED"
        order(ada, "press-1")
        later(seconds=901)
        shutdown_deadlines.move_on(by=Actor.worker())
        assert ends() == "EXPIRED"
        order(ada, "press-1")
        claim()
        later(seconds=200)
        shutdown_deadlines.move_on(by=Actor.worker())
        assert ends() == "FAILED"

    def test_at_the_deadline_nobody_is_waited_for(self, pump: App, historian: App) -> None:
        place = pump.ask({"maxAckTimeForApps": 5})["Location"]
        claim()
        later(seconds=6)
        assert pump.get(place).json()["waitingFor"] == []

    @pytest.mark.parametrize("body", [{"executeNow": True, "maxAckTimeForApps": 30}, {"maxAckTimeForApps": 0}])
    def test_an_instant_one_tells_apps_and_waits_for_none(self, pump: App, historian: App, body: Any) -> None:
        place = pump.ask(body)["Location"]
        claim()
        told = pump.get(place).json()
        assert (told["deadline"], told["waitingFor"]) == (told["claimedAt"], [])
        assert historian.get(f"{SHUTDOWN}/pending").json()["secondsLeft"] == 0
        assert historian.call("POST", f"{place}/ack").json()["waitingFor"] == []


class TestTakingBack:
    def test_one_of_an_app_of_this_device(self, pump: App, install: Callable[..., App]) -> None:
        other = install("hmi")
        place = pump.ask()["Location"]
        first, again = (other.call("DELETE", place) for _ in range(2))
        assert (first.status_code, first.json()["state"], list(first.json())) == (200, "CANCELLED", MEMBERS)
        assert (again.status_code, again.json()) == (200, first.json())
        assert AuditEvent.objects.filter(verb="shutdown.cancelled", subject_kind="shutdown").count() == 1
        assert pump.ask().status_code == 202

    @pytest.mark.parametrize("reports", [[], ["executing"], ["succeeded"], ["failed"]])
    def test_is_too_late_once_it_is_claimed(self, pump: App, reports: list[str]) -> None:
        place = pump.ask()["Location"]
        claim()
        for state in reports:
            report(state)
        assert refused(pump.call("DELETE", place)) == (409, "shutdown.tooLate")

    def test_and_once_it_has_expired(self, pump: App) -> None:
        place = pump.ask()["Location"]
        later(seconds=901)
        shutdown_deadlines.move_on(by=Actor.worker())
        assert refused(pump.call("DELETE", place)) == (409, "shutdown.tooLate")

    def test_is_not_for_an_administrators_job(self, pump: App, ada: Actor) -> None:
        job = order(ada, "press-1")
        assert refused(pump.call("DELETE", f"{SHUTDOWN}/{job.pk}")) == (403, "shutdown.notYours")
        assert target().state == "queued"

    def test_needs_the_feature(self, pump: App, historian: App) -> None:
        place = pump.ask()["Location"]
        assert refused(historian.call("DELETE", place)) == (403, "shutdown.featureMissing")
        assert target().state == "queued"


class TestAcknowledging:
    def test_it_is_told_from_the_claim_on(self, pump: App, historian: App) -> None:
        pending = f"{SHUTDOWN}/pending"
        answer = historian.get(pending)
        assert (answer.status_code, answer.content) == (204, b"")
        place = pump.ask({"reason": "Filter change"})["Location"]
        assert historian.get(pending).status_code == 204
        claimed = claim()
        told = historian.get(pending).json()
        assert list(told) == ["jobId", "state", "reason", "deadline", "secondsLeft", "acknowledged"]
        assert (told["jobId"], told["state"], told["reason"], told["acknowledged"]) == (
            place.rpartition("/")[2], "WAITING_FOR_ACK", "Filter change", False
        )  # fmt: skip
        assert 25 <= told["secondsLeft"] <= 30
        assert abs((moment(told["deadline"]) - claimed.deadline).total_seconds()) < 0.001  # type: ignore[operator]
        assert pump.get(pending).json()["acknowledged"] is True
        report("executing")
        assert historian.get(pending).status_code == 204

    @pytest.mark.parametrize("body", [None, {}, {"detail": ""}, {"detail": "x" * 200}, {"detail": "Alles gesichert."}])
    def test_once_and_again(self, pump: App, historian: App, body: Any) -> None:
        place = pump.ask()["Location"]
        claim()
        first, again = (historian.call("POST", f"{place}/ack", body) for _ in range(2))
        told = first.json()
        assert (first.status_code, again.status_code, again.json()) == (200, 200, told)
        assert abs((timezone.now() - moment(told.pop("acknowledgedAt"))).total_seconds()) < 60
        assert told == {"jobId": place.rpartition("/")[2], "acknowledged": True, "waitingFor": []}
        assert target().acks.get(app="historian").detail == (body or {}).get("detail", "")
        assert AuditEvent.objects.filter(verb="shutdown.acknowledged").count() == 1
        assert historian.get(f"{SHUTDOWN}/pending").json()["acknowledged"] is True

    def test_who_is_still_awaited_is_named(self, pump: App, historian: App, install: Callable[..., App]) -> None:
        hmi = install("hmi", features=())
        place = pump.ask()["Location"]
        claim()
        assert hmi.call("POST", f"{place}/ack").json()["waitingFor"] == ["historian"]

    def test_before_the_claim_it_is_too_early_and_while_it_powers_off_too_late(self, pump: App, historian: App) -> None:
        place = pump.ask()["Location"]
        assert refused(historian.call("POST", f"{place}/ack")) == (409, "shutdown.notClaimed")
        claim()
        report("executing")
        assert refused(historian.call("POST", f"{place}/ack")) == (409, "shutdown.tooLate")
        # Who has acknowledged in time may say so for ever.
        assert pump.call("POST", f"{place}/ack").status_code == 200

    @pytest.mark.parametrize(
        ("body", "code"),
        [
            ({"veto": True}, "shutdown.unknownField"), ({"Detail": "x"}, "shutdown.unknownField"),
            ({"detail": "x" * 201}, "auth.invalidField"), ({"detail": 1}, "auth.invalidField"),
            ({"detail": None}, "auth.invalidField"), ({"detail": "a\u202eb"}, "auth.invalidField"),
            (b"[]", "auth.malformedBody"), (b"{", "auth.malformedBody"),
        ],
    )  # fmt: skip
    def test_what_it_cannot_say(self, pump: App, historian: App, body: Any, code: str) -> None:
        place = pump.ask()["Location"]
        claim()
        answer = historian.call("POST", f"{place}/ack", body)
        assert refused(answer) == (400, code)
        assert "detail" in message(answer) or code == "auth.malformedBody"

    @pytest.mark.parametrize("how", ["disabled", "revoked", "uninstalled", "expired"])
    def test_one_that_is_gone_meanwhile_is_not_waited_for(
        self, pump: App, historian: App, root: Actor, how: str
    ) -> None:
        place = pump.ask()["Location"]
        claim()
        assert pump.get(place).json()["waitingFor"] == ["historian"]
        if how == "disabled":
            switching.disable(historian.holder, by=root, reason="leaked")
        if how in ("revoked", "uninstalled"):
            switching.revoke(historian.holder, by=root, reason="leaked")
        if how == "uninstalled":
            switching.delete(historian.holder, by=root)
        if how == "expired":
            InstalledApp.objects.filter(pk=historian.holder.pk).update(expires_at=timezone.now())
        assert pump.get(place).json()["waitingFor"] == []
        assert shutdown_claim.waiting(target()).proceed

    def test_one_that_was_disabled_before_the_claim_is_not_told_of(
        self, pump: App, historian: App, root: Actor
    ) -> None:
        switching.disable(historian.holder, by=root, reason="leaked")
        pump.ask()
        assert [ack.app for ack in claim().acks.all()] == ["pump"]


class TestFaults:
    values = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=250),
        lambda each: st.lists(each, max_size=3),
        max_leaves=5,
    )
    names = st.sampled_from(["maxAckTimeForApps", "executeNow", "reason", "detail"]) | st.text(max_size=40)

    @settings(max_examples=many(150), suppress_health_check=list(HealthCheck))
    @given(
        path=st.sampled_from([*PATHS, "{job}/ack", f"{SHUTDOWN}/pending/ack"]),
        body=st.binary(max_size=60)
        | st.dictionaries(names, values, max_size=4).map(lambda each: json.dumps(each).encode()),
        key=st.none() | st.text(st.characters(max_codepoint=255, exclude_categories=["Cc"]), max_size=300),
    )
    def test_no_body_meets_a_fault(self, pump: App, path: str, body: bytes, key: str | None) -> None:
        if not ShutdownTarget.objects.filter(state="claimed").exists():
            pump.ask()
            claim()
        headers = {} if key is None else {"Idempotency_Key": key}
        answer = pump.ask(body, path.format(job=f"{SHUTDOWN}/{target().job_id}"), **headers)
        if answer.status_code >= 300:
            assert refused(answer)[0] in (400, 404, 409, 422)

    @settings(max_examples=many(60), suppress_health_check=list(HealthCheck))
    @given(
        job=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/?#"), min_size=1, max_size=40),
        method=st.sampled_from(["GET", "DELETE", "POST"]),
    )
    def test_no_id_meets_a_fault(self, pump: App, job: str, method: str) -> None:
        answer = pump.call(method, f"{SHUTDOWN}/{job}")
        assert refused(answer)[0] in (400, 404, 405)
