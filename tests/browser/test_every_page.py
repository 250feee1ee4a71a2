"""Every page, light and dark, wide and narrow: open to everybody, inside its window, and within its policy."""

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open
from tests.browser.site import Site

PAGES = [
    "/portal/",
    "/portal/devices/",
    "/portal/devices/?tab=denied",
    "/portal/devices/?tab=preauthorized",
    "/portal/devices/?q=PRESS",
    "/portal/devices/?tab=all&seen=never&sort=silent",
    "/portal/devices/{device}/",
    "/portal/devices/decisions/{bulk}/",
    "/portal/devices/list/preauthorize/",
    "/portal/enrolment-rules/",
    "/portal/enrolment-rules/new/",
    "/portal/enrolment-rules/{rule}/",
    "/portal/tokens/",
    "/portal/tokens/?owner=all&state=live",
    "/portal/audit/",
    "/portal/audit/?verify=1",
    "/portal/audit/?actor=nobody",
    "/portal/device-cas/",
    "/portal/device-cas/gatehouse/",
    "/portal/people/",
    "/portal/people/{person}/",
    "/portal/webhooks/",
    "/portal/webhooks/{webhook}/",
    "/portal/webhooks/{webhook}/?state=waiting",
    "/portal/webhooks/{webhook}/deliveries/{delivery}/",
    "/portal/account/",
    "/portal/help/",
    "/portal/devices/nobody/",
    "/portal/login/",
]
every_page = pytest.mark.parametrize("path", PAGES)


BULK = """
from uuid import uuid4
from devices import bulk_decisions
from portal.actor import Actor
from portal.models import User
by = Actor.person(User.objects.get(username="ada"))
asked = bulk_decisions.ask("reject", [("{device}", 1), ("nobody", 1)], by=by, reason="for show", id=uuid4())
print(bulk_decisions.go_on(asked, by=by, seconds=1).pk)
"""

RULE = """
from devices import rules
from portal.actor import Actor
print(rules.make(
    name="Batch 12, hall 3", verdict="accept", attribute="serial", pattern="SHO*", ca="ab" * 32, most=250,
    range_of="serial", first="SHOWN-" + "0" * 90 + "1", last="SHOWN-" + "9" * 91, is_enabled=False,
    by=Actor.command("x"),
).pk)
"""

WEBHOOK = """
from datetime import timedelta
from django.utils import timezone
from portal import webhooks
from portal.actor import Actor
from portal.models import Delivery, Webhook
from portal.topics import Topic
url, now = "https://hooks.example/" + "services/" * 40, timezone.now()
wrong = "It answered 503; a success is 200 to 299."
webhook, _ = webhooks.create("Ticket system of the plant " + "W" * 37, url, list(Topic), by=Actor.command("x"))
Webhook.objects.filter(pk=webhook.pk).update(
    waiting=1, failing_since=now, next_at=now + timedelta(hours=6), missed=3, missed_since=now
)
for state, error in (("delivered", ""), ("failed", wrong), ("waiting", wrong)):
    made = Delivery.objects.create(
        webhook=webhook, message="msg_" + "0a" * 16, topic="device.pending", body='{"type":"' + "x" * 900 + '"}',
        state=state, attempts=3, last_at=now, last_status=503 if error else 200, last_error=error, took_ms=120,
    )
print(webhook.pk, made.pk)
"""


@pytest.fixture(scope="session")
def names(site: Site) -> dict[str, str]:
    """What stands in the paths: a device with another key, a person, a decision on many; each shows all it can."""
    (device,) = site.knock({"serial": "SHOWN", "mac": "00:1b:44:11:3a:b7"})
    site.another_key(device)
    person = site.run("from portal.models import User; print(User.objects.get(username='vera').pk)").strip()
    rule, bulk = site.run(RULE).strip(), site.run(BULK.format(device=device)).strip()
    webhook, delivery = site.run(WEBHOOK).split()
    hooks = {"webhook": webhook, "delivery": delivery}
    return {"device": device, "person": person, "bulk": bulk, "rule": rule, **hooks}


def faults(page: Page) -> list[Any]:
    found = Axe().run(page).response["violations"]
    return [
        (fault["id"], [node["html"][:200] for node in fault["nodes"]][:3])
        for fault in found
        if fault["impact"] in ("serious", "critical")
    ]


@every_page
def test_axe_finds_nothing_serious_in_light_and_dark(open_page: Open, names: dict[str, str], path: str) -> None:
    page = open_page(path.format(**names), color_scheme="light", bypass_csp=True)
    for panel in page.locator("details").all()[:3]:
        panel.evaluate("panel => { panel.open = true; }")
    assert faults(page) == []
    page.emulate_media(color_scheme="dark")
    assert faults(page) == []


@every_page
def test_nothing_overflows_at_360_pixels(open_page: Open, names: dict[str, str], path: str) -> None:
    page = open_page(path.format(**names), viewport={"width": 360, "height": 740})
    for panel in page.locator("details").all()[:3]:
        panel.evaluate("panel => { panel.open = true; }")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


@every_page
def test_a_page_loads_everything_from_here_and_breaks_no_policy(
    open_page: Open, names: dict[str, str], site: Site, path: str
) -> None:
    page = open_page("about:blank")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.format(**names))
    page.wait_for_load_state("networkidle")
    assert [url for url in asked if not url.startswith((site.url, "data:"))] == []
    assert page.evaluate("typeof htmx") == "object"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_swagger_pages_work_under_the_policy(open_page: Open, site: Site, scheme: str) -> None:
    page = open_page("/api/docs/", color_scheme=scheme)
    expect(page.locator(".opblock").first).to_be_visible()
    page.get_by_role("button", name="Authorize").click()
    page.get_by_label("auth-bearer-value").fill("gate_pat_wrong")
    page.get_by_role("button", name="Apply credentials").click()
    page.get_by_role("button", name="Close", exact=True).click()
    listing = page.locator(".opblock-get").filter(has=page.locator('[data-path="/api/v1/devices"]'))
    listing.locator(".opblock-summary-control").click()
    expect(listing).to_contain_text("devices:read")
    page.get_by_role("button", name="Try it out").click()
    page.get_by_role("button", name="Execute").click()
    expect(page.locator(".live-responses-table .response-col_status").last).to_contain_text("401")
