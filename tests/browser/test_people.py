"""Logging in and out, and tokens, as a person does it."""

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import Open, log_in
from tests.browser.site import ADA, PASSWORD, Site

both = pytest.mark.parametrize("scripts", [True, False], ids=["with JavaScript", "without JavaScript"])


@both
def test_the_login_leads_to_the_page_that_was_wanted(open_page: Open, site: Site, scripts: bool) -> None:
    page = open_page("/portal/devices/?tab=denied", anonymous=True, scripts=scripts)
    page.get_by_label("Name").fill(ADA)
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("The name or the password is wrong")
    expect(page.get_by_label("Name")).to_have_value(ADA)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/portal/devices/?tab=denied")
    expect(page.locator(".account")).to_contain_text("ada Administrator")


def test_after_logging_out_the_back_button_shows_nothing(open_page: Open, site: Site) -> None:
    page = open_page("/portal/login/", anonymous=True)
    log_in(page, site)
    page.goto("/portal/tokens/")
    page.goto("/portal/devices/")
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url("**/portal/login/")
    for _ in range(2):
        page.go_back()
        expect(page.get_by_role("heading", name="Log in to Gatehouse")).to_be_visible()


@both
def test_a_token_is_made_used_and_revoked(open_page: Open, browser: Browser, site: Site, scripts: bool) -> None:
    name = f"report {scripts}"
    page = open_page("/portal/tokens/", scripts=scripts)
    page.get_by_label("What is it for?").fill(name)
    page.get_by_label("See devices and the denied list").check()
    page.get_by_role("button", name="Create the token").click()
    secret = page.locator("#secret-token").inner_text()
    expect(page.locator("#secret-curl")).to_contain_text(f"Bearer {secret}")
    stranger = browser.new_context(ignore_https_errors=True, extra_http_headers={"Authorization": f"Bearer {secret}"})
    assert stranger.request.get(f"{site.url}/api/v1/devices").status == 200
    listed = page.get_by_role("row").filter(has_text=name)
    expect(listed).to_contain_text("live")
    page.get_by_role("link", name="I have it; hide it").click()
    assert secret not in page.content()
    if scripts:  # Without, the answer to a form can't be gone back to: the browser would have to send it again.
        page.go_back()
        assert secret not in page.content()
    page.goto("/portal/tokens/")
    expect(listed).to_contain_text("just now")
    listed.get_by_text("Revoke…").click()
    listed.get_by_role("button", name="Revoke this token").click()
    expect(listed).to_contain_text("revoked")
    assert stranger.request.get(f"{site.url}/api/v1/devices").status == 401
    stranger.close()


def test_the_copy_buttons_copy_without_the_gaps_between_groups(open_page: Open, site: Site) -> None:
    device = site.device()
    page = open_page(f"/portal/devices/{device}/", permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy the fingerprint").click()
    expect(page.get_by_role("button", name="Copy the fingerprint")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == page.locator("#fingerprint").text_content()
