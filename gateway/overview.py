"""What the doors have to say on the overview: which device CAs end soon."""

from typing import Any

from django.utils import timezone

from gateway import device_ca_listing
from portal.actor import Actor
from portal.overview import panel
from portal.scopes import Scope


@panel("gateway/_overview.html", Scope.GATEWAY_READ)
def ending(actor: Actor) -> dict[str, Any]:
    """The CAs that end within 90 days, and with them whatever they signed."""
    cas = device_ca_listing.ending_soon(timezone.now())
    return {"cas": cas, "days": device_ca_listing.SOON.days, "mark": "-".join(str(ca.pk) for ca in cas)}
