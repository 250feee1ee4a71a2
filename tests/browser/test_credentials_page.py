"""App credentials and app tokens in a browser: what the page shows is run as it stands, against the real doors."""

import json
import subprocess
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open
from tests.browser.site import PASSWORD, Site
from tests.browser.test_every_page import faults

ACCEPT = """
from devices import admission
from devices.models import Device
from portal.actor import Actor
admission.decide(Device.objects.get(pk={device!r}), "accepted", by=Actor.command("test"))
"""
VERSION = """
from portal.actor import Actor
from tokens import registration
by = Actor.command("test")
registration.add_version(
    registration.register({app!r}, by=by), "v1.0.0", features=["API.Shutdown"], scopes=["users:read"], by=by
)
"""


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A folder of the program's own."""
    return tmp_path


def confirm(page: Page, field: str) -> None:
    """Type the password where it is asked for, as it is ten minutes after the login."""
    if page.locator(field).count():
        page.locator(field).fill(PASSWORD)


def run(lines: str, machine: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", lines], cwd=machine, capture_output=True, text=True, timeout=180,
        check=False,
    )  # fmt: skip


def shown(page: Page, name: str) -> str:
    return page.locator(f"#secret-{name}").text_content() or ""


def save_certificate(page: Page, machine: Path) -> None:
    with page.expect_download() as download:
        page.locator("#new-secret").get_by_role("link", name="its certificate").click()
    download.value.save_as(machine / download.value.suggested_filename)


def test_credentials_are_issued_used_rotated_and_revoked(open_page: Open, site: Site, machine: Path) -> None:
    page = open_page("/portal/apps/")
    page.locator("#app-name").fill("walked")
    page.get_by_role("button", name="Register the app").click()
    page.locator("#version-number").fill("v1.0.0")
    page.get_by_label("See people, groups and tenants").check()
    page.get_by_role("button", name="Add the version").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("walked v1.0.0")

    confirm(page, "#issue-password")
    page.get_by_role("button", name="Issue the credentials").click()
    expect(page.locator("#secret-title")).to_be_focused()
    save_certificate(page, machine)
    first, one = shown(page, "curl"), shown(page, "one")
    for lines in (first, one):
        answer = run(lines, machine)
        assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "ada" in {user["userName"] for user in json.loads(run(first, machine).stdout)["resources"]}

    page.get_by_role("link", name="I have it; hide it").click()
    expect(page.locator("#secrets tbody tr")).to_contain_text("from 127.0.0.1")
    confirm(page, "#rotate-password")
    page.get_by_role("button", name="Make a new client secret").click()
    expect(page.locator("#secret-title")).to_be_focused()
    second, guide = shown(page, "curl"), page.locator("#rotation")
    assert shown(page, "text") not in first
    expect(guide.locator("li[aria-current=step]")).to_contain_text("The new one is used for the first time. Not yet.")
    expect(guide.locator("#end-overlap")).to_contain_text("never used, so the app would be shut out")

    assert run(second, machine).returncode == 0
    expect(guide.locator("li[aria-current=step]")).to_contain_text("The old one is unused for 24 hours.")
    expect(guide.locator("li.done").nth(1)).to_contain_text("from 127.0.0.1")
    expect(page.locator("#new-secret")).to_be_visible()
    page.get_by_role("link", name="I have it; hide it").click()

    guide.get_by_label("The old one was used in the last 24 hours, and may stop").check()
    guide.get_by_role("button", name="End the overlap").click()
    expect(guide).to_contain_text("Its secret has been rotated")
    expect(guide.locator("li").last).to_contain_text("by ada")
    assert run(first, machine).returncode != 0
    assert "was ended by the end of its overlap" in run(one, machine).stdout
    assert run(second, machine).returncode == 0

    page.locator("#reason-revoke").fill("the walk is over")
    page.get_by_role("button", name="Revoke the credentials").click()
    expect(page.locator(".heading .chip")).to_have_text("revoked")
    assert run(second, machine).returncode != 0
    page.get_by_role("button", name="Delete the credentials").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("walked v1.0.0")


def test_the_same_without_javascript(open_page: Open, site: Site, machine: Path) -> None:
    site.run(VERSION.format(app="plainapp"))
    page = open_page("/portal/apps/plainapp/versions/v1.0.0/", scripts=False)
    confirm(page, "#issue-password")
    page.get_by_role("button", name="Issue the credentials").click()
    save_certificate(page, machine)
    first = shown(page, "curl")
    page.get_by_role("link", name="I have it; hide it").click()
    confirm(page, "#rotate-password")
    page.get_by_role("button", name="Make a new client secret").click()
    second = shown(page, "curl")
    assert run(second, machine).returncode == 0
    page.get_by_role("link", name="I have it; hide it").click()
    expect(page.locator("#rotation li.done").nth(1)).to_contain_text("from 127.0.0.1")
    page.get_by_role("button", name="End the overlap").click()
    expect(page.locator("#rotation")).to_contain_text("Its secret has been rotated")
    assert run(first, machine).returncode != 0
    assert run(second, machine).returncode == 0


def test_an_app_is_installed_and_its_file_buys_a_token_as_it_was_saved(
    open_page: Open, site: Site, machine: Path
) -> None:
    device = site.device()
    site.run(ACCEPT.format(device=device))
    site.run(VERSION.format(app="edgeapp"))
    page = open_page("/portal/apps/edgeapp/")
    page.locator("#new-installation summary").click()
    page.locator("#install-device").fill(device)
    confirm(page, "#install-password")
    page.get_by_role("button", name="Install it").click()
    expect(page.locator("#secret-title")).to_be_focused()
    for name in ("apptoken", "certsips"):
        with page.expect_download() as download:
            page.locator(f"[data-save=file-{name}]").click()
        download.value.save_as(machine / name)
        assert (machine / name).read_text() == page.locator(f"#file-{name}").text_content()
    assert json.loads((machine / "certsips").read_text())["auth-api-path"] == "a.service/api/v3"
    answer = run(
        f"curl -sS --fail-with-body --cacert {site.served.data_dir}/run/door.pem -X POST -d @apptoken "
        f"-H 'Content-Type: application/json' {site.url}/device/edge/a.service/api/v3/token/permit",
        machine,
    )
    assert json.loads(answer.stdout)["token_type"] == "Bearer", answer.stdout
    page.get_by_role("link", name="I have it; hide it").click()
    expect(page.locator("#secrets tbody tr")).to_contain_text("from 127.0.0.1")
    page.goto(f"/portal/devices/{device}/")
    expect(page.locator("#installed-apps")).to_contain_text("edgeapp")


def test_what_shows_a_secret_is_free_of_faults_and_overflows_nothing(open_page: Open, site: Site) -> None:
    site.run(VERSION.format(app="faultless"))
    for scheme, width in (("light", 1280), ("dark", 390), ("light", 360)):
        page = open_page(
            "/portal/apps/faultless/versions/v1.0.0/",
            color_scheme=scheme,
            bypass_csp=True,
            viewport={"width": width, "height": 800},
        )
        for panel in page.locator("main details").all():
            panel.evaluate("panel => { panel.open = true; }")
        assert faults(page) == []
        page.locator("#issue-instance").fill(f"w{width}")
        confirm(page, "#issue-password")
        page.get_by_role("button", name="Issue the credentials").click()
        expect(page.locator("#secret-title")).to_be_visible()
        for panel in page.locator("#new-secret details").all():
            panel.evaluate("panel => { panel.open = true; }")
        assert faults(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.get_by_role("link", name="I have it; hide it").click()
        page.get_by_role("button", name="Make a new client secret").click()
        expect(page.locator("#secret-title")).to_be_visible()
        for panel in page.locator("main details").all():
            panel.evaluate("panel => { panel.open = true; }")
        assert faults(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
