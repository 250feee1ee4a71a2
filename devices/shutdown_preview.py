"""What an order to shut down would do, before it is given: which devices go off, and whether somebody must approve."""

from dataclasses import dataclass

from devices import installed, shutdown, shutdown_askers, shutdown_fields, shutdown_refusals, shutdown_start
from devices.models import Device
from devices.shutdown_fields import Order
from portal import clock
from portal.actor import Actor


@dataclass(frozen=True)
class Named:
    """A device of the order, the apps on it that would be told, and why it would be skipped, empty if it would not."""

    device: Device
    apps: list[installed.App]
    why: str


@dataclass(frozen=True)
class Preview:
    named: list[Named]
    needs_approval: bool

    @property
    def fit(self) -> int:
        """How many would be given the order."""
        return sum(not each.why for each in self.named)

    @property
    def skipped(self) -> int:
        return len(self.named) - self.fit


def preview(wanted: Order, *, by: Actor) -> Preview:
    """What the order would do as things stand; what would be refused is refused here."""
    now = clock.now()
    shutdown_fields.judge(wanted, now)
    found = Device.objects.filter(pk__in=wanted.devices).select_related("introduction").order_by("pk")
    devices: list[Device] = list(found)
    shutdown.refuse_unknown(wanted, devices)
    unfit = shutdown_start.unfit(devices)
    shutdown.refuse_unfit(devices, unfit)
    apps = installed.on([device.pk for device in devices if device.pk not in unfit])
    named = []
    for device in devices:
        code, other = unfit.get(device.pk, ("", None))
        why = str(shutdown_refusals.standing(device.pk, code, device.status, other)) if code else ""
        named.append(Named(device, apps.get(device.pk, []), why))
    asker, number = shutdown_askers.of(by), len(devices) - len(unfit)
    return Preview(named, shutdown.needs_approval(number, asker=asker, now=now, start_at=wanted.start_at))
