"""The part of a device's page that shows what is stored for it, and changes its configuration."""

import re
from typing import Any

from django.http import HttpResponse
from django.views.decorators.http import require_POST

from devices import admission, configs, stored, stored_forms
from devices.models import Device
from portal.access import requires
from portal.form_reading import read
from portal.pages import PageRequest, fragment
from portal.scopes import Scope

_NUMBER = re.compile(r"\d{1,18}", re.ASCII)


@require_POST
@requires(Scope.DEVICES_UPDATE)
def put_file(request: PageRequest, device_id: str) -> HttpResponse:
    """Put a file down, new or in place of one."""
    device, form = admission.find(device_id), stored_forms.FileForm(request.POST)
    wanted = read(form, named=True)
    present = configs.current(device)
    before = present.files.get(wanted["was"], {}) if present else {}
    told = {name: wanted[name] for name in ("reason", "seen", "was")}
    configs.put_file(device, wanted["name"], form.file(before), by=request.actor, **told)
    return _show(request, device, wanted["name"])


@require_POST
@requires(Scope.DEVICES_UPDATE)
def remove_file(request: PageRequest, device_id: str) -> HttpResponse:
    device, wanted = admission.find(device_id), read(stored_forms.RemovalForm(request.POST), named=True)
    configs.remove_file(device, by=request.actor, **wanted)
    return _show(request, device, "")


def facts(request: PageRequest, device: Device) -> dict[str, Any]:
    """What the templates ask about what is stored for the device."""
    number = request.GET.get("report", "")
    updates, more_events = stored.updates(device)
    attributes, more_attributes = stored.attributes(device)
    return {
        "config": stored.config(device),
        "updates": updates,
        "more_events": more_events,
        "reports": stored.reports(device),
        "report": stored.report(device, int(number) if _NUMBER.fullmatch(number) else None),
        "attributes": attributes,
        "more_attributes": more_attributes,
        "system_info": stored.system_info(device),
    }


def _show(request: PageRequest, device: Device, changed: str) -> HttpResponse:
    """The configuration as it is now, with the file that was changed open."""
    context = {"device": device, "config": stored.config(device), "changed": changed, "was_changed": True}
    return fragment(request, "devices/_config.html", context, otherwise=f"{device.get_absolute_url()}#config")
