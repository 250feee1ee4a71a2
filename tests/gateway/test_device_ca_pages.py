"""The pages about device CAs, with and without htmx, and what the device's page and the overview say of them."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from devices.models import Device
from gateway import device_cas, device_certificates, nodes
from gateway.models import DeviceCA, GatewayNode, IssuedCertificate
from portal.actor import Actor
from portal.models import AuditEvent, User
from tests.gateway.authorities import ca_certificate, csr, new_key, private_pem

pytestmark = pytest.mark.django_db

LIST = "/portal/device-cas/"
HTMX = {"HX-Request": "true"}
both = pytest.mark.parametrize("headers", [{}, HTMX], ids=["plain", "htmx"])


@pytest.fixture(autouse=True)
def first(root: Actor) -> DeviceCA:
    device_cas.ensure_first(by=root)
    return device_cas.find("gatehouse")


@pytest.fixture
def ada(log_in: Callable[..., Client], administrator: User) -> Client:
    return log_in(administrator)


def text_of(answer: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def onward(answer: Any) -> str:
    """Where the browser goes next, with htmx or without."""
    return str(answer.get("HX-Redirect") or answer["Location"])


class TestList:
    def test_says_which_signs_when_it_ends_and_how_many_still_hold(self, ada: Client, root: Actor) -> None:
        device_cas.add("plant-7", ca_certificate(days=30), by=root)
        for device_id in ("press-1", "press-2"):
            device_certificates.sign(device_id, csr(device_id), by=root)
        IssuedCertificate.objects.filter(device_id="press-1").update(
            not_before=timezone.now() - timedelta(days=9), not_after=timezone.now() - timedelta(days=1)
        )
        page = text_of(ada.get(LIST))
        assert re.search(r"gatehouse CN=Gatehouse device CA \w{8} valid ends in 365\d days here, signs now", page)
        assert "2, 1 of them not ended" in page
        assert re.search(r"plant-7 CN=Device CA of plant 7 ends soon ends in \d\d days elsewhere", page)

    def test_one_that_ended_stays_and_is_marked(self, ada: Client, first: DeviceCA) -> None:
        DeviceCA.objects.update(not_before=timezone.now() - timedelta(days=9), not_after=timezone.now())
        page = text_of(ada.get(LIST))
        assert re.search(r"gatehouse CN=\S+ device CA \w+ ended", page)
        assert "signs now" not in page

    def test_without_any_it_says_what_to_do(self, ada: Client, first: DeviceCA, root: Actor) -> None:
        device_cas.withdraw(first, by=root)
        assert "no certificate opens the device door" in text_of(ada.get(LIST))

    def test_a_viewer_sees_them_and_no_form(self, log_in: Callable[..., Client], viewer: User) -> None:
        client = log_in(viewer)
        assert "needs the scope gateway:manage" in text_of(client.get(LIST))
        assert "Withdraw" not in text_of(client.get(f"{LIST}gatehouse/"))
        assert "<textarea" not in client.get(LIST).content.decode()


class TestAdding:
    @both
    def test_one_is_made_here(self, ada: Client, headers: dict[str, str]) -> None:
        answer = ada.post(f"{LIST}new/make/", {"name": "next"}, headers=headers)
        assert onward(answer) == f"{LIST}next/"
        assert device_cas.signing_ca().name == "next"
        assert device_cas.signing_ca().created_by == "ada"

    @both
    def test_one_of_others_is_trusted_as_a_browser_sends_it(self, ada: Client, headers: dict[str, str]) -> None:
        pasted = ca_certificate().replace("\n", "\r\n")
        answer = ada.post(f"{LIST}new/add/", {"name": "plant-7", "certificate": pasted}, headers=headers)
        assert onward(answer) == f"{LIST}plant-7/"
        assert "its key is elsewhere" in text_of(ada.get(onward(answer)))

    @both
    @pytest.mark.parametrize(
        ("kind", "sent", "status", "said"),
        [
            ("make", {"name": ""}, 400, "Give it a name"),
            ("make", {"name": "Plant 7"}, 400, "1 to 63 of a-z"),
            ("make", {"name": "gatehouse"}, 409, "already; choose another name"),
            ("add", {"name": "plant-7", "certificate": ""}, 400, "Paste the certificate"),
            ("add", {"name": "plant-7", "certificate": "hello"}, 400, "not one PEM CERTIFICATE"),
            ("add", {"name": "gatehouse", "certificate": ca_certificate()}, 409, "already; choose another name"),
            ("add", {"name": "plant-7", "certificate": ca_certificate(ca=False)}, 400, "not the certificate of a CA"),
        ],
    )
    def test_what_is_wrong_stands_beside_its_field_and_what_was_typed_stays(
        self, ada: Client, headers: dict[str, str], kind: str, sent: dict[str, str], status: int, said: str
    ) -> None:
        answer = ada.post(f"{LIST}new/{kind}/", sent, headers=headers)
        page = answer.content.decode()
        assert answer.status_code == status
        assert said in page
        assert f'value="{sent["name"]}"' in page
        assert sent.get("certificate", "") in page
        assert ("<html" in page) == (not headers)
        assert DeviceCA.objects.count() == 1

    @both
    def test_the_certificate_that_is_there_already_is_named(
        self, ada: Client, first: DeviceCA, headers: dict[str, str]
    ) -> None:
        answer = ada.post(f"{LIST}new/add/", {"name": "x", "certificate": first.certificate}, headers=headers)
        assert answer.status_code == 409
        assert "in the bundle already, as gatehouse" in answer.content.decode()

    @both
    def test_a_private_key_that_was_pasted_is_not_shown_again(self, ada: Client, headers: dict[str, str]) -> None:
        key = private_pem(new_key())
        answer = ada.post(f"{LIST}new/add/", {"name": "x", "certificate": ca_certificate() + key}, headers=headers)
        assert answer.status_code == 400
        assert "holds a private key" in answer.content.decode()
        assert key.splitlines()[1] not in answer.content.decode()


class TestOne:
    def test_shows_what_it_signed_with_a_link_to_each_device(self, ada: Client, root: Actor) -> None:
        signed = device_certificates.sign("press-1", csr("press-1"), by=root)
        page = ada.get(f"{LIST}gatehouse/")
        assert 'href="/portal/devices/press-1/"' in page.content.decode()
        assert signed.serial in text_of(page)

    def test_one_that_is_not_there_is_told_as_such(self, ada: Client) -> None:
        assert ada.get(f"{LIST}nobody/").status_code == 404

    @both
    def test_it_is_withdrawn_when_its_name_was_typed(self, ada: Client, headers: dict[str, str]) -> None:
        sent = {"typed": "gatehouse", "reason": "It was copied."}
        answer = ada.post(f"{LIST}gatehouse/withdraw/", sent, headers=headers)
        assert onward(answer) == LIST
        assert not DeviceCA.objects.exists()
        event = AuditEvent.objects.get(verb="device_ca.withdrawn")
        assert (event.actor, event.reason) == ("ada", "It was copied.")

    @both
    @pytest.mark.parametrize("typed", ["", "gatehous", "GATEHOUSE", "plant-7"])
    def test_another_name_withdraws_nothing(self, ada: Client, headers: dict[str, str], typed: str) -> None:
        answer = ada.post(f"{LIST}gatehouse/withdraw/", {"typed": typed, "reason": "why not"}, headers=headers)
        assert answer.status_code == 400
        assert "Type gatehouse to confirm this." in answer.content.decode()
        assert 'value="why not"' in answer.content.decode()
        assert DeviceCA.objects.exists()

    def test_the_effect_is_spelled_out_before(self, ada: Client, root: Actor) -> None:
        device_certificates.sign("press-1", csr("press-1"), by=root)
        page = text_of(ada.get(f"{LIST}gatehouse/"))
        assert "is refused at the device door within two seconds" in page
        assert "1 that were signed here have not ended" in page
        assert "Its key is destroyed , so it never signs again, and nothing can be signed until" in page
        device_cas.make("next", by=root)
        assert "never signs again; gatehouse signs in its place" in text_of(ada.get(f"{LIST}next/"))


class TestElsewhere:
    def test_the_page_of_a_device_says_which_certificates_it_was_given_and_what_they_are_worth(
        self, ada: Client, root: Actor, first: DeviceCA, make_device: Callable[..., Device]
    ) -> None:
        make_device("press-1", {}, status="accepted")
        assert "None was signed here" in text_of(ada.get("/portal/devices/press-1/"))
        device_certificates.sign("press-1", csr("press-1"), by=root)
        present = IssuedCertificate.objects.get()
        Device.objects.update(fingerprint=present.key_fingerprint)
        device_certificates.sign("press-1", csr("press-1"), by=root)
        assert standings(ada) == ["another key", "valid"]
        IssuedCertificate.objects.filter(pk=present.pk).update(
            not_before=timezone.now() - timedelta(days=9), not_after=timezone.now()
        )
        assert standings(ada) == ["another key", "ended"]
        device_cas.withdraw(first, by=root)
        assert standings(ada) == ["CA withdrawn", "ended"]

    def test_a_device_that_needs_none_has_no_such_section(
        self, ada: Client, make_device: Callable[..., Device]
    ) -> None:
        make_device("press-1")
        assert 'id="certificates"' not in ada.get("/portal/devices/press-1/").content.decode()

    def test_the_overview_tells_of_a_ca_that_ends_within_90_days(self, ada: Client, root: Actor) -> None:
        assert "expires soon" not in text_of(ada.get("/portal/"))
        device_cas.add("plant-7", ca_certificate(days=89), by=root)
        assert re.search(r"What expires soon .* plant-7 device CA, expires in 8\d days", text_of(ada.get("/portal/")))

    def test_the_navigation_leads_here(self, ada: Client) -> None:
        assert f'<a href="{LIST}" aria-current="page">Device CAs</a>' in ada.get(LIST).content.decode()

    def test_a_key_change_that_the_present_key_has_proven_says_so(
        self, ada: Client, make_device: Callable[..., Device]
    ) -> None:
        device = make_device("press-1", {}, status="accepted")
        device_certificates.renew(device, csr("press-1"), by=Actor.device("press-1", "192.0.2.9"))
        assert "proven by the present key" in text_of(ada.get("/portal/devices/press-1/"))


def standings(client: Client) -> list[str]:
    section = client.get("/portal/devices/press-1/").content.decode().split('id="certificates"')[1]
    return re.findall(r'class="chip \w+">([^<]+)<', section.split("</section>")[0])


def test_a_node_that_does_not_take_the_cas_is_named_with_its_reason(
    log_in: Callable[..., Client], administrator: User, root: Actor
) -> None:
    nodes.local(by=root)
    refused = {
        "version": "v.0",
        "content": "v",
        "times": 1,
        "reason": "Failed to load trusted CA <b>.",
        "at": "2026-11-25",
    }
    GatewayNode.objects.update(refused={"secrets/device_cas": refused}, accepted={})
    page = log_in(administrator).get("/portal/device-cas/").content.decode()
    assert "Failed to load trusted CA &lt;b&gt;." in page
    GatewayNode.objects.update(accepted={"secrets/device_cas": {"version": "w.0", "at": "2026-11-26"}})
    assert "does not take" not in log_in(administrator).get("/portal/device-cas/").content.decode()
