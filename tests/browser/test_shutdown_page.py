"""A shutdown in the browser: ordered after a review, followed live, cancelled, retried, and approved by another."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open
from tests.browser.site import PASSWORD, Site

REASON = "maintenance of hall 3"
FLEET = """
from devices import admission
from devices.models import Device
from portal.actor import Actor
from portal.models import User
from tokens import installing, registration
by, ada = Actor.command("x"), User.objects.get(username="ada")
versions = [registration.add_version(registration.register(name, by=by), "v1", by=by) for name in ("historian", "hmi")]
for device_id in {devices}:
    admission.decide(Device.objects.get(pk=device_id), "accepted", by=by)
    for version in versions:
        installing.install(version, device_id, by=by, owner=ada)
"""
# The device side by its rules: who claims, which apps acknowledge, and what is reported.
DEVICES = """
from devices import installed, shutdown_acks, shutdown_claim
from devices.models import ShutdownTarget
from portal.actor import Actor
def part(device_id):
    return ShutdownTarget.objects.select_related("job").filter(device_id=device_id).latest("pk")
def claim(device_id):
    shutdown_claim.claim(part(device_id), "0123456789abcdef", by=Actor.device(device_id))
def ack(device_id, name):
    (app,) = [app for app in installed.on([device_id])[device_id] if app.name == name]
    shutdown_acks.acknowledge(part(device_id), app, by=Actor.app(name, (), credential=app.installation))
def report(device_id, state, **facts):
    shutdown_claim.report(part(device_id), shutdown_claim.Report(state, **facts), by=Actor.device(device_id))
one, two, three = {devices}
"""
AWAITING = """
from django.conf import settings
from devices import shutdown
from devices.models import Via
from devices.shutdown_fields import Order
from portal import people
from portal.actor import Actor
from portal.roles import Role
settings.SHUTDOWN_APPROVAL_FROM = 2
olga = people.create("olga", {password!r}, Role.OPERATOR, by=Actor.command("x"))
wanted = Order({devices}, "the grid goes down at noon")
print(shutdown.order(wanted, by=Actor.person(olga), via=Via.PAGE, confirm_count=2).pk)
"""


@pytest.fixture(scope="module")
def fleet(site: Site) -> list[str]:
    """Three accepted devices with two apps on each."""
    devices = site.knock(*({"serial": f"HALL3-{number}", "line": "hall-3"} for number in range(3)))
    site.run(FLEET.format(devices=devices))
    return devices


def confirm(page: Page, number: int, button: str) -> None:
    """Type the number, and the password if the session is not fresh any more."""
    page.get_by_label("Type the number of devices").fill(str(number))
    if page.get_by_label("Your password").count():
        page.get_by_label("Your password").fill(PASSWORD)
    page.get_by_role("button", name=button).click()


def test_a_shutdown_is_ordered_followed_live_cancelled_in_part_and_retried(
    open_page: Open, site: Site, fleet: list[str]
) -> None:
    one, two, three = fleet
    devices = DEVICES.format(devices=fleet)
    page = open_page("/portal/devices/?tab=accepted&q=hall-3")
    for box in page.locator("input[name=chosen]").all():
        box.check()
    page.get_by_role("button", name="Shut down…").click()
    page.get_by_label("Why?").fill(REASON)
    page.get_by_label("Seconds for their apps").fill("600")
    page.get_by_role("button", name="Review…").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Shut down 3 devices?")
    expect(page.locator(f"#named-{one}")).to_contain_text("HALL3-0")
    expect(page.locator(f"#named-{one}")).to_contain_text("historian")
    confirm(page, 2, "Shut them down")
    expect(page.locator("#confirm-count-wrong")).to_contain_text("This is for 3 devices")
    confirm(page, 3, "Shut them down")
    expect(page.get_by_role("heading", level=1)).to_have_text("Shutdown of 3 devices")
    expect(page.locator(f"#target-{one}")).to_contain_text("queued")

    # What is typed and ticked stays while the page goes on by itself.
    cancel = page.locator("#cancel")
    cancel.get_by_label("Why?").fill("this one is needed")
    page.locator(f"#pick-{three}").check()
    site.run(devices + 'claim(one); claim(two); ack(one, "hmi")')
    expect(page.locator(f"#target-{one}")).to_contain_text("hmi acknowledged")
    expect(page.locator(f"#target-{one}")).to_contain_text("historian awaited")
    expect(page.locator(f"#target-{two}")).to_contain_text("s left for its apps")
    expect(page.locator(f"#pick-{three}")).to_be_checked()
    expect(cancel.get_by_label("Why?")).to_have_value("this one is needed")
    cancel.get_by_role("button", name="Cancel those ticked").click()
    expect(page.locator(f"#target-{three}")).to_contain_text("cancelled")
    expect(cancel).to_have_count(0)

    site.run(
        devices + 'ack(one, "historian"); report(one, "executing"); report(one, "succeeded")\n'
        'report(two, "failed", code="not_supported", detail="It has no soft power switch.")'
    )
    expect(page.locator("#shutdown-standing .chip")).to_have_text("completed with errors")
    expect(page.locator(f"#target-{one}")).to_contain_text("off since")
    expect(page.locator(f"#target-{two}")).to_contain_text("It has no soft power switch.")
    retry = page.locator("#retry")
    retry.get_by_label("Why?").fill("it was mended")
    retry.get_by_role("button", name="Order it anew").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Shutdown of 1 device")
    expect(page.locator(f"#target-{two}")).to_contain_text("queued")
    page.locator("#cancel").get_by_label("Why?").fill("enough for today")
    page.get_by_role("button", name="Cancel all that are left").click()
    expect(page.locator("#shutdown-standing .chip")).to_have_text("cancelled")

    page.goto(f"/portal/devices/{one}/")
    expect(page.locator(f"#off-{one}")).to_contain_text("off by command of ada")
    expect(page.locator("#device-shutdowns")).to_contain_text(REASON)


def test_a_second_person_approves_what_another_ordered(open_page: Open, site: Site, fleet: list[str]) -> None:
    job = site.run(AWAITING.format(devices=fleet[1:], password=PASSWORD)).strip()
    page = open_page("/portal/")
    page.locator(f"#awaits-{job}").click()
    expect(page.locator("#shutdown-standing")).to_contain_text("the grid goes down at noon")
    confirm(page, 3, "Approve the shutdown")
    expect(page.get_by_role("alert")).to_contain_text("This is for 2 devices")
    confirm(page, 2, "Approve the shutdown")
    expect(page.locator("#shutdown-standing .chip")).to_have_text("running")
    expect(page.locator("#shutdown-standing")).to_contain_text("Approved by")
    expect(page.locator(f"#target-{fleet[1]}")).to_contain_text("queued")


def test_without_javascript_it_is_ordered_and_cancelled_as_well(open_page: Open, site: Site, fleet: list[str]) -> None:
    page = open_page(f"/portal/shutdowns/order/?device={fleet[0]}", scripts=False)
    page.get_by_label("Why?").fill(REASON)
    page.get_by_role("button", name="Review…").click()
    page.get_by_role("button", name="Shut it down").click()
    expect(page.locator(f"#target-{fleet[0]}")).to_contain_text("queued")
    page.locator("#cancel").get_by_label("Why?").fill("not this one")
    page.get_by_role("button", name="Cancel all that are left").click()
    expect(page.locator("#shutdown-standing .chip")).to_have_text("cancelled")
