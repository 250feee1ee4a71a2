"""A second factor, as a person adds it and logs in with it: an app, a recovery code, and a passkey of Chromium."""

import re
import time
from typing import Any

import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open
from tests.browser.site import PASSWORD, Site
from tests.browser.test_every_page import faults

PAGE = "/portal/account/second-factor/"
MAKE = """
from portal import people
from portal.actor import Actor
people.create({name!r}, {password!r}, "viewer", by=Actor.command("test"))
"""
USED_LONG_AGO = """
from allauth.mfa.models import Authenticator
for app in Authenticator.objects.filter(user__username={name!r}, type="totp"):
    app.data["used"] = []
    app.save()
"""
VIRTUAL = {
    "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
    "isUserVerified": True, "automaticPresenceSimulation": True,
}  # fmt: skip
both = pytest.mark.parametrize("scripts", [True, False], ids=["with JavaScript", "without JavaScript"])


@pytest.fixture
def clear(site: Site) -> str:
    """The clear-text door: Chromium uses no passkey where it does not trust the certificate, but at localhost."""
    return f"http://localhost:{site.served.http_port}"


def password(page: Page, name: str) -> None:
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()


def code(secret: str) -> str:
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30))


def fits(page: Page, width: int) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth") <= width)


@both
def test_an_app_is_added_and_its_codes_and_the_recovery_codes_let_in_once_each(
    open_page: Open, site: Site, scripts: bool
) -> None:
    name = "hopper" if scripts else "lovelace"
    site.run(MAKE.format(name=name, password=PASSWORD))
    page = open_page(f"/portal/login/?next={PAGE}", anonymous=True, scripts=scripts)
    password(page, name)
    page.get_by_role("button", name="Add an authenticator app").click()
    expect(page.get_by_role("img", name="QR code")).to_be_visible()
    secret = page.locator("#app-secret").inner_text()
    page.get_by_label("The code that the app shows now").fill("000000")
    page.get_by_role("button", name="Confirm the app").click()
    expect(page.locator("#app-code-wrong")).to_contain_text("This code is wrong")
    assert page.locator("#app-secret").inner_text() == secret
    page.get_by_label("The code that the app shows now").fill(code(secret))
    page.get_by_role("button", name="Confirm the app").click()
    expect(page.get_by_role("heading", name="Keep these recovery codes now")).to_be_visible()
    codes = page.locator("#codes-shown").inner_text().split()
    assert len(codes) == 10
    if scripts:
        with page.expect_download() as saved:
            page.get_by_role("link", name="Save as a file").click()
        assert saved.value.path().read_text().split() == codes
        assert saved.value.suggested_filename == "gatehouse-recovery-codes.txt"
    page.get_by_role("link", name="I have them; go on").click()
    expect(page.locator("#recovery-codes")).to_contain_text("10 left")
    assert codes[0] not in page.content()
    site.run(USED_LONG_AGO.format(name=name))

    def log_in_again() -> None:
        page.get_by_role("button", name="Log out").click()
        password(page, name)
        expect(page.get_by_role("heading", name="One more proof")).to_be_visible()

    log_in_again()
    shown = code(secret)
    page.get_by_label("Code of your authenticator app").fill(shown)
    page.get_by_role("button", name="Go on").click()
    expect(page.locator(".account")).to_contain_text(name)

    log_in_again()
    page.get_by_label("Code of your authenticator app").fill(shown)
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("alert")).to_contain_text("was used already")
    page.get_by_label("Code of your authenticator app").fill(codes[2])
    page.get_by_role("button", name="Go on").click()
    expect(page.locator(".account")).to_contain_text(name)

    log_in_again()
    page.get_by_label("Code of your authenticator app").fill(codes[2])
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_role("alert")).to_contain_text("was used already")
    page.get_by_label("Code of your authenticator app").fill(codes[3])
    page.get_by_role("button", name="Go on").click()
    page.goto(PAGE)
    expect(page.locator("#recovery-codes")).to_contain_text("8 left")
    page.get_by_role("button", name="Remove the app").click()
    expect(page.get_by_role("status").filter(has_text="It is removed.")).to_be_visible()


def virtual(page: Page) -> tuple[Any, str]:
    """A passkey of software in this browser; the session that steers it, and which it is."""
    steered = page.context.new_cdp_session(page)
    steered.send("WebAuthn.enable")
    made = steered.send("WebAuthn.addVirtualAuthenticator", {"options": VIRTUAL})
    return steered, made["authenticatorId"]


def test_a_passkey_is_made_and_lets_in_and_confirms_and_another_authenticator_does_not(
    open_page: Open, site: Site, clear: str
) -> None:
    site.run(MAKE.format(name="meitner", password=PASSWORD))
    page = open_page(f"{clear}/portal/login/?next={PAGE}", anonymous=True)
    steered, authenticator = virtual(page)
    password(page, "meitner")
    page.get_by_label("Name of the new passkey").fill("Desk in hall 3")
    page.get_by_role("button", name="Add a passkey").click()
    page.get_by_role("button", name="Make the passkey").click()
    expect(page.get_by_role("heading", name="Keep these recovery codes now")).to_be_visible()
    assert len(page.locator("#codes-shown").inner_text().split()) == 10
    expect(page.locator("#passkeys")).to_contain_text("Desk in hall 3")

    page.get_by_label("Name of the new passkey").fill("The same")
    page.get_by_role("button", name="Add a passkey").click()
    page.get_by_role("button", name="Make the passkey").click()
    expect(page.get_by_role("alert")).to_contain_text("holds a passkey of yours already")

    page.get_by_role("button", name="Log out").click()
    password(page, "meitner")
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.locator(".account")).to_contain_text("meitner")

    page.get_by_role("button", name="Log out").click()
    password(page, "meitner")
    expect(page.get_by_role("heading", name="One more proof")).to_be_visible()
    (kept,) = steered.send("WebAuthn.getCredentials", {"authenticatorId": authenticator})["credentials"]
    steered.send("WebAuthn.removeVirtualAuthenticator", {"authenticatorId": authenticator})
    other = steered.send("WebAuthn.addVirtualAuthenticator", {"options": VIRTUAL})["authenticatorId"]
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_role("alert")).to_contain_text("made or found no passkey")
    steered.send("WebAuthn.addCredential", {"authenticatorId": other, "credential": kept})
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.locator(".account")).to_contain_text("meitner")

    page.goto(f"{clear}{PAGE}")
    page.locator("#passkeys summary").click()
    page.get_by_label("Name", exact=True).fill("Desk in hall 4")
    page.get_by_role("button", name="Rename").click()
    expect(page.locator("#passkeys b").first).to_have_text("Desk in hall 4")
    page.locator("#passkeys summary").click()
    page.get_by_role("button", name="Remove this passkey").click()
    expect(page.locator("#recovery-codes")).to_contain_text("You get ten of them")


def test_axe_finds_nothing_serious_and_nothing_overflows_in_any_state(open_page: Open, site: Site, clear: str) -> None:
    for scheme, width in (("light", 1280), ("dark", 360)):
        name = f"noether-{scheme}" + "w" * 100
        site.run(MAKE.format(name=name, password=PASSWORD))
        page = open_page(
            f"{clear}/portal/login/?next={PAGE}",
            anonymous=True,
            color_scheme=scheme,
            bypass_csp=True,
            viewport={"width": width, "height": 800},
        )
        virtual(page)

        def look(page: Page = page, width: int = width) -> None:
            assert faults(page) == []
            assert fits(page, width)

        password(page, name)
        look()
        page.get_by_role("button", name="Add an authenticator app").click()
        expect(page.locator("#app-secret")).to_be_visible()
        secret = page.locator("#app-secret").inner_text()
        look()
        page.get_by_label("The code that the app shows now").fill(code(secret))
        page.get_by_role("button", name="Confirm the app").click()
        expect(page.locator("#codes-shown")).to_be_visible()
        look()
        page.get_by_label("Name of the new passkey").fill("W" * 64)
        page.get_by_role("button", name="Add a passkey").click()
        expect(page.get_by_role("button", name="Make the passkey")).to_be_visible()
        look()
        page.get_by_role("button", name="Make the passkey").click()
        page.locator("#passkeys summary").click()
        look()
        page.get_by_role("button", name="Log out").click()
        password(page, name)
        page.get_by_label("Code of your authenticator app").fill("000000")
        page.get_by_role("button", name="Go on").click()
        expect(page.get_by_role("alert").first).to_contain_text("This code is wrong")
        look()
        page.get_by_role("button", name="Use a passkey").click()
        page.wait_for_url(re.compile(r"/portal/$"))


def test_an_administrator_removes_the_second_factors_of_who_lost_them_once_the_name_is_typed(
    open_page: Open, site: Site
) -> None:
    site.run(
        MAKE.format(name="curie", password=PASSWORD)
        + "from portal.models import User\nfrom portal import second_factor\n"
        "from allauth.mfa.totp.internal.auth import generate_totp_secret\n"
        "second_factor.OnceOnly.activate(User.objects.get(username='curie'), generate_totp_secret())\n"
    )
    page = open_page("/portal/people/?q=curie")
    page.get_by_role("link", name="curie").click()
    form = page.locator("#ask-second-factor")
    form.get_by_label("Type curie to confirm").fill("Curie")
    if form.get_by_label("Your own password").count():
        form.get_by_label("Your own password").fill(PASSWORD)
    form.get_by_role("button", name="Remove the second factors").click()
    expect(form.locator(".wrong")).to_contain_text("Type the name curie")
    form.get_by_label("Type curie to confirm").fill("curie")
    form.get_by_label("Reason").fill("lost the phone")
    form.get_by_role("button", name="Remove the second factors").click()
    expect(page.locator("#history")).to_contain_text("lost the phone")
    expect(form).to_have_count(0)
