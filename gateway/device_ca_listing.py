"""Device CAs and the certificates they signed, as people are shown them: what still opens the door, and what not."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Q
from django.utils import timezone

from gateway import device_cas, device_certificates, discovery, nodes
from gateway.envoy import listeners
from gateway.models import DeviceCA, GatewayNode, IssuedCertificate

SOON = timedelta(days=90)
SHOWN = 50
SUBSCRIPTION = discovery.subscription("secrets", [listeners.DEVICE_CAS])


@dataclass(frozen=True)
class ListedCA:
    """A CA, how many certificates it signed here, and how many of these have not ended."""

    ca: DeviceCA
    issued: int
    valid: int
    has_ended: bool
    ends_soon: bool
    signs_now: bool


@dataclass(frozen=True)
class ListedCertificate:
    """A certificate that was signed here; `ca` is the name of the CA, empty if it is withdrawn.

    `standing` is `valid`, `ended`, `CA withdrawn`, or `another key` than the one that the device has now.
    """

    certificate: IssuedCertificate
    ca: str
    standing: str


def listed() -> list[ListedCA]:
    """All of them by name."""
    now, signing = timezone.now(), device_cas.newest_signing()
    counted = _counts(now)
    return [_listed(ca, *counted.get(ca.fingerprint, (0, 0)), signing, now) for ca in device_cas.bundle()]


def one(ca: DeviceCA) -> ListedCA:
    """The same for one of them."""
    now, signing = timezone.now(), device_cas.newest_signing()
    issued = device_certificates.issued_by(ca)
    return _listed(ca, issued.count(), issued.filter(not_after__gt=now).count(), signing, now)


def refused_by() -> list[tuple[str, str]]:
    """The nodes that do not take the CAs as they are now, and why; they trust those that they took before."""
    told = ((node.name, nodes.standing_refusals(node)) for node in GatewayNode.objects.order_by("name"))
    return [(name, refusals[SUBSCRIPTION]) for name, refusals in told if SUBSCRIPTION in refusals]


def certificates(found: Iterable[IssuedCertificate], *, key: str = "") -> list[ListedCertificate]:
    """These certificates; `key` is the fingerprint of the key that the device has now, if that is known."""
    names = dict(DeviceCA.objects.values_list("fingerprint", "name"))
    now = timezone.now()
    return [
        ListedCertificate(each, names.get(each.ca_fingerprint, ""), _standing(each, names, key, now)) for each in found
    ]


def _counts(now: datetime) -> dict[str, tuple[int, int]]:
    """How many were signed, and how many of these have not ended, by the fingerprint of the CA."""
    by_ca = IssuedCertificate.objects.values_list("ca_fingerprint").order_by()
    counted = by_ca.annotate(issued=Count("pk"), valid=Count("pk", filter=Q(not_after__gt=now)))
    return {ca: (issued, valid) for ca, issued, valid in counted}


def _listed(ca: DeviceCA, issued: int, valid: int, signing: DeviceCA | None, now: datetime) -> ListedCA:
    ended = ca.not_after <= now
    return ListedCA(ca, issued, valid, ended, not ended and ca.not_after - now <= SOON, ca == signing)


def _standing(each: IssuedCertificate, names: dict[str, str], key: str, now: datetime) -> str:
    if each.not_after <= now:
        return "ended"
    if each.ca_fingerprint not in names:
        return "CA withdrawn"
    return "another key" if key and each.key_fingerprint != key else "valid"
