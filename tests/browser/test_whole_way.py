"""One morning of an administrator: a batch of devices is let in, and a program gets its token."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Open
from tests.browser.site import ADA, PASSWORD, Site

MANY = 60
LEAVE = "from devices.models import Device; Device.objects.filter(introduction__members__line='press-shop-7').delete()"


@pytest.fixture
def batch(site: Site) -> Iterator[None]:
    """A batch of devices, which leaves again, so that the lists of other tests stay short."""
    site.knock(*({"serial": f"BATCH-{number:03}", "line": "press-shop-7"} for number in range(MANY)))
    yield
    site.run(LEAVE)


def test_devices_are_found_accepted_together_and_audited_and_a_token_is_used_and_rotated(
    open_page: Open, site: Site, batch: None, tmp_path: Path
) -> None:
    (stranger,) = site.knock({"serial": "STRANGER", "line": "unknown"})

    page = open_page("/portal/devices/")
    page.get_by_label("Device", exact=True).fill("press-shop-7")
    page.get_by_role("button", name="Find").click()
    expect(page.locator("tr.one")).to_have_count(50)
    page.get_by_label("All that match").check()
    page.locator("#bulk-reason").fill("delivered on Monday")
    page.get_by_role("button", name="Accept them").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Accept {MANY} devices?")
    expect(page.locator(".effect")).to_contain_text("Compare the key fingerprints first")
    page.get_by_role("button", name=f"Accept {MANY} devices").click()
    expect(page.get_by_role("status").filter(has_text=f"{MANY} of {MANY}")).to_contain_text(f"{MANY} accepted")
    expect(page.locator("tr .chip.accepted")).to_have_count(MANY)
    expect(page.get_by_role("link", name=stranger)).to_have_count(0)
    one = page.locator("tbody a").first.inner_text()

    page.get_by_role("link", name="audit trail").click()
    expect(page.locator("tr.one").first).to_contain_text("delivered on Monday")
    page.goto(f"/portal/audit/?subject={one}&verb=device.accepted")
    expect(page.locator("tr.one")).to_have_count(1)
    expect(page.locator("tr.one")).to_contain_text(ADA)

    page.goto("/portal/tokens/")
    page.get_by_label("What is it for?").fill("nightly report")
    page.get_by_label("See devices and the denied list").check()
    if page.locator("#id_password").count():
        page.locator("#id_password").fill(PASSWORD)
    page.get_by_role("button", name="Create the token").click()
    first = page.locator("#secret-token").inner_text()
    with page.expect_download() as handed_out:
        page.locator("#new-token").get_by_role("link", name="the certificate of the door").click()
    handed_out.value.save_as(tmp_path / handed_out.value.suggested_filename)
    answer = curl(page.locator("#secret-curl").inner_text(), tmp_path)
    assert answer["total"] > MANY

    page.goto("/portal/tokens/")
    token = page.locator("tr.one").filter(has_text="nightly report").first
    expect(token.locator(".seen")).to_contain_text("just now")
    expect(token.locator(".seen")).to_contain_text("from 127.0.0.1")
    token.get_by_text("Rotate…").click()
    token.get_by_role("button", name="Rotate this token").click()
    expect(page.locator("#secret-title")).to_be_visible()
    second = page.locator("#secret-token").inner_text()
    assert first != second
    line = page.locator("#secret-curl").inner_text()
    assert curl(line, tmp_path)["total"] == curl(line.replace(second, first), tmp_path)["total"]


def curl(line: str, folder: Path) -> dict[str, int]:
    """What the line answers that the page tells people to run, in the folder of the file that the page hands out."""
    assert re.match(r'curl --cacert gatehouse.pem -H "Authorization: Bearer gate_pat_\w', line)
    done = subprocess.run(["bash", "-c", line], cwd=folder, capture_output=True, text=True, timeout=180, check=True)
    answer: dict[str, int] = json.loads(done.stdout)
    return answer


def test_what_is_ticked_stays_ticked_when_the_list_is_fetched_anew(open_page: Open, site: Site) -> None:
    first, second = site.knock({"serial": "TICK-1"}, {"serial": "TICK-2"})
    page = open_page("/portal/devices/")
    box = page.locator(f'[id="device-{first}"] input[name=chosen]')
    box.check()
    expect(page.locator("#chosen-count")).to_have_text("1")
    (third,) = site.knock({"serial": "TICK-3"})
    page.locator("#show-news").click()
    expect(page.locator(f'[id="device-{third}"]')).to_be_visible()
    expect(box).to_be_checked()
    expect(page.locator("#chosen-count")).to_have_text("1")
    page.locator(f'[id="device-{second}"]').get_by_role("button", name="Accept").click()
    expect(page.locator(f'[id="device-{second}"] .chip')).to_have_text("accepted")
    expect(box).to_be_checked()
    page.get_by_role("button", name="Accept them").click()
    expect(page.get_by_role("status").filter(has_text="1 of 1")).to_contain_text("1 accepted")


def test_without_javascript_many_are_rejected_after_a_review(open_page: Open, site: Site) -> None:
    devices = site.knock({"serial": "PLAIN-1"}, {"serial": "PLAIN-2"})
    page = open_page("/portal/devices/", scripts=False)
    for device in devices:
        page.locator(f'[id="device-{device}"] input[name=chosen]').check()
    page.get_by_role("button", name="Reject…").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Reject 2 devices?")
    page.get_by_role("button", name="Reject 2 devices").click()
    expect(page.locator("tr .chip.rejected")).to_have_count(2)
