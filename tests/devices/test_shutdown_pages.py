"""The pages about shutdowns: ordering after a review, how one goes, and its buttons, with htmx and without."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.db.models.signals import post_init
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from devices import (
    installed,
    shutdown,
    shutdown_acks,
    shutdown_approval,
    shutdown_claim,
    shutdown_deadlines,
    shutdown_panels,
)
from devices.models import Device, ShutdownJob, ShutdownTarget, Status, Via
from devices.shutdown_claim import Report
from devices.shutdown_fields import Order
from portal.actor import Actor
from portal.models import AuditEvent, User
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db

NIL = "00000000-0000-4000-8000-000000000000"
LIST = "/portal/shutdowns/"
ORDER = f"{LIST}order/"
HTMX = {"HX-Request": "true"}
REASON = "Maintenance of hall 3"
FILLED = {"reason": REASON, "max_ack_seconds": "30", "ttl_minutes": "15"}
NONCE = "0123456789abcdef"
both = pytest.mark.parametrize("headers", [{}, HTMX], ids=["plain", "htmx"])


@pytest.fixture
def fleet(make_device: Callable[..., Device]) -> list[str]:
    """Three accepted devices, one that waits, one that is denied."""
    for number in range(1, 4):
        make_device(f"press-{number}", status=Status.ACCEPTED, last_seen=timezone.now() - timedelta(hours=3))
    make_device("new-1", status=Status.PENDING)
    make_device("gone-1", status=Status.ACCEPTED, denied_at="2026-01-01T00:00:00Z")
    return ["press-1", "press-2", "press-3"]


def test_the_overview_reads_no_more_shutdowns_than_it_shows(
    fleet: list[str], administrator: User, operator: User
) -> None:
    ordering = Actor.person(operator)
    for number in range(24):
        job = shutdown.order(Order([fleet[0]], REASON), by=ordering, via=Via.PAGE, confirm_count=1)
        state = "awaiting_approval" if number % 2 else "running"
        ShutdownTarget.objects.filter(job=job).update(state="cancelled")
        ShutdownJob.objects.filter(pk=job.pk).update(state=state)
    read: list[ShutdownJob] = []

    def note(instance: ShutdownJob, **_: Any) -> None:
        read.append(instance)

    post_init.connect(note, sender=ShutdownJob)
    try:
        told = shutdown_panels.shutdowns(Actor.person(administrator))
    finally:
        post_init.disconnect(note, sender=ShutdownJob)
    assert (len(told["awaiting"]), len(told["under_way"]), told["more"], len(read)) == (5, 5, True, 18)


@pytest.fixture
def apps(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[installed.App]]:
    there: dict[str, list[installed.App]] = {}
    monkeypatch.setattr(installed, "_sources", [lambda devices: {each: there.get(each, []) for each in devices}])
    return there


@pytest.fixture
def ada(log_in: Callable[..., Client], administrator: User) -> Client:
    return log_in(administrator)


@pytest.fixture
def otto(log_in: Callable[..., Client], operator: User) -> Client:
    return log_in(operator)


def text_of(answer: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", answer.content.decode()))


def hidden(answer: Any) -> dict[str, str]:
    """What the review sends on."""
    form = answer.content.decode().partition('id="shutdown-confirm"')[2]
    fields = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form)
    return {name: value for name, value in fields if name != "csrfmiddlewaretoken"}


def review(client: Client, *devices: str, **facts: str) -> Any:
    return client.post(f"{ORDER}review/", {"devices": "\n".join(devices), **FILLED, **facts})


def gone_off_in_part(person: User, fleet: list[str]) -> ShutdownJob:
    """A shutdown that the first device carried out and the other two did not."""
    job = ordered(person, *fleet)
    for device, state in (("press-1", "succeeded"), ("press-2", "failed"), ("press-3", "failed")):
        claim(job, device)
        report(job, state, device)
    return job


def ordered(by: User, *devices: str, **facts: Any) -> ShutdownJob:
    wanted = Order(list(devices), REASON, **facts)
    return shutdown.order(wanted, by=Actor.person(by), via=Via.PAGE, confirm_count=len(devices))


def target(job: ShutdownJob, device_id: str = "press-1") -> ShutdownTarget:
    return job.targets.select_related("job").get(device_id=device_id)


def claim(job: ShutdownJob, device_id: str = "press-1") -> ShutdownTarget:
    return shutdown_claim.claim(target(job, device_id), NONCE, by=Actor.device(device_id)).target


def report(job: ShutdownJob, state: str, device_id: str = "press-1", **facts: str) -> None:
    shutdown_claim.report(target(job, device_id), Report(state, **facts), by=Actor.device(device_id))


def old(client: Client) -> None:
    """The password was given a while ago."""
    session = client.session
    session["password_at"] = 0
    session.save()


class TestChoosing:
    def test_the_form_chooses_no_device_by_itself(self, ada: Client, fleet: list[str]) -> None:
        page = ada.get(ORDER).content.decode()
        assert re.search(r"<textarea id=\"devices\"[^>]*></textarea>", page)
        assert "(UTC, empty: now)" in page

    def test_a_device_brings_itself(self, ada: Client, fleet: list[str]) -> None:
        assert "?device=press-1" in ada.get("/portal/devices/press-1/").content.decode()
        assert ">press-1</textarea>" in ada.get(ORDER, {"device": "press-1"}).content.decode()
        assert "?device=new-1" not in ada.get("/portal/devices/new-1/").content.decode()

    def test_the_list_brings_those_ticked(self, ada: Client, fleet: list[str]) -> None:
        assert f'formaction="{ORDER}choose/"' in ada.get("/portal/devices/?tab=accepted").content.decode()
        assert f'formaction="{ORDER}choose/"' not in ada.get("/portal/devices/?tab=rejected").content.decode()
        sent = {"which": "chosen", "query": "tab=accepted", "reason": REASON, "chosen": ["press-1.1", "press-3.1"]}
        page = ada.post(f"{ORDER}choose/", sent).content.decode()
        assert ">press-1\npress-3</textarea>" in page
        assert f'value="{REASON}"' in page

    def test_or_all_accepted_ones_that_match_as_ids(self, ada: Client, fleet: list[str]) -> None:
        page = ada.post(f"{ORDER}choose/", {"which": "all", "query": "tab=all&q=press", "reason": ""}).content.decode()
        assert ">press-1\npress-2\npress-3</textarea>" in page

    @pytest.mark.parametrize(
        "sent",
        [
            {"which": "chosen"},
            {"which": "chosen", "chosen": ["press-1"]},
            {"which": "all", "query": "tab=rejected"},
            {"which": "every"},
        ],
    )
    def test_nothing_chosen_is_refused_in_words(self, ada: Client, fleet: list[str], sent: dict[str, Any]) -> None:
        assert ada.post(f"{ORDER}choose/", sent).status_code == 400

    def test_more_than_a_thousand_are_too_many(self, ada: Client) -> None:
        Device.objects.bulk_create([Device(id=f"d{number}", status=Status.ACCEPTED) for number in range(1001)])
        answer = ada.post(f"{ORDER}choose/", {"which": "all", "query": "tab=accepted"})
        assert "More than 1,000 devices match" in text_of(answer)


class TestReview:
    def test_it_names_each_device_with_its_apps_and_what_will_happen(
        self, ada: Client, fleet: list[str], apps: dict[str, list[installed.App]]
    ) -> None:
        apps["press-1"] = [installed.App("i1", "historian", "v1.2")]
        answer = review(ada, "press-1", "press-2", "gone-1")
        page = text_of(answer)
        assert "Shut down 3 devices?" in page
        assert "At once, 2 devices will be told to power off when they next ask. 1 will be skipped" in page
        assert "Their apps have 30 seconds to acknowledge" in page
        assert "valid for 15 minutes" in page
        assert re.search(r"press-1 historian v1\.2 last seen 3 h ago powers off", page.replace("apps ", ""))
        assert "gone-1 is on the denied list" in page
        assert not ShutdownJob.objects.exists()

    def test_it_says_that_a_second_person_is_needed(
        self, ada: Client, operator: User, fleet: list[str], settings: Any
    ) -> None:
        settings.SHUTDOWN_APPROVAL_FROM = 3
        page = text_of(review(ada, *fleet))
        assert "A second person has to approve it first, as from 3 devices on" in page
        assert "Ask for approval" in page

    def test_a_moment_is_in_utc(self, ada: Client, fleet: list[str]) -> None:
        at = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=2)
        page = text_of(review(ada, "press-1", start_at=f"{at:%Y-%m-%dT%H:%M:%S}"))
        assert f"At {at:%Y-%m-%d %H:%M:%S} UTC, 1 device will be told to power off when it next asks." in page

    @pytest.mark.parametrize(
        ("facts", "sentence"),
        [
            ({"devices": ""}, "Name at least one device"),
            ({"devices": "press 1/2"}, "1/2 is no id of a device"),
            ({"devices": "nobody-1"}, "There is no device nobody-1"),
            ({"devices": "gone-1"}, "gone-1 is on the denied list"),
            ({"devices": "new-1"}, "only accepted devices can be shut down"),
            ({"reason": ""}, "Say why"),
            ({"reason": "no"}, "3"),
            ({"max_ack_seconds": "601"}, "Apps have 0 to 600 seconds."),
            ({"max_ack_seconds": "soon"}, "Apps have 0 to 600 seconds."),
            ({"ttl_minutes": "1"}, "valid for 2 to 1440 minutes"),
            ({"start_at": "tomorrow"}, "Write it as"),
            ({"start_at": "2026-01-01T00:00"}, "A shutdown starts now or at most 30 days ahead."),
        ],
    )
    def test_what_is_wrong_stands_beside_its_field(
        self, ada: Client, fleet: list[str], facts: dict[str, str], sentence: str
    ) -> None:
        answer = review(ada, "press-1", **facts)
        [field] = facts
        assert answer.status_code == 400
        wrong = re.findall(r'class="wrong"[^>]*>([^<]*)<', answer.content.decode())
        assert [sentence in said for said in wrong] == [True]
        assert f'value="{REASON}"' in answer.content.decode() or field == "reason"

    def test_one_can_go_back_and_change_it(self, ada: Client, fleet: list[str]) -> None:
        page = ada.post(f"{ORDER}change/", hidden(review(ada, *fleet, execute_now="yes"))).content.decode()
        assert ">press-1\npress-2\npress-3</textarea>" in page
        assert 'name="execute_now" value="yes" checked' in page

    def test_a_thousand_devices_are_named_in_a_few_questions(
        self, ada: Client, settings: Any, fleet: list[str]
    ) -> None:
        settings.SHUTDOWN_APPROVAL_FROM = 0
        Device.objects.bulk_create([Device(id=f"d{number}", status=Status.ACCEPTED) for number in range(1000)])
        with CaptureQueriesContext(connection) as asked:
            answer = review(ada, *(f"d{number}" for number in range(1000)))
        assert answer.content.decode().count('<tr id="named-') == 1000
        assert len(asked) < 20


class TestPlacing:
    def test_one_device_needs_neither_number_nor_password(self, ada: Client, fleet: list[str]) -> None:
        old(ada)
        sent = hidden(review(ada, "press-1"))
        answer = ada.post(f"{ORDER}place/", sent)
        job = ShutdownJob.objects.get()
        assert answer["Location"] == f"{LIST}{job.pk}/"
        assert (job.state, job.via, job.requested_by, job.reason) == ("running", "page", "ada", REASON)
        assert (job.max_ack_seconds, job.ttl_seconds) == (30, 900)

    @pytest.mark.parametrize(
        ("said", "sentence"),
        [
            ({}, "Type the number of devices."),
            ({"confirm_count": "three"}, "Type the number of devices."),
            *(({"confirm_count": odd}, "Type the number of devices.") for odd in ("\uff13", "+3", "3.0", "0_3", "\t3")),
            ({"confirm_count": "2"}, "This is for 3 devices; send that number to confirm it."),
        ],
    )
    def test_several_need_their_number(
        self, ada: Client, fleet: list[str], said: dict[str, str], sentence: str
    ) -> None:
        sent = hidden(review(ada, *fleet))
        answer = ada.post(f"{ORDER}place/", sent | said)
        assert (answer.status_code, sentence in text_of(answer)) == (400, True)
        assert hidden(answer) == sent
        assert not ShutdownJob.objects.exists()
        assert ada.post(f"{ORDER}place/", hidden(answer) | {"confirm_count": " 3 "}).status_code == 302
        assert ShutdownJob.objects.get().device_count == 3

    def test_and_a_fresh_password(self, ada: Client, fleet: list[str]) -> None:
        old(ada)
        answer = review(ada, *fleet)
        assert 'type="password"' in answer.content.decode()
        sent = hidden(answer) | {"confirm_count": "3"}
        assert "Type your password to confirm this." in text_of(ada.post(f"{ORDER}place/", sent))
        wrong = ada.post(f"{ORDER}place/", sent | {"password": "wrong"})
        assert "Type your own password to confirm this" in text_of(wrong)
        assert PASSWORD not in wrong.content.decode()
        assert not ShutdownJob.objects.exists()
        ada.post(f"{ORDER}place/", sent | {"password": PASSWORD})
        assert ShutdownJob.objects.count() == 1

    def test_sent_twice_it_is_ordered_once(self, ada: Client, fleet: list[str]) -> None:
        sent = hidden(review(ada, *fleet)) | {"confirm_count": "3"}
        first, again = (ada.post(f"{ORDER}place/", sent) for _ in range(2))
        assert first["Location"] == again["Location"]
        assert ShutdownJob.objects.count() == 1
        other = ada.post(f"{ORDER}place/", sent | {"devices": "press-1 press-2", "confirm_count": "2"})
        assert "This page was used for another order already" in text_of(other)

    def test_what_became_impossible_is_said(self, ada: Client, fleet: list[str], administrator: User) -> None:
        sent = hidden(review(ada, "press-1"))
        ordered(administrator, "press-1")
        answer = ada.post(f"{ORDER}place/", sent)
        assert (answer.status_code, "press-1 has a shutdown already" in text_of(answer)) == (409, True)

    @pytest.mark.parametrize("path", [f"{ORDER}place/", f"{ORDER}review/"])
    def test_a_viewer_orders_nothing(
        self, log_in: Callable[..., Client], viewer: User, fleet: list[str], path: str
    ) -> None:
        sent = {"devices": "press-1", **FILLED, "key": str(uuid4())}
        assert log_in(viewer).post(path, sent).status_code == 403
        assert not ShutdownJob.objects.exists()


class TestList:
    def test_an_empty_one_says_what_to_do(self, ada: Client) -> None:
        assert "Nothing was shut down yet." in text_of(ada.get(LIST))

    def test_those_under_way_come_first_with_their_counts(
        self, ada: Client, administrator: User, fleet: list[str]
    ) -> None:
        running = ordered(administrator, "press-1", "press-2")
        ended = ordered(administrator, "press-3")
        claim(ended, "press-3")
        report(ended, "failed", "press-3")
        page = ada.get(LIST).content.decode()
        assert re.findall(r'<tr id="shutdown-([^"]+)"', page) == [str(running.pk), str(ended.pk)]
        assert "2 queued" in text_of(ada.get(LIST))
        assert REASON in page
        only = ada.get(LIST, {"device": "press-3"}).content.decode()
        assert re.findall(r'<tr id="shutdown-([^"]+)"', only) == [str(ended.pk)]

    def test_what_has_ended_comes_in_pages(self, ada: Client, administrator: User) -> None:
        at = timezone.now()
        made = [
            ShutdownJob.objects.create(
                state="refused", reason=REASON, via="api", requested_by="ada", device_count=1,
                created_at=at - timedelta(minutes=number),
            )
            for number in range(60)
        ]  # fmt: skip
        first = ada.get(LIST).content.decode()
        [older] = re.findall(r'rel="next" href="([^"]+)"', first)
        second = ada.get(older.replace("&amp;", "&")).content.decode()
        found = re.findall(r'<tr id="shutdown-([^"]+)"', first + second)
        assert found == [str(job.pk) for job in made]

    @pytest.mark.parametrize(
        "query",
        [
            {"after": "x"},
            {"device": "a b"},
            {"after": f"2026-13-01T00:00:00_{NIL}"},
            {"after": f"9999-12-31T23:59:59-23:59_{NIL}"},
            {"after": f"0001-01-01T00:00:00+23:59_{NIL}"},
        ],
    )
    def test_a_place_that_is_none_is_refused(self, ada: Client, query: dict[str, str]) -> None:
        assert ada.get(LIST, query).status_code == 400


class TestProgress:
    def page(self, client: Client, job: ShutdownJob, **query: str) -> Any:
        return client.get(f"{LIST}{job.pk}/progress/", query, headers=HTMX)

    def test_each_device_says_its_state_in_words(
        self, ada: Client, administrator: User, fleet: list[str], apps: dict[str, list[installed.App]]
    ) -> None:
        apps["press-2"] = [installed.App("i1", "historian", "v1"), installed.App("i2", "viewer", "v1")]
        job = ordered(administrator, *fleet, "gone-1", max_ack_seconds=60)
        taken = claim(job, "press-2")
        shutdown_acks.acknowledge(taken, apps["press-2"][0], by=Actor.app("historian", (), credential="i1"))
        claim(job, "press-3")
        report(job, "failed", "press-3", code="not_supported", detail="<b>no switch</b>")
        page = text_of(self.page(ada, job))
        assert "last seen 3 h ago, expires in 15 min" in page
        assert re.search(r"(60|59) s left for its apps", page)
        assert "historian acknowledged" in page
        assert "viewer awaited" in page
        assert "not_supported &lt;b&gt;no switch&lt;/b&gt;" in page
        assert "it was denied" in page
        assert "2 of 4 ended" in page
        apps["press-2"].pop()
        assert "viewer did not acknowledge" in text_of(self.page(ada, job))

    def test_it_asks_again_until_the_shutdown_is_final(
        self, ada: Client, administrator: User, fleet: list[str]
    ) -> None:
        job = ordered(administrator, "press-1")
        assert 'hx-trigger="every 2s"' in self.page(ada, job).content.decode()
        claim(job)
        report(job, "succeeded")
        assert "every 2s" not in self.page(ada, job).content.decode()

    def test_the_page_hears_when_the_whole_has_changed(
        self, ada: Client, administrator: User, fleet: list[str]
    ) -> None:
        job = ordered(administrator, "press-1", "press-2")
        [known] = re.findall(r"known=(running[^\"]+)\"", ada.get(f"{LIST}{job.pk}/").content.decode())
        assert "HX-Trigger" not in self.page(ada, job, known=known)
        claim(job)
        assert "HX-Trigger" not in self.page(ada, job, known=known)
        claim(job, "press-2")
        assert self.page(ada, job, known=known)["HX-Trigger"] == '{"shutdown-changed": {}}'

    def test_it_is_narrowed_by_state_and_comes_in_pages(self, ada: Client, administrator: User, settings: Any) -> None:
        settings.SHUTDOWN_APPROVAL_FROM = 0
        ids = [f"d{number:04}" for number in range(1000)]
        Device.objects.bulk_create([Device(id=each, status=Status.ACCEPTED) for each in ids])
        job = ordered(administrator, *ids)
        with CaptureQueriesContext(connection) as asked:
            answer = self.page(ada, job)
        assert len(asked) < 12
        rows = re.findall(r'<tr id="target-([^"]+)"', answer.content.decode())
        assert rows == ids[:50]
        claim(job, "d0777")
        assert re.findall(r'<tr id="target-([^"]+)"', self.page(ada, job, state="claimed").content.decode()) == [
            "d0777"
        ]
        assert "d0050" in self.page(ada, job, after="d0049").content.decode()
        assert self.page(ada, job, state="asleep").status_code == 400

    def test_without_htmx_it_leads_to_the_page(self, ada: Client, administrator: User, fleet: list[str]) -> None:
        job = ordered(administrator, "press-1")
        for part in ("progress", "standing"):
            assert ada.get(f"{LIST}{job.pk}/{part}/")["Location"] == f"{LIST}{job.pk}/"

    def test_one_that_is_not_there_says_so(self, ada: Client) -> None:
        assert ada.get(f"{LIST}{uuid4()}/").status_code == 404


class TestButtons:
    @both
    def test_all_that_is_left_is_cancelled(
        self, ada: Client, administrator: User, fleet: list[str], headers: dict[str, str]
    ) -> None:
        job = ordered(administrator, *fleet)
        claim(job, "press-2")
        answer = ada.post(f"{LIST}{job.pk}/cancel/", {"which": "all", "reason": "the wrong hall"}, headers=headers)
        assert answer.status_code == (200 if headers else 302)
        assert dict(job.targets.values_list("device_id", "state")) == {
            "press-1": "cancelled", "press-2": "claimed", "press-3": "cancelled",
        }  # fmt: skip
        assert "the wrong hall" in text_of(ada.get(f"{LIST}{job.pk}/"))
        assert 'id="cancel"' not in ada.get(f"{LIST}{job.pk}/").content.decode()

    def test_or_those_that_were_ticked(self, ada: Client, administrator: User, fleet: list[str]) -> None:
        job = ordered(administrator, *fleet)
        path = f"{LIST}{job.pk}/cancel/"
        assert ada.post(path, {"which": "chosen", "reason": REASON}).status_code == 400
        ada.post(path, {"which": "chosen", "reason": REASON, "chosen": ["press-1"]})
        assert target(job, "press-1").state == "cancelled"
        assert target(job, "press-2").state == "queued"

    @both
    def test_no_button_goes_without_a_reason(
        self, ada: Client, administrator: User, fleet: list[str], headers: dict[str, str]
    ) -> None:
        job = ordered(administrator, *fleet)
        answer = ada.post(f"{LIST}{job.pk}/cancel/", {"which": "all"}, headers=headers)
        assert (answer.status_code, "Say why" in text_of(answer)) == (400, True)
        assert target(job).state == "queued"

    @both
    def test_another_person_approves_with_the_number(
        self, otto: Client, administrator: User, fleet: list[str], settings: Any, headers: dict[str, str]
    ) -> None:
        settings.SHUTDOWN_APPROVAL_FROM = 3
        job = ordered(administrator, *fleet)
        path = f"{LIST}{job.pk}/approve/"
        old(otto)
        assert "Type your password" in text_of(otto.post(path, {"confirm_count": "3"}, headers=headers))
        wrong = otto.post(path, {"confirm_count": "2", "password": PASSWORD}, headers=headers)
        assert (wrong.status_code, "This is for 3 devices" in text_of(wrong)) == (409, True)
        job.refresh_from_db()
        assert job.state == "awaiting_approval"
        otto.post(path, {"confirm_count": "3", "password": PASSWORD}, headers=headers)
        job.refresh_from_db()
        assert (job.state, job.decided_by) == ("running", "otto")
        assert "Approved by</dt><dd><bdi>otto" in otto.get(f"{LIST}{job.pk}/").content.decode()

    def test_or_refuses(self, otto: Client, administrator: User, fleet: list[str], settings: Any) -> None:
        settings.SHUTDOWN_APPROVAL_FROM = 3
        job = ordered(administrator, *fleet)
        otto.post(f"{LIST}{job.pk}/refuse/", {"reason": "not during the shift"})
        page = otto.get(f"{LIST}{job.pk}/").content.decode()
        assert "Refused by</dt><dd><bdi>otto" in page
        assert "not during the shift" in page

    def test_whoever_ordered_it_cannot(
        self, ada: Client, administrator: User, operator: User, fleet: list[str], settings: Any
    ) -> None:
        settings.SHUTDOWN_APPROVAL_FROM = 3
        job = ordered(administrator, *fleet)
        page = ada.get(f"{LIST}{job.pk}/")
        assert 'id="approve"' not in page.content.decode()
        assert "You ordered it, so another person has to approve it." in text_of(page)
        answer = ada.post(f"{LIST}{job.pk}/approve/", {"confirm_count": "3"})
        assert (answer.status_code, "You ordered this shutdown yourself" in text_of(answer)) == (403, True)

    @both
    def test_only_what_failed_is_ordered_anew(
        self, ada: Client, administrator: User, fleet: list[str], headers: dict[str, str]
    ) -> None:
        job = gone_off_in_part(administrator, fleet)
        page = ada.get(f"{LIST}{job.pk}/")
        assert "a new shutdown of the 2 devices" in text_of(page)
        [key] = re.findall(r'name="key" value="([^"]+)"', page.content.decode())
        assert re.findall(r'name="chosen" value="([^"]+)" checked', page.content.decode()) == ["press-2", "press-3"]
        sent = {"key": key, "reason": "once more", "chosen": ["press-2", "press-3"]}
        path = f"{LIST}{job.pk}/retry/"
        assert ada.post(path, sent, headers=headers).status_code == 400
        ends = [ada.post(path, sent | {"confirm_count": "2"}, headers=headers) for _ in range(2)]
        again = ShutdownJob.objects.get(retry_of=job)
        assert [end["HX-Redirect" if headers else "Location"] for end in ends] == [f"{LIST}{again.pk}/"] * 2
        assert set(again.targets.values_list("device_id", flat=True)) == {"press-2", "press-3"}
        other_tab = ada.post(path, sent | {"confirm_count": "2", "key": str(uuid4())}, headers=headers)
        assert (other_tab.status_code, f"already, in shutdown {again.pk}" in text_of(other_tab)) == (409, True)
        assert 'id="retry"' not in ada.get(f"{LIST}{job.pk}/").content.decode()

    @both
    def test_and_of_what_failed_those_that_are_ticked(
        self, ada: Client, administrator: User, fleet: list[str], headers: dict[str, str]
    ) -> None:
        job = gone_off_in_part(administrator, fleet)
        path, sent = f"{LIST}{job.pk}/retry/", {"key": str(uuid4()), "reason": "once more", "confirm_count": "1"}
        for chosen, sentence in (
            ([], "Tick at least one device."),
            (["press-1"], "not to be retried any more"),
            (["\x00"], "not to be retried any more"),
        ):
            answer = ada.post(path, {**sent, "chosen": chosen}, headers=headers)
            assert (answer.status_code, sentence in text_of(answer)) == (400, True)
        answer = ada.post(path, {**sent, "chosen": ["press-3"], "reason": ""}, headers=headers)
        assert re.findall(r'name="chosen" value="([^"]+)" checked', answer.content.decode()) == ["press-3"]
        both = {**sent, "chosen": ["press-2", "press-3"]}
        assert ada.post(path, both, headers=headers).status_code == 409
        assert not ShutdownJob.objects.filter(retry_of=job)
        ada.post(path, {**sent, "chosen": ["press-3", "press-3"]}, headers=headers)
        assert list(ShutdownJob.objects.get(retry_of=job).targets.values_list("device_id", flat=True)) == ["press-3"]

    def test_one_that_failed_alone_needs_no_tick(self, ada: Client, administrator: User, fleet: list[str]) -> None:
        job = ordered(administrator, *fleet)
        for device, state in (("press-1", "succeeded"), ("press-2", "succeeded"), ("press-3", "failed")):
            claim(job, device)
            report(job, state, device)
        assert '<input type="hidden" name="chosen" value="press-3">' in ada.get(f"{LIST}{job.pk}/").content.decode()

    @pytest.mark.parametrize("verb", ["cancel", "approve", "refuse", "retry"])
    def test_what_is_over_cannot_be_decided(
        self, otto: Client, administrator: User, fleet: list[str], verb: str
    ) -> None:
        job = ordered(administrator, "press-1")
        claim(job)
        report(job, "succeeded")
        said = {"which": "all", "reason": REASON, "key": str(uuid4())}
        answer = otto.post(f"{LIST}{job.pk}/{verb}/", said)
        assert answer.status_code == 409
        assert 'id="cancel"' not in otto.get(f"{LIST}{job.pk}/").content.decode()

    def test_a_viewer_sees_how_it_goes_and_no_button(
        self, log_in: Callable[..., Client], viewer: User, administrator: User, fleet: list[str]
    ) -> None:
        job = ordered(administrator, *fleet)
        page = log_in(viewer).get(f"{LIST}{job.pk}/").content.decode()
        assert "0 of 3 ended" in page
        assert '<form id="cancel"' not in page
        assert 'name="chosen"' not in page


class TestDevice:
    def test_its_page_names_the_open_shutdown_and_the_earlier_ones(
        self, ada: Client, administrator: User, fleet: list[str]
    ) -> None:
        first = ordered(administrator, "press-1")
        first.targets.update(expires_at=timezone.now())
        shutdown_deadlines.move_on(by=Actor.worker())
        second = ordered(administrator, "press-1")
        page = ada.get("/portal/devices/press-1/").content.decode()
        assert f'<a href="{LIST}{second.pk}/">A shutdown of it is open</a>' in page
        assert f"{LIST}{first.pk}/" in page

    @pytest.mark.parametrize(("seen", "is_off"), [(-3600, True), (0, True), (9, True), (11, False), (3600, False)])
    def test_it_is_off_by_command_until_it_is_seen_again(
        self, ada: Client, administrator: User, fleet: list[str], seen: int, is_off: bool
    ) -> None:
        job = ordered(administrator, "press-1")
        claim(job)
        report(job, "executing")
        at = timezone.now() - timedelta(minutes=5)
        job.targets.update(state="succeeded", executing_at=at, finished_at=at + timedelta(seconds=60))
        Device.objects.filter(pk="press-1").update(last_seen=at + timedelta(seconds=seen))
        for path in ("/portal/devices/press-1/", "/portal/devices/?tab=accepted"):
            page = text_of(ada.get(path))
            assert (re.search(r"off by command of ada, (\d{4}-\d\d-\d\d )?\d\d:\d\d UTC", page) is not None) == is_off

    def test_the_list_asks_once_for_all(self, ada: Client, administrator: User, fleet: list[str]) -> None:
        ada.get("/portal/devices/?tab=accepted")
        with CaptureQueriesContext(connection) as asked:
            ada.get("/portal/devices/?tab=accepted")
        assert len([query for query in asked if "shutdowntarget" in query["sql"]]) == 1


class TestHowManyAwait:
    """The mark beside the way to the shutdowns, on every page."""

    AWAITING = f"{LIST}awaiting/"

    def test_stands_on_every_page_of_who_may_approve_them(
        self, ada: Client, otto: Client, viewer: User, administrator: User, log_in: Any, fleet: list[str], settings: Any
    ) -> None:
        settings.SHUTDOWN_APPROVAL_FROM = 2
        ordered(administrator, "press-1", "press-2")
        assert '>1<span class="unseen"> awaiting your approval</span>' in otto.get("/portal/help/").content.decode()
        assert f'hx-get="{self.AWAITING}?known=0"' in ada.get("/portal/help/").content.decode()
        assert "awaiting your approval" not in log_in(viewer).get("/portal/help/").content.decode()
        assert log_in(viewer).get(self.AWAITING).status_code == 403

    def test_is_told_when_it_changes_and_only_then(
        self, otto: Client, administrator: User, operator: User, fleet: list[str], settings: Any
    ) -> None:
        settings.SHUTDOWN_APPROVAL_FROM = 2
        job = ordered(administrator, "press-1", "press-2")
        assert otto.get(self.AWAITING, {"known": "1"}, headers=HTMX).status_code == 204
        told = otto.get(self.AWAITING, {"known": "0"}, headers=HTMX).content.decode()
        assert 'id="awaiting"' in told
        assert " hidden" not in told
        shutdown_approval.refuse(job, by=Actor.person(operator), reason="not tonight")
        assert " hidden" in otto.get(self.AWAITING, {"known": "1"}, headers=HTMX).content.decode()
        assert otto.get(self.AWAITING, {"known": "9"})["Location"] == LIST

    def test_is_one_query_that_an_index_serves(self, db: None, operator: User) -> None:
        with CaptureQueriesContext(connection) as asked:
            assert shutdown_approval.how_many_await(by=Actor.person(operator)) == 0
        (query,) = asked
        if connection.vendor == "sqlite":
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN QUERY PLAN {query['sql']}")
                assert "USING INDEX shutdown_by_state (state=? AND created_at>" in str(cursor.fetchall())


class TestOverview:
    def test_it_shows_what_awaits_me_and_what_is_under_way(
        self, ada: Client, otto: Client, administrator: User, fleet: list[str], settings: Any
    ) -> None:
        settings.SHUTDOWN_APPROVAL_FROM = 2
        mark = otto.get("/portal/").context["mark"]
        job = ordered(administrator, "press-1", "press-2")
        page = otto.get("/portal/")
        assert "await your approval" in text_of(page)
        assert "1 shutdown awaits your approval" in text_of(page)
        assert "Nothing waits." not in text_of(page)
        assert 'id="waiting-shutdowns" href="/portal/shutdowns/"' in page.content.decode()
        own = text_of(ada.get("/portal/"))
        assert "await your approval" not in own
        assert "awaits your approval" not in own
        assert otto.get("/portal/", {"known": mark}, headers=HTMX).status_code == 200
        shutdown_approval.approve(job, by=Actor.person(User.objects.get(username="otto")), confirm_count=2)
        assert "0 of 2 ended" in text_of(ada.get("/portal/"))

    def test_the_history_leads_to_the_shutdown(self, ada: Client, administrator: User, fleet: list[str]) -> None:
        job = ordered(administrator, "press-1")
        assert AuditEvent.objects.filter(subject_kind="shutdown").exists()
        for path in ("/portal/", "/portal/audit/?subject=" + str(job.pk)):
            assert f'href="{LIST}{job.pk}/"' in ada.get(path).content.decode()
