"""What a person does with devices, in a browser with and without JavaScript."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Open
from tests.browser.site import ADA, Site

WHO_AND_WHEN = re.compile(
    rf"has changed since you looked: it is (accepted|rejected), by {ADA} at 20\d\d-\d\d-\d\d \d\d:\d\d:\d\d UTC"
)

both = pytest.mark.parametrize("scripts", [True, False], ids=["with JavaScript", "without JavaScript"])


def row(page: Page, device: str) -> Locator:
    return page.locator(f'[id="device-{device}"]')


def count(page: Page, tab: str) -> int:
    return int(page.locator(f"#tab-{tab} .count").inner_text())


@both
def test_a_pending_device_is_accepted_from_its_row(open_page: Open, site: Site, scripts: bool) -> None:
    device = site.device()
    page = open_page("/portal/devices/", scripts=scripts)
    pending, accepted = count(page, "pending"), count(page, "accepted")
    row(page, device).get_by_role("button", name="Accept").click()
    expect(page.locator("#tab-pending .count")).to_have_text(str(pending - 1))
    expect(page.locator("#tab-accepted .count")).to_have_text(str(accepted + 1))
    if scripts:
        expect(row(page, device).locator(".chip")).to_have_text("accepted")
        expect(row(page, device).get_by_role("button", name="Accept")).to_have_count(0)
    else:
        expect(page.locator("#notices")).to_contain_text(f"{device} is accepted now")
        expect(row(page, device)).to_have_count(0)
    page.goto("/portal/devices/?tab=accepted")
    expect(row(page, device)).to_contain_text(f"by {ADA}")


@both
def test_a_device_is_denied_with_a_reason_and_restored(open_page: Open, site: Site, scripts: bool) -> None:
    device = site.device()
    page = open_page("/portal/devices/", scripts=scripts)
    row(page, device).get_by_text("Deny…").click()
    expect(row(page, device)).to_contain_text("what it stored here is destroyed")
    row(page, device).get_by_label("Reason").fill("stolen from hall 3")
    row(page, device).get_by_role("button", name="Deny this device").click()
    expect(page.locator("main, #notices").get_by_text("denied", exact=True).first).to_be_visible()
    page.goto("/portal/devices/?tab=denied")
    expect(row(page, device)).to_contain_text("stolen from hall 3")
    expect(row(page, device)).to_contain_text(f"by {ADA}")
    row(page, device).get_by_text("Restore…").click()
    row(page, device).get_by_role("button", name="Restore this device").click()
    expect(page.locator("main, #notices").get_by_text("pending", exact=True).first).to_be_visible()
    page.goto("/portal/devices/")
    expect(row(page, device).locator(".chip")).to_have_text("pending")


@both
def test_a_stale_page_is_refused_with_who_decided_and_when(open_page: Open, site: Site, scripts: bool) -> None:
    device = site.device()
    first, second = open_page("/portal/devices/", scripts=scripts), open_page("/portal/devices/", scripts=scripts)
    row(first, device).get_by_role("button", name="Reject").click()
    expect(first.locator("#notices" if not scripts else f'[id="status-{device}"]')).to_contain_text("rejected")
    row(second, device).get_by_role("button", name="Accept").click()
    expect(second.get_by_role("alert")).to_contain_text(WHO_AND_WHEN)
    second.goto("/portal/devices/?tab=rejected")
    expect(row(second, device)).to_be_visible()


@both
def test_a_device_is_purged_on_its_page_after_reading_what_that_does(
    open_page: Open, site: Site, scripts: bool
) -> None:
    device = site.device()
    page = open_page(f"/portal/devices/{device}/", scripts=scripts)
    form = page.locator(f'[id="ask-purge-{device}"]')
    expect(form).to_contain_text("The record is removed for good")
    form.get_by_label("Reason").fill("scrapped")
    form.get_by_role("button").click()
    page.wait_for_url("**/portal/devices/")
    assert page.goto(f"/portal/devices/{device}/").status == 404


@both
def test_a_key_change_is_decided_with_both_fingerprints_in_sight(open_page: Open, site: Site, scripts: bool) -> None:
    device = site.device()
    site.another_key(device)
    page = open_page(f"/portal/devices/{device}/", scripts=scripts)
    present = page.locator(".compare .fingerprint").first.text_content()
    new = page.locator(".compare .fingerprint").last.text_content()
    assert re.fullmatch("[0-9a-f]{64}", present)
    assert present != new
    page.get_by_role("button", name="Accept the new key").click()
    expect(page.locator("#fingerprint")).to_have_text(new)
    expect(page.locator(".compare")).to_have_count(0)
    expect(page.locator("#history")).to_contain_text("key change accepted")


def test_new_devices_announce_themselves_and_disturb_nothing(open_page: Open, site: Site) -> None:
    device = site.device()
    page = open_page("/portal/devices/")
    row(page, device).get_by_text("Deny…").click()
    reason = row(page, device).get_by_label("Reason")
    reason.type("half a rea")
    (newcomer,) = site.knock({"serial": "NEWCOMER"})
    news = page.get_by_role("link", name="1 new device. Show it")
    expect(news).to_be_visible()
    expect(reason).to_be_focused()
    page.keyboard.type("son")
    expect(reason).to_have_value("half a reason")
    expect(row(page, newcomer)).to_have_count(0)
    news.click()
    expect(row(page, newcomer)).to_contain_text("NEWCOMER")
    assert page.locator("table.devices tbody tr").first.get_attribute("id") == f"device-{newcomer}"


def test_the_keyboard_alone_is_enough(open_page: Open, site: Site) -> None:
    device, page = site.device(), open_page("/portal/devices/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    for _ in range(200):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.closest('tr')?.id") == f"device-{device}":
            break
    for _ in ("its name", "the copy button", "the first decision"):
        page.keyboard.press("Tab")
    expect(row(page, device).get_by_role("button", name="Accept")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(f'[id="status-{device}"]')).to_have_text("accepted")
    expect(row(page, device).locator("a.name")).to_be_focused()
    for _ in range(3):
        page.keyboard.press("Tab")
    panel = row(page, device).locator("details")
    expect(panel.locator("summary")).to_be_focused()
    page.keyboard.press("Enter")
    expect(panel.get_by_role("button")).to_be_visible()
    page.keyboard.press("Escape")
    expect(panel.get_by_role("button")).to_be_hidden()
    expect(panel.locator("summary")).to_be_focused()
