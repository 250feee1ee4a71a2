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
    "/portal/tokens/",
    "/portal/tokens/?owner=all&state=live",
    "/portal/audit/",
    "/portal/audit/?verify=1",
    "/portal/audit/?actor=nobody",
    "/portal/people/",
    "/portal/people/{person}/",
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


@pytest.fixture(scope="session")
def names(site: Site) -> dict[str, str]:
    """What stands in the paths: a device with another key, a person, a decision on many; each shows all it can."""
    (device,) = site.knock({"serial": "SHOWN", "mac": "00:1b:44:11:3a:b7"})
    site.another_key(device)
    person = site.run("from portal.models import User; print(User.objects.get(username='vera').pk)").strip()
    return {"device": device, "person": person, "bulk": site.run(BULK.format(device=device)).strip()}


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
