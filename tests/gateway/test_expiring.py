"""Which certificates are told of before they end: the door's, device CAs, and the newest of each admitted device."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.utils import timezone

from devices.models import Device
from gateway import certificates, device_cas, device_certificates
from gateway.models import DeviceCA, IssuedCertificate, TlsCertificate
from portal import expiry, notices
from portal.actor import Actor
from portal.models import AuditEvent, Outbox
from tests.gateway.authorities import csr, new_key

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture
def ca(root: Actor) -> DeviceCA:
    device_cas.ensure_first(by=root)
    return DeviceCA.objects.get()


@pytest.fixture
def admit(make_device: Callable[..., Device], root: Actor, ca: DeviceCA) -> Callable[..., Any]:
    """An accepted device with certificates for so many days."""

    def make(device_id: str, *days: int, **facts: Any) -> Any:
        key = new_key()
        pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        made = make_device(device_id, {}, pem, **{"status": "accepted", **facts})
        for each in days:
            if not made.is_denied:
                device_certificates.sign(device_id, csr(device_id, key=key), days=each, by=root)
        return key

    return make


def ending(kind: str) -> list[str]:
    actor = Actor.command("test")
    return [each.told.title for each in expiry.find(actor, kind=kind, days=60, most=50)]


class TestDevices:
    def test_the_newest_certificate_of_an_admitted_device_counts(self, admit: Any) -> None:
        admit("press-1", 20)
        admit("press-2", 20, 300)
        admit("press-3", 300, 20)
        assert ending("device_certificate") == ["press-1", "press-3"]

    @pytest.mark.parametrize("after", [{"status": "rejected"}, {"denied_at": timezone.now(), "denied_by": "ada"}])
    def test_one_of_a_device_that_may_not_come_in_does_not(self, admit: Any, after: dict[str, Any]) -> None:
        admit("press-1", 20)
        Device.objects.update(**after)
        assert ending("device_certificate") == []

    def test_one_for_another_key_or_of_a_withdrawn_ca_does_not(self, admit: Any, root: Actor, ca: DeviceCA) -> None:
        admit("press-1", 20)
        assert ending("device_certificate") == ["press-1"]
        Device.objects.update(fingerprint="ab" * 32)
        assert ending("device_certificate") == []
        admit("press-2", 20)
        device_cas.make("next", by=root)
        device_cas.withdraw(ca, by=root)
        assert ending("device_certificate") == []

    def test_it_is_told_of_under_the_name_of_the_device(self, admit: Any) -> None:
        admit("press-1", 100)
        IssuedCertificate.objects.update(not_after=timezone.now() + 5 * DAY, issued_at=timezone.now() - 95 * DAY)
        Outbox.objects.all().delete()
        assert notices.give() == 1
        event = AuditEvent.objects.get(verb="certificate.notice_sent")
        assert (event.subject_kind, event.subject_id) == ("device", "press-1")
        assert Outbox.objects.get(topic="certificate.expiring").body["device"] == "press-1"


class TestDoor:
    @pytest.fixture
    def shown(self, root: Actor) -> TlsCertificate:
        return certificates.ensure_default(by=root)

    @pytest.mark.parametrize(("days", "installed", "number"), [(20, True, 1), (20, False, 0), (5, False, 1)])
    def test_what_gatehouse_renews_itself_is_told_of_when_that_failed(
        self, shown: TlsCertificate, days: int, installed: bool, number: int
    ) -> None:
        now = timezone.now()
        TlsCertificate.objects.update(installed=installed, not_before=now - 300 * DAY, not_after=now + days * DAY)
        assert notices.give() == number
        assert len(ending("certificate")) == 1

    def test_the_one_that_the_door_does_not_show_is_not_told_of(self, shown: TlsCertificate) -> None:
        now = timezone.now()
        TlsCertificate.objects.update(not_before=now - 300 * DAY, not_after=now + 5 * DAY)
        shown.pk, shown.installed, shown.not_after = None, True, now + 300 * DAY
        shown.save(force_insert=True)
        assert ending("certificate") == []
        assert notices.give() == 0

    def test_the_metric_goes_on_past_its_end(self, shown: TlsCertificate, client: Any) -> None:
        now = timezone.now()
        TlsCertificate.objects.update(not_before=now - 300 * DAY, not_after=now - 2 * DAY)
        assert 'gatehouse_days_to_expiry{kind="certificate"} -2.0' in client.get("/metrics").content.decode()


def test_a_device_ca_stands_on_the_overview_for_90_days_and_is_told_of_from_30(ca: DeviceCA, root: Actor) -> None:
    now = timezone.now()
    DeviceCA.objects.update(not_before=now - 300 * DAY, not_after=now + 80 * DAY)
    assert [each.told.url for each in expiry.soon(root, most=5)] == ["/portal/device-cas/gatehouse/"]
    assert notices.give() == 0
    DeviceCA.objects.update(not_after=now + 29 * DAY)
    assert notices.give() == 1
    event = AuditEvent.objects.get(verb="certificate.notice_sent")
    assert (event.subject_kind, event.subject_id, event.after) == (
        "device_ca", "gatehouse",
        {"kind": "device_ca", "days": 30, "owner": None, "ends_at": f"{now + 29 * DAY:%Y-%m-%dT%H:%M:%S.%fZ}"},
    )  # fmt: skip
