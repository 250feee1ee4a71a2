"""What is stored for a device, in a browser: a person puts files down and reads what the device reported."""

import json
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Open
from tests.browser.site import Site
from tests.browser.test_every_page import faults

LONG = "x" * 300
STORE = """
import json
from devices import admission, app_states, configs, records, system_info, update_events
from devices.models import CheckIn, Device
from portal.actor import Actor
device, said, by = Device.objects.get(pk={device!r}), json.loads({said!r}), Actor.command("test")
admission.decide(device, "accepted", by=by)
CheckIn.objects.create(device=device, target="lmp-118", tag="main", apps="historian", ostree_hash="6b3e" * 16)
configs.put(device, said["files"], by=by)
system_info.put_hardware(device, json.dumps(said))
system_info.put_network(device, '{{"hostname":"press-4","mac":"00:01:02:03:04:05"}}')
system_info.put_config(device, said["long"])
records.report_inventory(device, {{"os": "linux", said["long"]: said["long"]}}, replace=True)
update_events.report(device, said["events"])
for at, ostree in (("2026-11-25T12:00:01Z", "o-1"), ("2026-11-25T12:00:02Z", "o-2")):
    app_states.report(device, {{"deviceTime": at, "ostree": ostree, "apps": said["apps"]}})
"""


@pytest.fixture
def device(site: Site) -> str:
    """A device of which everything is stored, some of it in long words."""
    device = site.device()
    said: dict[str, Any] = {
        "long": LONG,
        "files": {"motd": {"Value": "hello\n"}, "a" * 128: {"Value": LONG, "OnChanged": ["/bin/reload", LONG[:256]]}},
        "events": [
            {
                "id": f"e-{number}",
                "deviceTime": "2026-11-25T12:00:00Z",
                "event": {
                    "correlationId": "u-1",
                    "targetName": LONG,
                    "version": "118",
                    "details": LONG,
                    "success": True,
                },
                "eventType": {"id": "EcuInstallationCompleted", "version": 0},
            }
            for number in range(3)
        ],
        "apps": {
            "historian": {
                "uri": LONG,
                "state": "healthy",
                "services": [{"name": "db", "image": LONG, "state": "running", "status": "Up", "logs": LONG}],
            }
        },
    }
    site.run(STORE.format(device=device, said=json.dumps(said)))
    return device


def test_a_file_is_put_down_changed_and_taken_away_without_leaving_the_page(
    open_page: Open, site: Site, device: str
) -> None:
    page = open_page(f"/portal/devices/{device}/")
    config = page.locator("#config")
    config.get_by_text("Add a file…").click()
    new = config.locator("#new-file")
    new.get_by_label("Name").fill("wg.conf")
    new.get_by_label("What is in it").fill("psk=1\npsk=2")
    new.get_by_role("button", name="Add this file").click()
    added = config.locator("[id='file-wg.conf']")
    expect(added.locator("pre")).to_have_text("psk=1\npsk=2")
    added.get_by_text("Change…").click()
    expect(added.get_by_label("What is in it")).to_have_value("psk=1\npsk=2")
    added.get_by_label("What is in it").fill("psk=3")
    added.get_by_role("button", name="Save wg.conf").click()
    expect(added.locator("pre")).to_have_text("psk=3")
    site.run(
        "from devices import configs; from devices.models import Device; from portal.actor import Actor;"
        f"configs.put(Device.objects.get(pk={device!r}), {{'wg.conf': {{'Value': 'other'}}}}, by=Actor.command('x'))"
    )
    added.get_by_text("Remove…").click()
    added.get_by_role("button", name="Remove wg.conf").click()
    expect(page.locator("#notices")).to_contain_text("has changed since you looked, by command x")
    page.reload()
    added.locator("summary").first.click()
    added.get_by_text("Remove…").click()
    added.get_by_role("button", name="Remove wg.conf").click()
    expect(config).to_contain_text("There are no files for this device to fetch.")


def test_an_older_report_takes_the_place_of_the_latest(open_page: Open, device: str) -> None:
    page = open_page(f"/portal/devices/{device}/")
    apps = page.locator("#apps")
    expect(apps).to_contain_text("on OSTree o-2")
    apps.get_by_role("link", name="2026-11-25 12:00:01 UTC").click()
    expect(apps).to_contain_text("on OSTree o-1")
    expect(page.locator("#config")).to_have_count(1)


def test_axe_finds_nothing_serious_and_nothing_overflows_with_all_panels_open(open_page: Open, device: str) -> None:
    for scheme, width in (("light", 1280), ("dark", 390), ("light", 360)):
        page = open_page(
            f"/portal/devices/{device}/",
            color_scheme=scheme,
            bypass_csp=True,
            viewport={"width": width, "height": 800},
        )
        for panel in page.locator("main details").all():
            panel.evaluate("panel => { panel.open = true; }")
        assert faults(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
