"""One browser and one served installation for all tests; a page that complains fails its test."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from tests.browser.chromium import launched
from tests.browser.site import ADA, PASSWORD, Site

Open = Callable[..., Page]
# A busy machine takes its time.
PATIENCE = 60_000
expect.set_options(timeout=PATIENCE)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        yield launched(playwright)


@pytest.fixture(scope="session")
def site(served: Any) -> Site:
    site = Site(served)
    site.settle()
    return site


@pytest.fixture(scope="module")
def logged_in(browser: Browser, site: Site) -> Any:
    """For a module: a password that was given ten minutes ago confirms nothing any more."""
    return cookies_of(browser, site)


@pytest.fixture
def open_page(browser: Browser, site: Site, logged_in: Any) -> Iterator[Open]:
    """Open a path in a new window, as the administrator unless told; what the browser complains of fails the test."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        # A refusal is an answer like another; that Chromium logs its status is no complaint.
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            complaints.append(f"{message.location.get('url')}: {message.text}")

    def show(path: str, *, anonymous: bool = False, scripts: bool = True, **options: Any) -> Page:
        context = browser.new_context(
            ignore_https_errors=True,
            java_script_enabled=scripts,
            base_url=site.url,
            storage_state=None if anonymous else logged_in,
            **options,
        )
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        page = context.new_page()
        page.on("console", listen)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(path)
        return page

    yield show
    for context in contexts:
        context.close()
    assert not complaints


def cookies_of(browser: Browser, site: Site) -> Any:
    """The cookies of a browser in which the administrator has logged in."""
    context = browser.new_context(ignore_https_errors=True)
    page = context.new_page()
    log_in(page, site)
    state = context.storage_state()
    context.close()
    return state


def log_in(page: Page, site: Site, name: str = ADA) -> None:
    page.goto(f"{site.url}/portal/login/")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/portal/")
