"""What the doors have to say on the page of a device: the certificates that were signed in its name."""

from typing import Any

from devices.models import Device
from devices.sections import section
from gateway import device_ca_listing, device_certificates
from portal.scopes import Scope

SHOWN = 10


@section("gateway/_device_certificates.html", Scope.DEVICES_READ)
def certificates(device: Device) -> dict[str, Any] | None:
    """The latest; a device that has none and came otherwise needs none."""
    found = list(device_certificates.issued_to(device.pk)[: SHOWN + 1])
    if not found and device.identity_digest:
        return None
    listed = device_ca_listing.certificates(found[:SHOWN], key=device.fingerprint)
    return {"certificates": listed, "more": len(found) > SHOWN}
