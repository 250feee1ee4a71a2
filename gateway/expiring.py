"""Which certificates end by themselves: the door's, device CAs, and those of devices that have no newer one."""

from datetime import timedelta
from typing import Any

from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce
from django.urls import reverse

from devices.models import Device, Status
from gateway import certificates
from gateway.device_ca_listing import SOON
from gateway.models import DeviceCA, IssuedCertificate, TlsCertificate
from portal import expiry
from portal.expiry import Source, Told
from portal.scopes import Scope

Rows = QuerySet[Any, Any]
# Gatehouse renews its own certificate long before; one that is so near its end was not.
RENEWAL_FAILED = 7


def door_certificates() -> Rows:
    """The one that each door shows."""
    installed = TlsCertificate.objects.filter(role=OuterRef("role"), installed=True)
    # Those of the local door are of no node, and nothing is equal to NULL.
    installed = installed.alias(door=Coalesce("node", 0)).filter(door=Coalesce(OuterRef("node"), 0))
    rows: Rows = TlsCertificate.objects.select_related("node").filter(Q(installed=True) | ~Exists(installed))
    return rows


def _door_notified(rows: Rows, days: int) -> Rows:
    return rows if days <= RENEWAL_FAILED else rows.filter(installed=True)


def device_certificates() -> Rows:
    """The newest of each admitted device, under the key that the device has and of a CA that is trusted."""
    newer = IssuedCertificate.objects.filter(device_id=OuterRef("device_id"), pk__gt=OuterRef("pk"))
    admitted = Device.objects.present().filter(
        pk=OuterRef("device_id"), status=Status.ACCEPTED, fingerprint=OuterRef("key_fingerprint")
    )
    # Not with IN: the database would begin with all that these CAs have ever signed.
    trusted = DeviceCA.objects.filter(fingerprint=OuterRef("ca_fingerprint"))
    return IssuedCertificate.objects.filter(Exists(admitted), ~Exists(newer), Exists(trusted))


def _door(certificate: Any, reader: Any) -> Told:
    names = ", ".join(certificate.names[:2]) or certificate.subject
    subject = certificates.subject(certificate.node)
    return Told(f"door certificate for {names}", subject, reverse("door_certificates:list"))


def _device_ca(ca: Any, reader: Any) -> Told:
    return Told(ca.name, ("device_ca", ca.name), reverse("device_cas:detail", args=[ca.name]))


def _device(certificate: Any, reader: Any) -> Told:
    device_id = certificate.device_id
    return Told(device_id, ("device", device_id), reverse("devices:detail", args=[device_id]))


expiry.register(
    Source(
        kind="certificate",
        noun="certificate",
        words=("certificate of the TLS door", "certificates of the TLS door"),
        advice="Install the next one before browsers and programs refuse to come in.",
        scope=Scope.GATEWAY_READ,
        rows=door_certificates,
        tell=_door,
        end="not_after",
        began=F("not_before"),
        notified=_door_notified,
        has_one=True,
    )
)
expiry.register(
    Source(
        kind="device_ca",
        noun="certificate",
        words=("device CA", "device CAs"),
        advice="Make or add the next CA, let the devices renew, then withdraw this one: what it signed ends with it.",
        scope=Scope.GATEWAY_READ,
        rows=DeviceCA.objects.all,
        tell=_device_ca,
        end="not_after",
        began=F("not_before"),
        soon=SOON,
    )
)
expiry.register(
    Source(
        kind="device_certificate",
        noun="certificate",
        words=("device certificate", "device certificates"),
        advice="The device renews it with POST /device/certificate; if it has not by now, look after the device.",
        scope=Scope.DEVICES_READ,
        rows=device_certificates,
        tell=_device,
        end="not_after",
        began=F("issued_at"),
        soon=timedelta(days=7),
        in_banner=False,
    )
)
