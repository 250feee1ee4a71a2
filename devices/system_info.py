"""What a device uploads about itself: hardware, network and the configuration of its updater, each as it was sent.

Not audited: it is the device's own data and decides nothing.
"""

from typing import Any

from devices import records
from devices.models import Device, SystemInfo
from portal import strict_json
from portal.refusal import Invalid

NETWORK = ("hostname", "mac", "local_ipv4")


def put_hardware(device: Device, text: str) -> None:
    """Keep what the device is made of; any JSON."""
    _read(text)
    _keep(device, "hardware", text)


def put_network(device: Device, text: str) -> None:
    """Keep where the device is: a JSON object in which `hostname`, `mac` and `local_ipv4` are texts, if they are there.

    Other members are nobody's business; they stay in the text.
    """
    members = _read(text)
    if not isinstance(members, dict):
        raise Invalid("body", "Send a JSON object with 'hostname', 'mac' and 'local_ipv4'.")
    for name in NETWORK:
        if not isinstance(members.get(name, ""), str):
            raise Invalid(name, f"'{name}' is text; leave it out if there is none.")
    _keep(device, "network", text)


def put_config(device: Device, text: str) -> None:
    """Keep how the updater on the device is set up; any text."""
    if "\0" in text:
        raise Invalid("body", "The text holds the character U+0000; send text alone.")
    _keep(device, "config", text)


def _read(text: str) -> Any:
    try:
        return strict_json.loads_text(text, repeated_members=True)
    except strict_json.Unreadable as unreadable:
        raise Invalid("body", f"The body cannot be read: {unreadable}.") from unreadable


def _keep(device: Device, field: str, text: str) -> None:
    """Put it in place of what was there; the same text once more writes nothing."""
    with records.storing(device):
        kept = SystemInfo.objects.filter(device=device).first()
        if kept is None or getattr(kept, field) != text:
            SystemInfo.objects.update_or_create(device=device, defaults={field: text})
