"""What an administrator does with people, in a browser with and without JavaScript."""

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Open
from tests.browser.site import Site

both = pytest.mark.parametrize("scripts", [True, False], ids=["with JavaScript", "without JavaScript"])


def log_in_as(page: Page, name: str, password: str) -> None:
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


@both
def test_a_person_is_added_logs_in_gets_another_role_and_is_shut_out(
    open_page: Open, browser: Browser, site: Site, scripts: bool
) -> None:
    name = "grace" if scripts else "joan"
    page = open_page("/portal/people/", scripts=scripts)
    page.get_by_label("Name (to log in with").fill(name)
    page.get_by_label("Operator").check()
    page.get_by_role("button", name="Add this person").click()
    password = page.locator("#secret-password").inner_text()
    expect(page.locator("#people")).to_contain_text(name)
    page.get_by_role("link", name=f"To the page of {name}").click()
    assert password not in page.content()

    theirs = browser.new_context(ignore_https_errors=True, base_url=site.url).new_page()
    theirs.goto("/portal/login/")
    log_in_as(theirs, name, password)
    expect(theirs.locator(".account")).to_contain_text(f"{name} Operator")

    page.reload()
    expect(page.locator("#sessions tbody tr")).to_have_count(1)
    page.get_by_label("Viewer").check()
    page.locator("#role").get_by_label("Reason").fill("on leave")
    page.get_by_role("button", name="Change the role").click()
    expect(page.locator(".lead").first).to_contain_text("Viewer, added")
    expect(page.locator("#history")).to_contain_text("on leave")
    theirs.reload()
    expect(theirs.locator(".account")).to_contain_text(f"{name} Viewer")

    page.get_by_role("button", name="Deactivate this person").click()
    expect(page.locator(".heading .chip")).to_have_text("deactivated")
    theirs.reload()
    expect(theirs.get_by_role("heading", name="Log in to Gatehouse")).to_be_visible()
    theirs.context.close()


def test_a_forgotten_password_is_set_anew_copied_and_gone_when_hidden(
    open_page: Open, browser: Browser, site: Site
) -> None:
    site.run(
        "from portal import people\nfrom portal.actor import Actor\n"
        "people.create('hedy', 'correct horse battery staple', 'viewer', by=Actor.command('test'))"
    )
    page = open_page("/portal/people/?q=hedy", permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("link", name="hedy").click()
    page.get_by_role("button", name="Set a new password").click()
    expect(page.get_by_role("heading", name="Copy the password now")).to_be_focused()
    page.get_by_role("button", name="Copy the password").click()
    expect(page.get_by_role("button", name="Copy the password")).to_have_text("Copied")
    password = page.evaluate("navigator.clipboard.readText()")
    page.get_by_role("link", name="I have it; hide it").click()
    expect(page.locator("#secret-password")).to_have_count(0)
    page.go_back()
    assert password not in page.content()
    theirs = browser.new_context(ignore_https_errors=True, base_url=site.url).new_page()
    theirs.goto("/portal/login/")
    log_in_as(theirs, "hedy", password)
    expect(theirs.locator(".account")).to_contain_text("hedy Viewer")
    theirs.context.close()
