"""A person opens a path of the gateway, tries it, breaks it, reads why that was refused, mends it, and is served."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Open, cookies_of
from tests.browser.site import Site
from tests.receiver import Receiver, receiving, say
from tests.served.installation import Served, serving, wait_for

SERVED = say(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\npress")


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """An installation whose routes may lead to this machine."""
    with serving(GATEHOUSE_ROUTE_TARGETS="private loopback") as ready:
        yield ready


@pytest.fixture(scope="module")
def site(served: Served) -> Site:
    site = Site(served)
    site.settle()
    return site


@pytest.fixture(scope="module")
def logged_in(browser: Browser, site: Site) -> Any:
    return cookies_of(browser, site)


@pytest.fixture(scope="module")
def service() -> Iterator[Receiver]:
    with receiving(answer=SERVED) as receiver:
        yield receiver


def access_token(served: Served, scope: str) -> str:
    shown = served.manage("issue_token", "tries", "--owner=admin", "--days=1", f"--scope={scope}").strip()
    status, _, content = served.ask("POST", "/api/v1/access-tokens", None, {"Authorization": f"Bearer {shown}"})
    assert status == 200
    return str(json.loads(content)["access_token"])


def try_it(page: Page, path: str, token: str = "") -> None:
    page.get_by_label("Path (with its query").fill(path)
    page.get_by_label("Access token").fill(token)
    page.get_by_role("button", name="Try it").click()


@pytest.mark.parametrize("scripts", [True, False], ids=["with JavaScript", "without JavaScript"])
def test_a_route_is_made_tried_broken_mended_and_served(
    open_page: Open, served: Served, service: Receiver, scripts: bool
) -> None:
    prefix = f"press{scripts}".lower()
    good, other = (access_token(served, f"gateway:{each}") for each in (prefix, "other"))
    page = open_page("/portal/gateway/", scripts=scripts)
    page.get_by_role("link", name="New route").click()
    page.get_by_label("Prefix").fill(prefix)
    page.get_by_label("Target").fill("http://169.254.169.254")
    page.get_by_role("button", name="Make this route").click()
    expect(page.locator("#target-wrong")).to_have_text("169.254.169.254 is never a route target.")
    expect(page.get_by_label("Prefix")).to_have_value(prefix)
    page.get_by_label("Target").fill(f"http://127.0.0.1:{service.port}/base")
    page.get_by_role("button", name="Make this route").click()
    expect(page.get_by_role("heading", name=f"/{prefix}")).to_be_visible()

    try_it(page, f"/{prefix}/x?y=1", other)
    expect(page.locator("#route-verdict")).to_contain_text("Refused: 403 scope_missing")
    expect(page.get_by_label("Access token")).to_have_value("")
    expect(page.get_by_label("Path (with its query")).to_have_value(f"/{prefix}/x?y=1")
    try_it(page, f"/{prefix}/x?y=1", good)
    expect(page.locator("#route-verdict")).to_contain_text(f"GET http://127.0.0.1:{service.port}/base/x?y=1")
    expect(page.get_by_role("list", name="Steps of the verdict").get_by_role("listitem")).to_have_count(7)
    assert good not in page.content()
    assert not service.heard or service.heard[-1].path != "/base/x?y=1"

    page.goto("/portal/gateway/?q=" + prefix)
    page.get_by_role("link", name=f"/{prefix}", exact=True).click()
    page.get_by_text("Another target, scope, limits").click()
    page.get_by_label("Target").fill("http://127.0.0.1:99999")
    page.get_by_role("button", name="Change this route").click()
    expect(page.locator("#target-wrong")).to_contain_text("port")
    page.get_by_label("Target").fill(f"http://127.0.0.1:{service.port}/mended")
    page.get_by_role("button", name="Change this route").click()
    expect(page.locator("#route-facts")).to_contain_text("/mended")

    def is_served() -> bool:
        status, _, content = served.ask("GET", f"/{prefix}/x", None, {"Authorization": f"Bearer {good}"})
        return (status, content) == (200, b"press") and service.heard[-1].path == "/mended/x"

    wait_for(is_served)
    page.get_by_role("button", name="Disable this route").click()
    expect(page.locator(".chip.disabled")).to_be_visible()
    wait_for(lambda: served.ask("GET", f"/{prefix}/x")[0] == 404)
    try_it(page, f"/{prefix}/x", good)
    expect(page.locator("#route-verdict")).to_contain_text(f"The route {prefix} is disabled; enable it first.")


def test_of_two_who_change_a_route_the_second_is_told(open_page: Open, site: Site) -> None:
    make = 'from gateway import routes; from portal.actor import Actor; r = routes.make("twice", "http://10.0.0.5", '
    number = site.run(f"{make} by=Actor.command('x')); print(r.pk)").strip()
    first, second = (open_page(f"/portal/gateway/routes/{number}/") for _ in range(2))
    for page, target in ((first, "http://10.0.0.6"), (second, "http://10.0.0.7")):
        page.get_by_text("Another target, scope, limits").click()
        page.get_by_label("Target").fill(target)
    first.get_by_role("button", name="Change this route").click()
    expect(first.locator("#route-facts")).to_contain_text("http://10.0.0.6")
    second.get_by_role("button", name="Change this route").click()
    expect(second.get_by_text("has changed since you looked")).to_be_visible()
